import type { Package } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { orNull } from "../../upstream/errors.ts";
import { batched, keyText, single } from "../batch.ts";
import { keepRows, mapPage, readWindow, type UpstreamPage } from "../paging.ts";
import { type Direction, type Found, type Listing, largestPage, type RepositoryName, type Stretch } from "./client.ts";
import { tagOf, toImagePackage } from "./mapper.ts";
import { type Access, compare, type Listed, noneOf, unanswered } from "./package-leg.ts";
import type { RepositoryRow, TagRow } from "./payload.ts";
import { createTagPages } from "./tag-pages.ts";
import { markedPosition, pagesBehind, readMarkedWindow, type Whole, walkMarked, walkOn, wholeOf } from "./walk.ts";

/** Image repositories and tags of one request; equal questions are one call. All reject with an UpstreamError. */
export interface ImageLeg {
  /** A window over the repositories of a namespace, in order of names; null when there is no such namespace. */
  readonly page: (namespace: string, request: PageRequest) => Promise<Page<Package> | null>;
  /** All repositories of a namespace whose path contains `part`; the server may leave the filter to the caller. */
  readonly list: (namespace: string, part: string) => Promise<Listed<Package>>;
  /** Several repositories of one namespace asked together are one call. */
  readonly repository: (name: RepositoryName) => Promise<Package | null>;
  /** Several tags of one repository asked together are one call. */
  readonly tag: (name: RepositoryName, tag: string) => Promise<Found<TagRow> | null>;
  /** Whether a tag of this repository was asked for and is not there: then the repository may not be there either. */
  readonly isMissed: (name: RepositoryName) => boolean;
  /** All tags; null when there is no such repository. */
  readonly tags: (name: RepositoryName) => Promise<Whole<TagRow> | null>;
  /** A window over the tags in order of pushes; null when there is no such repository. */
  readonly tagWindow: (
    name: RepositoryName,
    direction: Direction,
    request: PageRequest,
  ) => Promise<Page<Found<TagRow>> | null>;
  /** The tag that was pushed last. */
  readonly newestTag: (name: RepositoryName) => Promise<Found<TagRow> | null>;
}

