import {
  bkrepoHost,
  gitlabPackage,
  hex,
  mavenPackage,
  momentOf,
  namespace,
  releaseProject,
  swrHost,
} from "./estate.ts";

/** An answer as it goes on the wire. */
export interface Body {
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Makes the answer to one request; null for what this vendor has no answer to. */
export type Answering = (path: string, query: URLSearchParams, body: string) => Body | null;

const json = { "content-type": "application/json" };

/** bkrepo: zone-less times in the zone it tells, everything in an envelope. */
export const bkrepo: Answering = (path, query, body) => {
  const packageKey = query.get("packageKey") ?? "";
  const image = /^docker:\/\/app-(\d+)-(\d+)$/.exec(packageKey);
  const maven = /^gav:\/\/com\.acme\.pay:service-(\d+)$/.exec(packageKey);
  if (path.startsWith("/repository/api/package/info/") && maven) return enveloped(mavenRow(Number(maven[1])));
  if (path.startsWith("/repository/api/version/page/") && maven) {
    const { versions } = mavenPackage(Number(maven[1]));
    const size = Number(query.get("pageSize"));
    const rows = range(Math.min(size, versions)).map((index) => mavenVersion(Number(maven[1]), index));
    return enveloped(paged(rows, versions, size));
  }
  if (path.startsWith("/repository/api/version/list/") && image) {
    const { tags } = releaseProject(Number(image[1]));
    // Without the metadata filter every tag of the image is answered.
    const wanted = body.includes("sha256:") ? [0] : range(tags);
    return enveloped(wanted.map((tag) => imageVersion(Number(image[1]), Number(image[2]), tag)));
  }
  if (path === "/repository/api/package/search") {
    const found = [...body.matchAll(/"app-(\d+)-(\d+)"/g)].map(([, key, index]) =>
      imagePackage(Number(key), Number(index)),
    );
    return enveloped(paged(found, found.length, 200));
  }
  return null;
};

function enveloped(data: unknown): Body {
  const text = JSON.stringify({ code: 0, message: null, data, traceId: "5f2e8a7b9c3d4e1f" });
  return { headers: { ...json, "x-bkrepo-rid": "5f2e8a7b9c3d4e1f", "x-bkrepo-time-zone": "+08:00" }, text };
}

function paged(records: readonly object[], totalRecords: number, pageSize: number): object {
  return { pageNumber: 1, pageSize, totalRecords, totalPages: Math.ceil(totalRecords / pageSize), records };
}

/** `+08:00` without saying so. */
function local(moment: string): string {
  return new Date(Date.parse(moment) + 28_800_000).toISOString().slice(0, -1);
}

function mavenRow(key: number): object {
  const { name, key: packageKey, versions, version } = mavenPackage(key);
  return {
    projectId: "pay",
    repoName: "maven-local",
    name,
    key: packageKey,
    type: "MAVEN",
    latest: version(0).name,
    downloads: 1000 + key,
    versions,
    description: "Payment service, published by the release pipeline.",
    extension: {},
    historyVersion: range(versions).map((index) => version(index).name),
    versionTag: {},
    createdBy: "lin.chen",
    createdDate: local(momentOf(400)),
    lastModifiedBy: "ci-bot",
    lastModifiedDate: local(momentOf(0)),
  };
}

function mavenVersion(key: number, index: number): object {
  const { name: artifact, version } = mavenPackage(key);
  const { name, size, createdAt } = version(index);
  const path = `/com/acme/pay/${artifact}/${name}/${artifact}-${name}.jar`;
  return {
    createdBy: "ci-bot",
    createdDate: local(createdAt),
    lastModifiedBy: "ci-bot",
    lastModifiedDate: local(createdAt),
    name,
    size,
    downloads: 17,
    stageTag: ["@prerelease"],
    metadata: { groupId: "com.acme.pay", artifactId: artifact, version: name, buildNo: String(index) },
    packageMetadata: [
      { key: "groupId", value: "com.acme.pay", system: false, description: null, link: null },
      { key: "artifactId", value: artifact, system: false, description: null, link: null },
      { key: "version", value: name, system: false, description: null, link: null },
      { key: "buildNo", value: String(index), system: true, description: null, link: null },
    ],
    tags: [],
    extension: {},
    contentPath: path,
    contentPaths: null,
    manifestPath: null,
    clusterNames: null,
  };
}

function imagePackage(key: number, index: number): object {
  const { release } = releaseProject(key);
  const { service, createdAt } = release(index);
  return {
    projectId: "pay",
    repoName: "docker-local",
    name: service,
    key: `docker://${service}`,
    type: "DOCKER",
    createdDate: Date.parse(createdAt),
  };
}

function imageVersion(key: number, index: number, number: number): object {
  const { release } = releaseProject(key);
  const { service, tag, digest, size, createdAt } = release(index);
  const name = number === 0 ? tag : `${tag}-${number}`;
  const sha = number === 0 ? digest : `sha256:${hex(`${service}:${name}`, 64)}`;
  const metadata = { manifest_digest: sha, "docker.manifest.digest": sha, "docker.repoName": service };
  const path = `/${service}/${name}/manifest.json`;
  return {
    createdBy: "ci-bot",
    createdDate: local(createdAt),
    lastModifiedBy: "ci-bot",
    lastModifiedDate: local(createdAt),
    name,
    size,
    downloads: 3,
    stageTag: [],
    metadata,
    packageMetadata: Object.entries(metadata).map(([name, value]) => ({ key: name, value, system: true })),
    tags: [],
    extension: {},
    contentPath: path,
    contentPaths: [path],
    manifestPath: path,
    clusterNames: null,
  };
}

/** GitLab: bare lists, counts in headers. */
export const gitlab: Answering = (path, query) => {
  const packages = /^\/api\/v4\/projects\/pay%2Fservice-(\d+)\/packages$/i.exec(path);
  if (packages) {
    const { versions } = gitlabPackage(Number(packages[1]));
    return listed(
      range(Math.min(versions, Number(query.get("per_page")))).map((index) => gitlabRow(Number(packages[1]), index)),
      versions,
    );
  }
  const files = /^\/api\/v4\/projects\/pay%2Fservice-\d+\/packages\/(\d+)\/package_files$/i.exec(path);
  if (!files) return null;
  const id = Number(files[1]) - 1_000_000;
  return listed(
    [0, 1].map((file) => gitlabFile(Math.floor(id / 100), id % 100, file)),
    2,
  );
};

function listed(rows: readonly object[], total: number): Body {
  const headers = {
    "x-total": String(total),
    "x-total-pages": "1",
    "x-page": "1",
    "x-next-page": "",
    "x-prev-page": "",
  };
  return { headers: { ...json, ...headers, "x-request-id": "01JC0DEADBEEF" }, text: JSON.stringify(rows) };
}

function gitlabRow(key: number, index: number): object {
  const { project, name, version } = gitlabPackage(key);
  const { id, name: number, createdAt, pipeline } = version(index);
  const page = `https://gitlab.example.com/${project}`;
  return {
    id,
    name,
    version: number,
    package_type: "maven",
    status: "default",
    _links: { web_path: `/${project}/-/packages/${id}`, delete_api_path: `${page}/delete` },
    created_at: createdAt,
    last_downloaded_at: momentOf(0),
    project_id: 700 + key,
    project_path: project,
    tags: [],
    pipeline: {
      id: pipeline.id,
      iid: index,
      project_id: 700 + key,
      sha: hex(`${key} ${index}`, 40),
      ref: pipeline.ref,
      status: pipeline.status,
      source: "push",
      created_at: createdAt,
      updated_at: createdAt,
      web_url: `${page}/-/pipelines/${pipeline.id}`,
      user: {
        id: 42,
        username: "lin.chen",
        name: "Lin Chen",
        state: "active",
        avatar_url: null,
        web_url: "https://gitlab.example.com/lin.chen",
      },
    },
    pipelines: [],
  };
}

function gitlabFile(key: number, index: number, file: number): object {
  const { version, file: fileOf } = gitlabPackage(key);
  const { id, name, size, sha256 } = fileOf(index, file);
  return {
    id,
    package_id: version(index).id,
    created_at: version(index).createdAt,
    file_name: name,
    size,
    file_md5: null,
    file_sha1: null,
    file_sha256: sha256,
    pipelines: [],
  };
}

/** Zadig of the first generation: everything of a release in one row, counts in a header. */
export const zadig: Answering = (path, query) => {
  const size = Number(query.get("per_page") ?? 20);
  const key = Number(/^pay-(\d+)$/.exec(query.get("projectName") ?? "")?.[1]);
  if (path === "/api/aslan/delivery/releases" && !Number.isNaN(key)) {
    const { releases } = releaseProject(key);
    const start = (Number(query.get("page") ?? 1) - 1) * size;
    return counted(
      range(releases)
        .slice(start, start + size)
        .map((index) => releaseRow(key, index)),
      releases,
    );
  }
  if (path === "/api/aslan/delivery/artifacts") {
    const rows = [...(query.get("image") ?? "").matchAll(/app-(\d+)-(\d+):/g)].map(([, project, index]) =>
      artifactRow(Number(project), Number(index)),
    );
    return counted(rows, rows.length);
  }
  return null;
};

function counted(rows: readonly object[], total: number): Body {
  return { headers: { ...json, "x-total": String(total) }, text: JSON.stringify(rows) };
}

function releaseRow(key: number, index: number): object {
  const { project, release } = releaseProject(key);
  const { version, service, image, digest, size, createdAt } = release(index);
  const seconds = Date.parse(createdAt) / 1000;
  const commit = repositoryRow(key, index);
  return {
    versionInfo: {
      id: hex(`release ${key} ${index}`, 24),
      version,
      productName: project,
      workflowName: "pay-release",
      taskId: 100 + index,
      type: "K8SYaml",
      status: "success",
      desc: "Released by the pipeline",
      labels: ["stable"],
      productEnvInfo: {
        namespace: "pay-prod",
        env_name: "prod",
        production: true,
        services: [[{ service_name: service, type: "k8s", revision: 7, containers: [{ name: "main", image }] }]],
        vars: [],
        global_variables: [],
      },
      createdBy: "lin.chen",
      created_at: seconds,
      deleted_at: 0,
    },
    buildInfo: [
      {
        id: hex(`build ${key} ${index}`, 24),
        releaseId: hex(`release ${key} ${index}`, 24),
        serviceName: service,
        imageName: image,
        imageInfo: {
          imageSize: size,
          imageDigest: digest,
          architecture: "amd64",
          os: "linux",
          creationTime: createdAt,
          layers: range(8).map((layer) => ({ size: 1000 * layer, digest: `sha256:${hex(`${digest} ${layer}`, 64)}` })),
        },
        issues: [],
        commits: [commit],
        start_time: seconds,
        end_time: seconds + 90,
      },
    ],
    deployInfo: [
      {
        id: hex(`deploy ${key} ${index}`, 24),
        serviceName: `${service}/main`,
        real_service_name: service,
        containerName: "main",
        image,
        yamlContents: [`apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: ${service}\nspec:\n  replicas: 2\n`],
        orderedServices: [[service]],
        start_time: seconds + 100,
        end_time: seconds + 130,
      },
    ],
    testInfo: [],
    distributeInfo: [],
    securityStatsInfo: [],
  };
}

function repositoryRow(key: number, index: number): object {
  return {
    source: "gitlab",
    repo_owner: "pay",
    repo_name: `service-${key}`,
    remote_name: "origin",
    branch: "main",
    pr: 0,
    prs: [],
    commit_id: hex(`${key} ${index}`, 40),
    commit_message: "Pay in two steps\n",
    is_primary: true,
    codehost_id: 24,
    address: "https://gitlab.example.com",
    author_name: "Lin Chen",
    username: "ci-bot",
  };
}

function artifactRow(key: number, index: number): object {
  const { release, project } = releaseProject(key);
  const { service, image, tag, digest, size, createdAt } = release(index);
  const seconds = Date.parse(createdAt) / 1000;
  return {
    id: hex(`artifact ${key} ${index}`, 24),
    name: service,
    type: "image",
    image,
    image_tag: tag,
    image_digest: digest,
    image_size: size,
    architecture: "amd64",
    os: "linux",
    docker_file: "FROM scratch\nCOPY app /app\n",
    layers: range(8).map((layer) => ({ size: 1000 * layer, digest: `sha256:${hex(`${digest} ${layer}`, 64)}` })),
    created_by: "lin.chen",
    created_time: seconds,
    activities: [
      {
        artifact_id: hex(`artifact ${key} ${index}`, 24),
        type: "build",
        url: `/v1/projects/detail/${project}/pipelines/multi/pay-release/${100 + index}`,
        commits: [repositoryRow(key, index)],
        start_time: seconds,
        end_time: seconds + 90,
        created_by: "lin.chen",
        created_time: seconds,
      },
    ],
  };
}

/** SWR: bare lists, counts in `Content-Range`, a manifest in every tag. */
export const swr: Answering = (path, query) => {
  const limit = Number(query.get("limit") ?? 100);
  if (path === "/v2/manage/repos") {
    const named = /^app-(\d+)-(\d+)$/.exec(query.get("name") ?? "");
    if (!named) return null;
    return ranged([repositoryOf(Number(named[1]), Number(named[2]))], 1);
  }
  const tags = new RegExp(`^/v2/manage/namespaces/${namespace}/repos/app-(\\d+)-(\\d+)/tags(/.+)?$`).exec(path);
  if (!tags) return null;
  const [key, index] = [Number(tags[1]), Number(tags[2])];
  if (tags[3]) return { headers: json, text: JSON.stringify(tagOf(key, index, 0, "tag")) };
  const { tags: count } = releaseProject(key);
  return ranged(
    range(Math.min(limit, count)).map((tag) => tagOf(key, index, tag, "Tag")),
    count,
  );
};

function ranged(rows: readonly object[], total: number): Body {
  const headers = { ...json, "content-range": `0-${rows.length}/${total}`, "x-request-id": "8d0c2f" };
  return { headers, text: JSON.stringify(rows) };
}

function repositoryOf(key: number, index: number): object {
  const { release, tags } = releaseProject(key);
  const { service, createdAt, size } = release(index);
  return {
    name: service,
    category: "app_server",
    description: "",
    size: size * tags,
    is_public: false,
    num_images: tags,
    num_download: 12,
    created_at: createdAt,
    updated_at: createdAt,
    path: `${swrHost}/${namespace}/${service}`,
    internal_path: `100.125.0.198:20202/${namespace}/${service}`,
    domain_name: "acme-pay",
    namespace,
    tags: range(tags).map((tag) => (tag === 0 ? release(index).tag : `${release(index).tag}-${tag}`)),
    status: false,
  };
}

function tagOf(key: number, index: number, number: number, spelling: "Tag" | "tag"): object {
  const { release } = releaseProject(key);
  const { service, tag, digest, size, createdAt } = release(index);
  const name = number === 0 ? tag : `${tag}-${number}`;
  const sha = number === 0 ? digest : `sha256:${hex(`${service}:${name}`, 64)}`;
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    config: { mediaType: "application/vnd.docker.container.image.v1+json", size: 7023, digest: sha },
    layers: range(6).map((layer) => ({
      mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
      size: 1000 * layer,
      digest: `sha256:${hex(`${sha} ${layer}`, 64)}`,
    })),
  };
  return {
    id: 90_000 + number,
    repo_id: 4200 + index,
    [spelling]: name,
    image_id: hex(`config ${sha}`, 64),
    manifest: JSON.stringify(manifest),
    digest: sha,
    schema: 2,
    path: `${swrHost}/${namespace}/${service}:${name}`,
    internal_path: `100.125.0.198:20202/${namespace}/${service}:${name}`,
    size,
    is_trusted: false,
    created: createdAt,
    updated: createdAt,
    domain_id: "0605767a7a00d5762f54c011a6ad0000",
    tag_type: 0,
  };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** The image's name in bkrepo's registry; the bench's configuration names the host. */
export const bkrepoRegistry = bkrepoHost;
