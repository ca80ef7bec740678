import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { isLoopback } from "../../config/index.ts";
import { LinkedQueue } from "../../model/queue.ts";
import { createGate, type Gate } from "../auth/gate.ts";
import type { GraphQLEndpoint } from "../graphql/endpoint.ts";
import type { Log } from "../observability/log.ts";
import { createPages, type PagesOptions, type Phase, sendMessage } from "../pages/index.ts";
import { discard, readBody } from "./body.ts";
import { answerUnreadable, createLastAnswers, guardConnections, limitSenders, promptTimeouts } from "./connections.ts";
import { allowOrigin, type CorsOptions, refuseCrossSite } from "./cors.ts";
import { namesHtml } from "./negotiation.ts";
import { createProxies, headersOf, requestIdOf, targetOf } from "./request.ts";
import { demoHeader, Refusal, refuse, retryAfterSeconds, sendJson, setSecurityHeaders } from "./response.ts";

/** What the HTTP server is made of. */
export interface HttpOptions extends PagesOptions {
  readonly graphql: GraphQLEndpoint;
  readonly log: Log;
}

/** The HTTP server around the GraphQL endpoint. */
export type HttpServer = ReturnType<typeof createHttpServer>;

const otherHeaderBytes = 16_384;
const maxUrlLength = 8192;
const graphMethods = "GET, POST, OPTIONS";
const senderLimits = { headMs: 10_000, bodyMs: 30_000 } as const;
const requestIdHeader = "x-request-id";

