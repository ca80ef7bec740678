import type { GraphQLResolveInfo } from "graphql";
import type { PackageQuery } from "../backends/backend.ts";
import type { Package } from "../model/package.ts";
import { type Connection, toConnection } from "./connection.ts";
import { type Context, having } from "./context.ts";
import { isComplete, outcomeOf, plain, type SourceParent } from "./outcome.ts";
import { everyBackend } from "./trace.ts";

export interface SearchParent {
  readonly groups: readonly SearchGroupParent[];
  readonly isComplete: boolean;
  readonly sources: readonly SourceParent[];
}

export interface SearchGroupParent {
  readonly backend: string;
  /** Null when this backend could not say. */
  readonly packages: Connection<Package> | null;
}

/** Asks every package backend at the same time; each answers for itself, in its own order. */
export async function searchPackages(
  context: Context,
  info: GraphQLResolveInfo,
  query: PackageQuery & { readonly name: string },
  first: number,
): Promise<SearchParent> {
  const request = { first, after: null };
  const answers = await Promise.all(
    having(context, "packages").map(async ({ backend, reader }) => {
      const outcome = await outcomeOf(backend.name, reader.search(query, request), ({ origin }) => origin);
      const list = { backend: backend.name, filter: ["searchPackages", query] };
      const packages = outcome.value ? toConnection(context, info, outcome.value, list, request) : null;
      return {
        group: { backend: backend.name, packages },
        source: sourceOf(outcome.source, outcome.error !== null, packages),
      };
    }),
  );
  const sources = everyBackend(
    context,
    answers.map(({ source }) => source),
  );
  const able = sources.filter(({ backend }) => answers.some(({ group }) => group.backend === backend));
  return { groups: answers.map(({ group }) => group), isComplete: isComplete(context.call, able), sources };
}

function sourceOf(source: SourceParent, failed: boolean, packages: Connection<Package> | null): SourceParent {
  if (failed) return source;
  if (!packages) return plain(source.backend, "NOT_CONFIGURED");
  if (packages.nodes.length === 0) return { ...source, status: "ABSENT" };
  return packages.sources[0] ?? source;
}
