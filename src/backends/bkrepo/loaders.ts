import type { PackageReader, Readers } from "../backend.ts";
import { fileLoaders } from "./files.ts";
import { imageReader } from "./images.ts";
import { keyOf, parseKey } from "./package-key.ts";
import { packageSearch } from "./package-search.ts";
import { packageLoaders } from "./packages.ts";
import { repositoryProbe } from "./probe.ts";
import { parseRepository } from "./repository.ts";
import { versionLoaders } from "./versions.ts";
import type { View } from "./view.ts";

/** One request's readers; what one of them has loaded the others need not ask for again. */
export function readersOf(view: View): Readers {
  const probe = repositoryProbe(view);
  const packages = packageLoaders(view, probe);
  const search = packageSearch(view);
  const versions = versionLoaders(view);
  const files = fileLoaders(view, probe, versions);
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
    search: search.search,
  };
  return {
    ...(capabilities.includes("PACKAGES") ? { packages: packageReader } : {}),
    ...(capabilities.includes("IMAGES") ? { images: imageReader(view, versions, files) } : {}),
    // One row of the first repository; without one there is nothing that everybody may ask.
    ...(nearest ? { ping: async () => (await view.client.probeRepository(nearest, view.call)).origin } : {}),
  };
}
