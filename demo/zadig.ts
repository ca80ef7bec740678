import { type DemoReply, type DemoRequest, type DemoServer, serveDemo } from "./server.ts";
import { credentials } from "./story.ts";
import { artifact } from "./zadig-artifacts.ts";
import { estateArtifacts, estateReleases } from "./zadig-estate.ts";
import type { ServerVersion } from "./zadig-print.ts";
import { r1Release } from "./zadig-r1.ts";
import { o1Release, o2Release, openItem, r2Release } from "./zadig-r2.ts";
import { nginxArtifact, picketArtifact, sampleRelease, testRelease } from "./zadig-seeds.ts";

/** Which Zadig is played; `o1` and `o2` are the servers that have those OpenAPI shapes beside R1 and R2. */
export type ZadigGeneration = "r1" | "r1-1.6" | "r2" | "r2-4.1" | "o1" | "o2";

/** How the demo Zadig is set up. */
export interface ZadigOptions {
  readonly generation?: ZadigGeneration;
  /** False: releases answer 7050, artifacts go on. */
  readonly licensed?: boolean;
  /** True: the user has resources of the collaboration mode that stand in for answers (1.10 and later). */
  readonly unsynchronised?: boolean;
  /** Keys of projects this user may not see. */
  readonly forbidden?: readonly string[];
  readonly port?: number;
}

type Json = Readonly<Record<string, unknown>>;

interface Listed {
  readonly id: string;
  readonly project: string;
  readonly version: string;
  readonly workflow: string;
  readonly taskId: number;
  readonly at: number;
  readonly labels: readonly string[];
  /** Null for a release that exists in the old shape only. */
  readonly release: (typeof estateReleases)[number] | null;
  readonly r1: (brief: boolean) => Json;
}

const versions: Readonly<Record<ZadigGeneration, ServerVersion>> = {
  "r1-1.6": "1.6",
  r1: "2.2",
  o1: "3.4",
  "r2-4.1": "4.1",
  r2: "4.3",
  o2: "4.3",
};

