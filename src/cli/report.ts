import type { Problem } from "../config/index.ts";
import type { Example } from "../server/pages/front-page.ts";
import { codeOf } from "../upstream/errors.ts";

/** Every problem of a configuration on a line of its own, below a line that counts them. */
export function printProblems(file: string, problems: readonly Problem[]): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return [
    `${file}: ${count}`,
    ...problems.map(({ path, message, line }) => {
      const where = line === null ? "" : ` (line ${line})`;
      return `  ${path === "" ? "the file" : path} ${message}${where}`;
    }),
    "",
  ].join("\n");
}

/** One plain sentence for a system error that ends the start, or null when it is none that a user can repair. */
export function explainSystemError(
  error: unknown,
  at: { readonly host: string; readonly port: number },
): string | null {
  const code = codeOf(error);
  const where = `Port ${at.port} on ${at.host}`;
  if (code === "EADDRINUSE") {
    return `${where} is already in use: stop what listens there, or set PORT to another one.`;
  }
  if (code === "EACCES") return `${where} may not be opened by this user: set PORT to one above 1023.`;
  return ["EADDRNOTAVAIL", "ENOTFOUND", "EAI_AGAIN", "EINVAL"].includes(code)
    ? `${at.host} is no address of this machine: set server.host or HOST to one that is.`
    : null;
}

/** One plain sentence for a file that could not be read. */
export function explainUnreadable(file: string, error: unknown): string {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file",
    EISDIR: "it is a folder",
    EACCES: "this user may not read it",
  };
  return `Cannot read ${file}: ${reasons[codeOf(error)] ?? "the system refused"}.`;
}

/** The demo's greeting: where its backends are, and three queries to try. */
export function demoBanner(facts: {
  readonly url: string;
  readonly backends: readonly { readonly name: string; readonly url: string; readonly fault: string | null }[];
  readonly examples: readonly Example[];
}): string {
  const { url, backends, examples } = facts;
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
