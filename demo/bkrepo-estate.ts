import { otherFormats, otherRepositories } from "./bkrepo-formats.ts";
import {
  type DemoNode,
  type DemoPackage,
  type DemoRepository,
  type DemoVersion,
  entry,
  local,
  pack,
  stored,
  version,
} from "./bkrepo-records.ts";
import { before, checksum, commits, earlierBuild, hosts, images, places, release, sdk } from "./story.ts";

/** Everything the demo bkrepo holds. */
export interface DemoBkrepoData {
  readonly repositories: readonly DemoRepository[];
  readonly packages: DemoPackage[];
  readonly nodes: readonly DemoNode[];
}

/** What only the real server's repository settings would hold; a test looks for it in every answer of ours. */
export const proxyPassword = "demo-upstream-proxy-password";

const day = 86_400_000;

/** Makes the whole store afresh, the same every time. */
export function createBkrepoData(): DemoBkrepoData {
  const nodes: DemoNode[] = [];
  const packages = [
    ...documented(),
    ...requested(),
    ...payImages(nodes),
    mavenSdk(nodes),
    ...mavenLibraries(nodes),
    npmSdk(nodes),
    helmChart(nodes),
    pythonReport(nodes),
    ociChart(nodes),
    forbidden(),
    ...mirror(),
    ...tools(),
    aliased(nodes),
    ...otherFormats(nodes),
  ];
  return { repositories, packages, nodes };
}

const repositories: readonly DemoRepository[] = [
  local(places.bkrepoProject, places.bkrepoDocker, "DOCKER"),
  local(places.bkrepoProject, places.bkrepoMaven, "MAVEN"),
  local(places.bkrepoProject, places.bkrepoNpm, "NPM"),
  local(places.bkrepoProject, places.bkrepoHelm, "HELM"),
  local(places.bkrepoProject, places.bkrepoPypi, "PYPI"),
  local(places.bkrepoProject, "oci-local", "OCI"),
  local(places.bkrepoProject, "generic-local", "GENERIC"),
  local(places.bkrepoProject, "release-vault", "MAVEN", false),
  local("test", "generic-local", "MAVEN"),
  local("test", "maven-local", "MAVEN"),
  local("test", "npm-local", "NPM"),
  local("test", "docker-local", "DOCKER"),
  {
    ...local("ops", "npm-mirror", "NPM"),
    category: "REMOTE",
    configuration: {
      type: "remote",
      url: "https://registry.npmjs.org/",
      credentials: { username: "mirror", password: proxyPassword },
    },
  },
  local("ops", "tools", "CARGO"),
  local("_infra", "_images", "DOCKER"),
  ...otherRepositories,
];

/** The packages that the example requests of the vendor's documents name; the documents print no answer of their own for them. */
function requested(): DemoPackage[] {
  const at = Date.parse("2020-07-27T16:02:31.394+08:00");
  const one = (repoName: string, type: string, key: string, contentPath: string) =>
    pack({
      projectId: "test",
      repoName,
      type,
      name: key.slice(Math.max(key.lastIndexOf("/"), key.lastIndexOf(":")) + 1),
      key,
      createdBy: "admin",
      lastModifiedBy: "admin",
      records: [version({ name: "0.0.1", size: 1024, createdDate: at, createdBy: "admin", contentPath })],
    });
  return [
    one("maven-local", "MAVEN", "gav://com.tencent:test", "/com/tencent/test/0.0.1/test-0.0.1.jar"),
    one("npm-local", "NPM", "npm://test", "/test/-/test-0.0.1.tgz"),
    one("docker-local", "DOCKER", "docker://nginx", "/nginx/0.0.1/manifest.json"),
  ];
}

