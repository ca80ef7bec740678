import type { Readers } from "../backend.ts";
import { createImageLeg } from "./image-leg.ts";
import { createImageReader } from "./image-reader.ts";
import { type Access, createPackageLeg } from "./package-leg.ts";
import { createPackageReader } from "./package-reader.ts";
import type { SwrSettings } from "./settings.ts";

/**
 * One request's view of a SWR. Software packages and image repositories are both packages here, each only where the
 * capability is configured; tags are also what image references point at.
 */
export function createReaders(access: Access, { capabilities, namespaces }: SwrSettings): Readers {
  const packages = capabilities.includes("PACKAGES") ? createPackageLeg(access) : null;
  const images = capabilities.includes("IMAGES") ? createImageLeg(access) : null;
  const reader = createPackageReader(access, namespaces, packages, images);
  return images === null
    ? { packages: reader }
    : { packages: reader, images: createImageReader(access, namespaces, images) };
}
