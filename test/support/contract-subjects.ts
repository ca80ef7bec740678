import { serveBkrepo } from "../../demo/bkrepo.ts";
import { serveGitlab } from "../../demo/gitlab.ts";
import type { DemoReply, DemoRequest } from "../../demo/server.ts";
import { credentials, hosts, images, places, projects, sdk, swrReference } from "../../demo/story.ts";
import { serveSwr } from "../../demo/swr.ts";
import { serveZadig } from "../../demo/zadig.ts";
import { estateArtifacts } from "../../demo/zadig-estate.ts";
import { mapAnswer } from "../../src/backends/answers.ts";
import type { Readers } from "../../src/backends/backend.ts";
import { bkrepo } from "../../src/backends/bkrepo/index.ts";
import { gitlab } from "../../src/backends/gitlab/index.ts";
import { swr } from "../../src/backends/swr/index.ts";
import { zadig } from "../../src/backends/zadig/index.ts";
import { parseDigest, parseImageRef } from "../../src/model/artifact.ts";
import type { PackageFormat, PackageRef } from "../../src/model/package.ts";
import { parsePurl } from "../../src/model/purl.ts";
import { field, type Key, type Missing, need, type Subject } from "./contract.ts";

const any = { name: null, match: "CONTAINS", format: null } as const;
/** The number in the end of a made-up name. */
const digits = (text: unknown) => Number(/(\d+)\D*$/.exec(String(text))?.[1]) % 1_000_000;
const numbered = (number: number) => String(1_000_000 + number);

/** A JSON body whose rows are the body itself. */
function inArray(reply: DemoReply, change: (rows: readonly unknown[]) => readonly unknown[]): DemoReply {
  return Array.isArray(reply.body) ? { ...reply, body: change(reply.body) } : reply;
}

const base = { retries: 0 };

const digest = need(parseDigest(`sha256:${"0".repeat(64)}`));
const sha = "0".repeat(40);
const request = { first: 3, after: null };
const newestFirst = { prefix: null, stage: null, direction: "DESC" } as const;

/**
 * The questions to a package reader about what is not there: a package and a version in a place that is there, and all of
 * it in a place that is not.
 */
function missingPackages(there: PackageRef, format: PackageFormat, purl: string, noPlace: string): readonly Missing[] {
  const { backend, repository } = there;
  const noPackage = { backend, repository, key: `${there.key}-no-such` };
  const nowhere = { backend, repository: noPlace, key: there.key };
  const noVersion = { package: there, version: "0.0.0-no-such", nativeId: null };
  const inNothing = { package: noPackage, version: "1.0.0", nativeId: null };
  const parts = need(parsePurl(purl));
  const of = (readers: Readers) => need(readers.packages);
  return [
    ["package", (readers) => of(readers).package(noPackage)],
    ["package nowhere", (readers) => of(readers).package(nowhere)],
    ["page nowhere", (readers) => of(readers).page({ repository: noPlace, group: null }, any, request)],
    [
      "page of a name",
      (readers) =>
        of(readers).page({ repository, group: null }, { ...any, name: "no-such-name", match: "EXACT" }, request),
    ],
    ["version", (readers) => of(readers).version(noVersion)],
    ["version of no package", (readers) => of(readers).version(inNothing)],
    ["version nowhere", (readers) => of(readers).version({ ...noVersion, package: nowhere })],
    ["versions", (readers) => of(readers).versions(noPackage, newestFirst, request)],
    ["versions nowhere", (readers) => of(readers).versions(nowhere, newestFirst, request)],
    ["versions by prefix", (readers) => of(readers).versions(there, { ...newestFirst, prefix: "no-such" }, request)],
    ["latest", (readers) => of(readers).latest(noPackage)],
    ["latest nowhere", (readers) => of(readers).latest(nowhere)],
    ["files", (readers) => of(readers).files(noVersion, request)],
    ["files of no package", (readers) => of(readers).files(inNothing, request)],
    ["files nowhere", (readers) => of(readers).files({ ...noVersion, package: nowhere }, request)],
    ["byChecksum", (readers) => of(readers).byChecksum(digest, repository)],
    ["byChecksum nowhere", (readers) => of(readers).byChecksum(digest, noPlace)],
    ["byChecksum anywhere", (readers) => of(readers).byChecksum(digest, null)],
    ["named", (readers) => of(readers).named("no-such-name", format, repository)],
    ["named nowhere", (readers) => of(readers).named("no-such-name", format, noPlace)],
    ["named anywhere", (readers) => of(readers).named("no-such-name", format, null)],
    ["byPurl", (readers) => of(readers).byPurl(parts, repository)],
    ["byPurl nowhere", (readers) => of(readers).byPurl(parts, noPlace)],
    ["byPurl anywhere", (readers) => of(readers).byPurl(parts, null)],
    ["search", (readers) => of(readers).search({ ...any, name: "no-such-name" }, request)],
  ];
}

