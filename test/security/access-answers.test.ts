import { describe, expect, test } from "vitest";
import { type Answer, failed, found, hidden as notThere, unknown } from "../../src/backends/answers.ts";
import type { Readers } from "../../src/backends/backend.ts";
import { gitlab as gitlabType } from "../../src/backends/gitlab/index.ts";
import { zadig as zadigType } from "../../src/backends/zadig/index.ts";
import { restrict } from "../../src/graph/access/access.ts";
import type { Allowed } from "../../src/model/access.ts";
import { parseDigest, parseImageRef } from "../../src/model/artifact.ts";
import type { BackendIdentity, Origin, Page, PageRequest } from "../../src/model/backend.ts";
import type {
  HostedCommit,
  ImageRecord,
  Package,
  PackageFile,
  PipelineRun,
  Version,
  VersionRef,
} from "../../src/model/package.ts";
import { parsePurl } from "../../src/model/purl.ts";
import type { ArtifactRecord, BuildInfo, Release } from "../../src/model/release.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import { bareRelease, bareVersion } from "../support/records.ts";

// The place that is asked for may be seen. What answers is, by a redirect, a number or the backend's mistake, another one.
const asked = "team-a/api";
const answering = "vault/secret";

const origin: Origin = { backend: "b", fetchedAt: "2026-01-01T00:00:00.000Z", stale: false, traceId: null };
const digest = must(parseDigest(`sha256:${"a".repeat(64)}`));
const purl = must(parsePurl("pkg:npm/widget@1.0.0"));
const any = { name: null, match: "CONTAINS", format: null } as const;
const request = { first: 5, after: null };
const none = { project: null, workflow: null, taskId: null, service: null, label: null };
const bare = { image: null, name: null, imageTag: null, type: null, repository: null, branch: null };

function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("the test needs this");
  return value;
}

function page<T>(value: T): Answer<Page<T>> {
  return found({ rows: [{ value, position: [1] }], hasNext: false, total: 1, origin, dropped: [] });
}

const versionRef = (repository: string): VersionRef => ({
  package: { backend: "b", repository, key: "npm:widget" },
  version: "1.0.0",
  nativeId: null,
});
const packageOf = (repository: string): Package => ({
  ref: versionRef(repository).package,
  origin,
  name: "widget",
  format: "NPM",
  formatName: "npm",
  purl: "pkg:npm/widget",
  description: null,
  visibility: null,
  downloads: null,
  versionCount: null,
  createdBy: null,
  createdAt: null,
  updatedAt: null,
  webUrl: null,
});
const run = (projectPath: string | null): PipelineRun => ({
  id: "1",
  backend: "b",
  projectId: "9",
  projectPath,
  hostUrl: null,
  status: null,
  ref: null,
  sha: "abc",
  webUrl: null,
  user: null,
  createdAt: null,
});
const versionOf = (repository: string, pipeline: PipelineRun | null = null): Version =>
  bareVersion({ ref: versionRef(repository), origin, name: "1.0.0", pipeline });
const file: PackageFile = {
  name: "widget-1.0.0.tgz",
  path: null,
  size: null,
  digests: [],
  createdAt: null,
  downloadUrl: null,
};
const imageIn = (repository: string, version: VersionRef | null = null): ImageRecord => ({
  origin,
  image: must(parseImageRef(`registry.test/${repository}/web:1`)),
  digest,
  kind: null,
  size: null,
  architecture: null,
  os: null,
  createdBy: null,
  createdAt: null,
  pushedAt: null,
  webUrl: null,
  archived: false,
  version,
});
const commitIn = (repository: string): HostedCommit => ({
  origin,
  sha: "abc",
  branch: null,
  tag: null,
  repository,
  hostUrl: null,
  webUrl: null,
  pullRequests: [],
  message: "hidden",
  authorName: null,
  isPrimary: true,
});
const releaseOf = (project: string): Release =>
  bareRelease({
    ref: { backend: "b", project, zadigId: "1", version: null },
    origin,
    zadigId: "1",
    version: "v1",
    project,
  });
