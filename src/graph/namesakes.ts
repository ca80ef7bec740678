import type { Package } from "../model/package.ts";
import { parsePurl } from "../model/purl.ts";
import { nameOfPurl } from "../model/purl-format.ts";
import { firstOrigin } from "./asking.ts";
import { type Context, having } from "./context.ts";
import { toGraphQLError } from "./errors.ts";
import type { MatchMethod } from "./generated/resolvers.ts";
import { outcomeOf } from "./outcome.ts";

export interface PackageLinkParent {
  readonly package: Package;
  readonly matchedBy: MatchMethod;
}

/**
 * Packages of the same name in other repositories, linked and never merged: by equal package URL, else by equal name
 * and format. What a backend could not say is told in `errors` beside the links that were found; null when none could.
 */
export async function namesakesOf(context: Context, own: Package): Promise<readonly PackageLinkParent[] | null> {
  // Maven's own name is the artifact alone in some backends: the package URL tells the whole one.
  const purl = own.purl === null ? null : parsePurl(own.purl);
  const name = (purl && nameOfPurl(purl)?.name) ?? own.name;
  const outcomes = await Promise.all(
    having(context, "packages").map(({ backend, reader }) =>
      outcomeOf(backend.name, reader.named(name, own.format, null), firstOrigin),
    ),
  );
  const failures = outcomes.flatMap(({ error }) => error ?? []);
  const [first] = failures;
  if (first && outcomes.every(({ value, source }) => value === null && source.status !== "ABSENT")) throw first;
  for (const failure of failures) context.report(toGraphQLError(failure));
  return outcomes
    .flatMap(({ value }) => value ?? [])
    .filter(
      ({ ref }) => ref.backend !== own.ref.backend || ref.repository !== own.ref.repository || ref.key !== own.ref.key,
    )
    .map((other) => ({
      package: other,
      matchedBy: own.purl !== null && other.purl === own.purl ? ("PURL" as const) : ("NAME_VERSION" as const),
    }));
}