/** Serves Zadig on 127.0.0.1. */
export async function serveZadig(options: ZadigOptions = {}): Promise<DemoServer> {
  const version = versions[options.generation ?? "r1"];
  const hasR2 = version === "4.1" || version === "4.3";
  const hasOpenApi = hasR2 || version === "3.4";
  const forbidden = options.forbidden ?? [];
  const releases = listReleases(version);
  const artifacts: readonly Json[] = [...estateArtifacts.map(artifact), picketArtifact, nginxArtifact].sort(
    (a, b) => Number(b["created_time"]) - Number(a["created_time"]),
  );

  function handle(request: DemoRequest): DemoReply {
    const path = decodeURIComponent(request.rawPath);
    if (!path.startsWith("/api/") && !path.startsWith("/openapi/")) return page();
    return refusal(request, version) ?? route(request, path);
  }

  function route(request: DemoRequest, path: string): DemoReply {
    const inner = path.replace("/api/aslan/", "/api/").replace("/api/directory/", "/api/");
    if (request.method !== "GET") return { status: 405, body: `Method not allowed: ${inner}` };
    const replaced = path.startsWith("/api/aslan/") && request.query.has("projectName") && options.unsynchronised;
    if (replaced && request.query.get("ifPassFilter") !== "true" && version !== "1.6") {
      return { body: { code: 10000, workflow: [{ name: "pay-release-lin" }], product: [], ifSync: false } };
    }
    const unlicensed = options.licensed === false && version !== "1.6";
    if (version !== "1.6" && path === "/openapi/projects/project") return projectList();
    const answer = releaseRoute(request.query, path, unlicensed) ?? artifactRoute(request.query, path);
    return answer ?? { status: 404, body: `Invalid path: ${inner}` };
  }

  function releaseRoute(query: URLSearchParams, path: string, unlicensed: boolean): DemoReply | null {
    if (path === "/api/directory/dc/releases") {
      const answer = directoryReleases(query);
      if (version === "1.6") return answer;
      return facade(unlicensed ? licence() : answer);
    }
    if (path === "/api/aslan/delivery/releases") {
      if (version === "1.6") return query.has("orgId") ? aslanReleases(query, "productName") : typed(400, 400);
      return unlicensed ? licence() : aslanReleases(query, "projectName");
    }
    const byId = /^\/api\/aslan\/delivery\/releases\/([^/]+)$/.exec(path)?.[1];
    if (byId !== undefined) return unlicensed ? licence() : aslanRelease(byId, query);
    if (!hasOpenApi || !path.startsWith("/openapi/delivery/releases")) return null;
    if (unlicensed) return licence();
    if (path === "/openapi/delivery/releases") return openReleases(query);
    const last = path.slice("/openapi/delivery/releases/".length);
    if (hasR2) return last === "detail" ? openReleaseByName(query) : null;
    return last.includes("/") ? null : openRelease(last, query);
  }

  function projectList(): DemoReply {
    const keys = [...new Set(estateReleases.map(({ project }) => project))].filter((key) => !forbidden.includes(key));
    const projects = keys.map((key) => ({ project_name: key, project_key: key, description: "", deploy_type: "k8s" }));
    return { body: { total: projects.length, projects } };
  }

  function directoryReleases(query: URLSearchParams): DemoReply {
    if (version !== "1.6") {
      const passed = new URLSearchParams(query);
      if (query.has("perPage")) passed.set("per_page", query.get("perPage") ?? "");
      return aslanReleases(passed, "projectName");
    }
    for (const name of ["taskId", "perPage", "page"]) {
      const value = query.get(name);
      if (value !== null && !/^-?\d+$/.test(value)) {
        return { status: 400, body: { resultCode: 400, errorMsg: `${name} must be Integer!` } };
      }
    }
    const passed = new URLSearchParams(query);
    passed.delete("verbosity");
    passed.set("per_page", query.get("perPage") ?? "20");
    return aslanReleases(passed, "productName");
  }

  function aslanReleases(query: URLSearchParams, projectParameter: string): DemoReply {
    const taskId = query.get("taskId");
    if (taskId !== null && !/^-?\d+$/.test(taskId)) return { status: 400 };
    const project = query.get(projectParameter);
    if (project !== null && forbidden.includes(project)) return { status: 403 };
    // The server decodes the label a second time.
    const label = hasR2 ? safeDecode(query.get("label")) : null;
    const chosen = releases.filter(
      (one) =>
        !forbidden.includes(one.project) &&
        matches(project, one.project) &&
        matches(query.get("workflowName"), one.workflow) &&
        (taskId === null || taskId === "0" || one.taskId === Number(taskId)) &&
        (label === null || label === "" || one.labels.includes(label)),
    );
    const rows = hasR2 ? cutR2(chosen, query) : cutR1(chosen, query);
    const headers = version === "1.6" || version === "2.2" ? {} : { "X-Total": String(chosen.length) };
    const brief = query.get("verbosity") === "brief";
    return { headers, body: rows.map((one) => (hasR2 ? r2(one, version === "4.1") : one.r1(brief))) };
  }

  function aslanRelease(id: string, query: URLSearchParams): DemoReply {
    const project = query.get("projectName");
    if (version !== "1.6" && version !== "2.2") {
      if (!project) return typed(400, 400);
      if (forbidden.includes(project)) return { status: 403 };
    }
    // 1.6 compares the text with an object id and never finds anything.
    const found = version === "1.6" ? undefined : releases.find((one) => one.id === id);
    if (!found) return typed(6563, 400);
    return { body: hasR2 ? r2(found, true) : found.r1(false) };
  }

  function openReleases(query: URLSearchParams): DemoReply {
    const project = query.get("projectKey");
    const number = Number(query.get("pageNum") ?? 0);
    const size = Number(query.get("pageSize") ?? 0);
    if (!project || !number || !size) return typed(400, 400);
    if (forbidden.includes(project)) return { status: 403 };
    const chosen = releases.filter((one) => one.project === project);
    const rows = chosen.slice((number - 1) * size, number * size);
    return {
      body: {
        total: chosen.length,
        list: rows.flatMap(({ release }) => (release ? [openItem(release, hasR2)] : [])),
      },
    };
  }

  function openRelease(id: string, query: URLSearchParams): DemoReply {
    if (!query.get("projectKey")) return typed(400, 400);
    const found = releases.find((one) => one.id === id);
    if (!found?.release) return untyped("mongo: no documents in result");
    // Versions that a workflow made have no progress, and the handler trips over that.
    return found.release.type === "" ? { status: 500 } : { body: o1Release(found.release) };
  }

  function openReleaseByName(query: URLSearchParams): DemoReply {
    const project = query.get("projectKey");
    const name = query.get("versionName");
    if (!project || !name) return typed(400, 400);
    const found = releases.find((one) => one.project === project && one.version === name);
    return found?.release ? { body: o2Release(found.release) } : untyped("mongo: no documents in result");
  }

  function artifactRoute(query: URLSearchParams, path: string): DemoReply | null {
    if (path === "/api/aslan/delivery/artifacts") return listArtifacts(query, artifacts);
    if (path === "/api/directory/dc/artifact" && version !== "1.6") {
      const image = query.get("image") ?? "";
      const found = artifacts.find((one) => one["image"] === image);
      return facade(found ? { body: withoutIds(found) } : typed(6662, 400));
    }
    const last = /^\/api\/aslan\/delivery\/artifacts\/([^/]+)$/.exec(path)?.[1];
    if (last === undefined) return null;
    if (last === "image" && version !== "1.6") {
      const found = artifacts.find((one) => one["image"] === query.get("image"));
      return found ? { body: String(found["id"]) } : typed(6662, 400);
    }
    const found = artifacts.find((one) => one["id"] === last);
    return found ? { body: found } : typed(6662, 400);
  }

  return serveDemo("zadig", handle, options.port ?? 0);
}

