import { parseDigest } from "../../model/artifact.ts";
import type { PackageRef, Version } from "../../model/package.ts";
import { namesSameVersion, type PurlParts, parsePurl } from "../../model/purl.ts";
import { type Answer, absent, failed, found, foundAny, impossible, joined, mapAnswer, unknown } from "../answers.ts";
import type { ImageReader } from "../backend.ts";
import { pageVersions } from "./client.ts";
import { meantByPurl } from "./package-filter.ts";
import { keyOfPurl } from "./package-key.ts";
import type { PackageSearch } from "./package-search.ts";
import type { VersionLoaders } from "./versions.ts";
import type { View } from "./view.ts";

const otherVersion = absent(pageVersions, "COMPLETE_FILTER");

/** Versions that a package URL names: packages by every spelling it may stand for, then their versions compared by PURL. */
export function purlReader(view: View, search: PackageSearch, versions: VersionLoaders, images: ImageReader) {
  return async function byPurl(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    if (purl.type === "oci") return imagesOf(purl, scope);
    const meant = meantByPurl(purl);
    // The server has a closed list of package types (PackageType), and none of them has such package URLs.
    if (meant === null) return impossible;
    const { version } = purl;
    if (version === null) return unknown("NOT_SEARCHABLE");
    // In one repository the key that the URL stands for is read at once; a lossy spelling may miss it.
    const known = scope === null ? null : keyOfPurl(purl);
    if (scope !== null && known !== null) {
      const answer = await versionsOf(
        { backend: view.settings.name, repository: scope, key: known.key },
        purl,
        version,
      );
      if (known.isOnly || answer.kind !== "ABSENT") return answer;
    }
    const packages = await search.meant(meant, scope);
    if (packages.kind !== "FOUND") return packages;
    const looked = await Promise.all(packages.value.map(({ ref }) => versionsOf(ref, purl, version).catch(failed)));
    const answer = joined(looked, otherVersion);
    if (packages.gap === null || answer.kind === "UNKNOWN") return answer;
    return answer.kind === "FOUND" ? found(answer.value, answer.gap ?? packages.gap) : packages.gap;
  };

  async function versionsOf(ref: PackageRef, purl: PurlParts, version: string): Promise<Answer<readonly Version[]>> {
    // Under the one key that the URL stands for, equal versions are the same, whatever vendor it states beside the user.
    const known = keyOfPurl(purl);
    const isKey = known?.isOnly === true && known.key === ref.key;
    const isSame = (one: Version) => {
      const own = one.purl === null ? null : parsePurl(one.purl);
      return (isKey && one.name === version) || (own !== null && namesSameVersion(own, purl));
    };
    // The stored version of an RPM ends in its architecture: without one, it is but a beginning.
    const arch = purl.qualifiers["arch"];
    const read: Answer<readonly Version[]> =
      purl.type === "rpm" && arch === undefined
        ? await versions.beginning(ref, `${version}.`)
        : mapAnswer(
            await versions.byRef.load({
              package: ref,
              version: purl.type === "rpm" ? `${version}.${arch}` : version,
              nativeId: null,
            }),
            (one) => [one],
          );
    return read.kind === "FOUND" ? foundAny(read.value.filter(isSame), otherVersion, read.gap) : read;
  }

  /** An image's package URL names its bytes: whatever holds them under this name. */
  async function imagesOf(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const digest = purl.version === null ? null : parseDigest(purl.version);
    // Without a digest it names no bytes.
    if (digest === null) return impossible;
    const records = await images.copies(purl.name, digest);
    if (records.kind !== "FOUND") return records;
    const refs = records.value.flatMap(({ version }) => version ?? []);
    const own = refs.filter(({ package: place }) => scope === null || place.repository === scope);
    const read = await Promise.all(
      own.map(async (ref) => mapAnswer(await versions.byRef.load(ref).catch(failed), (one) => [one])),
    );
    return joined(read, records.gap ?? otherVersion);
  }
}
