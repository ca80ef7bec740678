import type { GraphQLResolveInfo } from "graphql";
import { unknown } from "../backends/answers.ts";
import type { FoundFile } from "../backends/backend.ts";
import { isStrong } from "../model/digest.ts";
import type { PackageFile, Version, VersionRef } from "../model/package.ts";
import { type ArtifactNode, type ArtifactSeed, atHand, createArtifact, imageSeed } from "./artifact.ts";
import { askByChecksum, configuredPlaces } from "./asking.ts";
import { lookUp } from "./connection.ts";
import { type Context, having, readerOf } from "./context.ts";
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
 * What a version is made of, when it is one thing: its image, or its only file. Null when it is several files or none.
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
  if (version.fileCount !== null && version.fileCount !== 1) return null;
  const reader = readerOf(context, "packages", version.origin.backend);
  if (!reader) return null;
  const asked = reader.files(version.ref, { first: 2, after: null });
  const page = await lookUp(context, info, version.origin.backend, asked);
  const [only, another] = page?.rows ?? [];
  if (!page || !only || another || page.hasNext) return null;
  return createArtifact(
    context,
    fileSeed(context, { ...only.value, version: version.ref, fetchedAt: page.origin.fetchedAt }),
  );
}
