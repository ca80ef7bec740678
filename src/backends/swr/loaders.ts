import type { Readers } from "../backend.ts";
import type { Access } from "./access.ts";
import { createImageReader } from "./image-reader.ts";
import { createPackageLeg } from "./package-leg.ts";
import { createPackageReader } from "./package-reader.ts";
import { createNamespaces, createPlaces } from "./places.ts";
import { createRepositories } from "./repositories.ts";
import type { SwrSettings } from "./settings.ts";
import { createTags } from "./tags.ts";

/**
 * One request's view of a SWR. Software packages and image repositories are both packages here, each only where the
 * capability is configured; tags are also what image references point at.
 */
export function createReaders(opened: Omit<Access, "namespaces">, { capabilities, namespaces }: SwrSettings): Readers {
  const access: Access = { ...opened, namespaces: createNamespaces(opened) };
  const packages = capabilities.includes("PACKAGES") ? createPackageLeg(access) : null;
  const images = capabilities.includes("IMAGES") ? imagesOf(access) : null;
  const places = createPlaces(access, namespaces);
  return {
    packages: createPackageReader(access, places, packages, images),
    ...(images === null ? {} : { images: createImageReader(access, places, images.repositories, images.tags) }),
    ping: pingOf(access, capabilities, namespaces),
  };
}

function imagesOf(access: Access) {
  const repositories = createRepositories(access);
  return { repositories, tags: createTags(access, repositories) };
}

/** One row of the first namespace; without one the namespaces themselves, as a list of everything is not cheap. */
function pingOf(
  { client, call }: Access,
  capabilities: SwrSettings["capabilities"],
  [namespace]: SwrSettings["namespaces"],
): NonNullable<Readers["ping"]> {
  const stretch = { limit: 1, offset: 0 };
  return async () => {
    if (namespace === undefined) return (await client.listNamespaces(call)).origin;
    return capabilities.includes("IMAGES")
      ? (await client.listRepositories(namespace, null, false, stretch, call)).origin
      : (await client.listPackages(namespace, null, call)).origin;
  };
}
