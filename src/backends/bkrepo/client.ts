import type { z } from "zod";
import type { Digest } from "../../model/artifact.ts";
import type { Origin } from "../../model/backend.ts";
import { offsetMinutes } from "../../model/values.ts";
import type { Call } from "../../upstream/call.ts";
import { createUpstream, type Dialect, type Reply, type Request, type Upstream } from "../../upstream/client.ts";
import { isNotFound } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { type Absent, type Answer, absent, found, type Unknown, unknown } from "../answers.ts";
import { type Rows, readOne, readRowsLeniently } from "../decode.ts";
import { bkrepoDialect, zoneHeader } from "./dialect.ts";
import {
  digestKey,
  envelope,
  type FoundPackageRow,
  foundPackageRow,
  type NodeRow,
  nodeRow,
  type PackageRow,
  packageRow,
  recordPage,
  type VersionDetail,
  type VersionRow,
  versionDetail,
  versionRow,
} from "./payload.ts";
import { parseRepository, type Repository } from "./repository.ts";
import type { Search } from "./rule.ts";
import type { BkrepoSettings } from "./settings.ts";

const onePage = { pageNumber: 1, pageSize: 1 } as const;

/**
 * Asks for the repository right alone, and answers all rows of it (UserPackageController.listPackagePage). Its 404 is a
 * keyed read of the repository; its pages, read to the count, are the whole list.
 */
export const pagePackages = {
  name: "bkrepo.pagePackages",
  method: "GET",
  path: "/repository/api/package/page/{project}/{repository}",
  answers:
    "Whether one repository exists and may be read, and how many packages it has; its whole list where the search sees less. Made only when a search left that open: its pages have no order.",
  versions: "all",
  proves: ["KEYED_READ", "WHOLE_LIST"],
} as const satisfies Operation;

