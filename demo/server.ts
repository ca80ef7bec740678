import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A request as a vendor's handler sees it. */
export interface DemoRequest {
  readonly method: string;
  /** Path as it came over the wire, still encoded, without the query. */
  readonly rawPath: string;
  readonly query: URLSearchParams;
  readonly header: (name: string) => string | null;
  /** Body text, empty for none. */
  readonly body: string;
}

/** An answer: objects go out as JSON, strings as they are. */
export interface DemoReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** The answer does not come, or comes one byte a second. */
  readonly stalls?: "never answers" | "drips";
}

export type DemoHandler = (request: DemoRequest) => DemoReply | Promise<DemoReply>;

/** Ways a demo backend can misbehave; the first seven are what `--fault` offers. */
export type Fault =
  | { readonly kind: "down" }
  | { readonly kind: "slow"; readonly ms: number }
  | { readonly kind: "throttle"; readonly retryAfter?: string }
  | { readonly kind: "html" }
  | { readonly kind: "malformed" }
  | { readonly kind: "flaky"; readonly percent: number }
  | { readonly kind: "empty" }
  | { readonly kind: "reset" }
  | { readonly kind: "endless" }
  | { readonly kind: "drip"; readonly everyMs: number }
  | { readonly kind: "status"; readonly status: number; readonly times?: number }
  | { readonly kind: "truncated" }
  | { readonly kind: "content-type"; readonly type: string }
  | { readonly kind: "huge"; readonly bytes: number };

/** One request that a demo backend saw. */
export interface Seen {
  readonly method: string;
  /** Path and query as they came over the wire. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** `performance.now()` when it came in, and when the last byte of the answer went out (null while it has not). */
  readonly startedAt: number;
  endedAt: number | null;
}

/** A demo backend on a loopback port. */
export interface DemoServer {
  readonly name: string;
  readonly url: string;
  /** Every request since the start or the last `forget()`, oldest first. */
  readonly seen: readonly Seen[];
  readonly forget: () => void;
  /** Misbehave from now on; null behaves again. */
  readonly setFault: (fault: Fault | null) => Promise<void>;
  /** Every answer waits this long, so that waves of calls can be told apart. */
  readonly setLatency: (ms: number) => void;
  /** Rewrites good answers on their way out: for tests of single bad rows, planted strings and odd headers. */
  readonly setTamper: (tamper: ((reply: DemoReply, request: DemoRequest) => DemoReply) | null) => void;
  /** Sockets open right now. */
  readonly sockets: () => number;
  readonly close: () => Promise<void>;
}

