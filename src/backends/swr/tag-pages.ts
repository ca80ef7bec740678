import type { Call } from "../../upstream/call.ts";
import { found } from "../answers.ts";
import { batched, keyText } from "../batch.ts";
import type { Direction, Listing, RepositoryName, SwrClient } from "./client.ts";
import { toError } from "./package-leg.ts";
import type { TagRow } from "./payload.ts";
import type { MarkedPage } from "./walk.ts";

interface PageKey<P> {
  readonly name: RepositoryName;
  readonly direction: Direction;
  /** Where the page begins: its zero-based number, or its marker, empty for the first. */
  readonly at: P;
  readonly size: number;
}

/** Pages of tags of one request. All reject with an UpstreamError. */
export interface TagPages {
  readonly byOffset: (key: PageKey<number>) => Promise<Listing<TagRow>>;
  /** May answer with a larger page than was asked for: its `size` tells. */
  readonly byMarker: (key: PageKey<string>) => Promise<MarkedPage<TagRow>>;
}

/**
 * Pages that start a list are asked for once, in the largest size that anybody wants: the newest tag is the head of
 * the first page of tags, so both together are one call.
 */
export function createTagPages(client: SwrClient, call: Call): TagPages {
  const byOffset = startingOnce<number, Listing<TagRow>>(0, ({ name, direction, at, size }) =>
    client.listTags(name, direction, { limit: size, offset: at * size }, call),
  );
  const byMarker = startingOnce<string, MarkedPage<TagRow>>("", async ({ name, direction, at, size }) => {
    const page = await client.listTagsByMarker(name, direction, size, at === "" ? null : at, call);
    return { ...page, marker: at, size };
  });
  return {
    byOffset: async (key) => headOf(await byOffset(key), key.size),
    byMarker,
  };
}

function startingOnce<P extends string | number, L>(start: P, fetch: (key: PageKey<P>) => Promise<L>) {
  const text = ({ name, direction, at, size }: PageKey<P>) => keyText(name.namespace, name.path, direction, at, size);
  const loader = batched<PageKey<P>, L>(text, async (keys, answers) => {
    const groups = Map.groupBy(keys, (key) => (key.at === start ? text({ ...key, size: 0 }) : text(key)));
    await Promise.all(
      [...groups.values()].map(async (group) => {
        const largest = group.reduce((one, other) => (other.size > one.size ? other : one));
        const answer = await fetch(largest).then(found, toError);
        for (const key of group) answers.set(text(key), answer);
      }),
    );
    return answers;
  });
  return async (key: PageKey<P>): Promise<L> => {
    const page = await loader.load(key);
    if (page.kind !== "FOUND") throw new RangeError("a page that was asked for has an answer");
    return page.value;
  };
}

/** The page as it would have come in the smaller size. */
function headOf<T>(page: Listing<T>, size: number): Listing<T> {
  if (page.count <= size) return page;
  const dropped = page.dropped.filter(({ index }) => index < size);
  return { ...page, dropped, count: size, rows: page.rows.slice(0, size - dropped.length) };
}
