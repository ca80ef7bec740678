import type { DemoReply, DemoRequest, DemoServer } from "../../demo/server.ts";
import type { Answer } from "../../src/backends/answers.ts";
import type { Backend, Readers } from "../../src/backends/backend.ts";
import type { BackendKind, Page, PageRequest, Position } from "../../src/model/backend.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import { valueIn } from "./answers.ts";

/** A key that many of its kind are asked for together with. */
export interface Key {
  /** What the answer and the row of the answer call it. */
  readonly name: string;
  readonly load: (readers: Readers) => Promise<Answer<unknown>>;
}

/** What one kind of backend has to show to pass the suite that all of them pass. */
export interface Subject {
  readonly kind: Lowercase<BackendKind>;
  readonly serve: () => Promise<DemoServer>;
  /** Opens the backend; `settings` are put over the usual ones. */
  readonly connect: (url: string, settings?: Readonly<Record<string, unknown>>) => Backend;
  /** Settings with a credential that nobody knows. */
  readonly stranger: Readonly<Record<string, unknown>>;
  /** Something that is there. */
  readonly present: (readers: Readers) => Promise<Answer<unknown>>;
  /** Something that is not there, in a place that is. */
  readonly absent: (readers: Readers) => Promise<Answer<unknown>>;
  /** A list of a place that is not there. */
  readonly nowhere: (readers: Readers) => Promise<Answer<Page<unknown>>>;
  /** Every question that can be answered by "there is none", asked of what is not there. */
  readonly missing: readonly Missing[];
  /** Keys that share calls where the vendor allows it, with the names that their rows have. */
  readonly many: readonly Key[];
  readonly nameOf: (value: unknown) => string;
  /** A key in another place, and how to tell its calls from those of the others. */
  readonly apart: { readonly key: Key; readonly isAsked: (request: DemoRequest) => boolean };
  /** Rows of an answer, wherever this vendor keeps them; the answer as it is where it holds none. */
  readonly withRows: (reply: DemoReply, change: (rows: readonly unknown[]) => readonly unknown[]) => DemoReply;
  readonly nameOfRow: (row: unknown) => string;
  readonly list: MadeUpList;
}

/** A question about something that is not there, by the name of the reader's method. */
export type Missing = readonly [what: string, ask: (readers: Readers) => Promise<Answer<unknown>>];

/** A list walk, and how its server would speak of rows that somebody made up. */
export interface MadeUpList {
  readonly read: (readers: Readers, request: PageRequest) => Promise<Answer<Page<unknown>>>;
  /** The number a row was made of, from the value that it became. */
  readonly numberOf: (value: unknown) => number;
  /** Higher numbers are older, or further behind in the order of the list. */
  readonly row: (number: number) => unknown;
  /** Which stretch of the list a request asks for; null when it asks for something else. */
  readonly stretchOf: (request: DemoRequest) => { readonly offset: number; readonly limit: number } | null;
  readonly answer: (
    rows: readonly unknown[],
    page: { readonly total: number; readonly offset: number; readonly limit: number },
  ) => DemoReply;
}

/** A tamper that answers the list from these rows, cut as the vendor cuts. */
export function playing(list: MadeUpList, rows: () => readonly unknown[]) {
  return (reply: DemoReply, request: DemoRequest): DemoReply => {
    const stretch = list.stretchOf(request);
    if (stretch === null) return reply;
    const all = rows();
    return list.answer(all.slice(stretch.offset, stretch.offset + stretch.limit), { total: all.length, ...stretch });
  };
}

/** Every value of a list by windows of `first`, with how many rows were told as left out. `between` runs after each. */
export async function walk(
  read: (request: PageRequest) => Promise<Answer<Page<unknown>>>,
  first: number,
  between: () => void = () => undefined,
): Promise<{ readonly values: readonly unknown[]; readonly dropped: Page<unknown>["dropped"] }> {
  const values: unknown[] = [];
  const dropped: Page<unknown>["dropped"][number][] = [];
  let after: Position | null = null;
  for (let windows = 0; windows < 300; windows++) {
    const page: Page<unknown> = need(valueIn(await read({ first, after })));
    values.push(...page.rows.map(({ value }) => value));
    dropped.push(...page.dropped);
    if (!page.hasNext) return { values, dropped };
    after = JSON.parse(JSON.stringify(page.rows.at(-1)?.position ?? null));
    between();
  }
  throw new Error("the list does not end");
}

/** What a promise was rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<UpstreamError> {
  const outcome = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (outcome instanceof UpstreamError) return outcome;
  throw new Error("expected an UpstreamError", { cause: outcome });
}

/** One field of an object of any shape. */
export function field(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>((one, name) => new Map(Object.entries(Object(one))).get(name), value);
}

/** The value, which the test could not go on without. */
export function need<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("expected a value");
  return value;
}
