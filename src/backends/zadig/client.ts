import type { z } from "zod";
import type { ReleaseParts } from "../../model/release.ts";
import { createUpstream, type RawReply, type Reply } from "../../upstream/client.ts";
import { MisshapenAnswer, UpstreamError } from "../../upstream/errors.ts";
import type { Call, Operation, Query } from "../../upstream/operation.ts";
import { Learnt } from "../learnt.ts";
import { readLeniently, readOne, readRowsLeniently } from "../loading/decode.ts";
import type { UpstreamPage } from "../paging.ts";
import { createDialect } from "./dialect.ts";
import { objectId } from "./keys.ts";
import * as operations from "./operations.ts";
import * as payload from "./payload.ts";
import { type Generation, surfaceOf, type ZadigSettings } from "./settings.ts";

/** What selects the releases of a list; OpenAPI selects by the project only. */
export interface ReleaseScope {
  readonly project: string | null;
  readonly workflow: string | null;
  readonly taskId: number | null;
  /** Exact label; only R2 selects by it, the others ignore it. */
  readonly label: string | null;
}

/** What selects the artifacts of a list; `image` and `name` are regular expressions to Zadig, already escaped here. */
export interface ArtifactFilters {
  readonly image?: string;
  readonly name?: string;
  readonly imageTag?: string;
  readonly type?: string;
  readonly repoName?: string;
  readonly branch?: string;
}

/** One page of a list as answered; unreadable rows are dropped and counted. */
export type Listed<T> = Omit<UpstreamPage<T>, "origin">;

/** Every call to one Zadig, and what was learnt of it. */
export type ZadigClient = ReturnType<typeof createClient>;

/** Opens one Zadig for the life of the process; sends nothing. All calls reject with an UpstreamError; pages are zero-based. */
export function createClient(settings: ZadigSettings) {
  const upstream = createUpstream(settings, createDialect(settings));
  const { call: send } = upstream;
  const surface = surfaceOf(settings);
  const configured = settings.generation === "auto" ? null : settings.generation;
  const learned = createLearned();
  /** The generation as configured or as seen of late; null while unknown. */
  const generation = () => configured ?? learned.generation.get();
  const learn = (seen: Generation | null) => {
    if (seen !== null) learned.generation.set(seen);
  };
  const { listReleases, listReleasesDirectory, listReleasesOpen } = operations;
  const listOperation = { aslan: listReleases, directory: listReleasesDirectory, openapi: listReleasesOpen }[surface];

  function listOpenReleases(project: string | null, page: number, size: number, call: Call) {
    if (project === null) {
      const reason = "OpenAPI lists one project at a time and none is configured";
      throw new UpstreamError("REJECTED", { backend: settings.name, operation: listOperation.name, reason });
    }
    const decode = ({ body }: RawReply, operation: Operation) => {
      const { list, total } = readOne(payload.openPage, body);
      const seen = configured ?? openGenerationOf(list);
      const items = readList(payload.openItem, list ?? null, operation, total);
      learn(seen);
      return mapRows(items, (item): payload.ReleasePayload => {
        return { shape: "open", item, project, generation: seen, parts: null };
      });
    };
    return send(listOperation, { query: { projectKey: project, pageNum: page + 1, pageSize: size }, decode }, call);
  }

  return {
    upstream,
    surface,
    generation,
    learned,
    /** The call that lists releases. */
    listOperation,
    /** `detailed` asks for the parts: a brief list is cheaper where the generation has one. */
    listReleases: (
      scope: ReleaseScope,
      detailed: boolean,
      page: number,
      size: number,
      call: Call,
    ): Promise<Reply<Listed<payload.ReleasePayload>>> => {
      if (surface === "openapi") return listOpenReleases(scope.project, page, size, call);
      const decode = ({ body, header }: RawReply, operation: Operation) => {
        const seen = configured ?? generationOf(body);
        const releases = readReleases(body, seen, detailed, operation, totalOf(header("x-total")));
        learn(seen);
        return releases;
      };
      return send(listOperation, { query: releaseQuery(scope, detailed, page, size, generation()), decode }, call);
    },
    /** NOT_FOUND for an unknown id; the answer may belong to another project than the one that was asked with. */
    getRelease: (id: string, project: string | null, call: Call) => {
      const decode = ({ body }: RawReply, operation: Operation) => {
        if (body === null) return null;
        const seen = configured ?? generationOf([body]);
        const release = readRelease(body, seen, operation);
        learn(seen);
        return release;
      };
      const query = { projectName: project ?? undefined, ifPassFilter: true };
      return send(operations.getRelease, { parts: { id }, query, decode }, call);
    },
    getReleaseOpen: (id: string, project: string, call: Call) => {
      const decode = ({ body }: RawReply, operation: Operation) =>
        body === null ? null : readO1Release(body, project, operation);
      return send(operations.getReleaseOpen, { parts: { id }, query: { projectKey: project }, decode }, call);
    },
    getReleaseOpenByName: (version: string, project: string, call: Call) => {
      const decode = ({ body }: RawReply, operation: Operation) =>
        body === null ? null : readRelease(body, "o2", operation);
      const query = { projectKey: project, versionName: version };
      return send(operations.getReleaseOpenByName, { query, decode }, call);
    },
    listProjects: (page: number, size: number, call: Call) => {
      const decode = ({ body }: RawReply, operation: Operation) => {
        const { projects, total } = readOne(payload.projectPage, body);
        return readList(payload.projectRow, projects ?? null, operation, total);
      };
      return send(operations.listProjects, { query: { pageNum: page + 1, pageSize: size }, decode }, call);
    },
    listArtifacts: (filters: ArtifactFilters, page: number, size: number, call: Call) => {
      const decode = ({ body, header }: RawReply, operation: Operation) =>
        readList(payload.artifact, body, operation, totalOf(header("x-total")));
      return send(operations.listArtifacts, { query: { ...filters, per_page: size, page: page + 1 }, decode }, call);
    },
    getArtifact: (id: string, call: Call) =>
      send(operations.getArtifact, { parts: { id }, decode: readArtifact }, call),
    /** The id behind an exact image; null when Zadig answers its "no id" (24 zeros). */
    findArtifact: (image: string, call: Call) =>
      send(operations.findArtifact, { query: { image }, media: "text", decode: readId }, call),
    getArtifactDirectory: (image: string, call: Call) =>
      send(operations.getArtifactDirectory, { query: { image }, decode: readArtifact }, call),
  };
}

