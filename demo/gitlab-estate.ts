import { documented } from "./gitlab-documented.ts";
import { playerRepositories, toolRepositories, webRepositories } from "./gitlab-images.ts";
import {
  type GitlabCommit,
  type GitlabFile,
  type GitlabPackage,
  type GitlabPipeline,
  type GitlabProject,
  type GitlabUser,
  project,
} from "./gitlab-records.ts";
import { before, checksum, commits, projects, type StoryCommit, sdk, sdkFileSize } from "./story.ts";

const people = {
  "lin.chen": { id: 11, username: "lin.chen", name: "Lin Chen" },
  "mara.ortiz": { id: 12, username: "mara.ortiz", name: "Mara Ortiz" },
  "jonas.weber": { id: 13, username: "jonas.weber", name: "Jonas Weber" },
  "release-bot": { id: 90, username: "release-bot", name: "Release Bot" },
} as const satisfies Record<string, GitlabUser>;

const day = 86_400_000;

/** Everything the demo's GitLab holds; each server has its own copy, because packages can be deleted. */
export function gitlabEstate(): GitlabProject[] {
  const api = project(projects.api, { formerPaths: ["pay/gateway-api"] });
  const web = project(projects.web, { repositories: webRepositories() });
  const worker = project(projects.worker);
  const plugin = project({ id: 48, path: "pay/platform/plugins" });
  const tools = project(projects.tools, { repositories: toolRepositories() });
  const vault = project({ id: 90, path: "vault/keys" }, { member: false });
  // An old name: upper case, and a dot in front of its last part.
  const player = project({ id: 61, path: "Media/.Player-UI" }, { repositories: playerRepositories() });
  const shelf = createShelf(4100);

  fillApi(api, shelf);
  fillWeb(web, shelf);
  fillWorker(worker, shelf);
  shelf.put(plugin, {
    type: "npm",
    name: "@acme/pay-gateway-plugin",
    version: "0.9.2",
    at: before(31),
    tags: ["latest"],
  });
  fillTools(tools, shelf);
  shelf.put(vault, { type: "generic", name: "root-keys", version: "1", at: before(400) });
  shelf.number();
  const late = createShelf(5100);
  late.put(player, { type: "pypi", name: "Stream_Tools", version: "1.0", at: before(9) });
  late.put(player, { type: "npm", name: "@Media/Player", version: "3.2.0", at: before(8), tags: ["latest"] });
  late.number();
  return [documented(), api, web, worker, plugin, tools, vault, player];
}

type Draft = Pick<GitlabPackage, "type" | "name" | "version" | "at"> &
  Partial<Omit<GitlabPackage, "id" | "files">> & {
    readonly files?: readonly (Pick<GitlabFile, "name"> & Partial<GitlabFile>)[];
  };

interface Shelf {
  readonly put: (into: GitlabProject, draft: Draft) => void;
  /** Gives numbers in order of publication, as one instance-wide sequence does. */
  readonly number: () => void;
}

function createShelf(firstId: number): Shelf {
  const drafts: { into: GitlabProject; draft: Draft }[] = [];
  return {
    put: (into, draft) => {
      drafts.push({ into, draft });
    },
    number: () => {
      drafts.sort((left, right) => left.draft.at - right.draft.at);
      drafts.forEach(({ into, draft }, index) => {
        const id = firstId + index;
        into.packages.push({
          channel: null,
          status: "default",
          downloadedAt: null,
          tags: [],
          pipelines: [],
          ...draft,
          id,
          files: (draft.files ?? defaultFiles(draft)).map((file, place) => ({
            id: 70_000 + id * 12 + place,
            ...bytesOf(file.name, draft, into.path, 18_000 + ((id * 7919 + place * 104_729) % 900_000)),
            at: draft.at + place * 1300,
            ...file,
          })),
        });
      });
    },
  };
}

/** The SDKs are mirrored: the same bytes as in bkrepo. Every other file is its own. */
function bytesOf(file: string, { type, name, version }: Draft, path: string, otherwise: number) {
  const isSdk = name === sdk.maven.gitlabName || name === sdk.npm.name;
  const size = isSdk ? sdkFileSize(file, version ?? "") : null;
  return size === null
    ? { size: otherwise, ...sums(`${path} ${type} ${name} ${version} ${file}`) }
    : { size, ...sums(file) };
}

function sums(what: string): Pick<GitlabFile, "sha256" | "sha1" | "md5"> {
  return { sha256: checksum("sha256", what), sha1: checksum("sha1", what), md5: checksum("md5", what) };
}

