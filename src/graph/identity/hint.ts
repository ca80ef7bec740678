import type { PackageScope } from "../../backends/backend.ts";
import { type Context, choose } from "../context.ts";
import { badInput } from "../errors.ts";

/** What GraphQL hands over for a `PackageScope` input. */
interface ScopeInput {
  readonly backend: string;
  readonly repository?: string | null | undefined;
  readonly group?: string | null | undefined;
}

/**
 * A scope as readers take it: exactly one of repository and group. Throws BACKEND_NOT_CONFIGURED for an unknown
 * backend, BAD_USER_INPUT for both or neither, for a group of a system that has none, or for a backend without packages.
 */
export function scopeOf(context: Context, scope: ScopeInput): PackageScope & { readonly backend: string } {
  const { backend } = choose(context, "packages", scope.backend);
  const repository = scope.repository ?? null;
  const group = scope.group ?? null;
  if ((repository === null) === (group === null)) {
    throw badInput("BAD_USER_INPUT", 'A scope names either "repository" or "group".');
  }
  if (group !== null && backend.kind !== "GITLAB") {
    throw badInput("BAD_USER_INPUT", `The backend "${backend.name}" has no groups: name a "repository".`);
  }
  return { backend: scope.backend, repository, group };
}

/** The optional hint of a trace. */
export function hintOf(
  context: Context,
  hint: ScopeInput | null | undefined,
): (PackageScope & { readonly backend: string }) | null {
  return hint ? scopeOf(context, hint) : null;
}
