import { readFileSync } from "node:fs";
import { parse, print } from "graphql";
import { backendTypes } from "../../backends/index.ts";
import type { BackendIdentity, Capability } from "../../model/backend.ts";
import { contentPolicy, Encoded, hashSource } from "../http/response.ts";

/** The project's logo: branches that meet and go on as one. */
export const logo =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" aria-hidden="true">' +
  '<rect width="32" height="32" rx="7" fill="#0f6e6e"/>' +
  '<path d="M8 9 16 16 8 23M16 16h8" stroke="#fff" stroke-width="2" fill="none"/>' +
  '<g fill="#fff"><circle cx="8" cy="9" r="3"/><circle cx="8" cy="23" r="3"/>' +
  '<circle cx="16" cy="16" r="3"/><circle cx="24" cy="16" r="3"/></g></svg>';

/** The logo as a data address, so that the pages' icon needs no request. */
export const favicon = `data:image/svg+xml,${encodeURIComponent(logo)}`;

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes a text for HTML, also inside a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}

/** A page with its Content-Security-Policy. */
export interface Page {
  readonly html: Encoded<Buffer>;
  readonly csp: string;
}

/** Makes a page of its HTML and its policy. */
export function toPage(text: string, csp: string): Page {
  // Compressed once for all: the best quality takes minutes for a page of 9 MB, and saves another twentieth.
  return { html: new Encoded(Buffer.from(text), 6), csp };
}

interface FrontPageOptions {
  readonly version: string;
  /** Empty where strangers may read the page: what is behind the gateway is not for them. */
  readonly backends: readonly BackendIdentity[];
  /** Those that name no backend, where strangers may read the page. */
  readonly examples: readonly Example[];
  /** Prefix of links to other pages: a path that ends in a slash. */
  readonly links: string;
  readonly graphiql: boolean;
  readonly demo: boolean;
}

const everyKind = new Intl.ListFormat("en-GB").format(backendTypes.map(({ displayName }) => displayName));

const style = readFileSync(new URL("./front-page.css", import.meta.url), "utf8");

/** The page at `/`: what this is, its backends and example queries. No script, nothing from other hosts. */
export function frontPage(options: FrontPageOptions): Page {
  const csp = contentPolicy({ "style-src": hashSource(style), "img-src": "data:" });
  return toPage(render(options), csp);
}

function render({ version, backends, examples, links, graphiql, demo }: FrontPageOptions): string {
  const [first] = examples;
  const way = graphiql
    ? `<a class="go" href="${first ? link(links, first.query) : `${links}graphql`}">Open GraphiQL</a>`
    : `<p>Ask with <code>POST</code> at <code>${links}graphql</code>.</p>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>delivery-graph</title>
<link rel="icon" href="${favicon}">
<style>${style}</style>
</head>
<body>
<main>
<header>${logo}<h1>delivery-graph${demo ? ' <span class="badge">demo with made-up data</span>' : ""}</h1></header>
<p class="intro">One live GraphQL graph over ${everyKind}: releases, builds, artifacts, packages
and versions, asked in one question and answered by the systems themselves.</p>
${way}
${section("backends", "Backends", backends.map(backendItem))}
${section(
  "queries",
  "Queries to try",
  examples.map((example) => exampleItem(example, graphiql ? links : null)),
)}
</main>
<footer>
<a href="${links}health">Health</a><a href="${links}ready">Readiness</a><span>Version ${escapeHtml(version)}</span>
</footer>
</body>
</html>
`;
}

function section(id: "backends" | "queries", title: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  const list = `<ul${id === "backends" ? ' class="backends"' : ""} aria-labelledby="${id}">`;
  return `<h2 id="${id}">${title}</h2>\n${list}\n${items.join("\n")}\n</ul>`;
}

function backendItem({ name, type, capabilities }: BackendIdentity): string {
  const can = capabilities.map((capability) => capability.toLowerCase()).join(", ");
  return `<li><strong>${escapeHtml(name)}</strong>
<p class="kind">${escapeHtml(type.displayName)}</p><p class="can">${can || "nothing"}</p></li>`;
}

/** `links` is null where the query cannot be opened anywhere. */
function exampleItem({ title, query }: Example, links: string | null): string {
  const heading =
    links === null
      ? `<strong>${escapeHtml(title)}</strong>`
      : `<a href="${link(links, query)}">${escapeHtml(title)}</a>`;
  // A region that scrolls must be reachable by keyboard.
  return `<li>${heading}
<details><summary>The query</summary><pre tabindex="0">${escapeHtml(query)}</pre></details></li>`;
}

function link(links: string, query: string): string {
  return escapeHtml(`${links}graphql?query=${encodeURIComponent(query)}`);
}

/** A query worth running, as the front page, GraphiQL and the banner of the demo offer it. */
export interface Example {
  /** What it answers, as a short sentence without a full stop. */
  readonly title: string;
  readonly query: string;
}

/** Queries for any configuration; none of them names a backend, so strangers may see them. */
export const generalExamples: readonly Example[] = [configuredBackends(), newestReleases(null), newestImages(null)];

/** Queries for the configured backends. */
export function examplesFor(backends: readonly BackendIdentity[]): readonly Example[] {
  const withCapability = (capability: Capability) =>
    backends.filter(({ capabilities }) => capabilities.includes(capability)).slice(0, 1);
  return [
    configuredBackends(),
    ...withCapability("RELEASES").map(({ name }) => newestReleases(name)),
    ...withCapability("ARTIFACTS").map(({ name }) => newestImages(name)),
  ];
}

function configuredBackends(): Example {
  return {
    title: "Which backends are configured, and what each can be asked",
    query: pretty("query Backends { backends { name kind capabilities } }"),
  };
}

function newestReleases(backend: string | null): Example {
  const filter = backend === null ? "" : `filter: { backend: "${backend}" },`;
  return {
    title: `The newest releases${backend === null ? "" : ` in ${backend}`}, with what was built for them`,
    query: pretty(`query NewestReleases {
      releases(${filter} first: 5) {
        nodes { version project createdAt builds { service commits { sha message } } }
        sources { status backend { name } }
      }
    }`),
  };
}

function newestImages(backend: string | null): Example {
  const filter = `filter: { ${backend === null ? "" : `backend: "${backend}",`} type: IMAGE }`;
  return {
    title: `The newest images${backend === null ? "" : ` in ${backend}`}, and where they lie`,
    query: pretty(`query NewestImages {
      artifacts(${filter}, first: 5) {
        nodes { name digest createdAt locations { image { raw } matchedBy } }
      }
    }`),
  };
}

function pretty(query: string): string {
  return print(parse(query));
}