/** The example that the vendor's documents print, among 18 packages and with 18 versions as their totals say. */
function documented(): DemoPackage[] {
  const at = Date.parse("2020-07-27T16:02:31.394+08:00");
  const place = {
    projectId: "test",
    repoName: "generic-local",
    type: "MAVEN",
    createdBy: "admin",
    lastModifiedBy: "admin",
  };
  const tomcat = {
    apiVersion: "v1",
    appVersion: "7.0",
    description: "Deploy a basic tomcat application server with sidecar as web archive container",
    home: "https://github.xi-han.top/yahavb",
    icon: "http://tomcat.apache.org/res/images/tomcat.png",
    keywords: [],
    maintainers: [{ name: "yahavb", email: "[email protected]" }],
    name: "tomcat",
    sources: [],
    urls: [],
    version: "0.4.2",
  };
  const metadata = Object.entries(tomcat).map(([key, value]) => ({ ...entry(key, value), description: "" }));
  const numbers = Array.from({ length: 9 }, (_, patch) => `0.0.${patch + 1}`);
  const older = numbers.flatMap((number) => [`${number}-SNAPSHOT`, number]);
  const records = older.map((name, index) => {
    const createdDate = at - (older.length - 1 - index) * 5 * day;
    const printed = name === "0.0.9";
    return version({
      name,
      size: 1024,
      downloads: printed ? 18 : 4,
      stageTag: name.endsWith("SNAPSHOT") ? [] : ["@prerelease", "@release"],
      metadata,
      createdBy: "admin",
      lastModifiedBy: "admin",
      createdDate,
      asDocumented: printed,
      contentPath: `/com/tencent/bkrepo/test/${name}/test-${name}.jar`,
    });
  });
  const example = pack({
    ...place,
    name: "test",
    key: "com.tencent.bkrepo",
    latest: "0.0.9",
    downloads: 101,
    versions: 9,
    createdDate: at,
    lastModifiedDate: at,
    extension: { appVersion: "4.2.4" },
    historyVersion: ["7.8.10"],
    records,
  });
  const spring = [
    "aop",
    "beans",
    "boot",
    "context",
    "core",
    "data",
    "expression",
    "jdbc",
    "jms",
    "messaging",
    "orm",
    "oxm",
    "test",
    "tx",
    "web",
    "webflux",
    "websocket",
  ];
  return [
    example,
    ...spring.map((part, index) =>
      pack({
        ...place,
        name: `spring-${part}`,
        key: `gav://org.springframework:spring-${part}`,
        records: [version({ name: "5.2.8.RELEASE", size: 400_000 + index * 1313, createdDate: at - index * day })],
      }),
    ),
  ];
}

function payImages(nodes: DemoNode[]): DemoPackage[] {
  const place = { projectId: places.bkrepoProject, repoName: places.bkrepoDocker, type: "DOCKER" };
  return (["api", "web", "worker"] as const).map((service) => {
    const story = images[service];
    const copied = Date.parse(story.builtAt) + 11 * 60_000;
    const older = Array.from({ length: 48 }, (_, index) => {
      return manifest(nodes, place, service, {
        ...earlierBuild(service, index),
        downloads: 3 + (index % 9),
        // What nobody pulled for six weeks is in cold storage.
        archived: index >= 20,
        form: index === 5 ? "missing" : index === 6 ? "misspelt" : index >= 44 ? "ancient" : "current",
      });
    });
    const children = story.multiArch
      ? ["linux/amd64", "linux/arm64"].map((platform, index) =>
          manifest(nodes, place, service, {
            tag: `sha256:${checksum("sha256", `manifest ${service} ${platform}`)}`,
            digest: `sha256:${checksum("sha256", `manifest ${service} ${platform}`)}`,
            size: 24_000_000 + index * 210_944,
            at: copied - 4000 + index * 1500,
            downloads: 0,
            form: "current",
          }),
        )
      : [];
    const current = manifest(nodes, place, service, {
      tag: story.tag,
      digest: story.digest,
      // The server counts an index by its own bytes.
      size: story.multiArch ? 1638 : story.size,
      at: copied,
      downloads: 12,
      form: story.multiArch ? "index" : "current",
      stageTag: ["@prerelease", "@release"],
    });
    // The released tag is promoted a little later, and a name that people can say points at the same bytes.
    const named = {
      ...current,
      name: release.version,
      stageTag: [],
      downloads: 2,
      createdDate: copied + 900_000,
      lastModifiedDate: copied + 900_000,
    };
    const path = stored(
      nodes,
      place,
      `/${service}/manifest/${release.version}/${story.multiArch ? "list." : ""}manifest.json`,
      {
        size: 1638,
        at: copied + 900_000,
        sha256: story.digest.slice("sha256:".length),
      },
    );
    return pack({
      ...place,
      name: service,
      key: `docker://${service}`,
      description: null,
      records: [
        ...older.reverse(),
        ...children,
        current,
        { ...named, contentPath: path, contentPaths: [path], manifestPath: path },
      ],
    });
  });
}

