import { type GitlabDemoOptions, serveGitlab } from "../../../demo/gitlab.ts";
import type { DemoReply, DemoServer } from "../../../demo/server.ts";
import { credentials, hosts } from "../../../demo/story.ts";
import type { Backend, CommitReader, ImageReader, PackageReader, Readers } from "../../../src/backends/backend.ts";
import { gitlab } from "../../../src/backends/gitlab/index.ts";
import type { Page, PageRequest, Row } from "../../../src/model/backend.ts";
import { type Failure, UpstreamError } from "../../../src/upstream/errors.ts";
import type { Call } from "../../../src/upstream/operation.ts";
import { testCall } from "../../support/call.ts";
import { type Plain, plain } from "../../support/plain.ts";

export interface Stage {
  readonly server: DemoServer;
  readonly backend: Backend;
  /** Readers of a new request, which remember nothing. */
  readonly readers: (call?: Call) => Readers;
  readonly packages: (call?: Call) => Plain<PackageReader>;
  readonly images: (call?: Call) => Plain<ImageReader>;
  readonly commits: (call?: Call) => Plain<CommitReader>;
  /** Another backend over the same server. */
  readonly configure: (settings: Readonly<Record<string, unknown>>) => Backend;
  readonly close: () => Promise<void>;
}

/** The adapter over a demo GitLab of its own. */
export async function stage(
  options: GitlabDemoOptions = {},
  settings: Readonly<Record<string, unknown>> = {},
): Promise<Stage> {
  const server = await serveGitlab(options);
  const opened: Backend[] = [];
  const configure = (more: Readonly<Record<string, unknown>>) => {
    const defaults = {
      kind: "gitlab",
      name: "gitlab",
      url: server.url,
      credentials: { token: credentials.gitlab.token },
      groups: ["pay"],
      projects: ["infra/tools"],
      hosts: [hosts.gitlab],
      retries: 0,
    };
    const backend = gitlab.connect(gitlab.settings.parse({ ...defaults, ...settings, ...more }));
    opened.push(backend);
    return backend;
  };
  const backend = configure({});
  const readers = (call?: Call) => backend.during(call ?? testCall());
  return {
    server,
    backend,
    readers,
    packages: (call) => plain(present(readers(call).packages)),
    images: (call) => plain(present(readers(call).images)),
    commits: (call) => plain(present(readers(call).commits)),
    configure,
    close: async () => {
      await Promise.all(opened.map((one) => one.close()));
      await server.close();
    },
  };
}

/** The value, which the test could not go on without. */
export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("expected a value");
  return value;
}

/** Paths and queries the server has seen, decoded, in order. */
export function calls(server: DemoServer): string[] {
  return server.seen.map(({ url }) => decodeURIComponent(url.replace(/^.*\/api\/v4\//, "")));
}

/** What a promise was rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<UpstreamError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof UpstreamError) return error;
  throw new Error("expected an UpstreamError", { cause: error });
}

export type { Failure };

/** Every row of a list, window by window; fails when the list does not end. */
export async function walk<T>(read: (request: PageRequest) => Promise<Page<T>>, first: number): Promise<T[]> {
  const all: Row<T>[] = [];
  for (let windows = 0; windows < 500; windows++) {
    const after = all.at(-1)?.position ?? null;
    // A position goes through JSON on its way to the client and back.
    const page = await read({ first, after: after && JSON.parse(JSON.stringify(after)) });
    if (page.rows.length > first) throw new Error("a window holds more than was asked for");
    all.push(...page.rows);
    if (!page.hasNext) return all.map(({ value }) => value);
    if (page.rows.length === 0) throw new Error("an empty window promises more");
  }
  throw new Error("the list does not end");
}

/** A tamper that rewrites the rows of list answers whose path matches. */
export function rewriteRows(path: RegExp, rewrite: (rows: unknown[]) => unknown) {
  return (reply: DemoReply, request: { readonly rawPath: string }): DemoReply =>
    Array.isArray(reply.body) && path.test(decodeURIComponent(request.rawPath))
      ? { ...reply, body: rewrite([...reply.body]) }
      : reply;
}

export const first = (count: number, after: PageRequest["after"] = null): PageRequest => ({ first: count, after });

export const ref = (repository: string, key: string) => ({ backend: "gitlab", repository, key });

/** A package row as a list holds it; everything else is as absent as on an old server. */
export interface SyntheticRow {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly version: string;
  /** Milliseconds. */
  readonly at: number;
}

/** A tamper that answers every package list from these rows: filtered, sorted and paged as GitLab does. */
export function synthetic(rows: () => readonly SyntheticRow[], totals = true) {
  return (reply: DemoReply, request: { readonly rawPath: string; readonly query: URLSearchParams }): DemoReply => {
    if (!/\/(?:projects|groups)\/[^/]+\/packages$/.test(request.rawPath)) return reply;
    const { query } = request;
    const [type, name, order] = [query.get("package_type"), query.get("package_name") ?? "", query.get("order_by")];
    const sign = query.get("sort") === "desc" ? -1 : 1;
    const keyOf = (row: SyntheticRow) => (order === "name" ? row.name : row.at);
    const all = rows()
      .filter((row) => (type === null ? row.type !== "terraform_module" : row.type === type))
      .filter((row) => row.name.toLowerCase().includes(name.toLowerCase()))
      .sort((left, right) => (keyOf(left) < keyOf(right) ? -sign : keyOf(left) > keyOf(right) ? sign : 0));
    const [page, size] = [Number(query.get("page")), Number(query.get("per_page"))];
    const body = all.slice((page - 1) * size, page * size);
    return {
      headers: {
        "x-next-page": page * size < all.length ? String(page + 1) : "",
        ...(totals ? { "x-total": String(all.length) } : {}),
      },
      body: body.map((row) => ({
        id: row.id,
        name: row.name,
        package_type: row.type,
        version: row.version,
        created_at: new Date(row.at).toISOString(),
      })),
    };
  };
}
