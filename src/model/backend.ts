/** The four systems; the graph's enum of the same name holds the same words (a test compares them). */
export const backendKinds = ["ZADIG", "BKREPO", "SWR", "GITLAB"] as const;
export type BackendKind = (typeof backendKinds)[number];

/** What one configured backend can be asked for. */
export type Capability = "RELEASES" | "ARTIFACTS" | "PACKAGES" | "IMAGES";

/** Who a backend is, as far as anybody outside its folder needs to know. */
export interface BackendIdentity {
  /** The configured name, `[a-z0-9-]`, unique; part of every id. */
  readonly name: string;
  readonly kind: BackendKind;
  readonly capabilities: readonly Capability[];
}

/** Where and when a value was read: every model object carries the origin of the answer that it was read from. */
export interface Origin {
  /** Configured name of the backend that answered. */
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
  /** Zero-based place in the backend's answer. */
  readonly index: number;
  /** The offending field and what was expected there, in our words; no value of the backend is in it. */
  readonly reason: string;
}
