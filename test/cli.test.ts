import { spawn } from "node:child_process";
import { mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type GatewayProcess, runMain, startMain } from "./support/process.ts";

let folder: string;
let running: GatewayProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "delivery-graph-cli-"));
});

afterEach(async () => {
  await Promise.all(running.map((gateway) => gateway.close()));
  running = [];
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function start(...start: Parameters<typeof startMain>): Promise<GatewayProcess> {
  const gateway = await startMain(...start);
  running.push(gateway);
  return gateway;
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const one = `backends:
  - name: zadig
    kind: zadig
    url: http://127.0.0.1:9
    credentials: { token: "\${ZADIG_TOKEN}" }
`;

async function ask(url: string, query: string): Promise<unknown> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return response.json();
}

describe("without arguments", () => {
  test("the demo starts, greets with addresses and three queries, and says last where it answers", async () => {
    const gateway = await start([]);
    const lines = gateway.stdout().trimEnd().split("\n");
    expect(lines.filter((line) => line.includes("is ready on"))).toHaveLength(1);
    expect(lines.at(-1)).toBe(`delivery-graph is ready on ${gateway.url}/graphql`);
    for (const name of ["zadig", "bkrepo", "swr-north4", "gitlab"]) {
      expect(gateway.stdout()).toMatch(new RegExp(`^  ${name} +http://127\\.0\\.0\\.1:\\d+$`, "m"));
    }
    expect(lines.filter((line) => line.startsWith("  # "))).toHaveLength(3);
    const lineOf = (text: string) => JSON.parse(text);
    expect(gateway.stderr().trimEnd().split("\n").map(lineOf)).toMatchObject([
      { level: 30, auth: "none", graphiql: true, introspection: true, msg: "started" },
      { level: 40, demo: true, msg: "this is the demo: whatever it answers is made up" },
    ]);
    expect(await ask(gateway.url, "{ backends { name } }")).toEqual({
      data: { backends: ["zadig", "bkrepo", "swr-north4", "gitlab"].map((name) => ({ name })) },
    });
  });

  test("faults reach the backends they name, by name or by kind", async () => {
    const gateway = await start(["--demo", "--fault", "gitlab=down", "--fault", "swr=slow:2000"]);
    expect(gateway.stdout()).toMatch(/gitlab +http:\S+ {2}\(fault: down\)/);
    expect(gateway.stdout()).toMatch(/swr-north4 +http:\S+ {2}\(fault: slow, 2000 ms\)/);
    const address = /gitlab +(http:\S+)/.exec(gateway.stdout())?.[1] ?? "";
    await expect(fetch(address)).rejects.toThrow();
  });
});

describe("no demo by accident", () => {
  const secret = { ZADIG_TOKEN: "secret" };
  const production = { NODE_ENV: "production" };
  const refusal =
    "There is no configuration: give --config <file>, or start where a gateway.yaml is. " +
    "With NODE_ENV=production the demo and its made-up data start only with --demo.\n";

  async function folderWith(text: string | null): Promise<string> {
    const path = await mkdtemp(join(folder, "working-"));
    if (text !== null) await writeFile(join(path, "gateway.yaml"), text);
    return path;
  }

  async function namesOf(url: string): Promise<unknown> {
    return ask(url, "{ backends { name } }");
  }

  test("in production nothing starts without a configuration, and the sentence says what to do", async () => {
    for (const args of [[], ["--fault", "gitlab=down"]]) {
      const ended = await runMain(args, production, await folderWith(null));
      expect(ended).toEqual({ code: 1, signal: null, stdout: "", stderr: refusal });
    }
  });

  test("in production the demo starts for who asks for it", async () => {
    const gateway = await start(["--demo"], production, await folderWith(null));
    expect((await fetch(`${gateway.url}/ready`)).headers.get("x-delivery-graph")).toBe("demo");
  });

  test.each([{}, production])(
    "a gateway.yaml in the working folder is served, and the output says so (%o)",
    async (variables) => {
      const path = await folderWith(one);
      const gateway = await start([], { ...secret, ...variables }, path);
      expect(gateway.stdout()).toBe(
        `Serving ${join(await realpath(path), "gateway.yaml")}, found in this folder.\n` +
          `delivery-graph is ready on ${gateway.url}/graphql\n`,
      );
      expect(await namesOf(gateway.url)).toEqual({ data: { backends: [{ name: "zadig" }] } });
    },
  );

  test("--config goes before it, and --demo as well", async () => {
    const path = await folderWith("backends: wrong");
    const gateway = await start(["--config", await file("named.yaml", one)], secret, path);
    expect(await namesOf(gateway.url)).toEqual({ data: { backends: [{ name: "zadig" }] } });
    const demo = await start(["--demo"], {}, path);
    expect(await namesOf(demo.url)).toHaveProperty("data.backends.length", 4);
  });

  test("one that is wrong, or a link that leads nowhere, starts no demo instead", async () => {
    const wrong = await runMain([], secret, await folderWith("backends: wrong"));
    expect(wrong).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^gateway\.yaml: 1 problem\n/) });
    const path = await folderWith(null);
    await symlink("/no/such/file", join(path, "gateway.yaml"));
    const broken = await runMain([], secret, path);
    expect(broken).toMatchObject({ code: 1, stdout: "", stderr: "Cannot read gateway.yaml: there is no such file.\n" });
  });

  test("--check checks it, and faults want the demo by name", async () => {
    const path = await folderWith(one);
    expect(await runMain(["--check"], secret, path)).toMatchObject({ code: 0, stdout: "ok\n", stderr: "" });
    expect(await runMain(["--fault", "gitlab=down"], secret, path)).toMatchObject({
      code: 1,
      stderr: "--fault needs the demo: add --demo, since this folder has a gateway.yaml.\n",
    });
  });
});

