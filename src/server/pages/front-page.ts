import type { BackendIdentity } from "../../model/backend.ts";
import { contentPolicy, hashSource } from "../http/security-headers.ts";
import type { Example } from "./examples.ts";
import { escapeHtml, favicon, logo, type Page, toPage } from "./page.ts";

/** The content of the front page. */
interface FrontPageOptions {
  readonly version: string;
  /** Empty where strangers may read the page: what is behind the gateway is not for them. */
  readonly backends: readonly BackendIdentity[];
  /** Those that name no backend, where strangers may read the page. */
  readonly examples: readonly Example[];
  /** Prefix of links to other pages: a path that ends in a slash. */
  readonly links: string;
  /** Whether the queries can be opened in GraphiQL. */
  readonly graphiql: boolean;
  /** Whether the backends are the made-up ones of the demo. */
  readonly demo: boolean;
}

const kindNames = { ZADIG: "Zadig", BKREPO: "bkrepo", SWR: "Huawei SWR", GITLAB: "GitLab" } as const;

const style = `
:root{color-scheme:light dark;--ink:#16211f;--soft:#526360;--paper:#fbfcfb;--card:#fff;--line:#d9e2df;--accent:#0b6363;--accent-ink:#fff;--code:#f1f5f3}
@media (prefers-color-scheme:dark){:root{--ink:#e7efec;--soft:#9fb2ad;--paper:#0f1615;--card:#161f1d;--line:#2b3a37;--accent:#6fd3c8;--accent-ink:#06201e;--code:#101917}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Open Sans",sans-serif}
main,footer{max-width:56rem;margin:0 auto;padding:0 1.25rem}
main{padding-top:3.5rem}
header{display:flex;gap:1.1rem;align-items:center}
header svg{width:3.25rem;height:3.25rem;flex:none}
h1{font-size:2rem;line-height:1.2;margin:0;letter-spacing:-.02em;display:flex;flex-wrap:wrap;align-items:center;gap:.2rem .9rem}
h2{font-size:1.15rem;margin:2.75rem 0 .9rem}
p{margin:.35rem 0}
.intro{color:var(--soft);font-size:1.1rem;max-width:44rem;margin-top:1.1rem}
.badge{display:inline-block;border:1px solid var(--line);border-radius:1rem;padding:.05rem .6rem;font-size:.8rem;color:var(--soft);line-height:1.5;font-weight:400;letter-spacing:0}
a{color:var(--accent)}
a:focus-visible{outline:3px solid var(--accent);outline-offset:3px;border-radius:4px}
.go{display:inline-block;margin-top:1.2rem;background:var(--accent);color:var(--accent-ink);padding:.55rem 1.1rem;border-radius:.5rem;text-decoration:none;font-weight:600}
.go:hover{filter:brightness(1.08)}
ul{list-style:none;margin:0;padding:0;display:grid;gap:.9rem}
.backends{grid-template-columns:repeat(auto-fill,minmax(12rem,1fr))}
li{background:var(--card);border:1px solid var(--line);border-radius:.7rem;padding:.9rem 1.1rem;min-width:0}
.kind{color:var(--soft);font-size:.9rem}
.can{color:var(--soft);font-size:.85rem;margin-top:.4rem}
code,pre{font:.85rem/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{background:var(--code);border-radius:.5rem;padding:.8rem 1rem;margin:.5rem 0 .2rem;overflow-x:auto}
pre:focus-visible,summary:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
summary{color:var(--soft);font-size:.9rem;cursor:pointer;margin-top:.3rem}
footer{color:var(--soft);font-size:.9rem;padding-top:2.5rem;padding-bottom:3rem}
footer a{margin-right:1rem}
`;

/** The page at `/`: what this is, its backends and example queries. No script, nothing from other hosts. */
export function frontPage(options: FrontPageOptions): Page {
  const csp = contentPolicy({ "style-src": hashSource(style), "img-src": "data:" });
  return toPage(render(options), csp);
}

function render({ version, backends, examples, links, graphiql, demo }: FrontPageOptions): string {
  const start = examples[0];
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
<p class="intro">One live GraphQL graph over Zadig, bkrepo, Huawei SWR and GitLab: releases, builds, artifacts, packages and versions, asked in one question and answered by the systems themselves.</p>
${graphiql ? `<a class="go" href="${start ? link(links, start.query) : `${links}graphql`}">Open GraphiQL</a>` : `<p>Ask with <code>POST</code> at <code>${links}graphql</code>.</p>`}
${section("backends", "Backends", backends.map(backendItem))}
${section(
  "queries",
  "Queries to try",
  examples.map((example) => exampleItem(example, graphiql ? links : null)),
)}
</main>
<footer><a href="${links}health">Health</a><a href="${links}ready">Readiness</a><span>Version ${escapeHtml(version)}</span></footer>
</body>
</html>
`;
}

function section(id: "backends" | "queries", title: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  const list = `<ul${id === "backends" ? ' class="backends"' : ""} aria-labelledby="${id}">`;
  return `<h2 id="${id}">${title}</h2>\n${list}\n${items.join("\n")}\n</ul>`;
}

function backendItem({ name, kind, capabilities }: BackendIdentity): string {
  const can = capabilities.map((capability) => capability.toLowerCase()).join(", ");
  return `<li><strong>${escapeHtml(name)}</strong><p class="kind">${kindNames[kind]}</p><p class="can">${can || "nothing"}</p></li>`;
}

/** `links` is null where the query cannot be opened anywhere. */
function exampleItem({ title, query }: Example, links: string | null): string {
  const heading =
    links === null
      ? `<strong>${escapeHtml(title)}</strong>`
      : `<a href="${link(links, query)}">${escapeHtml(title)}</a>`;
  // A region that scrolls must be reachable by keyboard.
  return `<li>${heading}<details><summary>The query</summary><pre tabindex="0">${escapeHtml(query)}</pre></details></li>`;
}

function link(links: string, query: string): string {
  return escapeHtml(`${links}graphql?query=${encodeURIComponent(query)}`);
}