/** The questions to an image reader, likewise. */
function missingImages(host: string, place: string, noPlace: string): readonly Missing[] {
  const image = (path: string) => need(parseImageRef(`${host}/${path}`));
  const of = (readers: Readers) => need(readers.images);
  return [
    ["image by tag", (readers) => of(readers).image(image(`${place}/api:no-such-tag`))],
    ["image by digest", (readers) => of(readers).image(image(`${place}/api@${digest}`))],
    ["image by tag and digest", (readers) => of(readers).image(image(`${place}/api:no-such-tag@${digest}`))],
    ["image of no repository", (readers) => of(readers).image(image(`${place}/no-such-image:1`))],
    ["image nowhere", (readers) => of(readers).image(image(`${noPlace}/api:1`))],
    ["copies", (readers) => of(readers).copies("api", digest)],
    ["copies of no name", (readers) => of(readers).copies("no-such-name", digest)],
    ["byDigest", (readers) => of(readers).byDigest(digest, place)],
    ["byDigest nowhere", (readers) => of(readers).byDigest(digest, noPlace)],
    ["byDigest anywhere", (readers) => of(readers).byDigest(digest, null)],
  ];
}

const anyRelease = { project: null, workflow: null, taskId: null, service: null, label: null };
const bareArtifact = { image: null, name: null, imageTag: null, type: null, repository: null, branch: null };
const byImage = (image: string): Key => ({
  name: image,
  load: async (readers) => mapAnswer(await need(readers.artifacts).byImage(image), ([first]) => first),
});
const other = need(estateArtifacts.find(({ name }) => name === "shop"));