function defaultFiles({ type, name, version }: Draft): { readonly name: string }[] {
  const last = name.slice(name.lastIndexOf("/") + 1);
  switch (type) {
    case "maven":
      return [`${last}-${version}.jar`, `${last}-${version}-sources.jar`, `${last}-${version}.pom`].map((file) => ({
        name: file,
      }));
    case "npm":
      return [{ name: `${last}-${version}.tgz` }];
    case "pypi":
      return [
        { name: `${name.replaceAll("-", "_")}-${version}-py3-none-any.whl` },
        { name: `${name}-${version}.tar.gz` },
      ];
    case "helm":
      return [{ name: `${name}-${version}.tgz` }];
    case "nuget":
      return [{ name: `${name.toLowerCase()}.${version}.nupkg` }];
    case "conan":
      return [{ name: "conanfile.py" }, { name: "conanmanifest.txt" }, { name: "conan_package.tgz" }];
    case "terraform_module":
      return [{ name: `${name.replaceAll("/", "-")}-${version}.tgz` }];
    default:
      return [{ name: `${last}-${version}.tar.gz` }];
  }
}

function storyPipeline({ project: key, sha, branch, pipeline }: StoryCommit): GitlabPipeline {
  const { id, path } = projects[key];
  const user = Object.values(people).find(({ username }) => username === pipeline.user) ?? people["release-bot"];
  return {
    id: pipeline.id,
    iid: pipeline.iid,
    projectId: id,
    projectPath: path,
    sha,
    ref: branch,
    status: "success",
    at: Date.parse(pipeline.at),
    user,
  };
}

function keep(into: GitlabProject, commit: GitlabCommit): void {
  into.commits.set(commit.sha, commit);
}

function storyCommit(into: GitlabProject, { sha, message, author, at, mergeRequest }: StoryCommit): void {
  keep(into, { sha, message, author, at: Date.parse(at), zone: author === "Lin Chen" ? 8 : 1, mergeRequest });
}

/** An earlier pipeline of a project, with its commit. */
function earlier(into: GitlabProject, what: string, at: number, ref: string, user: GitlabUser): GitlabPipeline {
  const sha = checksum("sha1", `${into.path} ${what}`);
  const days = Math.round((before(0) - at) / day);
  keep(into, {
    sha,
    message: `Release ${what}\n\nSigned-off-by: ${user.name}`,
    author: user.name,
    at: at - 900_000,
    zone: user.username === "lin.chen" ? 8 : 1,
    mergeRequest: Math.max(1, 310 - days),
  });
  return {
    id: 2_690_000_000 - days * 1171 - into.id,
    iid: Math.max(1, 1480 - days * 2),
    projectId: into.id,
    projectPath: into.path,
    sha,
    ref,
    status: "success",
    at: at - 600_000,
    user,
  };
}

function fillApi(api: GitlabProject, shelf: Shelf): void {
  storyCommit(api, commits.api);
  const newest = storyPipeline(commits.api);
  const count = sdk.versions.length;
  sdk.versions.forEach((version, index) => {
    const isNewest = index === count - 1;
    const at = isNewest ? newest.at + 271_000 : before((count - 1 - index) * 11 + 4);
    const built = isNewest ? newest : earlier(api, `v${version}`, at, `v${version}`, people["lin.chen"]);
    // 1.0.0 was uploaded by hand, and the pipeline of 1.3.0 was cleaned up long ago.
    const pipelines = version === "1.0.0" ? [] : version === "1.3.0" ? ("deleted" as const) : [built];
    const downloadedAt = index > 20 ? at + day : null;
    shelf.put(api, { type: "maven", name: sdk.maven.gitlabName, version, at, pipelines, downloadedAt });
    shelf.put(api, {
      type: "npm",
      name: sdk.npm.name,
      version,
      at: at + 42_000,
      pipelines,
      downloadedAt,
      tags: isNewest ? ["latest"] : version === "2.0.0-rc.2" ? ["next"] : [],
    });
  });
  // Names that a fuzzy search for the SDKs finds as well.
  for (const version of ["2.3.0", "2.4.0"]) {
    const pipelines = version === "2.4.0" ? [newest] : [];
    const at = version === "2.4.0" ? newest.at + 290_000 : before(26);
    shelf.put(api, { type: "maven", name: `${sdk.maven.gitlabName}-extras`, version, at, pipelines });
    shelf.put(api, { type: "npm", name: `${sdk.npm.name}-mock`, version, at: at + 9_000, pipelines });
  }
  shelf.put(api, { type: "helm", name: "pay-api", version: "2.4.0", at: newest.at + 310_000, pipelines: [newest] });
  // Deleted and published again under the same version: two rows, of which one only waits for its removal.
  shelf.put(api, { type: "helm", name: "pay-api", version: "2.3.1", at: before(16), status: "pending_destruction" });
  shelf.put(api, { type: "helm", name: "pay-api", version: "2.3.1", at: before(15) });
  fillCommandLine(api, shelf, newest);
  shelf.put(api, {
    type: "nuget",
    name: "Acme.Pay.Client",
    version: "2.3.0",
    at: before(24),
    tags: ["payments", "refunds", "sdk"],
  });
  shelf.put(api, {
    type: "nuget",
    name: "Acme.Pay.Client",
    version: "2.4.0",
    at: newest.at + 330_000,
    status: "error",
  });
}

