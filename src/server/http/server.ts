import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Config, isLoopback } from "../../config/index.ts";
import type { BackendIdentity } from "../../model/backend.ts";
import { once } from "../../model/once.ts";
import { createLine } from "../../upstream/line.ts";
import { createGate, type Refusal as GateRefusal } from "../auth/gate.ts";
import type { GraphQLEndpoint } from "../graphql/endpoint.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { headersOf, requestIdOf } from "../observability/request-id.ts";
import { demoHeader } from "../pages/demo-header.ts";
import { type Example, generalExamples } from "../pages/examples.ts";
import { frontPage } from "../pages/front-page.ts";
import { sendPage } from "../pages/page.ts";
import { discard, readBody } from "./body.ts";
import { guardConnections, promptTimeouts } from "./connections.ts";
import { allowOrigin } from "./cors.ts";
import { refuseCrossSite } from "./cross-site.ts";
import { createLastAnswers } from "./last-answers.ts";
import { namesHtml } from "./negotiation.ts";
import { createProxies } from "./proxies.ts";
import { Refusal, refuse } from "./refusal.ts";
import { secure } from "./security-headers.ts";
import { limitSenders } from "./slow-senders.ts";
import { targetOf } from "./target.ts";
import { answerUnreadable } from "./unreadable.ts";

/** What the shell needs to know. */
export interface HttpOptions {
  readonly config: Config;
  readonly backends: readonly BackendIdentity[];
  readonly graphql: GraphQLEndpoint;
  readonly examples: readonly Example[];
  /** Whether the backends are the demo's. */
  readonly demo: boolean;
  readonly version: string;
  readonly log: Log;
  /** What /metrics shows; left out, there is no such page. */
  readonly metrics?: Pick<Metrics, "contentType" | "print" | "answered"> | null;
}

/** The HTTP server around the GraphQL endpoint: pages, health, limits of size and origin, and a polite end. */
export interface HttpShell {
  /** Starts to listen; the address with the port that was really taken and the base path. Rejects with the system's error. */
  readonly listen: () => Promise<string>;
  /** Answers /ready with 503 from now on and everything else as before; connections are closed behind their answers. */
  readonly leave: () => void;
  /** Takes no new work, waits for what is in flight, `graceMs` at most, and closes. */
  readonly drain: (graceMs: number) => Promise<void>;
}

const plain = "text/plain; charset=utf-8";

/** Request line and headers without the caller's key or token. */
const otherHeaderBytes = 16_384;
const longestUrl = 8192;
const graphMethods = "GET, POST, OPTIONS";
/** When to ask again what could not be answered at the moment: another replica, or the next process, is there by then. */
const retryAfterSeconds = 5;
const senderLimits = { headMs: 10_000, bodyMs: 30_000 } as const;
/** Every answer says what it is called in the log. */
const requestIdHeader = "x-request-id";

