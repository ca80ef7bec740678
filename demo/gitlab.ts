import { gitlabEstate } from "./gitlab-estate.ts";
import {
  commitForm,
  fileForm,
  type GitlabEra,
  type GitlabStyle,
  mergeRequestForm,
  packageForm,
  pipelineForm,
  projectForm,
  repositoryForm,
  siblingForm,
  tagDetailForm,
  tagForm,
} from "./gitlab-forms.ts";
import type { GitlabPackage, GitlabPipeline, GitlabProject } from "./gitlab-records.ts";
import { type DemoReply, type DemoRequest, type DemoServer, serveDemo } from "./server.ts";
import { codeHost, credentials } from "./story.ts";

/** How the demo's GitLab differs from a plain, current one. */
export interface GitlabDemoOptions {
  readonly port?: number;
  /** 12.x, 13.x, 16.x or 18.x; default 18. */
  readonly era?: GitlabEra;
  /** Path the installation lives under, such as `/gitlab`. */
  readonly relativeRoot?: string;
  /** False leaves `x-total` and `x-total-pages` out, as servers do past 10,000 rows. */
  readonly totals?: boolean;
  /** False leaves every paging header but `Link` out, as some proxies do. */
  readonly pageHeaders?: boolean;
  /** Rows with equal sort keys come in another order on every second page: GitLab's lists have no tie-breaker. */
  readonly unstableTies?: boolean;
  /** Hours east of Greenwich of the server's configured time zone. */
  readonly zone?: number;
  /** Where a renamed project's old address leads: to this server, or to the host it believes to be. */
  readonly redirects?: "here" | "configured host";
}

/** More credentials the demo's GitLab knows, beside the story's access token. */
export const gitlabTokens = {
  oauth: "demo-gitlab-oauth",
  job: "demo-gitlab-job-token",
  expired: "demo-gitlab-expired",
  narrow: "demo-gitlab-registry-only",
} as const;

type Caller = "member" | "job" | "nobody";

const types = [
  ...["maven", "npm", "conan", "nuget", "pypi", "composer"],
  ...["generic", "golang", "debian", "rubygems", "helm", "terraform_module", "rpm", "ml_model", "cargo"],
];
const typesOf: Readonly<Record<GitlabEra, readonly string[]>> = {
  "12": types.slice(0, 5),
  "13": types.slice(0, 6),
  "16": types.slice(0, 14),
  "18": types,
};

const versions: Readonly<Record<GitlabEra, string>> = {
  "12": "12.8.10-ee",
  "13": "13.2.10-ee",
  "16": "16.11.10-ee",
  "18": "18.5.2-ee",
};

