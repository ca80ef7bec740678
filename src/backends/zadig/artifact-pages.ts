import type { ArtifactRecord } from "../../model/release.ts";
import type { Call } from "../../upstream/call.ts";
import type { UpstreamPage } from "../paging.ts";
import { inSmallerPages } from "../smaller-pages.ts";
import { toArtifact } from "./artifact.ts";
import type { ArtifactListQuery, ZadigClient } from "./client.ts";
import type { Place } from "./filtered-list.ts";
import type { Memory } from "./memory.ts";

/** A row of the artifact list. */
export interface ArtifactRow {
  readonly record: ArtifactRecord;
  /** What Zadig has in `image`: a reference, or the name of a file. */
  readonly text: string;
}

/** What the list is asked for, but for its pages. */
export type ArtifactFilters = Omit<ArtifactListQuery, "page" | "size">;

/** A page of the artifact list, from 0; places of rows that could not be read are empty. */
export type ArtifactPages = (
  filters: ArtifactFilters,
  page: number,
  size: number,
) => Promise<UpstreamPage<Place<ArtifactRow>>>;

/** The pages of one request; a page that is too large an answer is asked for in smaller ones. */
export function createArtifactPages(client: ZadigClient, memory: Memory, call: Call): ArtifactPages {
  const { base } = client.upstream;
  const fetch: ArtifactPages = async (filters, page, size) => {
    const { value, origin } = await client.listArtifacts({ ...filters, page: page + 1, size }, call);
    const rows = value.slots.map((row, index): Place<ArtifactRow> => {
      const record = row && toArtifact(row, origin, base);
      return {
        row: record && { record, text: row?.image ?? "" },
        identity: record?.ref.zadigId ?? record?.ref.image ?? `${page}/${size}/${index}`,
      };
    });
    return { rows, count: value.slots.length, dropped: value.dropped, origin, total: value.total };
  };
  return (filters, page, size) =>
    inSmallerPages({ fetch: (at, of) => fetch(filters, at, of), workable: memory.pageSizes.artifacts }, page, size);
}
