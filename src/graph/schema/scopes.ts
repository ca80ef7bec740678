import {
  type ConstDirectiveNode,
  type DocumentNode,
  defaultFieldResolver,
  GraphQLError,
  type GraphQLField,
  type GraphQLSchema,
  isObjectType,
  Kind,
  type ValueNode,
} from "graphql";
import { parseScope, type Scope } from "../../model/access.ts";
import type { Context } from "../context.ts";

/** The caller must have all scopes of one of these sets. */
type Requirement = readonly (readonly Scope[])[];

/**
 * Puts a check before every field that `@requiresScopes` stands on in the document, and before every field of `Query`
 * and `Mutation`, which need `read` whether or not anything says so: a field that is added later is closed until it is
 * opened. A caller who lacks the scope gets FORBIDDEN in that place, nothing is asked for it, and the rest of the
 * answer stands. The document is the one with the words of federation, whether or not the schema still has them.
 */
export function enforceScopes(schema: GraphQLSchema, document: DocumentNode): GraphQLSchema {
  const demands = demandsIn(document);
  // A caller who deletes learns what is there.
  const roots = new Set<unknown>([schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]);
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith("__")) continue;
    const ofRoot: readonly Requirement[] = roots.has(type) ? [[["read"]]] : [];
    const ofType = demands.get(type.name) ?? [];
    for (const field of Object.values(type.getFields())) {
      const needed = [...ofRoot, ...ofType, ...(demands.get(`${type.name}.${field.name}`) ?? [])];
      if (needed.length > 0) guard(field, needed);
    }
  }
  return schema;
}

/** What is demanded by coordinate: `Type` for all of its fields, `Type.field` for one. */
function demandsIn(document: DocumentNode): ReadonlyMap<string, readonly Requirement[]> {
  const demands = new Map<string, readonly Requirement[]>();
  const add = (coordinate: string, directives: readonly ConstDirectiveNode[] | undefined) =>
    demands.set(coordinate, [...(demands.get(coordinate) ?? []), ...requirementsOf(directives)]);
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.OBJECT_TYPE_EXTENSION) continue;
    add(definition.name.value, definition.directives);
    for (const field of definition.fields ?? []) add(`${definition.name.value}.${field.name.value}`, field.directives);
  }
  return demands;
}

function guard(field: GraphQLField<unknown, Context>, needed: readonly Requirement[]): void {
  const resolve = field.resolve ?? defaultFieldResolver;
  field.resolve = (source, args, context, info) => {
    for (const requirement of needed) {
      if (!requirement.some((set) => set.every((scope) => context.caller.scopes.has(scope))))
        throw lacking(requirement);
    }
    return resolve(source, args, context, info);
  };
}

function lacking(requirement: Requirement): GraphQLError {
  const words = requirement.map((set) => set.map((scope) => `"${scope}"`).join(" and ")).join(", or ");
  return new GraphQLError(`This field needs the scope ${words}.`, {
    extensions: { code: "FORBIDDEN", retryable: false },
  });
}

// Read from the document and not from the directive's definition: whatever is no list of lists of known scopes is a
// mistake in the schema, and must keep the gateway from starting instead of leaving a field open.
function requirementsOf(directives: readonly ConstDirectiveNode[] | undefined): readonly Requirement[] {
  return (directives ?? [])
    .filter(({ name }) => name.value === "requiresScopes")
    .map(({ arguments: args }) => {
      const sets = listIn(args?.find(({ name }) => name.value === "scopes")?.value).map((set) =>
        listIn(set).map(scopeIn),
      );
      if (sets.length === 0 || sets.some((set) => set.length === 0)) throw new Error("@requiresScopes without a scope");
      return sets;
    });
}

function listIn(value: ValueNode | undefined): readonly ValueNode[] {
  return value?.kind === Kind.LIST ? value.values : [];
}

function scopeIn(value: ValueNode): Scope {
  const scope = value.kind === Kind.STRING ? parseScope(value.value) : null;
  if (scope === null) throw new Error("@requiresScopes with a scope that does not exist");
  return scope;
}
