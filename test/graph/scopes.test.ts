import { buildSchema, type GraphQLError, graphql, parse } from "graphql";
import { describe, expect, test } from "vitest";
import { enforceScopes } from "../../src/graph/schema/schema.ts";

const head = "directive @requiresScopes(scopes: [[String!]!]) on OBJECT | FIELD_DEFINITION\n";
const documentText = `${head}
  type Query { open: String thing: Thing closed: Closed }
  type Mutation { change: String }
  type Subscription { changes: String }
  type Thing {
    free: String
    one: String @requiresScopes(scopes: [["release:manifests"]])
    both: String @requiresScopes(scopes: [["release:manifests", "package:delete"]])
    either: String @requiresScopes(scopes: [["release:manifests", "package:delete"], ["explain"]])
  }
  extend type Thing { extended: String @requiresScopes(scopes: [["explain"]]) }
  extend type Thing { plainly: String }
  type Closed @requiresScopes(scopes: [["explain"]]) { any: String narrow: String @requiresScopes(scopes: [["package:delete"]]) }
  extend type Closed { later: String }
  interface Named { name: String }
`;

const values = {
  open: "open",
  change: "changed",
  thing: { free: "free", one: "one", both: "both", either: "either", extended: "extended", plainly: "plainly" },
  closed: { any: "any", narrow: "narrow", later: "later" },
};

async function ask(source: string, ...scopes: string[]) {
  const schema = enforceScopes(buildSchema(documentText), parse(documentText));
  const contextValue = { caller: { scopes: new Set(scopes) } };
  const { data, errors = [] } = await graphql({ schema, source, rootValue: values, contextValue });
  return { data: JSON.parse(JSON.stringify(data)), errors };
}

const facts = ({ message, path, extensions }: GraphQLError) => ({ message, path, extensions });

describe("a field that needs scopes", () => {
  test("answers FORBIDDEN alone in its place, with the scopes that would do", async () => {
    const { data, errors } = await ask("{ thing { free plainly one both either extended } }", "read");
    expect(data).toEqual({
      thing: { free: "free", plainly: "plainly", one: null, both: null, either: null, extended: null },
    });
    const extensions = { code: "FORBIDDEN", retryable: false };
    expect(errors.map(facts)).toEqual([
      { message: 'This field needs the scope "release:manifests".', path: ["thing", "one"], extensions },
      {
        message: 'This field needs the scope "release:manifests" and "package:delete".',
        path: ["thing", "both"],
        extensions,
      },
      {
        message: 'This field needs the scope "release:manifests" and "package:delete", or "explain".',
        path: ["thing", "either"],
        extensions,
      },
      { message: 'This field needs the scope "explain".', path: ["thing", "extended"], extensions },
    ]);
  });

  test.each([
    ["all of a set", ["read", "release:manifests", "package:delete"], ["one", "both", "either"]],
    ["half of a set", ["read", "release:manifests"], ["one"]],
    ["the other half of a set", ["read", "package:delete"], []],
    ["one set of several", ["read", "explain"], ["either", "extended"]],
  ])("is open with %s", async (_what, scopes, open) => {
    const { data } = await ask("{ thing { one both either extended } }", ...scopes);
    const fields = ["one", "both", "either", "extended"].map((name) => [name, open.includes(name) ? name : null]);
    expect(data).toEqual({ thing: Object.fromEntries(fields) });
  });

  test("needs those of its type as well as its own", async () => {
    const source = "{ closed { any later narrow } }";
    expect((await ask(source, "read")).data).toEqual({ closed: { any: null, later: null, narrow: null } });
    expect((await ask(source, "read", "explain")).data).toEqual({
      closed: { any: "any", later: "later", narrow: null },
    });
    expect((await ask(source, "read", "package:delete")).data).toEqual({
      closed: { any: null, later: null, narrow: null },
    });
    expect((await ask(source, "read", "explain", "package:delete")).data).toEqual({
      closed: { any: "any", later: "later", narrow: "narrow" },
    });
  });

  test.each(["{ open }", "mutation { change }", "subscription { changes }"])(
    "at a root needs read: %s",
    async (source) => {
      const { errors } = await ask(source, "explain");
      expect(errors.map(({ message }) => message)).toEqual(['This field needs the scope "read".']);
    },
  );

  test("keeps its own resolver, and a field without a scope gets none", async () => {
    const schema = buildSchema(documentText);
    const query = schema.getQueryType()?.getFields()["open"];
    if (!query) throw new Error("no field");
    query.resolve = () => "resolved";
    enforceScopes(schema, parse(documentText));
    const contextValue = { caller: { scopes: new Set(["read"]) } };
    const { data } = await graphql({ schema, source: "{ open }", contextValue });
    expect(data?.["open"]).toBe("resolved");
    const thing = schema.getType("Thing");
    if (!thing || !("getFields" in thing)) throw new Error("no type");
    const withResolver = Object.values(thing.getFields()).filter((field) => "resolve" in field && field.resolve);
    expect(withResolver.map(({ name }) => name)).toEqual(["one", "both", "either", "extended"]);
  });

  test("is none that the document does not speak of, below the roots", async () => {
    const schema = buildSchema(
      "type Query { thing: Thing } type Thing { one: String extra: String } type Other { a: String }",
    );
    enforceScopes(schema, parse("type Query { thing: Thing } type Thing { one: String }"));
    const contextValue = { caller: { scopes: new Set(["read"]) } };
    const rootValue = { thing: { one: "one", extra: "extra" } };
    const { data } = await graphql({ schema, source: "{ thing { one extra } }", rootValue, contextValue });
    expect(data).toEqual(rootValue);
    const other = schema.getType("Other");
    if (!other || !("getFields" in other)) throw new Error("no type");
    expect(other.getFields()["a"]).not.toHaveProperty("resolve", expect.any(Function));
  });

  test("of introspection is never guarded", async () => {
    const { data } = await ask("{ __schema { queryType { name } } __typename }");
    expect(data).toEqual({ __schema: { queryType: { name: "Query" } }, __typename: "Query" });
  });
});

describe("a mistake in the schema keeps the gateway from starting:", () => {
  test.each([
    ["no argument at all", "@requiresScopes", "without a scope"],
    ["a null", "@requiresScopes(scopes: null)", "without a scope"],
    ["no list", '@requiresScopes(scopes: "read")', "without a scope"],
    ["no set", "@requiresScopes(scopes: [])", "without a scope"],
    ["an empty set beside another", '@requiresScopes(scopes: [["read"], []])', "without a scope"],
    ["a list of no lists", '@requiresScopes(scopes: ["read"])', "without a scope"],
    ["another argument", '@requiresScopes(sets: [["read"]])', "without a scope"],
    ["an unknown scope", '@requiresScopes(scopes: [["write"]])', "with a scope that does not exist"],
    ["an enum value in place of a text", "@requiresScopes(scopes: [[read]])", "with a scope that does not exist"],
  ])("%s", (_what, directive, problem) => {
    const document = parse(`type Query { open: String ${directive} }`, { noLocation: true });
    expect(() => enforceScopes(buildSchema("type Query { open: String }"), document)).toThrow(
      `@requiresScopes ${problem}`,
    );
  });

  test("other directives, interfaces and types without fields are no mistake", () => {
    const document = parse(
      'type Query { open: String @deprecated(reason: "no") } type Empty interface A { b: String @requiresScopes }',
    );
    expect(() => enforceScopes(buildSchema("type Query { open: String }"), document)).not.toThrow();
  });
});
