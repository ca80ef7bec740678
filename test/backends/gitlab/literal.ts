import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** A package row as `API::Entities::Package` presents it; what is left out of it is absent. */
export interface LiteralPackage {
  readonly id: number;
  readonly name: string;
  readonly package_type: string;
  readonly version: string;
  readonly created_at?: string;
  readonly status?: string;
  readonly sha?: string;
  readonly conan_package_name?: string;
  /** Names of its files. */
  readonly files?: readonly string[];
}

/** What the detail of a tag answers: its digest, none (404 for an index), or 500 for ever. */
export type LiteralTag = { readonly digest: string; readonly created_at: string | null } | 404 | 500 | 503;

export interface LiteralRepository {
  readonly id: number;
  readonly name: string;
  readonly tags: Readonly<Record<string, LiteralTag>>;
}

export interface LiteralProject {
  readonly id: number;
  readonly path: string;
  /** Paths it had before: they are answered with a redirect to its number (16.7+). */
  readonly formerly?: readonly string[];
  readonly packages?: readonly LiteralPackage[];
  readonly repositories?: readonly LiteralRepository[];
  /** Whole hashes; `pipelines?sha=` finds none of them by less. */
  readonly commits?: readonly string[];
}

export interface LiteralOptions {
  readonly projects: readonly LiteralProject[];
  /** Lists without `order_by`, `sort` and `package_version`, and details without a list of pipelines. */
  readonly isOld?: boolean;
  /** Totals are not told, as past 10,000 rows. */
  readonly withoutTotals?: boolean;
}

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/**
 * A GitLab as its source says: lib/api/helpers.rb (look-ups by number or by path without case, redirects of moved
 * projects), packages_helpers and finders (filters, order), project_container_repositories.rb and
 * app/models/container_repository.rb (lower-cased paths). `asked` are paths with queries, decoded, in order.
 */
