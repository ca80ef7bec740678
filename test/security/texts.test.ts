import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { ESLint } from "eslint";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { redactManifests } from "../../src/graph/artifact/manifests.ts";
import { fits } from "../../src/model/access.ts";
import { parseDigest, parseImageRef } from "../../src/model/artifact.ts";
import { parsePurl, toPurl } from "../../src/model/purl.ts";
import { parseInstant, trimEndSlashes, trimSlashes } from "../../src/model/values.ts";
import { longestTurn } from "../support/longest-turn.ts";
import { startWith } from "../support/started.ts";

/** A few times the 50 ms that a turn should have at most: compiling and collecting take part of it. */
const longestTurnMs = 200;

describe("the lint over src", () => {
  const lint = new ESLint();
  const rulesOf = async (code: string) => {
    const [result] = await lint.lintText(code, { filePath: "src/sample.ts" });
    return result?.messages.map(({ ruleId }) => ruleId);
  };

  test.each([
    "/^https?:\\/\\/[a-z0-9]+(?:[.-][a-z0-9]+)*(?:\\/[\\w-]+(?:[.~-]\\w[\\w-]*)*)+$/",
    "/^\\/+|\\/+$/g",
    "/(a+)+$/",
    "/\\s+$/",
  ])(
    "refuses a pattern with two ways to read a letter: %s",
    async (pattern) => {
      expect(await rulesOf(`export const sample: RegExp = ${pattern};\n`)).toEqual(["redos/no-vulnerable"]);
    },
    60_000,
  );

  test.each(["list.push(...rows)", "Math.max(...rows)", "list.splice(0, 0, ...rows)"])(
    "refuses a list that is spread into arguments: %s",
    async (call) => {
      const code = `export const sample = (list: number[], rows: number[]): number => ${call}.length;\n`;
      expect(await rulesOf(code)).toEqual(["no-restricted-syntax"]);
    },
  );
});

describe("a text of any length", () => {
  const blanks = " ".repeat(1_000_000);
  const slashes = "/".repeat(1_000_000);

  test.each([
    ["an instant", () => parseInstant(`2020-01-01${blanks}x`)],
    ["an image", () => parseImageRef(`a${slashes}b`)],
    ["a digest", () => parseDigest(`sha256:${"a".repeat(1_000_000)}`)],
    ["a package URL", () => parsePurl(`pkg:maven/${"a/".repeat(500_000)}b`)],
    ["a package URL of parts", () => toPurl({ type: "maven", namespace: "a/".repeat(500_000), name: "b" })],
    ["a path", () => (fits("*a*b*c*d*e*f*", "-".repeat(4000)) ? true : null)],
  ])("that is none of ours is read once at most: %s", async (_what, read) => {
    let value: unknown = read;
    expect(await longestTurn(() => (value = read()))).toBeLessThan(longestTurnMs);
    expect(value).toBeNull();
  });

  test("loses its slashes in one pass", async () => {
    let trimmed = "";
    expect(await longestTurn(() => (trimmed = trimSlashes(`${slashes}a/b${slashes}`)))).toBeLessThan(longestTurnMs);
    expect(trimmed).toBe("a/b");
    expect([trimSlashes(slashes), trimEndSlashes("/a/"), trimSlashes("")]).toEqual(["", "/a", ""]);
    const mixed = `${"/a".repeat(500_000)}/`;
    expect(trimEndSlashes(mixed)).toHaveLength(mixed.length - 1);
  });
});

