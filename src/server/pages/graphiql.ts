import { readFileSync } from "node:fs";
import { css, editorWorkerService, graphqlWorker, js, jsonWorker } from "@graphql-yoga/render-graphiql/graphiql";
import { contentPolicy, hashSource } from "../http/security-headers.ts";
import type { Example } from "./examples.ts";
import { escapeHtml, favicon, logo, type Page, toPage } from "./page.ts";

/** How GraphiQL opens. */
interface GraphiqlOptions {
  /** Queries of the menu; the first one is in the editor of a new visitor. */
  readonly examples: readonly Example[];
  /** Whether a key or token is required. */
  readonly needsKey: boolean;
  /** Whether the backends are the made-up ones of the demo. */
  readonly demo: boolean;
}

const barStyle = `
:root{--bar:#fff;--bar-ink:#1f2a3a;--bar-soft:#56637a;--bar-line:#d5dbe5;--bar-hover:#eef2f7;--bar-accent:#0b6363;--bar-accent-ink:#fff}
@media (prefers-color-scheme:dark){body:not(.graphiql-light){--bar:#212a3b;--bar-ink:#dfe6f1;--bar-soft:#a9b5c9;--bar-line:#3b475c;--bar-hover:#2c374c;--bar-accent:#6fd3c8;--bar-accent-ink:#06201e;color-scheme:dark}}
body.graphiql-dark{--bar:#212a3b;--bar-ink:#dfe6f1;--bar-soft:#a9b5c9;--bar-line:#3b475c;--bar-hover:#2c374c;--bar-accent:#6fd3c8;--bar-accent-ink:#06201e;color-scheme:dark}
html,body{height:100%;margin:0}
body{display:flex;flex-direction:column}
#root{flex:1;min-height:0}
#root .graphiql-container{height:100%}
.graphiql-container .graphiql-logo{display:none}
.bar{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem .5rem;padding:.4rem .75rem;background:var(--bar);color:var(--bar-ink);border-bottom:1px solid var(--bar-line);font:.9rem/1.4 system-ui,-apple-system,"Segoe UI",Roboto,"Open Sans",sans-serif;position:relative;z-index:20}
.bar a,.bar summary,.bar button{border-radius:.4rem;color:inherit;text-decoration:none;cursor:pointer}
.bar :is(a,summary,button,input):focus-visible{outline:2px solid var(--bar-accent);outline-offset:1px}
.bar .home{display:flex;align-items:center;gap:.5rem;padding:.2rem .5rem .2rem .2rem;font-weight:600;margin-right:auto}
.bar .home svg{width:1.6rem;height:1.6rem;flex:none}
.bar :is(.home,summary,.list a):hover{background:var(--bar-hover)}
.bar .badge{border:1px solid var(--bar-line);border-radius:1rem;padding:.05rem .6rem;font-size:.8rem;font-weight:400;color:var(--bar-soft)}
.bar details{position:relative}
.bar summary{list-style:none;padding:.3rem .65rem;border:1px solid var(--bar-line);white-space:nowrap}
.bar summary::-webkit-details-marker{display:none}
.bar summary::after{content:"";display:inline-block;margin-left:.5rem;border:.3em solid transparent;border-top-color:currentColor;border-bottom:0;vertical-align:.12em}
.bar [role=status]{color:var(--bar-soft)}
.bar .list,.bar form{box-sizing:border-box;position:absolute;right:0;top:calc(100% + .35rem);width:max-content;max-width:min(26rem,calc(100vw - 1.5rem));margin:0;background:var(--bar);border:1px solid var(--bar-line);border-radius:.5rem;box-shadow:0 .5rem 1.5rem #0003}
.bar .list{list-style:none;padding:.3rem}
.bar .list a{display:block;padding:.4rem .6rem}
.bar form{width:20rem;padding:.75rem;display:flex;flex-wrap:wrap;gap:.5rem}
.bar form p{margin:0;color:var(--bar-soft);font-size:.82rem}
.bar label{flex:1 1 100%;font-weight:600}
.bar input{flex:1 1 100%;box-sizing:border-box;min-width:0;padding:.4rem .5rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--bar-soft);border-radius:.4rem}
.bar button{font:inherit;padding:.3rem .8rem;border:1px solid var(--bar-line);background:transparent}
.bar button[type=submit]{background:var(--bar-accent);border-color:var(--bar-accent);color:var(--bar-accent-ink);font-weight:600}
@media (max-width:40rem){
.bar .home span{display:none}
.bar details{position:static}
.bar :is(.list,form){right:.75rem}
.graphiql-container #graphiql-session{flex-direction:column}
.graphiql-container .graphiql-horizontal-drag-bar{display:none}
}
`;

