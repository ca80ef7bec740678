import {
  before,
  bkrepoReference,
  checksum,
  codeHost,
  commits,
  earlierBuild,
  hosts,
  images,
  places,
  projects,
  release,
  type StoryCommit,
  type StoryImage,
  sdk,
  swrReference,
} from "./story.ts";

/** What Zadig knows of a source revision, whichever shape prints it. */
export interface EstateCommit {
  readonly owner: string;
  readonly name: string;
  readonly branch: string;
  readonly sha: string;
  readonly message: string;
  readonly author: string;
  readonly pr: number;
}

/** One service of a release: what was built, what was deployed, where it was copied to. Times are unix seconds. */
export interface EstateService {
  readonly name: string;
  readonly container: string;
  /** The image as it was built in this release's task; null where an older one was deployed again. */
  readonly built: string | null;
  readonly deployed: string;
  /** The copy, null for none. */
  readonly distributed: string | null;
  readonly digest: string;
  readonly size: number;
  /** Multi-arch: Zadig could read neither size nor digest of it. */
  readonly multiArch: boolean;
  /** Whether the release itself remembers the image's facts. */
  readonly remembered: boolean;
  readonly commit: EstateCommit | null;
  readonly chart: { readonly name: string; readonly version: string } | null;
  readonly startedAt: number;
  readonly finishedAt: number;
}

export interface EstateTest {
  readonly name: string;
  readonly tests: number;
  readonly failures: number;
  readonly skips: number;
  readonly seconds: number;
}

export interface EstateScan {
  readonly image: string;
  readonly imageId: string;
  readonly total: number;
  readonly negligible: number;
  readonly low: number;
  readonly medium: number;
  readonly high: number;
  readonly critical: number;
}

/** A release before any shape of Zadig prints it. */
export interface EstateRelease {
  readonly id: string;
  readonly version: string;
  readonly project: string;
  readonly workflow: string;
  readonly taskId: number;
  readonly type: "" | "K8SYaml" | "HelmChart";
  readonly status: string;
  readonly description: string;
  readonly labels: readonly string[];
  readonly createdBy: string;
  readonly at: number;
  readonly environment: { readonly name: string; readonly namespace: string; readonly production: boolean };
  readonly services: readonly EstateService[];
  readonly tests: readonly EstateTest[];
  readonly scans: readonly EstateScan[];
  /** A file that was uploaded with it. */
  readonly file: string | null;
}

/** An artifact before Zadig prints it. */
export interface EstateArtifact {
  readonly id: string;
  readonly name: string;
  readonly type: "image" | "file";
  readonly image: string;
  readonly digest: string;
  readonly size: number;
  readonly multiArch: boolean;
  readonly createdBy: string;
  readonly at: number;
  readonly runs: readonly {
    readonly type: string;
    readonly url: string;
    readonly commit: EstateCommit | null;
    readonly startedAt: number;
    readonly finishedAt: number;
  }[];
}

const seconds = (millis: number) => Math.floor(millis / 1000);
const id = (what: string) => checksum("sha256", what).slice(0, 24);
const people = ["lin.chen", "mara.ortiz", "jonas.weber", "timer", "priya.nair"] as const;
const person = (index: number) => people[index % people.length] ?? "lin.chen";

const stampOf = (millis: number) => new Date(millis).toISOString().replace(/\D/g, "").slice(0, 14);

const storyCommit = (commit: StoryCommit): EstateCommit => ({
  owner: "pay",
  name: projects[commit.project].path.slice("pay/".length),
  branch: commit.branch,
  sha: commit.sha,
  message: commit.message,
  author: commit.author,
  pr: commit.mergeRequest,
});

const subjects = [
  "Round settlement amounts half to even",
  "Log the reason of a declined refund",
  "Read the fee table once a day",
  "Drop the unused webhook retries",
  "Accept ledgers without a closing line",
  "Speed up the search for open orders",
  "Show the right currency in receipts",
] as const;

