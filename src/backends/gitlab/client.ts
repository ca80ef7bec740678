import type { z } from "zod";
import type { Origin } from "../../model/backend.ts";
import { Upstream } from "../../upstream/client.ts";
import type { Call, Operation, PathParts, Query } from "../../upstream/operation.ts";
import { readOne, readRows } from "../loading/decode.ts";
import type { UpstreamPage } from "../paging/source.ts";
import { createDialect, hasNextPage, nextCursor, redirectedProject, totalOf } from "./dialect.ts";
import * as operations from "./operations.ts";
import * as payload from "./payload.ts";
import type { GitlabSettings, Scope } from "./settings.ts";

/** The largest page of GitLab's lists; a larger `per_page` is silently cut to it. */
export const pageSize = 100;

/** The largest page of a package's pipelines: 21 is a 400. */
const pipelinePageSize = 20;

/** One of GitLab's package lists. */
export interface PackageList {
  readonly scope: Scope;
  /** Null: every type but Terraform modules. */
  readonly type: string | null;
  /** A fuzzy filter on the server, ignoring case: rows must be compared again. */
  readonly name: string | null;
  /** Exact from 16.6 on and ignored before: rows must be compared again. */
  readonly version: string | null;
  readonly orderBy: "created_at" | "name";
  readonly sort: "asc" | "desc";
}

/** One value with its origin. */
export interface Sourced<T> {
  readonly value: T;
  readonly origin: Origin;
  /** The project that answered, by number or path, where a redirect led to it; null without a redirect. */
  readonly movedTo: string | null;
}

/** A page of a list, which a redirect may have answered for another project. */
export interface ProjectPage<T> extends UpstreamPage<T> {
  /** As in {@link Sourced}. */
  readonly movedTo: string | null;
}

/** GitLab's endpoints; made by {@link createClient}. */
export type GitlabClient = ReturnType<typeof createClient>;

/**
 * One function for each of GitLab's endpoints; pages count from 1. Every function rejects with an UpstreamError.
 * Nothing is sent before the first call.
 */
export function createClient(settings: GitlabSettings) {
  const upstream = new Upstream(settings, createDialect(settings));

  const { one, list } = createCalls(upstream);
  // Job tokens and anonymous callers may not ask for the version: one project of those they see is as cheap.
  const hasToken = settings.forward === "caller" || (settings.credentials && !("jobToken" in settings.credentials));

  return {
    upstream,
    /** The cheapest call these credentials may make. */
    ping: async (call: Call): Promise<Origin> => {
      const { origin } = hasToken
        ? await one(operations.getVersion, payload.versionInfo, {}, call)
        : await list(operations.listProjects, payload.projectRow, {}, { simple: true, page: 1 }, call, 1);
      return origin;
    },
    /** The name of the token's user, which may be a bot of a project or group; null without a token. */
    userName: async (call: Call): Promise<string | null> => {
      if (!hasToken) return null;
      const { username } = (await one(operations.getUser, payload.userInfo, {}, call)).value;
      // What GitLab allows as a user name (`NAMESPACE_FORMAT_REGEX`); nothing else is shown.
      return /^[\w.-]{1,255}$/.test(username) ? username : null;
    },
    listPackages: ({ scope, type, name, version, orderBy, sort }: PackageList, page: number, call: Call) => {
      const query: Query = {
        package_type: type ?? undefined,
        package_name: name ?? undefined,
        package_version: version ?? undefined,
        order_by: orderBy,
        sort,
        page,
      };
      return list(operations.packagesIn(scope.kind), payload.packageRow, { [scope.kind]: scope.id }, query, call);
    },
    getPackage: (project: string, id: string, call: Call) =>
      one(operations.getPackage, payload.packageRow, { project, id }, call),
    listFiles: (project: string, id: string, page: number, size: number, call: Call) =>
      list(operations.listPackageFiles, payload.fileRow, { project, id }, { page }, call, size),
    /** Pipelines of a package by cursor; `next` is null on the last page. */
    listPackagePipelines: async (project: string, id: string, cursor: string | null, call: Call) => {
      const operation = operations.listPackagePipelines;
      const query = { per_page: pipelinePageSize, cursor: cursor ?? undefined };
      const decode = ({ body }: { readonly body: unknown }) => readRows(payload.pipelineRow, body, operation);
      const reply = await upstream.call(operation, { parts: { project, id }, query, decode }, call);
      return { ...reply.value, origin: reply.origin, next: nextCursor(reply) };
    },
    getProject: (project: string, call: Call) => one(operations.getProject, payload.projectRow, { project }, call),
    getCommit: (project: string, sha: string, call: Call) =>
      one(operations.getCommit, payload.commitRow, { project, sha }, call, { stats: false }),
    listMergeRequests: (project: string, sha: string, page: number, call: Call) =>
      list(operations.listCommitMergeRequests, payload.mergeRequestRow, { project, sha }, { page }, call),
    listPipelines: (project: string, sha: string, page: number, call: Call) =>
      list(operations.listPipelines, payload.pipelineSummaryRow, { project }, { sha, page }, call),
    listRepositories: ({ kind, id }: Scope, page: number, call: Call) =>
      list(operations.repositoriesIn(kind), payload.repositoryRow, { [kind]: id }, { page }, call),
    listTags: (project: string, repository: number, page: number, call: Call) =>
      list(operations.listTags, payload.tagRow, { project, repository }, { page }, call),
    getTag: (project: string, repository: number, tag: string, call: Call) =>
      one(operations.getTag, payload.tagDetail, { project, repository, tag }, call),
  };
}

/** The two shapes of calls: one object, and one page of a list. */
function createCalls(upstream: Upstream) {
  async function one<S extends z.ZodType>(
    operation: Operation,
    schema: S,
    parts: PathParts,
    call: Call,
    query: Query = {},
  ): Promise<Sourced<z.output<S>>> {
    const reply = await upstream.call(operation, { parts, query, decode: ({ body }) => readOne(schema, body) }, call);
    return { value: reply.value, origin: reply.origin, movedTo: redirectedProject(reply) };
  }

  async function list<S extends z.ZodType>(
    operation: Operation,
    schema: S,
    parts: PathParts,
    query: Query,
    call: Call,
    size: number = pageSize,
  ): Promise<ProjectPage<z.output<S>>> {
    const decode = ({ body }: { readonly body: unknown }) => readRows(schema, body, operation);
    const reply = await upstream.call(operation, { parts, query: { ...query, per_page: size }, decode }, call);
    const { rows, dropped, count } = reply.value;
    return {
      rows,
      dropped,
      count,
      origin: reply.origin,
      total: totalOf(reply),
      more: hasNextPage(reply, count, size),
      movedTo: redirectedProject(reply),
    };
  }

  return { one, list };
}
