import { afterEach, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { type ReverseProxy, type ReverseProxyOptions, startReverseProxy } from "../support/reverse-proxy.ts";

let gateway: DemoGateway;
const proxies: ReverseProxy[] = [];
afterEach(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await gateway.stop();
});

/** Addresses of two machines, of which one is the proxy's. */
const proxyAddress = "127.0.0.2";
const trusted = [proxyAddress];

async function serve(server: Readonly<Record<string, unknown>>, auth: object = { mode: "none" }): Promise<void> {
  gateway = await startDemoGateway({ settings: { server, auth } });
}

async function behind(headers: ReverseProxyOptions["headers"] = {}): Promise<string> {
  const proxy = await startReverseProxy({ to: gateway.url, from: proxyAddress, headers });
  proxies.push(proxy);
  return proxy.url;
}

const question = `/graphql?query=${encodeURIComponent("{ __typename }")}`;

async function statusOf(url: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const response = await fetch(`${url}${question}`, { headers });
  await response.text();
  return response.status;
}

const portal = "https://portal.example.com";
const rewritten = {
  host: "gateway.internal:4000",
  "x-forwarded-host": "portal.example.com",
  "x-forwarded-proto": "https",
};

describe("a question by GET, from a page of the gateway's own site, behind a proxy that rewrites Host", () => {
  test("is answered where the proxy is trusted", async () => {
    await serve({ trustedProxies: trusted });
    const url = await behind(rewritten);
    expect(await statusOf(url, { referer: `${portal}/delivery/` })).toBe(200);
    expect(await statusOf(url, { origin: portal })).toBe(200);
    expect(await statusOf(url, { referer: "https://evil.example/" })).toBe(403);
    expect(await statusOf(url, { origin: "null" })).toBe(403);
    expect(await statusOf(url, { referer: "http://gateway.internal:4000/" })).toBe(403);
  });

  test.each([["10.0.0.0/8"], ["127.0.0.1"], []])("is refused where only %s is", async (...listed) => {
    await serve({ trustedProxies: listed }, { mode: "none", allowAnonymous: true });
    expect(await statusOf(await behind(rewritten), { referer: `${portal}/` })).toBe(403);
  });

  test.each([
    ["a range", { trustedProxies: ["127.0.0.0/30"] }, {}],
    ["several ranges", { trustedProxies: ["fd00::/8", "127.0.0.2/32"] }, {}],
    ["a port of its own", {}, { "x-forwarded-host": "portal.example.com:8443" }, `${portal}:8443`],
    ["a port that is told apart", {}, { "x-forwarded-port": "8443" }, `${portal}:8443`],
    ["a port inside that nobody asked", {}, { "x-forwarded-port": "8443" }, portal],
    ["the usual port, written out", {}, { "x-forwarded-host": "portal.example.com:443" }, portal],
    ["a chain of proxies", {}, { "x-forwarded-host": "portal.example.com, inner.example.com" }, portal],
    ["capital letters", {}, { "x-forwarded-host": "Portal.Example.COM" }, portal],
    ["IPv6", {}, { "x-forwarded-host": "[2001:db8::1]", "x-forwarded-proto": "http" }, "http://[2001:db8::1]"],
  ] as const)("knows %s", async (_what, server, headers, origin = portal) => {
    await serve({ trustedProxies: trusted, ...server });
    expect(await statusOf(await behind({ ...rewritten, ...headers }), { referer: `${origin}/page` })).toBe(200);
  });

  test("is answered without trust where the proxy passes Host on as it came", async () => {
    await serve({}, { mode: "none", allowAnonymous: true });
    expect(await statusOf(await behind({ host: "portal.example.com" }), { referer: `${portal}/page` })).toBe(200);
  });

  test("a host that is none is passed over", async () => {
    await serve({ trustedProxies: trusted });
    for (const host of ["evil.example/path", "user@evil.example", "a b", "", "[::1", "evil.example:99999"]) {
      const url = await behind({ host: undefined, "x-forwarded-host": host });
      expect([host, await statusOf(url, { referer: "https://evil.example/" })]).toEqual([host, 403]);
    }
  });
});

describe("a gateway that answers to names of this machine only", () => {
  test("answers whom a trusted proxy lets in, under whatever name", async () => {
    await serve({ trustedProxies: trusted });
    expect(await statusOf(await behind(rewritten))).toBe(200);
    expect(await statusOf(await behind({ ...rewritten, host: "portal.example.com" }))).toBe(200);
  });

  test("warns where pages on this machine can pass for its trusted proxy", async () => {
    const warnings = () => gateway.log.filter(({ level }) => level === "warn").map(({ message }) => message);
    await serve({ trustedProxies: ["10.0.0.1", "::1"] });
    expect(warnings()).toEqual([
      "no caller has to log in, and every request from this machine passes for one of a trusted proxy",
    ]);
    await gateway.stop();
    await serve({ trustedProxies: ["10.0.0.1"] });
    expect(warnings()).toEqual([]);
    await gateway.stop();
    await serve({ trustedProxies: ["::1"] }, { mode: "none", allowAnonymous: true });
    expect(warnings()).toEqual([]);
  });

  test("answers no other client under another name, whatever its headers say", async () => {
    await serve({ trustedProxies: ["127.0.0.3"] });
    expect(await statusOf(await behind(rewritten))).toBe(421);
    await gateway.stop();
    await serve({});
    expect(await statusOf(await behind({ ...rewritten, "x-forwarded-host": "localhost" }))).toBe(421);
  });
});

describe("the caller's address, as a refusal in the log names it,", () => {
  async function clientFor(from: string, url: string): Promise<unknown> {
    const before = gateway.log.length;
    expect(await statusOf(url, { "x-forwarded-for": from })).toBe(401);
    return Object(gateway.log.slice(before).find(({ message }) => message === "a credential was refused")?.facts)
      .client;
  }
  const auth = { mode: "keys", keys: [{ name: "a", sha256: "a".repeat(64) }] };

  test.each([
    ["198.51.100.7", "198.51.100.7"],
    ["203.0.113.9, 198.51.100.7", "198.51.100.7"],
    ["203.0.113.9, 198.51.100.7, 127.0.0.2", "198.51.100.7"],
    ["198.51.100.7:4711", "198.51.100.7"],
    ["[2001:db8::7]:4711", "2001:db8::7"],
    ["2001:db8::7", "2001:db8::7"],
    ["<script>", proxyAddress],
    ["unknown, 127.0.0.2", proxyAddress],
    ["", proxyAddress],
  ])("of a trusted proxy's “%s” is %s", async (from, client) => {
    await serve({ trustedProxies: trusted }, auth);
    expect(await clientFor(from, await behind())).toBe(client);
  });

  test("is the sender's own where that one is not trusted", async () => {
    await serve({ trustedProxies: trusted }, auth);
    expect(await clientFor("198.51.100.7", gateway.url)).toBe("127.0.0.1");
  });
});
