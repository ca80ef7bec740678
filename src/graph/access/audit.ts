/** One step of something that changes a backend, for the log of whoever has to answer for it. */
export interface AuditEvent {
  readonly action: "deletePackage" | "deleteVersion";
  /** `ASKED` before anything is sent; afterwards the outcome as the caller is told it. */
  readonly outcome: string;
  /** Who asked: name of the key or subject of the token. */
  readonly caller: string;
  readonly requestId: string;
  readonly backend: string;
  readonly repository: string;
  readonly key: string;
  /** Null for a whole package. */
  readonly version: string | null;
}

/** Writes an event down before it goes on; may not fail. */
export type Audit = (event: AuditEvent) => void;
