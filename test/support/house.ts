import { Session } from "node:inspector/promises";
import { stripTypeScriptTypes } from "node:module";
import { pathToFileURL } from "node:url";
import * as espree from "espree";
import { filesBelow, type SourceFile } from "./sources.ts";

// Figures about `src` that say how much there is to read. `npm run house` prints them; test/house.test.ts holds limits.

/** A place in the sources. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

/** Words with a plainer one in their place, by which a private vocabulary is known; each with the word to use. */
export const bannedWords: Readonly<Record<string, string>> = {
  flight: "coalescer, in-flight",
  flights: "coalescer, in-flight",
  seat: "waiter",
  seats: "waiters",
  aboard: "waiting",
  land: "settle",
  disembark: "release",
  boarding: "follower",
  patience: "max wait",
  era: "generation, server version",
  eras: "generations, server versions",
  shelf: "LRU cache",
  sieve: "filtered list",
  sift: "filter",
  sifted: "filtered",
  stride: "concurrency",
  cohort: "batch",
  untold: "deferred primes",
  mend: "retry with fresh credentials",
  mended: "retried",
  overdue: "timed out",
  unshared: "uncoalesced",
  anew: "again",
  fleeting: "uncached",
  machinery: "with retries",
  straight: "fast path",
  deed: "delete",
  outdate: "invalidate",
  outdated: "invalidated",
  twin: "same file",
  twins: "same files",
  alike: "equal",
  leg: "segment",
  legs: "segments",
  wire: "transport",
  told: "source from, reported",
  untellable: "unknown",
  having: "backends with capability",
  choose: "resolve",
  turns: "admission control",
  portion: "cost per tick",
  portions: "batches",
  aheadof: "before",
  held: "registry records, limited by",
  kept: "cached, stored",
  said: "raw headers, reported",
  declared: "the noun it is",
  followed: "the noun it is",
  packed: "compressed",
  worthit: "min compressed bytes",
  explained: "classify",
  cutshort: "with circuit open",
  confirmed: "not modified",
  taking: "response handler",
  isover: "cancelled",
  liveon: "log uncaught errors",
  tidyup: "collect start-up garbage",
  leavepolitely: "shut down on signal",
  namebook: "label limiter",
  standin: "stale response",
  standins: "stale responses",
  primelater: "deferred primes",
  nobody: "no caller, no one",
  whoever: "the caller that",
  somebody: "a caller, a client",
};

/** Words that are published (metrics, traces) and so stand in the one file that prints them. */
const publishedWords: Readonly<Record<string, readonly string[]>> = {
  "src/server/observability/telemetry.ts": ["flight", "wire"],
  "src/server/observability/metrics.ts": ["flight"],
};

/** Words that are free in sentences and say nothing as a name. */
export const bannedNames: ReadonlySet<string> = new Set(
  "plain put enter leave within lead arrived broken ending watching explaining deferring mark nothing written planned".split(
    " ",
  ),
);

/** All files of `src`, generated ones left out. */
export function houseFiles(): readonly SourceFile[] {
  return filesBelow("src", [".ts", ".js"]);
}

/** Banned words in names, comments and texts; a name is taken apart where its case changes. */
export function bannedWordsIn({ path, text }: SourceFile): readonly Finding[] {
  return text.split("\n").flatMap((line, index) => {
    const found = new Set<string>();
    const text = line.replace(/\b(?:max)?in[- ]?flight\b|\bDECLARED\b/gi, "");
    for (const [name] of text.matchAll(/[A-Za-z][A-Za-z0-9]*/g)) {
      const parts = name
        .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
        .toLowerCase()
        .split(" ");
      for (const word of [...parts, name.toLowerCase()])
        if (Object.hasOwn(bannedWords, word) && !publishedWords[path]?.includes(word)) found.add(word);
    }
    return [...found].map((word) => ({ path, line: index + 1, what: `${word} (use: ${bannedWords[word]})` }));
  });
}

/** Lines that are wider than 120 columns; a pattern on a line of its own cannot be broken. */
export function wideLinesIn({ path, text }: SourceFile): readonly Finding[] {
  return text
    .split("\n")
    .flatMap((line, index) =>
      line.length > 120 && !/^\s*(?:return )?\/\^/.test(line)
        ? [{ path, line: index + 1, what: `${line.length} columns` }]
        : [],
    );
}

interface Syntax {
  readonly type: string;
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } };
  readonly [key: string]: unknown;
}

/** Every function with its length in lines. */
export function functionsIn({ path, text }: SourceFile): readonly (Finding & { readonly lines: number })[] {
  const found: (Finding & { readonly lines: number })[] = [];
  const visit = (value: unknown, name: string): void => {
    if (Array.isArray(value)) for (const one of value) visit(one, name);
    else if (isSyntax(value)) {
      const own = nameOf(value) ?? name;
      if (/Function/.test(value.type)) {
        const { start, end } = value.loc;
        found.push({ path, line: start.line, what: own, lines: end.line - start.line + 1 });
      }
      for (const child of Object.values(value)) visit(child, own);
    }
  };
  visit(parsed(text), "");
  return found;
}

