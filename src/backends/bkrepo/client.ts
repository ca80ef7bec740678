import { createHash } from "node:crypto";
import type { z } from "zod";
import type { Digest } from "../../model/artifact.ts";
import type { Origin } from "../../model/backend.ts";
import { Lru } from "../../model/lru.ts";
import { offsetMinutes } from "../../model/values.ts";
import { Upstream } from "../../upstream/client.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { Call, Operation, Request } from "../../upstream/operation.ts";
import { type Absent, type Answer, absent, found, type Unknown, unknown } from "../answers.ts";
import { learntForMs } from "../learnt.ts";
import { type Rows, readOne, readRowsLeniently } from "../loading/decode.ts";
import type { LoadedBy } from "../loading/loader.ts";
import { bkrepoDialect, zoneHeader } from "./dialect.ts";
import { parseRepository, printRepository, type Repository } from "./keys.ts";
import * as operations from "./operations.ts";
import {
  allOf,
  digestKey,
  envelope,
  foundPackageRow,
  leaf,
  nodeFields,
  nodeRow,
  packageFields,
  packageRow,
  type Rule,
  recordPage,
  versionDetail,
  versionRow,
} from "./payload.ts";
import type { BkrepoSettings } from "./settings.ts";

/** Where an answer came from, and how its zone-less times are read. */
export interface AnswerSource {
  readonly origin: Origin;
  /** Offset such as `+08:00`: the server's where it sends one, else the configured one. */
  readonly zone: string;
}

/** One decoded object. */
export interface Decoded<T> extends AnswerSource {
  readonly value: T;
}

/** One page of a list or search, decoded. */
export interface RecordPage<T> extends Rows<T>, AnswerSource {
  /** Rows of the whole list; null where the server does not count. */
  readonly total: number | null;
}

/** The filter and order of a list of versions. */
export interface VersionFilter {
  /** Beginning of the name in literal characters, case-sensitive; null for all names. */
  readonly prefix: string | null;
  /** Stage tags with their `@`; versions match that have all of them. */
  readonly stages: readonly string[];
  /** By publication time. */
  readonly direction: "ASC" | "DESC";
}

/** Whether the searches of a repository see all packages that its list counts, or only some of them. */
export type SearchVisibility = "FULL" | "PARTIAL";

/** The connection to one bkrepo; lives as long as the process. */
export interface BkrepoConnection {
  readonly upstream: Upstream;
  readonly settings: BkrepoSettings;
  /** By repository and hash of the credential; entries expire, because rights change. */
  readonly visibilities: Lru<{ readonly visibility: SearchVisibility; readonly until: number }>;
}

/** The largest page that is asked for: the server has no limit. */
export const largestPage = 200;

/** The most values of one IN list, and so the most keys of one batch. */
export const largestBatch = 200;

const oneRow = { pageNumber: 1, pageSize: 1 } as const;

// Created once: creating a schema costs more than decoding a row.
const packageOrNull = packageRow.nullable();
const detailOrNull = versionDetail.nullable();
const nodeOrNull = nodeRow.nullable();

/** Opens the connection to one bkrepo; sends nothing. */
export function openConnection(settings: BkrepoSettings): BkrepoConnection {
  const [first] = repositoriesIn(settings);
  // Without a configured repository there is nothing that every credential may ask.
  const check = first && { operation: operations.pagePackages, parts: partsOf(first), query: oneRow };
  const upstream = new Upstream(settings, { ...bkrepoDialect(settings), ...(check ? { check } : {}) });
  return { upstream, settings, visibilities: new Lru({ maxEntries: 2000 }) };
}

/** One request's calls: one method for each operation. All reject with an UpstreamError. */
export class BkrepoClient {
  readonly settings: BkrepoSettings;
  readonly call: Call;
  readonly #connection: BkrepoConnection;

  constructor(connection: BkrepoConnection, call: Call) {
    this.#connection = connection;
    this.settings = connection.settings;
    this.call = call;
  }

  /** Configured name of the backend. */
  get name(): string {
    return this.settings.name;
  }

  /** Base address of the backend, for download links. */
  get base(): string {
    return this.#connection.upstream.base;
  }

  /** A page of a repository's packages in no order; NOT_FOUND and DENIED are about the repository. */
  pagePackages(repository: Repository, page: SearchPage) {
    const request = { parts: partsOf(repository), query: { ...page } };
    return this.#askPage(operations.pagePackages, request, packageRow);
  }

  getPackage(repository: Repository, key: string) {
    const request = { parts: partsOf(repository), query: { packageKey: key } };
    const read = this.#ask(operations.getPackage, request, (data) => readOne(packageOrNull, data));
    return orAbsent(read, absent(operations.getPackage, "KEYED_READ"));
  }

  /**
   * A page of a project's packages by key. A repository by its name alone is refused (403) where it may not be
   * searched; of a list, such repositories are skipped.
   */
  searchPackages(project: string, where: string | readonly string[], rules: readonly Rule[], page: SearchPage) {
    const select = packageFields;
    const sort = { properties: typeof where === "string" ? ["key"] : ["key", "repoName"], direction: "ASC" };
    const body = { select, page, sort, rule: allOf(leaf("projectId", "EQ", project), repositoryRule(where), ...rules) };
    return this.#askPage(operations.searchPackages, { body }, foundPackageRow);
  }