function manifest(
  nodes: DemoNode[],
  place: { readonly projectId: string; readonly repoName: string },
  name: string,
  facts: {
    readonly tag: string;
    readonly digest: string;
    readonly size: number;
    readonly at: number;
    readonly downloads: number;
    readonly form: "current" | "index" | "misspelt" | "ancient" | "missing";
    readonly stageTag?: readonly string[];
    readonly archived?: boolean;
  },
): DemoVersion {
  const { tag, digest, form } = facts;
  const file = form === "index" ? "list.manifest.json" : "manifest.json";
  const path = stored(
    nodes,
    place,
    form === "ancient" ? `/${name}/${tag}/${file}` : `/${name}/manifest/${tag}/${file}`,
    {
      size: 1638,
      at: facts.at,
      sha256: digest.slice("sha256:".length),
      metadata: { "docker.manifest": tag },
      archived: facts.archived ?? false,
    },
  );
  const media =
    form === "index"
      ? "application/vnd.docker.distribution.manifest.list.v2+json"
      : "application/vnd.docker.distribution.manifest.v2+json";
  const metadata = {
    current: [
      entry("manifest_digest", digest, true),
      entry("sha256", digest.slice("sha256:".length), true),
      entry("docker.manifest", tag, true),
      entry("docker.manifest.type", media, true),
      entry("docker.manfiest.digest", digest, true),
    ],
    index: [entry("manifest_digest", digest, true), entry("docker.manifest.type", media, true)],
    misspelt: [entry("docker.manfiest.digest", digest, true)],
    ancient: [entry("docker.manifest.digest", digest, true), entry("docker.repoName", name, true)],
    missing: [],
  }[form];
  return version({
    name: tag,
    size: facts.size,
    createdDate: facts.at,
    // A promotion and the second step of a push both move this date.
    lastModifiedDate: facts.at + 2300,
    downloads: facts.downloads,
    stageTag: facts.stageTag ?? [],
    metadata,
    contentPath: path,
    contentPaths: [path],
    manifestPath: path,
  });
}

/** When each SDK version came out: the newest right after the pipeline that GitLab tells of. */
function sdkDate(index: number): number {
  const newest = Date.parse(commits.api.pipeline.at) + 92_437;
  return newest - (sdk.versions.length - 1 - index) * 13 * day;
}

function sdkStages(name: string, index: number): readonly string[] {
  if (name.includes("-")) return [];
  return index > sdk.versions.length - 4 ? ["@prerelease"] : ["@prerelease", "@release"];
}

function mavenSdk(nodes: DemoNode[]): DemoPackage {
  const place = { projectId: places.bkrepoProject, repoName: places.bkrepoMaven, type: "MAVEN" };
  const { group, artifact } = sdk.maven;
  const records = sdk.versions.map((name, index) => {
    const folder = `/${group.replaceAll(".", "/")}/${artifact}/${name}`;
    const at = sdkDate(index);
    const size = 612_480 + index * 4211;
    stored(nodes, place, `${folder}/${artifact}-${name}.jar`, { size, at });
    const pom = stored(nodes, place, `${folder}/${artifact}-${name}.pom`, { size: 2210, at: at + 400 });
    return version({
      name,
      size,
      createdDate: at,
      downloads: 40 + ((index * 37) % 211),
      stageTag: sdkStages(name, index),
      metadata: [
        entry("groupId", group, true),
        entry("artifactId", artifact, true),
        entry("pipelineId", "p-7f3a", false),
        entry("buildNo", String(1100 + index)),
        ...(name === sdk.versions[sdk.versions.length - 1] ? [entry("commitId", commits.api.sha)] : []),
      ],
      // A record names the file of its last upload alone: of `mvn deploy`, the description.
      contentPath: pom,
      contentPaths: [pom],
    });
  });
  return pack({
    ...place,
    name: artifact,
    key: `gav://${group}:${artifact}`,
    description: "Java client of the Acme Pay API",
    records,
  });
}