/**
 * What one process has learnt about one Zadig; nothing of it comes from, or belongs to, a single caller. All of it
 * expires after some minutes: a Zadig is upgraded, or answers oddly for a moment.
 */
function createLearned() {
  const now = () => Date.now();
  return {
    /** The generation that the last readable answer showed. */
    generation: new Learnt<Generation>(now),
    /** That this Zadig has no artifact facade (before 1.8). */
    lacksArtifactFacade: new Learnt<true>(now),
    /** That the look-up of a release by id has found one (up to 1.7 it never does). */
    findsById: new Learnt<true>(now),
    /** That the list of all projects is refused to these credentials. */
    refusesAllProjects: new Learnt<true>(now),
    /** That this Zadig cannot list projects (before 1.16). */
    listsNoProjects: new Learnt<true>(now),
    /** The largest pages that were not too large an answer, where some were. */
    pageSizes: {
      brief: new Learnt<number>(now),
      detailed: new Learnt<number>(now),
      artifacts: new Learnt<number>(now),
    },
  };
}

/**
 * Parameters of the release lists. Zadig ignores what it does not know, and an ignored project name means "all
 * projects": every generation's spelling is sent, so that one call is right for 1.6 to 5.x. `ifPassFilter` stops 1.10
 * and later from answering with unsynchronised collaboration resources instead. `serviceName` is never sent: Zadig
 * applies it after paging. A missing `page` would return everything from 4.0 on.
 */
function releaseQuery(
  { project, workflow, taskId, label }: ReleaseScope,
  detailed: boolean,
  page: number,
  size: number,
  known: Generation | null,
): Query {
  return {
    projectName: project ?? undefined,
    productName: project ?? undefined,
    workflowName: workflow ?? undefined,
    taskId: taskId ?? undefined,
    // Zadig decodes the label once more after its framework has: a plus or a percent sign must survive that.
    label: label === null || known === "r1" ? undefined : label.replace(/[%+]/g, encodeURIComponent),
    verbosity: known === "r2" ? undefined : detailed ? "detailed" : "brief",
    per_page: size,
    perPage: size,
    page: page + 1,
    ifPassFilter: project === null ? undefined : true,
  };
}

/** Reads a list row by row; throws MisshapenAnswer for anything but a list or null. */
function readList<S extends z.ZodType>(
  schema: S,
  value: unknown,
  operation: Operation,
  total: number | null | undefined,
): Listed<z.output<S>> {
  const { rows, dropped, count } = readRowsLeniently(schema, value, operation);
  return { rows, dropped, count, total: total ?? null };
}

function mapRows<T, U>(list: Listed<T>, map: (row: T) => U): Listed<U> {
  return { ...list, rows: list.rows.map(map) };
}

function readReleases(
  body: unknown,
  generation: Generation | null,
  detailed: boolean,
  operation: Operation,
  total: number | null,
): Listed<payload.ReleasePayload> {
  if (generation === null && Array.isArray(body) && body.length > 0) {
    throw new MisshapenAnswer("expected releases: none of the known shapes");
  }
  return generation === "r2"
    ? mapRows(readList(payload.r2Release, body, operation, total), (row) => fromR2(row, false, operation))
    : mapRows(readList(payload.r1Release, body, operation, total), (row) => fromR1(row, detailed, operation));
}