describe("manifests", () => {
  const many = (count: number, make: (index: number) => string, between = "\n") =>
    Array.from({ length: count }, (_, index) => make(index)).join(between);

  test.each([
    ["keys", [many(20_000, (index) => `k${index}: v`)]],
    ["keys on one line", [`{${many(20_000, (index) => `k${index}: v`, ", ")}}`]],
    ["brackets", ["[".repeat(200_000)]],
    ["documents", ["--- a\n".repeat(40_000)]],
    ["dashes", ["- ".repeat(100_000)]],
    ["marks of keys", ["? ".repeat(100_000)]],
    ["comments", [`${"#\n".repeat(120_000)}a: b`]],
    ["a long text under 99 names", [`a: &a ${"x".repeat(200_000)}\n${many(99, (index) => `b${index}: *a`)}`]],
    ["a long list under 99 names", [`a: &a [${"b, ".repeat(7000)}]\n${many(99, (index) => `b${index}: *a`)}`]],
    [
      "a large map merged 99 times",
      [`a: &a {${many(3000, (index) => `k${index}: 1`, ", ")}}\n${many(99, (index) => `b${index}: {<<: *a}`)}`],
    ],
    ["fifty that are broken", Array(50).fill(`a: {${"b, ".repeat(80_000)}`)],
  ])("that would take long to read are left out: %s", async (_what, texts) => {
    let shown: string[] = ["not read"];
    expect(await longestTurn(() => (shown = redactManifests(texts)))).toBeLessThan(longestTurnMs);
    expect(shown).toEqual([]);
  });

  test("are read as before, however often a value is repeated within reason", () => {
    const text = "a: &a { image: b }\nb: *a\nc: { <<: *a, d: 1 }\n";
    expect(redactManifests([text])).toEqual(["a:\n  image: b\nb:\n  image: b\nc:\n  image: b\n  d: 1\n"]);
    expect(redactManifests(["a: 1\nb: { c: 1, c: 2 }"])).toEqual([]);
    expect(redactManifests(["a: 1\na: 2"])).toEqual([]);
  });
});

describe("an answer of a backend", () => {
  /** bkrepo, whose search answers with whatever is here. */
  let records = "[]";
  let total = 1;
  const server = createServer(async (request, response) => {
    await textOf(request);
    response.setHeader("content-type", "application/json");
    response.end(`{"code":0,"message":null,"data":{"totalRecords":${total},"records":${records}},"traceId":""}`);
  });
  let url = "";
  let stop: (() => Promise<void>) | null = null;
  const logged: unknown[] = [];

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const address = `http://127.0.0.1:${port}`;
    const backend = { name: "bkrepo", kind: "bkrepo", url: address, credentials: { token: "t" } };
    const log = { error: (...line: unknown[]) => void logged.push(line) };
    const gateway = await startWith({ backends: [backend] }, { log });
    url = gateway.url;
    stop = () => gateway.stop(0);
  });

  afterAll(async () => {
    await stop?.();
    server.closeAllConnections();
    server.close();
  });

  async function ask(selection = "nodes { name }", more: object = {}) {
    const query = `{ packages(scope: { backend: "bkrepo", repository: "pay/local" }, first: 20) { ${selection} sources { status } } }`;
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query, ...more }),
    });
    const text = await response.text();
    const { errors = [] } = JSON.parse(text);
    return { text, errors };
  }

  test.each([
    ["rows without anything", 100_000, "{}"],
    ["rows that are none", 50_000, "0"],
    ["rows with other types", 20_000, '{"key":1,"name":[],"versions":"x"}'],
  ])("tells a hundred errors and how many more there were: %s", async (_what, count, row) => {
    records = `[${Array(count).fill(row).join()}]`;
    total = count;
    for (const more of [{}, { extensions: { a: 1 } }]) {
      const { text, errors } = await ask("nodes { name }", more);
      expect(errors).toHaveLength(101);
      expect(errors[100].message).toBe(`And ${count - 100} more errors.`);
      expect(errors[100].extensions.code).toBe("UPSTREAM_MALFORMED");
      expect(text.length).toBeLessThan(50_000);
    }
    expect(logged).toEqual([]);
  });

  test("of more rows than any list has is not read row by row", async () => {
    records = `[${Array(600_000).fill("{}").join()}]`;
    const { text, errors } = await ask();
    expect(errors.map(({ extensions }: { extensions: object }) => Object(extensions).code)).toEqual([
      "UPSTREAM_MALFORMED",
    ]);
    expect(text.length).toBeLessThan(2000);
    expect(logged).toEqual([]);
  });

  test("with one row of many values is reported as one row", async () => {
    const vast = `{"key":1,"versions":[${Array(300_000).fill('"x"').join()}]}`;
    records = `[${vast},{"repoName":"local","key":"gav://a:b","name":"b","type":"MAVEN"}]`;
    const { text, errors } = await ask();
    expect(errors).toHaveLength(1);
    expect(text).toContain('"name":"');
    expect(text.length).toBeLessThan(2000);
  });

  test("holds the event loop for no longer than reading it takes", async () => {
    records = `[${Array(50_000).fill("{}").join()}]`;
    expect(await longestTurn(ask)).toBeLessThan(longestTurnMs);
  });
});