/** Serves one vendor on 127.0.0.1; port 0 takes a free one. */
export async function serveDemo(name: string, handler: DemoHandler, port = 0): Promise<DemoServer> {
  const seen: Seen[] = [];
  const open = new Set<Socket>();
  let fault: Fault | null = null;
  let latency = 0;
  let tamper: ((reply: DemoReply, request: DemoRequest) => DemoReply) | null = null;

  const server = createServer((incoming, response) => {
    void answer(incoming, response).catch(() => response.destroy());
  });
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = incoming.url ?? "/";
    const chunks: Buffer[] = [];
    const entry: Seen = {
      method: incoming.method ?? "GET",
      url,
      headers: incoming.headers,
      body: "",
      startedAt: performance.now(),
      endedAt: null,
    };
    seen.push(entry);
    response.on("close", () => {
      entry.endedAt = performance.now();
    });
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString("utf8");
    Object.assign(entry, { body });
    const cut = url.indexOf("?");
    const request: DemoRequest = {
      method: entry.method,
      rawPath: cut < 0 ? url : url.slice(0, cut),
      query: new URLSearchParams(cut < 0 ? "" : url.slice(cut + 1)),
      header: (key) => {
        const value = incoming.headers[key];
        return (Array.isArray(value) ? value[0] : value) ?? null;
      },
      body,
    };
    if (latency > 0) await sleep(latency);
    if (fault && (await misbehave(fault, response))) return;
    const good = await handler(request);
    const reply = tamper ? tamper(good, request) : good;
    send(response, reply, fault);
  }

  async function misbehave(current: Fault, response: ServerResponse): Promise<boolean> {
    switch (current.kind) {
      case "slow":
        await sleep(current.ms);
        return false;
      case "flaky":
        if (Math.random() * 100 >= current.percent) return false;
        write(response, 503, { "content-type": "text/plain" }, "Service Unavailable");
        return true;
      case "throttle": {
        const headers = current.retryAfter === undefined ? {} : { "retry-after": current.retryAfter };
        write(response, 429, { "content-type": "text/plain", ...headers }, "Retry later\n");
        return true;
      }
      case "html":
        write(
          response,
          200,
          { "content-type": "text/html; charset=utf-8" },
          "<!DOCTYPE html><title>Sign in</title><form></form>",
        );
        return true;
      case "malformed":
        write(response, 200, { "content-type": "application/json" }, '{"surprise": [1, 2, {"deep": true}]}');
        return true;
      case "empty":
        write(response, 200, { "content-type": "application/json" }, "");
        return true;
      case "reset":
      case "down":
        response.socket?.resetAndDestroy();
        return true;
      case "status":
        if (current.times !== undefined) fault = current.times > 1 ? { ...current, times: current.times - 1 } : null;
        write(response, current.status, { "content-type": "text/plain" }, "broken");
        return true;
      case "endless":
        await pour(response, Number.POSITIVE_INFINITY);
        return true;
      case "huge":
        await pour(response, current.bytes);
        return true;
      case "drip":
        await drip(response, current.everyMs);
        return true;
      default:
        return false;
    }
  }

  await listen(port);
  const address = server.address() as AddressInfo;

  function listen(at: number): Promise<void> {
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(at, "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    });
  }

  function stop(): Promise<void> {
    for (const socket of open) socket.destroy();
    return new Promise((resolve) => (server.listening ? server.close(() => resolve()) : resolve()));
  }

  return {
    name,
    url: `http://127.0.0.1:${address.port}`,
    seen,
    forget: () => {
      seen.length = 0;
    },
    setFault: async (next) => {
      fault = next;
      if (next?.kind === "down") await stop();
      else if (!server.listening) await listen(address.port);
    },
    setLatency: (ms) => {
      latency = ms;
    },
    setTamper: (next) => {
      tamper = next;
    },
    sockets: () => open.size,
    close: stop,
  };
}

function send(response: ServerResponse, reply: DemoReply, fault: Fault | null): void {
  const text = typeof reply.body === "string" ? reply.body : reply.body === undefined ? "" : JSON.stringify(reply.body);
  const type = typeof reply.body === "string" ? "text/plain; charset=utf-8" : "application/json; charset=utf-8";
  const headers = { "content-type": fault?.kind === "content-type" ? fault.type : type, ...reply.headers };
  if (reply.stalls === "never answers") return;
  if (reply.stalls === "drips") {
    void dripText(response, text, 1000);
    return;
  }
  if (fault?.kind !== "truncated") {
    write(response, reply.status ?? 200, headers, text);
    return;
  }
  response.writeHead(reply.status ?? 200, { ...headers, "content-length": Buffer.byteLength(text) + 1 });
  response.write(text.slice(0, Math.floor(text.length / 2)), () => response.destroy());
}

function write(response: ServerResponse, status: number, headers: Record<string, string>, body: string): void {
  response.writeHead(status, { ...headers, ...(status === 204 ? {} : { "content-length": Buffer.byteLength(body) }) });
  response.end(body);
}

async function pour(response: ServerResponse, bytes: number): Promise<void> {
  response.writeHead(200, { "content-type": "application/json" });
  const block = Buffer.alloc(65_536, 0x20);
  for (let sent = 0; sent < bytes && !response.destroyed; sent += block.length) {
    if (!response.write(block)) {
      await new Promise<void>((resolve) => {
        const go = () => {
          response.off("drain", go).off("close", go);
          resolve();
        };
        response.on("drain", go).on("close", go);
      });
    }
  }
  response.end("null");
}

/** Sends the whole of a text, one byte at a time. */
async function dripText(response: ServerResponse, text: string, everyMs: number): Promise<void> {
  const bytes = Buffer.from(text);
  response.writeHead(200, { "content-type": "application/json", "content-length": bytes.length });
  for (let at = 0; at < bytes.length && !response.destroyed; at++) {
    response.write(bytes.subarray(at, at + 1));
    await sleep(everyMs, undefined, { ref: false });
  }
  response.end();
}

async function drip(response: ServerResponse, everyMs: number): Promise<void> {
  response.writeHead(200, { "content-type": "application/json" });
  while (!response.destroyed) {
    response.write(" ");
    await sleep(everyMs);
  }
}
