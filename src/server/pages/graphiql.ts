import { readFileSync } from "node:fs";
import { css, editorWorkerService, graphqlWorker, js, jsonWorker } from "@graphql-yoga/render-graphiql/graphiql";
import { contentPolicy, hashSource } from "../http/response.ts";
import { type Example, escapeHtml, favicon, logo, type Page, toPage } from "./front-page.ts";

interface GraphiqlOptions {
  /** Queries of the menu; the first one is in the editor of a new visitor. */
  readonly examples: readonly Example[];
  readonly needsKey: boolean;
  readonly demo: boolean;
}

const barStyle = readFileSync(new URL("./graphiql-bar.css", import.meta.url), "utf8");

const barScript = readFileSync(new URL("./graphiql-bar.js", import.meta.url), "utf8");

/**
 * GraphiQL as one page without external resources, below a bar with a link to the front page, the example queries and a
 * field for the caller's key. It asks the graph at `graphql` beside its own path. The page has 9 MB: it is made once
 * and sent compressed. Import this file only where GraphiQL is on.
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
${demo ? '<strong class="badge">demo with made-up data</strong>' : ""}
<details id="examples"><summary>Example queries</summary><ul class="list">${items.join("")}</ul></details>
<details id="key"${needsKey ? " data-needed" : ""}><summary>Key: <span role="status">none</span></summary>
<form autocomplete="off"><label for="credential">Key or token</label>
<input id="credential" type="password" autocomplete="off" autocapitalize="off" spellcheck="false" required>
<button type="submit">Use</button><button type="button">Forget</button><p>${note}</p></form></details>
</header>`;
}
