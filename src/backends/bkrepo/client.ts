import type { z } from "zod";
import type { Origin } from "../../model/backend.ts";
import type { Digest } from "../../model/digest.ts";
import { offsetMinutes } from "../../model/time.ts";
import type { Call } from "../../upstream/call.ts";
import { createUpstream, type Dialect, type Reply, type Request, type Upstream } from "../../upstream/client.ts";
import type { Operation } from "../../upstream/operation.ts";
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

const probeRepository: Operation = {
  name: "bkrepo.probeRepository",
  method: "GET",
  path: "/repository/api/package/page/{project}/{repository}",
  answers:
    "Whether one repository exists and may be read (one row is asked for); made only when a search left that open. Not used for lists: its pages have no order.",
  versions: "all",
};

const getPackage: Operation = {
  name: "bkrepo.getPackage",
  method: "GET",
  path: "/repository/api/package/info/{project}/{repository}",
  answers: "One package by key, telling an absent package from a forbidden repository. Several keys go to the search.",
  versions: "all",
};

const searchPackages: Operation = {
  name: "bkrepo.searchPackages",
  method: "POST",
  isQuery: true,
  path: "/repository/api/package/search",
  answers:
    "Up to 200 packages of one project by key, across its repositories; one page of a repository's packages; packages by name.",
  versions: "all",
};

const pageVersions: Operation = {
  name: "bkrepo.pageVersions",
  method: "GET",
  path: "/repository/api/version/page/{project}/{repository}",
  answers:
    "One page of the versions of one package by publication time; versions by exact name, several of one package by their common beginning.",
  versions: "all",
};

const listVersions: Operation = {
  name: "bkrepo.listVersions",
  method: "POST",
  isQuery: true,
  path: "/repository/api/version/list/{project}/{repository}",
  answers: "The tags of one image that hold one digest. Never without that filter: the answer is not paged.",
  versions: "1.3 and later",
};

const queryNodes: Operation = {
  name: "bkrepo.queryNodes",
  method: "POST",
  isQuery: true,
  path: "/repository/api/node/queryWithoutCount",
  answers: "Size and checksums of up to 200 files of one project by path, across its repositories and many versions.",
  versions: "all",
};

const getVersionDetail: Operation = {
  name: "bkrepo.getVersionDetail",
  method: "GET",
  path: "/{service}/ext/version/detail/{project}/{repository}",
  answers: "The main file of one version whose record names no path.",
  versions: "all",
};

/** Every call this adapter makes; what is not here is never sent. */
export const bkrepoOperations: readonly Operation[] = [
  probeRepository,
  getPackage,
  searchPackages,
  pageVersions,
  listVersions,
  queryNodes,
  getVersionDetail,
];

/** A decoded answer beside what is needed to read its times. */
export interface Answer<T> {
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
  /** Beginning of the name, case-sensitive. */
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

/** One function for each call; all reject with an UpstreamError. */
export interface BkrepoClient {
  readonly upstream: Upstream;
  /** Resolves when the repository may be read; NOT_FOUND and DENIED tell the other cases. */
  readonly probeRepository: (repository: Repository, call: Call) => Promise<Answer<null>>;
  /** Null when there is no such package. */
  readonly getPackage: (repository: Repository, key: string, call: Call) => Promise<Answer<PackageRow | null>>;
  readonly searchPackages: (search: Search, call: Call) => Promise<Answer<RecordPage<FoundPackageRow>>>;
  /** Empty when there is no such package. */
  readonly pageVersions: (
    repository: Repository,
    key: string,
    query: VersionPageQuery,
    call: Call,
  ) => Promise<Answer<RecordPage<VersionRow>>>;
  /** Versions whose metadata holds this manifest digest; empty when there is no such package. */
  readonly listVersions: (
    repository: Repository,
    key: string,
    digest: Digest,
    call: Call,
  ) => Promise<Answer<Rows<VersionRow>>>;
  readonly queryNodes: (search: Search, call: Call) => Promise<Answer<RecordPage<NodeRow>>>;
  /** Null when the service answers so for what it does not have; others say NOT_FOUND. */
  readonly getVersionDetail: (
    service: DetailService,
    repository: Repository,
    key: string,
    version: string,
    call: Call,
  ) => Promise<Answer<VersionDetail | null>>;
}

/** Opens the connection to one bkrepo; sends nothing. */
export function createClient(settings: BkrepoSettings): BkrepoClient {
  const upstream = createUpstream(settings, { ...bkrepoDialect(settings), ...checkOf(settings) });

  function ask<T>(
    operation: Operation,
    request: Omit<Request<T>, "decode"> & { readonly decode: (data: unknown) => T },
    call: Call,
  ): Promise<Answer<T>> {
    const { decode } = request;
    return upstream
      .call(operation, { ...request, decode: ({ body }) => decode(readOne(envelope, body).data) }, call)
      .then((reply) => ({ value: reply.value, origin: reply.origin, zone: zoneOf(reply, settings.timeZone) }));
  }

  return {
    upstream,
    probeRepository: (repository, call) =>
      ask(
        probeRepository,
        {
          parts: partsOf(repository),
          query: onePage,
          decode: (data) => {
            readOne(recordPage, data);
            return null;
          },
        },
        call,
      ),
    getPackage: (repository, key, call) =>
      ask(
        getPackage,
        {
          parts: partsOf(repository),
          query: { packageKey: key },
          decode: (data) => readOne(packageOrNone, data),
        },
        call,
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
    getVersionDetail: (service, repository, key, version, call) =>
      ask(
        getVersionDetail,
        {
          parts: { service, ...partsOf(repository) },
          query: { packageKey: key, version },
          decode: (data) => readOne(detailOrNone, data),
        },
        call,
      ),
  };
}

/** One row of the first configured repository; without one there is nothing that everybody may ask. */
function checkOf({ repositories }: BkrepoSettings): Pick<Dialect, "check"> {
  const [nearest] = repositories.flatMap((text) => parseRepository(text) ?? []);
  if (!nearest) return {};
  return { check: { operation: probeRepository, parts: partsOf(nearest), query: onePage } };
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