/** Builds the server; it listens when told to. */
export function createHttpShell(options: HttpOptions): HttpShell {
  const { config, log, metrics, demo } = options;
  const gate = createGate(config, log);
  const inFlight = createLine<ServerResponse>();
  const lastAnswers = createLastAnswers(inFlight.values);
  const { keepAliveMs } = config.server;
  const mostHeaderBytes = otherHeaderBytes + (config.auth.mode === "none" ? 0 : config.auth.tokenBytes);
  const server = createServer(
    {
      keepAliveTimeout: keepAliveMs,
      // Counted from the moment a connection is opened, which a balancer does ahead of its first request: longer than one is
      // kept that waits for its next.
      headersTimeout: keepAliveMs + 10_000,
      requestTimeout: keepAliveMs + 30_000,
      maxHeaderSize: mostHeaderBytes,
      // Node would refuse it without a word; it is refused below.
      requireHostHeader: false,
      ...promptTimeouts,
    },
    (request, response) => {
      if (!lastAnswers.note(request, response)) return discard(request);
      const leave = inFlight.join(response);
      response.on("close", () => {
        leave();
        metrics?.answered(response.headersSent ? response.statusCode : null);
      });
      answer(request, response).catch((error: unknown) => failed(error, request, response));
    },
  );
  // Node refuses such a request without a word, and tells nobody.
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  answerUnreadable(server, {
    mostHeaderBytes,
    demo,
    isForPages: demo || config.server.cors.origins.length > 0,
    underWay: inFlight.values,
    answered: (status) => metrics?.answered(status),
    log,
  });
  guardConnections(server, config.server, log);
  limitSenders(server, senderLimits, (socket) => {
    const error = Object.assign(new Error("the request did not arrive in time"), { code: "ERR_HTTP_REQUEST_TIMEOUT" });
    server.emit("clientError", error, socket);
  });
  const needsKey = config.auth.mode !== "none";
  // What is behind the gateway is not for strangers.
  const told = needsKey ? { backends: [], examples: generalExamples } : {};
  const front = (links: string) => frontPage({ ...options, ...told, links, graphiql: config.server.graphiql });
  const usualFront = front(hereLinks);
  // Nine megabytes that a gateway without GraphiQL never loads.
  const graphiql = once(async () => {
    const { graphiqlPage } = await import("../pages/graphiql.ts");
    return graphiqlPage({
      examples: needsKey ? generalExamples : options.examples,
      needsKey,
      demo,
    });
  });
  // Who builds a frontend against the demo has a server of their own on some port.
  const cors = { ...config.server.cors, loopback: demo, backends: options.backends.map(({ name }) => name) };
  const isPrivate = answersToThisMachineOnly(config);
  const proxies = createProxies(config.server.trustedProxies);
  if (isPrivate && config.server.trustedProxies.some((range) => isLoopback(range.split("/", 1)[0] ?? ""))) {
    // A page with a name of its own for this machine comes from the same address as that proxy.
    log.warn({}, "nobody has to log in, and whatever comes from this machine passes for a trusted proxy");
  }
  const base = config.server.path === "/" ? "" : config.server.path;
  let leaving = false;
  let draining = false;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    secure(response);
    if (demo) response.setHeader(demoHeader.name, demoHeader.value);
    response.setHeader(requestIdHeader, requestIdOf(headersOf(request)));
    if (draining) response.setHeader("connection", "close");
    const { host, path: asked, query } = targetOf(request);
    const forwarded = proxies.hostsOf(request);
    const path = pathBelow(asked, base, proxies.prefixOf(request));
    // What answers below knows its own paths and no base path.
    if (path !== null && path !== asked) request.url = query === "" ? path : `${path}?${query}`;
    const isGraph = path === "/graphql";
    // Before anything can be refused: a page reads no refusal without these headers.
    const preflight = isGraph ? allowOrigin(request, response, cors) : "none";
    if (preflight === "allowed") {
      response.writeHead(204, { allow: graphMethods }).end();
      return;
    }
    // Whom a trusted proxy lets in is not for the gateway to say.
    const problem = problemWith(request, forwarded === null ? host : null);
    if (problem !== null) {
      discard(request);
      const [{ message } = { message: "" }] = problem.errors;
      return isGraph ? refuseGraphQL(request, response, problem) : sendText(request, response, problem.status, message);
    }
    if (isGraph) return answerGraphQL(request, response, forwarded ?? [host?.toLowerCase() ?? ""]);
    const pages: Readonly<Record<string, () => void | Promise<void>>> = {
      "/health": () => sendJson(request, response, 200, { status: "ok" }),
      "/ready": () =>
        sendJson(request, response, leaving ? 503 : 200, {
          status: leaving ? "draining" : "ready",
          ...(demo ? { demo } : {}),
        }),
      "/": async () => {
        if (draining) {
          response.setHeader("retry-after", String(retryAfterSeconds));
          return sendText(request, response, 503, "The gateway is shutting down.");
        }
        const links = linkBase(base, proxies.prefixOf(request));
        await sendPage(links === hereLinks ? usualFront : front(links), request, response);
      },
      // Links of a page without a slash at its end would lead beside it.
      "": () => {
        response.setHeader("location", `${base.slice(base.lastIndexOf("/") + 1)}/`);
        sendText(request, response, 307, "The page is at the address with a slash at its end.");
      },
      ...(metrics
        ? {
            "/metrics": async () => {
              response.setHeader("cache-control", "no-store");
              send(request, response, 200, metrics.contentType, await metrics.print());
            },
          }
        : {}),
    };
    const page = Object.entries(pages).find(([at]) => at === path)?.[1];
    if (page === undefined)
      return sendText(request, response, 404, `There is nothing here. The graph is at ${base}/graphql.`);
    if (request.method === "GET" || request.method === "HEAD") return page();
    response.setHeader("allow", "GET, HEAD");
    sendText(request, response, 405, "Only GET and HEAD are answered here.");
  }

  /** What is wrong with a request to any path. */
  function problemWith(request: IncomingMessage, host: string | null): Refusal | null {
    if (isPrivate && !isOfThisMachine(host)) {
      const message = "This gateway answers to names of this machine only (localhost, 127.0.0.1).";
      return refuse(message, { status: 421 });
    }
    const hosts = hostsIn(request);
    if (hosts > 1 || (hosts === 0 && request.httpVersion === "1.1")) {
      return refuse("A request names its host: send one Host header.");
    }
    if (expectsMore(request)) return refuse("Only 100-continue can be expected.", { status: 417 });
    return (request.url ?? "").length > longestUrl ? refuse("This address is too long.", { status: 414 }) : null;
  }

  function refuseGraphQL(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
    options.graphql.refuse(request, response, refusal, String(response.getHeader(requestIdHeader)));
  }

  async function answerGraphQL(
    request: IncomingMessage,
    response: ServerResponse,
    hosts: readonly string[],
  ): Promise<void> {
    const answered = await askGraphQL(request, response, hosts);
    if (answered === null) return;
    discard(request);
    refuseGraphQL(request, response, answered);
  }

  /**
   * Answers what is asked of the graph; null when it has, else the refusal that is to be sent. `hosts` are ours, as the
   * caller may have written them.
   */
  async function askGraphQL(
    request: IncomingMessage,
    response: ServerResponse,
    hosts: readonly string[],
  ): Promise<Refusal | null> {
    if (request.method === "OPTIONS") {
      response.writeHead(204, { allow: graphMethods }).end();
      return null;
    }
    if (draining) return shuttingDown();
    if (config.server.graphiql && wantsPage(request)) {
      await sendPage(await graphiql(), request, response);
      return null;
    }
    if (request.method !== "GET" && request.method !== "POST") {
      return refuse("GraphQL is asked with GET or POST.", { status: 405, headers: { allow: graphMethods } });
    }
    const doubt = refuseCrossSite(request, cors, hosts);
    if (doubt !== null) return doubt;
    const admission = await gate.admit(request.headers);
    if ("refusal" in admission) {
      const requestId = response.getHeader(requestIdHeader);
      log.info(
        { requestId, rule: admission.refusal.rule, client: proxies.clientOf(request) },
        "a credential was refused",
      );
      return turnedAway(admission.refusal);
    }
    // A body of a GET means nothing (RFC 9110, 9.3.1).
    if (request.method === "GET") discard(request);
    const body = request.method === "GET" ? Buffer.alloc(0) : await readBody(request, config.limits.bodyBytes);
    if (body instanceof Refusal) return body;
    const requestId = String(response.getHeader(requestIdHeader));
    const address = proxies.clientOf(request);
    await options.graphql.handle(request, response, body, { caller: admission.caller, address, requestId });
    return null;
  }

  function failed(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    // Whoever asked has left: nobody is there to be answered, and nothing went wrong here.
    if (request.destroyed && !request.complete) return;
    const requestId = String(response.getHeader(requestIdHeader));
    log.error({ err: error, requestId }, "a request failed");
    if (response.headersSent) response.destroy();
    else sendJson(request, response, 500, unexpected(requestId));
  }

  async function listen(): Promise<string> {
    const { host, port } = config.server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        resolve();
      });
    });
    const address = server.address();
    return `http://${host.includes(":") ? `[${host}]` : host}:${isAddress(address) ? address.port : port}${base}`;
  }

  function leave(): void {
    leaving = true;
    lastAnswers.closeBehind();
  }

  // The port stays open until the last answer is out: a balancer that asks /ready is told to go elsewhere, not cut off.
  async function drain(graceMs: number): Promise<void> {
    leave();
    draining = true;
    server.closeIdleConnections();
    const patience = new AbortController();
    const settled = Promise.all(
      inFlight.values().map((response) => new Promise((resolve) => response.on("close", resolve))),
    );
    await Promise.race([settled, sleep(graceMs, undefined, { signal: patience.signal }).catch(() => undefined)]);
    patience.abort();
    const closed = new Promise<void>((resolve) => (server.listening ? server.close(() => resolve()) : resolve()));
    server.closeAllConnections();
    await closed;
    await gate.close();
  }

  return { listen, leave, drain };
}

