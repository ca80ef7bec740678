import type { z } from "zod";
import type { Digest, ImageRef } from "../model/artifact.ts";
import type { BackendIdentity, BackendTraits, Capability, Origin, Page, PageRequest } from "../model/backend.ts";
import type {
  HostedCommit,
  ImageRecord,
  Package,
  PackageFile,
  PackageFormat,
  PackageRef,
  PipelineRun,
  Version,
  VersionRef,
} from "../model/package.ts";
import type { PurlParts } from "../model/purl.ts";
import type { ArtifactRecord, ArtifactRef, BuildInfo, BuildRef, Release, ReleaseRef } from "../model/release.ts";
import type { Call, Operation } from "../upstream/operation.ts";
import type { Pressure } from "../upstream/resilience.ts";
import type { Answer } from "./answers.ts";
import type { Prices } from "./prices.ts";

/**
 * What each `backends/<kind>/index.ts` exports: one kind of system that can be configured and connected.
 * `S` is its settings as parsed.
 */
export interface BackendType<S> extends BackendTraits {
  /** Strict schema of one entry under `backends:` in gateway.yaml, `kind` included. */
  readonly settings: z.ZodType<S>;
  readonly capabilities: (settings: S) => readonly Capability[];
  /** Every call the adapter can make, but for those that delete. */
  readonly operations: readonly Operation[];
  /** The calls that delete; none where it has no way to. */
  readonly removals?: readonly Operation[];
  /** Opens the backend for the life of the process; sends nothing. */
  readonly connect: (settings: S, permission?: Permission) => Backend;
}

/** What the configuration permits beyond reading. */
export interface Permission {
  /** Whether there is to be a remover. */
  readonly mutations: boolean;
}

/** One configured backend; lives as long as the process. */
export interface Backend extends BackendIdentity {
  /** Registry hosts whose image references are this backend's. */
  readonly hosts: readonly string[];
  /** Where its configuration says to search when a caller names no place; empty for none. */
  readonly places: readonly PackageScope[];
  /** This request's view: loaders that batch and remember, for as long as the request lives. */
  readonly during: (call: Call) => Readers;
  /** A question for each place that the configuration names, in its order; empty where it names none. */
  readonly probes: readonly Probe[];
  /** The name that the backend has for these credentials, or null; left out where it does not tell it cheaply. */
  readonly identity?: (call: Call) => Promise<string | null>;
  /** How things are deleted; there only with permission, and only where the adapter can. */
  readonly remover?: (call: Call) => Remover;
  /** Whether nothing is sent: for any caller, or on behalf of the caller of this call. */
  readonly circuitOpen: (call?: Call) => boolean;
  /** How its breaker and its queue stand right now. */
  readonly pressure: () => Pressure;
  /** What asking it costs, as far as is known by now. */
  readonly prices: () => Prices;
  readonly close: () => Promise<void>;
}

/** How to find out whether one configured place is there, and whether what is in it may be read. */
export interface Probe {
  /** What the vendor calls such a place, in lower case. */
  readonly place: "repository" | "namespace" | "group" | "project";
  readonly name: string;
  /** What of it this asks for; there may be a second probe of the same place for the rest. */
  readonly reads: readonly Capability[];
  /**
   * Found, whatever it holds; absent where there is no such place, or none that these credentials may see; unknown, or
   * a gap, where reading sees less. Rejects with an UpstreamError.
   */
  readonly ask: (call: Call) => Promise<Answer<unknown>>;
}

/** What one backend can be asked within one request, in small optional parts. */
export interface Readers {
  readonly releases?: ReleaseReader;
  readonly artifacts?: ArtifactReader;
  readonly packages?: PackageReader;
  readonly images?: ImageReader;
  readonly commits?: CommitReader;
  /** Asks the cheapest thing these credentials may ask; rejects with the failure. */
  readonly ping?: () => Promise<Origin>;
}

/**
 * Deletes, once and for good: nothing is tried again. Null for what this backend cannot delete; otherwise a function
 * that deletes it and rejects with an UpstreamError.
 */
