import { createBkrepoData } from "./bkrepo-estate.ts";
import { compare, parseQuery, Refusal, run, scopeOf } from "./bkrepo-query.ts";
import type { DemoNode, DemoPackage, DemoRepository, DemoVersion } from "./bkrepo-records.ts";
import { type DemoReply, type DemoRequest, type DemoServer, serveDemo } from "./server.ts";
import { credentials } from "./story.ts";

/** How this bkrepo is to behave; the defaults are a current release. */
export interface BkrepoOptions {
  readonly port?: number;
  /** Whether the zone of zone-less times is told and can be asked for (3.4 and later). */
  readonly zoneHeader?: boolean;
  /** The server's own zone, in minutes east of Greenwich; the official images run in +08:00. */
  readonly zoneMinutes?: number;
  /** Whether a search of no readable repository is an empty page (3.0.3 and later) or refused. */
  readonly emptySearchAllowed?: boolean;
  /** Whether package answers carry `id`, and versions `contentPaths` (2.5, 1.5 and later). */
  readonly oldRecords?: boolean;
  /** Whether the text of a version filter is a regular expression behind `^` (before 3.8.7-rc.4). */
  readonly patternFilters?: boolean;
  /** Repositories (`project/repo`) whose searches are cut down to nothing, as STRICT mode does; their lists are not. */
  readonly strict?: readonly string[];
}

/** A bkrepo as its gateway address shows it: every service behind one host, an optional `/api` in front. */
export function serveBkrepo(options: BkrepoOptions = {}): Promise<DemoServer> {
  const store = createBkrepoData();
  let answers = 0;
  return serveDemo(
    "bkrepo",
    (request) => {
      const zone = zoneOf(request, options);
      const headers = {
        "x-bkrepo-rid": `demo-bkrepo-${(++answers).toString().padStart(6, "0")}`,
        ...(options.zoneHeader === false ? {} : { "x-bkrepo-time-zone": printZone(zone) }),
      };
      const reply = answer(request, { ...store, zone, options });
      return { ...reply, headers: { ...headers, ...reply.headers } };
    },
    options.port,
  );
}

interface Store {
  readonly repositories: readonly DemoRepository[];
  readonly packages: DemoPackage[];
  readonly nodes: readonly DemoNode[];
  /** Minutes east of Greenwich in which this answer's times are written. */
  readonly zone: number;
  readonly options: BkrepoOptions;
}

const services = [
  "repository",
  "docker",
  "oci",
  "maven",
  "npm",
  "helm",
  "pypi",
  "rpm",
  "nuget",
  "composer",
  "conan",
  "cargo",
  "huggingface",
  "generic",
  "auth",
];

function answer(request: DemoRequest, store: Store): DemoReply {
  const path = request.rawPath
    .replace(/^\/api(?=\/)/, "")
    .split("/")
    .slice(1)
    .map(decodeURIComponent);
  const [service = "", ...rest] = path;
  if (!services.includes(service) || rest[0] === "service") return fromNginx(404);
  if (!isKnown(request)) {
    return { ...failure(401, 250114), headers: { "www-authenticate": 'Basic realm="Authentication Required"' } };
  }
  try {
    return service === "repository" ? repository(request, rest, store) : detail(request, service, rest, store);
  } catch (error) {
    if (error instanceof Refusal) return failure(error.status, error.code);
    throw error;
  }
}

function repository(request: DemoRequest, path: readonly string[], store: Store): DemoReply {
  const [api, ...rest] = path;
  const [noun = "", verb = "", projectId = "", repoName = ""] = rest;
  if (api !== "api") return failure(404, 250130);
  switch (`${request.method} ${noun}/${verb}`) {
    case "GET package/page":
      return packagePage(request, open(store, projectId, repoName), store);
    case "GET package/info":
      return packageInfo(request, open(store, projectId, repoName), store);
    case "POST package/search":
      return packageSearch(request, store);
    case "GET version/page":
      return versionPage(request, open(store, projectId, repoName), store);
    case "POST version/list":
      return versionList(request, open(store, projectId, repoName), store);
    case "POST node/queryWithoutCount":
      return nodeQuery(request, store);
    case "GET node/detail":
      return nodeDetail(open(store, projectId, repoName), `/${rest.slice(4).join("/")}`, store);
    case "GET repo/info": {
      const { readable: _readable, ...info } = open(store, projectId, repoName);
      return success(info);
    }
    default:
      return failure(404, 250130);
  }
}

