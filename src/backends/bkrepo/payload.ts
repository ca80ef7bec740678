import { z } from "zod";

/** A time as bkrepo writes it: zone-less text in typed answers, epoch milliseconds in raw search rows. */
const moment = z.union([z.string(), z.number()]).nullish();

/** What every answer is wrapped in; `data` is read by each call for itself. */
export const envelope = z.object({ code: z.literal(0), data: z.unknown() });

/** A page; `count` is what older servers call `totalRecords`. */
export const recordPage = z.object({
  records: z.unknown(),
  totalRecords: z.number().nullish(),
  count: z.number().nullish(),
});

/** A package, typed (`package/info`) or raw (`package/search`): what one leaves out the other may hold as null. */
export const packageRow = z.object({
  repoName: z.string().nullish(),
  name: z.string().nullish(),
  key: z.string().min(1),
  type: z.string().nullish(),
  downloads: z.number().nullish(),
  versions: z.number().nullish(),
  /** Tags and the versions they float onto; raw rows keep the escapes of their keys. */
  versionTag: z.record(z.string(), z.unknown()).nullish(),
  description: z.string().nullish(),
  createdBy: z.string().nullish(),
  createdDate: moment,
  lastModifiedDate: moment,
});
/** A package row as read. */
export type PackageRow = z.output<typeof packageRow>;

/** A search row's coordinates, without which it could not be told whose it is. */
export const foundPackageRow = packageRow.extend({ repoName: z.string().min(1) });
/** A package row of a search as read. */
export type FoundPackageRow = z.output<typeof foundPackageRow>;

const metadataEntry = z.object({ key: z.string(), value: z.unknown(), system: z.boolean().nullish() });

/** The metadata key under which the server has kept manifest digests since 2022. */
export const digestKey = "manifest_digest";

// Version records are read exactly: a number too large to count with comes as its text, and is none.
const count = z
  .number()
  .or(z.string().transform(() => null))
  .nullish();

/** A version; it names neither its package nor its repository. */
export const versionRow = z.object({
  name: z.string().min(1),
  size: count,
  downloads: count,
  stageTag: z.array(z.string()).nullish(),
  tags: z.array(z.string()).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  packageMetadata: z.array(metadataEntry).nullish(),
  /** What the documents call `packageMetadata`. */
  nodeMetadata: z.array(metadataEntry).nullish(),
  contentPath: z.string().nullish(),
  contentPaths: z.array(z.string()).nullish(),
  manifestPath: z.string().nullish(),
  createdBy: z.string().nullish(),
  createdDate: moment,
  lastModifiedDate: moment,
});
/** A version row as read. */
export type VersionRow = z.output<typeof versionRow>;

/** A file. */
export const nodeRow = z.object({
  repoName: z.string().min(1),
  fullPath: z.string().min(1),
  name: z.string().nullish(),
  size: z.number().nullish(),
  sha256: z.string().nullish(),
  md5: z.string().nullish(),
  createdDate: moment,
  /** Moved to cold storage. */
  archived: z.boolean().nullish(),
});
/** A file row as read. */
export type NodeRow = z.output<typeof nodeRow>;

/** A registry service's own detail of one version: its main file. */
export const versionDetail = z.object({
  basic: z.object({
    fullPath: z.string().min(1),
    size: z.number().nullish(),
    sha256: z.string().nullish(),
    md5: z.string().nullish(),
    createdDate: moment,
  }),
});
/** A version detail as read. */
export type VersionDetail = z.output<typeof versionDetail>;
