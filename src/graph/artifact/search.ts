import type { GraphQLResolveInfo } from "graphql";
import { found } from "../../backends/answers.ts";
import type { PackageQuery } from "../../backends/backend.ts";
import type { Package } from "../../model/package.ts";
import { type Context, having } from "../context.ts";
import { type Connection, toConnection } from "../resolvers/connection.ts";
import { isComplete, outcomeOf, type SourceParent } from "./outcome.ts";
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
      const list = { backend: backend.name, filter: ["searchPackages", query] };
      const { source, value } = await outcomeOf(
        backend.name,
        reader
          .search(query, request)
          .then((answer) =>
            answer.kind === "UNKNOWN" ? answer : found(toConnection(context, info, answer, list, request)),
          ),
        () => null,
      );
      return { group: { backend: backend.name, packages: value }, source: value ? sourceOf(source, value) : source };
    }),
  );
  const sources = everyBackend(
    context,
    answers.map(({ source }) => source),
  );
  const able = sources.filter(({ backend }) => answers.some(({ group }) => group.backend === backend));
  return { groups: answers.map(({ group }) => group), isComplete: isComplete(context.call, able), sources };
}

/** A search that was answered in full and holds no row has found that there is none. */
function sourceOf(searched: SourceParent, { nodes, sources }: Connection<Package>): SourceParent {
  const source = sources[0] ?? searched;
  return nodes.length === 0 && source.status === "OK" ? { ...source, status: "ABSENT" } : source;
}
