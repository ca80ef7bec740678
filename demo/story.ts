import { createHash } from "node:crypto";

/**
 * The story that the four demo backends tell together: Acme Pay builds `pay/api`, `pay/web` and `pay/worker` from
 * GitLab with Zadig, pushes to SWR, copies to bkrepo, releases v2.4.0, and publishes SDK packages of the same commits.
 * The vendor files add the examples printed in the vendors' documents and enough rows to page through.
 */

const hex = (text: string, algorithm = "sha256") =>
  createHash(algorithm).update(`delivery-graph demo: ${text}`).digest("hex");

/** Stable made-up checksum of something that exists only in the story. */
export function checksum(algorithm: "sha256" | "sha512" | "sha1" | "md5", what: string): string {
  return hex(what, algorithm);
}

/** Credentials the demo backends accept; anything else is refused the vendor's way. */
export const credentials = {
  zadig: { token: "demo-zadig-token" },
  bkrepo: {
    username: "reader",
    password: "demo-bkrepo-password",
    accessKey: "demo-access-key",
    secretKey: "demo-secret-key",
    userId: "reader",
    token: "demo-bkrepo-jwt",
  },
  swr: { token: "demo-swr-token", accessKey: "DEMOSWRACCESSKEY", secretKey: "demo-swr-secret-key" },
  gitlab: { token: "demo-gitlab-token" },
} as const;

/** Registry hosts as they appear in image references. */
export const hosts = {
  swr: "swr.cn-north-4.myhuaweicloud.com",
  bkrepo: "docker.bkrepo.example.com",
  gitlab: "registry.gitlab.example.com",
} as const;

/** Where the story happens in each system. */
export const places = {
  zadigProject: "pay",
  zadigWorkflow: "pay-release",
  swrNamespace: "pay-core",
  bkrepoProject: "pay",
  bkrepoDocker: "docker-local",
  bkrepoMaven: "maven-local",
  bkrepoNpm: "npm-local",
  bkrepoHelm: "helm-local",
  bkrepoPypi: "pypi-local",
  gitlabGroup: "pay",
} as const;

/** GitLab projects by path; ids are what GitLab answers. */
export const projects = {
  api: { id: 42, path: "pay/api", group: "pay" },
  web: { id: 43, path: "pay/web", group: "pay" },
  worker: { id: 44, path: "pay/worker", group: "pay" },
  tools: { id: 77, path: "infra/tools", group: "infra" },
} as const;

export const codeHost = "https://gitlab.example.com";

export interface StoryCommit {
  readonly project: keyof typeof projects;
  readonly sha: string;
  readonly branch: string;
  readonly message: string;
  readonly author: string;
  readonly mergeRequest: number;
  readonly at: string;
  readonly pipeline: { readonly id: number; readonly iid: number; readonly user: string; readonly at: string };
}

/** The commits behind release v2.4.0. Pipeline ids are past 2^31, as on any large GitLab. */
export const commits: Readonly<Record<"api" | "web" | "worker", StoryCommit>> = {
  api: {
    project: "api",
    sha: hex("commit api").slice(0, 40),
    branch: "main",
    message: "Settle refunds in the currency of the order\n\nCloses PAY-1482",
    author: "Lin Chen",
    mergeRequest: 318,
    at: "2026-11-02T09:12:40.000Z",
    pipeline: { id: 2_690_000_317, iid: 1482, user: "lin.chen", at: "2026-11-02T09:13:02.118Z" },
  },
  web: {
    project: "web",
    sha: hex("commit web").slice(0, 40),
    branch: "main",
    message: "Show the refund's currency beside its amount",
    author: "Mara Ortiz",
    mergeRequest: 207,
    at: "2026-11-02T08:55:11.000Z",
    pipeline: { id: 2_690_000_290, iid: 977, user: "mara.ortiz", at: "2026-11-02T08:55:30.402Z" },
  },
  worker: {
    project: "worker",
    sha: hex("commit worker").slice(0, 40),
    branch: "release/2.4",
    message: "Retry settlement files that arrive late",
    author: "Jonas Weber",
    mergeRequest: 95,
    at: "2026-11-01T16:20:05.000Z",
    pipeline: { id: 2_689_998_871, iid: 411, user: "jonas.weber", at: "2026-11-01T16:20:44.910Z" },
  },
};

export interface StoryImage {
  readonly service: "api" | "web" | "worker" | "legacy";
  /** Zadig's tag: date, task, branch. */
  readonly tag: string;
  /** Manifest (or index) digest as it was built and released. */
  readonly digest: string;
  /** Config digest, 64 hex: never the same as the manifest digest. */
  readonly imageId: string;
  /** Compressed bytes as Zadig and SWR tell them; one is past 2^31. */
  readonly size: number;
  readonly multiArch: boolean;
  readonly builtAt: string;
  /** Where the tag points in SWR today, when somebody pushed over it after the release; null when it was deleted. */
  readonly now: string | null;
}