const barScript = readFileSync(new URL("./graphiql-bar.js", import.meta.url), "utf8");

/**
 * GraphiQL as one page without external resources, below a bar with a link to the front page, the example queries and a
 * field for the caller's key. It asks the graph at `graphql` beside its own path. The page has 9 MB: it is made once and
 * sent compressed. Import this file only where GraphiQL is on.
 */
export function graphiqlPage({ examples, needsKey, demo }: GraphiqlOptions): Page {
  const options = {
    endpoint: "graphql",
    defaultQuery: examples[0]?.query ?? "{ __typename }",
    title: "",
    logo: "",
    inputValueDeprecation: true,
    // A header that is typed here is a credential: the browser must not store it.
    shouldPersistHeaders: false,
  };
  const workers = { editorWorkerService, json: jsonWorker, graphql: graphqlWorker };
  const script = `${barScript}
(() => {
  const workers = ${JSON.stringify(workers)};
  self.MonacoEnvironment = {
    globalAPI: true,
    getWorkerUrl: (_id, label) => URL.createObjectURL(new Blob([workers[label]], { type: "application/javascript" })),
  };
})();
${js};
YogaGraphiQL.renderYogaGraphiQL(document.querySelector("#root"), ${JSON.stringify(options).replaceAll("<", "\\u003c")});
`;
  const csp = contentPolicy({
    "script-src": `${hashSource(script)} blob:`,
    "worker-src": "blob:",
    // The editor writes its colours and measures as style elements while it runs.
    "style-src": "'unsafe-inline'",
    "img-src": "data:",
    "font-src": "data:",
    "connect-src": "'self'",
  });
  return toPage(
    `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GraphiQL · delivery-graph</title>
<link rel="icon" href="${favicon}">
<style>${css}</style>
<style>${barStyle}</style>
</head>
<body class="no-focus-outline">
${bar({ examples, needsKey, demo })}
<div id="root"></div>
<noscript>GraphiQL needs JavaScript.</noscript>
<script>${script}</script>
</body>
</html>
`,
    csp,
  );
}

function bar({ examples, needsKey, demo }: GraphiqlOptions): string {
  const note = needsKey
    ? "Sent with every request from this tab, and forgotten when the tab is closed."
    : "This gateway asks for none. It is sent all the same, and forgotten when the tab is closed.";
  const items = examples.map(
    ({ title, query }) =>
      `<li><a href="graphql?query=${escapeHtml(encodeURIComponent(query))}">${escapeHtml(title)}</a></li>`,
  );
  return `<header class="bar">
<a class="home" href="./" aria-label="delivery-graph: front page">${logo}<span>delivery-graph</span></a>
${demo ? '<strong class="badge">demo with made-up data</strong>\n' : ""}<details id="examples"><summary>Example queries</summary><ul class="list">${items.join("")}</ul></details>
<details id="key"${needsKey ? " data-needed" : ""}><summary>Key: <span role="status">none</span></summary>
<form autocomplete="off"><label for="credential">Key or token</label>
<input id="credential" type="password" autocomplete="off" autocapitalize="off" spellcheck="false" required>
<button type="submit">Use</button><button type="button">Forget</button><p>${note}</p></form></details>
</header>`;
}
