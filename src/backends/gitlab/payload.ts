import { z } from "zod";

// Numbers of records are past 2^31 on any large GitLab, and JSON numbers are exact up to 2^53.
const id = z.int();
const text = z.string().nullish();

const user = z.object({ username: text, name: text });

/** A pipeline as it stands inside a package row or in the list of a package's pipelines. */
export const pipelineRow = z.object({
  id,
  project_id: id.nullish(),
  sha: text,
  ref: text,
  status: text,
  web_url: text,
  created_at: text,
  user: user.nullish(),
});
export type PipelineRow = z.output<typeof pipelineRow>;

/**
 * A GitLab "package": one version. Nearly every key is missing from some server: 12.x and 13.x send few of them, a
 * row in status `error` has no link, a row without a build has no pipeline.
 */
export const packageRow = z.object({
  id,
  name: z.string(),
  package_type: z.string().min(1),
  conan_package_name: text,
  version: text,
  status: text,
  _links: z.object({ web_path: text }).nullish(),
  created_at: text,
  last_downloaded_at: text,
  project_id: id.nullish(),
  project_path: text,
  tags: z.array(z.object({ name: z.string() })).nullish(),
  /** Null: it was built, and the pipeline is gone. Absent: no build was recorded. */
  pipeline: pipelineRow.nullish(),
  /** Filled from 13.2 to 16; emptied since, so that an empty list says nothing. */
  pipelines: z.array(pipelineRow).nullish(),
  /** The pipeline of servers before 12.10. */
  build_info: z.object({ pipeline: pipelineRow.nullish() }).nullish(),
});
export type PackageRow = z.output<typeof packageRow>;

export const versionInfo = z.object({ version: z.string() });

export const userInfo = z.object({ username: z.string() });

export const fileRow = z.object({
  id,
  file_name: z.string(),
  size: z.int().nullish(),
  created_at: text,
  file_md5: text,
  file_sha1: text,
  file_sha256: text,
});
export type FileRow = z.output<typeof fileRow>;

export const projectRow = z.object({ id, path_with_namespace: z.string() });

export const commitRow = z.object({
  id: z.string().regex(/^[0-9a-f]{40,64}$/i),
  message: text,
  title: text,
  author_name: text,
  web_url: text,
});
export type CommitRow = z.output<typeof commitRow>;

export const mergeRequestRow = z.object({ iid: z.int32() });
export type MergeRequestRow = z.output<typeof mergeRequestRow>;

export const pipelineSummaryRow = z.object({ id, created_at: text });
export type PipelineSummaryRow = z.output<typeof pipelineSummaryRow>;

export const repositoryRow = z.object({
  id,
  /** Empty for the image that carries the project's own path. */
  name: z.string(),
  path: z.string().min(1),
  location: text,
  created_at: text,
  status: text,
  tags_count: z.int().nullish(),
});
export type RepositoryRow = z.output<typeof repositoryRow>;

export const tagRow = z.object({ name: z.string().min(1), location: text });
export type TagRow = z.output<typeof tagRow>;

export const tagDetail = z.object({
  name: z.string().min(1),
  location: text,
  /** The config digest, bare; empty for an index, which has no config of its own. */
  revision: text,
  digest: text,
  created_at: text,
  total_size: z.int().nullish(),
});
export type TagDetail = z.output<typeof tagDetail>;
