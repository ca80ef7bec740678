import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from "graphql";

/** Values for arguments: by `Type.field.argument`, else by the argument's name alone; each is GraphQL text. */
export type Samples = Readonly<Record<string, readonly string[]>>;

/**
 * For each root field (and each sample of its arguments) one query that selects everything below it, `depth` fields
 * deep. Fields whose required arguments have no sample are left out and named in `missed`.
 */
export function everyQuery(
  schema: GraphQLSchema,
  samples: Samples,
  depth: number,
): { queries: string[]; missed: string[] } {
  const missed = new Set<string>();
  const root = schema.getQueryType();
  const queries = Object.values(root?.getFields() ?? {}).flatMap((field) => {
    const calls = callsOf("Query", field, samples, missed);
    const below = selectionOf(schema, getNamedType(field.type), samples, depth - 1, missed);
    if (below === null) return [];
    return calls.map((call) => `{ ${call} ${below} }`);
  });
  return { queries, missed: [...missed] };
}

/** Null where nothing can be selected at this depth; empty text for scalars. */
function selectionOf(
  schema: GraphQLSchema,
  type: GraphQLNamedType,
  samples: Samples,
  depth: number,
  missed: Set<string>,
): string | null {
  if (isUnionType(type) || isInterfaceType(type)) {
    const parts = schema.getPossibleTypes(type).flatMap((one) => {
      const inner = selectionOf(schema, one, samples, depth, missed);
      return inner ? [`... on ${one.name} ${inner}`] : [];
    });
    return parts.length === 0 ? null : `{ __typename ${parts.join(" ")} }`;
  }
  if (!isObjectType(type)) return "";
  if (depth === 0) return null;
  const fields = Object.values(type.getFields()).flatMap((field) => {
    const below = selectionOf(schema, getNamedType(field.type), samples, depth - 1, missed);
    const [call] = below === null ? [] : callsOf(type.name, field, samples, missed);
    if (call === undefined) return [];
    // Two types of one interface may have fields of one name and another shape.
    return [`${type.name}_${field.name}: ${call} ${below ?? ""}`];
  });
  return fields.length === 0 ? null : `{ ${fields.join(" ")} }`;
}

function callsOf(type: string, field: GraphQLField<unknown, unknown>, samples: Samples, missed: Set<string>): string[] {
  const filled = field.args.map((argument) => {
    const known = samples[`${type}.${field.name}.${argument.name}`] ?? samples[argument.name];
    return { argument, values: known ?? null };
  });
  const lacking = filled.filter(
    ({ argument, values }) => values === null && isNonNullType(argument.type) && argument.defaultValue === undefined,
  );
  for (const { argument } of lacking) missed.add(`${type}.${field.name}(${argument.name})`);
  if (lacking.length > 0) return [];
  const given = filled.flatMap(({ argument, values }) => (values === null ? [] : [{ name: argument.name, values }]));
  const most = Math.max(1, ...given.map(({ values }) => values.length));
  return Array.from({ length: most }, (_, index) => {
    const args = given.map(({ name, values }) => `${name}: ${values[index % values.length]}`);
    return args.length === 0 ? field.name : `${field.name}(${args.join(", ")})`;
  });
}
