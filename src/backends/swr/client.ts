import type { z } from "zod";
import type { DroppedRow, Origin } from "../../model/backend.ts";
import type { RawReply, Reply, Upstream } from "../../upstream/client.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Call, Operation, PathParts, Query } from "../../upstream/operation.ts";
import { type Answer, absent, absentIfNotFound, firstGap, found, unknown } from "../answers.ts";
import { type Rows, readOne, readRows } from "../loading/decode.ts";
import { type Loader, single } from "../loading/loader.ts";
import { isUnpublished, type Region } from "./dialect.ts";
import { encodedPart, type PackageName, type RepositoryName, withDollars } from "./keys.ts";
import {
  getNamespace,
  getRepository,
  getTag,
  listFiles,
  listNamespaces,
  listPackages,
  listRepositories,
  listTags,
  listTagsByMarker,
  listVersions,
} from "./operations.ts";
import {
  type FileRow,
  fileRow,
  type NamespaceRow,
  namespaceList,
  namespaceRow,
  type PackageRow,
  packageRow,
  type RepositoryDetail,
  type RepositoryRow,
  repositoryDetail,
  repositoryRow,
  type TagRow,
  tagPage,
  tagRow,
  type VersionRow,
  versionRow,
} from "./payload.ts";
import { mostNamespaces } from "./prices.ts";

/** Rows of one answer, with its origin and what it says of the whole list. */
export interface Listing<T> extends Rows<T> {
  readonly origin: Origin;
  /** Rows of the whole list, null where the server does not say. */
  readonly total: number | null;
}

/** A page of a list that is read by marker. */
export interface MarkedListing<T> extends Listing<T> {
  /** Null on the last page. A server that repeats itself may answer with the marker that it was asked with. */
  readonly next: string | null;
}

/** One row with its origin. */
export interface Sourced<T> {
  readonly row: T;
  readonly origin: Origin;
}

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
  listNamespaces(): Promise<Listing<NamespaceRow>> {
    const decode = ({ body }: RawReply, operation: Operation) =>
      readRows(namespaceRow, readOne(namespaceList, body).namespaces, operation);
    const query = { filter: "mode::visible" };
    return this.#upstream.call(listNamespaces, { query, decode }, this.#call).then(listing);
  }

  /** Rejects with NOT_FOUND where there is none; its fields are not read. */
  async getNamespace(namespace: string): Promise<void> {
    await this.#upstream.call(getNamespace, { parts: { namespace }, decode: () => null }, this.#call);
  }

  /** Null as `namespace` asks for every namespace that is visible. */
  listPackages(namespace: string | null, slice: RowSlice | null): Promise<Listing<PackageRow>> {
    const query = { namespace: namespace ?? undefined, ...slice };
    return this.#packageList(listPackages, packageRow, {}, query);
  }

  listVersions({ namespace, raw }: PackageName, slice: RowSlice | null): Promise<Listing<VersionRow>> {
    return this.#packageList(listVersions, versionRow, { namespace, package: encodedPart(raw) }, { ...slice });
  }

  listFiles({ namespace, raw }: PackageName, version: string, slice: RowSlice | null): Promise<Listing<FileRow>> {
    const parts = { namespace, package: encodedPart(raw), version: encodedPart(version) };
    return this.#packageList(listFiles, fileRow, parts, { ...slice });
  }

  /** In order of names where `inOrder`; `part` is text that the path contains. */
  async listRepositories(
    namespace: string,
    part: string | null,
    inOrder: boolean,
    slice: RowSlice,
  ): Promise<Listing<RepositoryRow>> {
    const name = part === null ? undefined : withDollars(part);
    const order = inOrder ? { order_column: "name", order_type: "asc" } : {};
    const query = { namespace, name, ...slice, ...order };
    const answer = await this.#list(listRepositories, repositoryRow, {}, query);
    return { ...answer, total: answer.total ?? answer.rows[0]?.total_range ?? null };
  }

  getRepository(name: RepositoryName): Promise<Sourced<RepositoryDetail>> {
    return this.#row(getRepository, repositoryDetail, partsOf(name));
  }

  /** `tag` is a filter that may be fuzzy, and may be ignored. */
  listTags(name: RepositoryName, order: TagOrder, slice: RowSlice, tag?: string): Promise<Listing<TagRow>> {
    return this.#list(listTags, tagRow, partsOf(name), { tag, ...slice, ...tagOrder(order) });
  }

  getTag(name: RepositoryName, tag: string): Promise<Sourced<TagRow>> {
    return this.#row(getTag, tagRow, { ...partsOf(name), tag });
  }

  /** Null as `marker` asks for the first page. */
  async listTagsByMarker(
    name: RepositoryName,
    order: TagOrder,
    limit: number,
    marker: string | null,
  ): Promise<MarkedListing<TagRow>> {
    const query = { limit, marker: marker ?? undefined, with_manifest: false, ...tagOrder(order) };
    const decode = ({ body }: RawReply, operation: Operation) => {
      const page = readOne(tagPage, body);
      return { ...readRows(tagRow, page.tags, operation), next: nextMarker(page) };
    };
    const request = { parts: partsOf(name), query, decode };
    const { value, origin } = await this.#upstream.call(listTagsByMarker, request, this.#call);
    return { ...value, origin, total: null };
  }

  #list<S extends z.ZodType>(operation: Operation, schema: S, parts: PathParts, query: Query) {
    const decode = ({ body }: RawReply): Rows<z.output<S>> => readRows(schema, body, operation);
    return this.#upstream.call(operation, { parts, query, decode }, this.#call).then(listing);
  }

  /** Reads a list of the package API. Where the region is known to lack it, rejects without a call, `status` null. */
  async #packageList<S extends z.ZodType>(operation: Operation, schema: S, parts: PathParts, query: Query) {
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

  #row<S extends z.ZodType>(operation: Operation, schema: S, parts: PathParts): Promise<Sourced<z.output<S>>> {
    const decode = ({ body }: RawReply): z.output<S> => readOne(schema, body);
    const reply = this.#upstream.call(operation, { parts, decode }, this.#call);
    return reply.then(({ value, origin }) => ({ row: value, origin }));
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

