import { createServer, type Server } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Estate, startEstate } from "../demo/estate.ts";
import type { Backend } from "../src/backends/backend.ts";
import { configOf } from "../src/config/index.ts";
import { type Gateway, startGateway } from "../src/server/gateway.ts";
import type { Log } from "../src/server/observability/log.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";
import { type GatewayProcess, startMain, type Variables } from "./support/process.ts";

const processes: GatewayProcess[] = [];
afterEach(async () => {
  await Promise.all(processes.splice(0).map((one) => one.close()));
});

async function main(args: readonly string[], variables: Variables = {}): Promise<GatewayProcess> {
  const started = await startMain(args, variables);
  processes.push(started);
  return started;
}

/** A preload that makes the process do something when it gets SIGUSR2. */
function onSignal(code: string): Variables {
  return {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`process.on("SIGUSR2", () => { ${code} })`)}`,
  };
}

function linesOf(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

async function ask(url: string, query: string): Promise<unknown> {
  const response = await fetch(`${url}/graphql?query=${encodeURIComponent(query)}`);
  return response.json();
}

describe("start-up", () => {
  let estate: Estate;
  let gateway: DemoGateway;
  beforeAll(async () => {
    estate = await startEstate();
  });
  afterAll(() => estate.close());

  it("asks no backend, nor do the pages that tell how the process is", async () => {
    for (const server of Object.values(estate.servers)) server.forget();
    gateway = await startDemoGateway({ estate });
    try {
      for (const path of ["/health", "/ready", "/metrics", "/"]) {
        expect((await fetch(`${gateway.url}${path}`)).status).toBe(200);
      }
      expect((await gateway.ask("{ backends { name capabilities } }")).status).toBe(200);
      expect(gateway.calls()).toEqual({});
      expect(Object.values(estate.servers).map((server) => server.sockets())).toEqual([0, 0, 0, 0]);
    } finally {
      await gateway.stop();
    }
  });

  it("and readiness do not depend on the backends", async () => {
    for (const server of Object.values(estate.servers)) await server.setFault({ kind: "down" });
    gateway = await startDemoGateway({ estate });
    try {
      const { body } = await gateway.ask("{ backends { name health { status } } }");
      expect(Object(body.data)["backends"].map(({ health }: { health: unknown }) => health)).toEqual(
        Array.from({ length: 4 }, () => ({ status: "DOWN" })),
      );
      const ready = await fetch(`${gateway.url}/ready`);
      expect([ready.status, await ready.json()]).toEqual([200, { status: "ready", demo: true }]);
      expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    } finally {
      await gateway.stop();
      for (const server of Object.values(estate.servers)) await server.setFault(null);
    }
  });
});

describe("a bug of the gateway", () => {
  const log: { level: string; facts: Record<string, unknown>; message: string }[] = [];
  const to = (level: string) => (facts: object, message: string) =>
    void log.push({ level, facts: { ...facts }, message });
  const logger: Log = { info: to("info"), warn: to("warn"), error: to("error") };
  let estate: Estate;
  let gateway: Gateway;
  beforeAll(async () => {
    estate = await startEstate();
    const reading = configOf(estate.settings, { PORT: "0", HOST: "127.0.0.1" });
    if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
    const broken = (backend: Backend): Backend => ({
      ...backend,
      during: (call) => ({
        ...backend.during(call),
        ping: () => Promise.reject(new Error("boom: a secret of the inside")),
      }),
    });
    const backends = reading.config.backends.map((entry) => ({ ...entry, connect: () => broken(entry.connect()) }));
    gateway = await startGateway({ config: { ...reading.config, backends }, log: logger, version: "0.0.0-test" });
  });
  afterAll(async () => {
    await gateway.stop(0);
    await estate.close();
  });

  it("is answered with the id of the request, under which the log has the cause; the rest of the answer stands", async () => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": "mine-4" },
      body: JSON.stringify({ query: "query Broken { backends { name health { status } } }" }),
    });
    const body = await response.json();
    expect(response.headers.get("x-request-id")).toBe("mine-4");
    expect(body.data.backends).toHaveLength(4);
    expect(body.errors[0]).toEqual({
      message: "Something went wrong inside the gateway.",
      path: ["backends", 0, "health"],
      locations: expect.any(Array),
      extensions: { code: "INTERNAL_SERVER_ERROR", retryable: false, requestId: "mine-4" },
    });
    expect(JSON.stringify(body)).not.toContain("boom");
    const [cause] = log.filter(({ message }) => message === "a bug of the gateway");
    expect(cause).toMatchObject({ level: "error", facts: { requestId: "mine-4" } });
    expect(String(cause?.facts["err"])).toContain("boom");
    expect(log.find(({ message }) => message === "answered")).toMatchObject({
      level: "error",
      facts: { requestId: "mine-4", operation: "Broken", outcome: "bug" },
    });
  });

  it("says the id in an answer in parts as well", async () => {
    const before = log.length;
    const response = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream", "x-request-id": "mine-5" },
      body: JSON.stringify({ query: "{ backends { name ... @defer { health { status } } } }" }),
    });
    const parts = (await response.text()).matchAll(/^data: (\{.*\})$/gm);
    const errors = [...parts].flatMap(([, text = ""]) => {
      const { incremental } = JSON.parse(text);
      return (incremental ?? []).flatMap((one: { errors?: object[] }) => one.errors ?? []);
    });
    expect(errors).toHaveLength(4);
    for (const error of errors) {
      expect(error).toMatchObject({
        extensions: { code: "INTERNAL_SERVER_ERROR", retryable: false, requestId: "mine-5" },
      });
    }
    expect(log.slice(before).filter(({ message }) => message === "a bug of the gateway")).toHaveLength(4);
  });
});

const demoLine = "this is the demo: whatever it answers is made up";

describe("a process", () => {
  it.each([
    ["uncaught error", "throw new Error('boom')"],
    ["unhandled rejection", "Promise.reject(new Error('boom'))"],
  ])("after %s finishes what is in flight, begins nothing, and ends with 1 and one line", async (message, code) => {
    const gateway = await main(["--fault", "gitlab=slow:1500"], onSignal(code));
    const asked = ask(gateway.url, "{ backends { name health { status } } }");
    await new Promise((resolve) => setTimeout(resolve, 300));
    gateway.signal("SIGUSR2");
    await expect.poll(() => gateway.stderr()).toContain('"level":50');
    expect((await fetch(`${gateway.url}/ready`)).status).toBe(503);
    const refused = await fetch(`${gateway.url}/graphql?query={__typename}`);
    expect([refused.status, refused.headers.get("connection")]).toEqual([503, "close"]);
    // A signal on top does not make a good end of it, nor does another error make another line.
    gateway.signal("SIGUSR2");
    gateway.signal("SIGTERM");
    expect(await asked).toMatchObject({
      data: { backends: [{}, {}, {}, { name: "gitlab", health: { status: "OK" } }] },
    });
    const { code: exitCode, stderr } = await gateway.ended;
    expect(exitCode).toBe(1);
    const lines = linesOf(stderr).filter(({ level }) => level === 50);
    expect(lines).toMatchObject([{ msg: `${message}; the process ends`, err: { type: "Error" } }]);
    // What it says may be a secret; where it comes from is not.
    expect(stderr).not.toContain("boom");
    expect(lines[0]?.["err"]).toMatchObject({ stack: expect.arrayContaining([expect.stringMatching(/^at /)]) });
  });

  it("ends within seconds, even when what is in flight does not", async () => {
    const gateway = await main(["--fault", "gitlab=slow:60000"], onSignal("throw new Error('boom')"));
    const asked = ask(gateway.url, "{ backends { name health { status } } }").catch(() => "cut off");
    await new Promise((resolve) => setTimeout(resolve, 300));
    gateway.signal("SIGUSR2");
    expect((await gateway.ended).code).toBe(1);
    expect(await asked).toBe("cut off");
  });

  it("writes a line an operation to stderr, and nothing of it to stdout", async () => {
    const gateway = await main([]);
    const told = gateway.stdout();
    await ask(gateway.url, "query Hello { __typename }");
    await expect.poll(() => gateway.stderr()).toContain("Hello");
    // What is written at the start comes before.
    expect(linesOf(gateway.stderr()).filter(({ msg }) => msg !== "started" && msg !== demoLine)).toEqual([
      {
        level: 30,
        time: expect.any(String),
        requestId: expect.any(String),
        operation: "Hello",
        outcome: "ok",
        ms: expect.any(Number),
        calls: 0,
        msg: "answered",
      },
    ]);
    expect(gateway.stdout()).toBe(told);
  });
});

describe("traces of a process", () => {
  let collector: Server;
  let endpoint: string;
  const received: { url: string | undefined; headers: unknown; spans: Record<string, unknown>[] }[] = [];
  beforeAll(async () => {
    collector = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString());
      received.push({
        url: request.url,
        headers: request.headers,
        spans: resourceSpans.flatMap((one: { scopeSpans: { spans: [] }[] }) =>
          one.scopeSpans.flatMap(({ spans }) => spans),
        ),
      });
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const address = collector.address();
    endpoint = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  });
  afterAll(() => new Promise<void>((resolve) => collector.close(() => resolve())));

  it("go where the standard variables say; what is left goes out at the end", async () => {
    const gateway = await main([], {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=one",
      OTEL_BSP_SCHEDULE_DELAY: "60000",
    });
    await ask(gateway.url, "query Traced { releases(first: 1) { nodes { version } } }");
    expect(received).toEqual([]);
    gateway.signal("SIGTERM");
    expect(await gateway.ended).toMatchObject({ code: 0 });
    expect(received[0]).toMatchObject({ url: "/v1/traces", headers: { "x-tenant": "one" } });
    expect(received.flatMap(({ spans }) => spans.map(({ name }) => name)).toSorted()).toEqual([
      "graphql Traced",
      "zadig.listReleases",
    ]);
  });

  it("that cannot be delivered hold nothing up", async () => {
    const gateway = await main([], {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
      OTEL_BSP_SCHEDULE_DELAY: "50",
    });
    expect(await ask(gateway.url, "{ __typename }")).toEqual({ data: { __typename: "Query" } });
    gateway.signal("SIGTERM");
    expect(await gateway.ended).toMatchObject({ code: 0 });
  });

  it("without the variables nothing that makes them is loaded", async () => {
    const watch = `import { registerHooks } from "node:module";
      const watch = (name, context, next) => {
        if (/opentelemetry\\/(sdk|exporter)/.test(name)) process.stderr.write("loads " + name + "\\n");
        return next(name, context);
      };
      registerHooks({ resolve: watch });`;
    const preload = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(watch)}` };
    expect((await main([], preload)).stderr()).not.toContain("loads ");
    const traced = await main([], { ...preload, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    expect(traced.stderr()).toContain("loads @opentelemetry/sdk-trace");
  });
});
