import type { z } from "zod";
import type { Origin } from "../../model/backend.ts";
import type { Release } from "../../model/release.ts";
import { Upstream } from "../../upstream/client.ts";
import { MisshapenAnswer } from "../../upstream/errors.ts";
import type { Call, Operation, Query, RawReply } from "../../upstream/operation.ts";
import { Learnt } from "../learnt.ts";
import { readLeniently, readOne, readRowsLeniently } from "../loading/decode.ts";
import type { UpstreamPage } from "../paging/source.ts";
import { createDialect } from "./dialect.ts";
import { objectId } from "./keys.ts";
import { fromOpen, fromR1, fromR2 } from "./mapper.ts";
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

/** A release as answered: it becomes a release with the origin of its answer. */
type ReleaseAnswer = (origin: Origin) => Release;

/** What one request works with. */
export interface View {
  readonly client: ZadigClient;
  readonly settings: ZadigSettings;
  readonly call: Call;
}

/** One page of a list as answered; unreadable rows are dropped and counted. */
export type Listed<T> = Omit<UpstreamPage<T>, "origin">;

/** Every call to one Zadig, and what was learnt of it. */
export type ZadigClient = ReturnType<typeof createClient>;

/** Opens one Zadig for the life of the process; sends nothing. Calls reject with an UpstreamError. Pages begin at 0. */
export function createClient(settings: ZadigSettings) {
  const upstream = new Upstream(settings, createDialect(settings));
  const learned = createLearned();
  return { upstream, learned, ...releaseCalls(settings, upstream, learned), ...artifactCalls(upstream) };
}

function releaseCalls(settings: ZadigSettings, { call: send }: Upstream, learned: Learned) {
  const surface = surfaceOf(settings);
  const configured = settings.generation === "auto" ? null : settings.generation;
  /** The generation as configured or as seen of late; null while unknown. */
  const generation = () => configured ?? learned.generation.get();
  const { listReleases, listReleasesDirectory, listReleasesOpen } = operations;
  /** The call that lists releases. */
  const listOperation = { aslan: listReleases, directory: listReleasesDirectory, openapi: listReleasesOpen }[surface];

  /** What `read` makes of an answer, whose generation is remembered where it shows one. */
  function learning<T>(seen: Generation | null, read: (generation: Generation | null) => T): T {
    const value = read(configured ?? seen);
    if (seen !== null) learned.generation.set(seen);
    return value;
  }

  function listOpen(project: string, page: number, size: number, call: Call) {
    const decode = ({ body }: RawReply, operation: Operation) => {
      const { list, total } = readOne(payload.openPage, body);
      const items = readList(payload.openItem, list ?? null, operation, total);
      return learning(openGenerationOf(list), (seen) => {
        const toAnswer = (item: payload.OpenItem) => (origin: Origin) => fromOpen(item, project, seen, null, origin);
        return { ...items, rows: items.rows.map(toAnswer) };
      });
    };
    return send(listOperation, { query: { projectKey: project, pageNum: page + 1, pageSize: size }, decode }, call);
  }

  return {
    surface,
    generation,
    listOperation,
    /** `detailed` asks for the parts: a brief list is cheaper where the generation has one. */
    listReleases: (scope: ReleaseScope, detailed: boolean, page: number, size: number, call: Call) => {
      // OpenAPI is asked for all projects nowhere: ReleaseLists reads one after the other.
      if (surface === "openapi") return listOpen(scope.project ?? "", page, size, call);
      const decode = (reply: RawReply, operation: Operation) =>
        learning(generationOf(reply.body), (seen) => readReleases(reply, seen, detailed, operation));
      return send(listOperation, { query: releaseQuery(scope, detailed, page, size, generation()), decode }, call);
    },
    /** NOT_FOUND for an unknown id; the answer may belong to another project than the one that was asked with. */
    getRelease: (id: string, project: string | null, call: Call) => {
      const decode = (reply: RawReply, operation: Operation) =>
        learning(generationOf([reply.body]), (seen) => readRelease(reply, seen, operation));
      const query = { projectName: project ?? undefined, ifPassFilter: true };
      return send(operations.getRelease, { parts: { id }, query, decode }, call);
    },
    getReleaseOpen: (id: string, project: string, call: Call) => {
      const decode = (reply: RawReply, operation: Operation) => readO1(reply, project, operation);
      return send(operations.getReleaseOpen, { parts: { id }, query: { projectKey: project }, decode }, call);
    },
    getReleaseOpenByName: (version: string, project: string, call: Call) => {
      const decode = (reply: RawReply, operation: Operation) => readRelease(reply, "o2", operation);
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
  };
}

function artifactCalls({ call: send }: Upstream) {
  return {
    /** `image` and `name` among the filters are regular expressions to Zadig. */
    listArtifacts: (filters: Query, page: number, size: number, call: Call) => {
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

type Learned = ReturnType<typeof createLearned>;

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
  return { ...readRowsLeniently(schema, value, operation), total: total ?? null };
}

function readReleases(
  { body, header }: RawReply,
  generation: Generation | null,
  detailed: boolean,
  operation: Operation,
): Listed<ReleaseAnswer> {
  if (generation === null && Array.isArray(body) && body.length > 0) {
    throw new MisshapenAnswer("expected releases: none of the known shapes");
  }
  const total = totalOf(header("x-total"));
  if (generation !== "r2") {
    const list = readList(payload.r1Release, body, operation, total);
    return { ...list, rows: list.rows.map((row) => readR1(row, detailed, operation)) };
  }
  const list = readList(payload.r2Release, body, operation, total);
  return { ...list, rows: list.rows.map((row) => readR2(row, false, operation)) };
}

function readRelease({ body }: RawReply, generation: Generation | null, operation: Operation): ReleaseAnswer | null {
  if (body === null) return null;
  if (generation === null) throw new MisshapenAnswer("expected a release: none of the known shapes");
  return generation === "r1"
    ? readR1(readLeniently(payload.r1Release, body, operation), true, operation)
    : readR2(readLeniently(payload.r2Release, body, operation), true, operation);
}

function readR1(row: z.output<typeof payload.r1Release>, detailed: boolean, operation: Operation): ReleaseAnswer {
  const lists = [row.buildInfo, row.deployInfo, row.testInfo, row.distributeInfo, row.securityStatsInfo];
  // Up to 1.7 `verbosity` is unknown and everything comes anyway; from 1.8 on an empty list has no key at all.
  const carriesParts = detailed || lists.some((value) => value !== undefined);
  const parts = carriesParts ? payload.readR1Parts(row, operation) : null;
  return (origin) => fromR1(row.versionInfo, parts, origin);
}

function readR2(row: payload.R2Row, isDetail: boolean, operation: Operation): ReleaseAnswer {
  const parts = payload.readR2Parts(row, operation);
  const isEmpty = parts.services?.length === 0 && parts.dropped.length === 0;
  // Lists of 4.2 and later always have `services: []`: that is "not loaded". Only a detail can mean "none".
  return (origin) => fromR2(row, isEmpty && !isDetail ? null : parts, origin);
}

function readO1({ body }: RawReply, project: string, operation: Operation): ReleaseAnswer | null {
  if (body === null) return null;
  const row = readLeniently(payload.o1Release, body, operation);
  const parts = payload.readO1Parts(row, operation);
  return (origin) => fromOpen(row.version_info, project, "o1", parts, origin);
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