function listing<T>({ value, header, origin }: Reply<Rows<T>>): Listing<T> {
  return { ...value, origin, total: readContentRange(header("content-range"))?.total ?? null };
}

function partsOf({ namespace, path }: RepositoryName) {
  return { namespace, repository: withDollars(path) };
}

function tagOrder(order: TagOrder) {
  if (order === "ANY") return {};
  if (order === "NAME") return { order_column: "tag", order_type: "asc" };
  return { order_column: "updated_at", order_type: order.toLowerCase() };
}

function nextMarker(page: z.output<typeof tagPage>): string | null {
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
  readonly #visible: Loader<null, Answer<Searched>>;
  readonly #existing: Loader<string, Answer<true>>;

  constructor({ backend, client, region, call }: Omit<Access, "namespaces">, configured: readonly string[]) {
    this.configured = configured;
    this.#region = region;
    this.#visible = single<null, Answer<Searched>>(
      () => "",
      async () => {
        const { rows, dropped, count } = await client.listNamespaces();
        if (count > mostNamespaces) return unknown("NOT_CONFIGURED");
        if (count === 0) return absent(listNamespaces, "WHOLE_LIST");
        const namespaces = [...new Set(rows.map(({ name }) => name))];
        return found({ namespaces, dropped }, dropped.length > 0 ? unknown("LOST_ROWS") : null);
      },
      { call, backend, operation: listNamespaces.name },
    );
    this.#existing = single(
      (namespace) => namespace,
      (namespace) => {
        const read = client.getNamespace(namespace).then((): Answer<true> => {
          region.setNonEmpty(namespace);
          return found(true);
        });
        return absentIfNotFound(read, absent(getNamespace, "KEYED_READ"));
      },
      { call, backend, operation: getNamespace.name },
    );
  }

  /** The one that a search is limited to, else those configured, else the visible; unknown where these are too many. */
  async searched(scope: string | null = null): Promise<Answer<Searched>> {
    if (scope !== null) return found({ namespaces: [scope], dropped: [] });
    return this.configured.length > 0 ? found({ namespaces: this.configured, dropped: [] }) : this.#visible.load(null);
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
