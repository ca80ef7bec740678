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

/** What artifacts are looked up by: a whole image text, or the `name:tag` at its end. */
export interface ImageKey {
  readonly kind: "WHOLE" | "ENDING";
  readonly text: string;
}

/** One text for each key, for caches and answers. */
export function imageKeyText({ kind, text }: ImageKey): string {
  return `${kind} ${text}`;
}

/** How artifacts are found. */
export interface ArtifactLookup {
  /** Many keys of both kinds at once, answered by key text; a key that could not be answered is an Error. */
  readonly byImages: (keys: readonly ImageKey[]) => Promise<ReadonlyMap<string, Found>>;
  readonly byId: (id: string) => Promise<ArtifactRecord | null>;
}

type Found = readonly ArtifactRecord[] | Error;

/** Bytes of one encoded pattern. */
const patternBytes = 6000;
/** Records of one chunk that are read: a tag like `latest` may have thousands, and only the newest matter. */
const mostPages = 3;

/**
 * The cost of a batch: one list call for about fifty keys, whose newest records come back with their activities.
 * The list hides images whose size Zadig could not read (OCI manifests, multi-arch indexes): a whole image of a named
 * registry that it does not show costs one call more for its id, and one for the record if there is one. By its ending
 * a hidden image cannot be found.
 */
export function createLookup(client: ZadigClient, memory: Memory, call: Call, usesFacade: boolean): ArtifactLookup {
  const record = (row: ArtifactPayload, origin: Origin) => toArtifact(row, origin, client.upstream.base);

  const byId: ArtifactLookup["byId"] = async (id) => {
    const reply = await orNull(client.getArtifact(id, call));
    return reply?.value ? record(reply.value, reply.origin) : null;
  };

  async function search(chunk: readonly ImageKey[]): Promise<ReadonlyMap<string, Found>> {
    const answers = new Map<string, Found>();
    try {
      const { replies, complete } = await readAll(patternOf(chunk), Math.max(100, chunk.length * 4));
      const found = gather(replies);
      const unreadable = replies.some(({ value }) => value.dropped.length > 0);
      await Promise.all(
        chunk.map(async (key) => {
          const rows = found.get(imageKeyText(key));
          if (rows) answers.set(imageKeyText(key), rows);
          // The row that is missing may be the one that could not be read.
          else if (unreadable) answers.set(imageKeyText(key), malformed());
          else answers.set(imageKeyText(key), await unlisted(key, complete));
        }),
      );
    } catch (error) {
      for (const key of chunk) answers.set(imageKeyText(key), toError(error));
    }
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

  function gather(replies: readonly Reply<Slots<ArtifactPayload>>[]): ReadonlyMap<string, readonly ArtifactRecord[]> {
    const found = new Map<string, ArtifactRecord[]>();
    const ids = new Set<string>();
    for (const { value, origin } of replies) {
      for (const row of value.slots) {
        const text = withoutScheme(row?.image ?? "");
        if (!row || !text) continue;
        const one = record(row, origin);
        // A record created meanwhile pushes the last row of a page onto the next one.
        const { zadigId } = one.ref;
        if (zadigId !== null && ids.has(zadigId)) continue;
        if (zadigId !== null) ids.add(zadigId);
        for (const key of keysOf(text)) {
          const name = imageKeyText(key);
          found.set(name, [...(found.get(name) ?? []), one]);
        }
      }
    }
    return new Map([...found].map(([key, records]) => [key, newestFirst(records)]));
  }

  async function unlisted({ kind, text }: ImageKey, complete: boolean): Promise<Found> {
    // Zadig pushes to named registries only; a short name like `nginx:1.27` was never built there.
    if (kind === "ENDING" || !parseImageRef(text)?.registry) {
      const { name: backend } = client.upstream;
      return complete ? [] : new UpstreamError("OVER_BUDGET", { backend, operation: listArtifacts.name });
    }
    try {
      const reply = await orNull(client.findArtifact(text, call));
      const found = reply?.value ? await byId(reply.value) : null;
      return found?.image?.raw === text ? [found] : [];
    } catch (error) {
      // Before 1.8 there is no such call: what the list says is all there is.
      return isMissingRoute(error, findArtifact.name) && complete ? [] : toError(error);
    }
  }

  async function byFacade(image: string): Promise<Found | null> {
    try {
      const { value, origin } = await client.getArtifactDirectory(image, call);
      const found = value === null ? null : record(value, origin);
      return found && withoutScheme(value?.image ?? "") === image ? [found] : [];
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

  const byImages: ArtifactLookup["byImages"] = async (keys) => {
    const answers = new Map<string, Found>();
    if (usesFacade && !memory.lacksArtifactFacade) {
      await Promise.all(
        keys.map(async (key) => {
          const found = key.kind === "WHOLE" ? await byFacade(key.text) : null;
          if (found) answers.set(imageKeyText(key), found);
        }),
      );
    }
    const rest = keys.filter((key) => !answers.has(imageKeyText(key)));
    const listed = await Promise.all(chunksWithin(rest, ({ text }) => text, patternBytes).map(search));
    return new Map([...answers, ...listed.flatMap((part) => [...part])]);
  };

  return { byImages, byId };
}

// Two patterns in one call: an unanchored one reads the whole collection anyway.
function patternOf(keys: readonly ImageKey[]): string {
  const whole = keys.filter(({ kind }) => kind === "WHOLE").map(({ text }) => text);
  const endings = keys.filter(({ kind }) => kind === "ENDING").map(({ text }) => text);
  return [...(whole.length > 0 ? [exactly(whole)] : []), ...(endings.length > 0 ? [endingIn(endings)] : [])].join("|");
}

/** The keys that a record with this image text answers. */
function keysOf(text: string): ImageKey[] {
  const whole: ImageKey = { kind: "WHOLE", text };
  const slash = text.lastIndexOf("/");
  return slash < 0 ? [whole] : [whole, { kind: "ENDING", text: text.slice(slash + 1) }];
}

/** A record's text as references are compared: file names and whatever else is no reference stay what they are. */
export function withoutScheme(text: string): string {
  return parseImageRef(text)?.raw ?? text.trim();
}

/** Newest first; records without a time last. Zadig sorts so itself, but without a tie-breaker. */
export function newestFirst(records: readonly ArtifactRecord[]): readonly ArtifactRecord[] {
  return [...records].sort((a, b) => (b.createdAt ?? "").localeCompare(a.createdAt ?? ""));
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
