import type { Package } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { isNotFound } from "../../upstream/errors.ts";
import { type Answer, absent, absentIfNotFound, found } from "../answers.ts";
import { batched, keyText, single } from "../batch.ts";
import { keepRows, mapPage, readWindow, sliceWindow } from "../paging.ts";
import type { Access } from "./access.ts";
import {
  getRepository,
  type Listing,
  largestPage,
  listRepositories,
  type RepositoryName,
  type Stretch,
} from "./client.ts";
import { toImagePackage } from "./mapper.ts";
import { compare, type Listed, toError } from "./package-leg.ts";
import type { RepositoryRow } from "./payload.ts";
import { isNamespaceMissing } from "./verdict.ts";
import { byStretch, pagesBehind, type Whole, walkAll, walkOn } from "./walk.ts";

/**
 * Image repositories of one request; equal questions are one call. All reject with an UpstreamError. Whether an empty
 * namespace is there at all is for the caller to ask.
 */
export interface Repositories {
  /** A window over the repositories of a namespace, in order of names. */
  readonly page: (namespace: string, request: PageRequest) => Promise<Answer<Page<Package>>>;
  /** All repositories of a namespace whose path contains `part`; the server may leave the filter to the caller. */
  readonly list: (namespace: string, part: string) => Promise<Answer<Listed<Package>>>;
  /** Several repositories of one namespace asked together are one call. */
  readonly repository: (name: RepositoryName) => Promise<Answer<Package>>;
}

/** What the lists of repositories prove: nothing of those that other accounts share, which only the keyed read sees. */
const noRepository = absent(getRepository, "KEYED_READ");

/** Rows that are read where the keyed read knows no repository of this name, which a list may name all the same. */
const confirmingRows = 100;

