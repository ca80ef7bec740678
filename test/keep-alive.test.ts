import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { limitSenders } from "../src/server/http/connections.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway | null = null;
afterEach(async () => {
  await gateway?.stop();
  gateway = null;
});

async function serve(server: Readonly<Record<string, unknown>> = {}): Promise<number> {
  gateway = await startDemoGateway({ settings: { server } });
  return Number(new URL(gateway.url).port);
}

/** Opens a connection and asks for a page on it; what came back. */
async function askOn(socket: Socket): Promise<string> {
  const answered = once(socket, "data");
  socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [bytes] = await answered;
  return String(bytes);
}

describe("an idle connection", () => {
  test("stays open for 75 seconds by default, longer than balancers keep theirs", async () => {
    const socket = connect(await serve(), "127.0.0.1");
    expect(await askOn(socket)).toMatch(/^keep-alive: timeout=75\r$/im);
    expect(await askOn(socket)).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  test("stays open for as long as `server.keepAliveMs` says, and is closed then", async () => {
    const socket = connect(await serve({ keepAliveMs: 1000 }), "127.0.0.1");
    expect(await askOn(socket)).toMatch(/^keep-alive: timeout=1\r$/im);
    await once(socket, "close");
  });

  test("may stay open longer than a request may take", async () => {
    const socket = connect(await serve({ keepAliveMs: 3_600_000 }), "127.0.0.1");
    expect(await askOn(socket)).toMatch(/^keep-alive: timeout=3600\r$/im);
    socket.destroy();
  });
});

describe("a request that does not arrive in time", () => {
  const limits = { headMs: 200, bodyMs: 300 };
  let server: Server | null = null;
  afterEach(() => {
    server?.close();
    server = null;
  });

  /** Opens connections to a server with short limits; those that were closed, by name. */
  async function connections(
    written: Readonly<Record<string, string>>,
  ): Promise<{ closed: Set<string>; all: Map<string, Socket> }> {
    const listening = createServer((request, response) => {
      request.resume();
      request.on("end", () => response.end("ok"));
    });
    server = listening;
    limitSenders(listening, limits, (socket) => socket.destroy());
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    const closed = new Set<string>();
    const all = new Map<string, Socket>();
    for (const [name, text] of Object.entries(written)) {
      const socket = connect((listening.address() as AddressInfo).port, "127.0.0.1").resume();
      socket.on("close", () => closed.add(name));
      socket.on("error", () => undefined);
      await once(socket, "connect");
      socket.write(text);
      all.set(name, socket);
    }
    return { closed, all };
  }

  const whole = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";

  test("ends its connection; connections that wait for a request stay open", async () => {
    const { closed, all } = await connections({
      "never used": "",
      used: whole,
      "used, with an empty line": `${head}hello\r\n`,
      "head that is not finished": "GET / HTTP/1.1\r\nHost: x",
      "second head that is not finished": whole,
      "body that is not finished": `${head}he`,
    });
    // Once the first request has been seen to be whole, the next one begins.
    await new Promise((resolve) => setTimeout(resolve, limits.headMs));
    all.get("second head that is not finished")?.write("GET / HT");
    const late = [...all.keys()].filter((name) => name.includes("not finished")).toSorted();
    await expect.poll(() => [...closed].toSorted(), { timeout: 5000 }).toEqual(late);
    await new Promise((resolve) => setTimeout(resolve, 2 * limits.bodyMs));
    expect([...closed].toSorted()).toEqual(late);
    for (const socket of all.values()) socket.destroy();
  });

  test("is answered with 408 by the gateway", { timeout: 60_000 }, async () => {
    const socket = connect(await serve(), "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    const closed = once(socket, "close");
    socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\n");
    await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n/);
  });
});