  /** A page of a package's versions; empty where the package does not exist. */
  pageVersions(repository: Repository, key: string, filter: VersionFilter, page: SearchPage) {
    const { prefix, stages, direction } = filter;
    // Empty texts are not sent: they match everything (version) or nothing (stageTag).
    const filters = { version: prefix || undefined, stageTag: stages.join(",") || undefined };
    // The default order differs by type and release; all of them can sort by publication time.
    const query = { packageKey: key, ...filters, sortProperty: "createdDate", direction, ...page };
    // Metadata may contain integers of 64 bits: build numbers, snowflake ids.
    const request = { media: "exact-json", parts: partsOf(repository), query } as const;
    return this.#askPage(operations.pageVersions, request, versionRow);
  }

  /** Versions whose metadata has this manifest digest; empty where the package does not exist. */
  listVersions(repository: Repository, key: string, digest: Digest) {
    const body = { metadata: [{ key: digestKey, value: digest }], sortProperty: "createdDate", direction: "DESC" };
    const request = { media: "exact-json", parts: partsOf(repository), query: { packageKey: key }, body } as const;
    const decode = (data: unknown) => readRowsLeniently(versionRow, data, operations.listVersions);
    return this.#ask(operations.listVersions, request, decode);
  }

  /** A page of the files of some repositories of a project by path; the server does not count them. */
  async queryNodes(project: string, names: readonly string[], what: Rule, page: SearchPage) {
    const rule = allOf(leaf("projectId", "EQ", project), repositoryRule(names), what, leaf("folder", "EQ", false));
    const sort = { properties: ["fullPath", "repoName"], direction: "ASC" };
    const body = { select: nodeFields, page, sort, rule };
    return { ...(await this.#askPage(operations.queryNodes, { body }, nodeRow)), total: null };
  }

  getNode(repository: Repository, path: string) {
    const request = { parts: { ...partsOf(repository), path: path.replace(/^\/+/, "") } };
    const read = this.#ask(operations.getNode, request, (data) => readOne(nodeOrNull, data));
    return orAbsent(read, absent(operations.getNode, "KEYED_READ"));
  }

  getVersionDetail(service: string, repository: Repository, key: string, version: string) {
    const request = { parts: { service, ...partsOf(repository) }, query: { packageKey: key, version } };
    const read = this.#ask(operations.getVersionDetail, request, (data) => readOne(detailOrNull, data));
    return orAbsent(read, unknown("DETAIL_MISSING"));
  }

  /** What the searches of a repository see, as earlier requests learned it; null where nothing is known. */
  knownVisibility(repository: Repository): SearchVisibility | null {
    if (this.call.bypassCache) return null;
    const entry = this.#connection.visibilities.get(this.#visibilityKey(repository));
    return entry && entry.until > Date.now() ? entry.visibility : null;
  }

  learnVisibility(repository: Repository, visibility: SearchVisibility): void {
    const entry = { visibility, until: Date.now() + learntForMs };
    this.#connection.visibilities.set(this.#visibilityKey(repository), entry);
  }

  /** Counts a loader's keys under an operation. */
  loadedBy<K>({ name }: Operation): LoadedBy<K> {
    return { call: this.call, backend: this.name, operation: name };
  }

  /** The failure of an answer that cannot be right; by default it has fewer rows than it counts. */
  malformed(operation: Operation, reason = "rows of the answer are missing"): UpstreamError {
    return new UpstreamError("MALFORMED", { backend: this.name, operation: operation.name, reason });
  }

  #visibilityKey(repository: Repository): string {
    const credential = this.settings.forward === "caller" ? this.call.caller.credentialFor(this.name) : null;
    const hash = credential === null ? "" : createHash("sha256").update(credential).digest("base64");
    return `${printRepository(repository)} ${hash}`;
  }

  async #ask<T>(operation: Operation, request: RequestParts, decode: (data: unknown) => T): Promise<Decoded<T>> {
    const { value, origin, header } = await this.#connection.upstream.call(
      operation,
      { ...request, decode: ({ body }) => decode(readOne(envelope, body).data) },
      this.call,
    );
    const zone = header(zoneHeader);
    return { value, origin, zone: zone !== null && offsetMinutes(zone) !== null ? zone : this.settings.timeZone };
  }

  async #askPage<S extends z.ZodType>(
    operation: Operation,
    request: RequestParts,
    schema: S,
  ): Promise<RecordPage<z.output<S>>> {
    const { value, origin, zone } = await this.#ask(operation, request, (data) => {
      const { records, totalRecords, count } = readOne(recordPage, data);
      return { ...readRowsLeniently(schema, records, operation), total: totalRecords ?? count ?? null };
    });
    return { ...value, origin, zone };
  }
}

/** A page of a list or search; pages count from 1. */
export interface SearchPage {
  readonly pageNumber: number;
  readonly pageSize: number;
}

type RequestParts = Omit<Request<unknown>, "decode">;

/** The configured repositories, each once, in their order. */
export function repositoriesIn({ repositories }: BkrepoSettings): readonly Repository[] {
  return [...new Set(repositories)].flatMap((text) => parseRepository(text) ?? []);
}

function partsOf({ project, name }: Repository) {
  return { project, repository: name };
}

function repositoryRule(where: string | readonly string[]): Rule {
  return typeof where === "string" ? leaf("repoName", "EQ", where) : leaf("repoName", "IN", where);
}

/** The answer of a read whose NOT_FOUND or null means `otherwise`. */
async function orAbsent<T>(read: Promise<Decoded<T | null>>, otherwise: Absent | Unknown): Promise<Answer<Decoded<T>>> {
  try {
    const { value, origin, zone } = await read;
    return value === null ? otherwise : found({ value, origin, zone });
  } catch (error) {
    if (isNotFound(error)) return otherwise;
    throw error;
  }
}