const artifactRef = { backend: "b", zadigId: "1", image: null };
const build: BuildInfo = {
  ref: { backend: "b", artifact: artifactRef, activity: "a" },
  origin,
  service: "web",
  image: null,
  built: { digest: null, size: null, architecture: null, os: null, createdAt: null },
  packageFile: null,
  issues: [],
  commits: [],
  workflow: null,
  taskId: null,
  startedAt: null,
  finishedAt: null,
};
const recordBy = (project: string): ArtifactRecord => ({
  ref: artifactRef,
  origin,
  name: "web",
  type: "IMAGE",
  image: null,
  file: null,
  digest,
  size: null,
  architecture: null,
  os: null,
  createdBy: null,
  createdAt: null,
  activities: [
    {
      type: "build",
      url: null,
      project,
      workflow: null,
      taskId: null,
      commits: [],
      issues: [],
      environment: null,
      namespace: null,
      createdBy: null,
      startedAt: null,
      finishedAt: null,
      createdAt: null,
    },
  ],
});

/** A backend whose every answer is about one place, whatever it is asked for. */
function readersOf(place: string): Seen {
  const versions = async () => page(versionOf(place));
  return {
    releases: {
      page: async () => page(releaseOf(place)),
      release: async () => found(releaseOf(place)),
      builds: async () => found([build]),
      build: async () => found(build),
      containing: async () => page(releaseOf(place)),
    },
    artifacts: {
      page: async () => page(recordBy(place)),
      artifact: async () => found(recordBy(place)),
      byImage: async () => found([recordBy(place)]),
      byNameAndTag: async () => found([recordBy(place)]),
      byCommit: async () => found([recordBy(place)]),
      buildsOf: ({ activities }) => (activities?.length ? [build] : []),
    },
    packages: {
      keyOf: () => "npm:widget",
      parseKey: () => ({ name: "widget", format: "NPM" }),
      package: async () => found(packageOf(place)),
      page: async () => page(packageOf(place)),
      version: async () => found(versionOf(place)),
      versions,
      latest: async () => found(versionOf(place)),
      files: async () => page(file),
      byChecksum: async () => found([{ version: versionRef(place), file, origin }]),
      named: async () => found([packageOf(place)]),
      byPurl: async () => found([versionOf(place)]),
      search: async () => page(packageOf(place)),
    },
    images: {
      image: async () => found(imageIn(place)),
      copies: async () => found([imageIn(place)]),
      expectCopies: () => undefined,
      byDigest: async () => found([imageIn(place)]),
      isArchived: async () => true,
    },
    commits: {
      projectOf: () => place,
      commit: async () => found(commitIn(place)),
      mergeRequests: async () => found([7]),
      publishedFrom: async () => found([versionOf(place)]),
      pipelines: async () => found([run(place)]),
    },
    ping: async () => origin,
  };
}

const rule = (allow: Partial<Allowed>): Allowed => ({
  backends: null,
  projects: [],
  repositories: [],
  namespaces: [],
  groups: [],
  ...allow,
});

const gitlab: BackendIdentity = { name: "b", type: gitlabType, capabilities: [] };
const zadig: BackendIdentity = { name: "b", type: zadigType, capabilities: [] };

/** Every reader with every method. */
type Seen = { readonly [K in Exclude<keyof Readers, "ping">]-?: Required<NonNullable<Readers[K]>> } & {
  readonly ping: NonNullable<Readers["ping"]>;
};

function seenThrough(backend: BackendIdentity, readers: Readers, allow: Partial<Allowed>): Seen {
  const { releases, artifacts, packages, images, commits, ping } = restrict(backend, readers, [rule(allow)]);
  const isArchived = must(images?.isArchived);
  return {
    releases: must(releases),
    artifacts: must(artifacts),
    packages: must(packages),
    images: { ...must(images), isArchived },
    commits: must(commits),
    ping: must(ping),
  };
}

const inAsked = versionRef(asked);
const reference = must(parseImageRef(`registry.test/${asked}/web:1`));
const inZadig = { ...releaseOf("web").ref, project: "web" };

