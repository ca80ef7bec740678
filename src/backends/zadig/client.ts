import { z } from "zod";
import type { Call } from "../../upstream/call.ts";
import {
  createUpstream,
  type Dialect,
  type Judgement,
  type RawReply,
  type Reply,
  type Upstream,
} from "../../upstream/client.ts";
import { MisshapenAnswer, UpstreamError } from "../../upstream/errors.ts";
import type { Operation, Query } from "../../upstream/operation.ts";
import { readLeniently, readOne } from "../decode.ts";
import { objectId } from "./object-id.ts";
import {
  findArtifact,
  getArtifact,
  getArtifactDirectory,
  getRelease,
  getReleaseOpen,
  getReleaseOpenByName,
  listArtifacts,
  listProjects,
  listReleases,
  listReleasesDirectory,
  listReleasesOpen,
} from "./operations.ts";
import { type ArtifactPayload, artifact, type ProjectPayload, projectPage, projectRow } from "./payload.ts";
import {
  type Expectation,
  type ReleasePayload,
  type ReleaseSlots,
  readO1Release,
  readOpenReleases,
  readRelease,
  readReleases,
} from "./release-payload.ts";
import { type Generation, isOldKey, type ZadigSettings } from "./settings.ts";
import { readSlots, type Slots, totalOf } from "./slots.ts";

/** What a release list is asked for. */
export interface ReleaseListQuery {
  readonly project: string | null;
  readonly workflow: string | null;
  readonly taskId: number | null;
  /** Exact label; only R2 filters by it, the others ignore it. */
  readonly label: string | null;
  /** From 1. */
  readonly page: number;
  readonly size: number;
}

/** What an artifact list is asked for; `image` and `name` are regular expressions to Zadig, already escaped here. */
export interface ArtifactListQuery {
  readonly image?: string;
  readonly name?: string;
  readonly imageTag?: string;
  readonly type?: string;
  readonly repoName?: string;
  readonly branch?: string;
  /** From 1. */
  readonly page: number;
  readonly size: number;
}

/** A release as answered, with the generation that its shape shows. */
export interface ToldRelease {
  readonly payload: ReleasePayload;
  readonly generation: Generation;
}

/** Every call we make to one Zadig. All reject with an UpstreamError. */
export interface ZadigClient {
  readonly upstream: Upstream;
  readonly listReleases: (query: ReleaseListQuery, expected: Expectation, call: Call) => Promise<Reply<ReleaseSlots>>;
  readonly listReleasesDirectory: (
    query: ReleaseListQuery,
    expected: Expectation,
    call: Call,
  ) => Promise<Reply<ReleaseSlots>>;
  readonly listReleasesOpen: (
    query: { readonly project: string; readonly page: number; readonly size: number },
    expected: Expectation,
    call: Call,
  ) => Promise<Reply<ReleaseSlots>>;
  readonly listProjects: (page: number, size: number, call: Call) => Promise<Reply<Slots<ProjectPayload>>>;
  /** NOT_FOUND for an unknown id; the answer may belong to another project than the one that was asked with. */
  readonly getRelease: (
    id: string,
    project: string | null,
    expected: Expectation,
    call: Call,
  ) => Promise<Reply<ToldRelease | null>>;
  readonly getReleaseOpen: (id: string, project: string, call: Call) => Promise<Reply<ReleasePayload | null>>;
  readonly getReleaseOpenByName: (version: string, project: string, call: Call) => Promise<Reply<ToldRelease | null>>;
  readonly listArtifacts: (query: ArtifactListQuery, call: Call) => Promise<Reply<Slots<ArtifactPayload>>>;
  readonly getArtifact: (id: string, call: Call) => Promise<Reply<ArtifactPayload | null>>;
  /** The id behind an exact image; null when Zadig answers its "no id" (24 zeros). */
  readonly findArtifact: (image: string, call: Call) => Promise<Reply<string | null>>;
  readonly getArtifactDirectory: (image: string, call: Call) => Promise<Reply<ArtifactPayload | null>>;
}

