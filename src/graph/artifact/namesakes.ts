import type { GraphQLResolveInfo } from "graphql";
import type { Package } from "../../model/package.ts";
import { namesSamePackage, type PurlParts, parsePurl } from "../../model/purl.ts";
import { nameOfPurl } from "../../model/purl-format.ts";
import { type Context, having } from "../context.ts";
import type { MatchMethod } from "../generated/resolvers.ts";
import { gather } from "./look-up.ts";
import { firstOrigin } from "./lookups.ts";
import { outcomeOf } from "./outcome.ts";

export interface PackageLinkParent {
  readonly package: Package;
  readonly matchedBy: MatchMethod;
}

/**
 * Packages of the same name in other repositories, linked and never merged: by package URLs that name the same package,
 * else by the name and format as the backend itself compares them. What a backend could not say is told in `errors`
 * beside the links that were found. Backends whose configuration names no place are not asked, and not told of. Throws
 * when none could say.
 */
export async function namesakesOf(
  context: Context,
  info: GraphQLResolveInfo,
  own: Package,
): Promise<readonly PackageLinkParent[]> {
  const purl = own.purl === null ? null : parsePurl(own.purl);
  // Maven's own name is the artifact alone in some backends, or written with slashes: the package URL tells it whole.
  const name = (own.format === "MAVEN" && purl && nameOfPurl(purl)?.name) || own.name;
  const outcomes = await Promise.all(
    having(context, "packages").map(({ backend, reader }) =>
      outcomeOf(backend.name, reader.named(name, own.format, null), firstOrigin),
    ),
  );
  return gather(context, info, outcomes)
    .filter(
      ({ ref }) => ref.backend !== own.ref.backend || ref.repository !== own.ref.repository || ref.key !== own.ref.key,
    )
    .map((other) => ({
      package: other,
      matchedBy: isSamePurl(purl, other) ? ("PURL" as const) : ("NAME_VERSION" as const),
    }));
}

function isSamePurl(own: PurlParts | null, { purl }: Package): boolean {
  const other = purl === null ? null : parsePurl(purl);
  return own !== null && other !== null && namesSamePackage(own, other);
}
