import { describe, expect, test } from "vitest";
import { proxyFor, readEnvironmentProxies } from "../../src/upstream/connections.ts";

const proxy = "http://proxy.test:3128/";

function isDirect(address: string, entries: string): boolean {
  const { proxies } = readEnvironmentProxies({ HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: entries });
  return proxyFor(new URL(address), proxies) === null;
}

describe("NO_PROXY", () => {
  test.each([
    ["https://[fd00::1]", "fd00::1", true],
    ["https://[fd00::1]", "[fd00:0::1]", true],
    ["https://[fd00::1]", "[fd00::1]:443", true],
    ["https://[fd00::1]", "[fd00::1]:80", false],
    ["https://[fd00::1]", "fd00::/8", true],
    ["https://[fe80::1]", "fd00::/8", false],
    ["https://10.1.2.3", "10.1.2.3/32", true],
    ["https://10.1.2.3", "10.1.2.0/33,10.1.2.3/x,/8", false],
    ["https://10.1.2.3:8443", "10.0.0.0/8:443", false],
    ["https://10.1.2.3:8443", "10.0.0.0/8:8443", true],
    ["https://git.example.com", "example.com", true],
    ["https://git.example.com.", "example.com", true],
    ["https://GIT.example.com", "EXAMPLE.com.", true],
    ["https://example.com", ".example.com", true],
    ["https://example.com", "*.example.com", false],
    ["https://a.b.example.com", "*.example.com", true],
    ["https://myexample.com", "example.com", false],
    ["https://example.com.evil.test", "example.com", false],
    ["http://example.com", "example.com:80", true],
    ["https://example.com", "example.com:80", false],
    ["https://\u4f8b.example", "\u4f8b.example", true],
    ["https://example.com", " , ,.,*.", false],
  ])("%s with %j", (address, entries, expected) => {
    expect(isDirect(address, entries)).toBe(expected);
  });
});