export interface Remover {
  readonly package: (ref: PackageRef) => (() => Promise<void>) | null;
  readonly version: (ref: VersionRef) => (() => Promise<void>) | null;
}

/**
 * All readers reject with an UpstreamError when a call failed; otherwise they answer found, absent with its proof, or
 * unknown with its reason. A page that is found and empty means that its place exists and is empty. A page of a
 * place that does not exist is absent. A list that is no page is never found empty.
 */
export interface ReleaseReader {
  /** `wantsParts`: the embedded lists will be read. A brief list is cheaper where the generation has one. */
  readonly page: (filter: ReleaseQuery, request: PageRequest, wantsParts: boolean) => Promise<Answer<Page<Release>>>;
  /** One release with its parts. */
  readonly release: (ref: ReleaseRef) => Promise<Answer<Release>>;
  /**
   * The builds of a release: those it embeds, or, where this generation embeds none, those assembled from the build
   * activities of its images' artifacts. Absent where it embeds none, or every image is known and none was built;
   * unknown when neither could say.
   */
  readonly builds: (release: Release) => Promise<Answer<readonly BuildInfo[]>>;
  /** One build by its ref; absent when its release or artifact is gone or no longer has it. */
  readonly build: (ref: BuildRef) => Promise<Answer<BuildInfo>>;
  /** Releases that name the artifact's image (as source or target), newest first. */
  readonly containing: (record: ArtifactRecord, request: PageRequest) => Promise<Answer<Page<Release>>>;
}

export interface ReleaseQuery {
  readonly project: string | null;
  readonly workflow: string | null;
  readonly taskId: number | null;
  readonly service: string | null;
  readonly label: string | null;
}

export interface ArtifactReader {
  readonly page: (filter: ArtifactQuery, request: PageRequest) => Promise<Answer<Page<ArtifactRecord>>>;
  readonly artifact: (ref: ArtifactRef) => Promise<Answer<ArtifactRecord>>;
  /** Every record whose image text equals this one, newest first; loads of one tick are one call. */
  readonly byImage: (image: string) => Promise<Answer<readonly ArtifactRecord[]>>;
  /**
   * Every record whose reference ends in `/name:tag`, whatever its registry and path, newest first: the other spellings
   * of one image. Unanchored at its start and so dearer for Zadig than `byImage`; loads of one tick are one call.
   */
  readonly byNameAndTag: (name: string, tag: string) => Promise<Answer<readonly ArtifactRecord[]>>;
  /** Records with a build activity of this very revision, newest first. `repository` is `owner/name`. */
  readonly byCommit: (
    repository: string,
    branch: string | null,
    sha: string,
  ) => Promise<Answer<readonly ArtifactRecord[]>>;
  /** The build activities of a record as builds, newest first. */
  readonly buildsOf: (record: ArtifactRecord) => readonly BuildInfo[];
}

/** Plain text filters: the adapter escapes them for the backend. */
export interface ArtifactQuery {
  readonly image: string | null;
  readonly name: string | null;
  readonly imageTag: string | null;
  readonly type: ArtifactRecord["type"] | null;
  readonly repository: string | null;
  readonly branch: string | null;
}

