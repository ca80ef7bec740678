import type { Version } from "../model/package.ts";
import type { BuildInfo } from "../model/release.ts";
import { type Context, having } from "./context.ts";
import { toGraphQLError } from "./errors.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/**
 * The Zadig builds that made a version. An image is joined by digest, found by its name and tag; anything else by the
 * revision of the pipeline that published it. Null when the version has neither, or no Zadig could say.
 */
export async function buildsOfVersion(context: Context, version: Version): Promise<readonly BuildInfo[] | null> {
  const outcomes = await Promise.all(
    having(context, "artifacts").map(({ backend, reader }): Promise<Outcome<readonly BuildInfo[]>> | null => {
      const { image, digest, pipeline } = version;
      if (image?.tag && digest) {
        const name = image.repository.split("/").at(-1) ?? image.repository;
        const found = reader
          .byNameAndTag(name, image.tag)
          .then((records) => records.filter((record) => record.digest === digest).flatMap(reader.buildsOf));
        return outcomeOf(backend.name, found, (builds) => builds[0]?.origin ?? null);
      }
      if (pipeline?.sha && pipeline.projectPath) {
        const { sha, projectPath, ref } = pipeline;
        const found = reader
          .byCommit(projectPath, ref, sha)
          .then((records) =>
            records.flatMap(reader.buildsOf).filter(({ commits }) => commits.some((commit) => commit.sha === sha)),
          );
        return outcomeOf(backend.name, found, (builds) => builds[0]?.origin ?? null);
      }
      return null;
    }),
  );
  const asked = outcomes.flatMap((outcome) => outcome ?? []);
  const failures = asked.flatMap(({ error }) => error ?? []);
  if (failures.length > 0 && failures.length === asked.length && failures[0]) throw failures[0];
  for (const failure of failures) context.report(toGraphQLError(failure));
  return asked.length === 0 ? null : asked.flatMap(({ value }) => value ?? []);
}
