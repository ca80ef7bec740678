import type { Origin } from "../../model/backend.ts";
import { parseImageRef } from "../../model/image-ref.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import type { Call } from "../../upstream/call.ts";
import type { Reply } from "../../upstream/client.ts";
import { orNull, UpstreamError } from "../../upstream/errors.ts";
import { toArtifact } from "./artifact.ts";
import type { ZadigClient } from "./client.ts";
import { chunksWithin, endingIn, exactly } from "./image-pattern.ts";
import type { Memory } from "./memory.ts";
import { findArtifact, getArtifactDirectory, listArtifacts } from "./operations.ts";
import type { ArtifactPayload } from "./payload.ts";
import type { Slots } from "./slots.ts";

/** How artifacts are found by image, many at once. Each answers by key; a key that could not be answered is an Error. */
export interface ArtifactLookup {
  readonly byImage: (images: readonly string[]) => Promise<ReadonlyMap<string, Found>>;
  /** By `name:tag`, whatever stands in front of it. */
  readonly byEnding: (endings: readonly string[]) => Promise<ReadonlyMap<string, Found>>;
  readonly byId: (id: string) => Promise<ArtifactRecord | null>;
}

type Found = readonly ArtifactRecord[] | Error;

/** Bytes of one encoded pattern. */
const patternBytes = 6000;
/** Records of one chunk that are read: a tag like `latest` may have thousands, and only the newest matter. */
const mostPages = 3;

/**
 * The cost of `byImage`: one list call for about fifty images, whose newest records come back with their activities.
 * The list hides images whose size Zadig could not read (OCI manifests, multi-arch indexes): an image of a named
 * registry that it does not show costs one call more for its id, and one for the record if there is one.
 */
