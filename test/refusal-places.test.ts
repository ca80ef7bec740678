import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

// A refusal that is about the document says where in it, whichever rule refused and however the operation would have run.

let plain: DemoGateway;
let reference: DemoGateway;

beforeAll(async () => {
  plain = await startDemoGateway();
  reference = await startDemoGateway({ estate: plain.estate, fastPath: false });
});
afterAll(async () => {
  await reference.stop();
  await plain.stop();
});

const repeat = (text: string, times: number) => text.repeat(times);

/** Document, code, line and column of what it is refused for. */
const refused: Readonly<Record<string, readonly [query: string, code: string, line: number, column: number]>> = {
  "a page that no list gives": ["{\n releases(first: -1) { edges { cursor } } }", "BAD_USER_INPUT", 2, 2],
  "text that is no cursor": ['{\n releases(first: 1, after: "zzz") { edges { cursor } } }', "BAD_CURSOR", 2, 2],
  "more entries than a list may have": [
    `{ a: __typename nodes(ids: [${repeat('"x" ', 101)}]) { id } }`,
    "COST_LIMIT_EXCEEDED",
    1,
    17,
  ],
  "a text that is empty": [
    '{ package(ref: { backend: "bkrepo", repository: " ", key: "k" }) { name } }',
    "BAD_USER_INPUT",
    1,
    3,
  ],
  "an operation that costs too much": [
    `query P { __typename }\nquery Q { node(id: "x") { ... on Package { ${repeat("versions { nodes { package { ", 6)}id${repeat(" } } }", 6)} } } }`,
    "COST_LIMIT_EXCEEDED",
    2,
    1,
  ],
  "too many tokens": [`{\n${repeat("a ", 2001)}}`, "TOKEN_LIMIT_EXCEEDED", 2, 3999],
  "too many lines": [`{ __typename }${repeat("\n", 4001)}`, "TOKEN_LIMIT_EXCEEDED", 4000, 1],
  "brackets that are nested too deeply": [`{\n node(id: ${repeat("[", 300)}`, "BAD_USER_INPUT", 2, 265],
  "a name that is too long": [`{\n ${repeat("a", 1025)} }`, "BAD_USER_INPUT", 2, 2],
  "too many operations": [
    Array.from({ length: 33 }, (_, at) => `query Q${at} { __typename }`).join("\n"),
    "BAD_USER_INPUT",
    33,
    1,
  ],
  "a field that is asked too often": [`{\n${repeat("__typename\n", 101)}}`, "BAD_USER_INPUT", 102, 1],
  "fragments that are nested too deeply": [
    `{ ...F }\nfragment F on Query { ${repeat("... { ", 150)}...G${repeat(" }", 150)} }
fragment G on Query { ${repeat("... { ", 150)}__typename${repeat(" }", 150)} }`,
    "BAD_USER_INPUT",
    1,
    1,
  ],
};

describe("a refusal says where in the document it is about:", () => {
  test.each(Object.entries(refused))("%s", async (_what, [query, code, line, column]) => {
    for (const gateway of [plain, reference]) {
      const variables = {};
      const operationName = query.includes("query Q {") ? "Q" : null;
      const response = await fetch(`${gateway.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query, variables, operationName }),
      });
      expect(response.status).toBe(400);
      const { errors }: { errors: { locations?: unknown; extensions: object }[] } = JSON.parse(await response.text());
      expect(errors[0]?.extensions).toMatchObject({ code, retryable: false });
      expect(errors[0]?.locations).toEqual([{ line, column }]);
    }
  });
});

describe("a variable that has the name of what every object has is refused, both ways:", () => {
  test.each(["__proto__", "constructor", "toString", "valueOf", "hasOwnProperty"])("$%s", async (name) => {
    for (const declared of ["Boolean = true", "Boolean!", "Boolean"]) {
      const query = `query ($${name}: ${declared}) { ... { __typename } ... @defer(if: $${name}) { a: __typename } }`;
      const variables: unknown = JSON.parse(`{ "${name}": true }`);
      const told = await Promise.all(
        [plain, reference].map((gateway) => gateway.ask(query, { variables: Object(variables) })),
      );
      for (const { status, text } of told) {
        expect(status).toBe(400);
        expect(text).toBe(told[0]?.text);
        expect(text).toContain(`A variable cannot be called \\"$${name}\\"`);
      }
    }
  });
});
