import { BlockList, isIP } from "node:net";
import { domainToASCII } from "node:url";
import { buildConnector, type Dispatcher, Pool, ProxyAgent } from "undici";
import { ProxyFailure } from "./errors.ts";

/** How a backend is reached: all of it may be left out. */
export interface NetworkSettings {
  readonly proxy?: ProxyChoice | undefined;
  readonly tls?: TlsSettings | undefined;
}

/** Texts in PEM form, already checked; they are credentials. */
export interface TlsSettings {
  /** Authorities that alone are trusted; left out: those of Node, with NODE_EXTRA_CA_CERTS. */
  readonly ca?: string | undefined;
  /** The client certificate of the gateway, and the key to it. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name for SNI that the server's certificate must have; left out: the host of the address. */
  readonly serverName?: string | undefined;
}

/** The proxy of one backend: its address, `false` for none, or what the environment names for the backend's address. */
export type ProxyChoice = string | false | EnvironmentProxies;

/** Proxies that the environment names, for backends without a setting of their own. */
export interface EnvironmentProxies {
  /** Address of the proxy for https, user-info included; null for none. */
  readonly https: string | null;
  readonly http: string | null;
  /** Entries of `NO_PROXY`, unparsed. */
  readonly except: readonly string[];
}

/** Connections to one origin. */
export interface Connections {
  /** Takes requests with `origin`, `path` and `headers`. */
  readonly dispatcher: Dispatcher;
  /** `forward`: the proxy gets the whole address and sends the request itself, so that a 407 is its own answer. */
  readonly by: "none" | "tunnel" | "forward";
}

/** A proxy that accepts a connection and never answers must not block it for as long as an answer may take. */
const proxyTimeoutMs = 10_000;

/**
 * Opens so many connections to an origin, one request at a time in each; nothing is sent. https goes through a proxy
 * by CONNECT, so that the proxy sees only the host; http is forwarded, since most proxies tunnel to port 443 alone.
 */
export function openConnections(origin: string, connections: number, network: NetworkSettings): Connections {
  const url = new URL(origin);
  const proxy = proxyFor(url, network.proxy);
  const tls = url.protocol === "https:" ? tlsOptions(network.tls) : null;
  const limits = { connections, pipelining: 1 };
  if (proxy === null) {
    return { dispatcher: new Pool(origin, tls ? { ...limits, connect: tls } : limits), by: "none" };
  }
  const proxyUrl = new URL(proxy);
  const token = authorizationOf(proxyUrl);
  if (url.protocol === "http:") return { dispatcher: forwarded(url, proxyUrl, token, limits), by: "forward" };
  const dispatcher = new ProxyAgent({
    uri: proxyUrl.origin,
    ...(token === null ? {} : { token }),
    ...limits,
    ...(tls ? { requestTls: tls } : {}),
    clientFactory: (address) => new ProxyPool(address),
  });
  return { dispatcher, by: "tunnel" };
}

function tlsOptions(tls: TlsSettings | undefined) {
  if (tls === undefined) return null;
  const { ca, cert, key, serverName } = tls;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

/** Connections to a proxy, each of which becomes one tunnel. Rejects with a ProxyFailure where it becomes none. */
class ProxyPool extends Pool {
  constructor(address: URL) {
    super(address.origin, { connect: proxyConnector(), headersTimeout: proxyTimeoutMs });
  }

  // ProxyAgent reports a proxy's refusal and an unreachable proxy by undici's general errors only.
  override async connect(options: Parameters<Pool["connect"]>[0]): Promise<Dispatcher.ConnectData> {
    const data = await super.connect(options).catch((error: unknown) => {
      throw error instanceof ProxyFailure ? error : new ProxyFailure(null, error);
    });
    if (data.statusCode === 200) return data;
    data.socket.on("error", () => {}).destroy();
    throw new ProxyFailure(data.statusCode);
  }
}

/** Connects to a proxy, and fails with a ProxyFailure. */
function proxyConnector(): buildConnector.connector {
  const connect = buildConnector({ allowH2: false, timeout: proxyTimeoutMs });
  // The name in an https proxy's certificate is that of its address: a host header names the server behind it, and an
  // IP address cannot be used for SNI.
  return ({ servername: _, ...options }, callback) =>
    connect(options, (...[error, socket]) => {
      if (error === null) callback(null, socket);
      else callback(new ProxyFailure(null, error), null);
    });
}

/** Requests in absolute form (RFC 9112 3.2.2). undici's ProxyAgent would send them over a single connection. */
function forwarded(target: URL, proxy: URL, token: string | null, limits: Pool.Options): Dispatcher {
  const pool = new Pool(proxy.origin, { ...limits, connect: proxyConnector() });
  return pool.compose((dispatch) => (options, handler) => {
    const headers = {
      ...options.headers,
      host: target.host,
      ...(token === null ? {} : { "proxy-authorization": token }),
    };
    return dispatch({ ...options, origin: proxy.origin, path: target.origin + options.path, headers }, handler);
  });
}

function authorizationOf({ username, password }: URL): string | null {
  if (username === "" && password === "") return null;
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

/**
 * Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. The lower-case name wins over the upper-case one, and an empty
 * variable is none. `unreadable`: names of variables whose value is not the address of a proxy.
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

/** The address of a proxy; without a scheme it is http, as for curl and Go. Null for any other than http and https. */
export function readProxyAddress(text: string): string | null {
  const trimmed = text.trim();
  const full = trimmed.includes("://") ? trimmed : `http://${trimmed}`;
  if (!/^https?:\/\/[^/\\]/i.test(full) || !URL.canParse(full)) return null;
  const url = new URL(full);
  if (url.hostname === "" || url.pathname !== "/" || url.search !== "" || url.hash !== "") return null;
  return isDecodable(url.username) && isDecodable(url.password) ? url.href : null;
}

/** Address of the proxy for an address; null for none. */
export function proxyFor(url: URL, choice: ProxyChoice | undefined): string | null {
  if (choice === undefined || choice === false) return null;
  if (typeof choice === "string") return choice;
  const proxy = url.protocol === "https:" ? choice.https : choice.http;
  return proxy === null || isExcepted(url, choice.except) ? null : proxy;
}

/**
 * Whether an entry of `NO_PROXY` matches: `*`, a name and all below it (with or without a dot in front; `*.name`
 * is only what is below it), an IP address or a CIDR range; with a port, that port only. No name is resolved for it.
 */
function isExcepted(url: URL, entries: readonly string[]): boolean {
  const host = normalizedHost(url.hostname);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return entries.some((entry) => {
    const [, name = entry, only] = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(entry) ?? [];
    return (only === undefined || Number(only) === Number(port)) && matchesName(host, name);
  });
}

function matchesName(host: string, name: string): boolean {
  if (name === "*") return true;
  if (isIP(host) !== 0) return isInRange(host, name);
  const isBelowOnly = name.startsWith("*.");
  const normalized = normalizedHost(name.replace(/^\*?\./, ""));
  const suffix = domainToASCII(normalized) || normalized;
  return suffix !== "" && (host.endsWith(`.${suffix}`) || (!isBelowOnly && host === suffix));
}

/** Whether an IP address is this one, or is in this range. */
function isInRange(address: string, range: string): boolean {
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
function normalizedHost(host: string): string {
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
