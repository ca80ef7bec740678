import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;
afterEach(() => gateway.stop());

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
  test("is kept for 75 seconds by default, longer than balancers keep theirs", async () => {
    const socket = connect(await serve(), "127.0.0.1");
    expect(await askOn(socket)).toMatch(/^keep-alive: timeout=75\r$/im);
    expect(await askOn(socket)).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  test("is kept for as long as `server.keepAliveMs` says, and closed then", async () => {
    const socket = connect(await serve({ keepAliveMs: 1000 }), "127.0.0.1");
    expect(await askOn(socket)).toMatch(/^keep-alive: timeout=1\r$/im);
    await once(socket, "close");
  });

  test("may be kept longer than a request may take", async () => {
    const socket = connect(await serve({ keepAliveMs: 3_600_000 }), "127.0.0.1");
    expect(await askOn(socket)).toMatch(/^keep-alive: timeout=3600\r$/im);
    socket.destroy();
  });
});
