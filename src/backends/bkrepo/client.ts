import { createHash } from "node:crypto";
import type { z } from "zod";
import type { Digest } from "../../model/artifact.ts";
import type { DroppedRow, Origin } from "../../model/backend.ts";
import { Lru } from "../../model/lru.ts";
import type { Page } from "../../model/page.ts";
import { offsetMinutes } from "../../model/values.ts";
import type { Call } from "../../upstream/call.ts";
import { createUpstream, type Reply, type Request } from "../../upstream/client.ts";
import { isNotFound, UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { type Absent, type Answer, absent, found, type Unknown, unknown } from "../answers.ts";
import { type Rows, readOne, readRowsLeniently } from "../decode.ts";
import { learntForMs } from "../learnt.ts";
import { bkrepoDialect, zoneHeader } from "./dialect.ts";
import { parseRepository, type Repository } from "./keys.ts";
import {
  getNode,
  getPackage,
  getVersionDetail,
  listVersions,
  pagePackages,
  pageVersions,
  queryNodes,
  searchPackages,
} from "./operations.ts";
import {
  digestKey,
  envelope,
  foundPackageRow,
  nodeRow,
  packageRow,
  recordPage,
  type Search,
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
  /** Rows of the whole list; 0 in every answer of `queryWithoutCount`. */
  readonly total: number | null;
}

/** The filter and window of a page of versions; null fields are not sent, because empty ones match nothing. */
export interface VersionPageQuery {
  /** Beginning of the name, case-sensitive, in literal characters. */
  readonly prefix: string | null;
  /** Stage tags separated by commas; versions match that have all of them. */
  readonly stage: string | null;
  readonly direction: "ASC" | "DESC";
  /** Counts from 1. */
  readonly pageNumber: number;
  readonly pageSize: number;
}

/** One request's use of the backend. */
export interface Context {
  readonly client: BkrepoClient;
  readonly settings: BkrepoSettings;
  readonly call: Call;
}

/** The largest page that is asked for: the server has no limit. */
export const largestPage = 200;

/** The most values of one IN list, and so the most keys of one batch. */
export const largestBatch = 200;

/** One function for each operation; all reject with an UpstreamError. */
export type BkrepoClient = ReturnType<typeof createClient>;

type RequestParts = Omit<Request<unknown>, "decode">;

// Created once: creating a schema costs more than decoding a row.
const packageOrNull = packageRow.nullable();
const detailOrNull = versionDetail.nullable();
const nodeOrNull = nodeRow.nullable();

/** Opens the connection to one bkrepo; sends nothing. */
export function createClient(settings: BkrepoSettings) {
  const [checked] = repositoriesIn(settings);
  const upstream = createUpstream(settings, {
    ...bkrepoDialect(settings),
    // One row of the first repository; without one there is nothing that every credential may ask.
    ...(checked
      ? { check: { operation: pagePackages, parts: partsOf(checked), query: { pageNumber: 1, pageSize: 1 } } }
      : {}),
  });

  function send<T>(
    operation: Operation,
    request: RequestParts,
    decode: (data: unknown) => T,
    call: Call,
  ): Promise<Reply<T>> {
    return upstream.call(operation, { ...request, decode: ({ body }) => decode(readOne(envelope, body).data) }, call);
  }

  function sourceOf({ origin, header }: Reply<unknown>): AnswerSource {
    const zone = header(zoneHeader);
    return { origin, zone: zone !== null && offsetMinutes(zone) !== null ? zone : settings.timeZone };
  }

  function ask<T>(
    operation: Operation,
    request: RequestParts,
    decode: (data: unknown) => T,
    call: Call,
  ): Promise<Decoded<T>> {
    return send(operation, request, decode, call).then((reply) => ({ value: reply.value, ...sourceOf(reply) }));
  }

  function askPage<S extends z.ZodType>(
    operation: Operation,
    request: RequestParts,
    schema: S,
    call: Call,
  ): Promise<RecordPage<z.output<S>>> {
    const decode = (data: unknown) => {
      const { records, totalRecords, count } = readOne(recordPage, data);
      return { ...readRowsLeniently(schema, records, operation), total: totalRecords ?? count ?? null };
    };
    return send(operation, request, decode, call).then((reply) => ({ ...reply.value, ...sourceOf(reply) }));
  }

  return {
    upstream,
    visibilities: createVisibilityMemory(),
    /** A page of a repository's packages in no order; NOT_FOUND and DENIED are about the repository. */
    pagePackages: (repository: Repository, page: Search["page"], call: Call) =>
      askPage(pagePackages, { parts: partsOf(repository), query: { ...page } }, packageRow, call),
    getPackage: (repository: Repository, key: string, call: Call) =>
      orAbsent(
        ask(
          getPackage,
          { parts: partsOf(repository), query: { packageKey: key } },
          (data) => readOne(packageOrNull, data),
          call,
        ),
        absent(getPackage, "KEYED_READ"),
      ),
    searchPackages: (search: Search, call: Call) => askPage(searchPackages, { body: search }, foundPackageRow, call),
    /** Empty where the package does not exist. */
    pageVersions: (
      repository: Repository,
      key: string,
      { prefix, stage, direction, pageNumber, pageSize }: VersionPageQuery,
      call: Call,
    ) =>
      askPage(
        pageVersions,
        {
          // Metadata may contain integers of 64 bits: build numbers, snowflake ids.
          media: "exact-json",
          parts: partsOf(repository),
          query: {
            packageKey: key,
            version: prefix ?? undefined,
            stageTag: stage ?? undefined,
            // The default order differs by type and release; all of them can sort by publication time.
            sortProperty: "createdDate",
            direction,
            pageNumber,
            pageSize,
          },
        },
        versionRow,
        call,
      ),
    /** Versions whose metadata has this manifest digest; empty where the package does not exist. */
    listVersions: (repository: Repository, key: string, digest: Digest, call: Call) =>
      ask(
        listVersions,
        {
          media: "exact-json",
          parts: partsOf(repository),
          query: { packageKey: key },
          body: { metadata: [{ key: digestKey, value: digest }], sortProperty: "createdDate", direction: "DESC" },
        },
        (data) => readRowsLeniently(versionRow, data, listVersions),
        call,
      ),
    /** Counts nothing: `total` is 0 whatever there is. */
    queryNodes: (search: Search, call: Call) => askPage(queryNodes, { body: search }, nodeRow, call),
    getNode: (repository: Repository, path: string, call: Call) =>
      orAbsent(
        ask(
          getNode,
          { parts: { ...partsOf(repository), path: path.replace(/^\/+/, "") } },
          (data) => readOne(nodeOrNull, data),
          call,
        ),
        absent(getNode, "KEYED_READ"),
      ),
    getVersionDetail: (service: string, repository: Repository, key: string, version: string, call: Call) =>
      orAbsent(
        ask(
          getVersionDetail,
          { parts: { service, ...partsOf(repository) }, query: { packageKey: key, version } },
          (data) => readOne(detailOrNull, data),
          call,
        ),
        unknown("DETAIL_MISSING"),
      ),
  };
}

/** The configured repositories, in their order. */
export function repositoriesIn({ repositories }: BkrepoSettings): readonly Repository[] {
  return repositories.flatMap((text) => parseRepository(text) ?? []);
}

function partsOf({ project, name }: Repository) {
  return { project, repository: name };
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

/** The origin of an answer that needed no call, such as that an image has no files beside its manifests. */
export function uncalled({ settings }: Context): Origin {
  return { backend: settings.name, fetchedAt: new Date().toISOString(), stale: false, traceId: null };
}

/** A list that is known to be empty. */
export function emptyPage<T>(origin: Origin): Page<T> {
  return { rows: [], hasNext: false, total: 0, origin, dropped: [] };
}

/** The failure of an answer without rows that it counts: a missing row proves no absence. */
export function lostRows({ settings }: Context, operation: Operation): UpstreamError {
  const reason = "rows of the answer are missing";
  return new UpstreamError("MALFORMED", { backend: settings.name, operation: operation.name, reason });
}

/** Whether the searches of a repository see all packages that its list counts, or only some of them. */
export type SearchVisibility = "FULL" | "PARTIAL";

/**
 * What the searches of each repository see, by repository and credential (as a hash). Starts empty; entries expire after
 * `learntForMs`, because rights change.
 */
function createVisibilityMemory() {
  const entries = new Lru<{ readonly visibility: SearchVisibility; readonly until: number }>({ maxEntries: 2000 });
  const keyOf = ({ project, name }: Repository, credential: string | null) =>
    `${project}/${name} ${credential === null ? "" : createHash("sha256").update(credential).digest("base64")}`;
  return {
    get: (repository: Repository, credential: string | null): SearchVisibility | null => {
      const entry = entries.get(keyOf(repository, credential));
      return entry && entry.until > Date.now() ? entry.visibility : null;
    },
    set: (repository: Repository, credential: string | null, visibility: SearchVisibility): void => {
      entries.set(keyOf(repository, credential), { visibility, until: Date.now() + learntForMs });
    },
  };
}

/** The most pages of one search: behind them the answer is incomplete, whatever total a server claims. */
const mostPages = 50;

/** The rows of all pages of a search. */
export interface Collected<T> {
  readonly rows: readonly T[];
  readonly dropped: readonly DroppedRow[];
  /** False where rows are missing or unreadable. */
  readonly isWhole: boolean;
}

/**
 * Reads every page of a search. With `counts`, the pages behind the first are read at once; without, one after another
 * until a page is short. A server that ignores the page number answers the same rows again: the walk ends, and only
 * different rows count.
 */
export async function collect<T>(
  fetch: (pageNumber: number) => Promise<Rows<T> & { readonly total: number | null }>,
  identity: (row: T) => string,
  pageSize: number,
  counts: boolean,
): Promise<Collected<T>> {
  const head = await fetch(1);
  let pages = [head];
  const total = counts ? head.total : null;
  let isStuck = false;
  if (total !== null) {
    const others = Math.max(0, Math.min(mostPages, Math.ceil(total / pageSize)) - 1);
    pages = pages.concat(await Promise.all(Array.from({ length: others }, (_, index) => fetch(index + 2))));
  } else {
    for (let last = head; last.count >= pageSize && pages.length < mostPages && !isStuck; ) {
      const next = await fetch(pages.length + 1);
      isStuck = next.rows.map(identity).join("\n") === last.rows.map(identity).join("\n");
      if (!isStuck) pages.push(next);
      last = next;
    }
  }
  const rows = pages.length === 1 ? head.rows : pages.flatMap((page) => page.rows);
  const dropped = pages.flatMap((page) => page.dropped);
  const count = pages.reduce((sum, page) => sum + page.count, 0);
  const different = pages.length === 1 ? count : new Set(rows.map(identity)).size;
  const isEnd = total === null ? !isStuck && count < mostPages * pageSize : different + dropped.length >= total;
  return { rows, dropped, isWhole: isEnd && dropped.length === 0 };
}
