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

export const listNamespaces: Operation = {
  name: "swr.listNamespaces",
  method: "GET",
  path: "/v2/manage/namespaces",
  answers: "every organization that is visible, where the configuration names none",
  versions: "basic edition, v2",
};

const listPackages: Operation = {
  name: "swr.listPackages",
  method: "GET",
  path: "/v2/manage/packages",
  answers: "every software package of one organization, or of all that are visible",
  versions: "regions with the software package API",
};

const listVersions: Operation = {
  name: "swr.listVersions",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/packages/{package}/versions",
  answers: "every version of one software package, and so the newest and any one by name",
  versions: "regions with the software package API",
};

const listFiles: Operation = {
  name: "swr.listFiles",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/packages/{package}/versions/{version}/file_paths",
  answers: "every file of one version of a software package",
  versions: "regions with the software package API",
};

const listRepositories: Operation = {
  name: "swr.listRepositories",
  method: "GET",
  path: "/v2/manage/repos",
  answers: "up to 1000 image repositories of one organization",
  versions: "basic edition, v2",
};

const getRepository: Operation = {
  name: "swr.getRepository",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/repos/{repository}",
  answers: "one image repository",
  versions: "basic edition, v2",
};

const listTags: Operation = {
  name: "swr.listTags",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/repos/{repository}/tags",
  answers: "up to 1000 tags of one image repository, and so any of them by name or digest",
  versions: "basic edition, v2",
};

const getTag: Operation = {
  name: "swr.getTag",
  method: "GET",
  path: "/v2/manage/namespaces/{namespace}/repos/{repository}/tags/{tag}",
  answers: "one tag of one image repository",
  versions: "basic edition, v2",
};

const listTagsByMarker: Operation = {
  name: "swr.listTagsByMarker",
  method: "GET",
  path: "/v3/manage/namespaces/{namespace}/repos/{repository}/tags",
  answers: "up to 1000 tags of one image repository, without their manifests",
  versions: "basic edition, v3: some regions; used with imageApi v3 or auto",
};

/** Every call the adapter can make; `swr.issueToken` goes to IAM. */
export const operations: readonly Operation[] = [
  listNamespaces,
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
  /** Null on the last page. */
  readonly next: string | null;
}

/** One row with where it came from. */
export interface Found<T> {
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

/**
 * The calls themselves. All reject with an UpstreamError; `.` or `..` as a path part is a RangeError. The three package
 * lists are not paged: a stretch is for servers that cut them and say so.
 */
export interface SwrClient {
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
  /** In order of names; `part` is text that the name contains. */
  readonly listRepositories: (
    namespace: string,
    part: string | null,
    stretch: Stretch,
    call: Call,
  ) => Promise<Listing<RepositoryRow>>;
  readonly getRepository: (name: RepositoryName, call: Call) => Promise<Found<RepositoryDetail>>;
  /** In order of pushes, or of names where no direction is given: an order that pushes do not disturb. */
  readonly listTags: (
    name: RepositoryName,
    direction: Direction | null,
    stretch: Stretch,
    call: Call,
  ) => Promise<Listing<TagRow>>;
  readonly getTag: (name: RepositoryName, tag: string, call: Call) => Promise<Found<TagRow>>;
  readonly listTagsByMarker: (
    name: RepositoryName,
    direction: Direction | null,
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
    listRepositories: (namespace, part, stretch, call) => {
      const name = part === null ? undefined : withDollars(part);
      const query = { namespace, name, ...stretch, order_column: "name", order_type: "asc" };
      return upstream.call(listRepositories, { query, decode: rowsOf(repositoryRow) }, call).then((reply) => {
        const answer = listing(reply);
        return { ...answer, total: answer.total ?? answer.rows[0]?.total_range ?? null };
      });
    },
    getRepository: (name, call) =>
      upstream.call(getRepository, { parts: partsOf(name), decode: rowOf(repositoryDetail) }, call).then(found),
    listTags: (name, direction, stretch, call) => {
      const query = { ...stretch, ...tagOrder(direction) };
      return upstream.call(listTags, { parts: partsOf(name), query, decode: rowsOf(tagRow) }, call).then(listing);
    },
    getTag: (name, tag, call) =>
      upstream.call(getTag, { parts: { ...partsOf(name), tag }, decode: rowOf(tagRow) }, call).then(found),
    listTagsByMarker: async (name, direction, limit, marker, call) => {
      const query = { limit, marker: marker ?? undefined, with_manifest: false, ...tagOrder(direction) };
      const reply = await upstream.call(
        listTagsByMarker,
        {
          parts: partsOf(name),
          query,
          decode: ({ body }, operation) => {
            const page = readOne(tagPage, body);
            return { ...readRows(tagRow, page.tags, operation), next: nextMarker(page, marker) };
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

function found<T>({ value, origin }: Reply<T>): Found<T> {
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

function tagOrder(direction: Direction | null) {
  if (direction === null) return { order_column: "tag", order_type: "asc" };
  return { order_column: "updated_at", order_type: direction.toLowerCase() };
}

// A page that points at itself would be walked for ever.
function nextMarker(page: z.output<typeof tagPage>, marker: string | null): string | null {
  const next = page.nextMarker ?? page.next_marker ?? null;
  return next === null || next === "" || page.has_more === false || String(next) === marker ? null : String(next);
}