describe("with a configuration", () => {
  test("that configuration is served, and no demo with it", async () => {
    const path = await file("fine.yaml", one);
    const gateway = await start(["--config", path], { ZADIG_TOKEN: "secret" });
    expect(gateway.stdout()).toBe(`delivery-graph is ready on ${gateway.url}/graphql\n`);
    expect(await ask(gateway.url, "{ backends { name kind } }")).toEqual({
      data: { backends: [{ name: "zadig", kind: "ZADIG" }] },
    });
  });

  test("HOST and PORT override it", async () => {
    const path = await file("override.yaml", `server: { host: localhost, port: 1 }\n${one}`);
    const gateway = await start(["--config", path], { ZADIG_TOKEN: "secret", HOST: "127.0.0.1", PORT: "0" });
    expect(new URL(gateway.url).hostname).toBe("127.0.0.1");
  });

  test("every problem is reported with its path, and nothing starts", async () => {
    const path = await file("bad.yaml", `server: { prot: 1 }\n${one}`);
    for (const args of [
      ["--config", path],
      ["--check", "--config", path],
    ]) {
      const { code, stdout, stderr } = await runMain(args, { ZADIG_TOKEN: undefined });
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr.split("\n")).toEqual([
        `${path}: 2 problems`,
        "  backends[0].credentials.token needs the environment variable ZADIG_TOKEN, which is not set (line 6)",
        "  server.prot is not a known key: did you mean port? (line 1)",
        "",
      ]);
    }
  });

  test("--check says ok when there is none", async () => {
    const path = await file("ok.yaml", one);
    expect(await runMain(["--check", "--config", path], { ZADIG_TOKEN: "secret" })).toMatchObject({
      code: 0,
      stdout: "ok\n",
      stderr: "",
    });
  });

  test("--check opens no socket: a port in use does not disturb it", async () => {
    const { port, close } = await takenPort();
    const path = await file("taken.yaml", `server: { port: ${port} }\n${one}`);
    expect(await runMain(["--check", "--config", path], { ZADIG_TOKEN: "secret" })).toMatchObject({
      code: 0,
      stdout: "ok\n",
    });
    await close();
  });
});

const badFaults = [
  "gitlab",
  "gitlab=",
  "gitlab=gone",
  "gitlab=slow",
  "gitlab=slow:-1",
  "gitlab=flaky:101",
  "gitlab=down:5",
];