/** The server around the GraphQL endpoint, with limits of size and origin. `listen` starts it. */
export function createHttpServer(options: HttpOptions) {
  const { config, log, metrics } = options;
  const { host, port, path } = config.server;
  const gate = createGate(config, log);
  const inFlight = new LinkedQueue<ServerResponse>();
  const unfinished = () => inFlight.values();
  const lastAnswers = createLastAnswers(unfinished);
  let phase: Phase = "running";
  const handle = createHandler(options, gate, () => phase);
  const server = openServer(options, unfinished, (request, response) => {
    if (!lastAnswers.add(request, response)) return discard(request);
    const remove = inFlight.add(response);
    response.on("close", () => {
      remove();
      metrics?.answered(response.headersSent ? response.statusCode : null);
    });
    handle(request, response).catch((error: unknown) => {
      // The caller closed the connection in the middle of the request.
      if (request.destroyed && !request.complete) return;
      const requestId = String(response.getHeader(requestIdHeader));
      log.error({ err: error, requestId }, "a request failed");
      if (response.headersSent) response.destroy();
      else {
        const extensions = { code: "INTERNAL_SERVER_ERROR", retryable: false, requestId };
        sendJson(request, response, 500, { errors: [{ message: "Unexpected error.", extensions }] });
      }
    });
  });

  /** Resolves with the address, its actual port and the base path. Rejects with the system's error. */
  async function listen(): Promise<string> {
    server.listen(port, host);
    await once(server, "listening");
    const address = server.address();
    const actual = typeof address === "object" ? (address?.port ?? port) : port;
    return `http://${host.includes(":") ? `[${host}]` : host}:${actual}${path === "/" ? "" : path}`;
  }

  /** From now on /ready answers 503 and connections are closed behind their answers; everything else goes on. */
  function announceShutdown(): void {
    phase = "announced";
    lastAnswers.closeBehind();
  }

  /**
   * Refuses new work, waits `graceMs` at most for what is in flight, and closes. The port stays open until the last
   * answer is sent: a balancer that asks /ready needs its 503.
   */
  async function drain(graceMs: number): Promise<void> {
    announceShutdown();
    phase = "draining";
    server.closeIdleConnections();
    const settled = Promise.all(
      inFlight.values().map((response) => new Promise((resolve) => response.on("close", resolve))),
    );
    await Promise.race([settled, sleep(graceMs, undefined, { ref: false })]);
    const closed = new Promise<void>((resolve) => (server.listening ? server.close(() => resolve()) : resolve()));
    server.closeAllConnections();
    await closed;
    await gate.close();
  }

  return { listen, announceShutdown, drain };
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function openServer(
  { config, log, metrics, demo }: HttpOptions,
  inFlight: () => readonly ServerResponse[],
  listener: Listener,
): Server {
  const { keepAliveMs, cors } = config.server;
  const maxHeaderBytes = otherHeaderBytes + (config.auth.mode === "none" ? 0 : config.auth.tokenBytes);
  const server = createServer(
    {
      keepAliveTimeout: keepAliveMs,
      // Counted from the opening of a connection, which a balancer does ahead of its first request: longer than an idle
      // connection is open.
      headersTimeout: keepAliveMs + 10_000,
      requestTimeout: keepAliveMs + 30_000,
      maxHeaderSize: maxHeaderBytes,
      // Node would refuse it without an answer; the handler refuses it with one.
      requireHostHeader: false,
      ...promptTimeouts,
    },
    listener,
  );
  // Node answers such a request without an event; the handler refuses it.
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  answerUnreadable(server, {
    maxHeaderBytes,
    demo,
    isReadableByPages: demo || cors.origins.length > 0,
    inFlight,
    answered: (status) => metrics?.answered(status),
    log,
  });
  guardConnections(server, config.server, log);
  limitSenders(server, senderLimits, (socket) => {
    const error = Object.assign(new Error("the request did not arrive in time"), { code: "ERR_HTTP_REQUEST_TIMEOUT" });
    server.emit("clientError", error, socket);
  });
  return server;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Routes requests to the graph and to pages; refuses what no path accepts. */
function createHandler(options: HttpOptions, gate: Gate, phase: () => Phase): Handler {
  const { config, graphql, log, demo } = options;
  const proxies = createProxies(config.server.trustedProxies);
  // A frontend that is built against the demo is served from some port of this machine.
  const cors = { ...config.server.cors, loopback: demo, backends: options.backends.map(({ name }) => name) };
  // A page of any site can point a name of its own at 127.0.0.1 and so read a gateway without authentication: one that
  // listens on loopback only answers to loopback names only, unless anonymous callers were allowed.
  const { auth } = config;
  const isPrivate = auth.mode === "none" && isLoopback(config.server.host) && !auth.allowAnonymous;
  if (isPrivate && config.server.trustedProxies.some((range) => isLoopback(range.split("/", 1)[0] ?? ""))) {
    // A page with a name of its own for this machine comes from the same address as that proxy.
    log.warn({}, "no caller has to log in, and every request from this machine passes for one of a trusted proxy");
  }
  const base = config.server.path === "/" ? "" : config.server.path;
  const pages = createPages(options, phase);
  const askGraph = createGraphHandler(options, gate, proxies, cors, phase, pages.sendGraphiql);

  return async (request, response) => {
    const requestId = requestIdOf(headersOf(request));
    setSecurityHeaders(response);
    if (demo) response.setHeader(demoHeader.name, demoHeader.value);
    response.setHeader(requestIdHeader, requestId);
    if (phase() === "draining") response.setHeader("connection", "close");
    const { host, path: asked, query } = targetOf(request);
    const forwarded = proxies.hostsOf(request);
    const path = pathBelow(asked, base, proxies.prefixOf(request));
    // The endpoint and the pages know their own paths and no base path.
    if (path !== null && path !== asked) request.url = query === "" ? path : `${path}?${query}`;
    const isGraph = path === "/graphql";
    // Before anything is refused: a page cannot read a refusal without these headers.
    if (isGraph && allowOrigin(request, response, cors)) {
      response.writeHead(204, { allow: graphMethods }).end();
      return;
    }
    // A trusted proxy decides itself which hosts it serves.
    const problem = refuseAnywhere(request, forwarded === null ? host : null, isPrivate);
    if (problem !== null && !isGraph) {
      discard(request);
      return sendMessage(request, response, problem.status, problem.errors[0]?.message ?? "");
    }
    if (!isGraph) return pages.send(path, proxies.prefixOf(request), request, response);
    const hosts = forwarded ?? [host?.toLowerCase() ?? ""];
    const refusal = problem ?? (await askGraph(request, response, hosts, requestId));
    if (refusal === null) return;
    discard(request);
    graphql.refuse(request, response, refusal, requestId);
  };
}

/** Answers requests to the graph: null when it has, else the refusal. `hosts` are the gateway's own. */
function createGraphHandler(
  { config, graphql, log }: HttpOptions,
  gate: Gate,
  proxies: ReturnType<typeof createProxies>,
  cors: CorsOptions,
  phase: () => Phase,
  sendGraphiql: Handler,
) {
  return async (
    request: IncomingMessage,
    response: ServerResponse,
    hosts: readonly string[],
    requestId: string,
  ): Promise<Refusal | null> => {
    const { method, headers } = request;
    if (method === "OPTIONS") {
      response.writeHead(204, { allow: graphMethods }).end();
      return null;
    }
    if (phase() === "draining") return shuttingDown();
    if (config.server.graphiql && (method === "GET" || method === "HEAD") && namesHtml(headers.accept)) {
      await sendGraphiql(request, response);
      return null;
    }
    if (method !== "GET" && method !== "POST") {
      return refuse("GraphQL is asked with GET or POST.", { status: 405, headers: { allow: graphMethods } });
    }
    const crossSite = refuseCrossSite(request, cors, hosts);
    if (crossSite !== null) return crossSite;
    const address = proxies.clientOf(request);
    const admission = await gate.admit(headers);
    if ("refusal" in admission) {
      log.info({ requestId, rule: admission.rule, client: address }, "a credential was refused");
      return admission.refusal;
    }
    // A body of a GET means nothing (RFC 9110, 9.3.1).
    if (method === "GET") discard(request);
    const body = method === "GET" ? Buffer.alloc(0) : await readBody(request, config.limits.bodyBytes);
    if (body instanceof Refusal) return body;
    await graphql.handle(request, response, body, { caller: admission.caller, address, requestId });
    return null;
  };
}

function refuseAnywhere(request: IncomingMessage, host: string | null, isPrivate: boolean): Refusal | null {
  if (isPrivate && host !== null && !isLoopback(host.replace(/:\d*$/, ""))) {
    const message = "This gateway answers to names of this machine only (localhost, 127.0.0.1).";
    return refuse(message, { status: 421 });
  }
  const hosts = countHosts(request);
  if (hosts > 1 || (hosts === 0 && request.httpVersion === "1.1")) {
    return refuse("A request names its host: send one Host header.");
  }
  const { expect } = request.headers;
  if (expect !== undefined && expect.toLowerCase() !== "100-continue") {
    return refuse("Only 100-continue can be expected.", { status: 417 });
  }
  return (request.url ?? "").length > maxUrlLength ? refuse("This address is too long.", { status: 414 }) : null;
}

/** Pages that balancers and collectors ask without a proxy in between. */
const pagesOutsideBase = new Set(["/health", "/ready", "/metrics"]);

/**
 * The part of a path below the base path, or null where it is elsewhere; empty for the base path itself. A proxy may
 * have removed the base path, and forwards it as its prefix then.
 */
function pathBelow(path: string, base: string, prefix: string): string | null {
  if (path === base || path.startsWith(`${base}/`)) return path.slice(base.length);
  return pagesOutsideBase.has(path) || prefix.endsWith(base) ? path : null;
}

/** Host headers of a request; Node reads the first alone, and a proxy may have read another (RFC 9112, 3.2). */
function countHosts({ rawHeaders }: IncomingMessage): number {
  return rawHeaders.filter((name, at) => at % 2 === 0 && name.length === 4 && name.toLowerCase() === "host").length;
}

function shuttingDown(): Refusal {
  return refuse("The gateway is shutting down: ask another one, or again later.", {
    status: 503,
    code: "SERVICE_UNAVAILABLE",
    retryable: true,
    headers: { "retry-after": String(retryAfterSeconds) },
  });
}