function readRelease(body: unknown, generation: Generation | null, operation: Operation): payload.ReleasePayload {
  if (generation === null) throw new MisshapenAnswer("expected a release: none of the known shapes");
  return generation === "r1"
    ? fromR1(readLeniently(payload.r1Release, body, operation), true, operation)
    : fromR2(readLeniently(payload.r2Release, body, operation), true, operation);
}

function fromR1(
  row: z.output<typeof payload.r1Release>,
  detailed: boolean,
  operation: Operation,
): payload.ReleasePayload {
  const lists = [row.buildInfo, row.deployInfo, row.testInfo, row.distributeInfo, row.securityStatsInfo];
  // Up to 1.7 `verbosity` is unknown and everything comes anyway; from 1.8 on an empty list has no key at all.
  const carriesParts = detailed || lists.some((value) => value !== undefined);
  return { shape: "r1", info: row.versionInfo, parts: carriesParts ? readR1Parts(row, operation) : null };
}

function readR1Parts(row: z.output<typeof payload.r1Release>, operation: Operation): payload.R1Parts {
  const dropped: DroppedPart[] = [];
  const read = partReader(operation, dropped);
  return {
    builds: read("builds", "buildInfo", payload.buildInfo, row.buildInfo),
    deployments: read("deployments", "deployInfo", payload.deployInfo, row.deployInfo),
    tests: read("tests", "testInfo", payload.testInfo, row.testInfo),
    distributions: read("distributions", "distributeInfo", payload.distributeInfo, row.distributeInfo),
    securityScans: read("securityScans", "securityStatsInfo", payload.securityStats, row.securityStatsInfo),
    dropped,
  };
}

function fromR2(row: payload.R2Row, isDetail: boolean, operation: Operation): payload.ReleasePayload {
  const dropped: DroppedPart[] = [];
  const services = partReader(operation, dropped)("images", "services", payload.r2Service, row.services);
  const isEmpty = services?.length === 0 && dropped.length === 0;
  // Lists of 4.2 and later always have `services: []`: that is "not loaded". Only a detail can mean "none".
  return { shape: "r2", row, services: isEmpty && !isDetail ? null : services, dropped };
}

function readO1Release(body: unknown, project: string, operation: Operation): payload.ReleasePayload {
  const row = readLeniently(payload.o1Release, body, operation);
  const dropped: DroppedPart[] = [];
  const read = partReader(operation, dropped);
  const parts = {
    deployments: read("deployments", "deploy_infos", payload.o1Deploy, row.deploy_infos),
    distributions: read("distributions", "distribute_infos", payload.o1Distribute, row.distribute_infos),
    dropped,
  };
  return { shape: "open", item: row.version_info, project, generation: "o1", parts };
}

type DroppedPart = ReleaseParts["dropped"][number];

/**
 * Reads the lists of one release: a bad row costs itself, a list that is none costs itself and is null, the release
 * stays. What could not be read is added to `dropped`, with our name of its list.
 */
function partReader(operation: Operation, dropped: DroppedPart[]) {
  return <S extends z.ZodType>(
    part: DroppedPart["part"],
    name: string,
    schema: S,
    value: unknown,
  ): readonly z.output<S>[] | null => {
    const present = Array.isArray(value) ? value.filter((row) => row !== null) : (value ?? null);
    try {
      const list = readRowsLeniently(schema, present, operation);
      for (const row of list.dropped) dropped.push({ ...row, part, reason: `${name}.${row.reason}` });
      for (const row of list.cut) dropped.push({ ...row, part, reason: `${name}.${row.reason}` });
      return list.rows;
    } catch (error) {
      if (!(error instanceof MisshapenAnswer)) throw error;
      dropped.push({ operation: operation.name, index: 0, part, reason: `${name}: ${error.message}` });
      return null;
    }
  };
}

/** The generation that the first recognisable row shows; an empty list shows none. */
function generationOf(body: unknown): Generation | null {
  for (const row of Array.isArray(body) ? body : []) {
    if (typeof row !== "object" || row === null) continue;
    if ("versionInfo" in row) return "r1";
    if ("project_name" in row) return "r2";
  }
  return null;
}

function openGenerationOf(rows: unknown): Generation | null {
  for (const row of Array.isArray(rows) ? rows : []) {
    if (typeof row === "object" && row !== null) return "source" in row ? "o2" : "o1";
  }
  return null;
}

function readArtifact({ body }: RawReply, operation: Operation): payload.ArtifactPayload | null {
  return body === null ? null : readLeniently(payload.artifact, body, operation);
}

function readId({ body }: RawReply): string | null {
  const id = typeof body === "string" ? body.trim().replace(/^"(.*)"$/, "$1") : null;
  if (id === null || !/^[0-9a-f]{24}$/i.test(id)) throw new MisshapenAnswer("expected an id of 24 hex digits");
  return objectId(id);
}

/** The count in an `X-Total` header; null when there is none. */
function totalOf(header: string | null): number | null {
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : null;
}
