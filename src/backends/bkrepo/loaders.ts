import type { PackageReader, Readers } from "../backend.ts";
import { purlReader } from "./by-purl.ts";
import { fileLoaders } from "./files.ts";
import { imageReader } from "./images.ts";
import { keyOf, parseKey } from "./package-key.ts";
import { packageSearch } from "./package-search.ts";
import { packageLoaders } from "./packages.ts";
import { parseRepository } from "./repository.ts";
import { sightReader } from "./sight.ts";
import { versionLoaders } from "./versions.ts";
import type { View } from "./view.ts";

/** One request's readers; what one of them has loaded the others need not ask for again. */
export function readersOf(view: View): Readers {
  const sights = sightReader(view);
  const packages = packageLoaders(view, sights);
  const search = packageSearch(view, sights, packages);
  const versions = versionLoaders(view, packages);
  const files = fileLoaders(view, sights, versions);
  const images = imageReader(view, search, versions, files);
  const { capabilities, repositories } = view.settings;
  const [nearest] = repositories.flatMap((text) => parseRepository(text) ?? []);
  const packageReader: PackageReader = {
    keyOf,
    parseKey,
    package: (ref) => packages.byRef.load(ref),
    page: packages.page,
    version: (ref) => versions.byRef.load(ref),
    versions: versions.page,
    latest: versions.latest,
    files: files.page,
    byChecksum: files.byChecksum,
    named: search.named,
    byPurl: purlReader(view, search, versions, images),
    search: search.search,
  };
  return {
    ...(capabilities.includes("PACKAGES") ? { packages: packageReader } : {}),
    ...(capabilities.includes("IMAGES") ? { images } : {}),
    // One row of the first repository; without one there is nothing that everybody may ask.
    ...(nearest
      ? {
          ping: async () => (await view.client.pagePackages(nearest, { pageNumber: 1, pageSize: 1 }, view.call)).origin,
        }
      : {}),
  };
}
