import type { CancelToken } from "./cancel.ts";
import type { StandIns } from "./stand-ins.ts";

/** What an upstream call inherits from the request it serves; passed on explicitly, never ambient. */
export interface Call {
  /** Cancelled when the client leaves or the operation's deadline passes. */
  readonly cancelToken: CancelToken;
  /** Milliseconds left until the deadline; 0 or less when it has passed. */
  readonly remainingMs: () => number;
  readonly requestId: string;
  readonly budget: Budget;
  readonly caller: Caller;
  /** Filled where a cache stood in for a backend; left out where nobody reads it. */
  readonly standIns?: StandIns;
  /** True: the backend itself is to be heard, nothing that was kept. */
  readonly anew?: boolean;
  /**
   * Left out where one caller waits, as usual. Tells the key of every caller who waits for this call, and of those who
   * come later too, until it is told null.
   */
  readonly followCallers?: (tell: ((key: string) => void) | null) => void;
  /** Set where this is not a request itself: the one that pays for what is asked next, and is told of. */
  readonly onBehalfOf?: () => Call;
}

/** Upstream calls this operation may still make. */
export interface Budget {
  /** Takes one call; false when none is left. */
  readonly take: () => boolean;
}

/** Who asks. */
export interface Caller {
  /** Equal for all calls of one caller: slots and queues are shared out by it. It is never sent or shown. */
  readonly key: string;
  /** The credential that the caller sent for this backend, by the backend's configured name; null when none was sent. */
  readonly credentialFor: (backend: string) => string | null;
}