const olderCommit = (owner: string, name: string, index: number): EstateCommit => ({
  owner,
  name,
  branch: index % 7 === 3 ? "release" : "main",
  sha: checksum("sha1", `commit ${owner}/${name} ${index}`),
  message: subjects[index % subjects.length] ?? "Tidy up",
  author: ["Lin Chen", "Mara Ortiz", "Jonas Weber"][index % 3] ?? "Lin Chen",
  pr: 300 - index,
});

function storyService(image: StoryImage, commit: StoryCommit | null): EstateService {
  const built = seconds(Date.parse(image.builtAt));
  return {
    name: image.service,
    container: image.service,
    built: commit ? swrReference(image) : null,
    deployed: swrReference(image),
    distributed: commit ? bkrepoReference(image) : null,
    digest: image.digest,
    size: image.size,
    multiArch: image.multiArch,
    remembered: image.service === "api",
    commit: commit && storyCommit(commit),
    chart: null,
    startedAt: built - 210,
    finishedAt: built,
  };
}

function scan(image: StoryImage, [total, negligible, low, medium, high, critical]: readonly number[]): EstateScan {
  return {
    image: swrReference(image),
    imageId: image.digest.slice("sha256:".length),
    total: total ?? 0,
    negligible: negligible ?? 0,
    low: low ?? 0,
    medium: medium ?? 0,
    high: high ?? 0,
    critical: critical ?? 0,
  };
}

/** The command line tool that release v2.4.0 uploads. */
export const cliFile = "pay-cli-2.4.0-linux-amd64.tar.gz";

const storyRelease: EstateRelease = {
  id: release.id,
  version: release.version,
  project: places.zadigProject,
  workflow: places.zadigWorkflow,
  taskId: release.taskId,
  type: "",
  status: "",
  description: "Refunds in the currency of the order; settlement files may arrive late.",
  labels: release.labels,
  createdBy: release.createdBy,
  at: seconds(Date.parse(release.at)),
  environment: { name: release.environment, namespace: release.namespace, production: true },
  services: [
    storyService(images.api, commits.api),
    storyService(images.web, commits.web),
    storyService(images.worker, commits.worker),
    storyService(images.legacy, null),
  ],
  tests: [
    { name: "api-contract", tests: 412, failures: 0, skips: 6, seconds: 96.418 },
    { name: "checkout-end-to-end", tests: 58, failures: 2, skips: 1, seconds: 641.02 },
  ],
  scans: [
    scan(images.api, [37, 12, 9, 8, 4, 1]),
    scan(images.web, [11, 6, 4, 1, 0, 0]),
    scan(images.worker, [29, 11, 7, 6, 2, 0]),
    scan(images.legacy, [184, 40, 51, 58, 27, 8]),
  ],
  file: cliFile,
};

/** Oldest line first: 48 versions of pay before v2.4.0. */
const payVersions = [
  ...Array.from({ length: 8 }, (_, patch) => `v1.9.${patch}`),
  ...["v2.0", "v2.1", "v2.2", "v2.3"].flatMap((line) => Array.from({ length: 10 }, (_, patch) => `${line}.${patch}`)),
].reverse();

/** Builds of pay before the release: tags, digests and times as the copies in bkrepo have them. */
function olderPay(version: string, index: number): EstateRelease {
  const services = (["api", "web", "worker"] as const).map((service): EstateService => {
    const { tag, digest, at, size } = earlierBuild(service, index);
    return {
      name: service,
      container: service,
      built: `${hosts.swr}/${places.swrNamespace}/${service}:${tag}`,
      deployed: `${hosts.swr}/${places.swrNamespace}/${service}:${tag}`,
      distributed: `${hosts.bkrepo}/${places.bkrepoProject}/${places.bkrepoDocker}/${service}:${tag}`,
      digest,
      size,
      multiArch: false,
      remembered: false,
      commit: olderCommit("pay", service, index),
      chart: null,
      startedAt: seconds(at) - 190,
      finishedAt: seconds(at),
    };
  });
  const line = version.slice(1, version.lastIndexOf("."));
  return {
    ...storyRelease,
    id: id(`release pay ${version}`),
    version,
    taskId: 116 - index,
    description: subjects[index % subjects.length] ?? "",
    labels: index % 6 === 5 ? ["hotfix", line] : index === 7 ? ["rollout 50%+1", line] : ["stable", line],
    createdBy: person(index),
    at: seconds(before(3 + index * 2)) + 1800,
    services,
    tests: [{ name: "api-contract", tests: 400 - index, failures: index % 4, skips: 5, seconds: 90 + index / 2 }],
    scans: [],
    file: null,
  };
}

