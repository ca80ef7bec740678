import type { Origin, Page } from "../model/backend.ts";
import { isNotFound, UpstreamError } from "../upstream/errors.ts";
import type { Operation, Proof } from "../upstream/operation.ts";

/** What a backend answers for one key: it has it, it has proved that there is none, or it could not say. */
export type Answer<T> = Found<T> | Absent | Unknown;

/** The value is there. An empty page says that its place is there and holds nothing. */
export interface Found<T> {
  readonly kind: "FOUND";
  readonly value: T;
  /** Why there may be more than the value tells; null when it is whole. */
  readonly gap: Unknown | null;
}

/** There is no such thing, and a call or the rules prove it. */
export interface Absent {
  readonly kind: "ABSENT";
  /**
   * How it was proved. `IMPOSSIBLE`: the vendor's own rules allow no such key, so nothing was asked. `HIDDEN`: the
   * access rules hide the place from the caller, who is to see what a place that does not exist answers.
   */
  readonly proof: Proof | "IMPOSSIBLE" | "HIDDEN";
  /** The operation whose silence is the proof, such as `gitlab.getPackage`; null where nothing was asked. */
  readonly operation: string | null;
}

/** Whether there is such a thing is not known. */
export interface Unknown {
  readonly kind: "UNKNOWN";
  readonly reason: UnknownReason;
  /** The call that failed; set exactly where the reason is `FAILED`. */
  readonly failure: UpstreamError | null;
}

/**
 * Why it is not known:
 * - `FAILED`: a call failed.
 * - `LEFT_OUT`: the answer to many keys lacks this one.
 * - `NOT_SEARCHABLE`: the backend has no way to be asked this, and was not.
 * - `NOT_CONFIGURED`: the configuration names no place to look in, and nothing was asked.
 * - `NARROW_SEARCH`: only a search was asked that sees less than the plain read right.
 * - `LOSSY_NAME`: the name may be spelled otherwise there.
 * - `DETAIL_MISSING`: a list names the thing, and its detail says that it does not exist.
 * - `UNCHECKED_ORDER`: an order was asked for that cannot be checked, or a date is missing: the newest is not known.
 * - `LOST_ROWS`: rows could not be read, or fewer came than were counted.
 * - `UNREAD`: the list goes on behind the most that is read of it.
 */
export type UnknownReason =
  | "FAILED"
  | "LEFT_OUT"
  | "NOT_SEARCHABLE"
  | "NOT_CONFIGURED"
  | "NARROW_SEARCH"
  | "LOSSY_NAME"
  | "DETAIL_MISSING"
  | "UNCHECKED_ORDER"
  | "LOST_ROWS"
  | "UNREAD";

/** The value, and what may be missing from it. */
export function found<T>(value: T, gap: Unknown | null = null): Found<T> {
  return { kind: "FOUND", value, gap };
}

/**
 * An absence that the operation's silence proves. The compiler refuses a proof that a declaration written `as const`
 * does not name in `proves`; a TypeError refuses it of any other.
 */
export function absent<O extends Operation>({ name, proves }: O, proof: O["proves"][number]): Absent {
  if (!proves.includes(proof)) throw new TypeError(`${name}: its silence is no ${proof}`);
  return { kind: "ABSENT", proof, operation: name };
}

/** The absence of a key that the vendor's own rules do not allow. */
export const impossible: Absent = { kind: "ABSENT", proof: "IMPOSSIBLE", operation: null };

/** The absence of what the access rules hide. */
export const hidden: Absent = { kind: "ABSENT", proof: "HIDDEN", operation: null };

/** An unknown answer whose reason is no failed call. */
export function unknown(reason: Exclude<UnknownReason, "FAILED">): Unknown {
  return { kind: "UNKNOWN", reason, failure: null };
}

/** An unknown answer because a call failed; throws again what is no UpstreamError, since that is a bug of ours. */
export function failed(error: unknown): Unknown {
  if (!(error instanceof UpstreamError)) throw error;
  return { kind: "UNKNOWN", reason: "FAILED", failure: error };
}

/** Runs a keyed read whose "not found" proves the absence of its key. */
export function absentIfNotFound<T>(read: Promise<Answer<T>>, absence: Absent): Promise<Answer<T>> {
  return read.catch((error: unknown) => {
    if (isNotFound(error)) return absence;
    throw error;
  });
}

/** The values, and what may be missing beside them; where there are none, the gap, or else what that proves. */
export function foundAny<T>(
  values: readonly T[],
  whenNone: Absent | Unknown,
  gap: Unknown | null = null,
): Answer<readonly T[]> {
  return values.length > 0 ? found(values, gap) : (gap ?? whenNone);
}

/** The values of several answers as one: what one of them could not say is the gap of the others' values. */
export function joined<T>(
  answers: readonly Answer<readonly T[]>[],
  whenNoneAsked: Absent | Unknown,
): Answer<readonly T[]> {
  const values = answers.flatMap((answer) => (answer.kind === "FOUND" ? answer.value : []));
  const gap = firstGap(answers);
  const absence = answers.find((answer) => answer.kind === "ABSENT");
  return foundAny(values, absence ?? whenNoneAsked, gap);
}

/** The first thing that one of these answers could not say; null when all of them are whole. */
export function firstGap(answers: readonly Answer<unknown>[]): Unknown | null {
  for (const answer of answers) {
    if (answer.kind === "UNKNOWN") return answer;
    if (answer.kind === "FOUND" && answer.gap) return answer.gap;
  }
  return null;
}

/** The answer with its value changed; what is absent or unknown stays so. */
export function mapAnswer<T, U>(answer: Answer<T>, map: (value: T) => U): Answer<U> {
  return answer.kind === "FOUND" ? found(map(answer.value), answer.gap) : answer;
}

/** The value, or null where it is absent or unknown: for those who go on to ask another backend. */
export function valueIn<T>(answer: Answer<T>): T | null {
  return answer.kind === "FOUND" ? answer.value : null;
}

/** The origin of an answer that needed no call, or whose call proved that there is nothing. `traceId`: that call's. */
export function originNow(backend: string, traceId: string | null = null): Origin {
  return { backend, fetchedAt: new Date().toISOString(), stale: false, traceId };
}

/** The page of a place that exists and has nothing of what was asked for; it needs no call. */
export function emptyPage(backend: string): Page<never> {
  return { rows: [], hasNext: false, total: 0, origin: originNow(backend), dropped: [] };
}
