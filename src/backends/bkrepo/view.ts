import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { Page } from "../../model/page.ts";
import type { Call } from "../../upstream/call.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { BkrepoClient, Decoded, RecordPage } from "./client.ts";
import type { AnswerContext, PlaceContext } from "./mapper.ts";
import type { Repository } from "./repository.ts";
import type { BkrepoSettings } from "./settings.ts";
import type { SightMemory } from "./sight-memory.ts";

/** One request's use of the backend: everything its loaders need. */
export interface View {
  readonly client: BkrepoClient;
  readonly settings: BkrepoSettings;
  readonly call: Call;
  /** What was learnt of the searches of each repository; outlives the request. */
  readonly sights: SightMemory;
}

/** The largest page we ask for: the server itself knows no limit. */
export const largestPage = 200;

/** The most values of one IN list, and with it the most keys of one batch. */
export const largestBatch = 200;

/** The origin of what is known without asking, such as that an image has no files beside its manifests. */
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
  fetch: (pageNumber: number) => Promise<Decoded<RecordPage<T>>>,
  pageSize: number,
  counts: boolean,
): Promise<Collected<T>> {
  const answers = [await fetch(1)];
  const [head] = answers;
  if (head === undefined) throw new RangeError("a search has at least one page");
  const total = counts ? head.value.total : null;
  let isStuck = false;
  if (total !== null) {
    const pages = Math.min(mostPages, Math.ceil(total / pageSize));
    answers.push(
      ...(await Promise.all(Array.from({ length: Math.max(0, pages - 1) }, (_, index) => fetch(index + 2)))),
    );
  } else {
    for (let last = head; last.value.count >= pageSize && answers.length < mostPages; ) {
      last = await fetch(answers.length + 1);
      isStuck = JSON.stringify(last.value.rows) === JSON.stringify(answers[answers.length - 1]?.value.rows);
      if (isStuck) break;
      answers.push(last);
    }
  }
  const dropped = answers.flatMap((answer) => answer.value.dropped);
  const count = answers.reduce((sum, answer) => sum + answer.value.count, 0);
  // A server that does not page answers the same rows under every number: only different ones count.
  const differing =
    answers.length > 1 && total !== null
      ? new Set(answers.flatMap(({ value }) => value.rows.map((row) => JSON.stringify(row)))).size
      : count;
  const isWhole = total === null ? !isStuck && count < mostPages * pageSize : differing + dropped.length >= total;
  return {
    rows: answers.flatMap(({ value, origin, zone }) => value.rows.map((row) => ({ row, context: { origin, zone } }))),
    dropped,
    complete: dropped.length === 0 && isWhole,
  };
}
