import type { z } from "zod";
import type { Origin } from "../../model/backend.ts";
import type { Call } from "../../upstream/call.ts";
import {
  createUpstream,
  type Dialect,
  judgeByStatus,
  type RawReply,
  type Reply,
  redirectedTo,
  type Upstream,
} from "../../upstream/client.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import type { Operation, PathParts, Query } from "../../upstream/operation.ts";
import type { Pressure } from "../../upstream/resilience.ts";
import { readOne, readRows } from "../decode.ts";
import type { UpstreamPage } from "../paging.ts";
import * as operations from "./operations.ts";
import * as payload from "./payload.ts";
import type { GitlabSettings } from "./settings.ts";

/** The largest page GitLab gives; a larger one is silently cut to it. */
export const pageSize = 100;

/** The largest page of a package's pipelines: one more is a 400. */
const pipelinePageSize = 20;

/** Where a list is read: a project (path or number), or a group with everything below it. */
export interface Scope {
  readonly kind: "project" | "group";
  readonly id: string;
}

/** One of GitLab's package lists, page by page. */
export interface PackageList {
  readonly scope: Scope;
  /** Null: every type but Terraform modules. */
  readonly type: string | null;
  /** A fuzzy filter on the server, ignoring case: rows must be checked again. */
  readonly name: string | null;
  /** Exact from 16.6 on and ignored before: rows must be checked again. */
  readonly version: string | null;
  readonly orderBy: "created_at" | "name";
  readonly sort: "asc" | "desc";
}

/** One value and where it came from. */
export interface Sourced<T> {
  readonly value: T;
  readonly origin: Origin;
  /** The project that answered, by number or path, where a redirect led to it; null where the one asked for answered. */
  readonly movedTo: string | null;
}

/** A page of a list that the server may have answered for another project than the one named. */
export interface ProjectPage<T> extends UpstreamPage<T> {
  /** As in {@link Sourced}. */
  readonly movedTo: string | null;
}

/** A page of a list that is walked by cursor. */
export interface CursorPage<T> extends ProjectPage<T> {
  /** Null at the end of the list. */
  readonly next: string | null;
}

/** GitLab's endpoints, one function each; pages count from 1. Every function rejects with an UpstreamError. */
export interface GitlabClient {
  readonly upstream: Upstream;
  /** The cheapest call these credentials may make. */
  readonly ping: (call: Call) => Promise<Origin>;
  /** The name of the user whose token this is, be it a bot of a project or group; null for who has none. */
  readonly userName: (call: Call) => Promise<string | null>;
  readonly listPackages: (list: PackageList, page: number, call: Call) => Promise<ProjectPage<payload.PackageRow>>;
  readonly getPackage: (project: string, id: string, call: Call) => Promise<Sourced<payload.PackageRow>>;
  readonly listFiles: (
    project: string,
    id: string,
    page: number,
    size: number,
    call: Call,
  ) => Promise<ProjectPage<payload.FileRow>>;
  readonly listPackagePipelines: (
    project: string,
    id: string,
    cursor: string | null,
    call: Call,
  ) => Promise<CursorPage<payload.PipelineRow>>;
  readonly getProject: (project: string, call: Call) => Promise<Sourced<payload.ProjectRow>>;
  readonly getCommit: (project: string, sha: string, call: Call) => Promise<Sourced<payload.CommitRow>>;
  readonly listMergeRequests: (
    project: string,
    sha: string,
    page: number,
    call: Call,
  ) => Promise<ProjectPage<payload.MergeRequestRow>>;
  readonly listPipelines: (
    project: string,
    sha: string,
    page: number,
    call: Call,
  ) => Promise<ProjectPage<payload.PipelineSummaryRow>>;
  readonly listRepositories: (scope: Scope, page: number, call: Call) => Promise<ProjectPage<payload.RepositoryRow>>;
  readonly listTags: (
    project: string,
    repository: number,
    page: number,
    call: Call,
  ) => Promise<ProjectPage<payload.TagRow>>;
  readonly getTag: (
    project: string,
    repository: number,
    tag: string,
    call: Call,
  ) => Promise<Sourced<payload.TagDetail>>;
  readonly circuitOpen: Upstream["circuitOpen"];
  readonly pressure: () => Pressure;
  readonly close: () => Promise<void>;
}