/** Names declared by a file, whatever their place: of constants, functions, parameters, types and properties. */
export function namesIn({ path, text }: SourceFile): readonly Finding[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, " "));
  const pattern =
    /\b(?:const|let|function|type|interface|class)\s+([A-Za-z_$][\w$]*)|^\s+readonly\s+([A-Za-z_$][\w$]*)/gm;
  return [...code.matchAll(pattern)].map((match) => ({
    path,
    line: code.slice(0, match.index).split("\n").length,
    what: match[1] ?? match[2] ?? "",
  }));
}

/** Names that a file exports, itself. */
export function exportsOf({ text }: SourceFile): readonly string[] {
  const pattern = /^export (?:declare )?(?:async )?(?:const|let|function\*?|type|interface|class) ([A-Za-z_$][\w$]*)/gm;
  return [...text.matchAll(pattern)].map(([, name = ""]) => name);
}

function parsed(text: string): unknown {
  return espree.parse(stripTypeScriptTypes(text), { ecmaVersion: "latest", sourceType: "module", loc: true });
}

function isSyntax(value: unknown): value is Syntax {
  return typeof value === "object" && value !== null && "type" in value && "loc" in value;
}

function nameOf(node: Syntax): string | null {
  const named = node["id"] ?? (node.type === "Property" || node.type === "MethodDefinition" ? node["key"] : null);
  return typeof named === "object" && named !== null && "name" in named ? String(named.name) : null;
}

/** What ran of `src` while one question with one call was answered, for the second time. */
export interface OneQuery {
  readonly calls: number;
  readonly files: number;
  readonly functions: number;
  readonly byFile: Readonly<Record<string, number>>;
}

const oneQuery =
  '{ package(ref: { backend: "gitlab", repository: "pay/api", key: "maven:com/acme/pay/pay-sdk" }) { name } }';

/** Answers a question about one package of GitLab twice and measures the second time by V8's own coverage. */
export async function measureOneQuery(): Promise<OneQuery> {
  const { startDemoGateway } = await import("./gateway.ts");
  const gateway = await startDemoGateway();
  const session = new Session();
  try {
    await gateway.ask(oneQuery);
    gateway.forget();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
    const { body } = await gateway.ask(oneQuery);
    if (body.errors) throw new Error(JSON.stringify(body.errors));
    const { result } = await session.post("Profiler.takePreciseCoverage");
    const root = new URL("../../src/", import.meta.url).href;
    const ran = result
      .filter(({ url }) => url.startsWith(root))
      .map(({ url, functions }) => ({
        path: url.slice(root.length),
        count: functions.filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0).length,
      }))
      .filter(({ count }) => count > 0);
    return {
      calls: Object.values(gateway.calls()).reduce((sum, count) => sum + count, 0),
      files: ran.length,
      functions: ran.reduce((sum, { count }) => sum + count, 0),
      byFile: Object.fromEntries(ran.map(({ path, count }) => [path, count])),
    };
  } finally {
    session.disconnect();
    await gateway.stop();
  }
}

/** The figures as a table of text. */
async function report(): Promise<string> {
  const files = houseFiles();
  const lengths = files.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
  const functions = files.flatMap(functionsIn).toSorted((a, b) => b.lines - a.lines);
  const banned = files.flatMap(bannedWordsIn);
  const one = await measureOneQuery();
  const rows: readonly (readonly [string, string | number])[] = [
    ["files in src", files.length],
    ["lines in src", lengths.reduce((sum, { lines }) => sum + lines, 0)],
    ["files under 50 lines", lengths.filter(({ lines }) => lines < 50).length],
    ["longest file", longest(lengths)],
    ["longest function", `${functions[0]?.lines} (${functions[0]?.what} in ${functions[0]?.path})`],
    ["functions over 80 lines", functions.filter(({ lines }) => lines > 80).length],
    ["banned words", banned.length],
    ["lines over 120 columns", files.flatMap(wideLinesIn).length],
    ["files of src in one query with one call", one.files],
    ["functions of src in one query with one call", one.functions],
  ];
  return rows.map(([name, value]) => `${name.padEnd(46)}${value}`).join("\n");
}

function longest(lengths: readonly { readonly path: string; readonly lines: number }[]): string {
  const [first] = lengths.toSorted((a, b) => b.lines - a.lines);
  return first ? `${first.lines} (${first.path})` : "none";
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const details = process.argv[2];
  const files = houseFiles().filter(({ path }) => details === undefined || path.startsWith(details));
  if (details === undefined) process.stdout.write(`${await report()}\n`);
  else {
    const long = files.flatMap(functionsIn).filter(({ lines }) => lines > 80);
    const found = [...files.flatMap(bannedWordsIn), ...files.flatMap(wideLinesIn)];
    for (const { path, line, what, lines } of long)
      process.stdout.write(`${path}:${line}: ${what} has ${lines} lines\n`);
    for (const { path, line, what } of found) process.stdout.write(`${path}:${line}: ${what}\n`);
    for (const { path, line, what } of files.flatMap(namesIn)) {
      if (bannedNames.has(what.toLowerCase()))
        process.stdout.write(`${path}:${line}: a name that says nothing: ${what}\n`);
    }
  }
  process.exit(0);
}
