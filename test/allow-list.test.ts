import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { demoBackends } from "../demo/names.ts";
import type { Fault, Seen } from "../demo/server.ts";
import { backendTypes } from "../src/backends/index.ts";
import { printCallTable } from "../src/cli/docs.ts";
import { declared } from "./support/allow-list.ts";
import { corpus } from "./support/corpus.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

const kinds = demoBackends.map(({ kind }) => kind);
const inCapitals = { zadig: "ZADIG", bkrepo: "BKREPO", swr: "SWR", gitlab: "GITLAB" } as const;

describe("docs/backends.md", () => {
  const committed = readFileSync(new URL("../docs/backends.md", import.meta.url), "utf8");

  test("is what the declarations say", () => {
    expect(committed, "run `npm run docs` and commit").toBe(printCallTable());
  });

  test("has a row for each declared call, with nothing left empty", () => {
    for (const { operations, removals = [] } of backendTypes) {
      expect(operations.length).toBeGreaterThan(1);
      for (const { name, method, path, answers, versions } of [...operations, ...removals]) {
        expect(committed).toContain(`| \`${name}\` | \`${method} ${path}\` |`);
        expect([name, answers.trim() === "", versions.trim() === ""]).toEqual([name, false, false]);
      }
    }
  });

  test("says of each call that deletes when it is made, and keeps them out of the other tables", () => {
    const deletes = committed.split("\n").filter((line) => line.includes("`DELETE "));
    const declaredOnes = backendTypes.flatMap(({ removals = [] }) => removals.map(({ name }) => name));
    expect(deletes.map((line) => /`([\w.]+)`/.exec(line)?.[1])).toEqual(declaredOnes);
    for (const section of committed.split(/^## /m)) {
      const [reads = ""] = section.split("Only with `mutations: true`:");
      expect(reads).not.toContain("`DELETE ");
    }
  });

  test("names no other call that could change anything", () => {
    // Searches with a body, a list with a filter in its body, and IAM's tokens.
    const posts = backendTypes.flatMap(({ operations }) =>
      operations.filter(({ method }) => method !== "GET").map(({ name }) => name),
    );
    expect(posts.toSorted()).toEqual([
      "bkrepo.listVersions",
      "bkrepo.queryNodes",
      "bkrepo.searchPackages",
      "swr.issueToken",
    ]);
  });
});

describe("what is asked of the backends", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    const hurried = { timeoutMs: 300, retries: 0, breaker: { failures: 1000, coolDownMs: 1 } };
    gateway = await startDemoGateway({
      backends: { zadig: hurried, bkrepo: hurried, "swr-north4": hurried, gitlab: hurried },
    });
  });
  afterAll(() => gateway.stop());

  function undeclared(): string[] {
    return kinds.flatMap((kind) =>
      gateway.estate.servers[kind].seen
        .filter((seen) => declared(inCapitals[kind], seen).length === 0)
        .map(({ method, url }) => `${kind}: ${method} ${url}`),
    );
  }

  async function askAll(): Promise<number> {
    gateway.forget();
    for (const { query, variables } of corpus) await gateway.ask(query, { variables });
    return Object.values(gateway.calls()).reduce((sum, count) => sum + count, 0);
  }

  test("by the whole corpus is declared, down to the last request", async () => {
    expect(await askAll()).toBeGreaterThan(50);
    expect(undeclared()).toEqual([]);
  });

  const faults: readonly Fault[] = [
    { kind: "status", status: 500 },
    { kind: "status", status: 404 },
    { kind: "html" },
    { kind: "malformed" },
  ];
  /** One backend, two at a time, and all four. */
  const subsets = [
    ...kinds.map((kind) => [kind]),
    ...kinds.flatMap((one, index) => kinds.slice(index + 1).map((other) => [one, other])),
    [...kinds],
  ];
  test.each(kinds.flatMap((kind) => faults.map((fault) => ({ kind, fault }))))(
    "by the corpus while $kind answers with $fault stays declared: no fall-back is a secret",
    async ({ kind, fault }) => {
      await gateway.estate.servers[kind].setFault(fault);
      try {
        expect(await askAll()).toBeGreaterThan(20);
        expect(undeclared()).toEqual([]);
      } finally {
        await gateway.estate.servers[kind].setFault(null);
      }
    },
  );

  test.each(subsets)("by the corpus with %j killed stays declared", async (...killed) => {
    for (const kind of killed) await gateway.estate.servers[kind].setFault({ kind: "down" });
    try {
      await askAll();
      expect(undeclared()).toEqual([]);
    } finally {
      for (const kind of killed) await gateway.estate.servers[kind].setFault(null);
    }
  });

  test("differs from a request that no operation describes", () => {
    const ask = (method: string, url: string): Pick<Seen, "method" | "url"> => ({ method, url });
    expect(declared("GITLAB", ask("GET", "/api/v4/projects/pay%2Fapi/packages?page=1"))).toEqual([
      "gitlab.listProjectPackages",
    ]);
    for (const [kind, method, url] of [
      ["GITLAB", "DELETE", "/api/v4/projects/pay%2Fapi/packages/1"],
      ["GITLAB", "GET", "/api/v4/projects/pay/api/packages"],
      ["GITLAB", "GET", "/api/v4/projects/pay%2Fapi/packages/1/../../../users"],
      ["GITLAB", "GET", "/api/v4/projects/1/variables"],
      ["ZADIG", "GET", "/api/aslan/delivery/releases/"],
      ["ZADIG", "POST", "/api/aslan/delivery/releases"],
      ["BKREPO", "GET", "/repository/api/version/download/pay/maven-local?packageKey=a"],
      ["SWR", "GET", "/v2/manage/namespaces/pay-core/access"],
    ] as const)
      expect([url, declared(kind, ask(method, url))]).toEqual([url, []]);
  });
});