function fillCommandLine(api: GitlabProject, shelf: Shelf, newest: GitlabPipeline): void {
  const files = ["linux%2Famd64%2Fpay-cli", "linux%2Farm64%2Fpay-cli", "darwin%2Farm64%2Fpay-cli", "SHA256SUMS"];
  for (let night = 60; night >= 1; night--) {
    const at = before(night) - 7 * 3_600_000;
    const stamp = new Date(at).toISOString().slice(0, 10).replaceAll("-", "");
    const pipelines = [earlier(api, `nightly ${stamp}`, at, "main", people["release-bot"])];
    shelf.put(api, {
      type: "generic",
      name: "pay-cli",
      version: `2.4.0-nightly.${stamp}`,
      at,
      pipelines,
      files: files.map((name) => ({ name })),
    });
  }
  // One version that every night's pipeline pushes into again: its pipelines need several pages.
  const nights = Array.from({ length: 45 }, (_, index) =>
    earlier(api, `edge ${index + 1}`, before(index + 1) - 5 * 3_600_000, "main", people["release-bot"]),
  );
  shelf.put(api, { type: "generic", name: "pay-cli", version: "edge", at: before(46), pipelines: nights });
  shelf.put(api, {
    type: "generic",
    name: "pay-cli",
    version: "2.4.0",
    at: newest.at + 350_000,
    pipelines: [newest],
    files: [
      ...files.map((name) => ({ name })),
      // Uploaded twice; clients are served the newer one. And a file past 2^31 bytes.
      { name: "SHA256SUMS", at: newest.at + 380_000 },
      { name: "debug-symbols.tar.zst", size: 3_489_660_928, md5: null },
    ],
  });
}

function fillWeb(web: GitlabProject, shelf: Shelf): void {
  storyCommit(web, commits.web);
  const newest = storyPipeline(commits.web);
  ["2.2.0", "2.3.0", "2.3.1"].forEach((version, index) => {
    const at = before(60 - index * 18);
    const pipelines = [earlier(web, `v${version}`, at, `v${version}`, people["mara.ortiz"])];
    shelf.put(web, { type: "npm", name: "@acme/pay-ui", version, at, pipelines });
  });
  shelf.put(web, {
    type: "npm",
    name: "@acme/pay-ui",
    version: "2.4.0",
    at: newest.at + 402_000,
    pipelines: [newest],
    tags: ["latest"],
  });
}

function fillWorker(worker: GitlabProject, shelf: Shelf): void {
  storyCommit(worker, commits.worker);
  const newest = storyPipeline(commits.worker);
  ["2.1.0", "2.2.0", "2.3.0"].forEach((version, index) => {
    const at = before(90 - index * 25);
    const pipelines = [earlier(worker, `v${version}`, at, `v${version}`, people["jonas.weber"])];
    shelf.put(worker, { type: "pypi", name: "pay-settlement", version, at, pipelines });
  });
  shelf.put(worker, {
    type: "pypi",
    name: "pay-settlement",
    version: "2.4.0",
    at: newest.at + 198_000,
    pipelines: [newest],
  });
}

const toolAreas = [
  "ledger",
  "refund",
  "invoice",
  "payout",
  "dispute",
  "risk",
  "fx",
  "tax",
  "card",
  "iban",
  "audit",
  "report",
];
const toolTasks = ["export", "import", "lint", "replay", "check", "diff", "seed", "trim", "watch", "stats", "probe"];

function fillTools(tools: GitlabProject, shelf: Shelf): void {
  toolAreas.forEach((area, row) => {
    toolTasks.forEach((task, column) => {
      const at = before(30 + row * 9 + column * 3) - column * 3_600_000;
      const type = column % 3 === 0 ? "pypi" : "generic";
      shelf.put(tools, { type, name: `${area}-${task}`, version: `1.${column}.${row}`, at });
    });
  });
  // One name as two types: two packages.
  shelf.put(tools, { type: "npm", name: "audit-watch", version: "3.0.0", at: before(12) });
  ["0.8.0", "0.9.0", "1.0.0"].forEach((version, index) => {
    const at = before(120 - index * 40);
    shelf.put(tools, { type: "terraform_module", name: "vpc/aws", version, at });
    shelf.put(tools, { type: "terraform_module", name: "registry-mirror/huaweicloud", version, at: at + 60_000 });
  });
  for (const [channel, days] of [
    ["stable", 50],
    ["testing", 49],
  ] as const) {
    const at = before(days);
    shelf.put(tools, { type: "conan", name: "zlib-pay", version: "1.2.13", channel: `infra+tools/${channel}`, at });
  }
  shelf.put(tools, { type: "composer", name: "acme/coding-standard", version: "dev-main", at: before(44) });
  shelf.put(tools, { type: "golang", name: "gitlab.example.com/infra/tools/retry", version: "v1.4.2", at: before(71) });
  shelf.put(tools, { type: "debian", name: "pay-agent", version: "1:2.3+build7", at: before(33) });
  shelf.put(tools, { type: "generic", name: "scratch", version: "1", at: before(20), status: "hidden" });
}