const image = (
  service: StoryImage["service"],
  rest: Omit<StoryImage, "service" | "digest" | "imageId">,
): StoryImage => ({
  service,
  digest: `sha256:${hex(`manifest ${service}`)}`,
  imageId: hex(`config ${service}`),
  ...rest,
});

const pushedOver = `sha256:${hex("manifest worker, pushed again")}`;

/**
 * The images of release v2.4.0. `api` and `web` are as released in SWR and bkrepo; the SWR tag of `worker` was pushed
 * over afterwards (bkrepo still holds the released bytes); `legacy` was deleted from SWR.
 */
export const images: Readonly<Record<StoryImage["service"], StoryImage>> = {
  api: image("api", {
    tag: "20261102091500-117-main",
    size: 3_221_301_482,
    multiArch: false,
    builtAt: "2026-11-02T09:19:31.000Z",
    now: `sha256:${hex("manifest api")}`,
  }),
  web: image("web", {
    tag: "20261102091502-117-main",
    size: 48_210_944,
    multiArch: true,
    builtAt: "2026-11-02T09:18:02.000Z",
    now: `sha256:${hex("manifest web")}`,
  }),
  worker: image("worker", {
    tag: "20261102091503-117-release-2.4",
    size: 91_338_201,
    multiArch: false,
    builtAt: "2026-11-02T09:18:55.000Z",
    now: pushedOver,
  }),
  legacy: image("legacy", {
    tag: "20250301080000-12-main",
    size: 120_004_210,
    multiArch: false,
    builtAt: "2025-03-01T08:04:00.000Z",
    now: null,
  }),
};

/** The reference under which Zadig built and SWR holds an image. */
export function swrReference({ service, tag }: StoryImage): string {
  return `${hosts.swr}/${places.swrNamespace}/${service}:${tag}`;
}

/** The reference of the copy in bkrepo. */
export function bkrepoReference({ service, tag }: StoryImage): string {
  return `${hosts.bkrepo}/${places.bkrepoProject}/${places.bkrepoDocker}/${service}:${tag}`;
}

/** A build of a service before the release: 0 is the newest, two days apart. All three systems keep the same bytes. */
export function earlierBuild(
  service: "api" | "web" | "worker",
  index: number,
): { readonly tag: string; readonly digest: string; readonly at: number; readonly size: number } {
  const at = before(3 + index * 2) - ["api", "web", "worker"].indexOf(service) * 3_600_000;
  const stamp = new Date(at).toISOString().replace(/\D/g, "").slice(0, 14);
  const tag = `${stamp}-${Math.max(1, 116 - index)}-main`;
  const size = 40_000_000 + ((index * 7_919_231) % 60_000_000);
  return { tag, digest: `sha256:${hex(`manifest ${service} ${tag}`)}`, at, size };
}

/** The release that ties it together. */
export const release = {
  id: hex("release 2.4.0").slice(0, 24),
  version: "v2.4.0",
  taskId: 117,
  createdBy: "lin.chen",
  at: "2026-11-02T09:31:00.000Z",
  labels: ["stable", "2.4"],
  environment: "production",
  namespace: "pay-env-production",
} as const;

/**
 * The SDKs that the pipeline of `commits.api` published to GitLab, mirrored to bkrepo under the same names:
 * versions 1.0.0 to 2.4.0, the newest from `commits.api`.
 */
export const sdk = {
  maven: { group: "com.acme.pay", artifact: "pay-sdk", gitlabName: "com/acme/pay/pay-sdk" },
  npm: { name: "@acme/pay-client" },
  /** Oldest first; 37 of them. */
  versions: [
    ...Array.from({ length: 12 }, (_, minor) => `1.${minor}.0`),
    ...["2.0.0-rc.1", "2.0.0-rc.2", "2.0.0"],
    ...Array.from({ length: 9 }, (_, patch) => `2.1.${patch}`),
    ...Array.from({ length: 10 }, (_, patch) => `2.2.${patch}`),
    ...["2.3.0", "2.3.1", "2.4.0"],
  ],
} as const;

/** Bytes of an SDK file; both repositories hold the same files of the same builds. Null for files that are not mirrored. */
export function sdkFileSize(file: string, version: string): number | null {
  const index = sdk.versions.indexOf(version);
  if (index < 0) return null;
  if (file === `pay-sdk-${version}.jar`) return 612_480 + index * 4211;
  if (file === `pay-sdk-${version}.pom`) return 2210;
  return file === `pay-client-${version}.tgz` ? 84_113 + index * 307 : null;
}

/** Milliseconds of an instant that is `days` before the release; the story's older rows are spread with it. */
export function before(days: number): number {
  return Date.parse(release.at) - days * 86_400_000;
}
