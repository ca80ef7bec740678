import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isNonNullType,
  isObjectType,
} from "graphql";

/** Arguments for the fields that cannot be asked without, by coordinate. */
export type Arguments = Readonly<Record<string, string>>;

/**
 * A selection of everything below a type: every field, each with `__typename`, down to `depth` objects below. A type that
 * stands above already is not gone through again, and fields whose arguments nobody knows are left out.
 */
export function selectEverything(schema: GraphQLSchema, type: string, depth: number, known: Arguments = {}): string {
  const below = (named: GraphQLNamedType | undefined, left: number, above: readonly string[]): string => {
    if (!isObjectType(named) && !isInterfaceType(named)) return "";
    const fields = Object.values(named.getFields()).flatMap((field) => {
      const given = argumentsOf(named.name, field, known);
      if (given === null) return [];
      const of = getNamedType(field.type);
      if (!isObjectType(of) && !isInterfaceType(of)) return [`${field.name}${given}`];
      if (left === 0 || above.filter((name) => name === of.name).length > 0) return [];
      const inner = below(of, left - (isPlumbing(of.name) ? 0 : 1), [...above, of.name]);
      return [`${field.name}${given} ${inner}`];
    });
    return `{ __typename ${fields.join(" ")} }`;
  };
  return below(schema.getType(type), depth, [type]);
}

/** Coordinates `Type.field` that an answer to such a selection shows with a value: no null and no empty list. */
export function seenIn(answer: unknown, seen: Set<string> = new Set()): ReadonlySet<string> {
  if (Array.isArray(answer)) for (const row of answer) seenIn(row, seen);
  else if (typeof answer === "object" && answer !== null) {
    const fields = new Map<string, unknown>(Object.entries(answer));
    const type = fields.get("__typename");
    for (const [name, value] of fields) {
      if (name !== "__typename" && value !== null && !(Array.isArray(value) && value.length === 0))
        seen.add(`${String(type)}.${name}`);
      seenIn(value, seen);
    }
  }
  return seen;
}

function isPlumbing(type: string): boolean {
  return /(?:Connection|Edge)$|^PageInfo$/.test(type);
}

function argumentsOf(type: string, field: GraphQLField<unknown, unknown>, known: Arguments): string | null {
  const given = known[`${type}.${field.name}`];
  if (given !== undefined) return `(${given})`;
  const isNeeded = field.args.some((one) => isNonNullType(one.type) && one.defaultValue === undefined);
  if (isNeeded) return null;
  return field.args.some(({ name }) => name === "first") ? "(first: 2)" : "";
}
