import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type GatewayProcess, startMain, type Variables } from "./support/process.ts";

let folder: string;
const processes: GatewayProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "delivery-graph-shutdown-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  await Promise.all(processes.splice(0).map((one) => one.close()));
});

/** A backend that holds every answer back until it is told to give them all. */
let backend: Server;
let held: ServerResponse[];
beforeEach(async () => {
  held = [];
  backend = createServer((_request, response) => void held.push(response));
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  backend.closeAllConnections();
  await new Promise((resolve) => backend.close(resolve));
});

function release(): void {
  for (const response of held.splice(0)) response.writeHead(404, { "content-type": "application/json" }).end("{}");
}

async function configured(server: string): Promise<string> {
  const { port } = backend.address() as AddressInfo;
  const file = join(folder, "gateway.yaml");
  const entry = `{ name: gitlab, kind: gitlab, url: "http://127.0.0.1:${port}", groups: [pay], credentials: { token: t }, retries: 0 }`;
  await writeFile(file, `server: ${server}\nbackends: [${entry}]\n`);
  return file;
}

async function start(server: string, variables: Variables = {}): Promise<GatewayProcess> {
  const gateway = await startMain(["--config", await configured(server)], variables);
  processes.push(gateway);
  return gateway;
}

/** Waits longer than a busy machine takes. */
const soon = <T>(look: () => T) => expect.poll(look, { timeout: 10_000 });

const slowQuestion = "{ backends { name health { status } } }";

function ask(url: string, query: string): Promise<Response> {
  return fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
}

async function isReady(url: string): Promise<number> {
  const response = await fetch(`${url}/ready`);
  await response.text();
  return response.status;
}

