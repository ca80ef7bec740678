import { buildConnector, type Dispatcher, Pool, ProxyAgent } from "undici";
import { ProxyFailure } from "./connection-faults.ts";
import { type ProxyChoice, proxyFor } from "./proxies.ts";

/** How a backend is reached: all of it may be left out. */
export interface NetworkSettings {
  /** The proxy in between; left out: none. */
  readonly proxy?: ProxyChoice | undefined;
  readonly tls?: TlsSettings | undefined;
}

/** Texts in PEM form, already checked; they are credentials. */
export interface TlsSettings {
  /** Authorities that alone are trusted; left out: those of Node, with NODE_EXTRA_CA_CERTS. */
  readonly ca?: string | undefined;
  /** What the gateway shows of itself, and the key to it. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that is asked for (SNI) and that the server's certificate must have; left out: the host of the address. */
  readonly serverName?: string | undefined;
}

/** Connections to one origin. */
export interface Connections {
  /** Takes requests with `origin`, `path` and `headers`. */
  readonly dispatcher: Dispatcher;
  /** `forward`: a proxy is told the whole address and asks itself, so that a 407 is the proxy's answer. */
  readonly by: "none" | "tunnel" | "forward";
}

/** A proxy that takes our connection and never answers must not hold it for as long as an answer may take. */
const patienceMs = 10_000;

/**
 * Opens so many connections to an origin, one request at a time in each; nothing is sent. https goes through a proxy by
 * CONNECT, so that the proxy sees no more than the host; http is forwarded, since most proxies tunnel to port 443 alone.
 */
export function openConnections(origin: string, connections: number, network: NetworkSettings): Connections {
  const url = new URL(origin);
  const proxy = proxyFor(url, network.proxy);
  const tls = url.protocol === "https:" ? tlsOptions(network.tls) : null;
  const limits = { connections, pipelining: 1 };
  if (proxy === null) {
    return { dispatcher: new Pool(origin, tls ? { ...limits, connect: tls } : limits), by: "none" };
  }
  const way = new URL(proxy);
  const token = authorizationOf(way);
  if (url.protocol === "http:") return { dispatcher: forwarded(url, way, token, limits), by: "forward" };
  const dispatcher = new ProxyAgent({
    uri: way.origin,
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
    super(address.origin, { connect: proxyConnector(), headersTimeout: patienceMs });
  }

  // ProxyAgent knows a proxy's refusal and an unreachable proxy only by undici's errors for everything. It takes promises.
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
  const connect = buildConnector({ allowH2: false, timeout: patienceMs });
  // The name in an https proxy's certificate is that of its address: a host header names the server behind it, and an IP
  // address is no name that can be asked for.
  return ({ servername: _, ...options }, callback) =>
    connect(options, (...[error, socket]) => {
      if (error === null) callback(null, socket);
      else callback(new ProxyFailure(null, error), null);
    });
}

/**
 * Requests in absolute form (RFC 9112 3.2.2). undici's ProxyAgent does the same over a single connection, which would
 * put one call behind the other.
 */
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
