import { images, places, projects, sdk, swrReference } from "../../demo/story.ts";
import type { DemoGateway } from "./gateway.ts";

/** One connection of the graph, as it is asked for. */
export interface List {
  readonly name: string;
  /** The field that the connection is in, with a place for its own arguments. */
  readonly query: (args: string) => string;
  /** Names of fields from `data` to the connection. */
  readonly path: readonly string[];
  /** What tells its nodes apart. */
  readonly identity: string;
  /** Whether the backend counts. */
  readonly counts: boolean;
  /** True where the place of the list has to be asked for first. */
  readonly isNested: boolean;
}

function root(name: string, field: string, args: string, counts: boolean): List {
  return {
    name,
    query: (own) => `${field}(${[args, own].filter(Boolean).join(", ")})`,
    path: [field],
    identity: "id",
    counts,
    isNested: false,
  };
}

const packagesIn = (name: string, scope: string, filter: string, counts: boolean) =>
  root(name, "packages", `scope: { ${scope} }${filter === "" ? "" : `, filter: { ${filter} }`}`, counts);

interface Named {
  readonly backend: string;
  readonly repository: string;
  readonly key: string;
}

const maven = {
  backend: "bkrepo",
  repository: "pay/maven-local",
  key: `gav://${sdk.maven.group}:${sdk.maven.artifact}`,
};
const docker = { backend: "bkrepo", repository: "pay/docker-local", key: "docker://api" };
const hello = { backend: "swr-north4", repository: "hwstaff_pub_swrpaas", key: "hello%20hello" };
const paySdk = { backend: "swr-north4", repository: places.swrNamespace, key: "pay-sdk" };
const tags = { backend: "swr-north4", repository: places.swrNamespace, key: "image://api" };
const gitlab = { backend: "gitlab", repository: projects.api.path, key: `maven:${sdk.maven.gitlabName}` };
const gitlabImage = { backend: "gitlab", repository: projects.web.path, key: `image:${projects.web.path}` };

const inPackage = ({ backend, repository, key }: Named, inner: string) =>
  `package(ref: { backend: "${backend}", repository: "${repository}", key: "${key}" }) { ${inner} }`;

function versions(name: string, of: Named, args: string, counts: boolean): List {
  return {
    name: `versions: ${name}`,
    query: (own) => inPackage(of, `versions(${[args, own].filter(Boolean).join(", ")}) @@`),
    path: ["package", "versions"],
    identity: "id",
    counts,
    isNested: true,
  };
}

function files(name: string, of: Named, version: string, identity = "path"): List {
  return {
    name: `files: ${name}`,
    query: (own) => inPackage(of, `version(name: "${version}") { files${own === "" ? "" : `(${own})`} @@ }`),
    path: ["package", "version", "files"],
    identity,
    counts: true,
    isNested: true,
  };
}

/** The releases that name an image; the story has one for each. */
export const releasesOfArtifact: List = {
  name: "releases of an artifact",
  query: (own) =>
    `traceByImage(image: "${swrReference(images.api)}") { artifact { releases${own === "" ? "" : `(${own})`} @@ } }`,
  path: ["traceByImage", "artifact", "releases"],
  identity: "id",
  counts: false,
  isNested: true,
};

