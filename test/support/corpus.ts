import { readdirSync, readFileSync } from "node:fs";

const folder = new URL("../queries/", import.meta.url);

/** One file of test/queries: the question, and what it may cost. */
export interface Question {
  readonly name: string;
  readonly query: string;
  /** Upstream calls by configured name. */
  readonly calls: Readonly<Record<string, number>>;
  readonly waves: number;
  readonly why: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Every file of the corpus, by name. */
export const corpus: readonly Question[] = readdirSync(folder)
  .filter((name) => name.endsWith(".graphql"))
  .sort()
  .map(read);

function read(name: string): Question {
  const query = readFileSync(new URL(name, folder), "utf8");
  const line = (key: string) => new RegExp(`^# ${key}: (.*)$`, "m").exec(query)?.[1] ?? "";
  const calls = line("calls")
    .split(",")
    .map((part) => part.trim().split(" "))
    .flatMap(([backend, count]) => (backend && count ? [[backend, Number(count)] as const] : []));
  return {
    name,
    query,
    calls: Object.fromEntries(calls),
    waves: Number(line("waves")),
    why: line("why"),
    variables: JSON.parse(line("variables") || "{}"),
  };
}
