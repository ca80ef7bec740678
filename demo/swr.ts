import type { DemoHandler, DemoReply, DemoRequest, DemoServer } from "./server.ts";
import { serveDemo } from "./server.ts";
import { checksum } from "./story.ts";
import {
  type CatalogueFile,
  type CataloguePackage,
  type CatalogueRepository,
  type CatalogueTag,
  type CatalogueVersion,
  emptyNamespace,
  hiddenNamespace,
  packages,
  pullAddress,
  repositories,
} from "./swr-catalogue.ts";
import { createGate } from "./swr-gate.ts";

/** How the demo SWR differs from a region with everything. */
export interface SwrDemoOptions {
  readonly port?: number;
  /** False: the region publishes no software package API. */
  readonly packages?: boolean;
  /** `v3`: the region has the newer API beside v2; default only v2. */
  readonly imageApi?: "v2" | "v3";
  /** The service's clock in milliseconds. */
  readonly now?: () => number;
  /** How long tokens of its identity service live; default 24 hours. */
  readonly tokenLifetimeMs?: number;
  /** `pushes`: lists may be ordered by `updated_at` of tags only, as most regions' reference says; default every order. */
  readonly orders?: "pushes" | "all";
  /** Rows after which the service cuts its package lists (and says so); by default it never does. */
  readonly packageListLimit?: number;
}

/** The demo SWR, with IAM at the same address. */
export interface SwrDemo extends DemoServer {
  /** What a change of the user's password does to tokens. */
  readonly revokeTokens: () => void;
}

/** Serves Huawei Cloud SWR: software packages, image repositories, tags, and IAM's token call. */
export async function serveSwr(options: SwrDemoOptions = {}): Promise<SwrDemo> {
  const gate = createGate({
    now: options.now ?? Date.now,
    tokenLifetimeMs: options.tokenLifetimeMs ?? 24 * 3_600_000,
  });
  const handler: DemoHandler = (request) => {
    if (request.method === "POST" && request.rawPath === "/v3/auth/tokens") return gate.issue(request);
    if (request.method !== "GET") return unpublished();
    const refused = gate.check(request, request.header("host") ?? "");
    return refused ?? route(request, options) ?? unpublished();
  };
  const server = await serveDemo("swr", handler, options.port ?? 0);
  return { ...server, revokeTokens: gate.revokeTokens };
}

function route(request: DemoRequest, options: SwrDemoOptions): DemoReply | null {
  const segments = request.rawPath.split("/").slice(1);
  const [version, manage, ...rest] = segments;
  if (manage !== "manage") return null;
  if (version === "v3") return options.imageApi === "v3" ? routeV3(rest, request) : null;
  if (version !== "v2") return null;
  if (rest[0] === "packages" || rest[2] === "packages") {
    return options.packages === false ? null : routePackages(rest, request, options);
  }
  if (rest[0] === "repos" && rest.length === 1) return listRepositories(request, options);
  if (rest[0] === "namespaces" && rest.length === 1) return listNamespaces(request);
  if (rest[0] === "namespaces" && rest.length === 2) return namespaceDetail(decodeURIComponent(rest[1] ?? ""));
  const [root, namespace = "", repos, name = "", tags, tag] = rest;
  if (root !== "namespaces" || repos !== "repos" || name === "" || rest.length > 6) return null;
  const found = findRepository(decodeURIComponent(namespace), decodeURIComponent(name));
  if ("status" in found) return found;
  if (rest.length === 4) return { body: repositoryDetail(found) };
  if (tags !== "tags") return null;
  return tag === undefined ? listTags(found, request, options) : tagDetail(found, decodeURIComponent(tag));
}

function routePackages(rest: readonly string[], request: DemoRequest, options: SwrDemoOptions): DemoReply | null {
  if (rest.length === 1) {
    const namespace = request.query.get("namespace");
    const name = request.query.get("package_name");
    const rows = packages.filter(
      (one) => (namespace === null || one.namespace === namespace) && (name === null || one.name.includes(name)),
    );
    return cut(
      rows.map((one) => packageRow(one)),
      request,
      options,
    );
  }
  const [root, namespace = "", , name = "", versions, version, paths, ...file] = rest;
  if (root !== "namespaces" || versions !== "versions") return null;
  if (namespace === hiddenNamespace) return forbidden();
  // Names are stored in wire form; a name that was encoded twice finds nothing.
  const found = packages.find(
    (one) => one.namespace === namespace && decodeURIComponent(one.name) === decodeURIComponent(name),
  );
  if (!found) return packageError(404, "SVCSTG.SWR.4040004", "package not found");
  // Newest names first, which is not newest versions first.
  if (version === undefined) {
    const rows = found.versions.toSorted((one, other) => (one.version < other.version ? 1 : -1));
    return cut(
      rows.map((one) => versionRow(found, one)),
      request,
      options,
    );
  }
  const one = found.versions.find((row) => row.version === decodeURIComponent(version));
  if (!one) return packageError(404, "SVCSTG.SWR.4040004", "package version not found");
  if (paths !== "file_paths") return null;
  if (file.length === 0)
    return cut(
      one.files.map((row) => fileRow(found, one, row)),
      request,
      options,
    );
  const wanted = file.map(decodeURIComponent).join("/");
  const hit = one.files.find((row) => filePath(row) === wanted);
  return hit
    ? { body: `${found.name} ${one.version} ${hit.filename}` }
    : packageError(404, "SVCSTG.SWR.4040004", "file not found");
}