export function createLookup(client: ZadigClient, memory: Memory, call: Call, usesFacade: boolean): ArtifactLookup {
  const record = (row: ArtifactPayload, origin: Origin) => toArtifact(row, origin, client.upstream.base);

  const byId: ArtifactLookup["byId"] = async (id) => {
    const reply = await orNull(client.getArtifact(id, call));
    return reply?.value ? record(reply.value, reply.origin) : null;
  };

  async function search(
    keys: readonly string[],
    pattern: (keys: readonly string[]) => string,
    keyOf: (row: ArtifactPayload) => string | null,
    missing: (key: string, complete: boolean) => Promise<Found>,
  ): Promise<ReadonlyMap<string, Found>> {
    const answers = new Map<string, Found>();
    await Promise.all(
      chunksWithin(keys, patternBytes).map(async (chunk) => {
        try {
          const { replies, complete } = await readAll(pattern(chunk), Math.max(100, chunk.length * 4));
          const found = gather(replies, keyOf);
          const unreadable = replies.some(({ value }) => value.dropped.length > 0);
          await Promise.all(
            chunk.map(async (key) => {
              const rows = found.get(key);
              if (rows) answers.set(key, rows);
              // The row that is missing may be the one that could not be read.
              else if (unreadable) answers.set(key, malformed());
              else answers.set(key, await missing(key, complete));
            }),
          );
        } catch (error) {
          for (const key of chunk) answers.set(key, toError(error));
        }
      }),
    );
    return answers;
  }

  async function readAll(image: string, size: number) {
    const first = await client.listArtifacts({ image, page: 1, size }, call);
    const { total } = first.value;
    const count = first.value.slots.length;
    const pages = total === null ? (count < size ? 1 : 2) : Math.ceil(total / size);
    const rest = await Promise.all(
      Array.from({ length: Math.min(pages, mostPages) - 1 }, (_, index) =>
        client.listArtifacts({ image, page: index + 2, size }, call),
      ),
    );
    const last = rest[rest.length - 1] ?? first;
    const complete = total === null ? last.value.slots.length < size : pages <= mostPages;
    return { replies: [first, ...rest], complete };
  }

  function gather(
    replies: readonly Reply<Slots<ArtifactPayload>>[],
    keyOf: (row: ArtifactPayload) => string | null,
  ): ReadonlyMap<string, readonly ArtifactRecord[]> {
    const found = new Map<string, ArtifactRecord[]>();
    const ids = new Set<string>();
    for (const { value, origin } of replies) {
      for (const row of value.slots) {
        const key = row === null ? null : keyOf(row);
        if (row === null || key === null) continue;
        const one = record(row, origin);
        // A record created meanwhile pushes the last row of a page onto the next one.
        const { zadigId } = one.ref;
        if (zadigId !== null && ids.has(zadigId)) continue;
        if (zadigId !== null) ids.add(zadigId);
        found.set(key, [...(found.get(key) ?? []), one]);
      }
    }
    return new Map([...found].map(([key, records]) => [key, newestFirst(records)]));
  }

  async function hidden(image: string, complete: boolean): Promise<Found> {
    const overBudget = new UpstreamError("OVER_BUDGET", {
      backend: client.upstream.name,
      operation: listArtifacts.name,
    });
    // Zadig pushes to named registries only; a short name like `nginx:1.27` was never built there.
    if (!parseImageRef(image)?.registry) return complete ? [] : overBudget;
    try {
      const reply = await orNull(client.findArtifact(image, call));
      const found = reply?.value ? await byId(reply.value) : null;
      return found && imageTextOf(found) === image.trim() ? [found] : [];
    } catch (error) {
      // Before 1.8 there is no such call: what the list says is all there is.
      return isMissingRoute(error, findArtifact.name) && complete ? [] : toError(error);
    }
  }

  async function byFacade(image: string): Promise<Found | null> {
    try {
      const { value, origin } = await client.getArtifactDirectory(image, call);
      const found = value === null ? null : record(value, origin);
      return found && value?.image?.trim() === image.trim() ? [found] : [];
    } catch (error) {
      if (isMissingRoute(error, getArtifactDirectory.name)) memory.lacksArtifactFacade = true;
      else if (!(error instanceof UpstreamError && error.failure === "UNAVAILABLE" && !error.circuitOpen)) {
        return toError(error);
      }
      // The facade answers 500 for an unknown image as for an outage: the list tells which it was.
      return null;
    }
  }

  function malformed(): UpstreamError {
    return new UpstreamError("MALFORMED", {
      backend: client.upstream.name,
      operation: listArtifacts.name,
      reason: "rows could not be read and this image is not among the others",
    });
  }

  const byImage: ArtifactLookup["byImage"] = async (images) => {
    const asked = new Map<string, Found>();
    if (usesFacade && !memory.lacksArtifactFacade) {
      await Promise.all(
        images.map(async (image) => {
          const found = await byFacade(image);
          if (found) asked.set(image, found);
        }),
      );
    }
    const rest = images.filter((image) => !asked.has(image));
    const listed = await search(rest, exactly, (row) => row.image?.trim() ?? null, hidden);
    return new Map([...asked, ...listed]);
  };

  const byEnding: ArtifactLookup["byEnding"] = (endings) =>
    search(endings, endingIn, endingOf, async (_ending, complete) =>
      complete
        ? []
        : new UpstreamError("OVER_BUDGET", { backend: client.upstream.name, operation: listArtifacts.name }),
    );

  return { byImage, byEnding, byId };
}

/** Newest first; records without a time last. Zadig sorts so itself, but without a tie-breaker. */
export function newestFirst(records: readonly ArtifactRecord[]): readonly ArtifactRecord[] {
  return [...records].sort((a, b) => (b.createdAt ?? "").localeCompare(a.createdAt ?? ""));
}

function endingOf({ image }: ArtifactPayload): string | null {
  const text = image?.trim() ?? "";
  return text.includes("/") ? text.slice(text.lastIndexOf("/") + 1) : null;
}

function imageTextOf(found: ArtifactRecord): string | null {
  return found.image?.raw ?? null;
}

function isMissingRoute(error: unknown, operation: string): boolean {
  return (
    error instanceof UpstreamError &&
    error.operation === operation &&
    error.failure === "REJECTED" &&
    (error.status === 404 || error.status === 405)
  );
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("a call threw something that is no Error", { cause: error });
}
