import type { GraphQLResolveInfo } from "graphql";
import { mapAnswer } from "../../backends/answers.ts";
import type { ArtifactReader } from "../../backends/backend.ts";
import { isSameReference } from "../../model/image-ref.ts";
import type { Version } from "../../model/package.ts";
import type { ArtifactRecord, BuildInfo } from "../../model/release.ts";
import { type Context, having } from "../context.ts";
import { badInput } from "../errors.ts";
import { gather } from "./look-up.ts";
import { firstOrigin, recordsOfTag } from "./lookups.ts";
import { outcomeOf, plain, type SourceParent, told } from "./outcome.ts";

/**
 * The Zadig builds that made a version. An image is joined by digest, found by its name and tag; anything else by the
 * revision of the pipeline that published it. Null where no Zadig can be asked for it, as its sources tell. Throws where
 * none is configured, or none could say.
 */
export async function buildsOfVersion(
  context: Context,
  info: GraphQLResolveInfo,
  version: Version,
): Promise<readonly BuildInfo[] | null> {
  const zadigs = having(context, "artifacts");
  if (zadigs.length === 0) throw badInput("BACKEND_NOT_CONFIGURED", "No configured backend tells builds.");
  const search = searchFor(version);
  if (search === null) return null;
  const outcomes = zadigs.map(({ backend, reader }) => outcomeOf(backend.name, search(reader), firstOrigin));
  return gather(context, info, await Promise.all(outcomes));
}

/** What each backend asked for a version said, with those that cannot be asked for its builds. */
export function sourcesOfVersion(context: Context, version: Version): readonly SourceParent[] {
  const zadigs = searchFor(version) === null ? having(context, "artifacts") : [];
  return [told(version.origin), ...zadigs.map(({ backend }) => plain(backend.name, "NOT_SEARCHABLE"))];
}

/** How a Zadig is asked for the builds of a version; null where it cannot be. */
function searchFor({ image, digest, pipeline }: Version) {
  if (image?.tag && digest) {
    const { tag } = image;
    // A record without a digest belongs to its reference.
    const isOwn = (record: ArtifactRecord) =>
      record.digest === null ? record.image !== null && isSameReference(record.image, image) : record.digest === digest;
    return (reader: ArtifactReader) =>
      recordsOfTag(reader, image, tag, isOwn).then((answer) =>
        mapAnswer(answer, (records) => records.filter(isOwn).flatMap(reader.buildsOf)),
      );
  }
  if (pipeline?.sha && pipeline.projectPath) {
    const { sha, projectPath, ref } = pipeline;
    return (reader: ArtifactReader) =>
      reader
        .byCommit(projectPath, ref, sha)
        .then((answer) =>
          mapAnswer(answer, (records) =>
            records.flatMap(reader.buildsOf).filter(({ commits }) => commits.some((commit) => commit.sha === sha)),
          ),
        );
  }
  return null;
}
