import type { GraphQLResolveInfo } from "graphql";
import type { Answer } from "../backends/answers.ts";
import type { Package, Version } from "../model/package.ts";
import type { Page, PageRequest } from "../model/page.ts";
import type { Release } from "../model/release.ts";
import type { ArtifactNode } from "./artifact.ts";
import type { Context } from "./context.ts";
import { badInput, droppedRowError, noAnswer, toGraphQLError } from "./errors.ts";
import { parseCursor, printCursor } from "./opaque.ts";
import { outcomeIn, plain, type SourceParent } from "./outcome.ts";
import type { PackageFileParent } from "./package-file.ts";
import { pathOf } from "./selection.ts";

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

/** The window a caller asks for; throws BAD_USER_INPUT or BAD_CURSOR. */
export function windowOf({ first, after }: WindowArguments, list: ListKey): PageRequest {
  return {
    first: checkedFirst(first),
    after: after === null || after === undefined ? null : parseCursor(after, list.backend, list.filter),
  };
}

/** `first` within its bounds, the default for null; throws BAD_USER_INPUT. */
export function checkedFirst(first: number | null | undefined): number {
  const wanted = first ?? pageSizes.default;
  if (wanted < 1 || wanted > pageSizes.most) {
    throw badInput("BAD_USER_INPUT", `"first" must be between 1 and ${pageSizes.most}.`);
  }
  return wanted;
}

/**
 * A backend's answer as a connection: an empty one whose source says ABSENT where there is no such place. What may be
 * missing from a page, and rows that could not be read, are reported at the field's place. Throws where nobody could say.
 */
export function toConnection<T>(
  context: Context,
  info: GraphQLResolveInfo,
  answer: Answer<Page<T>>,
  list: ListKey,
  request: PageRequest,
): Connection<T> {
  if (answer.kind === "UNKNOWN") throw noAnswer(list.backend, answer);
  if (answer.kind === "ABSENT") return nowhere(list.backend, request);
  const { source, error } = outcomeIn(list.backend, answer, ({ origin }) => origin);
  const page = answer.value;
  // Rows that are told of one by one are not told of again as a whole.
  const isTold = answer.gap?.reason === "LOST_ROWS" && page.dropped.length > 0;
  if (error && !isTold) context.report(toGraphQLError(error, pathOf(info)));
  reportDropped(context, info, list.backend, page.dropped);
  const cursor = (index: number) => {
    const row = page.rows.at(index);
    return row ? printCursor(list.backend, list.filter, row.position) : null;
  };
  return {
    edges: () =>
      page.rows.map(({ value, position }) => ({
        node: value,
        cursor: printCursor(list.backend, list.filter, position),
      })),
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

/** The connection of a place that does not exist. */
function nowhere<T>(backend: string, request: PageRequest): Connection<T> {
  return {
    edges: () => [],
    nodes: [],
    pageInfo: () => ({
      hasNextPage: false,
      hasPreviousPage: request.after !== null,
      startCursor: null,
      endCursor: null,
    }),
    totalCount: 0,
    sources: [plain(backend, "ABSENT")],
  };
}

/** Tells of rows left out, in `errors`, at the field that is being resolved. */
export function reportDropped(
  context: Context,
  info: GraphQLResolveInfo,
  backend: string,
  dropped: Page<unknown>["dropped"],
): void {
  for (const row of dropped) context.report(droppedRowError(backend, row, pathOf(info)));
}
