/** A person as GitLab shows them beside a pipeline. */
export interface GitlabUser {
  readonly id: number;
  readonly username: string;
  readonly name: string;
}

/** A pipeline that published something. */
export interface GitlabPipeline {
  readonly id: number;
  readonly iid: number;
  readonly projectId: number;
  readonly projectPath: string;
  readonly sha: string;
  readonly ref: string;
  readonly status: string;
  /** Milliseconds. */
  readonly at: number;
  readonly user: GitlabUser;
  /** Its page, where it is not under the demo's own address. */
  readonly page?: string;
}

export interface GitlabFile {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  readonly sha256: string | null;
  readonly sha1: string | null;
  readonly md5: string | null;
  readonly at: number;
}

/** One row of GitLab's package table: one version. */
export interface GitlabPackage {
  readonly id: number;
  /** As the table has it; Conan's recipe is put together from it. */
  readonly name: string;
  /** Conan's `user/channel`. */
  readonly channel: string | null;
  readonly version: string | null;
  readonly type: string;
  status: string;
  readonly at: number;
  readonly downloadedAt: number | null;
  readonly tags: readonly string[];
  /** Newest first; `deleted` when a build was recorded and its pipeline is gone. */
  readonly pipelines: readonly GitlabPipeline[] | "deleted";
  readonly files: readonly GitlabFile[];
}

export interface GitlabTag {
  readonly name: string;
  readonly digest: string | null;
  /** Config digest, bare; empty for an index. */
  readonly revision: string;
  readonly size: number;
  readonly at: number | null;
  /** What its details answer instead, on registries without the metadata database: 404 before 19.0.2, 500 since. */
  readonly refused?: 404 | 500;
}

export interface GitlabRepository {
  readonly id: number;
  /** Empty for the image that carries the project's own path. */
  readonly name: string;
  readonly at: number;
  readonly tags: readonly GitlabTag[];
}

export interface GitlabCommit {
  readonly sha: string;
  readonly message: string;
  readonly author: string;
  readonly at: number;
  /** Hours east of Greenwich on the author's machine. */
  readonly zone: number;
  readonly mergeRequest: number | null;
}

export interface GitlabProject {
  readonly id: number;
  readonly path: string;
  readonly visibility: "public" | "private";
  /** Whether the demo's credentials belong to a member. */
  readonly member: boolean;
  readonly formerPaths: readonly string[];
  readonly packages: GitlabPackage[];
  readonly repositories: readonly GitlabRepository[];
  readonly commits: Map<string, GitlabCommit>;
}

/** A project with nothing in it but what is given. */
export function project(
  { id, path }: { readonly id: number; readonly path: string },
  rest: Partial<GitlabProject> = {},
): GitlabProject {
  return {
    id,
    path,
    visibility: "private",
    member: true,
    formerPaths: [],
    packages: [],
    repositories: [],
    commits: new Map(),
    ...rest,
  };
}