/** Every question whose answer is about a place, for each kind of backend that is asked it. */
const questions: readonly (readonly [string, BackendIdentity, (seen: Seen) => Promise<Answer<unknown>>])[] = [
  ["releases.page", zadig, ({ releases }) => releases.page(none, request, true)],
  ["releases.release", zadig, ({ releases }) => releases.release(inZadig)],
  ["releases.release by number", zadig, ({ releases }) => releases.release({ ...inZadig, project: null })],
  ["releases.build", zadig, ({ releases }) => releases.build({ backend: "b", release: inZadig, buildId: "1" })],
  ["releases.build of an artifact", zadig, ({ releases }) => releases.build(build.ref)],
  ["releases.containing", zadig, ({ releases }) => releases.containing(recordBy("web"), request)],
  ["artifacts.page", zadig, ({ artifacts }) => artifacts.page(bare, request)],
  ["artifacts.artifact", zadig, ({ artifacts }) => artifacts.artifact(artifactRef)],
  ["artifacts.byImage", zadig, ({ artifacts }) => artifacts.byImage("web:1")],
  ["artifacts.byNameAndTag", zadig, ({ artifacts }) => artifacts.byNameAndTag("web", "1")],
  ["artifacts.byCommit", zadig, ({ artifacts }) => artifacts.byCommit("team-a/api", null, "abc")],
  ["packages.package", gitlab, ({ packages }) => packages.package(inAsked.package)],
  ["packages.page", gitlab, ({ packages }) => packages.page({ repository: asked, group: null }, any, request)],
  [
    "packages.page of a group",
    gitlab,
    ({ packages }) => packages.page({ repository: null, group: "team-a" }, any, request),
  ],
  ["packages.version", gitlab, ({ packages }) => packages.version(inAsked)],
  [
    "packages.versions",
    gitlab,
    ({ packages }) => packages.versions(inAsked.package, { prefix: null, stage: null, direction: "DESC" }, request),
  ],
  ["packages.latest", gitlab, ({ packages }) => packages.latest(inAsked.package)],
  ["packages.files", gitlab, ({ packages }) => packages.files(inAsked, request)],
  ["packages.byChecksum", gitlab, ({ packages }) => packages.byChecksum(digest, asked)],
  ["packages.named", gitlab, ({ packages }) => packages.named("widget", "NPM", asked)],
  ["packages.byPurl", gitlab, ({ packages }) => packages.byPurl(purl, asked)],
  ["packages.search", gitlab, ({ packages }) => packages.search({ ...any, name: "widget" }, request)],
  ["images.image", gitlab, ({ images }) => images.image(reference)],
  ["images.copies", gitlab, ({ images }) => images.copies("web", digest, reference)],
  ["images.byDigest", gitlab, ({ images }) => images.byDigest(digest, asked)],
  ["commits.commit", gitlab, ({ commits }) => commits.commit(asked, "abc")],
  ["commits.commit by number", gitlab, ({ commits }) => commits.commit("9", "abc")],
  ["commits.mergeRequests", gitlab, ({ commits }) => commits.mergeRequests(asked, "abc")],
  ["commits.mergeRequests by number", gitlab, ({ commits }) => commits.mergeRequests("9", "abc")],
  ["commits.publishedFrom", gitlab, ({ commits }) => commits.publishedFrom(asked, "abc")],
  ["commits.pipelines", gitlab, ({ commits }) => commits.pipelines(inAsked)],
];

