import type { Allowed } from "../../model/access.ts";
import type { Scope } from "../../model/scope.ts";

/** Who asks, as far as the graph needs to know. */
export interface CallerFacts {
  /** Name of the key, the token's subject, or `anonymous`; for the log only. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** What the access rules let this caller see; null when nothing is restricted. */
  readonly access: readonly Allowed[] | null;
}
