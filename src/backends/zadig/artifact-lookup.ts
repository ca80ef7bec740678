import { parseImageRef } from "../../model/artifact.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import type { Call } from "../../upstream/call.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, absentIfNotFound, found, type Unknown, unknown } from "../answers.ts";
import type { UpstreamPage } from "../paging.ts";
import { toArtifact } from "./artifact.ts";
import type { ArtifactPages, ArtifactRow } from "./artifact-pages.ts";
import type { ZadigClient } from "./client.ts";
import type { Place } from "./filtered-list.ts";
import { chunksWithin, endingIn, exactly } from "./image-pattern.ts";
import type { Memory } from "./memory.ts";
import { findArtifact, getArtifact, getArtifactDirectory } from "./operations.ts";

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
  /** Many keys of both kinds at once, answered by key text; a key whose call failed is an Error. */
  readonly byImages: (keys: readonly ImageKey[]) => Promise<ReadonlyMap<string, Answer<Records> | Error>>;
  readonly byId: (id: string) => Promise<Answer<ArtifactRecord>>;
}

type Records = readonly ArtifactRecord[];

/** Bytes of one encoded pattern. */
const patternBytes = 6000;
/** Records of one chunk that are read: a tag like `latest` may have thousands, and only the newest matter. */
const mostPages = 3;

const noImage = absent(findArtifact, "KEYED_READ");

/**
 * The cost of a batch: one list call for about fifty keys, whose newest records come back with their activities.
 * The list hides images whose size Zadig could not read (OCI manifests, multi-arch indexes): a whole image that it does
 * not show costs one call more for its id, and one for the record if there is one. By its ending a hidden image cannot
 * be found, so that nothing is absent by its ending.
 */
export function createLookup(
  client: ZadigClient,
  pages: ArtifactPages,
  memory: Memory,
  call: Call,
  usesFacade: boolean,
): ArtifactLookup {
  const byId: ArtifactLookup["byId"] = (id) =>
    absentIfNotFound(
      client.getArtifact(id, call).then(({ value, origin }): Answer<ArtifactRecord> => {
        if (value === null) return absent(getArtifact, "KEYED_READ");
        return found(toArtifact(value, origin, client.upstream.base));
      }),
      absent(getArtifact, "KEYED_READ"),
    );

  async function search(chunk: readonly ImageKey[]): Promise<ReadonlyMap<string, Answer<Records> | Error>> {
    const answers = new Map<string, Answer<Records> | Error>();
    try {
      const { read, complete } = await readAll(patternOf(chunk), Math.max(100, chunk.length * 4));
      const listed = gather(read);
      // A row that could not be read, or one behind the most that is read, may be of any of these keys.
      const gap = read.some(({ dropped }) => dropped.length > 0)
        ? unknown("LOST_ROWS")
        : complete
          ? null
          : unknown("UNREAD");
      await Promise.all(
        chunk.map(async (key) => {
          const rows = listed.get(imageKeyText(key));
          answers.set(imageKeyText(key), rows ? found(rows, gap) : await unlisted(key, gap));
        }),
      );
    } catch (error) {
      for (const key of chunk) answers.set(imageKeyText(key), toError(error));
    }
    return answers;
  }

  async function readAll(image: string, size: number) {
    const first = await pages({ image }, 0, size);
    const { total, count } = first;
    const all = total === null ? (count < size ? 1 : 2) : Math.ceil(total / size);
    const rest = await Promise.all(
      Array.from({ length: Math.min(all, mostPages) - 1 }, (_, index) => pages({ image }, index + 1, size)),
    );
    const last = rest[rest.length - 1] ?? first;
    const complete = total === null ? last.count < size : all <= mostPages;
    return { read: [first, ...rest], complete };
  }

  async function unlisted({ kind, text }: ImageKey, gap: Unknown | null): Promise<Answer<Records> | Error> {
    if (kind === "ENDING") return gap ?? unknown("NARROW_SEARCH");
    try {
      const id = await absentIfNotFound(
        client.findArtifact(text, call).then(({ value }) => (value === null ? noImage : found(value))),
        noImage,
      );
      if (id.kind !== "FOUND") return gap ?? id;
      const record = await byId(id.value);
      if (record.kind !== "FOUND") return record.kind === "ABSENT" ? unknown("DETAIL_MISSING") : record;
      // Whichever record is first; what it says is compared again.
      return textOf(record.value) === text ? found([record.value]) : unknown("DETAIL_MISSING");
    } catch (error) {
      // Before 1.8 there is no such call, and then nobody knows of what the list hides.
      return isMissingRoute(error, findArtifact.name) ? (gap ?? unknown("NARROW_SEARCH")) : toError(error);
    }
  }

  async function byFacade(image: string): Promise<Answer<Records> | Error | null> {
    try {
      const { value, origin } = await client.getArtifactDirectory(image, call);
      // The list tells whether there is none.
      if (value === null || withoutScheme(value.image ?? "") !== image) return null;
      return found([toArtifact(value, origin, client.upstream.base)]);
    } catch (error) {
      if (isMissingRoute(error, getArtifactDirectory.name)) memory.lacksArtifactFacade.set(true);
      else if (!(error instanceof UpstreamError && error.failure === "UNAVAILABLE" && !error.circuitOpen)) {
        return toError(error);
      }
      // The facade answers 500 for an unknown image as for an outage: the list tells which it was.
      return null;
    }
  }

  const byImages: ArtifactLookup["byImages"] = async (keys) => {
    const answers = new Map<string, Answer<Records> | Error>();
    if (usesFacade && !memory.lacksArtifactFacade.get()) {
      await Promise.all(
        keys.map(async (key) => {
          const told = key.kind === "WHOLE" ? await byFacade(key.text) : null;
          if (told) answers.set(imageKeyText(key), told);
        }),
      );
    }
    const rest = keys.filter((key) => !answers.has(imageKeyText(key)));
    const listed = await Promise.all(chunksWithin(rest, ({ text }) => text, patternBytes).map(search));
    return new Map([...answers, ...listed.flatMap((part) => [...part])]);
  };

  return { byImages, byId };
}

function gather(read: readonly UpstreamPage<Place<ArtifactRow>>[]): ReadonlyMap<string, Records> {
  const listed = new Map<string, ArtifactRecord[]>();
  const ids = new Set<string>();
  for (const { row } of read.flatMap(({ rows }) => rows)) {
    const text = withoutScheme(row?.text ?? "");
    if (!row || !text) continue;
    const { record } = row;
    // A record created meanwhile pushes the last row of a page onto the next one.
    const { zadigId } = record.ref;
    if (zadigId !== null && ids.has(zadigId)) continue;
    if (zadigId !== null) ids.add(zadigId);
    for (const key of keysOf(text)) {
      const name = imageKeyText(key);
      listed.set(name, [...(listed.get(name) ?? []), record]);
    }
  }
  return new Map([...listed].map(([key, records]) => [key, newestFirst(records)]));
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

/** What a record has for an image: a reference without its scheme, or the name of a file. */
export function textOf({ image, file }: ArtifactRecord): string {
  return image?.raw ?? file ?? "";
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
