import { bkrepo } from "../../src/backends/bkrepo/index.ts";
import { gitlab } from "../../src/backends/gitlab/index.ts";
import { swr } from "../../src/backends/swr/index.ts";
import { zadig } from "../../src/backends/zadig/index.ts";
import { serveBkrepo } from "../../src/demo/bkrepo.ts";
import { serveGitlab } from "../../src/demo/gitlab.ts";
import type { DemoReply, DemoRequest } from "../../src/demo/server.ts";
import { credentials, hosts, images, places, projects, sdk, swrReference } from "../../src/demo/story.ts";
import { serveSwr } from "../../src/demo/swr.ts";
import { serveZadig } from "../../src/demo/zadig.ts";
import { estateArtifacts } from "../../src/demo/zadig-estate.ts";
import type { PackageRef } from "../../src/model/package.ts";
import { field, type Key, need, type Subject } from "./contract.ts";

const any = { name: null, match: "CONTAINS", format: null } as const;
/** The number in the end of a made-up name. */
const digits = (text: unknown) => Number(/(\d+)\D*$/.exec(String(text))?.[1]) % 1_000_000;
const numbered = (number: number) => String(1_000_000 + number);

/** A JSON body whose rows are the body itself. */
function inArray(reply: DemoReply, change: (rows: readonly unknown[]) => readonly unknown[]): DemoReply {
  return Array.isArray(reply.body) ? { ...reply, body: change(reply.body) } : reply;
}

const base = { retries: 0 };

const bareArtifact = { image: null, name: null, imageTag: null, type: null, repository: null, branch: null };
const byImage = (image: string): Key => ({
  name: image,
  load: async (readers) => (await need(readers.artifacts).byImage(image))[0] ?? null,
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
  present: (readers) =>
    need(readers.releases).page(
      { project: "pay", workflow: null, taskId: null, service: null, label: null },
      { first: 3, after: null },
      true,
    ),
  absent: (readers) =>
    need(readers.artifacts).artifact({ backend: "zadig", zadigId: "0123456789abcdef01234567", image: null }),
  nowhere: (readers) =>
    need(readers.releases).page(
      { project: "nowhere", workflow: null, taskId: null, service: null, label: null },
      { first: 3, after: null },
      true,
    ),
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
      if (!request.rawPath.endsWith("/package/search")) return null;
      const page = field(bodyOf(request), "page");
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
