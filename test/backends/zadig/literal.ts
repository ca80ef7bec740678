import { type Asked, type Reply, serveJson } from "../../support/literal.ts";

/** A release of the literal Zadig. */
export interface LiteralRelease {
  readonly id: string;
  readonly version: string;
  readonly project: string;
  /** Unix seconds. */
  readonly at: number;
  readonly labels?: readonly string[];
  /** Services that were deployed, with the image of each. */
  readonly services?: Readonly<Record<string, string>>;
  /** Bytes of the environment that stands inside it. */
  readonly weight?: number;
}

export interface LiteralOptions {
  /** `r1`: 3.x; `r1-1.7`: its look-up by id finds nothing; `r2`: 5.x. May be changed while it runs. */
  generation?: "r1" | "r1-1.7" | "r2";
  readonly artifacts?: readonly Readonly<Record<string, unknown>>[];
  readonly releases?: readonly LiteralRelease[];
  /** The list of all projects is refused: the token is that of a project's member. */
  readonly memberOnly?: boolean;
  /** Answers before anything else. */
  readonly odd?: (asked: Asked) => Reply | null;
}

const unknownThing = (code: number): Reply => ({ status: 400, body: { code, message: "x", type: "error" } });

/**
 * A Zadig as its source says: `pkg/microservice/aslan/core/delivery` and `common/repository/mongodb/delivery_artifact.go`,
 * where `name` and `image` go into `$regex` as they come, images without `image_size` are left out of the list, and
 * everything comes newest first.
 */
export function serveZadig(options: LiteralOptions) {
  return serveJson((asked) => options.odd?.(asked) ?? answer(asked, options));
}

function answer(asked: Asked, options: LiteralOptions): Reply {
  const [, , , , kind, id, ...more] = asked.path.split("/");
  if (!asked.path.startsWith("/api/aslan/delivery/") || more.length > 0) return { status: 404, body: "Invalid path" };
  if (kind === "artifacts" && id === undefined) return artifactList(asked, options);
  if (kind === "artifacts" && id === "image") return artifactByImage(asked, options);
  if (kind === "artifacts") {
    const row = options.artifacts?.find((one) => one["id"] === id);
    return row ? { body: row } : unknownThing(6662);
  }
  if (kind === "releases" && id === undefined) return releaseList(asked, options);
  return kind === "releases" ? releaseById(id ?? "", asked, options) : { status: 404, body: "Invalid path" };
}

function artifactList({ query }: Asked, { artifacts = [] }: LiteralOptions): Reply {
  const [repo, branch] = [query.get("repoName") ?? "", query.get("branch") ?? ""];
  if (repo || branch) {
    const rows = artifacts.flatMap((one) =>
      listOf(one["activities"])
        .filter(
          ({ type, commits }) => type === "build" && listOf(commits).some((commit) => isFrom(commit, repo, branch)),
        )
        .map(() => one),
    );
    return page(rows, query);
  }
  const [name, image] = [query.get("name") ?? "", query.get("image") ?? ""];
  try {
    const [byName, byImage] = [new RegExp(name), new RegExp(image)];
    const rows = artifacts.filter(
      (one) =>
        byName.test(String(one["name"])) &&
        byImage.test(String(one["image"])) &&
        (!query.get("imageTag") || one["image_tag"] === query.get("imageTag")) &&
        (!query.get("type") || one["type"] === query.get("type")) &&
        (one["type"] !== "image" || one["image_size"] !== undefined),
    );
    return page(rows, query);
  } catch {
    return unknownThing(6663);
  }
}

function isFrom(commit: Record<string, unknown>, repo: string, branch: string): boolean {
  return (!repo || commit["repo_name"] === repo) && (!branch || commit["branch"] === branch);
}

function artifactByImage({ query }: Asked, { artifacts = [] }: LiteralOptions): Reply {
  const row = artifacts.find((one) => one["image"] === query.get("image"));
  return row ? { body: String(row["id"]) } : unknownThing(6662);
}

function releaseList({ query }: Asked, options: LiteralOptions): Reply {
  const project = query.get("projectName") ?? "";
  if (project === "" && options.memberOnly) return { status: 403, body: "" };
  const isNew = options.generation === "r2";
  // The handler unescapes the label once more after its framework has (delivery/handler/version.go).
  const label = isNew ? unescaped(query.get("label") ?? "") : "";
  const rows = (options.releases ?? [])
    .filter((one) => (!project || one.project === project) && (!label || one.labels?.includes(label)))
    .toSorted((one, other) => other.at - one.at);
  // Unknown before 1.8.
  const isBrief = query.get("verbosity") === "brief" && options.generation !== "r1-1.7";
  return page(
    rows.map((one) => (isNew ? r2(one, false) : r1(one, isBrief))),
    query,
  );
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

function releaseById(id: string, { query }: Asked, options: LiteralOptions): Reply {
  const project = query.get("projectName");
  if (project === null && options.generation === "r2") return { status: 400, body: "" };
  const row = options.generation === "r1-1.7" ? undefined : options.releases?.find((one) => one.id === id);
  if (!row) return unknownThing(6563);
  return { body: options.generation === "r2" ? r2(row, true) : r1(row, false) };
}

function page(rows: readonly unknown[], query: URLSearchParams): Reply {
  const size = Number(query.get("per_page") ?? 20);
  const from = (Number(query.get("page") ?? 1) - 1) * size;
  return { headers: { "x-total": String(rows.length) }, body: rows.slice(from, from + size) };
}

function r1({ id, version, project, at, labels = [], services = {}, weight = 0 }: LiteralRelease, isBrief: boolean) {
  const environment = {
    env_name: "prod",
    services: [[{ service_name: "env", containers: [{ name: "x".repeat(weight), image: "" }] }]],
  };
  const versionInfo = {
    ...{ id, version, productName: project, workflowName: "w", taskId: 1, labels, created_at: at },
    ...{ type: "K8SYaml", status: "success", productEnvInfo: isBrief ? null : environment },
  };
  const rows = Object.entries(services).map(([serviceName, image]) => ({ serviceName, image, yamlContents: [] }));
  return isBrief || rows.length === 0 ? { versionInfo } : { versionInfo, deployInfo: rows };
}

function r2({ id, version, project, at, labels = [], services = {} }: LiteralRelease, isDetail: boolean) {
  const rows = Object.entries(services).map(([service_name, image]) => ({
    ...{ service_name, yaml_content: "" },
    images: [{ container_name: service_name, source_image: image, target_image: image, push_image: false, status: "" }],
  }));
  return {
    ...{ id, version, project_name: project, type: "K8SYaml", status: "success", labels, created_at: at },
    services: isDetail ? rows : [],
  };
}

function listOf(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value : [];
}

/** Ids of 24 hex digits. */
export const idOf = (number: number): string => number.toString(16).padStart(24, "a");

/** An image's record; `image_size` is what makes it show in lists. */
export function imageRow(number: number, name: string, image: string, more: Record<string, unknown> = {}) {
  const image_tag = image.slice(image.lastIndexOf(":") + 1);
  const created_time = 1_790_000_000 - number;
  return {
    id: idOf(number),
    name,
    type: "image",
    image,
    image_tag,
    image_size: 10,
    created_time,
    activities: [],
    ...more,
  };
}

/** The settings of a backend `zadig` over it. */
export function settingsOf(url: string, more: Record<string, unknown> = {}) {
  return { kind: "zadig", name: "zadig", url, credentials: { token: "literal-token" }, retries: 0, ...more };
}
