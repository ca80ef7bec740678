import { mapAnswer } from "../backends/answers.ts";
import type { Version } from "../model/package.ts";
import type { BuildInfo } from "../model/release.ts";
import { firstOrigin } from "./asking.ts";
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
          .then((answer) =>
            mapAnswer(answer, (records) =>
              records.filter((record) => record.digest === digest).flatMap(reader.buildsOf),
            ),
          );
        return outcomeOf(backend.name, found, firstOrigin);
      }
      if (pipeline?.sha && pipeline.projectPath) {
        const { sha, projectPath, ref } = pipeline;
        const found = reader
          .byCommit(projectPath, ref, sha)
          .then((answer) =>
            mapAnswer(answer, (records) =>
              records.flatMap(reader.buildsOf).filter(({ commits }) => commits.some((commit) => commit.sha === sha)),
            ),
          );
        return outcomeOf(backend.name, found, firstOrigin);
      }
      return null;
    }),
  );
  const asked = outcomes.flatMap((outcome) => outcome ?? []);
  const failures = asked.flatMap(({ error }) => error ?? []);
  const [first] = failures;
  if (first && asked.every(({ value, source }) => value === null && source.status !== "ABSENT")) throw first;
  for (const failure of failures) context.report(toGraphQLError(failure));
  return asked.length === 0 ? null : asked.flatMap(({ value }) => value ?? []);
}