/** The repository of a path; a missing project looks like a missing repository. */
function open(store: Store, projectId: string, repoName: string): DemoRepository {
  const found = store.repositories.find((one) => one.projectId === projectId && one.name === repoName);
  if (!found) throw new Refusal(404, 251006);
  if (!found.readable) throw new Refusal(403, 250113);
  return found;
}

function packagesOf(store: Store, { projectId, name }: DemoRepository): DemoPackage[] {
  return store.packages.filter((one) => one.projectId === projectId && one.repoName === name);
}

function packagePage(request: DemoRequest, place: DemoRepository, store: Store): DemoReply {
  const prefix = (request.query.get("packageName") ?? "").trim().toLowerCase();
  const found = packagesOf(store, place).filter(({ name }) => name.toLowerCase().startsWith(prefix));
  return page(
    found.map((one) => typedPackage(one, store)),
    paging(request),
  );
}

function packageInfo(request: DemoRequest, place: DemoRepository, store: Store): DemoReply {
  const key = required(request, "packageKey");
  const found = packagesOf(store, place).find((one) => one.key === key);
  return success(found ? typedPackage(found, store) : null);
}

function packageSearch(request: DemoRequest, store: Store): DemoReply {
  const query = parseQuery(request.body);
  const scope = inScope(query, store);
  const found = run(
    query,
    store.packages
      .filter(({ projectId, repoName }) => projectId === query.projectId && scope.includes(repoName))
      .map(rawPackage),
  );
  const selected = found.map((document) => ({ _id: document["_id"], ...select(document, query.select) }));
  return page(selected, query);
}

function versionPage(request: DemoRequest, place: DemoRepository, store: Store): DemoReply {
  const key = required(request, "packageKey");
  const found = versionsOf(store, place, key, {
    prefix: request.query.get("version"),
    stage: request.query.get("stageTag"),
    sort: request.query.get("sortProperty"),
    direction: request.query.get("direction"),
    metadata: [],
  });
  return page(found, paging(request));
}

function versionList(request: DemoRequest, place: DemoRepository, store: Store): DemoReply {
  const key = required(request, "packageKey");
  let body: Readonly<Record<string, unknown>>;
  try {
    body = Object.fromEntries(Object.entries(JSON.parse(request.body)));
  } catch {
    throw new Refusal(400, 250106);
  }
  const text = (name: string) => (typeof body[name] === "string" ? body[name] : null);
  const metadata = Array.isArray(body["metadata"]) ? body["metadata"] : [];
  return success(
    versionsOf(store, place, key, {
      prefix: text("version"),
      stage: text("stageTag"),
      sort: text("sortProperty"),
      direction: text("direction"),
      metadata,
    }),
  );
}

interface VersionFilter {
  readonly prefix: string | null;
  readonly stage: string | null;
  readonly sort: string | null;
  readonly direction: string | null;
  readonly metadata: readonly { readonly key: string; readonly value: unknown }[];
}

function versionsOf(store: Store, place: DemoRepository, key: string, filter: VersionFilter): unknown[] {
  if (filter.direction !== null && !["ASC", "DESC"].includes(filter.direction)) throw new Refusal(400, 250131);
  const owner = packagesOf(store, place).find((one) => one.key === key);
  // An empty stage is "all of ['']", which nothing has.
  const stages = filter.stage?.split(",") ?? [];
  const begins = beginning(filter.prefix ?? "", store.options);
  const found = (owner?.records ?? []).filter(
    (one) =>
      begins.test(one.name) &&
      stages.every((stage) => one.stageTag.includes(stage)) &&
      filter.metadata.every(({ key: name, value }) =>
        one.metadata.some((entry) => entry.key === name && entry.value === value),
      ),
  );
  const byDate = owner !== undefined && ["DOCKER", "OCI", "HUGGINGFACE"].includes(owner.type);
  const property = filter.sort || (byDate ? "createdDate" : "ordinal");
  const sign = filter.direction === "ASC" ? 1 : -1;
  return [...found]
    .sort((left, right) => compare(sortValue(left, property), sortValue(right, property)) * sign)
    .map((one) => typedVersion(one, store));
}

