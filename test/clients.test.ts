import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Estate, startEstate } from "../demo/estate.ts";
import { type TestPackage, testPackage } from "./support/package.ts";
import { type GatewayProcess, startMain } from "./support/process.ts";

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));

let frontend: TestPackage;
let estate: Estate;
const folder = mkdtempSync(join(tmpdir(), "clients-"));
const running: GatewayProcess[] = [];

beforeAll(async () => {
  [frontend, estate] = await Promise.all([testPackage("examples/frontend"), startEstate()]);
}, 240_000);

afterAll(async () => {
  await Promise.all(running.map((gateway) => gateway.close()));
  await estate?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(persisted: Readonly<Record<string, unknown>>): Promise<GatewayProcess> {
  const file = join(folder, `gateway-${running.length}.yaml`);
  writeFileSync(file, JSON.stringify({ ...estate.settings, persisted }));
  const gateway = await startMain(["--config", file]);
  running.push(gateway);
  return gateway;
}

/** Runs a command in the example with this very Node; what it said, when it fails. */
function inFrontend(args: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: frontend.path(""),
      env: { ...process.env, VITEST: undefined, NODE_ENV: undefined, ...variables },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
    }
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(said) : reject(new Error(said))));
  });
}

describe("the example frontend", () => {
  const generated = () =>
    Object.fromEntries(
      ["generated", "relay/__generated__"]
        .flatMap((name) => readdirSync(frontend.path(name)).map((file) => join(name, file)))
        .concat("relay/persisted.json")
        .map((name) => [relative(frontend.path(""), frontend.path(name)), readFileSync(frontend.path(name), "utf8")]),
    );

  test("is generated from the schema as it is: codegen and the Relay compiler accept it", async () => {
    const before = generated();
    const said = await inFrontend(["generate.mjs"]);
    expect(said).not.toMatch(/error|warn/i);
    expect(generated(), "it has been written anew: commit it").toEqual(before);
  }, 60_000);

  test("is typed from end to end", async () => {
    await inFrontend(["node_modules/typescript/bin/tsc", "--noEmit"]);
  }, 60_000);

  test("can be all that a gateway runs: the manifest that codegen writes is one", async () => {
    const manifest = frontend.path("generated/persisted-documents.json");
    const { url } = await serve({ manifest, only: true });
    const operations: Record<string, string> = JSON.parse(readFileSync(manifest, "utf8"));
    const releases = Object.entries(operations).find(([, text]) => text.startsWith("query Releases"))?.[0];
    const ask = async (body: unknown) => {
      const response = await fetch(`${url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return response.json();
    };
    expect(await ask({ documentId: releases, variables: { project: "pay", first: 1 } })).toMatchObject({
      data: { releases: { edges: [{ node: { version: expect.any(String) } }] } },
    });
    expect(await ask({ query: "{ backends { name } }" })).toMatchObject({
      errors: [{ extensions: { code: "PERSISTED_QUERY_ONLY" } }],
    });
  });
});

describe("real clients against the gateway", () => {
  const cases: readonly (readonly [file: string, tests: number])[] = [
    ["apollo.test.ts", 5],
    ["urql.test.ts", 4],
    ["relay.test.tsx", 2],
  ];
  let results: readonly { readonly file: string; readonly name: string; readonly failures: readonly string[] }[];

  beforeAll(async () => {
    const { url } = await serve({ manifest: frontend.path("relay/persisted.json") });
    const output = join(folder, "results.json");
    const run = [vitest, "run", "--root", frontend.path(""), "--reporter=json", `--outputFile=${output}`];
    await inFrontend(run, { GATEWAY_URL: url }).catch((error: unknown) => error);
    results = read(JSON.parse(readFileSync(output, "utf8")));
  }, 120_000);

  test.each(cases)("%s", (file, tests) => {
    const own = results.filter((result) => result.file === file);
    expect(own.filter(({ failures }) => failures.length > 0)).toEqual([]);
    expect(own).toHaveLength(tests);
  });
});

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

function read({ testResults }: Report) {
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ fullName, status, failureMessages }) => ({
      file: name.replace(/^.*\//, ""),
      name: fullName,
      failures: status === "passed" ? [] : [status, ...failureMessages],
    })),
  );
}