/** Opens the way to one GitLab; nothing is sent before the first call. */
export function createClient(settings: GitlabSettings): GitlabClient {
  const upstream = createUpstream(settings, createDialect(settings));

  async function one<S extends z.ZodType>(operation: Operation, schema: S, parts: PathParts, query: Query, call: Call) {
    const decode = (reply: RawReply) => readOne(schema, reply.body);
    const reply = await upstream.call(operation, { parts, query, decode }, call);
    return { value: reply.value, origin: reply.origin, movedTo: movedTo(reply) };
  }

  function many<S extends z.ZodType>(
    operation: Operation,
    schema: S,
    parts: PathParts,
    query: Query,
    call: Call,
    size: number = pageSize,
  ) {
    const decode = (raw: RawReply) => readRows(schema, raw.body, operation);
    return upstream
      .call(operation, { parts, query: { ...query, per_page: size }, decode }, call)
      .then((reply): ProjectPage<z.output<S>> => {
        const { rows, dropped, count } = reply.value;
        return {
          rows,
          dropped,
          count,
          origin: reply.origin,
          total: totalOf(reply),
          more: followed(reply, count, size),
          movedTo: movedTo(reply),
        };
      });
  }

  // Job tokens and nobody may not ask for the version: one project of those they see is as cheap.
  const hasToken = settings.forward === "caller" || (settings.credentials && !("jobToken" in settings.credentials));

  return {
    ping: async (call) => {
      if (hasToken) return (await one(operations.getVersion, payload.versionInfo, {}, {}, call)).origin;
      return (await many(operations.listProjects, payload.projectRow, {}, { simple: true, page: 1 }, call, 1)).origin;
    },
    userName: async (call) => {
      if (!hasToken) return null;
      const { username } = (await one(operations.getUser, payload.userInfo, {}, {}, call)).value;
      // What GitLab allows as a user name (`NAMESPACE_FORMAT_REGEX`); nothing else is shown.
      return /^[\w.-]{1,255}$/.test(username) ? username : null;
    },
    listPackages: ({ scope, type, name, version, orderBy, sort }, page, call) => {
      const query: Query = {
        package_type: type ?? undefined,
        package_name: name ?? undefined,
        package_version: version ?? undefined,
        order_by: orderBy,
        sort,
        page,
      };
      return scope.kind === "project"
        ? many(operations.listProjectPackages, payload.packageRow, { project: scope.id }, query, call)
        : many(operations.listGroupPackages, payload.packageRow, { group: scope.id }, query, call);
    },
    getPackage: (project, id, call) => one(operations.getPackage, payload.packageRow, { project, id }, {}, call),
    listFiles: (project, id, page, size, call) =>
      many(operations.listPackageFiles, payload.fileRow, { project, id }, { page }, call, size),
    listPackagePipelines: async (project, id, cursor, call) => {
      const operation = operations.listPackagePipelines;
      const reply = await upstream.call(
        operation,
        {
          parts: { project, id },
          query: { per_page: pipelinePageSize, cursor: cursor ?? undefined },
          decode: (raw) => readRows(payload.pipelineRow, raw.body, operation),
        },
        call,
      );
      const next = nextCursor(reply.header("link"));
      return { ...reply.value, origin: reply.origin, total: null, next, movedTo: movedTo(reply) };
    },
    getProject: (project, call) => one(operations.getProject, payload.projectRow, { project }, {}, call),
    getCommit: (project, sha, call) =>
      one(operations.getCommit, payload.commitRow, { project, sha }, { stats: false }, call),
    listMergeRequests: (project, sha, page, call) =>
      many(operations.listCommitMergeRequests, payload.mergeRequestRow, { project, sha }, { page }, call),
    listPipelines: (project, sha, page, call) =>
      many(operations.listPipelines, payload.pipelineSummaryRow, { project }, { sha, page }, call),
    listRepositories: (scope, page, call) =>
      scope.kind === "project"
        ? many(operations.listProjectRepositories, payload.repositoryRow, { project: scope.id }, { page }, call)
        : many(operations.listGroupRepositories, payload.repositoryRow, { group: scope.id }, { page }, call),
    listTags: (project, repository, page, call) =>
      many(operations.listTags, payload.tagRow, { project, repository }, { page }, call),
    getTag: (project, repository, tag, call) =>
      one(operations.getTag, payload.tagDetail, { project, repository, tag }, {}, call),
    upstream,
    circuitOpen: upstream.circuitOpen,
    pressure: upstream.pressure,
    close: upstream.close,
  };
}