/** Opens the way to one Zadig; sends nothing. */
export function createClient(settings: ZadigSettings): ZadigClient {
  const upstream = createUpstream(settings, dialectOf(settings));
  const { call: send } = upstream;
  return {
    upstream,
    listReleases: (query, expected, call) =>
      send(
        listReleases,
        {
          query: releaseQuery(query, expected),
          decode: ({ body, header }, operation) => readReleases(body, expected, operation, totalOf(header("x-total"))),
        },
        call,
      ),
    listReleasesDirectory: (query, expected, call) =>
      send(
        listReleasesDirectory,
        {
          query: releaseQuery(query, expected),
          // The facade passes no X-Total on.
          decode: ({ body }, operation) => readReleases(body, expected, operation, null),
        },
        call,
      ),
    listReleasesOpen: ({ project, page, size }, expected, call) =>
      send(
        listReleasesOpen,
        {
          query: { projectKey: project, pageNum: page, pageSize: size },
          decode: ({ body }, operation) => readOpenReleases(body, expected, operation),
        },
        call,
      ),
    listProjects: (page, size, call) =>
      send(
        listProjects,
        {
          query: { pageNum: page, pageSize: size },
          decode: ({ body }, operation) => {
            const { projects, total } = readOne(projectPage, body);
            return readSlots(projectRow, projects ?? null, operation, total ?? null);
          },
        },
        call,
      ),
    getRelease: (id, project, expected, call) =>
      send(
        getRelease,
        {
          parts: { id },
          query: { projectName: project ?? undefined, ifPassFilter: true },
          decode: ({ body }, operation) => readRelease(body, expected, operation),
        },
        call,
      ),
    getReleaseOpen: (id, project, call) =>
      send(
        getReleaseOpen,
        {
          parts: { id },
          query: { projectKey: project },
          decode: ({ body }, operation) => readO1Release(body, operation),
        },
        call,
      ),
    getReleaseOpenByName: (version, project, call) =>
      send(
        getReleaseOpenByName,
        {
          query: { projectKey: project, versionName: version },
          decode: ({ body }, operation) =>
            readRelease(body, { generation: "o2", known: "o2", detailed: true }, operation),
        },
        call,
      ),
    listArtifacts: ({ page, size, ...filters }, call) =>
      send(
        listArtifacts,
        {
          query: { ...filters, per_page: size, page },
          decode: ({ body, header }, operation) => readSlots(artifact, body, operation, totalOf(header("x-total"))),
        },
        call,
      ),
    getArtifact: (id, call) => send(getArtifact, { parts: { id }, decode: oneArtifact }, call),
    findArtifact: (image, call) =>
      send(findArtifact, { query: { image }, media: "text", decode: ({ body }) => readId(body) }, call),
    getArtifactDirectory: (image, call) => send(getArtifactDirectory, { query: { image }, decode: oneArtifact }, call),
  };
}

/**
 * Parameters of the release lists. Zadig ignores what it does not know, and an ignored project name means "all
 * projects": every generation's spelling is sent, so that one call is right for 1.6 to 5.x. `ifPassFilter` keeps 1.10
 * and later from answering with unsynchronised collaboration resources instead. `serviceName` is never sent: Zadig
 * applies it after paging. A missing `page` would return everything from 4.0 on.
 */
function releaseQuery(query: ReleaseListQuery, { known, detailed }: Expectation): Query {
  const project = query.project ?? undefined;
  return {
    projectName: project,
    productName: project,
    workflowName: query.workflow ?? undefined,
    taskId: query.taskId ?? undefined,
    label: query.label === null || known === "r1" ? undefined : twice(query.label),
    verbosity: known === "r2" ? undefined : detailed ? "detailed" : "brief",
    per_page: query.size,
    perPage: query.size,
    page: query.page,
    ifPassFilter: project === undefined ? undefined : true,
  };
}

// Zadig decodes the label once more after its framework has done so: a plus or a percent sign must survive that.
function twice(label: string): string {
  return label.replace(/[%+]/g, encodeURIComponent);
}

function oneArtifact({ body }: RawReply, operation: Operation): ArtifactPayload | null {
  return body === null ? null : readLeniently(artifact, body, operation);
}

function readId(body: unknown): string | null {
  const id = typeof body === "string" ? body.trim().replace(/^"(.*)"$/, "$1") : null;
  if (id === null || !/^[0-9a-f]{24}$/i.test(id)) throw new MisshapenAnswer("expected an id of 24 hex digits");
  return objectId(id);
}

