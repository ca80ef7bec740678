import { BlockList, isIP } from "node:net";
import { domainToASCII } from "node:url";

/** Proxies that the environment names, for whatever says nothing of its own. */
export interface EnvironmentProxies {
  /** Address of the proxy for https, user-info included; null for none. */
  readonly https: string | null;
  /** The same for http. */
  readonly http: string | null;
  /** Entries of `NO_PROXY` as they were written. */
  readonly except: readonly string[];
}

/** The proxy of one backend: its address, `false` for none, or what the environment says for the address asked. */
export type ProxyChoice = string | false | EnvironmentProxies;

/**
 * Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. The lower-case name wins over the upper-case one, and an empty variable
 * is none. `unreadable`: names of variables that hold no address of a proxy.
 */
export function readEnvironmentProxies(environment: Readonly<Record<string, string | undefined>>): {
  readonly proxies: EnvironmentProxies;
  readonly unreadable: readonly string[];
} {
  const unreadable: string[] = [];
  const nameOf = (name: string) => [name.toLowerCase(), name].find((one) => environment[one]?.trim());
  const proxyIn = (variable: string): string | null => {
    const name = nameOf(variable);
    const text = name === undefined ? undefined : environment[name];
    if (name === undefined || text === undefined) return null;
    const address = readProxyAddress(text);
    if (address === null) unreadable.push(name);
    return address;
  };
  const except = environment[nameOf("NO_PROXY") ?? ""] ?? "";
  const proxies = {
    https: proxyIn("HTTPS_PROXY"),
    http: proxyIn("HTTP_PROXY"),
    except: except.split(/[,\s]+/).filter((entry) => entry !== ""),
  };
  return { proxies, unreadable };
}

/** The address of a proxy; without a scheme it is http, as for curl and Go. Null for what is no http or https address. */
export function readProxyAddress(text: string): string | null {
  const plain = text.trim();
  const full = plain.includes("://") ? plain : `http://${plain}`;
  if (!/^https?:\/\/[^/\\]/i.test(full) || !URL.canParse(full)) return null;
  const url = new URL(full);
  if (url.hostname === "" || url.pathname !== "/" || url.search !== "" || url.hash !== "") return null;
  return isDecodable(url.username) && isDecodable(url.password) ? url.href : null;
}

/** Address of the proxy by which an address is asked; null for none. */
export function proxyFor(url: URL, choice: ProxyChoice | undefined): string | null {
  if (choice === undefined || choice === false) return null;
  if (typeof choice === "string") return choice;
  const proxy = url.protocol === "https:" ? choice.https : choice.http;
  return proxy === null || isExcepted(url, choice.except) ? null : proxy;
}

/**
 * Whether an entry of `NO_PROXY` matches: `*`, a name with everything below it (with or without a dot in front; `*.name` is
 * what is below it alone), an IP address or a CIDR range; with a port, that port only. No name is looked up for it.
 */
function isExcepted(url: URL, entries: readonly string[]): boolean {
  const host = plainHost(url.hostname);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return entries.some((entry) => {
    const [, name = entry, only] = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(entry) ?? [];
    return (only === undefined || Number(only) === Number(port)) && isNamed(host, name);
  });
}

function isNamed(host: string, name: string): boolean {
  if (name === "*") return true;
  if (isIP(host) !== 0) return isWithin(host, name);
  const isBelowOnly = name.startsWith("*.");
  const written = plainHost(name.replace(/^\*?\./, ""));
  const suffix = domainToASCII(written) || written;
  return suffix !== "" && (host.endsWith(`.${suffix}`) || (!isBelowOnly && host === suffix));
}

/** Whether an IP address is this one, or within this range. */
function isWithin(address: string, range: string): boolean {
  const [, base = "", bits] = /^\[?([^/\]]+)\]?(?:\/(\d{1,3}))?$/.exec(range) ?? [];
  const family = isIP(base);
  if (family === 0 || Number(bits ?? 0) > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const kind = family === 4 ? "ipv4" : "ipv6";
  if (bits === undefined) list.addAddress(base, kind);
  else list.addSubnet(base, Number(bits), kind);
  return list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
}

/** Lower case, without the brackets of an IPv6 address and the dot at the end of a full name. */
function plainHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
