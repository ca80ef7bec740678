import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { satisfies } from "semver";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Variables } from "./support/process.ts";

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
  await writeFile(path, `server: { drainMs: 0 }\n${settings}\nbackends: [${backend}]\n`);
  return path;
}

async function manifest(): Promise<{ scripts: Record<string, string>; engines: { node: string } }> {
  return JSON.parse(await readFile(`${root}package.json`, "utf8"));
}

/** What `npm start` gives to Node: words that every shell reads alike. */
async function shipped(): Promise<readonly string[]> {
  const [, words] = /^node ([\w./ -]+)$/.exec((await manifest()).scripts["start"] ?? "") ?? [];
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
    expect(files.filter((file) => file.startsWith("demo/"))).toEqual(["demo/names.ts"]);
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
    expect(files).toContain("demo/estate.ts");
  });
});

describe("npm start", () => {
  test("needs nothing of a shell but to start Node with one file: no exec, no flags", async () => {
    expect(await shipped()).toEqual(["src/start.js"]);
  });

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

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: string, args: readonly string[], variables: Variables = {}, cwd = root): Promise<Ran> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, HOST: undefined, PORT: "0", NODE_OPTIONS: undefined, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ran = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    ran.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    ran.stderr += text;
  });
  const [code] = await once(child, "close");
  return { code, ...ran };
}

/** The first `node` on the path that `npm ci` did not bring and that the gateway does not run on; null for none. */
function otherNode(engines: string): string | null {
  for (const place of (process.env["PATH"] ?? "").split(delimiter)) {
    const file = join(place, "node");
    if (place.includes("node_modules") || !existsSync(file)) continue;
    try {
      if (!satisfies(execFileSync(file, ["--version"], { encoding: "utf8" }).trim(), engines)) return file;
    } catch {}
  }
  return null;
}

const engines = (await manifest()).engines.node;
const old = otherNode(engines);

describe("a Node that", () => {
  const claim = (version: string) => ({
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`Object.defineProperty(process.versions, "node", { value: "${version}" })`)}`,
  });

  test.each([
    "12.22.12",
    "20.20.2",
    "22.18.9",
    "22.19.0",
    "23.11.1",
    "24.10.9",
    "24.11.0",
    "25.9.0",
    "26.0.0",
    "27.1.0",
  ])("is %s runs the gateway or is told which one does, as package.json says", async (version) => {
    const { code, stdout, stderr } = await run(process.execPath, ["src/start.js", "--version"], claim(version));
    if (satisfies(version, engines)) {
      expect({ code, stdout, stderr }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\./), stderr: "" });
    } else {
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(/^delivery-graph needs Node .* and this is [\d.]+\. Start it with `npm start`.*\n$/);
      expect(stderr).toContain(`needs Node ${engines}, and this is ${version}.`);
    }
  });

  test.skipIf(old === null)("is really too old says so in one line", async () => {
    const { code, stdout, stderr } = await run(old ?? "", ["src/start.js"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^delivery-graph needs Node [^\n]*\n$/);
  });

  test("does not strip types gets an error that says so", async () => {
    const { code, stderr } = await run(process.execPath, ["src/start.js"], {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent('Object.defineProperty(process.features, "typescript", { value: false })')}`,
    });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^delivery-graph needs a Node that strips types[^\n]*\n$/),
    });
  });

  test("finds no packages says to install them", async () => {
    const bare = join(folder, "bare");
    await cp(join(root, "src"), join(bare, "src"), { recursive: true });
    await cp(join(root, "demo"), join(bare, "demo"), { recursive: true });
    await cp(join(root, "package.json"), join(bare, "package.json"));
    const ran = await run(process.execPath, ["src/start.js"], {}, bare);
    expect(ran).toEqual({ code: 1, stdout: "", stderr: "Packages are missing: run `npm ci` first.\n" });
  });

  test("cannot run on this system is passed over for the next one on the path, as is the packaged one on musl", async () => {
    const packed = join(folder, "packed");
    await mkdir(packed, { recursive: true });
    // A program whose loader is missing: the system says the same of it as of a program for another C library.
    await writeFile(join(packed, "node"), "#!/lib/ld-of-another-library.so\n", { mode: 0o755 });
    const path = [packed, dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter);
    const { scripts } = await manifest();
    const ran = await run("sh", ["-c", `${scripts["start"]} --version`], { PATH: path });
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\./), stderr: "" });
  });
});

describe("SIGTERM to `npm start` ends the gateway", () => {
  const running: ChildProcess[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) child.kill("SIGKILL");
  });

  test.each([
    ["that becomes Node", "exec $2"],
    ["that stays and waits for Node", "$2; exit $?"],
  ])("through a shell %s", async (_name, line) => {
    const shell = join(folder, "shell");
    await writeFile(shell, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    const npm = spawn("npm", ["start", "--silent", `--script-shell=${shell}`, "--", "--config", config], {
      cwd: root,
      env: { ...process.env, HOST: undefined, PORT: "0", NODE_OPTIONS: undefined },
      stdio: ["ignore", "pipe", "inherit"],
    });
    running.push(npm);
    const ended = once(npm, "exit");
    let url: string | undefined;
    for await (const text of npm.stdout.setEncoding("utf8")) {
      url ??= /ready on (http:\S+)\/graphql\n/.exec(text)?.[1];
      if (url === undefined || npm.killed) continue;
      expect((await fetch(`${url}/ready`)).status).toBe(200);
      npm.kill("SIGTERM");
    }
    // The output ends when the last process that has it is gone.
    await ended;
    await expect(fetch(`${url}/ready`)).rejects.toThrow();
  });
});