/** Nothing of the place that answered. */
function expectNothing(answer: Answer<unknown>): void {
  expect(JSON.stringify(answer)).not.toMatch(/vault|secret|hidden"|"abc"|\b7\b/);
  if (answer.kind === "FOUND") expect(answer.value).toMatchObject({ rows: [], total: null, hasNext: false });
  else expect(answer).toMatchObject({ kind: "ABSENT", proof: "HIDDEN" });
}

describe("what answers from a place that may not be seen", () => {
  test.each(questions)("is not there: %s", async (name, backend, ask) => {
    const place = backend === zadig ? "secret" : answering;
    const allow = { projects: backend === zadig ? ["web"] : ["team-a/*"] };
    const answer = await ask(seenThrough(backend, readersOf(place), allow));
    expectNothing(answer);
    // A list that has no place of its own is there for everybody; a place that moved away is not.
    if (!/^releases\.page|^artifacts\.page|containing|search/.test(name)) expect(answer.kind).toBe("ABSENT");
  });

  test.each(questions)("is there for who may see it: %s", async (_name, backend, ask) => {
    const place = backend === zadig ? "web" : asked;
    const allow = { projects: backend === zadig ? ["web"] : ["team-a/*"] };
    const answer = await ask(seenThrough(backend, readersOf(place), allow));
    expect(answer).toMatchObject({ kind: "FOUND" });
    if (answer.kind === "FOUND" && typeof answer.value === "object" && answer.value && "rows" in answer.value)
      expect(answer.value.rows).toHaveLength(1);
  });

  test("is not asked for by a name that may not be seen", async () => {
    const sent: string[] = [];
    const spied = JSON.parse("{}") as Record<string, unknown>;
    for (const [kind, reader] of Object.entries(readersOf(answering))) {
      spied[kind] =
        typeof reader === "function"
          ? reader
          : Object.fromEntries(
              Object.entries(reader).map(([name, method]) => [
                name,
                (...args: unknown[]) => {
                  sent.push(`${kind}.${name}`);
                  return (method as (...args: unknown[]) => unknown)(...args);
                },
              ]),
            );
    }
    const seen = seenThrough(gitlab, spied, { projects: ["elsewhere/*"] });
    const mayBeAsked = /by number|of a group|search|copies/;
    for (const [name, backend, ask] of questions) {
      if (backend !== gitlab || mayBeAsked.test(name)) continue;
      expectNothing(await ask(seen));
    }
    expect(sent).toEqual([]);
  });

  test("is not asked for by its number, whatever a rule allows that the number would fit", async () => {
    const sent: string[] = [];
    const readers = readersOf(answering);
    const packages = {
      ...readers.packages,
      package: async (ref: { readonly repository: string }) => {
        sent.push(ref.repository);
        return found(packageOf(asked));
      },
    };
    for (const allow of [{ projects: ["*", "4*", "42"] }, { groups: ["4", "42", "*"] }]) {
      const seen = seenThrough(gitlab, { ...readers, packages }, allow);
      expectNothing(await seen.packages.package({ backend: "b", repository: "42", key: "npm:widget" }));
    }
    expect(sent).toEqual([]);
  });

  test("is not where copies are looked for first", async () => {
    const places: (string | null)[] = [];
    const images = {
      ...readersOf(asked).images,
      copies: async (_name: string, _digest: unknown, own?: { readonly repository: string }) => {
        places.push(own?.repository ?? null);
        return found([imageIn(asked)]);
      },
    };
    const seen = seenThrough(gitlab, { ...readersOf(asked), images }, { projects: ["team-a/*"] });
    for (const place of [answering, asked]) {
      const own = must(parseImageRef(`registry.test/${place}/web:1`));
      expect(await seen.images.copies("web", digest, own)).toMatchObject({ kind: "FOUND" });
    }
    expect(places).toEqual([null, `${asked}/web`]);
  });

  test("is not reported by the pipeline of what may be seen", async () => {
    const readers = readersOf(asked);
    const published = { ...readers.packages, version: async () => found(versionOf(asked, run(answering))) };
    const seen = seenThrough(gitlab, { ...readers, packages: published }, { projects: ["team-a/*"] });
    expect(await seen.packages.version(inAsked)).toMatchObject({ kind: "FOUND", value: { pipeline: null } });
    const nameless = { ...readers.packages, version: async () => found(versionOf(asked, run(null))) };
    const seenNameless = seenThrough(gitlab, { ...readers, packages: nameless }, { projects: ["team-a/*"] });
    expect(await seenNameless.packages.version(inAsked)).toMatchObject({ kind: "FOUND", value: { pipeline: null } });
  });

  test("is judged by the version that an image is, where there is one", async () => {
    const images = { ...readersOf(asked).images, image: async () => found(imageIn(asked, versionRef(answering))) };
    const seen = seenThrough(gitlab, { ...readersOf(asked), images }, { projects: ["team-a/*"] });
    expectNothing(await seen.images.image(reference));
  });

  test("is not reported to be in cold storage, and what may be seen is", async () => {
    const seen = seenThrough(gitlab, readersOf(asked), { projects: ["team-a/*"] });
    expect(await seen.images.isArchived(imageIn(asked))).toBe(true);
    expect(await seen.images.isArchived(imageIn(answering))).toBe(false);
  });

  test("is asked for by every method of every reader, but for those that name no place", () => {
    const asked = new Set(questions.map(([name]) => name.split(" ")[0]));
    const methods = Object.entries(readersOf(answering)).flatMap(([kind, reader]) =>
      typeof reader === "function" ? [] : Object.keys(reader).map((name) => `${kind}.${name}`),
    );
    expect(
      methods.filter((name) => !asked.has(name)),
      "a new method is a line in `questions`",
    ).toEqual([
      "releases.builds",
      "artifacts.buildsOf",
      "packages.keyOf",
      "packages.parseKey",
      "images.expectCopies",
      "images.isArchived",
      "commits.projectOf",
    ]);
  });

  test("is no project of a commit", () => {
    const of = (place: string) => seenThrough(gitlab, readersOf(place), { projects: ["team-a/*"] }).commits;
    expect(of(asked).projectOf(null, "api")).toBe(asked);
    expect(of(answering).projectOf(null, "secret")).toBeNull();
  });

  test("leaves away what the backend cannot do", () => {
    const { images } = readersOf(asked);
    const { isArchived: _none, ...warm } = images;
    expect(restrict(gitlab, { images: warm }, [rule({})])).toEqual({ images: expect.anything() });
    expect(restrict(gitlab, { images: warm }, [rule({})]).images?.isArchived).toBeUndefined();
  });
});

describe("GitLab's paths in upper and lower case", () => {
  const allowed: readonly (readonly [string, Partial<Allowed>])[] = [
    ["a group", { groups: ["Acme"] }],
    ["a group in lower case", { groups: ["acme"] }],
    ["projects by glob", { projects: ["Acme/*"] }],
    ["projects in lower case", { projects: ["acme/pay-*"] }],
  ];
  test.each(allowed)("are one place to a rule that allows %s", async (_name, allow) => {
    for (const path of ["Acme/Pay-API", "acme/pay-api"]) {
      const seen = seenThrough(gitlab, readersOf(path), allow);
      const ref = versionRef(path);
      expect(await seen.packages.package(ref.package)).toMatchObject({ kind: "FOUND" });
      expect(await seen.packages.version(ref)).toMatchObject({ kind: "FOUND" });
      expect(await seen.images.image(must(parseImageRef(`registry.test/${path.toLowerCase()}/web:1`)))).toMatchObject({
        kind: "FOUND",
      });
      expect(await seen.commits.commit(path, "abc")).toMatchObject({ kind: "FOUND" });
    }
  });

  test("differ from letters that only look the same, and other backends' places keep their case", async () => {
    const kelvin = seenThrough(gitlab, readersOf("\u212Aube/api"), { projects: ["kube/*"] });
    expectNothing(await kelvin.packages.package(versionRef("\u212Aube/api").package));
    const web = seenThrough(zadig, readersOf("Web"), { projects: ["web"] });
    expectNothing(await web.releases.release({ ...inZadig, project: "Web" }));
  });
});

describe("a window over rows of which some are hidden", () => {
  const origins = { first: request.first, after: null };
  const pageRows = (projects: readonly string[], offset: number) =>
    projects.map((project, index) => ({ value: releaseOf(project), position: [offset + index] }));

  /** A list of releases by their projects, in pages of at most `most` rows; and the windows that were read of it. */
  function listOf(
    projects: readonly string[],
    most = 100,
    gapAt: number | null = null,
    droppedAt: number | null = null,
  ) {
    const windows: PageRequest[] = [];
    const releases = {
      ...readersOf("web").releases,
      page: async (_filter: unknown, window: PageRequest): Promise<Answer<Page<Release>>> => {
        windows.push(window);
        const start = Number(window.after?.[0] ?? -1) + 1;
        const rows = pageRows(projects.slice(start, start + Math.min(window.first, most)), start);
        const hasNext = start + rows.length < projects.length;
        const dropped = droppedAt === windows.length ? [{ index: 0, operation: "z.list", reason: "no name" }] : [];
        const whole = { rows, hasNext, total: projects.length, origin, dropped };
        return found(whole, gapAt === windows.length ? unknown("LOST_ROWS") : null);
      },
    };
    const seen = seenThrough(zadig, { ...readersOf("web"), releases }, { projects: ["web"] });
    const read = (first: number, after: PageRequest["after"] = null) =>
      seen.releases.page(none, { first, after }, false);
    return { windows, read };
  }

  const hidden = (count: number) => Array.from({ length: count }, () => "vault");
  const visible = (count: number) => Array.from({ length: count }, () => "web");

  test("asks for one row more than wanted, and for no more than a page", async () => {
    const small = listOf(visible(3));
    await small.read(5);
    const large = listOf(visible(3));
    await large.read(100);
    expect([...small.windows, ...large.windows]).toEqual([
      { first: 6, after: null },
      { first: 100, after: null },
    ]);
  });

  test("is full where enough follow, and says that more do", async () => {
    const { read, windows } = listOf(["web", ...hidden(8), "web", ...hidden(4), "web"]);
    const answer = must(await read(2));
    expect(answer).toMatchObject({ kind: "FOUND", gap: null, value: { total: null, hasNext: true, dropped: [] } });
    expect(answer.kind === "FOUND" && answer.value.rows.map(({ position }) => position)).toEqual([[0], [9]]);
    expect(windows).toEqual([
      { first: 3, after: null },
      { first: 100, after: [2] },
    ]);
  });

  test("does not say that more follow where none may be seen", async () => {
    const { read } = listOf([...visible(2), ...hidden(4)]);
    expect(await read(2)).toMatchObject({ value: { rows: [{}, {}], hasNext: false } });
  });

  test("goes on behind a row that it was given", async () => {
    const { read, windows } = listOf(visible(5));
    expect(await read(2, [2])).toMatchObject({
      value: { rows: [{ position: [3] }, { position: [4] }], hasNext: false },
    });
    expect(windows).toEqual([{ first: 3, after: [2] }]);
  });

  test("ends where the list does, also on a page without rows", async () => {
    const ends = listOf(visible(1), 0);
    expect(await ends.read(1)).toMatchObject({ kind: "FOUND", value: { rows: [], hasNext: false } });
    expect(ends.windows).toHaveLength(1);
  });

  test("is short and goes on where ten pages held too few", async () => {
    const { read, windows } = listOf(["web", ...hidden(2000)]);
    expect(await read(1)).toMatchObject({ value: { rows: [{}], hasNext: true } });
    expect(windows).toHaveLength(10);
  });

  test("is refused where ten pages held none", async () => {
    const { read, windows } = listOf(hidden(2000));
    await expect(read(1)).rejects.toMatchObject({ failure: "OVER_BUDGET", backend: "b" });
    expect(windows).toHaveLength(10);
  });

  test.each([
    ["the first page", 1],
    ["a later page", 2],
  ])("may lack rows where %s does", async (_what, at) => {
    const projects = ["web", ...hidden(8), "web"];
    const gap = { reason: "LOST_ROWS" };
    expect(await listOf(projects, 100, at).read(2)).toMatchObject({ kind: "FOUND", gap });
    expect(await listOf(projects, 100, null, at).read(2)).toMatchObject({ kind: "FOUND", gap, value: { dropped: [] } });
    expect(await listOf(projects).read(2)).toMatchObject({ kind: "FOUND", gap: null });
  });

  test("of a place is hidden where rows of another one stand in it, unless its rows may be missing", async () => {
    const ask = (repository: string | null, group: string | null, places: readonly string[], dropped = false) => {
      const rows = places.map((place, index) => ({ value: packageOf(place), position: [index] }));
      const lost = dropped ? [{ index: 0, operation: "g.list", reason: "no name" }] : [];
      const packages = {
        ...readersOf(asked).packages,
        page: async () => found({ rows, hasNext: false, total: null, origin, dropped: lost }),
      };
      const seen = seenThrough(gitlab, { ...readersOf(asked), packages }, { projects: [asked], groups: ["team-b"] });
      return seen.packages.page({ repository, group }, any, origins);
    };
    const empty = { kind: "FOUND", value: { rows: [], hasNext: false } };
    const isHidden = { kind: "ABSENT", proof: "HIDDEN" };
    expect(await ask(asked, null, [])).toMatchObject(empty);
    expect(await ask(asked, null, [answering])).toMatchObject(isHidden);
    expect(await ask(asked, null, [answering, asked])).toMatchObject({ value: { rows: [{}] } });
    expect(await ask(asked, null, [answering], true)).toMatchObject({ ...empty, gap: { reason: "LOST_ROWS" } });
    expect(await ask(null, "team-b", [])).toMatchObject(empty);
    expect(await ask(null, "team-b/below", [])).toMatchObject(empty);
    expect(await ask(null, "team-b", ["team-b/api"])).toMatchObject({ value: { rows: [{}] } });
    expect(await ask(null, "team-a", [])).toMatchObject(isHidden);
    expect(await ask(null, "team-a", [asked])).toMatchObject({ value: { rows: [{}] } });
  });

  test("is what the first page answers where that is nothing, and what was seen where a later one is", async () => {
    const failure = new UpstreamError("THROTTLED", { backend: "b", operation: "z.list" });
    const ask = (answers: readonly Answer<Page<Release>>[]) => {
      const left = [...answers];
      const releases = { ...readersOf("web").releases, page: async () => must(left.shift()) };
      const seen = seenThrough(zadig, { ...readersOf("web"), releases }, { projects: ["web"] });
      return seen.releases.page(none, origins, false);
    };
    const goesOn = (project: string) =>
      found({ rows: pageRows([project], 0), hasNext: true, total: null, origin, dropped: [] });
    const gone = unknown("UNREAD");
    expect(await ask([failed(failure)])).toMatchObject({ kind: "UNKNOWN", failure });
    expect(await ask([goesOn("vault"), failed(failure)])).toMatchObject({ kind: "UNKNOWN", failure });
    expect(await ask([goesOn("web"), gone])).toMatchObject({ gap: gone, value: { rows: [{}], hasNext: false } });
    expect(await ask([goesOn("web"), notThere])).toMatchObject({ gap: null, value: { rows: [{}], hasNext: false } });
  });
});

describe("rules", () => {
  const packagesOf = (place: string, backend: BackendIdentity, ...rules: readonly Partial<Allowed>[]) => {
    const { packages } = restrict(backend, readersOf(place), rules.map(rule));
    return must(packages).package(versionRef(place).package);
  };
  const isSeen = async (...args: Parameters<typeof packagesOf>) => (await packagesOf(...args)).kind === "FOUND";

  test("are about the backends that they name, by any of their globs", async () => {
    const projects = [asked];
    expect(await isSeen(asked, gitlab, { projects })).toBe(true);
    expect(await isSeen(asked, gitlab, { projects, backends: ["a", "b"] })).toBe(true);
    expect(await isSeen(asked, gitlab, { projects, backends: ["b*"] })).toBe(true);
    expect(await isSeen(asked, gitlab, { projects, backends: ["a", "c"] })).toBe(false);
    expect(await isSeen(asked, gitlab, { projects, backends: [] })).toBe(false);
  });

  test("add up", async () => {
    expect(await isSeen(asked, gitlab, { projects: ["x/y"] }, { projects: [asked] })).toBe(true);
    expect(await isSeen(asked, gitlab, { projects: ["x/y", asked] })).toBe(true);
    expect(await isSeen(asked, gitlab)).toBe(false);
  });

  test("about a group are about everything below it, and about no name that only begins alike", async () => {
    const groups = ["team-a"];
    expect(await isSeen("team-a/api", gitlab, { groups })).toBe(true);
    expect(await isSeen("team-a/deep/api", gitlab, { groups })).toBe(true);
    expect(await isSeen("team-ab/api", gitlab, { groups })).toBe(false);
    expect(await isSeen("team-a", gitlab, { groups })).toBe(false);
    expect(await isSeen("team-a/api", gitlab, { groups: ["team-a/api"] })).toBe(false);
  });

  test("about groups mean nothing where there are none", async () => {
    expect(await isSeen("web", zadig, { groups: ["**"], projects: ["other"] })).toBe(false);
    expect(await isSeen("web", zadig, { projects: ["web"] })).toBe(true);
  });

  test("restrict nothing that holds no place: keys are read as ever", () => {
    const { packages } = seenThrough(gitlab, readersOf(asked), {});
    expect(packages.keyOf("widget", "NPM")).toBe("npm:widget");
    expect(packages.parseKey("npm:widget")).toEqual({ name: "widget", format: "NPM" });
    expect(restrict(gitlab, readersOf(asked), null).packages).toBeDefined();
  });

  test("look at the activities of an artifact that a list leaves out, and at those it has", async () => {
    let reads = 0;
    const artifacts = {
      ...readersOf("web").artifacts,
      artifact: async () => {
        reads += 1;
        return found(recordBy("web"));
      },
    };
    const ask = (record: ArtifactRecord) => {
      const readers = { ...readersOf("web"), artifacts: { ...artifacts, byImage: async () => found([record]) } };
      return seenThrough(zadig, readers, { projects: ["web"] }).artifacts.byImage("web:1");
    };
    expect(await ask({ ...recordBy("web"), activities: null })).toMatchObject({ value: [recordBy("web")] });
    expect(reads).toBe(1);
    expect(await ask(recordBy("web"))).toMatchObject({ value: [recordBy("web")] });
    expect(await ask(recordBy("vault"))).toMatchObject({ kind: "ABSENT" });
    expect(reads).toBe(1);
  });

  test("let merge requests be seen by those who may see the commit", async () => {
    const { commits } = seenThrough(gitlab, readersOf(asked), { projects: [asked] });
    expect(await commits.mergeRequests(asked, "abc")).toEqual(found([7]));
    expect(await commits.publishedFrom("9", "abc")).toMatchObject({ kind: "FOUND" });
    const nowhere = { ...readersOf(asked).commits, projectOf: () => null };
    const seen = seenThrough(gitlab, { ...readersOf(asked), commits: nowhere }, { projects: ["**"] });
    expect(seen.commits.projectOf(null, "api")).toBeNull();
  });

  test("hide a release by the name of its project before anything is asked", async () => {
    let reads = 0;
    const release = async () => {
      reads += 1;
      return found(releaseOf("web"));
    };
    const readers = { ...readersOf("web"), releases: { ...readersOf("web").releases, release } };
    const { releases } = seenThrough(zadig, readers, { projects: ["web"] });
    expect(await releases.release({ ...inZadig, project: "vault" })).toMatchObject({ proof: "HIDDEN" });
    expect(reads).toBe(0);
    expect(await releases.release(inZadig)).toMatchObject({ kind: "FOUND" });
    expect(reads).toBe(1);
  });

  test("leave what is unknown as it is", async () => {
    const packages = { ...readersOf(asked).packages, named: async () => unknown("NOT_SEARCHABLE") };
    const seen = seenThrough(gitlab, { ...readersOf(asked), packages }, { projects: [asked] });
    expect(await seen.packages.named("widget", "NPM", asked)).toEqual(unknown("NOT_SEARCHABLE"));
  });

  test("let everything through that was seen", async () => {
    const { releases, artifacts } = seenThrough(zadig, readersOf("web"), { projects: ["web"] });
    expect(await releases.build({ backend: "b", release: inZadig, buildId: "1" })).toEqual(found(build));
    expect(await artifacts.artifact(artifactRef)).toEqual(found(recordBy("web")));
    const { images } = seenThrough(gitlab, readersOf(asked), { projects: [asked] });
    expect(await images.byDigest(digest, null)).toMatchObject({ kind: "FOUND", value: [{}] });
    const unread = { ...readersOf("web").artifacts, artifact: async () => unknown("LEFT_OUT") };
    const blind = seenThrough(zadig, { ...readersOf("web"), artifacts: unread }, { projects: ["web"] });
    expect(await blind.artifacts.artifact(artifactRef)).toEqual(unknown("LEFT_OUT"));
  });
});