function cut(rows: readonly object[], { query }: DemoRequest, { packageListLimit }: SwrDemoOptions): DemoReply {
  if (packageListLimit === undefined) return { body: rows };
  const offset = Number(query.get("offset") ?? 0);
  const page = rows.slice(offset, offset + packageListLimit);
  return { headers: { "content-range": `${offset}-${page.length}/${rows.length}` }, body: page };
}

/** Never paged. Without `mode::visible` only those in which the caller has rights of its own. */
function listNamespaces({ query }: DemoRequest): DemoReply {
  const conditions = new Map(
    (query.get("filter") ?? "").split("|").map((one) => [one.split("::")[0], one.split("::")[1]]),
  );
  const wanted = query.get("namespace") ?? conditions.get("namespace") ?? null;
  const own = new Set(repositories.map(({ namespace }) => namespace));
  if (conditions.get("mode") === "visible") for (const { namespace } of packages) own.add(namespace);
  const names = [...own]
    .filter((name) => name !== hiddenNamespace && (wanted === null || name === wanted))
    .toSorted(order);
  const rows = names.map((name, index) => ({
    id: 314 + index,
    name,
    creator_name: "lin.chen",
    auth: 7,
    access_user_count: 3,
    repo_count: repositories.filter(({ namespace }) => namespace === name).length,
  }));
  return { headers: { "x-request-id": requestId(314) }, body: { namespaces: rows } };
}

/** The lists answer `[]` for whatever may not be seen; the organization itself tells 403 from 404. */
function namespaceDetail(name: string): DemoReply {
  if (name === hiddenNamespace) return forbidden();
  const known = [...repositories, ...packages].some(({ namespace }) => namespace === name) || name === emptyNamespace;
  return known
    ? { body: { id: 314, name, creator_name: "lin.chen", auth: 7 } }
    : imageError(404, "SVCSTG.SWR.4041061", "Namespace not found");
}

function listRepositories(request: DemoRequest, { orders }: SwrDemoOptions): DemoReply {
  const namespace = request.query.get("namespace");
  const part = request.query.get("name")?.replaceAll("$", "/") ?? "";
  const all = ["name", "updated_time", "tag_count", "namespace", "is_public"];
  const sorted = sort(request, orders === "pushes" ? [] : all);
  if (sorted) return sorted;
  const rows = repositories
    .filter((one) => (namespace === null || one.namespace === namespace) && one.name.includes(part))
    .toSorted((one, other) => order(one.name, other.name));
  if (request.query.get("order_type") === "desc") rows.reverse();
  return paged(rows, request, (one) => ({ ...repositoryRow(one), total_range: rows.length }));
}

function listTags(found: CatalogueRepository, request: DemoRequest, { orders }: SwrDemoOptions): DemoReply {
  const sorted = sort(request, orders === "pushes" ? ["updated_at"] : ["updated_at", "tag"]);
  const part = request.query.get("tag") ?? "";
  const rows = orderedTags(found, request).filter(({ tag }) => tag.includes(part));
  return sorted ?? paged(rows, request, (one) => tagRow(found, one, "Tag"));
}

function routeV3(rest: readonly string[], { query, ...request }: DemoRequest): DemoReply | null {
  const [root, namespace = "", repos, name = "", tags] = rest;
  if (root !== "namespaces" || repos !== "repos" || tags !== "tags" || rest.length !== 5) return null;
  const found = findRepository(decodeURIComponent(namespace), decodeURIComponent(name));
  if ("status" in found) return found;
  const limit = Number(query.get("limit") ?? 100);
  const rows = orderedTags(found, { query, ...request });
  const marker = query.get("marker");
  const start = marker === null ? 0 : Number(Buffer.from(marker, "base64url").toString().slice("after ".length));
  const page = rows.slice(start, start + limit);
  const end = start + page.length;
  const next = Buffer.from(`after ${end}`).toString("base64url");
  const manifest = query.get("with_manifest") === "true";
  return {
    body: {
      tags: page.length === 0 ? null : page.map((one) => tagRow(found, one, "tag", manifest)),
      has_more: end < rows.length,
      ...(end < rows.length ? { nextMarker: next } : {}),
    },
  };
}