const zadigSubject: Subject = {
  kind: "zadig",
  serve: () => serveZadig(),
  connect: (url, settings) =>
    zadig.connect(
      zadig.settings.parse({
        kind: "zadig",
        name: "zadig",
        url,
        credentials: { token: credentials.zadig.token },
        ...base,
        ...settings,
      }),
    ),
  stranger: { credentials: { token: "somebody" } },
  present: (readers) => need(readers.releases).page({ ...anyRelease, project: "pay" }, request, true),
  absent: (readers) =>
    need(readers.artifacts).artifact({ backend: "zadig", zadigId: "0123456789abcdef01234567", image: null }),
  nowhere: (readers) => need(readers.releases).page({ ...anyRelease, project: "nowhere" }, request, true),
  missing: [
    [
      "release",
      (readers) =>
        need(readers.releases).release({ backend: "zadig", project: "pay", zadigId: sha.slice(16), version: null }),
    ],
    [
      "release by number alone",
      (readers) =>
        need(readers.releases).release({ backend: "zadig", project: null, zadigId: sha.slice(16), version: null }),
    ],
    [
      "release by version",
      (readers) =>
        need(readers.releases).release({ backend: "zadig", project: "pay", zadigId: null, version: "no-such" }),
    ],
    [
      "release nowhere",
      (readers) =>
        need(readers.releases).release({ backend: "zadig", project: "nowhere", zadigId: null, version: "v1" }),
    ],
    [
      "releases nowhere",
      (readers) => need(readers.releases).page({ ...anyRelease, project: "nowhere" }, request, true),
    ],
    [
      "releases by label",
      (readers) => need(readers.releases).page({ ...anyRelease, project: "pay", label: "no-such" }, request, false),
    ],
    [
      "releases by service",
      (readers) => need(readers.releases).page({ ...anyRelease, project: "pay", service: "no-such" }, request, true),
    ],
    [
      "build of an artifact",
      (readers) =>
        need(readers.releases).build({
          backend: "zadig",
          artifact: { backend: "zadig", zadigId: sha.slice(16), image: null },
          activity: "no-such",
        }),
    ],
    [
      "build of a release",
      (readers) =>
        need(readers.releases).build({
          backend: "zadig",
          release: { backend: "zadig", project: "pay", zadigId: sha.slice(16), version: null },
          buildId: "no-such",
        }),
    ],
    [
      "artifact",
      (readers) => need(readers.artifacts).artifact({ backend: "zadig", zadigId: sha.slice(16), image: null }),
    ],
    [
      "artifact by image",
      (readers) =>
        need(readers.artifacts).artifact({ backend: "zadig", zadigId: null, image: "registry.test/no/such:1" }),
    ],
    [
      "artifacts by image",
      (readers) => need(readers.artifacts).page({ ...bareArtifact, image: "registry.test/no/such:1" }, request),
    ],
    ["byImage", (readers) => need(readers.artifacts).byImage("registry.test/no/such:1")],
    ["byNameAndTag", (readers) => need(readers.artifacts).byNameAndTag("no-such", "1")],
    ["byCommit", (readers) => need(readers.artifacts).byCommit("no/such", "main", sha)],
  ],
  many: [images.api, images.worker, images.legacy].map((image) => byImage(swrReference(image))),
  nameOf: (value) => String(field(value, "image", "raw")),
  apart: {
    key: {
      name: other.image,
      load: (readers) => need(readers.artifacts).artifact({ backend: "zadig", zadigId: other.id, image: null }),
    },
    isAsked: ({ rawPath }) => rawPath.endsWith(other.id),
  },
  withRows: inArray,
  nameOfRow: (row) => String(field(row, "image")),
  list: {
    read: (readers, request) => need(readers.artifacts).page(bareArtifact, request),
    numberOf: (value) => digits(field(value, "name")),
    row: (number) => ({
      id: numbered(number).padStart(24, "0"),
      name: `service-${number}`,
      type: "image",
      image: `registry.example.com/made/service-${number}:1`,
      image_size: 1,
      created_time: 1_700_000_000 - number,
      activities: [],
    }),
    stretchOf: ({ rawPath, query }) => {
      const limit = Number(query.get("per_page"));
      return rawPath.endsWith("/delivery/artifacts")
        ? { offset: (Number(query.get("page")) - 1) * limit, limit }
        : null;
    },
    answer: (rows, { total }) => ({ headers: { "X-Total": String(total) }, body: rows }),
  },
};

const mavenKeys = [
  `gav://${sdk.maven.group}:${sdk.maven.artifact}`,
  "gav://com.acme.pay:pay-ledger",
  "gav://com.acme.pay:pay-money",
];
const inBkrepo = (repository: string, key: string): Key => ({
  name: key,
  load: (readers) => need(readers.packages).package({ backend: "bkrepo", repository, key }),
});
const bodyOf = ({ body }: DemoRequest): unknown => (body === "" ? null : JSON.parse(body));

