import type { GraphQLResolveInfo } from "graphql";
import { unknown } from "../../backends/answers.ts";
import type { FoundFile } from "../../backends/backend.ts";
import { isStrong } from "../../model/digest.ts";
import type { PackageFile, Version, VersionRef } from "../../model/package.ts";
import { parsePurl } from "../../model/purl.ts";
import { type Context, having, readerOf } from "../context.ts";
import { type ArtifactNode, type ArtifactSeed, atHand, createArtifact, imageSeed } from "./artifact.ts";
import { lookUp } from "./look-up.ts";
import { askByChecksum, configuredPlaces } from "./lookups.ts";
import { findMainFile } from "./main-file.ts";
import { couldNotSay, type Outcome, told } from "./outcome.ts";

/** A file together with the version that lists it and when that was told. */
export type PackageFileParent = PackageFile & { readonly version: VersionRef; readonly fetchedAt: string };

/**
 * A package file as an artifact: bytes with the checksums its repository tells. Who else holds them is asked, by checksum
 * and in the places that the configuration names, when somebody wants to know.
 */
export function fileSeed(context: Context, { version, fetchedAt, ...file }: PackageFileParent): ArtifactSeed {
  const { backend } = version.package;
  const digest = file.digests.find(isStrong) ?? null;
  return {
    zadig: null,
    origin: null,
    type: "FILE",
    digest,
    asOf: null,
    images: [],
    file: file.name,
    records: atHand([]),
    held: atHand([]),
    copies: atHand([]),
    declared: [],
    followed: false,
    packaged: { version, file, fetchedAt },
    twins: [],
    alike: () =>
      digest === null ? unsearchable(context, backend) : askByChecksum(context, digest, configuredPlaces(context)),
    said: [told({ backend, fetchedAt, stale: false, traceId: null })],
  };
}

// Without a strong checksum nobody can be asked for the same bytes.
async function unsearchable(context: Context, own: string): Promise<Outcome<readonly FoundFile[]>[]> {
  return having(context, "packages")
    .filter(({ backend }) => backend.name !== own)
    .map(({ backend }) => couldNotSay(backend.name, unknown("NOT_SEARCHABLE")));
}

/**
 * What a version is made of: its image, or the file that its package URL means. Null when it has no such file, or several
 * that could be meant.
 */
export async function artifactOfVersion(
  context: Context,
  version: Version,
  info: GraphQLResolveInfo,
): Promise<ArtifactNode | null> {
  if (version.image) {
    const { origin, image, digest } = version;
    const record = {
      origin,
      image,
      digest,
      kind: null,
      size: version.size,
      architecture: null,
      os: null,
      createdBy: version.createdBy,
      createdAt: version.createdAt,
      pushedAt: version.updatedAt,
      webUrl: null,
      archived: false,
      version: version.ref,
    };
    return createArtifact(context, {
      ...imageSeed(image, null, digest),
      held: digest === null ? null : atHand([{ source: told(origin), value: record, error: null }]),
    });
  }
  const { backend } = version.ref.package;
  const reader = readerOf(context, "packages", backend);
  if (!reader) return null;
  const purl = version.purl === null ? null : parsePurl(version.purl);
  const main = await lookUp(context, info, backend, findMainFile(reader, version.ref, purl));
  if (!main?.file) return null;
  const { file, origin } = main;
  return createArtifact(context, fileSeed(context, { ...file, version: version.ref, fetchedAt: origin.fetchedAt }));
}