function createDialect(settings: GitlabSettings): Dialect {
  return {
    authorize: (request, call) => headersFor(settings, request.operation, call),
    judge: (reply, { name }) => {
      // GitLab's API writes every 404 in JSON: anything else is a proxy, or another address than the API's.
      if (reply.status === 404 && typeof reply.body !== "object") {
        return { failure: "MALFORMED", reason: "a 404 that GitLab did not write" };
      }
      // A registry without the metadata database answers so for an index, for ever: asking again changes nothing.
      if (reply.status === 500 && name === operations.getTag.name) return { failure: "UNAVAILABLE", retryable: false };
      const plain = judgeByStatus(reply);
      const code = oauthCode(reply.body);
      return plain === "FINE" || code === null ? plain : { ...plain, code };
    },
    traceHeader: "x-request-id",
    // A renamed project answers 301 with the project's number in the new address (16.7+).
    followsRedirects: true,
    check: { operation: operations.getVersion },
  };
}

function headersFor(settings: GitlabSettings, operation: string, call: Call): Record<string, string> {
  const { credentials, forward, name: backend } = settings;
  if (forward === "caller") {
    const credential = call.caller.credentialFor(backend);
    if (credential === null || !/^[\x21-\x7e]+$/.test(credential))
      throw new UpstreamError("DENIED", { backend, operation });
    // Bearer takes access tokens and OAuth tokens alike; PRIVATE-TOKEN takes only the former.
    return { authorization: `Bearer ${credential}` };
  }
  if (credentials === undefined) return {};
  if ("token" in credentials) return { "private-token": credentials.token };
  if ("bearer" in credentials) return { authorization: `Bearer ${credentials.bearer}` };
  return { "job-token": credentials.jobToken };
}

// Error codes of RFC 6750, which GitLab uses for tokens; every other error text is prose.
const oauthCodes = ["invalid_token", "insufficient_scope", "invalid_request"];

function oauthCode(body: unknown): string | null {
  if (typeof body !== "object" || body === null || !("error" in body)) return null;
  return oauthCodes.find((code) => code === body.error) ?? null;
}

// Only the path of a renamed or transferred project is redirected (16.7+, `project_moved?` in lib/api/helpers.rb): to
// another case of the same path the server answers as it is.
function movedTo(reply: Reply<unknown>): string | null {
  const path = reply.header(redirectedTo);
  if (path === null) return null;
  const [, behind = ""] = path.split("/api/v4/projects/", 2);
  try {
    return decodeURIComponent(behind.split(/[/?]/, 1)[0] ?? "");
  } catch {
    return "";
  }
}

// Missing past 10,000 rows, and on some endpoints always.
function totalOf(reply: Reply<unknown>): number | null {
  const total = reply.header("x-total");
  return total !== null && /^\d{1,15}$/.test(total) ? Number(total) : null;
}

// `x-next-page` is there and empty on the last page. Where a proxy dropped it, `Link` may be left, and else a full page
// is all there is to go by.
function followed(reply: Reply<unknown>, count: number, size: number): boolean {
  if (count === 0) return false;
  const next = reply.header("x-next-page");
  if (next !== null) return /\d/.test(next);
  const link = reply.header("link");
  return link === null ? count >= size : nextTarget(link) !== null;
}

/** The cursor in `Link: <…>; rel="next"`: only the query counts, since the host is whatever the server believes it is. */
function nextCursor(link: string | null): string | null {
  const target = link === null ? null : nextTarget(link);
  return target === null ? null : new URL(target, "http://link").searchParams.get("cursor");
}

function nextTarget(link: string): string | null {
  // Targets may hold neither bracket, so that each piece is one link: all of this takes one pass over the text.
  for (const piece of link.split("<").slice(1)) {
    const end = piece.indexOf(">");
    const target = piece.slice(0, Math.max(0, end));
    if (end > 0 && isNext(piece.slice(end + 1)) && URL.canParse(target, "http://link")) return target;
  }
  return null;
}

function isNext(parameters: string): boolean {
  return parameters.split(";").some((one) => /^rel="?next"?,?$/i.test(one.trim()));
}
