import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
let folder: string;
let config: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "delivery-graph-start-"));
  config = await configured("plain", "");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function configured(name: string, settings: string): Promise<string> {
  const path = join(folder, `${name}.yaml`);
  const backend = "{ name: zadig, kind: zadig, url: http://127.0.0.1:9, credentials: { token: t } }";
  await writeFile(path, `${settings}\nbackends: [${backend}]\n`);
  return path;
}

/** What `npm start` gives to Node. */
async function shipped(): Promise<readonly string[]> {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(await readFile(`${root}package.json`, "utf8"));
  const [, words] = /^exec node (.+)$/.exec(scripts["start"] ?? "") ?? [];
  return words?.split(" ") ?? [];
}

interface Seen {
  /** Files and packages that were loaded. */
  readonly files: readonly string[];
  readonly packages: readonly string[];
  /** Parts of Node that were. */
  readonly builtins: readonly string[];
  readonly heapTotal: number;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const preload = `
import { writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
const urls = [];
registerHooks({ load: (url, context, next) => { urls.push(url); return next(url, context); } });
process.on("exit", () => {
  const { heapTotal } = process.memoryUsage();
  writeFileSync(process.env.SEEN, JSON.stringify({ urls, heapTotal, builtins: process.moduleLoadList }));
});`;

/** Runs a process that notes what it loads; once it is ready it may be asked something, and then it has to leave. */
async function watch(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  meanwhile: (url: string) => Promise<unknown> = async () => undefined,
): Promise<Seen> {
  const file = join(folder, "seen.json");
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: {
      ...process.env,
      HOST: undefined,
      PORT: "0",
      NODE_COMPILE_CACHE: undefined,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}`,
      SEEN: file,
      ...variables,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  let stdout = "";
  for await (const line of createInterface({ input: child.stdout })) {
    stdout += `${line}\n`;
    const [, url] = /^delivery-graph is ready on (http:\S+)\/graphql$/.exec(line) ?? [];
    if (url === undefined) continue;
    await meanwhile(url);
    child.kill("SIGTERM");
  }
  const [code] = await closed;
  const { urls, heapTotal, builtins }: Record<"urls" | "builtins", string[]> & { heapTotal: number } = JSON.parse(
    await readFile(file, "utf8"),
  );
  return {
    files: urls.map((url) => url.replace(`file://${root}`, "")),
    packages: urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []),
    builtins,
    heapTotal,
    code,
    stdout,
    stderr,
  };
}

const heavy = [
  "jose",
  "@opentelemetry/exporter-trace-otlp-http",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace",
  "@graphql-yoga/render-graphiql",
];

describe("what is heavy is loaded where it is wanted", () => {
  test("and not by a gateway that answers a question and has none of it configured", async () => {
    const { files, packages, code } = await watch(["src/main.ts", "--config", config], {}, (url) =>
      fetch(`${url}/graphql?query={__typename}`),
    );
    expect(code).toBe(0);
    expect(packages).toContain("graphql");
    expect(heavy.filter((name) => packages.includes(name))).toEqual([]);
    expect(files.filter((file) => file.startsWith("src/demo/"))).toEqual(["src/demo/names.ts"]);
  });

  test("jose with tokens", async () => {
    const jwt = "{ issuer: https://sso.example.com, audience: graph, jwksUrl: https://sso.example.com/jwks.json }";
    const path = await configured("jwt", `auth: { mode: jwt, jwt: ${jwt} }`);
    const { packages } = await watch(["src/main.ts", "--config", path], {}, (url) => fetch(`${url}/graphql`));
    expect(packages).toContain("jose");
  });

  test("the tracing library with a collector", async () => {
    const { packages } = await watch(["src/main.ts", "--config", config], {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
    });
    expect(packages).toContain("@opentelemetry/sdk-trace");
  });

  test("GraphiQL when its page is opened", async () => {
    const { packages } = await watch(["src/main.ts", "--config", config], {}, (url) =>
      fetch(`${url}/graphql`, { headers: { accept: "text/html" } }),
    );
    expect(packages).toContain("@graphql-yoga/render-graphiql");
  });

  test("the demo's estate with the demo", async () => {
    const { files } = await watch(["src/main.ts"]);
    expect(files).toContain("src/demo/estate.ts");
  });
});

describe("npm start", () => {
  test("says and refuses what main.ts does", async () => {
    const version = await watch([...(await shipped()), "--version"]);
    expect(version).toMatchObject({ code: 0, stdout: (await watch(["src/main.ts", "--version"])).stdout, stderr: "" });
    const refused = await watch([...(await shipped()), "--nope"]);
    expect(refused).toMatchObject({ code: 1, stdout: "", stderr: "There is no option --nope. See --help.\n" });
  });

  const stripping = (builtins: readonly string[]) => builtins.filter((name) => name.includes("deps/amaro"));

  test("does not load what strips types from the second time on", async () => {
    expect(stripping((await watch(["src/main.ts", "--version"])).builtins)).not.toEqual([]);
    await watch([...(await shipped()), "--version"]);
    expect(stripping((await watch([...(await shipped()), "--version"])).builtins)).toEqual([]);
  });

  test("gives back what only starting needed", async () => {
    const plain = await watch(["src/main.ts", "--config", config]);
    const tidy = await watch([...(await shipped()), "--config", config]);
    expect(tidy.heapTotal).toBeLessThan(plain.heapTotal * 0.75);
  });
});