const bkrepoSubject: Subject = {
  kind: "bkrepo",
  serve: () => serveBkrepo(),
  connect: (url, settings) => {
    const { username, password } = credentials.bkrepo;
    return bkrepo.connect(
      bkrepo.settings.parse({
        kind: "bkrepo",
        name: "bkrepo",
        url,
        credentials: { username, password },
        hosts: [hosts.bkrepo],
        ...base,
        ...settings,
      }),
    );
  },
  stranger: { credentials: { username: "somebody", password: "wrong" } },
  present: inBkrepo("pay/maven-local", need(mavenKeys[0])).load,
  absent: inBkrepo("pay/maven-local", "gav://no:such").load,
  nowhere: (readers) =>
    need(readers.packages).page({ repository: "pay/nowhere-local", group: null }, any, { first: 3, after: null }),
  missing: [
    ...missingPackages(
      { backend: "bkrepo", repository: "pay/maven-local", key: need(mavenKeys[0]) },
      "MAVEN",
      "pkg:maven/com.acme/no-such@1.0",
      "pay/nowhere-local",
    ),
    ...missingImages(hosts.bkrepo, "pay/docker-local", "pay/nowhere-local"),
  ],
  many: mavenKeys.map((key) => inBkrepo("pay/maven-local", key)),
  nameOf: (value) => String(field(value, "ref", "key")),
  apart: {
    key: inBkrepo("test/generic-local", "gav://org.springframework:spring-web"),
    isAsked: (request) => /"test"/.test(request.body) || request.rawPath.includes("/test/"),
  },
  withRows: (reply, change) => {
    const records = field(reply.body, "data", "records");
    if (!Array.isArray(records)) return reply;
    return {
      ...reply,
      body: { ...Object(reply.body), data: { ...Object(field(reply.body, "data")), records: change(records) } },
    };
  },
  nameOfRow: (row) => String(field(row, "key")),
  list: {
    read: (readers, request) => need(readers.packages).page({ repository: "pay/npm-local", group: null }, any, request),
    numberOf: (value) => digits(field(value, "ref", "key")),
    row: (number) => ({
      repoName: "npm-local",
      projectId: "pay",
      name: `made-${numbered(number)}`,
      key: `npm://made-${numbered(number)}`,
      type: "NPM",
    }),
    stretchOf: (request) => {
      // The list, and the search that is faster where it sees as much.
      const { rawPath, query } = request;
      const isList = rawPath.endsWith("/package/page/pay/npm-local");
      if (!isList && !rawPath.endsWith("/package/search")) return null;
      const page = isList ? Object.fromEntries(query) : field(bodyOf(request), "page");
      const limit = Number(field(page, "pageSize"));
      return { offset: (Number(field(page, "pageNumber")) - 1) * limit, limit };
    },
    answer: (rows, { total, limit, offset }) => ({
      body: {
        code: 0,
        data: {
          pageNumber: offset / limit + 1,
          pageSize: limit,
          totalRecords: total,
          totalPages: Math.ceil(total / limit),
          records: rows,
        },
      },
    }),
  },
};

const swrImage = (name: string, namespace: string = places.swrNamespace): Key => ({
  name,
  load: (readers) => need(readers.packages).package({ backend: "swr", repository: namespace, key: `image://${name}` }),
});

const swrSubject: Subject = {
  kind: "swr",
  serve: () => serveSwr(),
  connect: (url, settings) =>
    swr.connect(
      swr.settings.parse({
        kind: "swr",
        name: "swr",
        url,
        credentials: { token: credentials.swr.token },
        namespaces: [places.swrNamespace],
        hosts: [hosts.swr],
        ...base,
        ...settings,
      }),
    ),
  stranger: { credentials: { token: "somebody" } },
  present: swrImage("api").load,
  absent: swrImage("no-such").load,
  nowhere: (readers) =>
    need(readers.packages).page(
      { repository: "nowhere", group: null },
      { ...any, format: "DOCKER" },
      { first: 3, after: null },
    ),
  missing: [
    ...missingPackages(
      { backend: "swr", repository: places.swrNamespace, key: "image://api" },
      "DOCKER",
      "pkg:generic/no-such@1.0",
      "nowhere",
    ),
    ...missingPackages(
      { backend: "swr", repository: places.swrNamespace, key: "pay-sdk" },
      "GENERIC",
      "pkg:generic/no-such@1.0",
      "nowhere",
    ).map(([what, ask]): Missing => [`software ${what}`, ask]),
    ...missingImages(hosts.swr, places.swrNamespace, "nowhere"),
  ],
  many: ["api", "web", "worker"].map((name) => swrImage(name)),
  nameOf: (value) => String(field(value, "name")),
  apart: {
    key: swrImage("pay-core/api", "pay-edge"),
    isAsked: ({ rawPath, query }) => query.get("namespace") === "pay-edge" || rawPath.includes("/pay-edge/"),
  },
  withRows: inArray,
  nameOfRow: (row) => String(field(row, "name")),
  list: {
    read: (readers, request) =>
      need(readers.packages).page(
        { repository: places.swrNamespace, group: null },
        { ...any, format: "DOCKER" },
        request,
      ),
    numberOf: (value) => digits(field(value, "name")),
    row: (number) => ({ namespace: places.swrNamespace, name: `made-${numbered(number)}`, num_images: 1 }),
    stretchOf: ({ rawPath, query }) =>
      rawPath.endsWith("/repos") ? { offset: Number(query.get("offset")), limit: Number(query.get("limit")) } : null,
    answer: (rows, { total, offset }) => ({
      headers: { "Content-Range": `${offset}-${rows.length}/${total}` },
      body: rows.map((row) => (typeof row === "object" && row !== null ? { ...row, total_range: total } : row)),
    }),
  },
};