function mavenLibraries(nodes: DemoNode[]): DemoPackage[] {
  const place = { projectId: places.bkrepoProject, repoName: places.bkrepoMaven, type: "MAVEN" };
  const modules = ["ledger", "money", "settlement", "webhooks", "fraud", "reconciliation", "tracing", "idempotency"];
  return modules.map((module, which) => {
    const artifact = `pay-${module}`;
    const records = Array.from({ length: 6 + which }, (_, index) => {
      const name = `0.${index + 1}.0`;
      const at = before(200 - index * 15 + which);
      const path = `/com/acme/pay/${artifact}/${name}/${artifact}-${name}.jar`;
      return version({
        name,
        size: 90_000 + index * 911,
        createdDate: at,
        contentPath: stored(nodes, place, path, { size: 90_000 + index * 911, at }),
      });
    });
    return pack({ ...place, name: artifact, key: `gav://com.acme.pay:${artifact}`, records });
  });
}

function npmSdk(nodes: DemoNode[]): DemoPackage {
  const place = { projectId: places.bkrepoProject, repoName: places.bkrepoNpm, type: "NPM" };
  const { name: full } = sdk.npm;
  const records = sdk.versions.map((name, index) => {
    const at = sdkDate(index) + 240_000;
    const size = 84_113 + index * 307;
    const tarball = stored(nodes, place, `/${full}/-/${full}-${name}.tgz`, { size, at });
    const manifestPath = stored(nodes, place, `/.npm/${full}/${full.slice(full.indexOf("/") + 1)}-${name}.json`, {
      size: 1480,
      at,
    });
    return version({
      name,
      size,
      createdDate: at,
      downloads: 15 + ((index * 53) % 97),
      stageTag: sdkStages(name, index),
      tags: index === sdk.versions.length - 1 ? ["latest"] : [],
      metadata: [entry("license", "Apache-2.0"), entry("keywords", ["payments", "client"])],
      contentPath: tarball,
      manifestPath,
    });
  });
  return pack({
    ...place,
    name: full,
    key: `npm://${full}`,
    description: "Browser and Node client of the Acme Pay API",
    versionTag: { latest: "2.4.0", "v2.x": "2.4.0" },
    records,
  });
}

function helmChart(nodes: DemoNode[]): DemoPackage {
  const place = { projectId: places.bkrepoProject, repoName: places.bkrepoHelm, type: "HELM" };
  const records = Array.from({ length: 24 }, (_, index) => {
    const name = index === 23 ? "2.4.0" : `2.${Math.floor(index / 6)}.${index % 6}`;
    const at = index === 23 ? Date.parse(release.at) : before((23 - index) * 9);
    const size = 18_204 + index * 17;
    return version({
      name,
      size,
      createdDate: at,
      downloads: 6 + index,
      stageTag: index > 18 ? ["@prerelease"] : ["@prerelease", "@release"],
      metadata: [
        entry("apiVersion", "v2"),
        entry("appVersion", name),
        entry("maintainers", [{ name: commits.api.author, email: "lin.chen@acme.example" }]),
      ],
      contentPath: stored(nodes, place, `/pay-platform-${name}.tgz`, { size, at }),
    });
  });
  return pack({
    ...place,
    name: "pay-platform",
    key: "helm://pay-platform",
    description: "Acme Pay on Kubernetes: api, web and worker",
    extension: { appVersion: "2.4.0" },
    records,
  });
}

function pythonReport(nodes: DemoNode[]): DemoPackage {
  const place = { projectId: places.bkrepoProject, repoName: places.bkrepoPypi, type: "PYPI" };
  const records = Array.from({ length: 12 }, (_, index) => {
    const name = `0.${index + 1}.0`;
    const at = before((11 - index) * 21);
    const wheel = stored(nodes, place, `/acme_pay_report/${name}/acme_pay_report-${name}-py3-none-any.whl`, {
      size: 51_204 + index,
      at,
    });
    const source = stored(nodes, place, `/acme_pay_report/${name}/acme_pay_report-${name}.tar.gz`, {
      size: 48_811 + index,
      at: at + 700,
    });
    return version({
      name,
      size: 48_811 + index,
      createdDate: at,
      metadata: [entry("requires_python", ">=3.11")],
      contentPath: source,
      contentPaths: [wheel, source],
    });
  });
  return pack({
    ...place,
    name: "acme_pay_report",
    key: "pypi://acme_pay_report",
    description: "Settlement reports as data frames",
    records,
  });
}