interface Standalone {
  readonly project: string;
  readonly type: "K8SYaml" | "HelmChart";
  readonly service: string;
  readonly count: number;
  readonly every: number;
  readonly version: (index: number) => string;
}

/** Versions made by hand, without a workflow: what 2.2 and later mostly hold. `index` counts back from the newest. */
function standalone({ project, type, service, version, every }: Standalone, index: number): EstateRelease {
  const at = before(1 + index * every) - 7_200_000;
  const name = version(index);
  const tag = `${stampOf(at)}-${400 - index}-main`;
  const reference = `${hosts.swr}/${project}/${service}:${tag}`;
  return {
    ...storyRelease,
    id: id(`release ${project} ${name}`),
    version: name,
    project,
    workflow: `zadig-delivery-${project}`,
    taskId: index + 1,
    type,
    status: index === 4 ? "failed" : index === 0 ? "creating" : "success",
    description: index % 5 === 0 ? "" : (subjects[(index + 2) % subjects.length] ?? ""),
    labels: index % 3 === 0 ? ["weekly"] : [],
    createdBy: person(index + 1),
    at: seconds(at) + 900,
    environment: {
      name: index % 2 === 0 ? "staging" : "production",
      namespace: `${project}-env`,
      production: index % 2 === 1,
    },
    services: [
      {
        name: service,
        container: `${service}-server`,
        built: reference,
        deployed: reference,
        distributed:
          type === "HelmChart"
            ? `${hosts.bkrepo}/${places.bkrepoProject}/${places.bkrepoDocker}/${service}:${tag}`
            : null,
        digest: `sha256:${checksum("sha256", `manifest ${project} ${tag}`)}`,
        size: 31_000_000 + index * 17_011,
        multiArch: false,
        remembered: false,
        commit: olderCommit(project, service, index),
        chart: type === "HelmChart" ? { name: service, version: name.replace(/^v/, "") } : null,
        startedAt: seconds(at) - 150,
        finishedAt: seconds(at),
      },
    ],
    tests: [],
    scans: [],
    file: null,
  };
}

const standalones: readonly Standalone[] = [
  {
    project: "storefront",
    type: "K8SYaml",
    service: "shop",
    count: 45,
    every: 4,
    version: (index) => `2026.${44 - index}`,
  },
  {
    project: "ledger",
    type: "HelmChart",
    service: "ledger-core",
    count: 41,
    every: 5,
    version: (index) => `v0.${41 - index}.0`,
  },
];

/** Every release but those of the vendor's documents, newest first. */
export const estateReleases: readonly EstateRelease[] = [
  storyRelease,
  ...payVersions.map(olderPay),
  ...standalones.flatMap((one) => Array.from({ length: one.count }, (_, index) => standalone(one, index))),
].sort((a, b) => b.at - a.at);

/** The image of which Zadig counted the layers alone: the registries count the manifest and the configuration with them. */
export const layersAlone = {
  image: `${hosts.swr}/${places.swrNamespace}/web:${earlierBuild("web", 0).tag}`,
  size: earlierBuild("web", 0).size,
  less: 9_347,
} as const;

const runOf = ({ project, workflow, taskId }: EstateRelease) =>
  `/v1/projects/detail/${project}/pipelines/${workflow.startsWith("zadig-delivery") ? "custom" : "multi"}/${workflow}/${taskId}`;