/** Opens the image repositories for one request. */
export function createRepositories({ backend, client, region, namespaces, call }: Access): Repositories {
  const textOf = ({ namespace, path }: RepositoryName) => keyText(namespace, path);

  /** The repositories of a namespace, in order of names where the region knows that order. */
  function fetchOf(namespace: string, part: string | null, inOrder: boolean) {
    return (stretch: Stretch) => client.listRepositories(namespace, part, inOrder, stretch, call);
  }

  /** The head of a list, and how the rest of it is asked for. */
  function head(namespace: string, part: string | null, limit: number) {
    const read = async (inOrder: boolean) => {
      const fetch = fetchOf(namespace, part, inOrder);
      return { first: await byStretch(fetch)({ limit, offset: 0 }), fetch };
    };
    return region.ordered(
      "repositories",
      () => read(true),
      () => read(false),
    );
  }

  function readAll(namespace: string, part: string | null): Promise<Whole<RepositoryRow>> {
    return region.ordered(
      "repositories",
      () => walkAll(fetchOf(namespace, part, true), nameOf),
      () => walkAll(fetchOf(namespace, part, false), nameOf),
    );
  }

  const repositories = batched<RepositoryName, Package>(
    textOf,
    async (names, answers) => {
      const groups = [...Map.groupBy(names, ({ namespace }) => namespace)];
      await Promise.all(
        groups.map(([namespace, group]) => (group.length === 1 ? detailsOf(group, true) : listed(namespace, group))),
      );
      return answers;

      async function detailsOf(group: readonly RepositoryName[], confirms: boolean): Promise<void> {
        await Promise.all(
          group.map(async (name) => answers.set(textOf(name), await detailOf(name, confirms).catch(toError))),
        );
      }

      async function listed(namespace: string, group: readonly RepositoryName[]): Promise<void> {
        try {
          const { first, fetch } = await head(namespace, null, largestPage);
          take(first);
          const left = () => group.filter((name) => !answers.has(textOf(name)));
          // A few stragglers are cheaper to ask for by name than by the pages they may be on.
          if (left().length > 0 && pagesBehind(first) < left().length) take(await walkOn(first, fetch, nameOf));
          await detailsOf(left(), false);
        } catch (error) {
          // An organization that the list does not know may be another account's, which shared a repository.
          if (isNotFound(error)) return detailsOf(group, false);
          for (const name of group) if (!answers.has(textOf(name))) answers.set(textOf(name), toError(error));
        }

        function take(listing: Listing<RepositoryRow>): void {
          for (const row of inside(namespace, listing)) {
            answers.set(keyText(namespace, row.name), found(toImagePackage(row, namespace, listing.origin)));
          }
        }
      }
    },
    {
      by: {
        call,
        backend,
        operation: (names) => (names.length === 1 ? getRepository.name : listRepositories.name),
      },
    },
  );

  async function detailOf({ namespace, path }: RepositoryName, confirms: boolean): Promise<Answer<Package>> {
    try {
      const { row, origin } = await client.getRepository({ namespace, path }, call);
      namespaces.seen(namespace);
      // The name that was asked for is the name it is found by again.
      return found(toImagePackage({ ...row, name: path }, namespace, origin));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return confirms && !isNamespaceMissing(error) ? named(namespace, path) : noRepository;
    }
  }

  /** A detail that is not there for what the list names says nothing. */
  async function named(namespace: string, path: string): Promise<Answer<Package>> {
    return absentIfNotFound(
      head(namespace, path, confirmingRows).then(async ({ first, fetch }): Promise<Answer<Package>> => {
        const cut = first.count >= confirmingRows || (first.total !== null && first.total > first.count);
        const whole = cut && !holds(first) ? await walkAll(fetch, nameOf) : first;
        const row = inside(namespace, whole).find(({ name }) => name === path);
        return row ? found(toImagePackage(row, namespace, whole.origin)) : noRepository;
      }),
      noRepository,
    );

    function holds(listing: Listing<RepositoryRow>): boolean {
      return inside(namespace, listing).some(({ name }) => name === path);
    }
  }

  const lists = single<{ namespace: string; part: string }, Answer<Listed<Package>>>(
    ({ namespace, part }) => keyText(namespace, part),
    ({ namespace, part }) => {
      // Only characters of names narrow the list; anything else would be refused, or read as something else.
      const filter = /^[a-z0-9._/-]+$/.test(part) ? part : null;
      return absentIfNotFound(
        readAll(namespace, filter).then((whole) => {
          const rows = inside(namespace, whole).map((row) => toImagePackage(row, namespace, whole.origin));
          if (rows.length > 0) namespaces.seen(namespace);
          const sorted = rows.toSorted((one, other) => compare(one.name, other.name));
          return found({ ...whole, rows: sorted }, whole.gap);
        }),
        absent(listRepositories, "WHOLE_LIST"),
      );
    },
    { call, backend, operation: listRepositories.name },
  );

  function window(namespace: string, request: PageRequest): Promise<Page<RepositoryRow>> {
    const fetch = fetchOf(namespace, null, true);
    return readWindow<RepositoryRow>(request, {
      fetch: async (page, size) => {
        const answer = await fetch({ limit: size, offset: page * size });
        return keepRows(answer, (row) => row.namespace === namespace);
      },
      identity: (row) => row.name,
      maxSize: largestPage,
    });
  }

  async function sorted(namespace: string, request: PageRequest): Promise<Answer<Page<RepositoryRow>>> {
    const whole = await walkAll(fetchOf(namespace, null, false), nameOf);
    const rows = inside(namespace, whole).toSorted((one, other) => compare(one.name, other.name));
    return found(
      sliceWindow(request, rows, (row) => row.name, whole),
      whole.gap,
    );
  }

  return {
    page: async (namespace, request) => {
      const answer = await absentIfNotFound<Page<RepositoryRow>>(
        region.ordered(
          "repositories",
          async () => found(await window(namespace, request)),
          () => sorted(namespace, request),
        ),
        absent(listRepositories, "WHOLE_LIST"),
      );
      if (answer.kind !== "FOUND") return answer;
      const { value, gap } = answer;
      if (value.rows.length > 0) namespaces.seen(namespace);
      return found(
        mapPage(value, (row) => toImagePackage(row, namespace, value.origin)),
        gap,
      );
    },
    list: (namespace, part) => lists.load({ namespace, part }),
    repository: (name) => repositories.load(name),
  };
}

function nameOf({ namespace, name }: RepositoryRow): string {
  return keyText(namespace, name);
}

// Filters are fuzzy, so a row's own namespace decides.
function inside(namespace: string, listing: Pick<Listing<RepositoryRow>, "rows">): readonly RepositoryRow[] {
  return listing.rows.filter((row) => row.namespace === namespace);
}
