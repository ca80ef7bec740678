import type { Answer } from "./gateway.ts";

/** Fields that tell of the asking itself and so change with it. */
const aboutAsking = new Set(["isComplete", "sources", "health", "circuitOpen", "latencyMs", "checkedAt", "fetchedAt"]);
/** Fields whose null says that nobody could say, and so needs a word wherever it stands. */
const neverSilent = new Set(["builds", "namesakes", "files", "versions", "drift", "activities", "releases"]);
/** Of these, fields of objects that have no sources of their own: the word can only be an error. */
const withoutSources = new Set(["namesakes", "versions", "drift"]);
/** Statuses that say that a backend failed, or answered less than it was asked. */
const blaming = ["STALE", "PARTIAL", "DENIED", "THROTTLED", "TIMEOUT", "DOWN", "MALFORMED", "OVER_BUDGET"];
/** A drift verdict is a statement about what could be checked. */
const aboutVerdict = new Set(["verdict", "reason", "released", "current"]);

/** What may be said of an answer while some backends are broken. */
export interface Circumstances {
  /** Configured names of the backends that cannot answer. */
  readonly broken: readonly string[];
  /** True: they fail now and then, so that what they say as they do when they are well is no lie. */
  readonly sometimes?: boolean;
  /** True: kept answers stand in for those who do not answer, and STALE blames nobody. */
  readonly isKept?: boolean;
}

/**
 * Everything untrue about an answer that was given while backends were broken, compared with the healthy one: a null or a
 * shorter list that nobody explains, a value that is another one, an ABSENT or a MISSING that nobody could know, a source
 * that blames a backend that was well, and in either answer a null of which nobody says why.
 */
export function untruths(
  healthy: Answer,
  answer: Answer,
  { broken, sometimes = false, isKept = false }: Circumstances,
): string[] {
  const found: string[] = [];
  if (answer.status !== 200) found.push(`status ${answer.status}`);
  const errorPaths = (answer.body.errors ?? []).map(({ path }) => (path ?? []).join("."));
  for (const error of answer.body.errors ?? []) {
    const code = error.extensions?.["code"];
    if (typeof code !== "string" || !code.startsWith("UPSTREAM_")) found.push(`code ${String(code)}: ${error.message}`);
    const backend = error.extensions?.["backend"];
    if (typeof backend === "string" && !broken.includes(backend)) found.push(`blames the sound backend ${backend}`);
  }
  // An error explains its own place, everything below it, and the object it nulled.
  const isExplained = (path: readonly (string | number)[], excused: boolean) =>
    excused || errorPaths.some((error) => path.join(".").startsWith(error) || error.startsWith(path.join(".")));

  const compare = (was: unknown, is: unknown, path: readonly (string | number)[], excused: boolean): void => {
    const here = path.join(".");
    const name = String(path.at(-1));
    if (name === "sources" || aboutAsking.has(name)) {
      checkSources(was, is, here);
      return;
    }
    if (aboutVerdict.has(name)) {
      // What cannot be checked may be left open, and never be told otherwise.
      const open = name === "verdict" ? "UNVERIFIABLE" : null;
      if (name !== "reason" && is !== was && is !== open)
        found.push(`${here}: ${JSON.stringify(is)} that nobody could know`);
      return;
    }
    if (is === null || is === undefined) {
      if (was !== null && was !== undefined && !isExplained(path, excused)) found.push(`${here}: null without a word`);
      return;
    }
    if (Array.isArray(is) && Array.isArray(was)) {
      // A merged list names what is left of it in another order, and by weaker matches: each of them true.
      if (sometimes && excused) return;
      if (is.length < was.length && !isExplained(path, excused))
        found.push(`${here}: ${was.length - is.length} rows gone without a word`);
      if (is.length !== was.length) return;
      for (const [index, row] of is.entries()) compare(was[index], row, [...path, index], excused);
      return;
    }
    if (typeof is === "object" && typeof was === "object" && was !== null) {
      const before = new Map(Object.entries(was));
      for (const field of silentNulls(is)) {
        if (!isExplained([...path, field], false)) found.push(`${here}.${field}: null without a word`);
      }
      const says = excused || hasFailure(Object.entries(is));
      for (const [key, value] of Object.entries(is)) compare(before.get(key), value, [...path, key], says);
      return;
    }
    if (is !== was && !isExplained(path, false))
      found.push(`${here}: ${JSON.stringify(is)} instead of ${JSON.stringify(was)}`);
  };

  const checkSources = (was: unknown, value: unknown, here: string): void => {
    if (!Array.isArray(value)) return;
    const before: readonly Told[] = Array.isArray(was) ? was : [];
    for (const { backend, status } of value as readonly Told[]) {
      const healthyStatus = before.find((source) => source.backend?.name === backend?.name)?.status;
      // A question that does not ask for names tells nothing of whom it blames.
      if (backend?.name && !broken.includes(backend.name) && status !== healthyStatus) {
        const isStandIn = isKept && status === "STALE";
        if (blaming.includes(status ?? "") && !isStandIn)
          found.push(`${here}: ${status} from ${backend.name}, which was well`);
        if (status === "ABSENT" && healthyStatus === "OK")
          found.push(`${here}: ABSENT from ${backend.name}, which has it`);
      }
      if (sometimes && JSON.stringify(was).includes(JSON.stringify(status))) continue;
      if (status === "ABSENT" && broken.includes(backend?.name ?? ""))
        found.push(`${here}: ABSENT from ${backend?.name}, which did not answer`);
      if (status === "OK" && broken.includes(backend?.name ?? ""))
        found.push(`${here}: OK from ${backend?.name}, which did not answer`);
    }
  };

  compare(healthy.body.data, answer.body.data, [], false);
  return found;
}

interface Told {
  readonly backend?: { readonly name?: string };
  readonly status?: string;
}

/** Fields of one object that are null beside sources that are all well, or that have no sources to explain them. */
function silentNulls(object: object): string[] {
  const fields = new Map<string, unknown>(Object.entries(object));
  const sources = fields.get("sources");
  const isWell = Array.isArray(sources) && sources.every(({ status }: Told) => status === "OK");
  return [...fields].flatMap(([name, value]) =>
    value === null && neverSilent.has(name) && (isWell || withoutSources.has(name)) ? [name] : [],
  );
}

// An object whose own `sources` (or completeness) tells of a failure explains what is missing below it.
function hasFailure(entries: readonly (readonly [string, unknown])[]): boolean {
  return entries.some(([key, value]) => {
    if (key === "isComplete") return value === false;
    if (key !== "sources" || !Array.isArray(value)) return false;
    return value.some(
      ({ status }: { status?: string }) => !["OK", "ABSENT", "NOT_SEARCHABLE", undefined].includes(status),
    );
  });
}