/** Asks for the repository right alone, and answers null for a key that the repository does not have. */
export const getPackage = {
  name: "bkrepo.getPackage",
  method: "GET",
  path: "/repository/api/package/info/{project}/{repository}",
  answers: "One package by key, telling an absent package from a forbidden repository. Several keys go to the search.",
  versions: "all",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/**
 * Is cut down to the paths that the user was granted, and answers 200 without rows where there are none
 * (RepoNameRuleInterceptor). Its silence proves something only of a repository whose list it was shown to count in full.
 */
export const searchPackages = {
  name: "bkrepo.searchPackages",
  method: "POST",
  isQuery: true,
  path: "/repository/api/package/search",
  answers:
    "Up to 200 packages of one project by key, across its repositories; one page of a repository's packages; packages by name.",
  versions: "all",
  proves: ["COMPLETE_FILTER"],
} as const satisfies Operation;

/**
 * Asks for the repository right alone. `version` is a pattern in some releases and plain text in others: only text that
 * means the same in both is sent, so that the answer holds at least all that begin so.
 */
export const pageVersions = {
  name: "bkrepo.pageVersions",
  method: "GET",
  path: "/repository/api/version/page/{project}/{repository}",
  answers:
    "One page of the versions of one package by publication time; versions by exact name, several of one package by their common beginning.",
  versions: "all",
  proves: ["KEYED_READ", "WHOLE_LIST", "COMPLETE_FILTER"],
} as const satisfies Operation;

/** A digest may stand under another key, or under none: that no version has it under this one proves nothing. */
export const listVersions = {
  name: "bkrepo.listVersions",
  method: "POST",
  isQuery: true,
  path: "/repository/api/version/list/{project}/{repository}",
  answers: "The tags of one image that hold one digest. Never without that filter: the answer is not paged.",
  versions: "1.3 and later",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Is cut down to the paths that the user was granted, as the search for packages is. */
export const queryNodes = {
  name: "bkrepo.queryNodes",
  method: "POST",
  isQuery: true,
  path: "/repository/api/node/queryWithoutCount",
  answers:
    "Size and checksums of the files of up to 200 paths and folders of one project, across its repositories and many versions.",
  versions: "all",
  proves: ["COMPLETE_FILTER"],
} as const satisfies Operation;

/** A read of one path: NODE_NOT_FOUND says that nothing is there. */
const getNode = {
  name: "bkrepo.getNode",
  method: "GET",
  path: "/repository/api/node/detail/{project}/{repository}/{path+}",
  answers: "One file by its path; made only when a query saw none of a version's files, or not its manifest.",
  versions: "all",
  proves: ["KEYED_READ"],
} as const satisfies Operation;

/** Knows nothing of a version that is missing, and fails for some that are there: its silence proves nothing. */
const getVersionDetail = {
  name: "bkrepo.getVersionDetail",
  method: "GET",
  path: "/{service}/ext/version/detail/{project}/{repository}",
  answers: "The main file of one version whose record names no path.",
  versions: "all",
  proves: [],
} as const satisfies Operation;

/** Every call this adapter makes; what is not here is never sent. */
export const bkrepoOperations: readonly Operation[] = [
  pagePackages,
  getPackage,
  searchPackages,
  pageVersions,
  listVersions,
  queryNodes,
  getNode,
  getVersionDetail,
];

/** A decoded answer beside what is needed to read its times. */
export interface Decoded<T> {
  readonly value: T;
  readonly origin: Origin;
  /** Offset of the zone-less times in it: what the server told, else what is configured. */
  readonly zone: string;
}

/** One page of a list or search. */
export interface RecordPage<T> extends Rows<T> {
  /** Rows of the whole list; `queryWithoutCount` answers 0 whatever there is. */
  readonly total: number | null;
}

/** What a page of versions is asked with; absent fields filter nothing, empty ones would match nothing. */
export interface VersionPageQuery {
  /** Beginning of the name, case-sensitive, in characters that no release reads as a pattern. */
  readonly prefix: string | null;
  /** Stage tags by comma, all of which must be present. */
  readonly stage: string | null;
  readonly direction: "ASC" | "DESC";
  /** Counts from 1. */
  readonly pageNumber: number;
  readonly pageSize: number;
}

/** The registry services that tell a version's main file. */
export type DetailService = "npm" | "helm" | "pypi" | "rpm" | "nuget" | "composer" | "conan" | "cargo" | "huggingface";

// Made once: a schema is dearer than what it reads.
const packageOrNone = packageRow.nullable();
const detailOrNone = versionDetail.nullable();
const nodeOrNone = nodeRow.nullable();

/** One function for each call; all reject with an UpstreamError. */
export interface BkrepoClient {
  readonly upstream: Upstream;
  /** A page of a repository's packages in no order; NOT_FOUND and DENIED tell of the repository. */
  readonly pagePackages: (
    repository: Repository,
    page: Search["page"],
    call: Call,
  ) => Promise<Decoded<RecordPage<PackageRow>>>;
  readonly getPackage: (repository: Repository, key: string, call: Call) => Promise<Answer<Decoded<PackageRow>>>;
  readonly searchPackages: (search: Search, call: Call) => Promise<Decoded<RecordPage<FoundPackageRow>>>;
  /** Empty when there is no such package. */
  readonly pageVersions: (
    repository: Repository,
    key: string,
    query: VersionPageQuery,
    call: Call,
  ) => Promise<Decoded<RecordPage<VersionRow>>>;
  /** Versions whose metadata holds this manifest digest; empty when there is no such package. */
  readonly listVersions: (
    repository: Repository,
    key: string,
    digest: Digest,
    call: Call,
  ) => Promise<Decoded<Rows<VersionRow>>>;
  readonly queryNodes: (search: Search, call: Call) => Promise<Decoded<RecordPage<NodeRow>>>;
  readonly getNode: (repository: Repository, path: string, call: Call) => Promise<Answer<Decoded<NodeRow>>>;
  readonly getVersionDetail: (
    service: DetailService,
    repository: Repository,
    key: string,
    version: string,
    call: Call,
  ) => Promise<Answer<Decoded<VersionDetail>>>;
}

/** Opens the connection to one bkrepo; sends nothing. */
export function createClient(settings: BkrepoSettings): BkrepoClient {
  const upstream = createUpstream(settings, { ...bkrepoDialect(settings), ...checkOf(settings) });

  function ask<T>(
    operation: Operation,
    request: Omit<Request<T>, "decode"> & { readonly decode: (data: unknown) => T },
    call: Call,
  ): Promise<Decoded<T>> {
    const { decode } = request;
    return upstream
      .call(operation, { ...request, decode: ({ body }) => decode(readOne(envelope, body).data) }, call)
      .then((reply) => ({ value: reply.value, origin: reply.origin, zone: zoneOf(reply, settings.timeZone) }));
  }

  return {
    upstream,
    pagePackages: (repository, page, call) =>
      ask(
        pagePackages,
        { parts: partsOf(repository), query: { ...page }, decode: pageReader(packageRow, pagePackages) },
        call,
      ),
    getPackage: (repository, key, call) =>
      ifThere(
        ask(
          getPackage,
          {
            parts: partsOf(repository),
            query: { packageKey: key },
            decode: (data) => readOne(packageOrNone, data),
          },
          call,
        ),
        absent(getPackage, "KEYED_READ"),
      ),
    searchPackages: (search, call) =>
      ask(searchPackages, { body: search, decode: pageReader(foundPackageRow, searchPackages) }, call),
    pageVersions: (repository, key, { prefix, stage, direction, pageNumber, pageSize }, call) =>
      ask(
        pageVersions,
        {
          // Metadata may hold whole numbers of 64 bits: build numbers, snowflake ids.
          media: "exact-json",
          parts: partsOf(repository),
          query: {
            packageKey: key,
            version: prefix ?? undefined,
            stageTag: stage ?? undefined,
            // The default order differs by type and release; publication time is what everybody can be asked for.
            sortProperty: "createdDate",
            direction,
            pageNumber,
            pageSize,
          },
          decode: pageReader(versionRow, pageVersions),
        },
        call,
      ),
    listVersions: (repository, key, digest, call) =>
      ask(
        listVersions,
        {
          media: "exact-json",
          parts: partsOf(repository),
          query: { packageKey: key },
          body: { metadata: [{ key: digestKey, value: digest }], sortProperty: "createdDate", direction: "DESC" },
          decode: (data) => readRowsLeniently(versionRow, data, listVersions),
        },
        call,
      ),
    queryNodes: (search, call) => ask(queryNodes, { body: search, decode: pageReader(nodeRow, queryNodes) }, call),
    getNode: (repository, path, call) =>
      ifThere(
        ask(
          getNode,
          {
            parts: { ...partsOf(repository), path: path.replace(/^\/+/, "") },
            decode: (data) => readOne(nodeOrNone, data),
          },
          call,
        ),
        absent(getNode, "KEYED_READ"),
      ),
    getVersionDetail: (service, repository, key, version, call) =>
      ifThere(
        ask(
          getVersionDetail,
          {
            parts: { service, ...partsOf(repository) },
            query: { packageKey: key, version },
            decode: (data) => readOne(detailOrNone, data),
          },
          call,
        ),
        unknown("DETAIL_MISSING"),
      ),
  };
}

/** One row of the first configured repository; without one there is nothing that everybody may ask. */
function checkOf({ repositories }: BkrepoSettings): Pick<Dialect, "check"> {
  const [nearest] = repositories.flatMap((text) => parseRepository(text) ?? []);
  if (!nearest) return {};
  return { check: { operation: pagePackages, parts: partsOf(nearest), query: onePage } };
}

/** The answer of a read that says "no such thing" by a failure or by null; `otherwise` is what that means. */
async function ifThere<T>(read: Promise<Decoded<T | null>>, otherwise: Absent | Unknown): Promise<Answer<Decoded<T>>> {
  try {
    const { value, ...rest } = await read;
    return value === null ? otherwise : found({ ...rest, value });
  } catch (error) {
    if (isNotFound(error)) return otherwise;
    throw error;
  }
}

function partsOf({ project, name }: Repository): { project: string; repository: string } {
  return { project, repository: name };
}

function pageReader<S extends z.ZodType>(schema: S, operation: Operation): (data: unknown) => RecordPage<z.output<S>> {
  return (data) => {
    const page = readOne(recordPage, data);
    return { ...readRowsLeniently(schema, page.records, operation), total: page.totalRecords ?? page.count ?? null };
  };
}

function zoneOf(reply: Reply<unknown>, configured: string): string {
  const told = reply.header(zoneHeader);
  return told !== null && offsetMinutes(told) !== null ? told : configured;
}