/** Opens the image repositories for one request. */
export function createImageLeg({ backend, client, region, call }: Access): ImageLeg {
  const textOf = ({ namespace, path }: RepositoryName) => keyText(namespace, path);
  const listRepositories = (namespace: string, part: string | null) => (stretch: Stretch) =>
    client.listRepositories(namespace, part, stretch, call);

  const repositories = batched<RepositoryName, Package>(
    textOf,
    async (names) => {
      const answers = new Map<string, Package | Error>();
      const groups = [...Map.groupBy(names, ({ namespace }) => namespace)];
      await Promise.all(
        groups.map(async ([namespace, group]) => {
          const ask = group.length === 1 ? detailsOf(group) : listed(namespace, group);
          await failingFor(group, textOf, answers, ask);
        }),
      );
      return answers;

      async function detailsOf(group: readonly RepositoryName[]): Promise<void> {
        await Promise.all(
          group.map(async (name) => {
            const ask = orNull(client.getRepository(name, call)).then((found) => {
              // The name that was asked for is the name it is found by again.
              if (found !== null) {
                const row = { ...found.row, name: name.path };
                answers.set(textOf(name), toImagePackage(row, name.namespace, found.origin));
              }
            });
            await failingFor([name], textOf, answers, ask);
          }),
        );
      }

      async function listed(namespace: string, group: readonly RepositoryName[]): Promise<void> {
        const fetch = listRepositories(namespace, null);
        const first = await orNull(fetch({ limit: largestPage, offset: 0 }));
        if (first === null) return;
        take(first);
        const left = group.filter((name) => !answers.has(textOf(name)));
        // A few stragglers are cheaper to ask for by name than by the pages they may be on.
        if (left.length > 0 && pagesBehind(first) >= left.length) return detailsOf(left);
        const whole = left.length === 0 ? wholeOf([first], nameOf) : await walkOn(first, fetch, nameOf);
        take(whole);
        if (whole.complete) return;
        for (const name of left) {
          if (!answers.has(textOf(name))) await failingFor([name], textOf, answers, absentIn("swr.listRepositories"));
        }

        function take(listing: Listing<RepositoryRow>): void {
          for (const row of inside(namespace, listing)) {
            answers.set(keyText(namespace, row.name), toImagePackage(row, namespace, listing.origin));
          }
        }
      }
    },
    {
      by: { call, backend, operation: (names) => (names.length === 1 ? "swr.getRepository" : "swr.listRepositories") },
    },
  );

  const lists = single<{ namespace: string; part: string }, Listed<Package>>(
    ({ namespace, part }) => keyText(namespace, part),
    async ({ namespace, part }) => {
      // Only characters of names narrow the list; anything else would be refused, or read as something else.
      const filter = /^[a-z0-9._/-]+$/.test(part) ? part : null;
      const fetch = listRepositories(namespace, filter);
      const first = await orNull(fetch({ limit: largestPage, offset: 0 }));
      if (first === null) return noneOf(backend);
      const whole = await walkOn(first, fetch, nameOf);
      const rows = inside(namespace, whole).map((row) => toImagePackage(row, namespace, whole.origin));
      return { ...whole, rows: rows.toSorted((one, other) => compare(one.name, other.name)) };
    },
    { call, backend, operation: "swr.listRepositories" },
  );

  const wanted = new Set<string>();
  const missed = new Set<string>();
  const tagLists = single<RepositoryName, Whole<TagRow> | null>(
    textOf,
    (name) => {
      const byOffset = (stretch: Stretch) => client.listTags(name, null, stretch, call);
      return orNull(
        region.tags(
          () => walkMarked((marker) => client.listTagsByMarker(name, null, largestPage, marker, call), tagOf),
          async () => walkOn(await byOffset({ limit: largestPage, offset: 0 }), byOffset, tagOf),
        ),
      );
    },
    { call, backend, operation: "swr.listTags" },
  );

  function allTags(name: RepositoryName) {
    // Whoever asks for a tag of it in this tick is answered by the list.
    wanted.add(textOf(name));
    return tagLists.load(name);
  }

  interface TagKey {
    readonly name: RepositoryName;
    readonly tag: string;
  }
  const tagText = ({ name, tag }: TagKey) => keyText(name.namespace, name.path, tag);
  const tags = batched<TagKey, Found<TagRow>>(
    tagText,
    async (keys) => {
      const answers = new Map<string, Found<TagRow> | Error>();
      const groups = [...Map.groupBy(keys, ({ name }) => textOf(name)).values()];
      await Promise.all(groups.map((group) => failingFor(group, tagText, answers, ask(group))));
      return answers;

      async function ask(group: readonly TagKey[]): Promise<void> {
        const [key] = group;
        if (key === undefined) return;
        const isAlone = group.length === 1;
        if (isAlone && !wanted.has(textOf(key.name))) return askFor(key);
        const whole = await allTags(key.name).catch((error: unknown) => {
          if (!isAlone) throw error;
          return "UNREAD" as const;
        });
        // Its list was read for another's sake: the tag itself may be had where that is not.
        if (whole === "UNREAD") return askFor(key);
        if (whole === null) return;
        for (const row of whole.rows)
          answers.set(tagText({ name: key.name, tag: tagOf(row) }), { row, origin: whole.origin });
        if (whole.complete) return;
        if (isAlone) return answers.has(tagText(key)) ? undefined : askFor(key);
        for (const one of group) {
          if (!answers.has(tagText(one))) await failingFor([one], tagText, answers, absentIn("swr.listTags"));
        }
      }

      async function askFor(key: TagKey): Promise<void> {
        const found = await orNull(client.getTag(key.name, key.tag, call));
        if (found === null) {
          missed.add(textOf(key.name));
          return;
        }
        if (tagOf(found.row) !== key.tag) return unanswered(backend, "swr.getTag");
        answers.set(tagText(key), found);
      }
    },
    { by: { call, backend, operation: "swr.getTag" } },
  );

  const pages = createTagPages(client, call);

  function offsetWindow(name: RepositoryName, direction: Direction, request: PageRequest) {
    return readWindow<Found<TagRow>>(request, {
      fetch: async (page, size): Promise<UpstreamPage<Found<TagRow>>> => {
        const answer = await pages.byOffset({ name, direction, at: page, size });
        return { ...answer, rows: answer.rows.map((row) => ({ row, origin: answer.origin })) };
      },
      identity: ({ row }) => tagOf(row),
      maxSize: largestPage,
    });
  }

  function markedWindow(name: RepositoryName, direction: Direction, request: PageRequest) {
    return readMarkedWindow<Found<TagRow>>(
      request,
      ({ row }) => tagOf(row),
      async (marker, size) => {
        const answer = await pages.byMarker({ name, direction, at: marker, size });
        return { ...answer, rows: answer.rows.map((row) => ({ row, origin: answer.origin })) };
      },
    );
  }

  async function absentIn(operation: string): Promise<never> {
    return unanswered(backend, operation);
  }

  const tagWindow: ImageLeg["tagWindow"] = (name, direction, request) => {
    const byOffset = () => offsetWindow(name, direction, request);
    const byMarker = () => markedWindow(name, direction, request);
    // A walk ends in the API it began in: its positions mean nothing to the other.
    if (request.after !== null) return orNull(request.after[0] === markedPosition ? byMarker() : byOffset());
    return orNull(region.tags(byMarker, byOffset));
  };

  return {
    page: async (namespace, request) => {
      const window = await orNull(
        readWindow<RepositoryRow>(request, {
          fetch: async (page, size) => {
            const answer = await listRepositories(namespace, null)({ limit: size, offset: page * size });
            return keepRows(answer, (row) => row.namespace === namespace);
          },
          identity: (row) => row.name,
          maxSize: largestPage,
        }),
      );
      return window && mapPage(window, (row) => toImagePackage(row, namespace, window.origin));
    },
    list: (namespace, part) => lists.load({ namespace, part }),
    repository: (name) => repositories.load(name),
    tag: (name, tag) => tags.load({ name, tag }),
    isMissed: (name) => missed.has(textOf(name)),
    tags: allTags,
    tagWindow,
    newestTag: async (name) => {
      const window = await tagWindow(name, "DESC", { first: 1, after: null });
      const newest = window?.rows[0]?.value ?? null;
      if (newest === null && window !== null && window.dropped.length > 0) return unanswered(backend, "swr.listTags");
      return newest;
    },
  };
}

function nameOf({ namespace, name }: RepositoryRow): string {
  return keyText(namespace, name);
}

// Filters are fuzzy, so a row's own namespace decides.
function inside(namespace: string, listing: Listing<RepositoryRow>): readonly RepositoryRow[] {
  return listing.rows.filter((row) => row.namespace === namespace);
}

/** Waits for `work`; its failure becomes the answer of every key that has none yet. */
async function failingFor<K, V>(
  keys: readonly K[],
  text: (key: K) => string,
  answers: Map<string, V | Error>,
  work: Promise<void>,
): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    for (const key of keys) if (!answers.has(text(key))) answers.set(text(key), error);
  }
}
