import type { Allowed } from "./access.ts";

/** The kinds of backend; the graph's enum of the same name has the same values (a test compares them). */
export const backendKinds = ["ZADIG", "BKREPO", "SWR", "GITLAB"] as const;
export type BackendKind = (typeof backendKinds)[number];

/** What one configured backend can be asked for. */
export type Capability = "RELEASES" | "ARTIFACTS" | "PACKAGES" | "IMAGES";

/** What all backends of one kind have in common, whatever their settings; declared in the folder of the kind. */
export interface BackendTraits {
  readonly kind: BackendKind;
  /** Its name as it is written, such as `Huawei SWR`. */
  readonly displayName: string;
  readonly access: AccessTraits;
}

/** How access rules name the places of one kind of backend. */
export interface AccessTraits {
  /** The list of a rule that names its places. */
  readonly list: Exclude<keyof Allowed, "backends" | "groups">;
  /** What the globs in that list name, such as `SWR namespaces`; printed into the configuration's schema. */
  readonly places: string;
  /** What globs in the list of groups name; null where it has no groups. */
  readonly groups: string | null;
  /** Whether paths that differ only in ASCII upper and lower case are one path. */
  readonly ignoresCase: boolean;
  /** The places that may hold an image of this path; empty where images are not stored. */
  readonly placesOfImage: (path: string) => readonly string[];
}

/** A configured backend, as far as the floors above need to know it. */
export interface BackendIdentity {
  /** The configured name, `[a-z0-9-]`, unique; part of every id. */
  readonly name: string;
  readonly type: BackendTraits;
  readonly capabilities: readonly Capability[];
}

/** Where and when a value was read: every model object carries the origin of the answer that it was read from. */
export interface Origin {
  readonly backend: string;
  readonly fetchedAt: Instant;
  /** True when a cache answered because the backend did not. */
  readonly stale: boolean;
  /** The backend's own request id, for its operators; null when it sends none. */
  readonly traceId: string | null;
}

/** RFC 3339 text in UTC with milliseconds and `Z`. */
export type Instant = string;

/** A row of an answer that could not be read: left out of the list, never silently. */
export interface DroppedRow {
  /** Our name of the call, such as `swr.listVersions`. */
  readonly operation: string;
  readonly index: number;
  /** The offending field and what was expected there, in our words; no value of the backend is in it. */
  readonly reason: string;
}

/**
 * A place in one backend's list, in that backend's own terms (an offset, a segment of a chained list, the identity of
 * the last row). Short, JSON-safe; the graph wraps it into an opaque cursor and hands it back unchanged.
 */
export type Position = readonly (string | number)[];

/** A forward window over a list: `first` rows (1 to 100) behind `after`. */
export interface PageRequest {
  readonly first: number;
  readonly after: Position | null;
}

/** One row and the position just behind it. */
export interface Row<T> {
  readonly value: T;
  readonly position: Position;
}

/** One window of a list, as far as the backend answered. */
export interface Page<T> {
  readonly rows: readonly Row<T>[];
  /** Whether rows follow; where `confirmNext` is set, whether they may. */
  readonly hasNext: boolean;
  /** Says for certain whether rows follow, for another call; set where that is not known without one. */
  readonly confirmNext?: () => Promise<boolean>;
  /** The whole count, null when the backend does not say; a function where finding out costs another call. */
  readonly total: number | null | (() => Promise<number | null>);
  readonly origin: Origin;
  readonly dropped: readonly DroppedRow[];
}

/** The same page with each row mapped; positions and everything else stay. */
export function mapPage<T, U>(page: Page<T>, map: (value: T) => U): Page<U> {
  return { ...page, rows: page.rows.map(({ value, position }) => ({ value: map(value), position })) };
}