function orderedTags(found: CatalogueRepository, { query }: DemoRequest): readonly CatalogueTag[] {
  const byName = query.get("order_column") === "tag";
  const rows = found.tags.toSorted((one, other) =>
    byName ? order(one.tag, other.tag) : Date.parse(one.updated) - Date.parse(other.updated),
  );
  return query.get("order_type") === "asc" ? rows : rows.reverse();
}

function tagDetail(found: CatalogueRepository, tag: string): DemoReply {
  const row = found.tags.find((one) => one.tag === tag);
  return row ? { body: tagRow(found, row, "tag") } : imageError(404, "SVCSTG.SWR.4041056", "Image tag not found");
}

function findRepository(namespace: string, name: string): CatalogueRepository | (DemoReply & { status: number }) {
  if (namespace === hiddenNamespace) return forbidden();
  // Everything after the organization is one path segment with `$` for `/`.
  const found = repositories.find((one) => one.namespace === namespace && one.name === name.replaceAll("$", "/"));
  return found ?? imageError(404, "SVCSTG.SWR.4040010", "Image not found");
}

function sort({ query }: DemoRequest, columns: readonly string[]): DemoReply | null {
  const [column, direction] = [query.get("order_column"), query.get("order_type")];
  if (column === null && direction === null) return null;
  const known = column !== null && columns.includes(column) && (direction === "asc" || direction === "desc");
  return known ? null : imageError(400, "SVCSTG.SWR.4001096", "param order_column error");
}

/** Limit and offset only together; an offset is a multiple of the limit, as the strictest regions want it. */
function paged<T>(rows: readonly T[], { query }: DemoRequest, toRow: (row: T) => object): DemoReply {
  const [limitText, offsetText] = [query.get("limit"), query.get("offset")];
  if (limitText === null && offsetText === null) return { body: rows.slice(0, 100).map(toRow) };
  const [limit, offset] = [Number(limitText), Number(offsetText)];
  if (limitText === null || offsetText === null || offset < 0 || offset % limit !== 0) {
    return imageError(400, "SVCSTG.SWR.4001072", "param offset error", "Invalid parameter in filter");
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    return imageError(400, "SVCSTG.SWR.4001070", "param limit error", "Invalid parameter in filter");
  }
  const page = rows.slice(offset, offset + limit);
  return {
    headers: { "content-range": `${offset}-${page.length}/${rows.length}`, "x-request-id": requestId(offset) },
    body: page.map(toRow),
  };
}

function packageRow(one: CataloguePackage): object {
  const dates = one.versions.map((version) => version.created).sort();
  return {
    id: 800 + packages.indexOf(one),
    domain: one.domain,
    namespace: one.namespace,
    package: one.name,
    ...(one.visibility === null ? {} : { visibility: one.visibility, self_auth: 7 }),
    description: one.description,
    num_versions: one.versions.length,
    size: one.versions.reduce((sum, version) => sum + sizeOf(version), 0),
    creator: one.creator,
    created: dates[0],
    updated: one.versions
      .map((version) => version.updated)
      .sort()
      .at(-1),
  };
}

function versionRow(found: CataloguePackage, one: CatalogueVersion): object {
  return {
    id: found.name === "hello%20hello" ? 1606 : 20_000 + found.versions.indexOf(one),
    domain: found.domain,
    namespace: found.namespace,
    package: found.name,
    version: one.version,
    ...(found.visibility === null ? {} : { visibility: found.visibility }),
    description: one.description,
    num_files: one.files.length,
    size: sizeOf(one),
    creator: one.creator,
    CreatedAt: one.created,
    UpdatedAt: one.updated,
  };
}

function fileRow(found: CataloguePackage, version: CatalogueVersion, one: CatalogueFile): object {
  const base = `/v2/manage/namespaces/${found.namespace}/packages/${found.name}/versions/${encodeURIComponent(version.version)}`;
  return {
    id: 70_000 + version.files.indexOf(one),
    domain: found.domain,
    namespace: found.namespace,
    package: found.name,
    version: version.version,
    ...(found.visibility === null ? {} : { visibility: found.visibility }),
    folder: one.folder,
    filename: one.filename,
    digest: checksum("sha512", `${found.namespace} ${found.name} ${version.version} ${filePath(one)}`),
    size: one.size,
    url: `${base}/file_paths/${filePath(one).split("/").map(encodeURIComponent).join("/")}`,
    creator: version.creator,
    created: version.created,
    updated: version.updated,
  };
}

