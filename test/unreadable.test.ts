import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

// What no client of GraphQL sends, and what is not HTTP at all: refused in words, and no answer of another request is lost.

let gateway: DemoGateway;

beforeAll(async () => {
  gateway = await startDemoGateway({ settings: { server: { cors: { origins: ["https://portal.example.com"] } } } });
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.forget());

/** Everything that comes back until the gateway closes the connection. */
function exchange(sent: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1", () => socket.write(sent));
    let told = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      told += text;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(told));
  });
}

const asked = "{ releases(first: 5) { edges { node { version } } } }";

function post(query: string, ...headers: readonly string[]): string {
  const body = JSON.stringify({ query });
  const lines = [
    "POST /graphql HTTP/1.1",
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
    ...headers,
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

const host = "Host: localhost";

async function responses(): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const found = text.matchAll(/http_responses_total\{status="(\d+)"\} (\d+)/g);
  return Object.fromEntries([...found].map(([, status, count]) => [status, Number(count)]));
}

/** What is no request, with the status and the rule in the log. */
const unreadable: Readonly<Record<string, readonly [sent: string, status: number, rule: string]>> = {
  "the first bytes of TLS": ["\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "syntax"],
  "a header with a space in its name": ["GET / HTTP/1.1\r\nHost: localhost\r\nBad Header : x\r\n\r\n", 400, "syntax"],
  "headers that are too large": [
    `GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ${"a".repeat(40_000)}\r\n\r\n`,
    431,
    "header size",
  ],
  "two lengths": [post(asked, host, "Transfer-Encoding: chunked"), 400, "syntax"],
};

describe("what is no request is refused with a code, in the log, counted, and readable for pages:", () => {
  test.each(Object.entries(unreadable))("%s", async (_what, [sent, status, rule]) => {
    const [before, lines] = [await responses(), gateway.log.length];
    const told = await exchange(sent);
    const [head = "", body = ""] = told.split("\r\n\r\n");
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head).toContain("\r\nAccess-Control-Allow-Origin: *");
    expect(head).toContain(`\r\nContent-Length: ${body.length}`);
    expect(JSON.parse(body)).toMatchObject({ errors: [{ extensions: { code: "BAD_USER_INPUT", retryable: false } }] });
    expect(gateway.log.slice(lines)).toMatchObject([{ message: "a request was refused", facts: { rule } }]);
    expect((await responses())[status]).toBe((before[status] ?? 0) + 1);
  });
});

/** Requests that can be read, and that mean nothing. */
const odd: Readonly<Record<string, readonly [sent: string, status: number]>> = {
  "no host": [post(asked, "Connection: close"), 400],
  "two hosts": [post(asked, host, "Host: other.example.com", "Connection: close"), 400],
  "the same host twice": [post(asked, host, "hOsT: localhost", "Connection: close"), 400],
  "an expectation that nobody knows": [post(asked, host, "Expect: 200-ok", "Connection: close"), 417],
};

describe("a request that means nothing in HTTP is refused as every other:", () => {
  test.each(Object.entries(odd))("%s", async (_what, [sent, status]) => {
    const lines = gateway.log.length;
    const [head = "", body = ""] = (await exchange(sent)).split("\r\n\r\n");
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(JSON.parse(body)).toMatchObject({ errors: [{ extensions: { code: "BAD_USER_INPUT", retryable: false } }] });
    expect(gateway.log.slice(lines)).toMatchObject([{ message: "answered", facts: { outcome: "refused", calls: 0 } }]);
    expect(gateway.calls()).toEqual({});
  });

  test("HTTP/1.0 knows no Host", async () => {
    const sent = post(asked, "Connection: close").replace("HTTP/1.1", "HTTP/1.0");
    expect(await exchange(sent)).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe("an answer that is under way is finished before what follows is refused:", () => {
  const head = "POST /graphql HTTP/1.1\r\nContent-Type: application/json";
  const behind: Readonly<Record<string, string>> = {
    "bytes that are no HTTP": "\x16\x03\x01garbage\r\n\r\n",
    "headers that are too large": `GET / HTTP/1.1\r\nX-A: ${"a".repeat(40_000)}\r\n\r\n`,
    "a body that has another length": `${head}\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n`,
  };

  test.each(Object.entries(behind))("%s", async (_what, more) => {
    const lines = gateway.log.length;
    const told = await exchange(post(asked, host) + more);
    expect(told).toMatch(/^HTTP\/1\.1 200 [\s\S]*"releases":\{"edges":\[[\s\S]*HTTP\/1\.1 4\d\d /);
    expect(gateway.log.slice(lines)).toMatchObject([
      { message: "answered", facts: { outcome: "ok" } },
      { message: "a request was refused" },
    ]);
  });

  test("an answer in parts", async () => {
    const query = `{ backends { name } ... @defer { ${asked.slice(1)} }`;
    const told = await exchange(`${post(query, host, "Accept: multipart/mixed")}garbage\r\n\r\n`);
    expect(told).toMatch(/"hasNext":true[\s\S]*"hasNext":false[\s\S]*\r\n-----\r\n[\s\S]*HTTP\/1\.1 400 /);
  });

  test("an answer behind which the client wants the connection closed", async () => {
    const told = await exchange(`${post(asked, host, "Connection: close")}more`);
    expect(told.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(told).toMatch(/^HTTP\/1\.1 200 /);
  });
});
