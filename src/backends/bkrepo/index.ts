import type { Call } from "../../upstream/operation.ts";
import type { BackendType, PackageReader, Readers } from "../backend.ts";
import { BkrepoClient, type BkrepoConnection, openConnection, repositoriesIn } from "./client.ts";
import { createRemover, removals } from "./delete.ts";
import { Files } from "./files.ts";
import { Images } from "./images.ts";
import { keyOf, parseKey } from "./keys.ts";
import { operations } from "./operations.ts";
import { Packages, Repositories } from "./packages.ts";
import { pricesOf, probesOf } from "./prices.ts";
import { PackageFinder, PurlLookup } from "./search.ts";
import { type BkrepoSettings, bkrepoSettings } from "./settings.ts";
import { Versions } from "./versions.ts";

/** bkrepo, the BlueKing artifact repository: packages, versions, files and images in project/repo. */
export const bkrepo: BackendType<BkrepoSettings> = {
  kind: "BKREPO",
  displayName: "bkrepo",
  access: {
    list: "repositories",
    places: "bkrepo repositories as project/repo",
    groups: null,
    ignoresCase: false,
    placesOfImage: (path) => [path.split("/").slice(0, 2).join("/")],
  },
  settings: bkrepoSettings,
  capabilities: ({ capabilities }) => capabilities,
  operations,
  removals,
  connect: (settings, permission) => {
    const connection = openConnection(settings);
    const { upstream } = connection;
    return {
      name: settings.name,
      type: bkrepo,
      capabilities: settings.capabilities,
      hosts: settings.hosts,
      places: settings.repositories.map((repository) => ({ repository, group: null })),
      probes: probesOf(connection),
      during: (call) => createReaders(connection, call),
      ...(permission?.mutations ? { remover: (call) => createRemover(upstream, call) } : {}),
      circuitOpen: upstream.circuitOpen,
      pressure: upstream.pressure,
      prices: () => pricesOf(settings),
      close: upstream.close,
    };
  },
};

/** One request's readers, which share its answers. */
function createReaders(connection: BkrepoConnection, call: Call): Readers {
  const client = new BkrepoClient(connection, call);
  const repositories = new Repositories(client);
  const packages = new Packages(client, repositories);
  const search = new PackageFinder(client, repositories, packages);
  const versions = new Versions(client, packages);
  const files = new Files(client, repositories, versions);
  const images = new Images(client, search, versions, files);
  const purls = new PurlLookup(client, search, versions, images);
  const reader: PackageReader = {
    keyOf,
    parseKey,
    package: (ref) => packages.byRef.load(ref),
    page: (scope, filter, request) => packages.page(scope, filter, request),
    version: (ref) => versions.byRef.load(ref),
    versions: (ref, filter, request) => versions.page(ref, filter, request),
    latest: (ref) => versions.latest(ref),
    files: (version, request) => files.page(version, request),
    byChecksum: (digest, scope) => files.byChecksum(digest, scope),
    named: (name, format, scope) => search.named(name, format, scope),
    byPurl: (purl, scope) => purls.versionsOf(purl, scope),
    search: (query, request) => search.search(query, request),
  };
  const { capabilities } = connection.settings;
  const [first] = repositoriesIn(connection.settings);
  return {
    ...(capabilities.includes("PACKAGES") ? { packages: reader } : {}),
    ...(capabilities.includes("IMAGES") ? { images } : {}),
    // Without a configured repository there is nothing that every credential may ask.
    ...(first ? { ping: async () => (await client.pagePackages(first, { pageNumber: 1, pageSize: 1 })).origin } : {}),
  };
}
