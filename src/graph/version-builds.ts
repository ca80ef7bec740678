import type { GraphQLResolveInfo } from "graphql";
import { mapAnswer } from "../backends/answers.ts";
import type { Version } from "../model/package.ts";
import type { BuildInfo } from "../model/release.ts";
import { firstOrigin } from "./asking.ts";
import { type Context, having } from "./context.ts";
import { gather, nobodyToAsk } from "./look-up.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/**
 * The Zadig builds that made a version. An image is joined by digest, found by its name and tag; anything else by the
 * revision of the pipeline that published it. Throws where the version has neither, or no Zadig could say.
 */
export async function buildsOfVersion(
  context: Context,
  info: GraphQLResolveInfo,
  version: Version,
): Promise<readonly BuildInfo[]> {
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
  return gather(
    context,
    info,
    outcomes.flatMap((outcome) => outcome ?? []),
    () => nobodyToAsk(context, "artifacts", "builds"),
  );
}
