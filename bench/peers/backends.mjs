// What every peer and the server written by hand know of the backends: the calls, and what their answers mean. No
// sockets here: each program asks in its own way. Lists are asked for with the page that the vendors document as their
// default, unless a fitted one is wanted.

const namespace = "pay-core";

/** The calls, as `{ backend, path, body }`. */
export const calls = {
  package: (key) => ({
    backend: "bkrepo",
    path: `/repository/api/package/info/pay/maven-local?packageKey=${encodeURIComponent(key)}`,
  }),
  latestVersion: (key) => ({
    backend: "bkrepo",
    path: `/repository/api/version/page/pay/maven-local?packageKey=${encodeURIComponent(key)}&sortProperty=createdDate&direction=DESC&pageNumber=1&pageSize=1`,
  }),
  versions: (project, name) => ({
    backend: "gitlab",
    path: `/api/v4/projects/${encodeURIComponent(project)}/packages?package_type=maven&package_name=${encodeURIComponent(name)}&order_by=created_at&sort=desc&page=1&per_page=20`,
  }),
  files: (project, id) => ({
    backend: "gitlab",
    path: `/api/v4/projects/${encodeURIComponent(project)}/packages/${id}/package_files?page=1&per_page=20`,
  }),
  releases: (project, size = 20) => ({
    backend: "zadig",
    path: `/api/aslan/delivery/releases?projectName=${encodeURIComponent(project)}&verbosity=detailed&per_page=${size}&page=1&ifPassFilter=true`,
  }),
  artifacts: (images) => ({
    backend: "zadig",
    path: `/api/aslan/delivery/artifacts?image=${encodeURIComponent(`^(?:${images.map((image) => image.replace(/[.]/g, "\\.")).join("|")})$`)}&per_page=100&page=1`,
  }),
  tag: (repository, tag) => ({
    backend: "swr",
    path: `/v2/manage/namespaces/${namespace}/repos/${repository}/tags/${encodeURIComponent(tag)}`,
  }),
  repositories: (name) => ({
    backend: "swr",
    path: `/v2/manage/repos?namespace=${namespace}&name=${encodeURIComponent(name)}&limit=100&offset=0`,
  }),
  tags: (repository) => ({
    backend: "swr",
    path: `/v2/manage/namespaces/${namespace}/repos/${repository}/tags?limit=100&offset=0`,
  }),
  images: (names) => ({
    backend: "bkrepo",
    path: "/repository/api/package/search",
    body: {
      page: { pageNumber: 1, pageSize: 200 },
      rule: {
        rules: [
          { field: "projectId", value: "pay", operation: "EQ" },
          { field: "repoName", value: ["docker-local"], operation: "IN" },
          { field: "name", value: names, operation: "IN" },
        ],
        relation: "AND",
      },
    },
  }),
  imageVersions: (key, digest) => ({
    backend: "bkrepo",
    path: `/repository/api/version/list/pay/docker-local?packageKey=${encodeURIComponent(key)}`,
    body: { metadata: [{ key: "manifest_digest", value: digest }], sortProperty: "createdDate", direction: "DESC" },
  }),
};

/** What answers mean, in the words of the questions. */
export const shapes = {
  package: ({ data }) => ({ name: data.name, key: data.key, versionCount: data.versions }),
  latestVersion: ({ data }) => {
    const [row] = data.records;
    return { name: row.name, createdAt: toUtc(row.createdDate), size: row.size };
  },
  versions: (rows) =>
    rows.map((row) => ({
      id: row.id,
      name: row.version,
      createdAt: new Date(row.created_at).toISOString(),
      publishedBy: row.pipeline && { status: row.pipeline.status, ref: row.pipeline.ref },
    })),
  files: (rows) => rows.map((row) => ({ name: row.file_name, size: row.size, digests: [`sha256:${row.file_sha256}`] })),
  releases: (rows) =>
    rows.map((row) => ({
      version: row.versionInfo.version,
      builds: row.buildInfo.map((build) => ({
        service: build.serviceName,
        image: build.imageName,
        digest: build.imageInfo.imageDigest,
      })),
    })),
  /** Names by image. */
  artifactNames: (rows) => new Map(rows.map((row) => [row.image, row.name])),
  tag: (row, digest) => location("swr", row.tag ?? row.Tag, row, digest),
  /** Tags that hold these bytes. */
  tags: (rows, digest) =>
    rows.filter((row) => row.digest === digest).map((row) => location("swr", row.Tag, row, digest)),
  images: ({ data }) => data.records.map((row) => ({ key: row.key, name: row.name })),
  imageVersions: ({ data }) => data.map((row) => location("bkrepo", row.name, row, row.metadata.manifest_digest)),
};

function location(backend, name, row, digest) {
  return {
    backend: { name: backend },
    matchedBy: digest === (row.digest ?? digest) ? "DIGEST" : "IMAGE_REF",
    version: { name, size: row.size },
  };
}

// bkrepo writes local times of a zone that it was asked for in a header.
function toUtc(text) {
  return new Date(`${text}+08:00`).toISOString();
}

/** An image reference's repository below its organization, and its tag. */
export function partsOf(image) {
  const [, repository, tag] = /^[^/]+\/[^/]+\/(.+):([^:]+)$/.exec(image);
  return { repository, tag };
}

/** Every place where the bytes are, each once; `held` comes first. */
export function everywhere(held, copies) {
  const seen = new Set();
  return [held, ...copies].filter(({ backend, version }) => {
    const text = `${backend.name} ${version.name}`;
    return seen.has(text) ? false : seen.add(text);
  });
}

/** The part of the gateway's schema that the questions need. */
export const typeDefs = `
  enum PackageFormat { MAVEN }
  input PackageRef { backend: String! repository: String! key: String name: String format: PackageFormat }
  input ReleaseFilter { backend: String project: String }
  type Query {
    package(ref: PackageRef!): Package
    releases(filter: ReleaseFilter!, first: Int = 20): ReleaseConnection
  }
  type Package { name: String! versionCount: Float latestVersion: Version versions(first: Int = 20): VersionConnection }
  type VersionConnection { nodes: [Version!]! }
  type Version { name: String! createdAt: String size: Float publishedBy: PipelineRun files: PackageFileConnection }
  type PipelineRun { status: String ref: String }
  type PackageFileConnection { nodes: [PackageFile!]! }
  type PackageFile { name: String! size: Float digests: [String!]! }
  type ReleaseConnection { nodes: [Release!]! }
  type Release { version: String! builds: [BuildInfo!] }
  type BuildInfo { service: String! artifact: Artifact }
  type Artifact { digest: String name: String locations: [ArtifactLocation!]! }
  type ArtifactLocation { backend: Backend! matchedBy: String! version: Version }
  type Backend { name: String! }
`;

/** Addresses of the backends by name, from the command line; the first word after it is the port to take. */
export const addresses = JSON.parse(process.argv[2] ?? "{}");