/** Pages that balancers and collectors ask without a proxy in between. */
const ownPages = new Set(["/health", "/ready", "/metrics"]);

/**
 * The part of a path below the base path, or null where it lies elsewhere; empty for the base path itself. A proxy may have
 * taken the base path away, and says so in its prefix.
 */
function pathBelow(path: string, base: string, prefix: string): string | null {
  if (path === base || path.startsWith(`${base}/`)) return path.slice(base.length);
  return ownPages.has(path) || prefix.endsWith(base) ? path : null;
}

const hereLinks = "./";

/**
 * What links of the front page begin with. They lead on from the page's own address, wherever a browser finds it; where a
 * proxy says what it took away they are whole, for that address may have no slash at its end.
 */
function linkBase(base: string, prefix: string): string {
  if (prefix === "/") return hereLinks;
  return prefix.endsWith(base) ? `${prefix}/` : `${prefix}${base}/`;
}

function isAddress(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === "object" && address !== null;
}

/**
 * A page of any site can point a name of its own at 127.0.0.1 and so read a gateway that nobody has to log in to.
 * What listens on loopback only therefore answers to loopback names only, unless anonymous callers were allowed.
 */
function answersToThisMachineOnly({ auth, server }: Config): boolean {
  return auth.mode === "none" && isLoopback(server.host) && !auth.allowAnonymous;
}

