import { type Asked, type Reply, serveJson } from "../../support/literal.ts";

/** A tag: its digest (none for old ones), when it was pushed, and whether it is an index. */
export interface LiteralTag {
  readonly digest?: string;
  readonly updated?: string | null;
  readonly isIndex?: boolean;
  /** The list names it, and its detail is 404. */
  readonly withoutDetail?: boolean;
}

export interface LiteralOptions {
  /** Repositories by namespace and path, with their tags in any order. */
  repositories?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, LiteralTag>>>>>>;
  /** Repositories of other accounts, which no list holds. */
  readonly shared?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, LiteralTag>>>>>>;
  /** Software packages by namespace and name in wire form: versions, each with its files. */
  packages?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>>> | null;
  /** Namespaces that hold nothing, and those that may not be seen. */
  readonly empty?: readonly string[];
  readonly hidden?: readonly string[];
  /** The reference of most regions: `order_column` may be `updated_at` of tags, and nothing else. */
  isOldRegion?: boolean;
  /** Orders are ignored: rows come as they are kept. */
  readonly ignoresOrder?: boolean;
  /** v3 lists of tags. */
  readonly hasV3?: boolean;
  /** Answers before anything else. */
  odd?: (asked: Asked) => Reply | Promise<Reply> | null;
}

const fault = (status: number, errorCode: string): Reply => ({
  status,
  body: { errors: [{ errorCode, errorMessage: "x", detail: "" }] },
});
const unpublished: Reply = { status: 404, body: { error_code: "APIGW.0101", error_msg: "x", request_id: "r" } };
const noNamespace = fault(404, "SVCSTG.SWR.4041061");
const forbidden = fault(403, "SVCSTG.SWR.4030170");

/** Huawei SWR as its pages print it (docs/swr, docs/containerops): basic edition, in a region old or new. */
export function serveSwr(options: LiteralOptions) {
  return serveJson(async (asked) => (await options.odd?.(asked)) ?? answer(asked, options));
}

function answer(asked: Asked, options: LiteralOptions): Reply {
  const [, version, manage, kind, namespace = "", what, name = "", tags, tag] = asked.path
    .split("/")
    .map(decodeURIComponent);
  if (manage !== "manage") return unpublished;
  if (version === "v3")
    return options.hasV3 ? markedTags(asked, options, namespace, name.replaceAll("$", "/")) : unpublished;
  if (kind === "packages" || what === "packages") return inPackages(asked, options);
  if (kind === "repos") return repositoryList(asked, options);
  if (kind !== "namespaces") return unpublished;
  if (options.hidden?.includes(namespace)) return forbidden;
  if (what === undefined) {
    const known = [options.repositories, options.shared, options.packages ?? {}].some((all) => all && namespace in all);
    return known || options.empty?.includes(namespace) ? { body: { id: 1, name: namespace, auth: 7 } } : noNamespace;
  }
  const path = name.replaceAll("$", "/");
  const found = options.repositories?.[namespace]?.[path] ?? options.shared?.[namespace]?.[path];
  if (!found) return fault(404, "SVCSTG.SWR.4040010");
  if (tags === undefined)
    return { body: { name: path, num_images: Object.keys(found).length, created: "2026-01-01T00:00:00Z" } };
  if (tag === undefined) return tagList(asked, options, found);
  const one = found[tag];
  return one && !one.withoutDetail ? { body: tagRow(tag, one, "tag") } : fault(404, "SVCSTG.SWR.4041056");
}

function repositoryList({ query }: Asked, { repositories = {}, isOldRegion, ignoresOrder }: LiteralOptions): Reply {
  if (isOldRegion && query.has("order_column")) return fault(400, "SVCSTG.SWR.4001096");
  const namespace = query.get("namespace") ?? "";
  const part = (query.get("name") ?? "").replaceAll("$", "/");
  const rows = Object.entries(repositories[namespace] ?? {})
    .filter(([name]) => name.includes(part))
    .map(([name, tags]) => ({
      name,
      namespace,
      num_images: Object.keys(tags).length,
      created_at: "2026-01-01T00:00:00Z",
    }));
  const sorted = query.has("order_column") && !ignoresOrder;
  return page(sorted ? rows.toSorted((one, other) => (one.name < other.name ? -1 : 1)) : rows, query);
}

