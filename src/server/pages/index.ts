import type { IncomingMessage, ServerResponse } from "node:http";
import type { Config } from "../../config/index.ts";
import type { BackendIdentity } from "../../model/backend.ts";
import { once } from "../../model/values.ts";
import { retryAfterSeconds, sendEncoded, sendJson, sendText, varyBy } from "../http/response.ts";
import type { Metrics } from "../observability/metrics.ts";
import { type Example, frontPage, generalExamples, type Page } from "./front-page.ts";

/** Where the server is between its start and its end; `announced`: it works on, but balancers should use another. */
export type Phase = "running" | "announced" | "draining";

/** What the pages show. */
export interface PagesOptions {
  readonly config: Config;
  readonly backends: readonly BackendIdentity[];
  readonly examples: readonly Example[];
  readonly demo: boolean;
  readonly version: string;
  /** For the page /metrics; without it there is no such page. */
  readonly metrics?: Pick<Metrics, "contentType" | "print" | "answered"> | null;
}

const relativeLinks = "./";

/** Everything that is served beside the graph. GraphiQL, 9 MB, is loaded when it is first asked for. */
export function createPages(options: PagesOptions, phase: () => Phase) {
  const { config, demo, metrics } = options;
  const needsKey = config.auth.mode !== "none";
  // What is behind the gateway is not for strangers.
  const visible = needsKey
    ? { backends: [], examples: generalExamples }
    : { backends: options.backends, examples: options.examples };
  const { graphiql } = config.server;
  const frontPageWith = (links: string) => frontPage({ ...visible, version: options.version, demo, links, graphiql });
  const usualFrontPage = frontPageWith(relativeLinks);
  const graphiqlPage = once(async () =>
    (await import("./graphiql.ts")).graphiqlPage({ examples: visible.examples, needsKey, demo }),
  );
  const base = config.server.path === "/" ? "" : config.server.path;

  async function sendFrontPage(prefix: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (phase() === "draining") {
      response.setHeader("retry-after", String(retryAfterSeconds));
      return sendMessage(request, response, 503, "The gateway is shutting down.");
    }
    const links = linkBase(base, prefix);
    await sendPage(links === relativeLinks ? usualFrontPage : frontPageWith(links), request, response);
  }

  async function sendMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!metrics) return;
    response.setHeader("cache-control", "no-store");
    sendText(request, response, 200, metrics.contentType, await metrics.print());
  }

  /** `path` is below the base path, null for one elsewhere; `prefix` is what a proxy removed from it. */
  function send(path: string | null, prefix: string, request: IncomingMessage, response: ServerResponse) {
    const isKnown = path !== null && (paths.has(path) || (path === "/metrics" && Boolean(metrics)));
    if (!isKnown) {
      return sendMessage(request, response, 404, `There is nothing here. The graph is at ${base}/graphql.`);
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      return sendMessage(request, response, 405, "Only GET and HEAD are answered here.");
    }
    if (path === "/health") return sendJson(request, response, 200, { status: "ok" });
    if (path === "/ready") {
      const isReady = phase() === "running";
      const status = isReady ? "ready" : "draining";
      return sendJson(request, response, isReady ? 200 : 503, { status, ...(demo ? { demo } : {}) });
    }
    if (path === "/metrics") return sendMetrics(request, response);
    if (path === "/") return sendFrontPage(prefix, request, response);
    // Relative links of a page without a slash at its end would miss it.
    response.setHeader("location", `${base.slice(base.lastIndexOf("/") + 1)}/`);
    return sendMessage(request, response, 307, "The page is at the address with a slash at its end.");
  }

  return {
    send,
    sendGraphiql: async (request: IncomingMessage, response: ServerResponse) =>
      sendPage(await graphiqlPage(), request, response),
  };
}

const paths: ReadonlySet<string> = new Set(["", "/", "/health", "/ready"]);

function sendPage({ html, csp }: Page, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("content-security-policy", csp);
  varyBy(response, "accept, accept-encoding");
  return sendEncoded(request, response, html, {
    status: 200,
    type: "text/html",
    cacheControl: "no-cache",
    codings: ["br", "zstd", "gzip"],
  });
}

/** Sends a sentence. */
export function sendMessage(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  sendText(request, response, status, "text/plain; charset=utf-8", `${text}\n`);
}

/**
 * The prefix of links on the front page. They are relative to the page's own address, wherever a browser finds it;
 * behind a proxy that forwards its prefix they are absolute, because that address may have no slash at its end.
 */
function linkBase(base: string, prefix: string): string {
  if (prefix === "/") return relativeLinks;
  return prefix.endsWith(base) ? `${prefix}/` : `${prefix}${base}/`;
}