/** A version filter as this release reads it; a pattern that does not compile is an uncaught error. */
function beginning(text: string, { patternFilters = false }: BkrepoOptions): RegExp {
  try {
    return new RegExp(`^${patternFilters ? text : text.trim().replace(/[.*+?^${}()|[\]\\&]/g, "\\$&")}`);
  } catch {
    throw new Refusal(500, 250102);
  }
}

function sortValue(version: DemoVersion, property: string): unknown {
  if (property === "ordinal" || property === "name") return ordinal(version.name);
  return Object.fromEntries(Object.entries(version))[property];
}

/** The server's rank of a name: three numbers found anywhere in it, and one bit for "no pre-release". */
function ordinal(name: string): number {
  const [, major = "0", minor = "0", patch = "0", pre] = /(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[\w.]+)?/.exec(name) ?? [];
  const [a, b, c] = [major, minor, patch].map((text) => Math.min(9999, Number(text)));
  return (((a ?? 0) * 10_000 + (b ?? 0)) * 10_000 + (c ?? 0)) * 10_000 + (pre === undefined ? 9999 : 0);
}

function nodeQuery(request: DemoRequest, store: Store): DemoReply {
  const query = parseQuery(request.body);
  const scope = inScope(query, store);
  const found = run(
    query,
    store.nodes
      .filter(({ projectId, repoName }) => projectId === query.projectId && scope.includes(repoName))
      .map((node) => ({ ...node })),
  );
  const selected = found.map((node) =>
    select(
      {
        ...node,
        createdDate: localTime(node.createdDate, store.zone),
        lastModifiedDate: localTime(node.lastModifiedDate, store.zone),
        clusterNames: null,
      },
      query.select,
    ),
  );
  const start = (query.pageNumber - 1) * query.pageSize;
  return success({
    pageNumber: query.pageNumber,
    pageSize: query.pageSize,
    totalRecords: 0,
    totalPages: 0,
    records: selected.slice(start, start + query.pageSize),
    count: 0,
    page: query.pageNumber,
  });
}

/** One file by its path; the path rights of STRICT mode hold for it as for a search. */
function nodeDetail({ projectId, name }: DemoRepository, fullPath: string, store: Store): DemoReply {
  if (store.options.strict?.includes(`${projectId}/${name}`)) throw new Refusal(403, 250113);
  const found = store.nodes.find(
    (one) => one.projectId === projectId && one.repoName === name && one.fullPath === fullPath,
  );
  if (!found) throw new Refusal(400, 251010);
  return success({
    ...found,
    createdDate: localTime(found.createdDate, store.zone),
    lastModifiedDate: localTime(found.lastModifiedDate, store.zone),
  });
}

function inScope(query: ReturnType<typeof parseQuery>, store: Store): readonly string[] {
  const { strict = [] } = store.options;
  const scope = scopeOf(query, store.repositories);
  if (scope.length > 0) return scope.filter((name) => !strict.includes(`${query.projectId}/${name}`));
  const mayReadProject = store.repositories.some(
    ({ projectId, readable }) => projectId === query.projectId && readable,
  );
  if (store.options.emptySearchAllowed === false || !mayReadProject) throw new Refusal(403, 250113);
  return scope;
}

