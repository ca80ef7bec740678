import type { Digest, ImageRef } from "./artifact.ts";
import type { DroppedRow, Instant, Origin } from "./backend.ts";

/** What finds a release again: Zadig's id where it has one, else project and version name (O2). */
export interface ReleaseRef {
  readonly backend: string;
  /** Null only when a federated caller gives nothing but the Zadig id. */
  readonly project: string | null;
  readonly zadigId: string | null;
  /** Null when the release is addressed by its Zadig id. */
  readonly version: string | null;
}

/** A Zadig delivery version, read from any of the four shapes. */
export interface Release {
  readonly ref: ReleaseRef;
  readonly origin: Origin;
  readonly zadigId: string | null;
  readonly version: string;
  readonly project: string;
  readonly workflow: string | null;
  readonly taskId: number | null;
  readonly type: string | null;
  readonly status: string | null;
  readonly description: string | null;
  readonly labels: readonly string[];
  readonly createdBy: string | null;
  readonly createdAt: Instant | null;
  readonly environment: Environment | null;
  /** Null when the answer did not carry the parts (a brief list): load the release by its ref to have them. */
  readonly parts: ReleaseParts | null;
}

/** The embedded lists. A list is null where this Zadig generation has no such data at all: it cannot say. */
export interface ReleaseParts {
  readonly builds: readonly BuildInfo[] | null;
  readonly deployments: readonly Deployment[] | null;
  readonly tests: readonly TestReport[] | null;
  readonly distributions: readonly Distribution[] | null;
  readonly securityScans: readonly SecurityScan[] | null;
  readonly images: readonly ReleaseImage[];
  /** Rows of the embedded lists that could not be read, each with the list it was in. */
  readonly dropped: readonly (DroppedRow & {
    readonly part: "builds" | "deployments" | "tests" | "distributions" | "securityScans" | "images";
  })[];
}

export interface Environment {
  readonly name: string;
  readonly namespace: string | null;
  readonly production: boolean | null;
  readonly services: readonly EnvironmentService[];
  readonly variableNames: readonly string[];
}

export interface EnvironmentService {
  readonly name: string;
  readonly type: string | null;
  readonly revision: number | null;
  readonly startOrder: number;
  readonly containers: readonly Container[];
}

export interface Container {
  readonly name: string;
  readonly image: ImageRef | null;
}

/** What finds a build again: the release that holds it, or the artifact whose build activity it is. */
export type BuildRef =
  | { readonly backend: string; readonly release: ReleaseRef; readonly buildId: string }
  | { readonly backend: string; readonly artifact: ArtifactRef; readonly activity: string };

/** One build of one service: a row of `buildInfo`, or a build activity of an artifact where there is no such row. */
export interface BuildInfo {
  readonly ref: BuildRef;
  readonly origin: Origin;
  readonly service: string;
  readonly image: ImageRef | null;
  /** What Zadig stored of the image at build time; each null when it stored nothing (usual from 1.6 on). */
  readonly built: {
    readonly digest: Digest | null;
    readonly size: number | null;
    readonly architecture: string | null;
    readonly os: string | null;
    readonly createdAt: Instant | null;
  };
  readonly packageFile: string | null;
  readonly issues: readonly Issue[];
  readonly commits: readonly Commit[];
  readonly workflow: string | null;
  readonly taskId: number | null;
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
}

export interface Issue {
  readonly key: string;
  readonly summary: string | null;
  readonly url: string | null;
}

/** A source revision, by allow-list: no credential field exists here. */
export interface Commit {
  /** Null for systems without hashes (Perforce) and for records that lost it. */
  readonly sha: string | null;
  readonly branch: string | null;
  readonly tag: string | null;
  /** `owner/name` on the code host. */
  readonly repository: string;
  /** http(s) origin of the code host without user-info. */
  readonly hostUrl: string | null;
  /** The commit's page where the host's kind is known, else null. */
  readonly webUrl: string | null;
  readonly pullRequests: readonly number[];
  readonly message: string | null;
  readonly authorName: string | null;
  readonly isPrimary: boolean;
}

export interface Deployment {
  readonly service: string;
  readonly container: string | null;
  readonly image: ImageRef | null;
  /** Raw manifests as stored; only `Deployment.manifests` may print them, redacted. */
  readonly manifests: readonly string[] | null;
  readonly serviceOrder: readonly (readonly string[])[];
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
}

export interface TestReport {
  readonly name: string;
  readonly workflow: string | null;
  readonly tests: number;
  readonly passed: number;
  readonly failures: number;
  readonly skips: number;
  readonly errors: number;
  readonly durationSeconds: number | null;
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
}

export interface Distribution {
  readonly service: string | null;
  readonly type: "IMAGE" | "FILE" | "CHART" | "OTHER";
  readonly image: ImageRef | null;
  readonly file: string | null;
  readonly chartName: string | null;
  readonly chartVersion: string | null;
  readonly registry: string | null;
  readonly namespace: string | null;
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
}

export interface SecurityScan {
  readonly image: ImageRef | null;
  /** Zadig's `imageId`: a manifest digest without its prefix. */
  readonly digest: Digest | null;
  readonly total: number;
  readonly unknown: number;
  readonly negligible: number;
  readonly low: number;
  readonly medium: number;
  readonly high: number;
  readonly critical: number;
}

/** One image a release names: built as `source`, released as `target`. */
export interface ReleaseImage {
  readonly service: string | null;
  readonly container: string | null;
  readonly source: ImageRef | null;
  readonly target: ImageRef | null;
  /** The digest, where the part that named the image has one. */
  readonly digest: Digest | null;
  readonly status: string | null;
}

/** What finds a Zadig artifact again: its id, or the exact image text where the facade drops the id. */
export interface ArtifactRef {
  readonly backend: string;
  readonly zadigId: string | null;
  readonly image: string | null;
}

/** Zadig's record of one artifact: one backend's claim, before merging. */
export interface ArtifactRecord {
  readonly ref: ArtifactRef;
  readonly origin: Origin;
  readonly name: string | null;
  readonly type: "IMAGE" | "FILE" | "CHART" | "OTHER";
  readonly image: ImageRef | null;
  readonly file: string | null;
  readonly digest: Digest | null;
  readonly size: number | null;
  readonly architecture: string | null;
  readonly os: string | null;
  readonly createdBy: string | null;
  readonly createdAt: Instant | null;
  /** Null when the answer did not carry them. */
  readonly activities: readonly Activity[] | null;
}

export interface Activity {
  /** `build`, `deploy`, `test`, `publish` or whatever a client posted. */
  readonly type: string;
  /** Absolute http(s) address of the run in Zadig's UI. */
  readonly url: string | null;
  readonly project: string | null;
  readonly workflow: string | null;
  readonly taskId: number | null;
  readonly commits: readonly Commit[];
  readonly issues: readonly Issue[];
  readonly environment: string | null;
  readonly namespace: string | null;
  readonly createdBy: string | null;
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
  readonly createdAt: Instant | null;
}