const sdkRef = { backend: "gitlab", repository: projects.api.path, key: `maven:${sdk.maven.gitlabName}` };
const gitlabVersion = (version: string, of: PackageRef = sdkRef): Key => ({
  name: version,
  load: (readers) => need(readers.packages).version({ package: of, version, nativeId: null }),
});

const gitlabSubject: Subject = {
  kind: "gitlab",
  serve: () => serveGitlab(),
  connect: (url, settings) =>
    gitlab.connect(
      gitlab.settings.parse({
        kind: "gitlab",
        name: "gitlab",
        url,
        credentials: { token: credentials.gitlab.token },
        groups: [places.gitlabGroup],
        hosts: [hosts.gitlab],
        ...base,
        ...settings,
      }),
    ),
  stranger: { credentials: { token: "somebody" } },
  present: gitlabVersion("2.4.0").load,
  absent: gitlabVersion("99.0.0").load,
  nowhere: (readers) =>
    need(readers.packages).page({ repository: "no/where", group: null }, any, { first: 3, after: null }),
  missing: [
    ...missingPackages(sdkRef, "MAVEN", "pkg:maven/com.acme/no-such@1.0", "no/where"),
    ...missingPackages(
      { backend: "gitlab", repository: projects.web.path, key: `image:${projects.web.path}` },
      "DOCKER",
      "pkg:npm/no-such@1.0",
      "no/where",
    ).map(([what, ask]): Missing => [`image ${what}`, ask]),
    ...missingImages(hosts.gitlab, projects.web.path, "no/where"),
    ["commit", (readers) => need(readers.commits).commit(projects.api.path, sha)],
    ["commit nowhere", (readers) => need(readers.commits).commit("no/where", sha)],
    ["mergeRequests", (readers) => need(readers.commits).mergeRequests(projects.api.path, sha)],
    ["publishedFrom", (readers) => need(readers.commits).publishedFrom(projects.api.path, sha)],
    ["publishedFrom nowhere", (readers) => need(readers.commits).publishedFrom("no/where", sha)],
    [
      "pipelines",
      (readers) => need(readers.commits).pipelines({ package: sdkRef, version: "0.0.0-no-such", nativeId: null }),
    ],
  ],
  many: ["2.4.0", "2.3.1", "1.0.0"].map((version) => gitlabVersion(version)),
  nameOf: (value) => String(field(value, "name")),
  apart: {
    key: gitlabVersion("3.0.0", { backend: "gitlab", repository: projects.tools.path, key: "npm:audit-watch" }),
    isAsked: ({ rawPath }) => decodeURIComponent(rawPath).includes(projects.tools.path),
  },
  withRows: inArray,
  nameOfRow: (row) => String(field(row, "version")),
  list: {
    read: (readers, request) =>
      need(readers.packages).versions(sdkRef, { prefix: null, stage: null, direction: "DESC" }, request),
    numberOf: (value) => digits(field(value, "name")),
    row: (number) => ({
      id: 5_000_000 - number,
      name: sdk.maven.gitlabName,
      package_type: "maven",
      version: `1.0.${1_000_000 + number}`,
      created_at: new Date(1_700_000_000_000 - number * 60_000).toISOString(),
    }),
    stretchOf: ({ rawPath, query }) => {
      const limit = Number(query.get("per_page"));
      return rawPath.endsWith("/packages") ? { offset: (Number(query.get("page")) - 1) * limit, limit } : null;
    },
    answer: (rows, { total, offset, limit }) => ({
      headers: { "x-total": String(total), "x-next-page": offset + limit < total ? String(offset / limit + 2) : "" },
      body: rows,
    }),
  },
};

/** Every kind of backend. */
export const subjects: readonly Subject[] = [zadigSubject, bkrepoSubject, swrSubject, gitlabSubject];
