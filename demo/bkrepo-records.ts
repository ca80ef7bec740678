import { before, checksum } from "./story.ts";

/** A repository; `configuration` is what the real server answers in clear, proxy credentials included. */
export interface DemoRepository {
  readonly projectId: string;
  readonly name: string;
  readonly type: string;
  readonly category: "LOCAL" | "REMOTE";
  /** Whether the demo's user may read it. */
  readonly readable: boolean;
  readonly configuration: unknown;
}

/** One element of `packageMetadata`. */
export interface DemoMetadata {
  readonly key: string;
  readonly value: unknown;
  readonly system: boolean;
  readonly description: string | null;
}

/** A version as it is stored: times are instants in milliseconds. */
export interface DemoVersion {
  readonly name: string;
  readonly size: number;
  readonly downloads: number;
  readonly stageTag: readonly string[];
  readonly metadata: readonly DemoMetadata[];
  readonly tags: readonly string[];
  readonly extension: Readonly<Record<string, unknown>>;
  readonly contentPath: string | null;
  readonly contentPaths: readonly string[] | null;
  readonly manifestPath: string | null;
  readonly createdBy: string;
  readonly createdDate: number;
  readonly lastModifiedBy: string;
  readonly lastModifiedDate: number;
  /** Printed in the vendor's documents, whose word for `packageMetadata` is `nodeMetadata`. */
  readonly asDocumented?: boolean;
}

/** A package as it is stored; `versions` is a counter and may have drifted. */
export interface DemoPackage {
  readonly projectId: string;
  readonly repoName: string;
  readonly name: string;
  readonly key: string;
  readonly type: string;
  readonly latest?: string;
  readonly downloads: number;
  readonly versions: number;
  readonly description: string | null;
  readonly versionTag: Readonly<Record<string, string>>;
  readonly extension: Readonly<Record<string, unknown>> | null;
  readonly historyVersion: readonly string[];
  readonly createdBy: string;
  readonly createdDate: number;
  readonly lastModifiedBy: string;
  readonly lastModifiedDate: number;
  readonly records: readonly DemoVersion[];
}

/** A file. */
export interface DemoNode {
  readonly projectId: string;
  readonly repoName: string;
  readonly path: string;
  readonly name: string;
  readonly fullPath: string;
  readonly folder: boolean;
  readonly size: number;
  readonly sha256: string;
  readonly md5: string;
  readonly archived: boolean;
  readonly createdBy: string;
  readonly createdDate: number;
  readonly lastModifiedBy: string;
  readonly lastModifiedDate: number;
  readonly lastAccessDate: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

const robot = "ci-publisher";
const day = 86_400_000;

/** A repository of its own type, which the demo's user may read unless it says otherwise. */
export const local = (projectId: string, name: string, type: string, readable = true): DemoRepository => ({
  projectId,
  name,
  type,
  category: "LOCAL",
  readable,
  configuration: { type: "local", settings: {}, webHook: { webHookList: [] } },
});

/** One element of metadata. */
export const entry = (key: string, value: unknown, system = false): DemoMetadata => ({
  key,
  value,
  system,
  description: null,
});

/** Stores a file and answers its path. */
export function stored(
  nodes: DemoNode[],
  place: { readonly projectId: string; readonly repoName: string },
  fullPath: string,
  facts: {
    readonly size: number;
    readonly at: number;
    readonly sha256?: string;
    readonly metadata?: DemoNode["metadata"];
    readonly archived?: boolean;
  },
): string {
  const cut = fullPath.lastIndexOf("/");
  const what = fullPath.slice(cut + 1);
  nodes.push({
    projectId: place.projectId,
    repoName: place.repoName,
    path: fullPath.slice(0, cut + 1),
    name: what,
    fullPath,
    folder: false,
    size: facts.size,
    sha256: facts.sha256 ?? checksum("sha256", what),
    md5: checksum("md5", what),
    archived: facts.archived ?? false,
    createdBy: robot,
    createdDate: facts.at,
    lastModifiedBy: robot,
    lastModifiedDate: facts.at,
    lastAccessDate: facts.at + 3 * day,
    metadata: facts.metadata ?? {},
  });
  return fullPath;
}

type VersionFacts = Partial<DemoVersion> & Pick<DemoVersion, "name" | "size" | "createdDate">;

/** A version with what it does not say filled in. */
export function version(facts: VersionFacts): DemoVersion {
  return {
    downloads: 0,
    stageTag: [],
    metadata: [],
    tags: [],
    extension: {},
    contentPath: null,
    contentPaths: facts.contentPath ? [facts.contentPath] : null,
    manifestPath: null,
    createdBy: robot,
    lastModifiedBy: robot,
    lastModifiedDate: facts.createdDate,
    ...facts,
  };
}

type PackageFacts = Partial<DemoPackage> &
  Pick<DemoPackage, "projectId" | "repoName" | "name" | "key" | "type" | "records">;

/** A package with what it does not say filled in from its versions. */
export function pack(facts: PackageFacts): DemoPackage {
  const dates = facts.records.map(({ createdDate }) => createdDate);
  const newest = facts.records.reduce<DemoVersion | null>(
    (last, record) => (last === null || record.lastModifiedDate >= last.lastModifiedDate ? record : last),
    null,
  );
  return {
    latest: newest?.name ?? "",
    downloads: facts.records.reduce((sum, record) => sum + record.downloads, 0),
    versions: facts.records.length,
    description: null,
    versionTag: {},
    extension: {},
    historyVersion: facts.records.map(({ name }) => name),
    createdBy: robot,
    createdDate: dates.length === 0 ? before(400) : dates.reduce((least, date) => Math.min(least, date)),
    lastModifiedBy: robot,
    lastModifiedDate: newest?.lastModifiedDate ?? before(400),
    ...facts,
  };
}
