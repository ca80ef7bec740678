import type { z } from "zod";
import type { DroppedRow, Origin, Page, PageRequest } from "../../model/backend.ts";
import type { Upstream } from "../../upstream/client.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Call, Operation, PathParts, Query, RawReply, Reply } from "../../upstream/operation.ts";
import {
  type Absent,
  type Answer,
  absent,
  absentIfNotFound,
  type Found,
  firstGap,
  found,
  mapAnswer,
  type Unknown,
  unknown,
} from "../answers.ts";
import { type Rows, readOne, readRows } from "../loading/decode.ts";
import { type Loader, single } from "../loading/loader.ts";
import { type Bounds, collect } from "../paging/collect.ts";
import { type PageAtCursor, type PageSource, rangeOf, type UpstreamPage } from "../paging/source.ts";
import { sliceWindow } from "../paging/window.ts";
import { isUnpublished, type Region } from "./dialect.ts";
import { encodedPart, type PackageName, withDollars } from "./keys.ts";
import * as operations from "./operations.ts";
import * as payload from "./payload.ts";
import { mostNamespaces } from "./prices.ts";

/** A row with the origin of the answer that it was read from. */
export type Sourced<T> = T & { readonly origin: Origin };

/** Rows `offset` to `offset + limit - 1`. The server rejects one of the two without the other. */
export interface RowSlice {
  readonly limit: number;
  readonly offset: number;
}

/** Order of pushes. */
export type PushOrder = "ASC" | "DESC";

/** Tags in order of pushes, in order of names (which pushes do not disturb), or in any order. */
export type TagOrder = PushOrder | "NAME" | "ANY";

/** The largest page of repositories or tags. */
export const largestPage = 1000;

/**
 * The calls of one request. All reject with an UpstreamError; `.` or `..` as a path part is a RangeError. The three
 * package lists are not paged: their slice is for servers that cut them and say so.
 */
export class SwrClient {
  readonly #upstream: Upstream;
  readonly #region: Region;
  readonly #call: Call;

  constructor(upstream: Upstream, region: Region, call: Call) {
    this.#upstream = upstream;
    this.#region = region;
    this.#call = call;
  }

  /** Includes the namespaces in which only single repositories are visible. */
  listNamespaces() {
    const decode = ({ body }: RawReply, operation: Operation) =>
      readRows(payload.namespaceRow, readOne(payload.namespaceList, body).namespaces, operation);
    const query = { filter: "mode::visible" };
    return this.#upstream.call(operations.listNamespaces, { query, decode }, this.#call).then(pageOf);
  }

  /** Rejects with NOT_FOUND where there is none; its fields are not read. */
  async getNamespace(namespace: string): Promise<void> {
    await this.#upstream.call(operations.getNamespace, { parts: { namespace }, decode: () => null }, this.#call);
  }

  /** Null as `namespace` asks for every namespace that is visible. */
  listPackages(namespace: string | null, slice: RowSlice | null) {
    const query = { namespace: namespace ?? undefined, ...slice };
    return this.#packageList(operations.listPackages, payload.packageRow, {}, query);
  }

  listVersions({ namespace, name }: PackageName, slice: RowSlice | null) {
    const parts = { namespace, package: encodedPart(name) };
    return this.#packageList(operations.listVersions, payload.versionRow, parts, { ...slice });
  }

  listFiles({ namespace, name }: PackageName, version: string, slice: RowSlice | null) {
    const parts = { namespace, package: encodedPart(name), version: encodedPart(version) };
    return this.#packageList(operations.listFiles, payload.fileRow, parts, { ...slice });
  }

  /** In order of names where `inOrder`; `part` is text that the path contains. */
  async listRepositories(namespace: string, part: string | null, inOrder: boolean, slice: RowSlice) {
    const order = inOrder ? { order_column: "name", order_type: "asc" } : {};
    const query = { namespace, name: part === null ? undefined : withDollars(part), ...slice, ...order };
    const page = await this.#list(operations.listRepositories, payload.repositoryRow, {}, query);
    return { ...page, total: page.total ?? page.rows[0]?.total_range ?? null };
  }

  getRepository(repository: PackageName) {
    return this.#row(operations.getRepository, payload.repositoryDetail, partsOf(repository));
  }

  /** `tag` is a filter that may be fuzzy, and may be ignored. */
  listTags(repository: PackageName, order: TagOrder, slice: RowSlice, tag?: string) {
    const query = { tag, ...slice, ...tagOrder(order) };
    return this.#list(operations.listTags, payload.tagRow, partsOf(repository), query);
  }

  getTag(repository: PackageName, tag: string) {
    return this.#row(operations.getTag, payload.tagRow, { ...partsOf(repository), tag });
  }