/** A chart pushed as OCI artifact: an OCI package, not a Helm one. */
function ociChart(nodes: DemoNode[]): DemoPackage {
  const place = { projectId: places.bkrepoProject, repoName: "oci-local", type: "OCI" };
  const records = ["2.3.0", "2.4.0"].map((tag, index) =>
    manifest(nodes, place, "charts/pay-platform", {
      tag,
      digest: `sha256:${checksum("sha256", `manifest chart ${tag}`)}`,
      size: 18_900 + index,
      at: before(1 - index) - 60_000,
      downloads: 1,
      form: "current",
    }),
  );
  return pack({ ...place, name: "charts/pay-platform", key: "oci://charts/pay-platform", records });
}

function forbidden(): DemoPackage {
  return pack({
    projectId: places.bkrepoProject,
    repoName: "release-vault",
    type: "MAVEN",
    name: "pay-signing",
    key: "gav://com.acme.pay:pay-signing",
    records: [version({ name: "1.0.0", size: 4096, createdDate: before(90) })],
  });
}

/** A mirror with more packages than one page holds, in the order they happened to come in. */
function mirror(): DemoPackage[] {
  const families = [
    "babel-plugin",
    "eslint-plugin",
    "postcss",
    "rollup-plugin",
    "d3",
    "lodash",
    "micromark",
    "unist-util",
  ];
  const parts = [
    "array",
    "case",
    "chunk",
    "color",
    "config",
    "core",
    "curry",
    "debounce",
    "format",
    "helpers",
    "merge",
    "nested",
    "parse",
    "path",
    "pick",
    "scale",
    "select",
    "shape",
    "sort",
    "time",
    "visit",
  ];
  return parts.flatMap((part, row) =>
    families.map((family, column) => {
      const name = `${family}-${part}`;
      const at = before(300 - row * 9 - column);
      return pack({
        projectId: "ops",
        repoName: "npm-mirror",
        type: "NPM",
        name,
        key: `npm://${name}`,
        description: null,
        extension: null,
        records: [
          version({
            name: `${1 + (row % 4)}.${column}.0`,
            size: 9000 + row * 31 + column,
            createdDate: at,
            contentPath: `/${name}/-/${name}-${1 + (row % 4)}.${column}.0.tgz`,
          }),
        ],
      });
    }),
  );
}

function tools(): DemoPackage[] {
  const at = before(40);
  const place = { projectId: "ops", repoName: "tools", type: "CARGO" };
  return [
    pack({
      ...place,
      name: "settle-check",
      key: "cargo://settle-check",
      records: [
        // Nothing says where its file is: only the registry's own detail does.
        version({ name: "0.3.1", size: 33_120, createdDate: at }),
        version({ name: "0.3.0", size: 33_002, createdDate: at - day }),
      ],
    }),
    // Deleted while it was being published: the package stayed behind without a version, and without `latest`.
    ghost({ ...place, name: "ledger-lint", key: "cargo://ledger-lint" }),
    // A type that this release's documents do not know.
    pack({
      ...place,
      type: "SKILL",
      name: "refund-playbook",
      key: "skill://refund-playbook",
      records: [version({ name: "1", size: 2048, createdDate: at })],
    }),
  ];
}

function ghost(facts: Pick<DemoPackage, "projectId" | "repoName" | "type" | "name" | "key">): DemoPackage {
  const { latest: _never, ...rest } = pack({ ...facts, records: [], versions: 1 });
  return rest;
}

/** A project and a repository whose names docker would refuse. */
function aliased(nodes: DemoNode[]): DemoPackage {
  const place = { projectId: "_infra", repoName: "_images", type: "DOCKER" };
  const digest = `sha256:${checksum("sha256", "manifest base/node")}`;
  return pack({
    ...place,
    name: "base/node",
    key: "docker://base/node",
    description: `Base image, pulled as ${hosts.bkrepo}/x0${Buffer.from("_infra").toString("hex")}/x0${Buffer.from("_images").toString("hex")}/base/node`,
    records: [
      manifest(nodes, place, "base/node", {
        tag: "26-slim",
        digest,
        size: 71_003_114,
        at: before(20),
        downloads: 88,
        form: "current",
      }),
    ],
  });
}