describe("what cannot be done is refused in one sentence", () => {
  test.concurrent.each<{ readonly args: readonly string[]; readonly sentence: string }>([
    { args: ["--cofnig", "x.yaml"], sentence: "There is no option --cofnig; did you mean --config. See --help." },
    { args: ["gateway.yaml"], sentence: 'There is no place for "gateway.yaml". See --help.' },
    { args: ["--config"], sentence: "--config needs a value. See --help." },
    { args: ["--check"], sentence: "--check needs --config <file>: it checks that file." },
    { args: ["--check=yes"], sentence: "--check takes no value." },
    {
      args: ["--demo", "--config", "x.yaml"],
      sentence: "--demo and --config exclude each other: the demo has its own configuration.",
    },
    { args: ["--config", "x.yaml", "--fault", "gitlab=down"], sentence: "--fault needs the demo: leave out --config." },
    {
      args: ["--check", "--config", "x.yaml", "--fault", "gitlab=down"],
      sentence: "--fault needs the demo: leave out --check.",
    },
    {
      args: ["--fault", "github=down"],
      sentence: '--fault github=down: "github" is no demo backend; there are zadig, bkrepo, swr-north4, gitlab.',
    },
    {
      args: ["--fault", "gitlab=down", "--fault", "gitlab=html"],
      sentence: "--fault: gitlab can have one fault at a time.",
    },
    ...badFaults.map((fault) => ({
      args: ["--fault", fault],
      sentence: `--fault ${fault}: write gitlab=<fault>, where a fault is down, slow:<ms>, throttle, html, malformed, flaky:<percent> or empty.`,
    })),
    { args: ["--config", "no/such/file.yaml"], sentence: "Cannot read no/such/file.yaml: there is no such file." },
    { args: ["--check", "--config", "src"], sentence: "Cannot read src: it is a folder." },
  ])("$sentence", async ({ args, sentence }) => {
    expect(await runMain(args)).toEqual({ code: 1, signal: null, stdout: "", stderr: `${sentence}\n` });
  });

  test("a port in use", async () => {
    const { port, close } = await takenPort();
    const ended = await runMain([], { PORT: String(port) });
    await close();
    expect(ended).toEqual({
      code: 1,
      signal: null,
      stdout: "",
      stderr: `Port ${port} on 127.0.0.1 is already in use: stop what listens there, or set PORT to another one.\n`,
    });
  });

  test("an address of another machine", async () => {
    const { code, stderr } = await runMain([], { HOST: "192.0.2.1", PORT: "0" });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "192.0.2.1 is no address of this machine: set server.host or HOST to one that is.\n",
    });
  });
});

