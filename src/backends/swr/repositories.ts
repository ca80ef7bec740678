import type { Package } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { isNotFound } from "../../upstream/errors.ts";
import { type Answer, absent, absentIfNotFound, found, mapAnswer } from "../answers.ts";
import { batched, keyText, single } from "../batch.ts";
import { asError } from "../batches.ts";
import { keepRows, mapPage, readWindow } from "../paging.ts";
import { type Listing, largestPage, type RowRange } from "./client.ts";
import { isNamespaceMissing } from "./dialect.ts";
import type { RepositoryName } from "./keys.ts";
import { toImagePackage } from "./mapper.ts";
import type { Access } from "./namespaces.ts";
import { getRepository, listRepositories } from "./operations.ts";
import type { RepositoryRow } from "./payload.ts";
import { byRange, compare, pagesBehind, type Whole, walkAll, walkOn, windowOf } from "./walk.ts";

/** What the lists of repositories prove: nothing of those that other accounts share, which only the keyed read sees. */
const noRepository = absent(getRepository, "KEYED_READ");

/** Rows that are read where the keyed read knows no repository of this name, which a list may name all the same. */
const confirmingRows = 100;

/**
 * Image repositories of one request; equal reads are one call. All reject with an UpstreamError. Whether an empty
 * namespace exists is for the caller to ask.
 */
export type Repositories = ReturnType<typeof createRepositories>;

/** Opens the image repositories for one request. */
export function createRepositories({ backend, client, region, call }: Access) {
  const textOf = ({ namespace, path }: RepositoryName) => keyText(namespace, path);

  function fetchOf(namespace: string, part: string | null, inOrder: boolean) {
    return (range: RowRange) => client.listRepositories(namespace, part, inOrder, range);
  }

  /** The first page of a list, and how the rest of it is read. */
  function head(namespace: string, part: string | null, limit: number) {
    return region.ordered("repositories", async (inOrder) => {
      const fetch = fetchOf(namespace, part, inOrder);
      return { first: await byRange(fetch)({ limit, offset: 0 }), fetch };
    });
  }

  const repositories = batched<RepositoryName, Package>(
    textOf,
    async (names, answers) => {
      await Promise.all(
        [...Map.groupBy(names, ({ namespace }) => namespace)].map(([namespace, group]) =>
          group.length === 1 ? detailsOf(group, true) : listed(namespace, group),
        ),
      );
      return answers;

      async function detailsOf(group: readonly RepositoryName[], confirms: boolean): Promise<void> {
        await Promise.all(
          group.map(async (name) => answers.set(textOf(name), await detailOf(name, confirms).catch(asError))),
        );
      }

      async function listed(namespace: string, group: readonly RepositoryName[]): Promise<void> {
        const add = ({ rows, origin }: Pick<Listing<RepositoryRow>, "rows" | "origin">) => {
          for (const row of inside(namespace, rows)) {
            answers.set(keyText(namespace, row.name), found(toImagePackage(row, namespace, origin)));
          }
        };
        const left = () => group.filter((name) => !answers.has(textOf(name)));
        try {
          const { first, fetch } = await head(namespace, null, largestPage);
          add(first);
          // A few names are cheaper to read one by one than by the pages they may be on.
          if (left().length > 0 && pagesBehind(first) < left().length) {
            const rest = await walkOn(first, fetch, nameOf);
            if (rest.kind === "FOUND") add(rest.value);
          }
          await detailsOf(left(), false);
        } catch (error) {
          // An organization that the list does not know may be another account's, which shared a repository.
          if (isNotFound(error)) return detailsOf(group, false);
          for (const name of left()) answers.set(textOf(name), asError(error));
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
      const { row, origin } = await client.getRepository({ namespace, path });
      region.setNonEmpty(namespace);
      // The name that was asked for is the name it is found by again.
      return found(toImagePackage({ ...row, name: path }, namespace, origin));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return confirms && !isNamespaceMissing(error) ? named(namespace, path) : noRepository;
    }
  }

  /** A detail that is missing proves nothing about a repository that the list names. */
  function named(namespace: string, path: string): Promise<Answer<Package>> {
    const find = (rows: readonly RepositoryRow[]) => inside(namespace, rows).find(({ name }) => name === path);
    const read = async (): Promise<Answer<Package>> => {
      const { first, fetch } = await head(namespace, path, confirmingRows);
      const isCut = first.count >= confirmingRows || (first.total !== null && first.total > first.count);
      const whole = isCut && !find(first.rows) ? await walkAll(fetch, nameOf) : found(first);
      if (whole.kind !== "FOUND") return whole;
      const row = find(whole.value.rows);
      return row ? found(toImagePackage(row, namespace, whole.value.origin)) : noRepository;
    };
    return absentIfNotFound(read(), noRepository);
  }

  const lists = single<{ namespace: string; part: string }, Answer<Whole<Package>>>(
    ({ namespace, part }) => keyText(namespace, part),
    ({ namespace, part }) => {
      // Only characters of names narrow the list; anything else would be rejected, or read as something else.
      const filter = /^[a-z0-9._/-]+$/.test(part) ? part : null;
      return absentIfNotFound(
        region
          .ordered("repositories", (inOrder) => walkAll(fetchOf(namespace, filter, inOrder), nameOf))
          .then((list) => mapAnswer(list, (whole) => toPackages(namespace, whole))),
        absent(listRepositories, "WHOLE_LIST"),
      );
    },
    { call, backend, operation: listRepositories.name },
  );

  function toPackages(namespace: string, whole: Whole<RepositoryRow>): Whole<Package> {
    const rows = inside(namespace, whole.rows).map((row) => toImagePackage(row, namespace, whole.origin));
    if (rows.length > 0) region.setNonEmpty(namespace);
    return { ...whole, rows: rows.sort((one, other) => compare(one.name, other.name)) };
  }

  async function window(namespace: string, request: PageRequest): Promise<Answer<Page<Package>>> {
    const fetch = fetchOf(namespace, null, true);
    const page = await readWindow<RepositoryRow>(request, {
      fetch: async (number, size) =>
        keepRows(await fetch({ limit: size, offset: number * size }), (row) => row.namespace === namespace),
      identity: (row) => row.name,
      maxSize: largestPage,
    });
    if (page.rows.length > 0) region.setNonEmpty(namespace);
    return found(mapPage(page, (row) => toImagePackage(row, namespace, page.origin)));
  }

  return {
    /** A window over the repositories of a namespace, in order of names. */
    page: (namespace: string, request: PageRequest): Promise<Answer<Page<Package>>> =>
      absentIfNotFound(
        region.ordered("repositories", async (inOrder) => {
          if (inOrder) return window(namespace, request);
          const list = await walkAll(fetchOf(namespace, null, false), nameOf);
          return windowOf(
            mapAnswer(list, (whole) => toPackages(namespace, whole)),
            request,
            ({ name }) => name,
          );
        }),
        absent(listRepositories, "WHOLE_LIST"),
      ),
    /** All repositories of a namespace whose path contains `part`; the server may leave the filter to the caller. */
    list: (namespace: string, part: string) => lists.load({ namespace, part }),
    /** Several repositories of one namespace asked together are one call. */
    repository: (name: RepositoryName) => repositories.load(name),
  };
}

function nameOf({ namespace, name }: RepositoryRow): string {
  return keyText(namespace, name);
}

// Filters are fuzzy, so a row's own namespace decides.
function inside(namespace: string, rows: readonly RepositoryRow[]): readonly RepositoryRow[] {
  return rows.filter((row) => row.namespace === namespace);
}
