import type { GraphQLResolveInfo } from "graphql";
import { type Answer, mapAnswer } from "../../backends/answers.ts";
import { mapPage, type Page, type PageRequest, type Position } from "../../model/backend.ts";
import type { Package, Version } from "../../model/package.ts";
import type { Release } from "../../model/release.ts";
import type { ArtifactNode } from "../artifact/artifact.ts";
import { outcomeIn, pathOf, reportHere, type SourceParent } from "../artifact/outcome.ts";
import type { PackageFileParent } from "../artifact/seeds.ts";
import type { Context } from "../context.ts";
import { badInput, droppedRowError, noAnswer } from "../errors.ts";
import { parseCursor, printCursor, type Seal } from "../identity/opaque.ts";

/** A Relay connection whose parts are made when selected: cursors cost a hash each, totals perhaps a call. */
export interface Connection<T> {
  readonly edges: () => readonly { readonly cursor: string; readonly node: T }[];
  readonly nodes: readonly T[];
  readonly pageInfo: () => {
    readonly hasNextPage: boolean | Promise<boolean>;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  readonly totalCount: number | null | (() => Promise<number | null>);
  readonly sources: readonly SourceParent[];
}

export type ReleaseConnectionParent = Connection<Release>;
export type ArtifactConnectionParent = Connection<ArtifactNode>;
export type PackageConnectionParent = Connection<Package>;
export type VersionConnectionParent = Connection<Version>;
export type PackageFileConnectionParent = Connection<PackageFileParent>;

/** Arguments of every connection field; explicit nulls mean the defaults. */
export interface WindowArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
}

/** Which list a cursor belongs to: the backend, and anything JSON that tells its lists apart. */
export interface ListKey {
  readonly backend: string;
  readonly filter: unknown;
}

/** Default and largest page. */
const pageSizes = { default: 20, most: 100 } as const;

/**
 * The window a caller asks for; throws BAD_USER_INPUT or BAD_CURSOR. `context` is that of the caller: where rules hide
 * rows, only cursors that were sealed here are believed.
 */
export function windowOf(
  { first, after }: WindowArguments,
  list: ListKey,
  context: Context | null = null,
): PageRequest {
  const seal = context && sealFor(context);
  return {
    first: checkedFirst(first),
    after: after === null || after === undefined ? null : parseCursor(after, list.backend, list.filter, seal),
  };
}

/** What cursors of this caller are sealed with; null for those who may see every row there is. */
function sealFor({ caller, seal }: Context): Seal | null {
  return caller.access === null ? null : seal;
}

/** `first` within its bounds, the default for null; throws BAD_USER_INPUT. */
export function checkedFirst(first: number | null | undefined): number {
  const wanted = first ?? pageSizes.default;
  if (wanted < 1 || wanted > pageSizes.most) {
    throw badInput("BAD_USER_INPUT", `"first" must be between 1 and ${pageSizes.most}.`);
  }
  return wanted;
}

/** Reads the page that a caller asks for, as a connection. Throws as {@link windowOf} and {@link toConnection}. */
export async function connect<T>(
  context: Context,
  info: GraphQLResolveInfo,
  list: ListKey,
  args: WindowArguments,
  read: (request: PageRequest) => Promise<Answer<Page<T>>>,
): Promise<Connection<T>> {
  const request = windowOf(args, list, context);
  return toConnection(context, info, await read(request), list, request);
}

/** As {@link connect}, each row made into a node. */
export async function connectAs<T, N>(
  context: Context,
  info: GraphQLResolveInfo,
  list: ListKey,
  args: WindowArguments,
  read: (request: PageRequest) => Promise<Answer<Page<T>>>,
  toNode: (value: T, page: Page<T>) => N,
): Promise<Connection<N>> {
  const request = windowOf(args, list, context);
  const answer = mapAnswer(await read(request), (page) => mapPage(page, (value) => toNode(value, page)));
  return toConnection(context, info, answer, list, request);
}

/**
 * A backend's answer as a connection: an empty one whose source says ABSENT where there is no such place. What may be
 * missing from a page, and rows that could not be read, are reported at the field's place. Throws where the answer is
 * unknown.
 */
export function toConnection<T>(
  context: Context,
  info: GraphQLResolveInfo,
  answer: Answer<Page<T>>,
  list: ListKey,
  request: PageRequest,
): Connection<T> {
  if (answer.kind === "UNKNOWN") throw noAnswer(list.backend, answer);
  const { source, value, error } = outcomeIn(list.backend, answer, ({ origin }) => origin);
  const page = value ?? nowhere;
  // Rows that are reported one by one are not reported again as a whole.
  const isReported = answer.kind === "FOUND" && answer.gap?.reason === "LOST_ROWS" && page.dropped.length > 0;
  if (error && !isReported) reportHere(context, info, error);
  reportDropped(context, info, list.backend, page.dropped);
  const seal = sealFor(context);
  const cursorOf = (position: Position) => printCursor(list.backend, list.filter, position, seal);
  const cursor = (index: number) => {
    const row = page.rows.at(index);
    return row ? cursorOf(row.position) : null;
  };
  return {
    edges: () => page.rows.map(({ value, position }) => ({ node: value, cursor: cursorOf(position) })),
    nodes: page.rows.map(({ value }) => value),
    pageInfo: () => ({
      hasNextPage: page.confirmNext?.() ?? page.hasNext,
      hasPreviousPage: request.after !== null,
      startCursor: cursor(0),
      endCursor: cursor(-1),
    }),
    totalCount: page.total,
    sources: [page.dropped.length > 0 ? { ...source, status: "PARTIAL" } : source],
  };
}

/** The page of a place that does not exist. */
const nowhere: Omit<Page<never>, "origin"> = { rows: [], dropped: [], total: 0, hasNext: false };

/** Tells of rows left out, in `errors`, at the field that is being resolved. */
export function reportDropped(
  context: Context,
  info: GraphQLResolveInfo,
  backend: string,
  dropped: Page<unknown>["dropped"],
): void {
  const path = pathOf(info);
  for (let index = 0; index < dropped.length; index++) {
    const row = dropped[index];
    if (!row || context.report(droppedRowError(backend, row, path))) continue;
    // The answer is full: the others are only counted.
    const [next, rest] = [dropped[index + 1], dropped.length - index - 1];
    if (next) context.report(droppedRowError(backend, next, path), rest);
    return;
  }
}
