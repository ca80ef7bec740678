/** What one backend can be asked, as far as it costs calls. `tag…` is about images, where they cost otherwise. */
export type Question =
  | "releases"
  | "filteredReleases"
  | "release"
  | "releaseParts"
  | "assembledBuilds"
  | "containing"
  | "artifacts"
  | "filteredArtifacts"
  | "artifact"
  | "byImage"
  | "byNameAndTag"
  | "byCommit"
  | "packages"
  | "package"
  | "versions"
  | "tags"
  | "version"
  | "tag"
  | "latest"
  | "latestTag"
  | "latestBySemver"
  | "files"
  | "byChecksum"
  | "named"
  | "search"
  | "image"
  | "copies"
  | "byDigest"
  | "commit"
  | "mergeRequests"
  | "publishedFrom"
  | "total"
  | "floatingTags"
  | "ping";

/**
 * What one question costs in upstream calls, as it usually goes with a backend that answers: walks that end when
 * something is found are counted with the pages they usually take, retries not at all.
 */
export interface Price {
  /** For each key. */
  readonly each?: number;
  /** For each row of the page that is asked for. */
  readonly row?: number;
  /** For each batch of so many keys that are asked for together. */
  readonly batch?: { readonly size: number; readonly calls: number };
}

/** The price of each question; left out where the backend cannot be asked, or has the answer already. */
export type Prices = Readonly<Partial<Record<Question, Price>>>;

/** Calls, and the number of answers they come back in. */
export interface Cost {
  readonly cost: number;
  /** What a batch brings becomes known together, what is asked for alone becomes known alone. */
  readonly batches: number;
}

/**
 * Calls for `keys` that become known at `arrivals` different moments, each with a page of `rows`: only what is known at
 * the same moment can go into one batch.
 */
export function callsFor(price: Price, keys: number, arrivals: number, rows: number): Cost {
  if (keys === 0) return { cost: 0, batches: 0 };
  const { each = 0, row = 0, batch } = price;
  const together = batch ? Math.min(keys, arrivals - 1 + Math.ceil(keys / batch.size)) : 0;
  return {
    cost: (each + row * rows) * keys + (batch?.calls ?? 0) * together,
    batches: each + row > 0 ? keys : together,
  };
}