function dialectOf(settings: ZadigSettings): Dialect {
  const { name, credentials, forward } = settings;
  const oldKey = isOldKey(settings);
  return {
    authorize: (request, call) => {
      if (forward !== undefined) {
        const token = call.caller.credentialFor(name);
        if (token === null) throw new UpstreamError("DENIED", { backend: name, operation: request.operation });
        return { authorization: `Bearer ${token}` };
      }
      if (credentials === undefined) throw new UpstreamError("DENIED", { backend: name, operation: request.operation });
      return {
        authorization: "apiKey" in credentials ? `X-API-KEY ${credentials.apiKey}` : `Bearer ${credentials.token}`,
      };
    },
    judge: (reply, operation) => judge(reply, operation, forward === undefined && oldKey),
    traceHeader: null,
  };
}

const code = z.int().min(1).max(99_999).optional().catch(undefined);
const errorBody = z.object({ code, resultCode: code, message: z.unknown().optional() });

const licenceMissing = 7050;
const releaseUnreadable = 6563;
const artifactUnreadable = 6662;
/** "Listing … failed": the server's own trouble, whatever the reason. */
const listingFailed: readonly number[] = [6561, 6571, 6581, 6591, 6601, 6614, 6663, 6665];
/** Where one thing was asked for by its key, so that "cannot be read" most likely means "is not there". */
const keyedReads: ReadonlyMap<number, readonly Operation[]> = new Map([
  [releaseUnreadable, [getRelease]],
  [artifactUnreadable, [getArtifact, findArtifact]],
]);
/** They answer 500 for what is missing as well as for what is broken: asking again is no help. */
const bluntOperations: readonly Operation[] = [
  listReleasesDirectory,
  getArtifactDirectory,
  getReleaseOpen,
  getReleaseOpenByName,
];

/**
 * Zadig's moods. Every 6xxx and 7xxx code comes with status 400, nothing that is missing comes with 404, and a code
 * in a 200 means that the answer was replaced. Only statuses and numeric codes count: messages are Chinese, overwritten
 * by other requests under load, and hold internal addresses.
 */
function judge({ status, body }: RawReply, operation: Operation, oldKey: boolean): Judgement | null {
  // A list is no error, and finding that out by its schema costs more than reading the list.
  const spoken: z.output<typeof errorBody> = Array.isArray(body) ? {} : (errorBody.safeParse(body).data ?? {});
  const { code: typed, resultCode, message } = spoken;
  if (status >= 200 && status < 300) {
    if (resultCode !== undefined) return byNumber(resultCode);
    // 1.10 and later: collaboration resources that the user has not synchronised stand in for the answer.
    if (typed === 10_000) return { failure: "MALFORMED", code: "10000", reason: "another answer than was asked for" };
    return null;
  }
  const told = typed === undefined ? {} : { code: String(typed) };
  if (typed === licenceMissing) return { failure: "DENIED", ...told };
  if (typed !== undefined && keyedReads.get(typed)?.includes(operation)) return { failure: "NOT_FOUND", ...told };
  if (typed !== undefined && listingFailed.includes(typed)) return { failure: "UNAVAILABLE", ...told };
  // One dangling activity fails a whole page of artifacts, and will fail it again.
  if (typed === artifactUnreadable || typed === releaseUnreadable) {
    return { failure: "UNAVAILABLE", retryable: false, ...told };
  }
  if (resultCode !== undefined) return byNumber(resultCode);
  // No route is not "no such thing": this server is older, newer or elsewhere.
  if (status === 404 || status === 405 || status === 410) return { failure: "REJECTED", ...told };
  // The edge of 1.6 answers a wrong key with 500 and nothing but a message.
  if (status === 500 && oldKey && typed === undefined && message !== undefined) return { failure: "DENIED" };
  if (status >= 500 && bluntOperations.includes(operation))
    return { failure: "UNAVAILABLE", retryable: false, ...told };
  if (status === 400) return { failure: "REJECTED", ...told };
  return null;
}

/** The 1.6 facade speaks of HTTP statuses in its body. */
function byNumber(resultCode: number): Judgement {
  const told = { code: String(resultCode) };
  if (resultCode === 401 || resultCode === 403) return { failure: "DENIED", ...told };
  if (resultCode >= 500 && resultCode < 600) return { failure: "UNAVAILABLE", ...told };
  return { failure: "REJECTED", ...told };
}
