import type { z } from "zod";
import type { Origin } from "../../model/backend.ts";
import type { Call } from "../../upstream/call.ts";
import type { RawReply, Reply, Upstream } from "../../upstream/client.ts";
import type { Operation } from "../../upstream/operation.ts";
import { type Rows, readOne, readRows } from "../decode.ts";
import { issueToken } from "./identity-service.ts";
import { wirePart, withDollars } from "./names.ts";
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

/** Not paged; with `mode::visible` every organization comes in which anything may be seen. */
export const listNamespaces = {
  name: "swr.listNamespaces",
  method: "GET",
  path: "/v2/manage/namespaces",
  answers: "every organization that is visible, where the configuration names none",
  versions: "basic edition, v2",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Tells an organization that holds nothing from one that there is none of (404) or that may not be seen (403). */
export const getNamespace = {
  name: "swr.getNamespace",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}",
  answers: "whether one organization is there; asked only where its lists were empty",
  versions: "basic edition, v2",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/**
 * Not paged, and a plain list of what these credentials may see. `[]` comes for an organization that may not be seen as well:
 * an empty list proves nothing of it without `getNamespace`.
 */
export const listPackages = {
  name: "swr.listPackages",
  method: "GET",
  path: "/v2/manage/packages",
  answers: "every software package of one organization, or of all that are visible",
  versions: "regions with the software package API",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Not paged. What it says of a package that the list of packages names is no proof: that list is asked as well. */
export const listVersions = {
  name: "swr.listVersions",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/packages/{package}/versions",
  answers: "every version of one software package, and so the newest and any one by name",
  versions: "regions with the software package API",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Not paged. */
export const listFiles = {
  name: "swr.listFiles",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/packages/{package}/versions/{version}/file_paths",
  answers: "every file of one version of a software package",
  versions: "regions with the software package API",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/**
 * `name` is documented as "contains": with it the list answers at least all repositories of the organization whose path
 * contains the text. Repositories that another account shared are in neither; only `getRepository` reads them.
 */
export const listRepositories = {
  name: "swr.listRepositories",
  method: "GET",
  path: "/v2/manage/repos",
  answers: "up to 1000 image repositories of one organization",
  versions: "basic edition, v2",
  proves: ["WHOLE_LIST", "COMPLETE_FILTER"],
} as const satisfies Operation;

/** Reads shared and public repositories too, which no list of the organization holds. */
export const getRepository = {
  name: "swr.getRepository",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/repos/{repository}",
  answers: "one image repository",
  versions: "basic edition, v2",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Every tag, whatever its kind; there are no rights below those to the repository. */
export const listTags = {
  name: "swr.listTags",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/repos/{repository}/tags",
  answers: "up to 1000 tags of one image repository, and so any of them by name or digest",
  versions: "basic edition, v2",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Exact; a tag that the list of tags names is there all the same. */
export const getTag = {
  name: "swr.getTag",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/repos/{repository}/tags/{tag}",
  answers: "one tag of one image repository",
  versions: "basic edition, v2",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** As `listTags`, by marker. */
const listTagsByMarker = {
  name: "swr.listTagsByMarker",
  method: "GET",
  path: "/v3/manage/namespaces/{namespace}/repos/{repository}/tags",
  answers: "up to 1000 tags of one image repository, without their manifests",
  versions: "basic edition, v3: some regions; used with imageApi v3 or auto",
  proves: ["WHOLE_LIST"],
} as const satisfies Operation;

/** Every call the adapter can make; `swr.issueToken` goes to IAM. */
export const operations: readonly Operation[] = [
  listNamespaces,
  getNamespace,
  listPackages,
  listVersions,
  listFiles,
  listRepositories,
  getRepository,
  listTags,
  getTag,
  listTagsByMarker,
  issueToken,
];

/** Rows of one answer, with what the answer says of the whole list. */
export interface Listing<T> extends Rows<T> {
  readonly origin: Origin;
  /** Rows of the whole list, null when the server does not say. */
  readonly total: number | null;
}

/** A page of a list that is walked by marker. */
export interface MarkedListing<T> extends Listing<T> {
  /** Null on the last page. A server that repeats itself may answer with the marker that it was asked with. */
  readonly next: string | null;
}

/** One row with where it came from. */
export interface Told<T> {
  readonly row: T;
  readonly origin: Origin;
}

/** An image repository's place. */
export interface RepositoryName {
  readonly namespace: string;
  /** With its slashes. */
  readonly path: string;
}

/** Rows `offset` to `offset + limit - 1`. The server refuses one of the two without the other. */
export interface Stretch {
  readonly limit: number;
  readonly offset: number;
}

export type Direction = "ASC" | "DESC";

/** Tags in order of pushes, in order of names (which pushes do not disturb), or in whatever order they come. */
export type TagOrder = Direction | "NAME" | "ANY";

/**
 * The calls themselves. All reject with an UpstreamError; `.` or `..` as a path part is a RangeError. The three package
 * lists are not paged: a stretch is for servers that cut them and say so.
 */
export interface SwrClient {
  /** NOT_FOUND where there is none. */
  readonly getNamespace: (namespace: string, call: Call) => Promise<void>;
  /** With those in which only single repositories may be seen. */
  readonly listNamespaces: (call: Call) => Promise<Listing<NamespaceRow>>;
  /** Null asks for every namespace that is visible. */
  readonly listPackages: (
    namespace: string | null,
    stretch: Stretch | null,
    call: Call,
  ) => Promise<Listing<PackageRow>>;
  /** `name` is the raw name. */
  readonly listVersions: (
    namespace: string,
    name: string,
    stretch: Stretch | null,
    call: Call,
  ) => Promise<Listing<VersionRow>>;
  readonly listFiles: (
    namespace: string,
    name: string,
    version: string,
    stretch: Stretch | null,
    call: Call,
  ) => Promise<Listing<FileRow>>;
  /** In order of names where `inOrder`; `part` is text that the name contains. */
  readonly listRepositories: (
    namespace: string,
    part: string | null,
    inOrder: boolean,
    stretch: Stretch,
    call: Call,
  ) => Promise<Listing<RepositoryRow>>;
  readonly getRepository: (name: RepositoryName, call: Call) => Promise<Told<RepositoryDetail>>;
  /** `tag` is a filter that may be fuzzy, and may be ignored. */
  readonly listTags: (
    name: RepositoryName,
    order: TagOrder,
    stretch: Stretch,
    call: Call,
    tag?: string,
  ) => Promise<Listing<TagRow>>;
  readonly getTag: (name: RepositoryName, tag: string, call: Call) => Promise<Told<TagRow>>;
  readonly listTagsByMarker: (
    name: RepositoryName,
    order: TagOrder,
    limit: number,
    marker: string | null,
    call: Call,
  ) => Promise<MarkedListing<TagRow>>;
}

/** The largest page of repositories or tags. */
export const largestPage = 1000;

/** The calls over one open connection. */
export function createClient(upstream: Upstream): SwrClient {
  return {
    listNamespaces: (call) => {
      const decode = ({ body }: RawReply, operation: Operation) =>
        readRows(namespaceRow, readOne(namespaceList, body).namespaces, operation);
      return upstream.call(listNamespaces, { query: { filter: "mode::visible" }, decode }, call).then(listing);
    },
    getNamespace: async (namespace, call) => {
      // That it is there is all that is asked for.
      await upstream.call(getNamespace, { parts: { namespace }, decode: () => null }, call);
    },
    listPackages: (namespace, stretch, call) => {
      const query = { namespace: namespace ?? undefined, ...stretch };
      return upstream.call(listPackages, { query, decode: rowsOf(packageRow) }, call).then(listing);
    },
    listVersions: (namespace, name, stretch, call) => {
      const parts = { namespace, package: wirePart(name) };
      const query = { ...stretch };
      return upstream.call(listVersions, { parts, query, decode: rowsOf(versionRow) }, call).then(listing);
    },
    listFiles: (namespace, name, version, stretch, call) => {
      const parts = { namespace, package: wirePart(name), version: wirePart(version) };
      const query = { ...stretch };
      return upstream.call(listFiles, { parts, query, decode: rowsOf(fileRow) }, call).then(listing);
    },
    listRepositories: (namespace, part, inOrder, stretch, call) => {
      const name = part === null ? undefined : withDollars(part);
      const order = inOrder ? { order_column: "name", order_type: "asc" } : {};
      const query = { namespace, name, ...stretch, ...order };
      return upstream.call(listRepositories, { query, decode: rowsOf(repositoryRow) }, call).then((reply) => {
        const answer = listing(reply);
        return { ...answer, total: answer.total ?? answer.rows[0]?.total_range ?? null };
      });
    },
    getRepository: (name, call) =>
      upstream.call(getRepository, { parts: partsOf(name), decode: rowOf(repositoryDetail) }, call).then(told),
    listTags: (name, order, stretch, call, tag) => {
      const query = { tag, ...stretch, ...tagOrder(order) };
      return upstream.call(listTags, { parts: partsOf(name), query, decode: rowsOf(tagRow) }, call).then(listing);
    },
    getTag: (name, tag, call) =>
      upstream.call(getTag, { parts: { ...partsOf(name), tag }, decode: rowOf(tagRow) }, call).then(told),
    listTagsByMarker: async (name, order, limit, marker, call) => {
      const query = { limit, marker: marker ?? undefined, with_manifest: false, ...tagOrder(order) };
      const reply = await upstream.call(
        listTagsByMarker,
        {
          parts: partsOf(name),
          query,
          decode: ({ body }, operation) => {
            const page = readOne(tagPage, body);
            return { ...readRows(tagRow, page.tags, operation), next: nextMarker(page) };
          },
        },
        call,
      );
      return { ...reply.value, origin: reply.origin, total: null };
    },
  };
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

function told<T>({ value, origin }: Reply<T>): Told<T> {
  return { row: value, origin };
}

function rowsOf<S extends z.ZodType>(schema: S) {
  return ({ body }: RawReply, operation: Operation): Rows<z.output<S>> => readRows(schema, body, operation);
}

function rowOf<S extends z.ZodType>(schema: S) {
  return ({ body }: RawReply): z.output<S> => readOne(schema, body);
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