test("--help and --version answer and leave", async () => {
  const [help, version] = await Promise.all([runMain(["--help"]), runMain(["-v"])]);
  expect(help).toMatchObject({ code: 0, stderr: "" });
  for (const option of ["--config", "--check", "--demo", "--fault", "PORT"]) expect(help.stdout).toContain(option);
  expect(version).toMatchObject({ code: 0, stderr: "" });
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

describe("the log", () => {
  const secret = { ZADIG_TOKEN: "secret" };
  const settings = (log: string) => `limits: { depth: 9, deadlineMs: 15000 }\nlog: ${log}\n${one}`;

  /** What is on stderr once an operation was answered and the gateway ended. */
  async function written(name: string, log: string): Promise<string> {
    const path = await file(name, settings(log));
    const gateway = await start(["--config", path], secret);
    await ask(gateway.url, "query Hello { __typename }");
    gateway.signal("SIGTERM");
    const { stderr } = await gateway.ended;
    expect(stderr).not.toContain("secret");
    return stderr;
  }

  test("begins with one line that says what runs, and is JSON where stderr is no terminal", async () => {
    const lines = (await written("log-json.yaml", "{}")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        level: 30,
        time: expect.any(String),
        file: join(folder, "log-json.yaml"),
        backends: ["zadig (zadig)"],
        auth: "none",
        graphiql: true,
        introspection: true,
        limits: { depth: 9 },
        msg: "started",
      },
      expect.objectContaining({ operation: "Hello", msg: "answered" }),
    ]);
  });

  test("is text for people with format: pretty", async () => {
    const lines = (await written("log-pretty.yaml", "{ format: pretty }")).trimEnd().split("\n");
    expect(lines).toEqual([
      expect.stringMatching(
        /^\d\d:\d\d:\d\d\.\d{3} INFO {2}started file=\S+ backends=\["zadig \(zadig\)"\] auth=none /,
      ),
      expect.stringMatching(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}answered requestId=\S+ operation=Hello outcome=ok /),
    ]);
  });

  test("leaves out what is below its level", async () => {
    expect(await written("log-warn.yaml", "{ level: warn }")).toBe("");
  });

  test.runIf(process.platform === "linux")("is text on a terminal, unless it was to be JSON", async () => {
    // `script` of util-linux gives its command a terminal.
    const onTerminal = async (path: string) => {
      const command = `${process.execPath} src/main.ts --config ${path}`;
      const child = spawn("script", ["--quiet", "--return", "--flush", "--command", command, "/dev/null"], {
        env: { ...process.env, ...secret, PORT: "0", HOST: undefined },
        stdio: ["ignore", "pipe", "ignore"],
      });
      let output = "";
      for await (const text of child.stdout.setEncoding("utf8")) {
        output += text;
        if (output.includes("is ready on") && output.includes("started")) break;
      }
      child.kill("SIGTERM");
      return output;
    };
    expect(await onTerminal(await file("tty.yaml", settings("{}")))).toMatch(/INFO.*started.*auth=none/);
    expect(await onTerminal(await file("tty-json.yaml", settings("{ format: json }")))).toContain('"msg":"started"');
  });

  test("has two settings with few words", async () => {
    const path = await file("log-bad.yaml", settings("{ level: loud, fromat: json }"));
    const { code, stderr } = await runMain(["--check", "--config", path], secret);
    expect([code, stderr.split("\n").length]).toEqual([1, 4]);
    expect(stderr).toContain("log.level");
    expect(stderr).toContain("log.fromat is not a known key: did you mean format?");
  });
});

describe("the end", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s ends an idle gateway with 0 at once, kept-alive sockets or not",
    async (signal) => {
      const gateway = await start([]);
      await (await fetch(`${gateway.url}/health`)).text();
      const asked = performance.now();
      gateway.signal(signal);
      expect(await gateway.ended).toMatchObject({ code: 0, signal: null });
      expect(performance.now() - asked).toBeLessThan(3000);
    },
  );

  test("what is in flight is finished; what comes later is refused", async () => {
    const gateway = await start(["--fault", "bkrepo=slow:1500"]);
    const slow = fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        query: '{ packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }, first: 1) { nodes { name } } }',
      }),
    });
    await untilInFlight(gateway.url);
    gateway.signal("SIGTERM");
    await untilDraining(gateway.url);
    const late = await fetch(`${gateway.url}/graphql?query={__typename}`);
    expect(late.status).toBe(503);
    expect(late.headers.get("connection")).toBe("close");
    expect(await (await slow).json()).toHaveProperty("data.packages.nodes.0.name");
    expect(await gateway.ended).toMatchObject({ code: 0, signal: null });
  });

  test("a second signal does not wait", async () => {
    const gateway = await start(["--fault", "bkrepo=slow:60000"]);
    const slow = fetch(
      `${gateway.url}/graphql?query=${encodeURIComponent('{ packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }) { nodes { name } } }')}`,
    );
    const cut = expect(slow).rejects.toThrow();
    await untilInFlight(gateway.url);
    gateway.signal("SIGTERM");
    await untilDraining(gateway.url);
    gateway.signal("SIGTERM");
    expect((await gateway.ended).code).toBe(143);
    await cut;
  });
});

// Answers on another socket: when this one has come back, the request sent before it has been taken in.
async function untilInFlight(url: string): Promise<void> {
  expect(await ask(url, "{ __typename }")).toEqual({ data: { __typename: "Query" } });
}

async function untilDraining(url: string): Promise<void> {
  await expect
    .poll(() =>
      fetch(`${url}/ready`).then(async (response) => ({ status: response.status, body: await response.json() })),
    )
    .toEqual({ status: 503, body: { status: "draining", demo: true } });
}

async function takenPort(): Promise<{ port: number; close: () => Promise<void> }> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
