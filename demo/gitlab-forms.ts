import { registryHost } from "./gitlab-images.ts";
import type {
  GitlabCommit,
  GitlabFile,
  GitlabPackage,
  GitlabPipeline,
  GitlabProject,
  GitlabRepository,
  GitlabTag,
  GitlabUser,
} from "./gitlab-records.ts";

/** Which GitLab the demo is: what its rows hold, and which parameters and routes it knows. */
export type GitlabEra = "12" | "13" | "16" | "18";

/** How one server writes its answers. */
export interface GitlabStyle {
  readonly era: GitlabEra;
  /** The address the server believes it has, relative root included; it is in every link it writes. */
  readonly address: string;
  /** Path the whole installation lives under; empty for none. */
  readonly root: string;
  /** Hours east of Greenwich of the server's configured time zone. */
  readonly zone: number;
}

type Json = Record<string, unknown>;

/** ISO 8601 with milliseconds and the given offset, `Z` for none. */
export function stamp(at: number, zone: number): string {
  const local = new Date(at + zone * 3_600_000).toISOString();
  if (zone === 0) return local;
  const hours = String(Math.abs(zone)).padStart(2, "0");
  return `${local.slice(0, -1)}${zone < 0 ? "-" : "+"}${hours}:00`;
}

/** A package row as a list of this era writes it. */
export function packageForm(
  one: GitlabPackage,
  project: GitlabProject,
  style: GitlabStyle,
  scope: "project" | "group",
): Json {
  const { era } = style;
  const modern = era === "16" || era === "18";
  const isConan = one.type === "conan";
  // Before rows had a status, all of them had a page.
  const displayable = !modern || one.status === "default" || one.status === "deprecated";
  // 12.x left the links out of a project's list.
  const links = era === "12" && scope === "project" ? {} : { _links: linksOf(one, project, style, displayable) };
  return {
    id: one.id,
    name: isConan ? `${one.name}/${one.version}@${one.channel ?? "_/_"}` : one.name,
    ...(isConan && era !== "12" ? { conan_package_name: one.name } : {}),
    version: one.version,
    package_type: one.type,
    ...(modern ? { status: one.status } : {}),
    ...links,
    created_at: stamp(one.at, style.zone),
    ...(modern ? { last_downloaded_at: one.downloadedAt === null ? null : stamp(one.downloadedAt, style.zone) } : {}),
    ...(era === "18" ? { creator_id: 11 } : {}),
    ...(scope === "group" && era !== "12" ? { project_id: project.id, project_path: project.path } : {}),
    ...(modern
      ? {
          tags: one.tags.map((name, index) => ({
            id: one.id * 10 + index,
            package_id: one.id,
            name,
            created_at: stamp(one.at, style.zone),
            updated_at: stamp(one.at, style.zone),
            project_id: project.id,
          })),
        }
      : {}),
    ...pipelineForms(one, style),
    ...(era === "12" ? { versions: [] } : {}),
  };
}

function linksOf(one: GitlabPackage, project: GitlabProject, style: GitlabStyle, displayable: boolean): Json {
  const page = one.type === "terraform_module" ? "infrastructure_registry" : "packages";
  const api = `${style.address}/api/v4/projects/${project.id}/packages/${one.id}`;
  const path = `${style.root}/${project.path}/-/${page}/${one.id}`;
  return {
    ...(displayable ? { web_path: path } : {}),
    delete_api_path: style.era === "12" ? path : api,
  };
}

function pipelineForms(one: GitlabPackage, style: GitlabStyle): Json {
  const { era } = style;
  if (one.pipelines === "deleted") return era === "12" ? { build_info: { pipeline: null } } : { pipeline: null };
  const [newest] = one.pipelines;
  if (newest === undefined) return {};
  const form = pipelineForm(newest, style);
  if (era === "12") return { build_info: { pipeline: form } };
  const all = era === "13" ? one.pipelines.map((pipeline) => pipelineForm(pipeline, style)) : [];
  return { pipeline: form, pipelines: all };
}

/** A pipeline as it stands in package rows. */
export function pipelineForm(one: GitlabPipeline, style: GitlabStyle): Json {
  const { era, address, zone } = style;
  const dash = era === "12" ? "" : "/-";
  return {
    id: one.id,
    ...(era === "12" ? {} : { iid: one.iid, project_id: one.projectId }),
    status: one.status,
    ref: one.ref,
    sha: one.sha,
    ...(era === "12" ? {} : { source: "push" }),
    web_url: one.page ?? `${address}/${one.projectPath}${dash}/pipelines/${one.id}`,
    created_at: stamp(one.at, zone),
    updated_at: stamp(one.at + 241_084, zone),
    user: userForm(one.user, style),
  };
}

