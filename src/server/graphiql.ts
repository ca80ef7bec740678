import { renderGraphiQL } from "@graphql-yoga/render-graphiql";
import { favicon, mark } from "./mark.ts";
import { type Page, toPage } from "./page.ts";
import { contentPolicy, hashSource } from "./security-headers.ts";

/** How GraphiQL opens. */
export interface GraphiqlOptions {
  /** Path that it asks. */
  readonly endpoint: string;
  /** What stands in the editor of somebody who was never here. */
  readonly defaultQuery: string;
}

/**
 * GraphiQL as one page that loads nothing from anywhere. It is 9 MB, which is why it is made once and sent compressed;
 * import this file only where GraphiQL is on.
 */
export function graphiqlPage({ endpoint, defaultQuery }: GraphiqlOptions): Page {
  const text = renderGraphiQL({
    endpoint,
    defaultQuery,
    title: "delivery-graph",
    favicon,
    // Wider than it is high: GraphiQL sets the title close behind it.
    logo: mark.replace('viewBox="0 0 32 32"', 'viewBox="0 0 40 32"'),
    inputValueDeprecation: true,
    // What is typed as a header is a credential: it must not stay behind in the browser.
    shouldPersistHeaders: false,
  });
  // The first opening tag and the last closing one: the script itself speaks of such tags.
  const script = text.slice(text.indexOf("<script>") + "<script>".length, text.lastIndexOf("</script>"));
  const csp = contentPolicy({
    "script-src": `${hashSource(script)} blob:`,
    "worker-src": "blob:",
    // The editor writes its colours and measures as style elements while it runs.
    "style-src": "'unsafe-inline'",
    "img-src": "data:",
    "font-src": "data:",
    "connect-src": "'self'",
  });
  return toPage(text, csp);
}