function isOfThisMachine(host: string | null): boolean {
  return host === null || isLoopback(host.replace(/:\d*$/, ""));
}

/** Host headers of a request; Node reads the first alone, and a proxy may have read another (RFC 9112, 3.2). */
function hostsIn({ rawHeaders }: IncomingMessage): number {
  return rawHeaders.filter((name, at) => at % 2 === 0 && name.length === 4 && name.toLowerCase() === "host").length;
}

function expectsMore({ headers }: IncomingMessage): boolean {
  return headers.expect !== undefined && headers.expect.toLowerCase() !== "100-continue";
}

function wantsPage({ method, headers }: IncomingMessage): boolean {
  return (method === "GET" || method === "HEAD") && namesHtml(headers.accept);
}

function sendText(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  send(request, response, status, plain, `${text}\n`);
}

function sendJson(request: IncomingMessage, response: ServerResponse, status: number, value: unknown): void {
  response.setHeader("cache-control", "no-store");
  send(request, response, status, "application/json; charset=utf-8", JSON.stringify(value));
}

function shuttingDown(): Refusal {
  return refuse("The gateway is shutting down: ask another one, or again later.", {
    status: 503,
    code: "SERVICE_UNAVAILABLE",
    retryable: true,
    headers: { "retry-after": String(retryAfterSeconds) },
  });
}

function turnedAway({ status, challenge, message }: GateRefusal): Refusal {
  return refuse(message, {
    status,
    code: "UNAUTHENTICATED",
    retryable: status === 503,
    headers: challenge === null ? { "retry-after": String(retryAfterSeconds) } : { "www-authenticate": challenge },
  });
}

function unexpected(requestId: string): object {
  const extensions = { code: "INTERNAL_SERVER_ERROR", retryable: false, requestId };
  return { errors: [{ message: "Unexpected error.", extensions }] };
}

function send(request: IncomingMessage, response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(request.method === "HEAD" ? undefined : text);
}