function listReleases(version: ServerVersion): readonly Listed[] {
  const hasR2 = version === "4.1" || version === "4.3";
  const ours = estateReleases.map(
    (release): Listed => ({ ...release, release, r1: (brief) => r1Release(release, version, brief) }),
  );
  const printed = [sampleRelease, testRelease].map((seed): Listed => {
    const { id, productName, version: name, workflowName, taskId, created_at, labels } = seed.versionInfo;
    return {
      id,
      project: productName,
      version: name,
      workflow: workflowName,
      taskId,
      at: created_at,
      labels,
      release: null,
      r1: (brief) => (brief && version !== "1.6" ? { versionInfo: seed.versionInfo } : seed),
    };
  });
  // What workflows made in old versions is not taken over by 4.0.
  return [...ours, ...(hasR2 ? [] : printed)].sort((a, b) => b.at - a.at);
}

function r2({ release }: Listed, withServices: boolean): unknown {
  return release && r2Release(release, withServices);
}

function cutR1(rows: readonly Listed[], query: URLSearchParams): readonly Listed[] {
  const size = Math.max(0, Number(query.get("per_page") ?? 0)) || 20;
  const number = Math.max(0, Number(query.get("page") ?? 0)) || 1;
  return rows.slice((number - 1) * size, number * size);
}

/** No defaults from 4.0 on: without a page everything comes. */
function cutR2(rows: readonly Listed[], query: URLSearchParams): readonly Listed[] {
  const size = Number(query.get("per_page") ?? 0);
  const number = Number(query.get("page") ?? 0);
  return number > 0 && size > 0 ? rows.slice((number - 1) * size, number * size) : rows;
}