/** Serves GitLab's REST API (version 4) for packages, container images, commits and pipelines. */
export async function serveGitlab(options: GitlabDemoOptions = {}): Promise<DemoServer> {
  const { era = "18", relativeRoot = "", totals = true, pageHeaders = true, unstableTies = false, zone = 0 } = options;
  const estate = gitlabEstate();
  const style: GitlabStyle = { era, address: codeHost + relativeRoot, root: relativeRoot, zone };
  const prefix = `${relativeRoot}/api/v4/`;
  const modern = era === "16" || era === "18";
  let answers = 0;

  const server = await serveDemo("gitlab", handle, options.port);
  // The installation's address: a relative root is part of it.
  return { ...server, url: server.url + relativeRoot };

  function handle(request: DemoRequest): DemoReply {
    answers++;
    const reply = route(request);
    const headers: Record<string, string> = {
      "x-request-id": `01KDEMO${String(answers).padStart(19, "0")}`,
      "x-content-type-options": "nosniff",
      "cache-control": "max-age=0, private, must-revalidate",
      // Recent servers count aloud on every answer.
      ...(era === "18"
        ? { "ratelimit-name": "throttle_authenticated_api", "ratelimit-limit": "2000", "ratelimit-remaining": "1999" }
        : {}),
      ...reply.headers,
    };
    return { ...reply, headers };
  }

  function route(request: DemoRequest): DemoReply {
    if (!request.rawPath.startsWith(prefix)) return { status: 404, body: { error: "404 Not Found" } };
    const caller = identify(request);
    if (typeof caller !== "string") return caller;
    const parts = request.rawPath.slice(prefix.length).split("/").map(decodeURIComponent);
    const [owner, id = "", ...rest] = parts;
    if (owner === "version" && id === "") {
      if (caller !== "member") return { status: 401, body: { message: "401 Unauthorized" } };
      return { body: { version: versions[era], revision: "4f2a8f0c7d1" } };
    }
    if (owner === "projects" && id === "") {
      const seen = estate.filter((one) => (caller === "job" ? one.visibility === "public" : sees(caller, one)));
      return paged(
        seen.map((one) => projectForm(one, style)),
        request,
      );
    }
    if (owner === "projects" && id !== "") return inProject(id, rest, request, caller);
    if (owner === "groups" && id !== "") return inGroup(id, rest, request, caller);
    return { status: 404, body: { error: "404 Not Found" } };
  }

  function inProject(id: string, rest: readonly string[], request: DemoRequest, caller: Caller): DemoReply {
    // Paths are matched without case.
    const isSame = (path: string) => path.toLowerCase() === id.toLowerCase();
    const moved = estate.find(({ formerPaths }) => formerPaths.some(isSame));
    if (moved && modern && sees(caller, moved)) return redirect(moved, id, request);
    const project = estate.find((one) => (/^\d+$/.test(id) ? String(one.id) === id : isSame(one.path)));
    if (!project || !sees(caller, project)) return { status: 404, body: { message: "404 Project Not Found" } };
    const [area, first, second, third, fourth] = rest;
    if (request.method === "DELETE") return area === "packages" && first ? remove(project, first) : noRoute();
    if (request.method !== "GET") return { status: 405, body: { error: "405 Not Allowed" } };
    if (area === undefined) return { body: projectForm(project, style) };
    if (area === "packages") return packages(project, rest.slice(1), request);
    if (area === "pipelines" && first === undefined) return pipelinesOf(project, request);
    if (area === "repository" && first === "commits" && second) {
      return commitOf(project, second, third === "merge_requests", request);
    }
    if (area === "registry" && first === "repositories")
      return registry(project, second, third === "tags", fourth, request);
    return noRoute();
  }

  function inGroup(id: string, [area, what]: readonly string[], request: DemoRequest, caller: Caller): DemoReply {
    // Job tokens open projects only.
    if (caller === "job") return { status: 401, body: { message: "401 Unauthorized" } };
    const flat = request.query.get("exclude_subgroups") === "true";
    const inside = estate.filter(
      ({ path }) =>
        path.toLowerCase().startsWith(`${id.toLowerCase()}/`) && !(flat && path.slice(id.length + 1).includes("/")),
    );
    const visible = inside.filter((one) => sees(caller, one));
    if (visible.length === 0) return { status: 404, body: { message: "404 Group Not Found" } };
    if (area === "packages") return packageList(visible, "group", request);
    if (area === "registry" && what === "repositories") {
      const all = visible.flatMap((project) => project.repositories.map((one) => repositoryForm(one, project, style)));
      return paged(all, request);
    }
    return noRoute();
  }

  function packages(project: GitlabProject, [id, what]: readonly string[], request: DemoRequest): DemoReply {
    if (id === undefined) return packageList([project], "project", request);
    if (!/^\d+$/.test(id)) return { status: 400, body: { error: "package_id is invalid" } };
    const one = project.packages.find((row) => String(row.id) === id);
    if (!one || !["default", "deprecated", "error"].includes(one.status)) {
      return { status: 404, body: { message: "404 Not found" } };
    }
    if (what === "package_files")
      return paged(
        one.files.map((file) => fileForm(file, one, style)),
        request,
      );
    if (what === "pipelines" && modern) return keyset(one, project, request);
    if (what !== undefined) return noRoute();
    // Listed all the same: such a row has no page of its own.
    if (one.status === "error") return { status: 404, body: { message: "Package not found" } };
    return { body: { ...packageForm(one, project, style, "project"), versions: siblings(one, project) } };
  }

  function siblings(one: GitlabPackage, project: GitlabProject) {
    const others = project.packages.filter(
      (row) =>
        row.name === one.name && row.type === one.type && row.version !== one.version && row.status === "default",
    );
    const forms = others
      .sort((left, right) => ((left.version ?? "") < (right.version ?? "") ? -1 : 1))
      .map((row) => siblingForm(row, style));
    // The vendor's page prints this sibling under the number of another package.
    return project.id === 1 && one.id === 1
      ? forms.map((form) => (form["id"] === 3 ? { ...form, id: 2 } : form))
      : forms;
  }

  function packageList(
    projects: readonly GitlabProject[],
    scope: "project" | "group",
    request: DemoRequest,
  ): DemoReply {
    const { query } = request;
    const type = query.get("package_type");
    if (type !== null && !typesOf[era].includes(type)) return badValue("package_type");
    const status = query.get("status");
    const statuses = [
      "default",
      "hidden",
      "processing",
      "error",
      "pending_destruction",
      ...(era === "18" ? ["deprecated"] : []),
    ];
    if (status !== null && !statuses.includes(status)) return badValue("status");
    const orderBy = query.get("order_by") ?? "created_at";
    const orders = ["created_at", "name", "version", "type", ...(scope === "group" ? ["project_path"] : [])];
    if (!orders.includes(orderBy)) return badValue("order_by");
    const name = query.get("package_name")?.toLowerCase() ?? "";
    // Unknown to servers before 16.6, and unknown parameters are ignored.
    const version = modern ? query.get("package_version") : null;
    const shown = status === null ? ["default", "error", "deprecated"] : [status];
    const rows = projects
      .flatMap((project) => project.packages.map((one) => ({ one, project })))
      .filter(({ one }) => typesOf[era].includes(one.type))
      .filter(({ one }) => (type === null ? one.type !== "terraform_module" : one.type === type))
      .filter(({ one }) => shown.includes(one.status) && one.name.toLowerCase().includes(name))
      .filter(({ one }) => one.version !== null || query.get("include_versionless") === "true")
      .filter(({ one }) => version === null || one.version === version);
    const sign = query.get("sort") === "desc" ? -1 : 1;
    const tie = unstableTies && Number(query.get("page") ?? "1") % 2 === 0 ? -1 : 1;
    const keyOf = ({ one, project }: (typeof rows)[number]): string | number => {
      if (orderBy === "created_at") return one.at;
      if (orderBy === "project_path") return project.path;
      return orderBy === "type" ? types.indexOf(one.type) : orderBy === "name" ? one.name : (one.version ?? "");
    };
    rows.sort((left, right) => {
      const [a, b] = [keyOf(left), keyOf(right)];
      return a < b ? -sign : a > b ? sign : (left.one.id - right.one.id) * tie;
    });
    return paged(
      rows.map(({ one, project }) => packageForm(one, project, style, scope)),
      request,
    );
  }

  function keyset(one: GitlabPackage, project: GitlabProject, request: DemoRequest): DemoReply {
    const size = Number(request.query.get("per_page") ?? "20");
    if (!(size >= 1 && size <= 20)) return badValue("per_page");
    const all = one.pipelines === "deleted" ? [] : one.pipelines;
    const cursor = request.query.get("cursor");
    const below = cursor === null ? Number.POSITIVE_INFINITY : Number(Buffer.from(cursor, "base64url").toString());
    const left = [...all].sort((a, b) => b.id - a.id).filter(({ id }) => id < below);
    const page = left.slice(0, size);
    const last = page.at(-1);
    const next = Buffer.from(String(last?.id ?? 0)).toString("base64url");
    const path = `${codeHost}:8443${prefix}projects/${project.id}/packages/${one.id}/pipelines`;
    const link = `<${path}?cursor=${next}&id=${project.id}&package_id=${one.id}&per_page=${size}>; rel="next"`;
    return {
      headers: last && left.length > page.length ? { link } : {},
      body: page.map((pipeline) => pipelineForm(pipeline, style)),
    };
  }

  function pipelinesOf(project: GitlabProject, request: DemoRequest): DemoReply {
    const sha = request.query.get("sha");
    const byId = new Map<number, GitlabPipeline>();
    for (const { pipelines } of estate.flatMap((one) => one.packages)) {
      for (const one of pipelines === "deleted" ? [] : pipelines) {
        if (one.projectId === project.id && (sha === null || one.sha === sha)) byId.set(one.id, one);
      }
    }
    const rows = [...byId.values()].sort((left, right) => right.id - left.id);
    return paged(
      rows.map((one) => ({ ...pipelineForm(one, style), user: undefined })),
      request,
    );
  }

  function commitOf(project: GitlabProject, sha: string, mergeRequests: boolean, request: DemoRequest): DemoReply {
    const commit = [...project.commits.values()].find((one) => one.sha.startsWith(sha) && sha.length >= 7);
    if (!commit) return { status: 404, body: { message: "404 Commit Not Found" } };
    if (!mergeRequests) return { body: commitForm(commit, project, style) };
    const { mergeRequest } = commit;
    return paged(mergeRequest === null ? [] : [mergeRequestForm(commit, mergeRequest, project, style)], request);
  }

  function registry(
    project: GitlabProject,
    id: string | undefined,
    tags: boolean,
    tag: string | undefined,
    request: DemoRequest,
  ): DemoReply {
    if (id === undefined)
      return paged(
        project.repositories.map((one) => repositoryForm(one, project, style)),
        request,
      );
    const repository = project.repositories.find((one) => String(one.id) === id);
    if (!repository || !tags) return { status: 404, body: { message: "404 Not found" } };
    const sorted = [...repository.tags].sort((left, right) => (left.name < right.name ? -1 : 1));
    if (tag === undefined)
      return paged(
        sorted.map((one) => tagForm(one, repository, project)),
        request,
      );
    const found = sorted.find(({ name }) => name === tag);
    if (!found) return { status: 404, body: { message: "404 Tag Not Found" } };
    if (found.refused === 404) return { status: 404, body: { message: "404 Tag Not Found" } };
    if (found.refused === 500) return { status: 500, body: { message: "500 Internal Server Error" } };
    return { body: tagDetailForm(found, repository, project) };
  }

  function remove(project: GitlabProject, id: string): DemoReply {
    const one = project.packages.find((row) => String(row.id) === id && row.status !== "pending_destruction");
    if (!one) return { status: 404, body: { message: "404 Not found" } };
    one.status = "pending_destruction";
    return { status: 204 };
  }

  function redirect(project: GitlabProject, id: string, request: DemoRequest): DemoReply {
    const query = request.query.toString();
    const path = request.rawPath.replace(`/projects/${encodeURIComponent(id)}`, `/projects/${project.id}`);
    const origin = options.redirects === "configured host" ? codeHost : `http://${request.header("host") ?? ""}`;
    return {
      status: 301,
      headers: { location: `${origin}${path}${query === "" ? "" : `?${query}`}` },
      body: "This resource has been moved permanently",
    };
  }

  function paged(rows: readonly unknown[], request: DemoRequest): DemoReply {
    const { query } = request;
    const page = Number(query.get("page") ?? "1");
    const asked = Number(query.get("per_page") ?? "20");
    if (!(asked >= 1)) return badValue("per_page");
    if (!(page >= 1)) return badValue("page");
    const size = Math.min(asked, 100);
    const last = Math.max(1, Math.ceil(rows.length / size));
    const link = (number: number, rel: string) => {
      const params = new URLSearchParams(query);
      params.set("page", String(number));
      params.set("per_page", String(size));
      return `<${codeHost}:8443${request.rawPath}?${params}>; rel="${rel}"`;
    };
    const links = [
      ...(page > 1 ? [link(page - 1, "prev")] : []),
      ...(page < last ? [link(page + 1, "next")] : []),
      link(1, "first"),
      ...(totals ? [link(last, "last")] : []),
    ];
    return {
      headers: {
        link: links.join(", "),
        ...(pageHeaders
          ? {
              "x-page": String(page),
              "x-per-page": String(size),
              "x-prev-page": page > 1 ? String(page - 1) : "",
              "x-next-page": page < last ? String(page + 1) : "",
            }
          : {}),
        ...(pageHeaders && totals ? { "x-total": String(rows.length), "x-total-pages": String(last) } : {}),
      },
      body: rows.slice((page - 1) * size, page * size),
    };
  }
}