/** The registry services' own deletes: a package with its versions, or one version. */
function remove(request: DemoRequest, noun: string, path: readonly string[], store: Store): DemoReply {
  const [, , , projectId = "", repoName = ""] = path;
  const place = open(store, projectId, repoName);
  const key = required(request, "packageKey");
  const found = packagesOf(store, place).find((one) => one.key === key);
  if (!found) return failure(404, 251017);
  const at = store.packages.indexOf(found);
  if (noun === "package") {
    store.packages.splice(at, 1);
    return success(null);
  }
  const name = required(request, "version");
  const records = found.records.filter((one) => one.name !== name);
  if (noun !== "version" || records.length === found.records.length) return failure(404, 251019);
  // A package without a version is none.
  if (records.length === 0) store.packages.splice(at, 1);
  else store.packages.splice(at, 1, { ...found, records, versions: records.length });
  return success(null);
}

/** The registry services' own detail, with each service's own way to say "not found". */
function detail(request: DemoRequest, service: string, path: readonly string[], store: Store): DemoReply {
  const [ext, noun, verb, projectId = "", repoName = ""] = path;
  if (request.method === "DELETE" && ext === "ext" && verb === "delete")
    return remove(request, noun ?? "", path, store);
  if (request.method !== "GET" || ext !== "ext" || noun !== "version" || verb !== "detail") return failure(404, 250130);
  const place = open(store, projectId, repoName);
  const key = required(request, "packageKey");
  const name = required(request, "version");
  const found = packagesOf(store, place)
    .find((one) => one.key === key)
    ?.records.find((one) => one.name === name);
  // Published before the demo's story: the file is known to the registry alone.
  const main =
    found?.contentPath ??
    (service === "cargo" && found ? `/crates/${key.slice(8)}/${key.slice(8)}-${name}.crate` : null);
  if (!found || main === null) {
    if (service === "docker") return failure(400, 251906);
    if (service === "npm") return { status: 404, body: { error: "not_found", reason: "document not found" } };
    if (service === "helm") return { status: 404, body: { error: "chart not found" } };
    return service === "maven" && found ? failure(500, 250102) : success(null);
  }
  const node = store.nodes.find(
    (one) => one.projectId === projectId && one.repoName === repoName && one.fullPath === main,
  );
  return success({
    basic: {
      version: name,
      fullPath: main,
      size: found.size,
      sha256: node?.sha256 ?? "5d41".repeat(16),
      md5: node?.md5 ?? "5d41402a".repeat(4),
      stageTag: found.stageTag,
      projectId,
      repoName,
      downloadCount: found.downloads,
      createdBy: found.createdBy,
      createdDate: localTime(found.createdDate, store.zone),
      lastModifiedBy: found.lastModifiedBy,
      lastModifiedDate: localTime(found.lastModifiedDate, store.zone),
    },
    metadata: found.metadata,
  });
}

function typedPackage(one: DemoPackage, { zone, options }: Store): unknown {
  const { records: _records, extension, latest, ...rest } = one;
  return {
    ...(options.oldRecords === true ? {} : { id: objectId(one) }),
    ...rest,
    latest: latest ?? "",
    extension: extension ?? {},
    createdDate: localTime(one.createdDate, zone),
    lastModifiedDate: localTime(one.lastModifiedDate, zone),
  };
}

/** A search row is the stored document: absent fields stay absent, times are numbers, the id is an object. */
function rawPackage(one: DemoPackage): Readonly<Record<string, unknown>> {
  const { records: _records, versionTag, ...rest } = one;
  return {
    _id: { timestamp: Math.floor(one.createdDate / 1000), date: one.createdDate },
    ...rest,
    // Keys of stored maps cannot hold a dot; nobody undoes the escape on the way out.
    versionTag: Object.fromEntries(
      Object.entries(versionTag).map(([tag, name]) => [
        tag.replaceAll(".", "\\u002e").replaceAll("$", "\\u0024"),
        name,
      ]),
    ),
    clusterNames: ["main"],
  };
}

function typedVersion(one: DemoVersion, { zone, options }: Store): unknown {
  const { metadata, asDocumented, contentPaths, ...rest } = one;
  return {
    ...rest,
    metadata: Object.fromEntries(metadata.map(({ key, value }) => [key, value])),
    ...(asDocumented
      ? { nodeMetadata: metadata.map(({ key, value, system }) => ({ key, value, description: "", system })) }
      : { packageMetadata: metadata.map((entry) => ({ ...entry, link: null, color: null })) }),
    ...(options.oldRecords === true ? {} : { contentPaths, clusterNames: null, federatedSource: null }),
    createdDate: localTime(one.createdDate, zone),
    lastModifiedDate: localTime(one.lastModifiedDate, zone),
  };
}