describe("a gateway that gets a signal to end", () => {
  test("says for `drainMs` that it is not ready, works on meanwhile, and closes its port then; idle as it is", async () => {
    const gateway = await start("{ drainMs: 3000 }");
    gateway.signal("SIGTERM");
    await soon(() => isReady(gateway.url)).toBe(503);
    const answer = await ask(gateway.url, "{ __typename }");
    expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
    expect(await answer.json()).toEqual({ data: { __typename: "Query" } });
    expect((await fetch(`${gateway.url}/`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    expect(await gateway.ended).toMatchObject({ code: 0, signal: null, stderr: expect.not.stringContaining("error") });
    await expect(fetch(`${gateway.url}/ready`)).rejects.toThrow();
  });

  test("does so by itself where nothing is configured, unless a second signal is in a hurry", async () => {
    const gateway = await start("{}");
    gateway.signal("SIGTERM");
    await soon(() => isReady(gateway.url)).toBe(503);
    expect((await ask(gateway.url, "{ __typename }")).status).toBe(200);
    gateway.signal("SIGTERM");
    expect(await gateway.ended).toMatchObject({ code: 143, signal: null });
  });

  test("runs what came last before the port closes, and refuses what comes after", async () => {
    const gateway = await start("{ drainMs: 2000 }");
    gateway.signal("SIGTERM");
    await soon(() => isReady(gateway.url)).toBe(503);
    const slow = ask(gateway.url, slowQuestion);
    await soon(() => held.length).toBe(1);
    await soon(async () => (await ask(gateway.url, "{ __typename }")).status).toBe(503);
    release();
    expect(await (await slow).json()).toHaveProperty("data.backends.0.name", "gitlab");
    expect(await gateway.ended).toMatchObject({ code: 0 });
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const)(
    "by %s loses no answer that is under way, and ends with 0",
    async (signal) => {
      const gateway = await start("{ drainMs: 0 }");
      const slow = ask(gateway.url, slowQuestion);
      await soon(() => held.length).toBe(1);
      gateway.signal(signal);
      await soon(() => isReady(gateway.url)).toBe(503);
      release();
      const answer = await slow;
      expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
      expect(await answer.json()).toHaveProperty("data.backends.0.name", "gitlab");
      expect(await gateway.ended).toMatchObject({ code: 0, signal: null });
    },
  );

  test("loses no answer to questions that were sent one behind the other on one connection", async () => {
    const gateway = await start("{ drainMs: 0 }");
    const { port } = new URL(gateway.url);
    const question = (query: string) => {
      const body = JSON.stringify({ query });
      return `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    };
    const socket = connect(Number(port), "127.0.0.1");
    let received = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      received += text;
    });
    const closed = once(socket, "close");
    socket.write(question(`query First ${slowQuestion}`) + question(`query Second ${slowQuestion}`));
    await soon(() => held.length).toBe(1);
    gateway.signal("SIGTERM");
    await soon(() => isReady(gateway.url)).toBe(503);
    release();
    await closed;
    const answers = received.split(/(?=HTTP\/1\.1 )/);
    expect(answers.map((answer) => answer.split("\r\n", 1)[0])).toEqual(["HTTP/1.1 200 OK", "HTTP/1.1 200 OK"]);
    expect(answers.map((answer) => /^connection: (.*)\r$/im.exec(answer)?.[1])).toEqual(["keep-alive", "close"]);
    expect(await gateway.ended).toMatchObject({ code: 0 });
  });

  test("by npm and by the terminal at once takes both signals as one", async () => {
    const gateway = await start("{ drainMs: 0 }", { npm_lifecycle_event: "start" });
    const slow = ask(gateway.url, slowQuestion);
    await soon(() => held.length).toBe(1);
    gateway.signal("SIGINT");
    gateway.signal("SIGINT");
    await soon(() => isReady(gateway.url)).toBe(503);
    gateway.signal("SIGINT");
    release();
    expect(await (await slow).json()).toHaveProperty("data.backends.0.name", "gitlab");
    expect(await gateway.ended).toMatchObject({ code: 0, signal: null });
  });
});

/** Says when main.ts is about to be loaded, and takes a while to load it. */
const announceLoading = `
import { registerHooks } from "node:module";
registerHooks({ load: (url, context, next) => {
  if (url.endsWith("/src/main.ts")) {
    process.stderr.write("loading");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  }
  return next(url, context);
}});`;

/** The same before the program's first line. */
const announceNode = `
process.stderr.write("loading");
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);`;

const canIsolate = (() => {
  try {
    execFileSync("unshare", ["--pid", "--fork", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

describe("a gateway that gets a signal to end before it is ready", () => {
  const running: ChildProcess[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) child.kill("SIGKILL");
  });

  /** Starts it and sends the signal while it loads. `id` names the process that is meant, where it is not the child. */
  async function interrupt(
    signal: NodeJS.Signals,
    command: readonly string[],
    preload = announceLoading,
    id: (child: ChildProcess) => number | undefined = ({ pid }) => pid,
  ): Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string }> {
    const [program = "", ...args] = [...command, "src/start.js", "--config", await configured("{ port: 0 }")];
    const child = spawn(program, args, {
      env: {
        ...process.env,
        HOST: undefined,
        PORT: undefined,
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}`,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.push(child);
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    const ended = once(child, "close");
    await once(child.stderr, "data");
    process.kill(id(child) ?? 0, signal);
    const [code, by] = await ended;
    return { code, signal: by, stdout };
  }

  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const)("ends by %s", async (signal) => {
    expect(await interrupt(signal, [process.execPath])).toEqual({ code: null, signal, stdout: "" });
  });

  const inside = ({ pid }: ChildProcess) =>
    Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]);
  const isolated = ["unshare", "--pid", "--fork", process.execPath];

  test.skipIf(!canIsolate).each([
    ["SIGTERM", 143, "it loads", announceLoading],
    ["SIGINT", 130, "it loads", announceLoading],
    ["SIGHUP", 129, "it loads", announceLoading],
    ["SIGQUIT", 131, "it loads", announceLoading],
    ["SIGTERM", 143, "Node starts", announceNode],
    ["SIGINT", 130, "Node starts", announceNode],
  ] as const)(
    "ends by %s with %d as the first process of a container, which the system does not end, while %s",
    async (signal, code, _when, preload) => {
      expect(await interrupt(signal, isolated, preload, inside)).toEqual({ code, signal: null, stdout: "" });
    },
  );
});
