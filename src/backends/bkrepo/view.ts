import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Page } from "../../model/page.ts";
import type { Call } from "../../upstream/call.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Answer, BkrepoClient, RecordPage } from "./client.ts";
import type { AnswerContext, PlaceContext } from "./mapper.ts";
import type { Repository } from "./repository.ts";
import type { BkrepoSettings } from "./settings.ts";

/** One request's use of the backend: everything its loaders need. */
export interface View {
  readonly client: BkrepoClient;
  readonly settings: BkrepoSettings;
  readonly call: Call;
}

/** The largest page we ask for: the server itself knows no limit. */
export const largestPage = 200;

/** The most values of one IN list, and with it the most keys of one batch. */
export const largestBatch = 200;

/** The origin of what is known without asking: a name that bkrepo could not have, a format that it has no packages of. */
export function unasked({ settings }: View): Origin {
  return { backend: settings.name, fetchedAt: new Date().toISOString(), stale: false, traceId: null };
}

/** A list that is known to be empty. */
export function emptyPage<T>(origin: Origin): Page<T> {
  return { rows: [], hasNext: false, total: 0, origin, dropped: [] };
}

/** The context of a package's versions and files in one answer. */
export function placeOf(
  { client, settings }: View,
  repository: Repository,
  key: string,
  { origin, zone }: AnswerContext,
): PlaceContext {
  const host = settings.hosts[0] ?? null;
  return { backend: settings.name, base: client.upstream.base, host, repository, key, origin, zone };
}

/** What stands in for an absent row when rows were lost: nobody can say that it is absent. */
export function unreadable({ settings }: View, operation: string, reason: string): UpstreamError {
  return new UpstreamError("MALFORMED", { backend: settings.name, operation, reason });
}

/** The most pages of one search: past it the answer counts as incomplete, whatever total a server claims. */
const mostPages = 50;

/** All pages of a search that fits into few. */
export interface Collected<T> {
  readonly rows: readonly { readonly row: T; readonly context: AnswerContext }[];
  readonly dropped: readonly DroppedRow[];
  /** False when the server counted more rows than it answered, or a row could not be read. */
  readonly complete: boolean;
}

/**
 * Reads every page of a search. Where the server counts, the other pages are asked for at once; where it does not
 * (`total` null), until a page is short. A page that only repeats what was there ends the walk: some servers do not page.
 */
export async function collect<T>(
  fetch: (pageNumber: number) => Promise<Answer<RecordPage<T>>>,
  pageSize: number,
  counts: boolean,
): Promise<Collected<T>> {
  const answers = [await fetch(1)];
  const [head] = answers;
  if (head === undefined) throw new RangeError("a search has at least one page");
  const total = counts ? head.value.total : null;
  if (total !== null) {
    const pages = Math.min(mostPages, Math.ceil(total / pageSize));
    const others = await Promise.all(Array.from({ length: Math.max(0, pages - 1) }, (_, index) => fetch(index + 2)));
    for (const answer of others) answers.push(answer);
  } else {
    for (let last = head; last.value.count >= pageSize && answers.length < mostPages; ) {
      last = await fetch(answers.length + 1);
      if (JSON.stringify(last.value.rows) === JSON.stringify(answers[answers.length - 1]?.value.rows)) break;
      answers.push(last);
    }
  }
  const dropped = answers.flatMap((answer) => answer.value.dropped);
  const count = answers.reduce((sum, answer) => sum + answer.value.count, 0);
  return {
    rows: answers.flatMap(({ value, origin, zone }) => value.rows.map((row) => ({ row, context: { origin, zone } }))),
    dropped,
    complete: dropped.length === 0 && (total === null ? count < mostPages * pageSize : count >= total),
  };
}

/** The values in groups by a text made of each, in order of first appearance. */
export function groupBy<T>(values: readonly T[], text: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(text(value));
    if (group) group.push(value);
    else groups.set(text(value), [value]);
  }
  return [...groups.values()];
}

/** The list cut into pieces of at most `size`. */
export function chunks<T>(values: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    values.slice(index * size, (index + 1) * size),
  );
}

/** What was thrown, as the Error that a loader puts in a key's place. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("something that is no Error was thrown", { cause: error });
}