export interface PackageReader {
  /** The key of a package by name and format, where they alone tell it; null where `named` has to look for it. */
  readonly keyOf: (name: string, format: PackageFormat) => string | null;
  /** The display name and format behind a key; null for a key this backend could not have written. */
  readonly parseKey: (key: string) => { readonly name: string; readonly format: PackageFormat } | null;
  readonly package: (ref: PackageRef) => Promise<Answer<Package>>;
  readonly page: (scope: PackageScope, filter: PackageQuery, request: PageRequest) => Promise<Answer<Page<Package>>>;
  readonly version: (ref: VersionRef) => Promise<Answer<Version>>;
  readonly versions: (ref: PackageRef, filter: VersionQuery, request: PageRequest) => Promise<Answer<Page<Version>>>;
  /**
   * The newest by publication; needs nothing but the reference, so it can start before the package has answered. Absent
   * where there is no version at all; unknown where the order was not obeyed or dates are missing. Signatures, SBOMs
   * and attestations that stand among an image's tags are passed over.
   */
  readonly latest: (ref: PackageRef) => Promise<Answer<Version>>;
  readonly files: (version: VersionRef, request: PageRequest) => Promise<Answer<Page<PackageFile>>>;
  /** Files of this checksum in one repository, or with null wherever it can search so; unknown when it cannot. */
  readonly byChecksum: (digest: Digest, scope: string | null) => Promise<Answer<readonly FoundFile[]>>;
  /**
   * Packages of this name and format in one repository, or with null wherever this backend is configured to look,
   * whatever spelling of the name the backend keeps; loads of one tick share calls.
   */
  readonly named: (name: string, format: PackageFormat, scope: string | null) => Promise<Answer<readonly Package[]>>;
  /**
   * Versions that this package URL names, in one repository, or with null wherever this backend is configured to look.
   * The adapter finds candidates by its own spelling rules, wide enough, and compares them by `namesSameVersion`.
   */
  readonly byPurl: (purl: PurlParts, scope: string | null) => Promise<Answer<readonly Version[]>>;
  /** Packages of this name wherever this backend is configured to look; unknown when it cannot be searched so. */
  readonly search: (
    query: PackageQuery & { readonly name: string },
    request: PageRequest,
  ) => Promise<Answer<Page<Package>>>;
}

/** A file found by its checksum, with the version that lists it. */
export interface FoundFile {
  readonly version: VersionRef;
  readonly file: PackageFile;
  readonly origin: Origin;
}

/** Exactly one of the two is set. */
export interface PackageScope {
  readonly repository: string | null;
  readonly group: string | null;
}

export interface PackageQuery {
  readonly name: string | null;
  readonly match: "EXACT" | "PREFIX" | "CONTAINS";
  readonly format: PackageFormat | null;
}

export interface VersionQuery {
  readonly prefix: string | null;
  readonly stage: string | null;
  readonly direction: "ASC" | "DESC";
}

export interface ImageReader {
  /** What the reference (by tag, or by digest where it names one) holds now. */
  readonly image: (ref: ImageRef) => Promise<Answer<ImageRecord>>;
  /**
   * The same bytes under other names: repositories whose last path part is `name`, tags whose digest is
   * `digest`, wherever this backend is configured to look. Unknown when it is configured to look nowhere. `own` is the
   * reference that is asked about as well: what has to be read of its repository anyway need not be asked for twice.
   */
  readonly copies: (name: string, digest: Digest, own?: ImageRef) => Promise<Answer<readonly ImageRecord[]>>;
  /**
   * Starts what `copies` asks before it needs the digest, for a caller who knows the name already: the answers,
   * failures among them, wait in the loaders until `copies` wants them.
   */
  readonly expectCopies: (name: string) => void;
  /**
   * Images of this digest in one repository (`scope` as in PackageRef.repository), or, with null, wherever the backend
   * can search by digest alone. Unknown when it cannot.
   */
  readonly byDigest: (digest: Digest, scope: string | null) => Promise<Answer<readonly ImageRecord[]>>;
  /** Whether an image lies in cold storage and cannot be pulled now; only backends that have one. Loads share calls. */
  readonly isArchived?: (record: ImageRecord) => Promise<boolean>;
}

export interface CommitReader {
  /** The code host's project for `owner/name`, when the host is this backend; else null. */
  readonly projectOf: (hostUrl: string | null, repository: string) => string | null;
  /** `project` is a path or a number as text. */
  readonly commit: (project: string, sha: string) => Promise<Answer<HostedCommit>>;
  readonly mergeRequests: (project: string, sha: string) => Promise<Answer<readonly number[]>>;
  /** Package versions that a pipeline of this very revision published; newest first. */
  readonly publishedFrom: (project: string, sha: string) => Promise<Answer<readonly Version[]>>;
  /** Pipelines that published one version, newest first. */
  readonly pipelines: (version: VersionRef) => Promise<Answer<readonly PipelineRun[]>>;
}