  /** The empty `marker` asks for the first page. A server that repeats itself may answer with the same marker. */
  async listTagsByMarker(
    repository: PackageName,
    order: TagOrder,
    marker: string,
    limit: number,
  ): Promise<PageAtCursor<Sourced<payload.TagRow>>> {
    const query = { limit, marker: marker || undefined, with_manifest: false, ...tagOrder(order) };
    const decode = ({ body }: RawReply, operation: Operation) => {
      const page = readOne(payload.tagPage, body);
      return { ...readRows(payload.tagRow, page.tags, operation), next: nextMarker(page) };
    };
    const request = { parts: partsOf(repository), query, decode };
    const reply = await this.#upstream.call(operations.listTagsByMarker, request, this.#call);
    return { ...pageOf(reply), next: reply.value.next, size: limit };
  }

  #list<S extends z.ZodType<object>>(operation: Operation, schema: S, parts: PathParts, query: Query) {
    const decode = ({ body }: RawReply): Rows<z.output<S>> => readRows(schema, body, operation);
    return this.#upstream.call(operation, { parts, query, decode }, this.#call).then(pageOf);
  }

  /** Reads a list of the package API. Where the region is known to lack it, rejects without a call, `status` null. */
  async #packageList<S extends z.ZodType<object>>(operation: Operation, schema: S, parts: PathParts, query: Query) {
    const { backend, lacksPackages } = this.#region;
    const code = lacksPackages.get();
    if (code !== null) {
      const reason = "the region publishes no software package API";
      throw new UpstreamError("REJECTED", { backend, operation: operation.name, code, retryable: false, reason });
    }
    try {
      return await this.#list(operation, schema, parts, query);
    } catch (error) {
      if (isUnpublished(error) && error.code !== null) lacksPackages.set(error.code);
      throw error;
    }
  }

  #row<S extends z.ZodType<object>>(operation: Operation, schema: S, parts: PathParts): Promise<Sourced<z.output<S>>> {
    const decode = ({ body }: RawReply): z.output<S> => readOne(schema, body);
    const reply = this.#upstream.call(operation, { parts, decode }, this.#call);
    return reply.then(({ value, origin }) => Object.assign(value, { origin }));
  }
}

/**
 * Reads SWR's `Content-Range`, `start-count/total`: the middle number counts the rows of this page, unlike RFC 9110's.
 * Null when it is absent or not of that form.
 */
export function readContentRange(value: string | null): { start: number; count: number; total: number } | null {
  const match = /^(\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(value?.trim() ?? "");
  return match ? { start: Number(match[1]), count: Number(match[2]), total: Number(match[3]) } : null;
}

function pageOf<T extends object>({ value, header, origin }: Reply<Rows<T>>): UpstreamPage<Sourced<T>> {
  const source = { origin };
  // Each reader has rows of its own, so they can be extended in place.
  const rows = value.rows.map((row) => Object.assign(row, source));
  const { dropped, count } = value;
  return { rows, dropped, count, origin, total: readContentRange(header("content-range"))?.total ?? null };
}

function partsOf({ namespace, name }: PackageName) {
  return { namespace, repository: withDollars(name) };
}

function tagOrder(order: TagOrder) {
  if (order === "ANY") return {};
  if (order === "NAME") return { order_column: "tag", order_type: "asc" };
  return { order_column: "updated_at", order_type: order.toLowerCase() };
}

function nextMarker(page: z.output<typeof payload.tagPage>): string | null {
  const next = page.nextMarker ?? page.next_marker ?? null;
  return next === null || next === "" || page.has_more === false ? null : String(next);
}

/** What a request's readers work with. */
export interface Access {
  /** Configured name of the backend. */
  readonly backend: string;
  /** Address of the API. */
  readonly base: string;
  readonly hosts: readonly string[];
  readonly client: SwrClient;
  readonly region: Region;
  readonly namespaces: Namespaces;
  readonly call: Call;
}

/** The namespaces that a search looks into. */
export interface Searched {
  readonly namespaces: readonly string[];
  /** Rows that could not be read: a thing that is not found may be in one of these. */
  readonly dropped: readonly DroppedRow[];
}

/** The namespaces of one request; equal reads are one call. */
export class Namespaces {
  /** Those that the configuration names. */
  readonly configured: readonly string[];
  readonly #region: Region;
  readonly #visible: Loader<"visible", Answer<Searched>>;
  readonly #existing: Loader<string, Answer<true>>;

  constructor({ backend, client, region, call }: Omit<Access, "namespaces">, configured: readonly string[]) {
    this.configured = configured;
    this.#region = region;
    this.#visible = single<"visible", Answer<Searched>>(
      (which) => which,
      async () => {
        const { rows, dropped, count } = await client.listNamespaces();
        if (count > mostNamespaces) return unknown("NOT_CONFIGURED");
        if (count === 0) return absent(operations.listNamespaces, "WHOLE_LIST");
        const namespaces = [...new Set(rows.map(({ name }) => name))];
        return found({ namespaces, dropped }, dropped.length > 0 ? unknown("LOST_ROWS") : null);
      },
      { call, backend, operation: operations.listNamespaces.name },
    );
    this.#existing = single(
      (namespace) => namespace,
      (namespace) => {
        const read = client.getNamespace(namespace).then((): Answer<true> => {
          region.setNonEmpty(namespace);
          return found(true);
        });
        return absentIfNotFound(read, absent(operations.getNamespace, "KEYED_READ"));
      },
      { call, backend, operation: operations.getNamespace.name },
    );
  }

  /** The one that a search is limited to, else those configured, else the visible; unknown where these are too many. */
  async searched(scope: string | null = null): Promise<Answer<Searched>> {
    if (scope !== null) return found({ namespaces: [scope], dropped: [] });
    return this.configured.length > 0
      ? found({ namespaces: this.configured, dropped: [] })
      : this.#visible.load("visible");
  }

  /**
   * What it means that nothing was found in these namespaces: `whenThere` where one exists, else that none does.
   * The server answers `[]` for a missing or forbidden namespace as for an empty one, so each is read unless one of its
   * lists had rows of late.
   */
  async emptied<T>(namespaces: readonly string[], whenThere: Answer<T>): Promise<Answer<T>> {
    const answers = await Promise.all(
      namespaces.map(async (one): Promise<Answer<true>> => {
        return this.#region.isNonEmpty(one) ? found(true) : this.#existing.load(one);
      }),
    );
    const gap = firstGap(answers);
    if (gap !== null) return gap;
    const missing = answers.find((answer) => answer.kind === "ABSENT");
    return missing && answers.every(({ kind }) => kind === "ABSENT") ? missing : whenThere;
  }
}