function objectId({ createdDate, key }: DemoPackage): string {
  const tail = Buffer.from(key).toString("hex").slice(-16).padStart(16, "0");
  return (
    Math.floor(createdDate / 1000)
      .toString(16)
      .padStart(8, "0") + tail
  );
}

function select(
  document: Readonly<Record<string, unknown>>,
  fields: readonly string[] | null,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(document).filter(([field]) => field !== "_id" && (fields === null || fields.includes(field))),
  );
}

function paging(request: DemoRequest): { pageNumber: number; pageSize: number } {
  const pageNumber = wholeNumber(request, "pageNumber", 1);
  const pageSize = wholeNumber(request, "pageSize", 20);
  if (pageNumber < 0 || pageSize < 0) throw new Refusal(400, 250105);
  if (pageSize === 0) throw new Refusal(500, 250102);
  return { pageNumber: Math.max(1, pageNumber), pageSize };
}

function wholeNumber(request: DemoRequest, name: string, fallback: number): number {
  const text = request.query.get(name);
  if (text === null) return fallback;
  if (!/^-?\d+$/.test(text)) throw new Refusal(400, 250131);
  return Number(text);
}

function required(request: DemoRequest, name: string): string {
  const value = request.query.get(name);
  if (value === null) throw new Refusal(400, 250103);
  return value;
}

function page(rows: readonly unknown[], { pageNumber, pageSize }: { pageNumber: number; pageSize: number }): DemoReply {
  const start = (pageNumber - 1) * pageSize;
  return success({
    pageNumber,
    pageSize,
    totalRecords: rows.length,
    totalPages: Math.ceil(rows.length / pageSize),
    records: rows.slice(start, start + pageSize),
    count: rows.length,
    page: pageNumber,
  });
}

function success(data: unknown): DemoReply {
  return { body: { code: 0, message: null, data, traceId: "" } };
}

function failure(status: number, code: number): DemoReply {
  return { status, body: { code, message: `demo message ${code}`, data: null, traceId: "" } };
}

/** What stands in front of the services answers in a form of its own: `data` is text, `code` the HTTP status. */
function fromNginx(status: number): DemoReply {
  return { status, body: { code: status, data: "", message: "no such service", traceId: null } };
}

function isKnown(request: DemoRequest): boolean {
  const { username, password, accessKey, secretKey, token } = credentials.bkrepo;
  const [scheme, value = ""] = (request.header("authorization") ?? "").split(" ");
  const [left, right] = Buffer.from(value, "base64").toString("utf8").split(":");
  if (scheme === "Basic") return left === username && right === password;
  // Without a user the keys act for nobody, who may read public repositories only.
  if (scheme === "Platform") return left === accessKey && right === secretKey && !!request.header("x-bkrepo-uid");
  return scheme === "Bearer" && value === token;
}

function zoneOf(request: DemoRequest, { zoneHeader = true, zoneMinutes = 480 }: BkrepoOptions): number {
  const asked = zoneHeader ? /^([+-])(\d{2}):?(\d{2})$/.exec(request.header("x-bkrepo-time-zone") ?? "") : null;
  if (!asked) return zoneMinutes;
  return (asked[1] === "-" ? -1 : 1) * (Number(asked[2]) * 60 + Number(asked[3]));
}

function printZone(minutes: number): string {
  const two = (value: number) => Math.floor(value).toString().padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(Math.abs(minutes) / 60)}${two(Math.abs(minutes) % 60)}`;
}

/** Java's LocalDateTime: no zone, and of the fraction only what is not zero. */
function localTime(millis: number, zone: number): string {
  const [text = ""] = new Date(millis + zone * 60_000).toISOString().split("Z");
  return text.replace(/\.?0{1,3}$/, "");
}
