import type { Example } from "../server/pages/examples.ts";

/** What the demo says of itself before it is ready. */
export interface DemoFacts {
  readonly url: string;
  readonly backends: readonly { readonly name: string; readonly url: string; readonly fault: string | null }[];
  readonly examples: readonly Example[];
}

/** The demo's greeting: where its backends are, and three queries to try. */
export function demoBanner({ url, backends, examples }: DemoFacts): string {
  const width = backends.reduce((widest, { name }) => Math.max(widest, name.length), 0);
  return [
    "The demo: made-up data in four backends on this machine.",
    "",
    ...backends.map(
      ({ name, url, fault }) => `  ${name.padEnd(width)}  ${url}${fault === null ? "" : `  (fault: ${fault})`}`,
    ),
    "",
    `Three queries to try at ${url}/graphql in a browser; ${url}/ links to them:`,
    ...examples
      .slice(0, 3)
      .flatMap(({ title, query }) => ["", `  # ${title}`, ...query.split("\n").map((line) => `  ${line}`)]),
    "",
    "",
  ].join("\n");
}