function builtArtifacts(of: EstateRelease): EstateArtifact[] {
  return of.services.flatMap((service) => {
    if (service.built === null) return [];
    return [
      {
        id: id(`artifact ${service.built}`),
        name: service.name,
        type: "image",
        image: service.built,
        digest: service.digest,
        size: service.size - (service.built === layersAlone.image ? layersAlone.less : 0),
        multiArch: service.multiArch,
        createdBy: of.createdBy,
        at: service.finishedAt + 4,
        runs: [
          {
            type: "build",
            url: `${runOf(of)}?display_name=${encodeURIComponent(`${of.project} release`)}`,
            commit: service.commit,
            startedAt: service.startedAt,
            finishedAt: service.finishedAt,
          },
        ],
      },
    ];
  });
}

/** The older pay image whose tag was built twice: two records, one reference, two digests. */
export const rebuilt = {
  image: payServiceImage(3),
  /** Of the build that the release was made of. */
  first: payServiceDigest(3),
  /** Of the later build of the same tag. */
  second: `sha256:${checksum("sha256", "manifest api, built again")}`,
} as const;

function payServiceImage(index: number): string {
  return olderPay("v0.0.0", index).services[0]?.deployed ?? "";
}

function payServiceDigest(index: number): string {
  return olderPay("v0.0.0", index).services[0]?.digest ?? "";
}

function rebuiltArtifact(): EstateArtifact[] {
  const first = estateReleases.flatMap(builtArtifacts).find(({ image }) => image === rebuilt.image);
  if (!first) return [];
  const run = first.runs[0];
  return [
    {
      ...first,
      id: id("artifact built again"),
      digest: rebuilt.second,
      at: first.at + 86_400,
      runs: run ? [{ ...run, startedAt: run.startedAt + 86_400, finishedAt: run.finishedAt + 86_400 }] : [],
    },
  ];
}

const legacyArtifact: EstateArtifact = {
  id: id("artifact legacy"),
  name: "legacy",
  type: "image",
  image: swrReference(images.legacy),
  digest: images.legacy.digest,
  size: images.legacy.size,
  multiArch: false,
  createdBy: "mara.ortiz",
  at: seconds(Date.parse(images.legacy.builtAt)) + 4,
  runs: [
    {
      type: "build",
      url: "/v1/projects/detail/pay/pipelines/multi/pay-release/12",
      commit: olderCommit("pay", "legacy", 290),
      startedAt: seconds(Date.parse(images.legacy.builtAt)) - 180,
      finishedAt: seconds(Date.parse(images.legacy.builtAt)),
    },
  ],
};

const cliArtifact: EstateArtifact = {
  id: id("artifact cli"),
  name: "pay-cli_pay-cli",
  type: "file",
  image: cliFile,
  digest: "",
  size: 0,
  multiArch: false,
  createdBy: release.createdBy,
  at: seconds(Date.parse(release.at)) - 300,
  runs: [
    {
      type: "build",
      url: `/v1/projects/detail/pay/pipelines/multi/pay-release/${release.taskId}`,
      commit: storyCommit(commits.api),
      startedAt: seconds(Date.parse(release.at)) - 700,
      finishedAt: seconds(Date.parse(release.at)) - 320,
    },
  ],
};

/** What a deployment tool outside Zadig posted about the story's api image. */
const postedRun = {
  type: "publish",
  url: "https://deployer:demo-secret-run-password@deploy.acme.example/jobs/8812?token=demo-secret-run-token",
  commit: null,
  startedAt: seconds(Date.parse(release.at)) + 60,
  finishedAt: seconds(Date.parse(release.at)) + 95,
};

/** Every artifact but that of the vendor's document, newest first. */
export const estateArtifacts: readonly EstateArtifact[] = [
  ...estateReleases
    .flatMap(builtArtifacts)
    .map((one) => (one.image === swrReference(images.api) ? { ...one, runs: [postedRun, ...one.runs] } : one)),
  ...rebuiltArtifact(),
  legacyArtifact,
  cliArtifact,
].sort((a, b) => b.at - a.at);

/** Address of the code host as Zadig stores it for one of the repositories: with a working login in it. */
export function hostOf({ name }: EstateCommit): string {
  return name === "worker" ? codeHost.replace("//", "//oauth2:demo-secret-address-login@") : codeHost;
}

/** The newest SDK version, named in the release's variables. */
export const sdkVersion = sdk.versions.at(-1) ?? "";