function userForm(user: GitlabUser, { era, address }: GitlabStyle): Json {
  const avatar = "https://www.gravatar.com/avatar/e64c7d89f26bd1972efa854d13d7dd61?s=80&d=identicon";
  if (era === "12") return { name: user.name, avatar_url: avatar };
  return {
    id: user.id,
    username: user.username,
    name: user.name,
    state: "active",
    avatar_url: avatar,
    web_url: `${address}/${user.username}`,
    ...(era === "18" ? { locked: false, public_email: `${user.username}@acme.example.com` } : {}),
  };
}

/** What a single package tells of its siblings. */
export function siblingForm(one: GitlabPackage, style: GitlabStyle): Json {
  return {
    id: one.id,
    version: one.version,
    created_at: stamp(one.at, style.zone),
    tags: [],
    ...pipelineForms(one, style),
  };
}

/** A file of a package. */
export function fileForm(one: GitlabFile, owner: GitlabPackage, style: GitlabStyle): Json {
  return {
    id: one.id,
    package_id: owner.id,
    created_at: stamp(one.at, style.zone),
    file_name: one.name,
    size: one.size,
    file_md5: one.md5,
    file_sha1: one.sha1,
    ...(style.era === "12" || style.era === "13" ? {} : { file_sha256: one.sha256 }),
  };
}

/** A project, with the sort of secret that maintainers see. */
export function projectForm(one: GitlabProject, style: GitlabStyle): Json {
  const name = one.path.slice(one.path.lastIndexOf("/") + 1);
  return {
    id: one.id,
    name,
    path: name,
    path_with_namespace: one.path,
    default_branch: "main",
    visibility: one.visibility,
    web_url: `${style.address}/${one.path}`,
    http_url_to_repo: `${style.address}/${one.path}.git`,
    runners_token: "GR1348941demo-runners-token",
  };
}

/** A commit; its dates carry the author's own offset. */
export function commitForm(one: GitlabCommit, project: GitlabProject, style: GitlabStyle): Json {
  const [title = ""] = one.message.split("\n");
  const email = `${one.author.toLowerCase().replaceAll(" ", ".")}@acme.example.com`;
  const date = stamp(one.at, one.zone);
  const dash = style.era === "12" ? "" : "/-";
  return {
    id: one.sha,
    short_id: one.sha.slice(0, 8),
    created_at: date,
    parent_ids: [],
    title,
    message: one.message,
    author_name: one.author,
    author_email: email,
    authored_date: date,
    committer_name: one.author,
    committer_email: email,
    committed_date: date,
    trailers: {},
    web_url: `${style.address}/${project.path}${dash}/commit/${one.sha}`,
    status: "success",
    project_id: project.id,
    last_pipeline: null,
  };
}

/** The merge request that brought a commit. */
export function mergeRequestForm(one: GitlabCommit, iid: number, project: GitlabProject, style: GitlabStyle): Json {
  return {
    id: 500_000 + project.id * 1000 + iid,
    iid,
    project_id: project.id,
    source_project_id: project.id,
    title: one.message.split("\n")[0],
    state: "merged",
    merged_at: stamp(one.at, style.zone),
    target_branch: "main",
    sha: one.sha,
    web_url: `${style.address}/${project.path}/-/merge_requests/${iid}`,
  };
}

/** A container repository. */
export function repositoryForm(one: GitlabRepository, project: GitlabProject, style: GitlabStyle): Json {
  const path = repositoryPath(one, project);
  return {
    id: one.id,
    name: one.name,
    path,
    project_id: project.id,
    location: `${registryHost}/${path}`,
    created_at: stamp(one.at, style.zone),
    cleanup_policy_started_at: null,
    status: null,
  };
}

/** A tag as lists name it. */
export function tagForm(one: GitlabTag, repository: GitlabRepository, project: GitlabProject): Json {
  const path = `${repositoryPath(repository, project)}:${one.name}`;
  return { name: one.name, path, location: `${registryHost}/${path}` };
}

/** A tag with what only the registry itself knows. */
export function tagDetailForm(one: GitlabTag, repository: GitlabRepository, project: GitlabProject): Json {
  return {
    ...tagForm(one, repository, project),
    revision: one.revision,
    short_revision: one.revision.slice(0, 9),
    digest: one.digest,
    created_at: one.at === null ? null : stamp(one.at, 0).replace("Z", "+00:00"),
    total_size: one.size,
  };
}

/** Lower-cased, whatever the project's path is. */
function repositoryPath(one: GitlabRepository, project: GitlabProject): string {
  return (one.name === "" ? project.path : `${project.path}/${one.name}`).toLowerCase();
}
