import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { readBasePath } from "../../config/settings.ts";
import { headersOf } from "../observability/request-id.ts";

/** What is known of a request from the proxies that are trusted. */
export interface Proxies {
  /**
   * Hosts, with their ports, that the caller may have asked, as a browser writes them: the port is left out where the scheme
   * implies it. Null where no trusted proxy says any.
   */
  readonly hostsOf: (request: IncomingMessage) => readonly string[] | null;
  /** The path that the proxy took away, or `/`. */
  readonly prefixOf: (request: IncomingMessage) => string;
  /** IP address of the caller: the last one in the chain that is no trusted proxy. Null when the socket is closed. */
  readonly clientOf: (request: IncomingMessage) => string | null;
}

/**
 * Reads `X-Forwarded-Proto`, `-Host`, `-Port`, `-Prefix` and `-For` of requests whose sender is among the trusted addresses
 * and CIDR ranges. Of everybody else they are as good as not there.
 */
export function createProxies(trusted: readonly string[]): Proxies {
  const list = new BlockList();
  for (const range of trusted) {
    const [address = "", bits] = range.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  const isListed = (address: string) => {
    const family = isIP(address);
    // An IPv4 address in the notation of IPv6 is found among those of IPv4.
    return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
  };
  const isTrusted = ({ socket }: IncomingMessage) =>
    trusted.length > 0 && socket.remoteAddress !== undefined && isListed(socket.remoteAddress);
  /** The first value: what the proxy next to the caller wrote. */
  const said = (request: IncomingMessage, what: string): string | null =>
    isTrusted(request) ? (headersOf(request).get(`x-forwarded-${what}`)?.split(",", 1)[0]?.trim() ?? null) : null;

  function hostsOf(request: IncomingMessage): readonly string[] | null {
    const host = said(request, "host");
    if (host === null || !/^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(host)) return null;
    const scheme = said(request, "proto")?.toLowerCase() === "https" ? "https" : "http";
    // Some proxies tell the port apart, and some of those tell one that nobody outside has asked.
    const port = said(request, "port");
    const spelled = port !== null && /^\d{1,5}$/.test(port) && !/:\d+$/.test(host) ? [host, `${host}:${port}`] : [host];
    const addresses = spelled.map((one) => `${scheme}://${one}`).filter((one) => URL.canParse(one));
    return addresses.length === 0 ? null : addresses.map((one) => new URL(one).host);
  }

  return {
    hostsOf,
    prefixOf: (request) => readBasePath(said(request, "prefix") ?? "/") ?? "/",
    clientOf: (request) => {
      const peer = request.socket.remoteAddress ?? null;
      if (peer === null || !isTrusted(request)) return peer;
      const chain = String(request.headers["x-forwarded-for"] ?? "").split(",");
      let client = peer;
      for (const entry of chain.toReversed()) {
        const address = entry.trim().replace(/^\[([^\]]*)\](?::\d+)?$|^([\d.]+):\d+$/, "$1$2");
        if (isIP(address) === 0) break;
        client = address;
        if (!isListed(address)) break;
      }
      return client;
    },
  };
}
