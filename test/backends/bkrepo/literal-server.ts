import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { startWith } from "../../support/started.ts";

/** A version as the server stores it. Times are zone-less text, as typed answers have them. */
export interface StoredVersion {
  readonly name: string;
  readonly createdDate?: string | null;
  readonly contentPath?: string | null;
  readonly contentPaths?: readonly string[] | null;
  readonly manifestPath?: string | null;
  readonly stageTag?: readonly string[];
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly tags?: readonly string[];
}

/** A package as the server stores it. */
export interface StoredPackage {
  readonly repoName: string;
  readonly key: string;
  readonly name: string;
  readonly type: string;
  readonly versionTag?: Readonly<Record<string, string>>;
  readonly versions: readonly StoredVersion[];
}

/** A file as the server stores it. */
export interface StoredNode {
  readonly repoName: string;
  readonly fullPath: string;
  readonly sha256?: string;
}

/** What one server holds, and how its release behaves. */
export interface Behaviour {
  /** `old`: before v3.8.7-rc.4, where a version filter is a pattern (#4444). */
  readonly release: "old" | "new";
  readonly repositories: readonly string[];
  readonly packages: readonly StoredPackage[];
  readonly nodes?: readonly StoredNode[];
  /** Repositories whose searches are cut down to nothing (STRICT mode, #2421). */
  readonly strict?: readonly string[];
  /** Repositories that these credentials may not read. */
  readonly forbidden?: readonly string[];
  /** Calls (`POST /path`, then the body) that are answered with a failure of the server. */
  readonly isFailing?: (call: string) => boolean;
  /** Before 3.0.3: a search of no readable repository is refused. */
  readonly refusesEmpty?: boolean;
  /** A server that passes over `sortProperty`. */
  readonly isUnsorted?: boolean;
  /** A server that answers its first page under every number (#3446). */
  readonly isUnpaged?: boolean;
}

interface Rule {
  readonly relation?: "AND" | "OR" | "NOR";
  readonly rules?: readonly Rule[];
  readonly field?: string;
  readonly operation?: string;
  readonly value?: unknown;
}

class Refusal extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number) {
    super(`${status} ${code}`);
    this.status = status;
    this.code = code;
  }
}

const project = "acme";

/**
 * A bkrepo of one project, answering what the vendor's source says: UserPackageController, UserNodeController,
 * PackageQueryHelper, RepoNameRuleInterceptor and the handlers of common-query.
 */