export async function serveLiteral(options: LiteralOptions) {
  const asked: string[] = [];
  const replies: ((url: URL) => Promise<Reply> | Reply | null)[] = [];
  let origin = "";
  const server = createServer((request, response) => {
    void answer(request).then(({ status = 200, headers, body }) => {
      const isText = typeof body === "string";
      response.writeHead(status, { "content-type": isText ? "text/plain" : "application/json", ...headers });
      response.end(isText ? body : JSON.stringify(body));
    });
  });

  async function answer(request: IncomingMessage): Promise<Reply> {
    const url = new URL(request.url ?? "", origin);
    asked.push(decodeURIComponent((request.url ?? "").replace("/api/v4/", "")));
    for (const reply of replies) {
      const one = await reply(url);
      if (one) return one;
    }
    const [kind = "", id = "", ...rest] = url.pathname.replace("/api/v4/", "").split("/").map(decodeURIComponent);
    if (kind === "groups") return inGroup(id, rest, url);
    if (kind !== "projects") return { status: 404, body: { error: "404 Not Found" } };
    const project = options.projects.find(
      (one) => String(one.id) === id || one.path.toLowerCase() === id.toLowerCase(),
    );
    if (project) return inProject(project, rest, url);
    const moved = options.projects.find(({ formerly = [] }) =>
      formerly.some((path) => path.toLowerCase() === id.toLowerCase()),
    );
    if (!moved) return { status: 404, body: { message: "404 Project Not Found" } };
    const place = [moved.id, ...rest.map(encodeURIComponent)].join("/");
    const location = `${origin}/api/v4/projects/${place}${url.search}`;
    return { status: 301, headers: { location }, body: `This resource has been moved permanently to ${location}` };
  }

  function inGroup(id: string, rest: readonly string[], url: URL): Reply {
    const below = options.projects.filter(({ path }) => path.toLowerCase().startsWith(`${id.toLowerCase()}/`));
    if (below.length === 0) return { status: 404, body: { message: "404 Group Not Found" } };
    if (rest.join("/") === "packages") {
      const rows = below.flatMap((project) =>
        (project.packages ?? []).map((row) => ({
          row,
          extra: { project_id: project.id, project_path: project.path },
          project,
        })),
      );
      return packageList(rows, url);
    }
    return paged(below.flatMap(repositoriesOf), url);
  }

  function inProject(project: LiteralProject, rest: readonly string[], url: URL): Reply {
    const [what, id, part] = rest;
    if (what === undefined) return { body: { id: project.id, path_with_namespace: project.path, name: "anything" } };
    if (what === "packages" && id === undefined) {
      return packageList(
        (project.packages ?? []).map((row) => ({ row, extra: {}, project })),
        url,
      );
    }
    if (what === "packages") {
      const row = project.packages?.find((one) => String(one.id) === id);
      if (!row) return { status: 404, body: { message: "404 Not found" } };
      if (part === "package_files") {
        const files = row.files ?? ["file.bin"];
        return paged(
          files.map((name, index) => ({
            id: row.id * 100 + index,
            file_name: name,
            size: 3,
            file_sha256: "ab".repeat(32),
          })),
          url,
        );
      }
      if (part === "pipelines")
        return options.isOld
          ? { status: 404, body: { error: "404 Not Found" } }
          : { body: row.sha ? [pipelineOf(row.sha, project)] : [] };
      if (row.status === "error") return { status: 404, body: { message: "Package not found" } };
      return { body: presented(row, project) };
    }
    if (what === "registry") return inRegistry(project, rest.slice(2), url);
    if (what === "pipelines") {
      const sha = url.searchParams.get("sha");
      return paged(
        (project.commits ?? []).filter((one) => one === sha).map((one) => pipelineOf(one, project)),
        url,
      );
    }
    const commit = project.commits?.find((one) => one.startsWith(rest[2] ?? " "));
    if (!commit) return { status: 404, body: { message: "404 Commit Not Found" } };
    if (rest[3] === "merge_requests") return paged([], url);
    return {
      body: { id: commit, title: "a commit", web_url: `https://gitlab.test/${project.path}/-/commit/${commit}` },
    };
  }

  function inRegistry(project: LiteralProject, [id, , name]: readonly string[], url: URL): Reply {
    if (id === undefined) return paged(repositoriesOf(project), url);
    const repository = project.repositories?.find((one) => String(one.id) === id);
    if (!repository) return { status: 404, body: { message: "404 Not found" } };
    const path = pathOf(project, repository);
    const tagOf = (tag: string) => ({ name: tag, path: `${path}:${tag}`, location: `registry.test/${path}:${tag}` });
    if (name === undefined) return paged(Object.keys(repository.tags).toSorted().map(tagOf), url);
    const tag = repository.tags[name];
    if (tag === undefined || tag === 404) return { status: 404, body: { message: "404 Tag Not Found" } };
    if (typeof tag === "number") return { status: tag, body: { message: `${tag} Internal Server Error` } };
    return { body: { ...tagOf(name), revision: "ab".repeat(32), short_revision: "abababab", total_size: 7, ...tag } };
  }

  function packageList(
    all: readonly { readonly row: LiteralPackage; readonly extra: object; readonly project: LiteralProject }[],
    url: URL,
  ): Reply {
    const { searchParams: query } = url;
    const [type, name, version] = ["package_type", "package_name", "package_version"].map((key) => query.get(key));
    const rows = all
      .filter(({ row }) => (type ? row.package_type === type : row.package_type !== "terraform_module"))
      .filter(({ row }) => (row.conan_package_name ?? row.name).toLowerCase().includes((name ?? "").toLowerCase()))
      .filter(({ row }) => options.isOld || !version || row.version === version);
    const order = query.get("order_by") === "name" ? "name" : "created_at";
    const sign = query.get("sort") === "desc" ? -1 : 1;
    const keyOf = ({ row }: { row: LiteralPackage }) => row[order] ?? "";
    const sorted = options.isOld
      ? rows
      : rows.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -sign : keyOf(one) > keyOf(other) ? sign : 0));
    return paged(
      sorted.map(({ row, extra, project }) => ({ ...presented(row, project), ...extra })),
      url,
    );
  }

  function presented({ sha, files: _files, ...row }: LiteralPackage, project: LiteralProject) {
    const links = row.status === "error" ? {} : { web_path: `/${project.path}/-/packages/${row.id}` };
    return {
      status: "default",
      tags: [],
      _links: links,
      ...row,
      ...(sha ? { pipeline: pipelineOf(sha, project), pipelines: [] } : {}),
    };
  }

  function pipelineOf(sha: string, { id, path }: LiteralProject) {
    const web_url = `https://gitlab.test/${path}/-/pipelines/5`;
    return {
      id: 5,
      project_id: id,
      sha,
      ref: "main",
      status: "success",
      web_url,
      created_at: "2026-01-01T00:00:00.000Z",
    };
  }

  function pathOf({ path }: LiteralProject, { name }: LiteralRepository): string {
    return [path, name]
      .filter((part) => part !== "")
      .join("/")
      .toLowerCase();
  }

  function repositoriesOf(project: LiteralProject) {
    return (project.repositories ?? []).map((one) => {
      const path = pathOf(project, one);
      return {
        id: one.id,
        name: one.name,
        path,
        project_id: project.id,
        location: `registry.test/${path}`,
        status: null,
      };
    });
  }

  function paged(rows: readonly unknown[], { searchParams }: URL): Reply {
    const [page, size] = [Number(searchParams.get("page") ?? 1), Number(searchParams.get("per_page") ?? 20)];
    const headers = {
      "x-next-page": page * size < rows.length ? String(page + 1) : "",
      ...(options.withoutTotals ? {} : { "x-total": String(rows.length) }),
    };
    return { headers, body: rows.slice((page - 1) * size, page * size) };
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: origin,
    asked,
    /** Answers before the server does; null leaves the answer to it. */
    before: (reply: (url: URL) => Promise<Reply> | Reply | null) => void replies.push(reply),
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