/**
 * A list from its first row to its last. Its answer has a gap where rows could not be read, or fewer came than were
 * announced: then a missing row proves nothing.
 */
export interface Listed<T> {
  readonly rows: readonly T[];
  readonly dropped: readonly DroppedRow[];
  readonly origin: Origin;
}

/** Reads a list of pages whole. */
export async function readAll<T>(source: PageSource<T>, bounds?: Bounds<T>): Promise<Answer<Listed<T>>> {
  const list = await collect(source, bounds);
  return found(list, list.isWhole ? null : unknown("LOST_ROWS"));
}

/**
 * Reads a list that the server is not asked to page. Where a server cuts it and says so, the rest is read in pages of
 * the size that it chose.
 */
export async function readUnpaged<T>(
  fetch: (slice: RowSlice | null) => Promise<UpstreamPage<T>>,
  identity: (row: T) => string,
): Promise<Answer<Listed<T>>> {
  const first = await fetch(null);
  const { count, total } = first;
  const isCut = total !== null && count > 0 && count < total;
  const size = isCut ? count : count + 1;
  const source = {
    fetch: (page: number, limit: number) => fetch({ limit, offset: page * limit }),
    identity,
    maxSize: size,
  };
  return readAll(source, { head: rangeOf(source, first, 0), mostPages: isCut ? mostPages : 1 });
}

/** A bound for servers that cut a list to a few rows. */
const mostPages = 1000;

/** One row of a list; what the list does not have is absent only where nothing is missing from it. */
export function pick<T>(list: Answer<Listed<T>>, isMeant: (row: T) => boolean, absence: Absent): Answer<T> {
  if (list.kind !== "FOUND") return list;
  const row = list.value.rows.find(isMeant);
  return row === undefined ? (list.gap ?? absence) : found(row);
}

/** A window over a list; counted only where the list has no gap. */
export function windowOf<T>(
  list: Answer<Listed<T>>,
  request: PageRequest,
  identity: (row: T) => string,
): Answer<Page<T>> {
  return mapAnswer(list, (whole) => {
    const window = sliceWindow(request, whole.rows, identity, whole);
    return list.kind === "FOUND" && list.gap === null ? window : { ...window, total: null };
  });
}

/** Whether a list was read from its start and has no row, readable or not. */
export function isEmptyStart<T>(answer: Answer<Page<T>>, { after }: PageRequest): answer is Found<Page<T>> {
  return answer.kind === "FOUND" && after === null && answer.value.rows.length + answer.value.dropped.length === 0;
}

/** The answer to a question whose keys had a gap: a value is sure, an absence is not. */
export function withGap<T>(answer: Answer<T>, gap: Unknown | null): Answer<T> {
  if (gap === null) return answer;
  return answer.kind === "FOUND" ? found(answer.value, answer.gap ?? gap) : gap;
}

/** Order of code units: the same everywhere, and stable from one page to the next. */
export function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