export async function serveBkrepo(start: Behaviour) {
  let behaviour = start;
  const seen: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      seen.push(`${request.method} ${request.url}`);
      const send = (status: number, body: unknown) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(body));
      };
      try {
        const body = Buffer.concat(chunks).toString("utf8");
        if (behaviour.isFailing?.(`${request.method} ${request.url} ${body}`)) throw new Refusal(500, 250100);
        const data = answer(behaviour, request, body);
        send(200, { code: 0, message: null, data, traceId: "" });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        send(error.status, { code: error.code, message: "no", data: null, traceId: "" });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    /** Paths of the calls since the last look, without their queries. */
    calls: () => seen.splice(0).map((call) => call.split("?", 1)[0]?.replace("/repository/api", "") ?? ""),
    become: (change: Partial<Behaviour>) => {
      behaviour = { ...behaviour, ...change };
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

function answer(server: Behaviour, request: IncomingMessage, body: string): unknown {
  const url = new URL(request.url ?? "", "http://x");
  const parts = url.pathname.split("/").slice(1).map(decodeURIComponent);
  const [service, api, noun, verb, , repoName = "", ...rest] = parts;
  const query = url.searchParams;
  if (service !== "repository") throw new Refusal(400, 251017);
  if (api !== "api") throw new Refusal(404, 250130);
  switch (`${request.method} ${noun}/${verb}`) {
    case "GET package/page": {
      open(server, parts);
      const rows = server.packages.filter((one) => one.repoName === repoName).map(typedPackage);
      return page(rows, query, server);
    }
    case "GET package/info": {
      open(server, parts);
      const key = query.get("packageKey");
      return server.packages.filter((one) => one.repoName === repoName && one.key === key).map(typedPackage)[0] ?? null;
    }
    case "GET version/page": {
      open(server, parts);
      return page(versionsOf(server, repoName, query, []), query, server);
    }
    case "POST version/list": {
      open(server, parts);
      return versionsOf(server, repoName, query, JSON.parse(body).metadata ?? []);
    }
    case "POST package/search":
      return search(server, body, server.packages.map(rawPackage), true);
    case "POST node/queryWithoutCount":
      return search(server, body, (server.nodes ?? []).map(nodeRow), false);
    case "GET node/detail": {
      open(server, parts);
      if (server.strict?.includes(repoName)) throw new Refusal(403, 250113);
      const node = server.nodes?.find((one) => one.repoName === repoName && one.fullPath === `/${rest.join("/")}`);
      if (!node) throw new Refusal(400, 251010);
      return nodeRow(node);
    }
    default:
      throw new Refusal(404, 250130);
  }
}

function open(server: Behaviour, [, , , , projectId, repoName = ""]: readonly string[]): void {
  if (projectId !== project || !server.repositories.includes(repoName)) throw new Refusal(404, 251006);
  if (server.forbidden?.includes(repoName)) throw new Refusal(403, 250113);
}

function versionsOf(
  server: Behaviour,
  repoName: string,
  query: URLSearchParams,
  metadata: readonly { readonly key: string; readonly value: unknown }[],
): readonly unknown[] {
  const owner = server.packages.find((one) => one.repoName === repoName && one.key === query.get("packageKey"));
  const filter = query.get("version");
  const stages = query.get("stageTag")?.split(",") ?? [];
  const found = (owner?.versions ?? []).filter(
    (one) =>
      (filter === null || pattern(server, filter).test(one.name)) &&
      stages.every((stage) => one.stageTag?.includes(stage)) &&
      metadata.every(({ key, value }) => one.metadata?.[key] === value),
  );
  const sign = query.get("direction") === "ASC" ? 1 : -1;
  const sorted = server.isUnsorted ? found : found.toSorted((a, b) => sign * (date(a) < date(b) ? -1 : 1));
  return sorted.map((one) => ({
    size: 1,
    downloads: 0,
    stageTag: [],
    tags: [],
    metadata: {},
    packageMetadata: Object.entries(one.metadata ?? {}).map(([key, value]) => ({ key, value, system: true })),
    extension: {},
    contentPath: null,
    manifestPath: null,
    createdBy: "admin",
    createdDate: "2026-01-01T00:00:00",
    lastModifiedDate: "2026-01-01T00:00:00",
    ...one,
    contentPaths: one.contentPaths ?? (one.contentPath ? [one.contentPath] : null),
  }));
}

function date({ createdDate }: StoredVersion): string {
  return createdDate ?? (createdDate === null ? "" : "2026-01-01T00:00:00");
}

/** PackageQueryHelper.versionListCriteria: `^` and the text; from v3.8.7-rc.4 on escaped by EscapeUtils. */
function pattern(server: Behaviour, text: string): RegExp {
  try {
    return new RegExp(`^${server.release === "old" ? text : escapeRegex(text)}`);
  } catch {
    throw new Refusal(500, 250102);
  }
}

/** EscapeUtils.escapeRegex, which trims, and escapes `?` twice. */
function escapeRegex(text: string, except = ""): string {
  const keywords = ["\\", "$", "(", ")", "*", "+", ".", "[", "]", "?", "^", "{", "}", "|", "?", "&"];
  return keywords
    .filter((keyword) => keyword !== except)
    .reduce((escaped, keyword) => escaped.replaceAll(keyword, `\\${keyword}`), text.trim());
}

function search(server: Behaviour, body: string, rows: readonly Record<string, unknown>[], counts: boolean): unknown {
  const model: { rule: Rule; page: { pageNumber: number; pageSize: number } } = JSON.parse(body);
  const named = model.rule.rules?.find(({ field }) => field === "repoName");
  const asked = [named?.value].flat().map(String);
  const readable = asked.filter((name) => server.repositories.includes(name) && !server.forbidden?.includes(name));
  if (readable.length === 0 && (named?.operation === "EQ" || server.refusesEmpty)) throw new Refusal(403, 250113);
  const seen = readable.filter((name) => !server.strict?.includes(name));
  const found = rows.filter((row) => seen.includes(String(row["repoName"])) && fits(model.rule, row));
  const { pageNumber, pageSize } = model.page;
  const start = server.isUnpaged ? 0 : (pageNumber - 1) * pageSize;
  const records = found.slice(start, start + pageSize);
  return { pageNumber, pageSize, totalRecords: counts ? found.length : 0, records, count: counts ? found.length : 0 };
}

function fits(rule: Rule, row: Readonly<Record<string, unknown>>): boolean {
  if (rule.rules) {
    const each = (one: Rule) => fits(one, row);
    return rule.relation === "OR" ? rule.rules.some(each) : rule.rules.every(each);
  }
  if (rule.field === "projectId") return rule.value === project;
  const value = row[rule.field ?? ""];
  const text = String(value ?? "");
  const escaped = (except?: string) => escapeRegex(String(rule.value), except);
  switch (rule.operation) {
    case "EQ":
      return value === rule.value;
    case "IN":
      return Array.isArray(rule.value) && rule.value.includes(value);
    case "NIN":
      return Array.isArray(rule.value) && !rule.value.includes(value);
    case "PREFIX":
      return new RegExp(`^${escaped()}`).test(text);
    case "SUFFIX":
      return new RegExp(`${escaped()}$`).test(text);
    case "MATCH_I":
      return new RegExp(`^${escaped("*").replaceAll("*", ".*")}$`, "i").test(text);
    default:
      throw new Refusal(400, 250106);
  }
}

function typedPackage({ versions, ...rest }: StoredPackage) {
  return {
    projectId: project,
    latest: "",
    downloads: 0,
    versions: versions.length,
    description: null,
    versionTag: {},
    extension: {},
    createdBy: "admin",
    createdDate: "2026-01-01T00:00:00",
    lastModifiedDate: "2026-01-01T00:00:00",
    ...rest,
  };
}

/** A search answers the stored document: times are numbers, and the keys of a map keep their escapes. */
function rawPackage(one: StoredPackage) {
  const versionTag = Object.entries(one.versionTag ?? {}).map(([tag, name]) => [tag.replaceAll(".", "\\u002e"), name]);
  return {
    ...typedPackage(one),
    _id: { timestamp: 1, date: 1 },
    createdDate: 1_767_225_600_000,
    lastModifiedDate: 1_767_225_600_000,
    versionTag: Object.fromEntries(versionTag),
  };
}

function nodeRow({ repoName, fullPath, sha256 = "0".repeat(64) }: StoredNode) {
  const cut = fullPath.lastIndexOf("/") + 1;
  const [path, name] = [fullPath.slice(0, cut), fullPath.slice(cut)];
  return {
    projectId: project,
    repoName,
    folder: false,
    path,
    name,
    fullPath,
    size: 1,
    sha256,
    md5: null,
    createdDate: "2026-01-01T00:00:00",
  };
}

function page(rows: readonly unknown[], query: URLSearchParams, { isUnpaged }: Behaviour): unknown {
  const pageNumber = Math.max(1, Number(query.get("pageNumber") ?? 1));
  const pageSize = Number(query.get("pageSize") ?? 20);
  if (pageSize === 0) throw new Refusal(500, 250102);
  return {
    pageNumber,
    pageSize,
    totalRecords: rows.length,
    totalPages: Math.ceil(rows.length / pageSize),
    records: isUnpaged ? rows.slice(0, pageSize) : rows.slice((pageNumber - 1) * pageSize, pageNumber * pageSize),
    count: rows.length,
    page: pageNumber,
  };
}

/** A gateway over one bkrepo, asked by GraphQL over a socket. */
export async function gatewayOver(url: string, more: Readonly<Record<string, unknown>> = {}) {
  const backend = {
    kind: "bkrepo",
    name: "bkrepo",
    url,
    credentials: { username: "reader", password: "secret" },
    hosts: ["docker.test"],
    retries: 0,
    ...more,
  };
  const gateway = await startWith({ backends: [backend] }, { demo: true });
  return {
    ask: async (query: string, variables: Readonly<Record<string, unknown>> = {}) => {
      const response = await fetch(`${gateway.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query, variables }),
      });
      // Tests read answers of many shapes; each expectation checks what it reads.
      // biome-ignore lint/suspicious/noExplicitAny: see above
      const body: { data?: any; errors?: any[] } = JSON.parse(await response.text());
      return body;
    },
    stop: () => gateway.stop(0),
  };
}
