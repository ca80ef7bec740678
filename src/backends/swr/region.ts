import { UpstreamError } from "../../upstream/errors.ts";
import type { SwrSettings } from "./settings.ts";
import { isUnpublished } from "./verdict.ts";

/** What has been found out about a region; lives as long as the process and only ever loses abilities. */
export interface Region {
  /** False once the API gateway has said that it publishes no software package API. */
  readonly hasPackages: () => boolean;
  /**
   * Sends a call of the software package API, unless the region is known to have none: then the same refusal is
   * given without asking. Its `status` is null, which tells it from the first one.
   */
  readonly packages: <T>(operation: string, send: () => Promise<T>) => Promise<T>;
  /** Reads tags by v3 where the settings want it and the region has it, else by v2. */
  readonly tags: <T>(v3: () => Promise<T>, v2: () => Promise<T>) => Promise<T>;
}

/** A region about which nothing is known yet. */
export function createRegion({ name, imageApi }: Pick<SwrSettings, "name" | "imageApi">): Region {
  let missing: string | null = null;
  let lacksV3 = false;
  return {
    hasPackages: () => missing === null,
    packages: async (operation, send) => {
      if (missing !== null) {
        const reason = "the region publishes no software package API";
        throw new UpstreamError("REJECTED", { backend: name, operation, code: missing, retryable: false, reason });
      }
      try {
        return await send();
      } catch (error) {
        if (isUnpublished(error)) missing = error.code;
        throw error;
      }
    },
    tags: async (v3, v2) => {
      if (imageApi === "v2" || lacksV3) return v2();
      try {
        return await v3();
      } catch (error) {
        if (imageApi !== "auto" || !isUnpublished(error)) throw error;
        lacksV3 = true;
        return v2();
      }
    },
  };
}
