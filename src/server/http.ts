import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Config, isLoopback } from "../config.ts";
import type { BackendIdentity } from "../model/backend.ts";
import { once } from "../model/once.ts";
import { createLine } from "../upstream/line.ts";
import { createGate, type Refusal } from "./auth/gate.ts";
import { discard, readBody } from "./body.ts";
import { allowOrigin } from "./cors.ts";
import { refuseCrossSite } from "./cross-site.ts";
import { type Example, generalExamples } from "./examples.ts";
import { frontPage } from "./front-page.ts";
import type { GraphQLEndpoint } from "./graphql.ts";
import { createLastAnswers } from "./last-answers.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { sendPage } from "./page.ts";
import { createProxies } from "./proxies.ts";
import { headersOf, requestIdOf } from "./request-id.ts";
import { secure } from "./security-headers.ts";
import { limitSenders } from "./slow-senders.ts";
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
const senderLimits = { headMs: 10_000, bodyMs: 30_000 } as const;
/** Every answer says what it is called in the log. */
const requestIdHeader = "x-request-id";

/** Builds the server; it listens when told to. */
export function createHttpShell(options: HttpOptions): HttpShell {
  const { config, log, metrics } = options;
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
  server.on("clientError", (error, socket) => {
    const isMidAnswer = inFlight.values().some(({ req, headersSent }) => req.socket === socket && headersSent);
    answerUnreadable(error, socket, { mostHeaderBytes, isMidAnswer, log });
  });
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
    const { graphiqlPage } = await import("./graphiql.ts");
    return graphiqlPage({
      examples: needsKey ? generalExamples : options.examples,
      needsKey,
    });
  });
  const cors = { origins: config.server.cors.origins, backends: options.backends.map(({ name }) => name) };
  const isPrivate = answersToThisMachineOnly(config);
  const proxies = createProxies(config.server.trustedProxies);
  if (isPrivate && config.server.trustedProxies.some((range) => isLoopback(range.replace(/\/.*$/, "")))) {
    // A page with a name of its own for this machine comes from the same address as that proxy.
    log.warn({}, "nobody has to log in, and whatever comes from this machine passes for a trusted proxy");
  }
  const base = config.server.path === "/" ? "" : config.server.path;
  let leaving = false;
  let draining = false;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    secure(response);
    response.setHeader(requestIdHeader, requestIdOf(headersOf(request)));
    // Whom a trusted proxy lets in is not for the gateway to say.
    if (isPrivate && !isOfThisMachine(request.headers.host) && proxies.hostsOf(request) === null) {
      return sendText(
        request,
        response,
        421,
        "This gateway answers to names of this machine only (localhost, 127.0.0.1).",
      );
    }
    if ((request.url ?? "").length > longestUrl) return sendText(request, response, 414, "This address is too long.");
    const asked = (request.url ?? "/").replace(/\?.*$/s, "");
    const path = pathBelow(asked, base, proxies.prefixOf(request));
    // What answers below knows its own paths and no base path.
    if (path !== null && path !== asked) request.url = path + (/\?.*$/s.exec(request.url ?? "")?.[0] ?? "");
    if (path === "/graphql") return answerGraphQL(request, response);
    const pages: Readonly<Record<string, () => void | Promise<void>>> = {
      "/health": () => sendJson(request, response, 200, { status: "ok" }),
      "/ready": () => sendJson(request, response, leaving ? 503 : 200, { status: leaving ? "draining" : "ready" }),
      "/": async () => {
        if (draining) return sendText(request, response, 503, "The gateway is shutting down.");
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

  async function answerGraphQL(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (draining)
      return refuse(request, response, 503, "The gateway is shutting down: ask another one, or again later.");
    if (config.server.graphiql && wantsPage(request)) return await sendPage(await graphiql(), request, response);
    const asksFirst = allowOrigin(request, response, cors);
    if (asksFirst || request.method === "OPTIONS") {
      response.writeHead(204, { allow: "GET, POST, OPTIONS" }).end();
      return;
    }
    if (request.method !== "GET" && request.method !== "POST") {
      response.setHeader("allow", "GET, POST, OPTIONS");
      return refuse(request, response, 405, "GraphQL is asked with GET or POST.");
    }
    const doubt = refuseCrossSite(request, config.server.cors.origins, hostsAsked(request));
    if (doubt !== null) {
      discard(request);
      return refuse(request, response, doubt.status, doubt.message, "BAD_USER_INPUT");
    }
    const admission = await gate.admit(request.headers);
    if ("refusal" in admission) return turnAway(request, response, admission.refusal);
    const body = await readBody(request, config.limits.bodyBytes);
    if (body === null) {
      const message = `The request body is larger than ${config.limits.bodyBytes} bytes.`;
      return refuse(request, response, 413, message, "BAD_USER_INPUT");
    }
    await options.graphql.handle(request, response, body, {
      caller: admission.caller,
      requestId: String(response.getHeader(requestIdHeader)),
    });
  }

  function hostsAsked(request: IncomingMessage): readonly string[] {
    return proxies.hostsOf(request) ?? [request.headers.host?.toLowerCase() ?? ""];
  }

  function turnAway(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
    const { status, challenge, message, rule } = refusal;
    const requestId = response.getHeader(requestIdHeader);
    log.info({ requestId, rule, client: proxies.clientOf(request) }, "a credential was refused");
    if (challenge !== null) response.setHeader("www-authenticate", challenge);
    discard(request);
    refuse(request, response, status, message, "UNAUTHENTICATED");
  }

  function failed(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    // Whoever asked has left: nobody is there to be answered, and nothing went wrong here.
    if (request.destroyed && !request.complete) return;
    const requestId = String(response.getHeader(requestIdHeader));
    log.error({ err: error, requestId }, "a request failed");
    if (response.headersSent) response.destroy();
    else refuse(request, response, 500, "Unexpected error.", "INTERNAL_SERVER_ERROR", requestId);
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

function isOfThisMachine(host: string | undefined): boolean {
  return host === undefined || isLoopback(host.replace(/:\d*$/, ""));
}

function wantsPage({ method, headers }: IncomingMessage): boolean {
  return (method === "GET" || method === "HEAD") && /(?:^|[\s,])text\/html(?:$|[\s,;])/i.test(headers.accept ?? "");
}

function sendText(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  send(request, response, status, plain, `${text}\n`);
}

function sendJson(request: IncomingMessage, response: ServerResponse, status: number, value: unknown): void {
  response.setHeader("cache-control", "no-store");
  send(request, response, status, "application/json; charset=utf-8", JSON.stringify(value));
}

/** A refusal that a GraphQL client can read. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  message: string,
  code?: string,
  requestId?: string,
): void {
  const type = /application\/graphql-response\+json/i.test(request.headers.accept ?? "")
    ? "application/graphql-response+json; charset=utf-8"
    : "application/json; charset=utf-8";
  const error = code === undefined ? { message } : { message, extensions: { code, requestId } };
  response.setHeader("cache-control", "no-store");
  send(request, response, status, type, JSON.stringify({ errors: [error] }));
}

function send(request: IncomingMessage, response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(request.method === "HEAD" ? undefined : text);
}
