import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWith } from "../support/started.ts";

/** What the server writes on each connection: once, and then the second again and again for as long as anybody reads. */
let head = "";
let again = "";
/** Bytes of it that went out. */
let written = 0;

const sockets = new Set<Socket>();
const server = createServer((socket) => {
  sockets.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => sockets.delete(socket));
  socket.once("data", () => {
    socket.write(head);
    if (again === "") return;
    const block = Buffer.from(again.repeat(2000));
    const go = () => {
      do written += block.length;
      while (!socket.destroyed && socket.write(block));
    };
    socket.on("drain", go);
    go();
  });
});

let url = "";
let stop: (() => Promise<void>) | null = null;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const backend = { name: "bkrepo", kind: "bkrepo", url: address, credentials: { token: "t" }, retries: 0 };
  const gateway = await startWith({ backends: [{ ...backend, repositories: ["pay/local"], timeoutMs: 12_000 }] });
  url = gateway.url;
  stop = () => gateway.stop(0);
});

afterAll(async () => {
  await stop?.();
  for (const socket of sockets) socket.destroy();
  server.close();
});

async function ask(first: string, then: string) {
  head = first;
  again = then;
  written = 0;
  const query = '{ packages(scope: { backend: "bkrepo", repository: "pay/local" }) { nodes { name } } }';
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  const { data, errors = [] } = (await response.json()) as {
    data: { packages: { nodes: unknown[] } | null };
    errors?: { extensions: { code: string } }[];
  };
  return { nodes: data.packages?.nodes ?? null, codes: errors.map(({ extensions }) => extensions.code) };
}

const chunked = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
const megabyte = 1_048_576;

describe("an answer without end", () => {
  test("in pieces of one byte is not read further than an honest one", async () => {
    expect((await ask(chunked, "1\r\n1\r\n")).codes).toEqual(["UPSTREAM_MALFORMED"]);
    expect(written).toBeLessThan(16 * megabyte);
  });

  test("of interim answers is not waited for", async () => {
    const { codes } = await ask("", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    expect(codes).toEqual(["UPSTREAM_MALFORMED"]);
    expect(written).toBeLessThan(16 * megabyte);
  });
});

test("an answer in many small pieces, large ones between, is what was sent", async () => {
  const row = (name: string) => `{"repoName":"local","key":"gav://a:${name}","name":"${name}","type":"MAVEN"}`;
  const names = [...Array.from({ length: 12 }, (_, at) => `app-${at}`), "x".repeat(9000), "last"];
  const records = names.map(row).join(",");
  const body = `{"code":0,"message":null,"traceId":"","data":{"totalRecords":${names.length},"records":[${records}]}}`;
  const pieces: string[] = [];
  for (let at = 0; at < body.length; ) {
    const length = body.startsWith("xxx", at) ? 5000 : 1 + (at % 7);
    pieces.push(body.slice(at, at + length));
    at += length;
  }
  const text = `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("")}0\r\n\r\n`;
  expect((await ask(chunked + text, "")).nodes).toEqual(names.map((name) => ({ name })));
});
