import type { Page, PageRequest, Row } from "../../model/backend.ts";
import { once } from "../../model/values.ts";
import { type Answer, firstGap } from "../answers.ts";
import { readSegmentPlace } from "./position.ts";

/** One of several lists that are shown one after another. */
export interface Segment<T> {
  /** Begins the positions in this list; no other list of the chain has it. */
  readonly id: string;
  readonly read: (request: PageRequest) => Promise<Answer<Page<T>>>;
  /** True for a list that is only read where those before it brought nothing to the window. */
  readonly isLastResort?: boolean;
}

/** One window over a chain. */
export interface Chained<T> {
  /** Null where no list that was read is there. */
  readonly page: Page<T> | null;
  /** What each list answered that was read, in their order. */
  readonly answers: readonly Answer<Page<T>>[];
}

/**
 * A window over several lists, one after another. Positions begin with the id of their list. A list that is absent or
 * unknown is passed over; the caller finds it among `answers`. The total is the sum of the lists' totals, null where
 * one has none.
 *
 * - `TOGETHER` reads all lists from the place on at once: one wave, where most windows reach the last list anyway.
 * - `ONE_BY_ONE` reads a list only when those before it have left room. Where they left none, whether rows follow is
 *   asked only by `confirmNext`.
 *
 * @example
 * const { page, answers } = await readChain(request, [
 *   { id: "packages", read: (inner) => readWindow(inner, packages).then(found) },
 *   { id: "images", read: (inner) => readWindow(inner, images).then(found).catch(failed) },
 * ], "ONE_BY_ONE");
 */
export async function readChain<T>(
  request: PageRequest,
  segments: readonly Segment<T>[],
  mode: "ONE_BY_ONE" | "TOGETHER",
): Promise<Chained<T>> {
  const { first } = request;
  const ids = segments.map(({ id }) => id);
  const { index: start, inner } = readSegmentPlace(request.after, ids);
  const open = segments.slice(start);
  const read = (segment: Segment<T>, wanted: number) =>
    segment.read({ first: wanted, after: segment === open[0] ? inner : null });
  const together = mode === "TOGETHER" ? await Promise.all(open.map((segment) => read(segment, first))) : null;
  const answers: Answer<Page<T>>[] = [];
  const rows: Row<T>[] = [];
  let unread = open;
  let goesOn = false;
  while (!goesOn && (together !== null || rows.length < first)) {
    const [segment, ...others] = unread;
    if (segment === undefined) break;
    const answer = together?.[open.indexOf(segment)] ?? (await read(segment, first - rows.length));
    answers.push(answer);
    if (answer.kind === "FOUND") {
      for (const { value, position } of answer.value.rows) rows.push({ value, position: [segment.id, ...position] });
      goesOn = answer.value.hasNext;
    }
    unread = others.filter(({ isLastResort }) => !isLastResort || rows.length === 0);
    // The next window has no reason to come back to a list that has ended.
    const [last, next] = [rows.at(-1), unread[0]];
    if (answer.kind === "FOUND" && !goesOn && last && next) rows.splice(-1, 1, { ...last, position: [next.id] });
  }
  const pages = pagesIn(answers);
  const [head] = pages;
  if (head === undefined) return { page: null, answers: together ?? answers };
  const shown = rows.slice(0, first);
  const after = shown.at(-1)?.position ?? null;
  const confirmNext = once(() => hasRows({ first: 1, after }, segments));
  const isOpen = !goesOn && together === null && unread.length > 0;
  const counted = start === 0 && (isOpen || unread.length === 0) ? sumOf(pages) : null;
  const oneByOne = isOpen && counted !== null ? async () => ((await confirmNext()) ? null : counted) : counted;
  const page: Page<T> = {
    rows: shown,
    hasNext: goesOn || isOpen || rows.length > first,
    ...(isOpen ? { confirmNext } : {}),
    total: together === null ? oneByOne : totalOfAll(together, segments.slice(0, start)),
    origin: head.origin,
    dropped: pages.flatMap(({ dropped }) => dropped),
  };
  return { page, answers: together ?? answers };
}

/** Whether a window holds a row; throws the failure where it does not and a list could not be read. */
async function hasRows<T>(request: PageRequest, segments: readonly Segment<T>[]): Promise<boolean> {
  const { page, answers } = await readChain(request, segments, "ONE_BY_ONE");
  if (page !== null && page.rows.length > 0) return true;
  const failure = firstGap(answers)?.failure;
  if (failure) throw failure;
  return false;
}

/** The sum of lists that were read and of those before them, which are only read when the total is asked for. */
function totalOfAll<T>(read: readonly Answer<Page<T>>[], before: readonly Segment<T>[]): Page<T>["total"] {
  const counted = sumOf(pagesIn(read));
  if (before.length === 0 || counted === null) return counted;
  return async () => {
    const others = await Promise.all(before.map((segment) => segment.read({ first: 1, after: null })));
    const failure = firstGap(others)?.failure;
    if (failure) throw failure;
    const rest = sumOf(pagesIn(others));
    return rest === null ? null : counted + rest;
  };
}

function pagesIn<T>(answers: readonly Answer<Page<T>>[]): readonly Page<T>[] {
  return answers.flatMap((answer) => (answer.kind === "FOUND" ? answer.value : []));
}

function sumOf(pages: readonly Page<unknown>[]): number | null {
  let sum = 0;
  for (const { total } of pages) {
    if (typeof total !== "number") return null;
    sum += total;
  }
  return sum;
}