function listArtifacts(query: URLSearchParams, artifacts: readonly Json[]): DemoReply {
  const size = Math.max(0, Number(query.get("per_page") ?? 0)) || 20;
  const number = Math.max(0, Number(query.get("page") ?? 0)) || 1;
  const cut = (rows: readonly Json[]): DemoReply => ({
    headers: { "X-Total": String(rows.length) },
    body: rows.slice((number - 1) * size, number * size),
  });
  const repository = query.get("repoName") ?? "";
  const branch = query.get("branch") ?? "";
  if (repository !== "" || branch !== "") {
    // By build activities: every other filter is forgotten, and an artifact comes once for each activity.
    return cut(
      artifacts.flatMap((one) =>
        commitsOf(one)
          .filter(
            (commit) =>
              (repository === "" || commit["repo_name"] === repository) &&
              (branch === "" || commit["branch"] === branch),
          )
          .map(() => one),
      ),
    );
  }
  try {
    const image = new RegExp(query.get("image") ?? "");
    const name = new RegExp(query.get("name") ?? "");
    const isEqual = (one: Json, parameter: string, field: string) =>
      matches(query.get(parameter), String(one[field] ?? ""));
    return cut(
      artifacts.filter(
        (one) =>
          // Images whose size could not be read are left out of lists.
          (one["type"] !== "image" || one["image_size"] !== undefined) &&
          image.test(String(one["image"])) &&
          name.test(String(one["name"])) &&
          isEqual(one, "imageTag", "image_tag") &&
          isEqual(one, "type", "type") &&
          isEqual(one, "source", "source"),
      ),
    );
  } catch {
    return typed(6663, 400);
  }
}

function commitsOf(one: Json): Json[] {
  const activities = Array.isArray(one["activities"]) ? one["activities"] : [];
  return activities
    .filter((activity: Json) => activity["type"] === "build")
    .flatMap((activity: Json) => (Array.isArray(activity["commits"]) ? activity["commits"] : []));
}

function withoutIds(one: Json): Json {
  const { id: _id, layers: _layers, docker_file: _dockerfile, ...rest } = one;
  const strip = (rows: unknown) =>
    Array.isArray(rows) ? rows.map(({ artifact_id: _artifact, ...row }: Record<string, unknown>) => row) : [];
  return { ...rest, activities: strip(rest["activities"]), sortedActivities: { build: strip(commitActivities(one)) } };
}

function commitActivities(one: Json): unknown[] {
  const activities = Array.isArray(one["activities"]) ? one["activities"] : [];
  return activities.filter((activity: Json) => activity["type"] === "build");
}

/** Who is not let in, in the words of the version. */
function refusal(request: DemoRequest, version: ServerVersion): DemoReply | null {
  const given = request.header("authorization");
  const { token } = credentials.zadig;
  if (version === "1.6") {
    if (given === null) return { status: 401, body: { message: "auth failed" } };
    return given === `X-API-KEY ${token}` ? null : { status: 500, body: { message: "get user detail error" } };
  }
  // Exactly one space; from 1.18 on the word before it is not looked at.
  return given?.split(" ").length === 2 && given.split(" ")[1] === token ? null : { status: 401 };
}

/** What the directory facade makes of aslan's answers: no headers, text/plain, and 500 for every refusal. */
function facade(reply: DemoReply): DemoReply {
  const status = reply.status ?? 200;
  if (status >= 400) {
    const inner = JSON.stringify(reply.body ?? "");
    return {
      status: 500,
      body: {
        code: 500,
        description: `[${status}] http://aslan:25000 ${inner}`,
        message: "Internal Error: ",
        type: "error",
      },
    };
  }
  return { body: JSON.stringify(reply.body) };
}

function typed(code: number, status: number): DemoReply {
  const description = "http://aslan:25000/api/delivery: token demo-secret-in-description";
  return {
    status,
    body: { code, description, extra: {}, message: code === 400 ? "Bad Request" : "操作失败", type: "error" },
  };
}

function untyped(description: string): DemoReply {
  return { status: 500, body: { code: 500, description, message: "Internal Error: " } };
}

function licence(): DemoReply {
  return typed(7050, 400);
}

function page(): DemoReply {
  return {
    headers: { "content-type": "text/html; charset=utf-8" },
    body: "<!DOCTYPE html><html><head><title>Zadig</title></head><body><div id=app></div></body></html>",
  };
}

function matches(asked: string | null, value: string): boolean {
  return asked === null || asked === "" || asked === value;
}

function safeDecode(text: string | null): string | null {
  try {
    return text === null ? null : decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return "";
  }
}