function tagList({ query }: Asked, options: LiteralOptions, found: Readonly<Record<string, LiteralTag>>): Reply {
  const column = query.get("order_column");
  if (options.isOldRegion && column !== null && column !== "updated_at") return fault(400, "SVCSTG.SWR.4001096");
  const rows = Object.entries(found).filter(([tag]) => tag.includes(query.get("tag") ?? ""));
  return page(
    sortedTags(rows, query, options).map(([tag, one]) => tagRow(tag, one, "Tag")),
    query,
  );
}

function markedTags({ query }: Asked, options: LiteralOptions, namespace: string, path: string): Reply {
  const found = options.repositories?.[namespace]?.[path];
  if (!found) return fault(404, "SVCSTG.SWR.4040010");
  const rows = sortedTags(Object.entries(found), query, options).map(([tag, one]) => tagRow(tag, one, "tag"));
  const [from, limit] = [Number(query.get("marker") ?? 0), Number(query.get("limit") ?? 100)];
  const next = from + limit < rows.length ? { nextMarker: String(from + limit) } : {};
  return { body: { tags: rows.slice(from, from + limit), ...next } };
}

function sortedTags(rows: readonly [string, LiteralTag][], query: URLSearchParams, { ignoresOrder }: LiteralOptions) {
  const column = query.get("order_column");
  if (column === null || ignoresOrder) return rows;
  const key = ([tag, { updated }]: [string, LiteralTag]) => (column === "tag" ? tag : (updated ?? ""));
  const sorted = rows.toSorted((one, other) => (key(one) < key(other) ? -1 : key(one) > key(other) ? 1 : 0));
  return query.get("order_type") === "desc" ? sorted.reverse() : sorted;
}

function tagRow(tag: string, { digest = "", updated, isIndex = false }: LiteralTag, spelling: "Tag" | "tag") {
  return {
    [spelling]: tag,
    digest,
    tag_type: isIndex ? 1 : 0,
    size: 10,
    ...(updated ? { created: updated, updated } : {}),
  };
}

function inPackages({ path, query }: Asked, options: LiteralOptions): Reply {
  const { packages } = options;
  if (packages === null) return unpublished;
  const all = Object.entries(packages ?? {}).flatMap(([namespace, names]) =>
    Object.entries(names).map(([name, versions]) => ({ namespace, name, versions })),
  );
  const [, , , kind, namespace = "", , name = "", , version, files] = path.split("/");
  if (kind === "packages") {
    const only = query.get("namespace");
    const rows = all.filter((one) => only === null || one.namespace === only);
    return {
      body: rows.map((one) => ({
        namespace: one.namespace,
        package: one.name,
        num_versions: Object.keys(one.versions).length,
      })),
    };
  }
  const found = all.find(
    (one) => one.namespace === namespace && decodeURIComponent(one.name) === decodeURIComponent(name),
  );
  if (!found) return fault(404, "SVCSTG.SWR.4040004");
  if (version === undefined) {
    return {
      body: Object.entries(found.versions).map(([one, paths], index) => ({
        ...{ version: one, num_files: paths.length, CreatedAt: `2026-01-0${index + 1}T00:00:00Z` },
      })),
    };
  }
  const [, paths] =
    Object.entries(found.versions).find(([one]) => decodeURIComponent(one) === decodeURIComponent(version)) ?? [];
  if (!paths || files !== "file_paths") return fault(404, "SVCSTG.SWR.4040004");
  return { body: paths.map((filename) => ({ folder: "/", filename, size: 1 })) };
}

function page(rows: readonly object[], query: URLSearchParams): Reply {
  const [limit, offset] = [query.get("limit"), query.get("offset")];
  if ((limit === null) !== (offset === null)) return fault(400, "SVCSTG.SWR.4001072");
  if (limit === null || offset === null) return { body: rows.slice(0, 100) };
  const cut = rows.slice(Number(offset), Number(offset) + Number(limit));
  return { headers: { "content-range": `${offset}-${cut.length}/${rows.length}` }, body: cut };
}

/** A digest that one character tells from others. */
export const digestOf = (character: string): string => `sha256:${character.repeat(64)}`;

/** Noon of a day in November. */
export const day = (number: number): string => `2026-11-${String(number).padStart(2, "0")}T12:00:00Z`;

/** The settings of a backend `swr` over it. */
export function settingsOf(url: string, more: Record<string, unknown> = {}) {
  return {
    ...{ kind: "swr", name: "swr", url, credentials: { token: "literal-token" }, retries: 0 },
    ...{ hosts: ["swr.test"], namespaces: ["pay"], ...more },
  };
}
