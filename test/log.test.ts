import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Estate, startEstate } from "../demo/estate.ts";
import { credentials } from "../demo/story.ts";
import { requestIdOf, traceParentOf } from "../src/server/http/request.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let estate: Estate;
let gateway: DemoGateway;
beforeAll(async () => {
  estate = await startEstate();
  gateway = await startDemoGateway({ estate });
});
afterAll(async () => {
  await gateway.stop();
  await estate.close();
});
afterEach(async () => {
  for (const server of Object.values(estate.servers)) {
    await server.setFault(null);
    server.setTamper(null);
  }
});

/** The lines that were written while it ran. */
async function linesOf(run: () => Promise<unknown>) {
  const before = gateway.log.length;
  await run();
  return gateway.log.slice(before);
}

const query =
  'query Names($group: String) { packages(scope: { backend: "gitlab", group: $group }, first: 5) { nodes { name } } }';
const variables = { group: "pay" };
const headersOf = (headers: Record<string, string>) => ({ get: (name: string) => headers[name] ?? null });

describe("an operation", () => {
  it("is one line: its name, how it ended, how long it took, what it cost and what it is called", async () => {
    const lines = await linesOf(() => gateway.ask(query, { variables, headers: { "x-request-id": "mine-1" } }));
    expect(lines).toEqual([
      {
        level: "info",
        message: "answered",
        facts: { requestId: "mine-1", operation: "Names", outcome: "ok", ms: expect.any(Number), calls: 1 },
      },
    ]);
  });

  it("is a line though it was refused, was nameless, or is one of a batch", async () => {
    const lines = await linesOf(async () => {
      await gateway.ask("{ nowhere }");
      await fetch(`${gateway.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify([{ query: "{ __typename }" }, { query: "query Two { __typename }" }]),
      });
    });
    expect(lines.map(({ facts }) => facts)).toMatchObject([
      { operation: null, outcome: "refused", calls: 0 },
      { operation: null, outcome: "ok" },
      { operation: "Two", outcome: "ok" },
    ]);
    const ids = lines.map(({ facts }) => Object(facts).requestId);
    expect(ids[1]).toBe(ids[2]);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it("an overlong name is cut", async () => {
    const [line] = await linesOf(() => gateway.ask(`query ${"N".repeat(500)} { __typename }`));
    expect(Object(line?.facts).operation).toBe("N".repeat(100));
  });
});

describe("a failed upstream request", () => {
  it("is one line, in our words", async () => {
    await estate.servers.gitlab.setFault({ kind: "html" });
    const lines = await linesOf(() => gateway.ask(query, { variables, headers: { "x-request-id": "mine-2" } }));
    expect(lines.map(({ level }) => level)).toContain("warn");
    expect(lines.find(({ level }) => level === "warn")).toEqual({
      level: "warn",
      message: "an upstream request failed",
      facts: {
        requestId: "mine-2",
        backend: "gitlab",
        call: "gitlab.listGroupPackages",
        outcome: "MALFORMED",
        status: 200,
        ms: expect.any(Number),
        attempt: 1,
        reason: "a web page instead of data",
      },
    });
    expect(lines.at(-1)?.facts).toMatchObject({ outcome: "failed" });
  });

  it("each attempt is a line; what is not there is none", async () => {
    await estate.servers.bkrepo.setFault({ kind: "status", status: 503, times: 1 });
    const ask =
      '{ packages(scope: { backend: "bkrepo", repository: "pay/maven-local" }, first: 1) { nodes { name } } }';
    const retried = await linesOf(() => gateway.ask(ask));
    expect(retried.map(({ level, facts }) => [level, Object(facts).attempt ?? Object(facts).calls])).toEqual([
      ["warn", 1],
      ["info", 2],
    ]);
    const gone = '{ package(ref: { backend: "swr-north4", repository: "pay-core", key: "image://gone" }) { name } }';
    expect((await linesOf(() => gateway.ask(gone))).map(({ level }) => level)).toEqual(["info"]);
  });
});

it("no variable, document, credential, address or word of a backend is in the log", async () => {
  const planted = "canary-5f1d";
  estate.servers.gitlab.setTamper((reply) => ({
    ...reply,
    status: 500,
    headers: { ...reply.headers, "x-secret": planted },
    body: { message: planted, error: planted },
  }));
  const lines = await linesOf(() =>
    gateway.ask(query, {
      variables: { group: `${planted}-variable` },
      headers: { authorization: `Bearer ${planted}`, "x-backend-token-gitlab": planted, cookie: planted },
    }),
  );
  const text = JSON.stringify(lines);
  // A 500 is asked again once: two lines for the attempts, one for the operation.
  expect(lines).toHaveLength(3);
  expect(text).not.toContain(planted);
  const words = Object.values(credentials).flatMap((one) => Object.values(one).filter((word) => word !== "reader"));
  const addresses = estate.backends.map(({ url }) => new URL(url).host);
  expect([...words, ...addresses, "127.0.0.1", "nodes"].filter((word) => text.includes(word))).toEqual([]);
});

describe("the request id", () => {
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";

  it.each([
    ["a trace id", { traceparent: `00-${trace}-00f067aa0ba902b7-01`, "x-request-id": "other" }, trace],
    ["x-request-id", { "x-request-id": "req:1.a_b-2" }, "req:1.a_b-2"],
    ["no id that could break a log or a header", { "x-request-id": "a b" }, null],
    ["no trace id of zeros", { traceparent: `00-${"0".repeat(32)}-00f067aa0ba902b7-01` }, null],
    ["no trace id with something behind it", { traceparent: `00-${trace}-00f067aa0ba902b7-01-x` }, null],
  ])("is %s", (_what, headers, expected) => {
    const id = requestIdOf(headersOf(headers));
    if (expected === null) expect(id).toMatch(/^[0-9a-f-]{36}$/);
    else expect(id).toBe(expected);
  });

  it("says where a trace goes on, and whether it is sampled", () => {
    expect(traceParentOf(headersOf({ traceparent: `00-${trace}-00f067aa0ba902b7-00` }))).toEqual({
      traceId: trace,
      spanId: "00f067aa0ba902b7",
      sampled: false,
    });
    expect(traceParentOf(headersOf({ traceparent: `ff-${trace}-00f067aa0ba902b7-00` }))).toBeNull();
    expect(traceParentOf(headersOf({ traceparent: `01-${trace}-00f067aa0ba902b7-01-more` }))).toMatchObject({
      sampled: true,
    });
  });

  it("is in every answer, of whatever page", async () => {
    const answer = await gateway.ask("{ __typename }", { headers: { "x-request-id": "mine-3" } });
    expect(answer.headers.get("x-request-id")).toBe("mine-3");
    for (const path of ["/", "/health", "/ready", "/metrics", "/nowhere"]) {
      const { headers } = await fetch(`${gateway.url}${path}`);
      expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});