function repositoryRow(one: CatalogueRepository): object {
  return {
    name: one.name,
    category: one.category,
    description: one.description,
    size: one.tags.reduce((sum, tag) => sum + tag.size, 0),
    is_public: one.isPublic,
    num_images: one.tags.length,
    num_download: one.downloads,
    created_at: one.created,
    updated_at: one.tags.at(-1)?.updated ?? one.created,
    logo: "",
    url: "",
    path: pullAddress(one.namespace, one.name),
    internal_path: `100.125.0.198:20202/${one.namespace}/${one.name}`,
    domain_name: "acme-pay",
    namespace: one.namespace,
    tags: one.tags.length === 0 ? null : one.tags.map(({ tag }) => tag),
    status: false,
  };
}

function repositoryDetail(one: CatalogueRepository): object {
  return {
    id: 4_200 + repositories.indexOf(one),
    ns_id: 314,
    name: one.name,
    category: one.category,
    description: one.description,
    creator_id: "f4bb4c6d0d8e4a7a9b1e0b7c3c5d2a11",
    creator_name: "lin.chen",
    size: one.tags.reduce((sum, tag) => sum + tag.size, 0),
    is_public: one.isPublic,
    num_images: one.tags.length,
    num_download: one.downloads,
    url: "",
    path: pullAddress(one.namespace, one.name),
    internal_path: `100.125.0.198:20202/${one.namespace}/${one.name}`,
    created: one.created,
    updated: one.tags.at(-1)?.updated ?? one.created,
    domain_id: "0605767a7a00d5762f54c011a6ad0000",
    priority: 0,
  };
}

function tagRow(found: CatalogueRepository, one: CatalogueTag, spelling: "Tag" | "tag", withManifest = true): object {
  return {
    id: 90_000 + found.tags.indexOf(one),
    repo_id: 4_200 + repositories.indexOf(found),
    [spelling]: one.tag,
    image_id: one.multiArch ? "" : one.imageId,
    ...(withManifest ? { manifest: manifestText(one) } : {}),
    digest: one.digest,
    schema: 2,
    path: pullAddress(found.namespace, found.name, one.tag),
    internal_path: `100.125.0.198:20202/${found.namespace}/${found.name}:${one.tag}`,
    size: one.size,
    is_trusted: false,
    created: one.created,
    updated: one.updated,
    ...(spelling === "Tag" ? { deleted: null, scanned: false } : {}),
    domain_id: "0605767a7a00d5762f54c011a6ad0000",
    tag_type: one.multiArch ? 1 : 0,
  };
}

function manifestText(one: CatalogueTag): string {
  const type = one.multiArch
    ? "application/vnd.docker.distribution.manifest.list.v2+json"
    : "application/vnd.docker.distribution.manifest.v2+json";
  const parts = one.multiArch
    ? {
        manifests: ["amd64", "arm64"].map((architecture) => ({
          digest: `sha256:${checksum("sha256", `${one.digest} ${architecture}`)}`,
          platform: { architecture, os: "linux" },
        })),
      }
    : { config: { digest: `sha256:${one.imageId}` }, layers: [{ size: one.size }] };
  return JSON.stringify({ schemaVersion: 2, mediaType: type, ...parts });
}

function filePath({ folder, filename }: CatalogueFile): string {
  const inside = folder.split("/").filter(Boolean).join("/");
  return inside === "" ? filename : `${inside}/${filename}`;
}

function sizeOf(version: CatalogueVersion): number {
  return version.files.reduce((sum, file) => sum + file.size, 0);
}

function order(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** The API gateway's answer to a route that it does not have. */
function unpublished(): DemoReply {
  const text = "The API does not exist or has not been published in the environment";
  return { status: 404, body: { error_code: "APIGW.0101", error_msg: text, request_id: requestId(101) } };
}

function packageError(status: number, errorCode: string, errorMessage: string): DemoReply {
  return { status, body: [{ errorCode, errorMessage, detail: "" }] };
}

function imageError(status: number, errorCode: string, errorMessage: string, detail = "") {
  return { status, body: { errors: [{ errorCode, errorMessage, detail }] } };
}

function forbidden() {
  const secret = "encoded-authorization-message-of-the-demo";
  const text = "Insufficient permissions";
  return {
    status: 403,
    body: {
      errors: [
        { errorCode: "SVCSTG.SWR.4030170", errorMessage: text, detail: "", encoded_authorization_message: secret },
      ],
      error_code: "SVCSTG.SWR.4030170",
      error_msg: text,
      details: [{ error_code: "SVCSTG.SWR.4030170", error_msg: text }],
      encoded_authorization_message: secret,
    },
  };
}

function requestId(seed: number): string {
  return checksum("md5", `swr request ${seed}`);
}