/** Every kind of connection, of every backend and scope. */
export const lists: readonly List[] = [
  root("releases of a project", "releases", `filter: { project: "${places.zadigProject}" }`, false),
  root("releases of all projects", "releases", "", false),
  root("releases by label", "releases", 'filter: { project: "pay", label: "stable" }', false),
  root("releases by service", "releases", 'filter: { project: "pay", service: "worker" }', false),
  root("artifacts", "artifacts", "", true),
  root("artifacts by type", "artifacts", "filter: { type: FILE }", true),
  root("artifacts by name", "artifacts", 'filter: { name: "api", type: IMAGE }', true),
  root("artifacts by repository", "artifacts", 'filter: { repository: "pay/api" }', false),
  packagesIn("bkrepo repository", 'backend: "bkrepo", repository: "ops/npm-mirror"', "", true),
  packagesIn("bkrepo by name", 'backend: "bkrepo", repository: "ops/npm-mirror"', 'name: "a", match: CONTAINS', true),
  packagesIn("bkrepo by format", 'backend: "bkrepo", repository: "pay/maven-local"', "format: MAVEN", true),
  packagesIn("SWR namespace", `backend: "swr-north4", repository: "${places.swrNamespace}"`, "", false),
  packagesIn("SWR images", `backend: "swr-north4", repository: "${places.swrNamespace}"`, "format: DOCKER", true),
  packagesIn("SWR software", `backend: "swr-north4", repository: "${places.swrNamespace}"`, "format: GENERIC", false),
  packagesIn("GitLab project", `backend: "gitlab", repository: "${projects.api.path}"`, "", false),
  packagesIn("GitLab group", `backend: "gitlab", group: "${places.gitlabGroup}"`, "", false),
  packagesIn("GitLab group by format", `backend: "gitlab", group: "${places.gitlabGroup}"`, "format: NPM", false),
  packagesIn("GitLab group images", `backend: "gitlab", group: "${places.gitlabGroup}"`, "format: DOCKER", true),
  packagesIn("GitLab by name", `backend: "gitlab", group: "${places.gitlabGroup}"`, 'name: "pay"', false),
  versions("bkrepo", maven, "", true),
  versions("bkrepo, oldest first", maven, "direction: ASC", true),
  versions("bkrepo by prefix", maven, 'prefix: "2."', true),
  versions("bkrepo image", docker, "", true),
  versions("SWR software", hello, "", true),
  versions("SWR software, many", paySdk, "", true),
  versions("SWR tags", tags, "", true),
  versions("SWR tags by prefix", tags, 'prefix: "2026", direction: ASC', true),
  versions("GitLab", gitlab, "", true),
  versions("GitLab by prefix, oldest first", gitlab, 'prefix: "1.", direction: ASC', true),
  versions("GitLab image", gitlabImage, "", true),
  files("bkrepo", maven, "2.4.0"),
  files("SWR", hello, "V1"),
  files("GitLab", gitlab, "2.4.0", "name"),
  releasesOfArtifact,
];

/** One window of a list as it was answered. */
export interface Window {
  readonly ids: readonly string[];
  readonly cursors: readonly string[];
  readonly edgeIds: readonly string[];
  readonly totalCount: number | null;
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly startCursor: string | null;
  readonly endCursor: string | null;
}

/** The document that asks for a window of a list. */
export function documentOf({ query, identity }: List, args: string): string {
  const selection = `{
    totalCount
    nodes { ${identity} }
    edges { cursor node { ${identity} } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }`;
  const text = query(args);
  return `{ ${text.includes("@@") ? text.replace("@@", selection) : `${text} ${selection}`} }`;
}

/** Asks for a window; fails when there is an error, or no list. */
export async function windowOf(gateway: DemoGateway, list: List, first: number, after: string | null): Promise<Window> {
  const args = `first: ${first}${after === null ? "" : `, after: "${after}"`}`;
  const { body } = await gateway.ask(documentOf(list, args));
  if (body.errors) throw new Error(`${list.name}: ${JSON.stringify(body.errors)}`);
  const found = list.path.reduce<unknown>((value, name) => Object(value)[name], body.data);
  const { nodes, edges, pageInfo, totalCount } = Object(found);
  const idOf = (node: unknown) => String(Object(node)[list.identity]);
  return {
    ids: nodes.map(idOf),
    edgeIds: edges.map((edge: unknown) => idOf(Object(edge).node)),
    cursors: edges.map((edge: unknown) => String(Object(edge).cursor)),
    totalCount,
    ...pageInfo,
  };
}
