import type { Call } from "../../upstream/call.ts";
import type { BackendType, Readers } from "../backend.ts";
import { type BkrepoClient, createClient, repositoriesIn } from "./client.ts";
import { createRemover, removals } from "./delete.ts";
import { createFiles } from "./files.ts";
import { createImages } from "./images.ts";
import { keyOf, parseKey } from "./keys.ts";
import { operations } from "./operations.ts";
import { createPackages, createRepositories } from "./packages.ts";
import { pricesOf, probesOf } from "./prices.ts";
import { createPackageSearch, createPurlLookup } from "./search.ts";
import { type BkrepoSettings, bkrepoSettings } from "./settings.ts";
import { createVersions } from "./versions.ts";

/** bkrepo, the BlueKing artifact repository: packages, versions, files and images in project/repo. */
export const bkrepo: BackendType<BkrepoSettings> = {
  kind: "BKREPO",
  settings: bkrepoSettings,
  capabilities: ({ capabilities }) => capabilities,
  operations,
  removals,
  connect: (settings, permission) => {
    const client = createClient(settings);
    return {
      name: settings.name,
      kind: "BKREPO",
      capabilities: settings.capabilities,
      hosts: settings.hosts,
      places: settings.repositories.map((repository) => ({ repository, group: null })),
      probes: probesOf(client, settings),
      during: (call) => createReaders(client, settings, call),
      ...(permission?.mutations ? { remover: (call) => createRemover(client.upstream, call) } : {}),
      circuitOpen: client.upstream.circuitOpen,
      pressure: client.upstream.pressure,
      prices: () => pricesOf(settings),
      close: client.upstream.close,
    };
  },
};

/** One request's readers, which share its answers. */
function createReaders(client: BkrepoClient, settings: BkrepoSettings, call: Call): Readers {
  const context = { client, settings, call };
  const repositories = createRepositories(context);
  const packages = createPackages(context, repositories);
  const search = createPackageSearch(context, repositories, packages);
  const versions = createVersions(context, packages);
  const files = createFiles(context, repositories, versions);
  const images = createImages(context, search, versions, files);
  const [first] = repositoriesIn(settings);
  return {
    ...(settings.capabilities.includes("PACKAGES")
      ? {
          packages: {
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
            byPurl: createPurlLookup(context, search, versions, images),
            search: search.search,
          },
        }
      : {}),
    ...(settings.capabilities.includes("IMAGES") ? { images } : {}),
    // One row of the first repository; without one there is nothing that every credential may ask.
    ...(first
      ? { ping: async () => (await client.pagePackages(first, { pageNumber: 1, pageSize: 1 }, call)).origin }
      : {}),
  };
}