function identify(request: DemoRequest): Caller | DemoReply {
  const bearer = /^Bearer (.+)$/i.exec(request.header("authorization") ?? "")?.[1] ?? null;
  const token = request.header("private-token") ?? bearer;
  const job = request.header("job-token");
  if (token === null && job === null) return "nobody";
  if (job !== null) return job === gitlabTokens.job ? "job" : { status: 401, body: { message: "401 Unauthorized" } };
  if (token === gitlabTokens.expired) {
    const body = {
      error: "invalid_token",
      error_description: "Token is expired. You can either do re-authorization or token refresh.",
    };
    return { status: 401, body };
  }
  if (token === gitlabTokens.narrow) {
    const error_description = "The request requires higher privileges than provided by the access token.";
    return { status: 403, body: { error: "insufficient_scope", error_description, scope: "api read_api" } };
  }
  const known = token === credentials.gitlab.token || (bearer !== null && bearer === gitlabTokens.oauth);
  return known ? "member" : { status: 401, body: { message: "401 Unauthorized" } };
}

function sees(caller: Caller, { visibility, member }: GitlabProject): boolean {
  return visibility === "public" || (caller !== "nobody" && member);
}

function badValue(name: string): DemoReply {
  return { status: 400, body: { error: `${name} does not have a valid value` } };
}

function noRoute(): DemoReply {
  return { status: 404, body: { error: "404 Not Found" } };
}
