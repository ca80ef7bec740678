import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { configOf } from "../../src/config/index.ts";
import { startGateway } from "../../src/server/gateway.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const mebibyte = 1_048_576;
/** What the answer to {@link question} is made of: more than the kernel takes for a client that does not read. */
const parts = 12;

/** A bkrepo whose packages have descriptions of a mebibyte, and a gateway over it. */
async function open(server: Record<string, unknown>) {
  const description = "x".repeat(mebibyte);
  const backend = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? "/", "http://fake");
    const key = searchParams.get("packageKey");
    const data = { projectId: "p", repoName: "maven", name: "a", key, type: "MAVEN", description, versions: 1 };
    request.resume();
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ code: 0, message: null, data, traceId: "1" }));
  });
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    backend.closeAllConnections();
    backend.close();
  });
  const reading = configOf(
    {
      server,
      backends: [
        {
          name: "bkrepo",
          kind: "bkrepo",
          url: `http://127.0.0.1:${(backend.address() as AddressInfo).port}`,
          credentials: { username: "reader", password: "secret" },
        },
      ],
    },
    { PORT: "0", HOST: "127.0.0.1" },
  );
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  const said: string[] = [];
  const gateway = await startGateway({
    config: reading.config,
    log: { info: () => {}, warn: (facts) => void said.push(JSON.stringify(facts)), error: () => {} },
    version: "0.0.0-test",
  });
  closing.push(() => gateway.stop(0));
  const { port } = new URL(gateway.url);
  const socket = (): Socket => {
    const one = connect(Number(port), "127.0.0.1");
    one.on("error", () => {});
    closing.push(() => one.destroy());
    return one;
  };
  return { url: gateway.url, socket, said };
}

const body = JSON.stringify({
  query: `{ ${Array.from(
    { length: parts },
    (_, index) =>
      `p${index}: package(ref: { backend: "bkrepo", repository: "p${index}/maven", key: "gav://g:a" }) { description }`,
  ).join(" ")} }`,
});
const question = [
  "POST /graphql HTTP/1.1",
  "host: localhost",
  "content-type: application/json",
  `content-length: ${body.length}`,
  "",
  body,
].join("\r\n");

/** Bytes that this socket still gets before its end. */
async function drained(socket: Socket): Promise<number> {
  let bytes = 0;
  socket.on("data", (chunk) => {
    bytes += chunk.length;
  });
  socket.resume();
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return bytes;
}

const isHealthy = async (url: string) => (await fetch(`${url}/health`)).status === 200;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("a client that does not read an answer in time is disconnected, and its memory is free", async () => {
  const { url, socket, said } = await open({ sendMs: 500 });
  const stuck = Array.from({ length: 10 }, socket);
  for (const one of stuck) one.pause().write(question);
  await expect.poll(() => said.length, { timeout: 15_000 }).toBe(10);
  expect(said.every((line) => line.includes("the answer was not read in time"))).toBe(true);
  expect(await isHealthy(url)).toBe(true);
  for (const one of stuck) expect(await drained(one)).toBeLessThan(parts * mebibyte);
});

test("who reads a byte now and then is cut off as well, at the same time", async () => {
  const { socket, said } = await open({ sendMs: 500 });
  const one = socket();
  one.pause().write(question);
  const sip = setInterval(() => one.read(1), 20);
  closing.push(() => clearInterval(sip));
  await expect.poll(() => said.length, { timeout: 15_000 }).toBe(1);
  clearInterval(sip);
  expect(await drained(one)).toBeLessThan(parts * mebibyte);
});

test("who reads gets the whole of it, however many answers follow each other", async () => {
  const { socket, said } = await open({ sendMs: 2000, maxWaitingBytes: 64 * mebibyte });
  const one = socket();
  let bytes = 0;
  one.on("data", (chunk) => {
    bytes += chunk.length;
  });
  one.write(question + question + question);
  await expect.poll(() => bytes, { timeout: 15_000 }).toBeGreaterThan(3 * parts * mebibyte);
  expect(said).toEqual([]);
});

test("more bytes than may wait in all cost those who have not read for longest, at once", async () => {
  const { url, socket, said } = await open({ sendMs: 600_000, maxWaitingBytes: 30 * mebibyte });
  const stuck: Socket[] = [];
  for (let count = 0; count < 6; count++) {
    const one = socket();
    one.pause().write(question);
    stuck.push(one);
    await pause(300);
  }
  await expect.poll(() => said.length, { timeout: 15_000 }).toBeGreaterThanOrEqual(3);
  expect(said.every((line) => line.includes("too many bytes wait"))).toBe(true);
  expect(await isHealthy(url)).toBe(true);
  // The newest are still served.
  const last = stuck.at(-1);
  let bytes = 0;
  last?.on("data", (chunk) => {
    bytes += chunk.length;
  });
  last?.resume();
  await expect.poll(() => bytes, { timeout: 15_000 }).toBeGreaterThan(parts * mebibyte);
});

test("a client that sends question after question and reads none holds no more than that either", async () => {
  const { socket, said } = await open({ sendMs: 600_000, maxWaitingBytes: 30 * mebibyte });
  const one = socket();
  one.pause().write(question.repeat(5));
  await expect.poll(() => said.length, { timeout: 15_000 }).toBe(1);
  expect(await drained(one)).toBeLessThan(5 * parts * mebibyte);
});

test("a thousand idle connections and a hundred that do not read leave the gateway answering", async () => {
  const { url, socket } = await open({ sendMs: 10_000 });
  const idle = Array.from({ length: 1000 }, socket);
  await Promise.all(idle.map((one) => new Promise((resolve) => one.once("connect", resolve))));
  for (let count = 0; count < 100; count++) socket().pause().write(question);
  for (let count = 0; count < 20; count++) expect(await isHealthy(url)).toBe(true);
});

test("where there are as many connections as may be, the longest idle one makes room, and no one who asks is refused", async () => {
  const { url, socket, said } = await open({ maxConnections: 50 });
  const idle = Array.from({ length: 200 }, socket);
  await Promise.all(idle.map((one) => new Promise((resolve) => one.once("connect", resolve))));
  for (let count = 0; count < 20; count++) expect(await isHealthy(url)).toBe(true);
  await expect.poll(() => idle.filter(({ closed }) => closed).length).toBeGreaterThan(140);
  expect(said.every((line) => line.includes("too many connections"))).toBe(true);
  // Who drips a request makes room when nobody is idle.
  for (let count = 0; count < 60; count++)
    socket().write("POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{");
  await pause(100);
  expect(await isHealthy(url)).toBe(true);
});

test("a request whose headers do not come in time is answered 408 soon after", { timeout: 30_000 }, async () => {
  // Ten seconds more than an idle connection is kept.
  const { socket } = await open({ keepAliveMs: 1000 });
  const one = socket();
  one.write("GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ");
  const text: Buffer[] = [];
  one.on("data", (chunk) => void text.push(chunk));
  await new Promise((resolve) => one.once("close", resolve));
  expect(Buffer.concat(text).toString()).toMatch(/^HTTP\/1\.1 408 /);
});
