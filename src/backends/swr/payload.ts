import { z } from "zod";
import { isNamespace } from "./keys.ts";

const text = z.string().nullish();
// Not z.int(): the documented range ends at 2^63-1, past what a JSON number keeps exactly; the mapper decides.
const count = z.number().nullish();

/**
 * Neighbouring calls spell the same two dates in three ways: packages, files, tags and a repository's detail say
 * `created`, versions say `CreatedAt`, lists of repositories say `created_at`.
 */
const dates = {
  created: text,
  updated: text,
  CreatedAt: text,
  UpdatedAt: text,
  created_at: text,
  updated_at: text,
};

/** The two dates of any row, in whichever spelling. */
export type Dates = z.output<z.ZodObject<typeof dates>>;

/** A row of the list of organizations. Only its name is relied on: everything else is about rights and counts. */
export const namespaceRow = z.object({ name: z.string().refine(isNamespace) });

/** The frame around the list of organizations; the rows are read one by one. */
export const namespaceList = z.object({ namespaces: z.array(z.unknown()).nullable() });

/** A row of the list of software packages. */
export const packageRow = z.object({
  ...dates,
  namespace: z.string().min(1),
  /** Percent-encoded. */
  package: z.string().min(1),
  description: text,
  visibility: text,
  num_versions: count,
  creator: text,
});
export type PackageRow = z.output<typeof packageRow>;

/** A row of the list of a package's versions. */
export const versionRow = z.object({
  ...dates,
  version: z.string().min(1),
  description: text,
  visibility: text,
  num_files: count,
  size: count,
  creator: text,
});
export type VersionRow = z.output<typeof versionRow>;

/** A row of the list of a version's files. */
export const fileRow = z.object({
  ...dates,
  folder: text,
  filename: z.string().min(1),
  /** SHA-512 as bare hex. */
  digest: text,
  size: count,
  /** Path on the API's host; it wants the caller's own credentials. */
  url: text,
});
export type FileRow = z.output<typeof fileRow>;

/** What list and detail of image repositories have in common. */
const repository = {
  ...dates,
  name: z.string().min(1),
  description: text,
  is_public: z.boolean().nullish(),
  num_images: count,
  num_download: count,
  /** In the detail only. */
  creator_name: text,
};

/** The detail of an image repository: it does not name its organization. */
export const repositoryDetail = z.object(repository);
export type RepositoryDetail = z.output<typeof repositoryDetail>;

/** A row of the list of image repositories. */
export const repositoryRow = z.object({
  ...repository,
  namespace: z.string().min(1),
  /** The size of the whole list, repeated on every row. */
  total_range: count,
});
export type RepositoryRow = z.output<typeof repositoryRow>;

/**
 * A tag, from a list or its detail. Lists of v2 say `Tag`, everything else says `tag`. The manifest that comes with it
 * (kilobytes each) and `image_id` (the digest of the configuration, never of the manifest) are left behind here.
 */
export const tagRow = z
  .object({
    ...dates,
    Tag: text,
    tag: text,
    digest: text,
    path: text,
    size: count,
    tag_type: count,
  })
  .refine((row) => Boolean(row.Tag ?? row.tag), { path: ["tag"] });
export type TagRow = z.output<typeof tagRow>;

/** The frame around a page of tags in v3; the rows are read one by one. */
export const tagPage = z.object({
  tags: z.array(z.unknown()).nullable(),
  has_more: z.boolean().nullish(),
  /** Absent on the last page; one vendor page spells it the other way. */
  nextMarker: z.union([z.string(), z.number()]).nullish(),
  next_marker: z.union([z.string(), z.number()]).nullish(),
});
