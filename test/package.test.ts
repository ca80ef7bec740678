import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const run = promisify(execFile);
/** What npm says where the registry cannot be reached and its cache does not hold what is missing. */
const noRegistry = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/;

/** Whether the registry answers at all; npm's own patience with one that does not is minutes for each package. */
async function isRegistryThere(): Promise<boolean> {
  const { stdout } = await run("npm", ["config", "get", "registry"], { cwd: installed });
  return fetch(stdout.trim(), { signal: AbortSignal.timeout(10_000) }).then(
    () => true,
    () => false,
  );
}

// The package runs on whichever Node comes first, and this one is fit.
const env = {
  ...process.env,
  PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
  ...{ HOST: undefined, PORT: "0", NODE_ENV: undefined, NODE_OPTIONS: undefined },
};

let folder: string;
/** Empty but for what npm put there. */
let installed: string;
let isOffline = false;
const running: ChildProcess[] = [];

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "delivery-graph-package-")));
  installed = join(folder, "installed");
  await mkdir(installed);
  await run("npm", ["pack", "--silent", `--pack-destination=${folder}`], { cwd: root });
  const [tarball = ""] = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
  await writeFile(join(installed, "package.json"), "{}");
  const args = ["install", join(folder, tarball), "--omit=dev", "--omit=optional", "--no-audit"];
  args.push((await isRegistryThere()) ? "--prefer-offline" : "--offline");
  await run("npm", args, { cwd: installed }).catch((error) => {
    if (!noRegistry.test(String(error))) throw error;
    isOffline = true;
  });
}, 300_000);

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts the installed command in a folder; the address that it says it is ready on, and what it said before. */
async function start(args: readonly string[], cwd = installed) {
  const child = spawn(join(installed, "node_modules/.bin/delivery-graph"), args, { cwd, env });
  running.push(child);
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    output += `${line}\n`;
    const url = /^delivery-graph is ready on (http:\S+)\/graphql$/.exec(line)?.[1];
    if (url !== undefined) return { url, output, child };
  }
  throw new Error(`it ended before it was ready: ${output}`);
}

async function ask(url: string, query: string): Promise<unknown> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return response.json();
}

describe("the package that npm makes, installed into an empty folder", () => {
  const reason = "the npm registry cannot be reached, and npm's cache does not hold what the package depends on";

  test("holds what runs, and neither sources nor tests", async (context) => {
    context.skip(isOffline, reason);
    const at = join(installed, "node_modules/delivery-graph");
    const files = await readdir(at, { recursive: true });
    expect(files.filter((file) => file.endsWith(".ts"))).toEqual([]);
    expect(files.filter((file) => /^(?:test|bench|deploy|examples|node_modules)/.test(file))).toEqual([]);
    for (const file of [
      "dist/src/main.js",
      "dist/src/server/pages/graphiql-bar.js",
      "dist/src/server/pages/front-page.css",
      "dist/demo/estate.js",
      "dist/schema/root.graphql",
      "schema/printed/subgraph.graphql",
      "LICENSE",
      "README.md",
      "gateway.example.yaml",
    ]) {
      await access(join(at, file));
    }
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const { stdout } = await run(join(installed, "node_modules/.bin/delivery-graph"), ["--version"], { env });
    expect(stdout).toBe(`${version}\n`);
  });

  test("runs the demo, with its pages", async (context) => {
    context.skip(isOffline, reason);
    const { url, child } = await start([]);
    const query =
      '{ packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }, first: 1) { nodes { name } } }';
    expect(await ask(url, query)).toHaveProperty("data.packages.nodes.0.name");
    const page = await fetch(`${url}/graphql`, { headers: { accept: "text/html" } });
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("demo with made-up data")]);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  test("serves the gateway.yaml of the folder it is started in", async (context) => {
    context.skip(isOffline, reason);
    const cwd = join(folder, "working");
    await mkdir(cwd);
    const backend = "{ name: zadig, kind: zadig, url: http://127.0.0.1:9, credentials: { token: t } }";
    await writeFile(join(cwd, "gateway.yaml"), `backends: [${backend}]\n`);
    const { url, output } = await start([], cwd);
    expect(output).toContain(`Serving ${join(cwd, "gateway.yaml")}, found in this folder.\n`);
    expect(await ask(url, "{ backends { name } }")).toEqual({ data: { backends: [{ name: "zadig" }] } });
  });
});
