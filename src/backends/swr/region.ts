import { UpstreamError } from "../../upstream/errors.ts";
import { Learnt } from "../learnt.ts";
import type { SwrSettings } from "./settings.ts";
import { isOrderRefused, isUnpublished } from "./verdict.ts";

/** The lists that are asked for in an order. */
export type OrderedList = "repositories" | "tags" | "pushes";

/** What a region's answers have shown that it cannot do; lives as long as the process, and forgets after some minutes. */
export interface Region {
  /** False while the API gateway is known to publish no software package API. */
  readonly hasPackages: () => boolean;
  /**
   * Sends a call of the software package API, unless the region is known to have none: then the same refusal is
   * given without asking. Its `status` is null, which tells it from the first one.
   */
  readonly packages: <T>(operation: string, send: () => Promise<T>) => Promise<T>;
  /** Reads tags by v3 where the settings want it and the region has it, else by v2. */
  readonly tags: <T>(v3: () => Promise<T>, v2: () => Promise<T>) => Promise<T>;
  /**
   * Asks for a list in an order, and without one where the region refuses the order (400 `SVCSTG.SWR.4001096`: outside
   * of China the reference allows `updated_at` only) or was seen not to keep it.
   */
  readonly ordered: <T>(list: OrderedList, inOrder: () => Promise<T>, unordered: () => Promise<T>) => Promise<T>;
  /** Whether this namespace was seen to hold something that these credentials may see. */
  readonly isSeen: (namespace: string) => boolean;
  readonly seen: (namespace: string) => void;
}

/** Thrown where a list did not come in the order that it was asked for. */
export class UnsortedAnswer extends Error {
  override readonly name = "UnsortedAnswer";
}

/** A region about which nothing is known yet; `now` is the process's clock in milliseconds. */
export function createRegion(
  { name, imageApi, forward }: Pick<SwrSettings, "name" | "imageApi" | "forward">,
  now: () => number,
): Region {
  /** The code of the refusal. */
  const missing = new Learnt<string>(now);
  const lacksV3 = new Learnt<true>(now);
  const unordered = {
    repositories: new Learnt<true>(now),
    tags: new Learnt<true>(now),
    pushes: new Learnt<true>(now),
  } as const;
  const seen = new Learnt<Set<string>>(now);
  return {
    hasPackages: () => missing.get() === null,
    packages: async (operation, send) => {
      const code = missing.get();
      if (code !== null) {
        const reason = "the region publishes no software package API";
        throw new UpstreamError("REJECTED", { backend: name, operation, code, retryable: false, reason });
      }
      try {
        return await send();
      } catch (error) {
        if (isUnpublished(error) && error.code !== null) missing.set(error.code);
        throw error;
      }
    },
    tags: async (v3, v2) => {
      if (imageApi === "v2" || lacksV3.get()) return v2();
      try {
        return await v3();
      } catch (error) {
        if (imageApi !== "auto" || !isUnpublished(error)) throw error;
        lacksV3.set(true);
        return v2();
      }
    },
    ordered: async (list, inOrder, withoutOrder) => {
      if (unordered[list].get()) return withoutOrder();
      try {
        return await inOrder();
      } catch (error) {
        if (!(error instanceof UnsortedAnswer) && !isOrderRefused(error)) throw error;
        unordered[list].set(true);
        return withoutOrder();
      }
    },
    isSeen: (namespace) => seen.get()?.has(namespace) ?? false,
    seen: (namespace) => {
      // What one caller's credential sees says nothing of another's.
      if (forward === "caller") return;
      const known = seen.get();
      if (known === null) seen.set(new Set([namespace]));
      else known.add(namespace);
    },
  };
}
