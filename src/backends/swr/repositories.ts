import type { Package } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import { mapPage } from "../../model/page.ts";
import { isNotFound } from "../../upstream/errors.ts";
import { type Answer, absent, absentIfNotFound, found, mapAnswer } from "../answers.ts";
import { type Answers, batched, keyText, type Loader, single, toError } from "../loading/loader.ts";
import { type NumberedSource, type RowRange, readPage } from "../paging/source.ts";
import { readWindow } from "../paging/window.ts";
import { type Access, largestPage } from "./client.ts";
import { isNamespaceMissing } from "./dialect.ts";
import type { RepositoryName } from "./keys.ts";
import { compare, type Listed, readAll, windowOf } from "./lists.ts";
import { toImagePackage } from "./mapper.ts";
import { getRepository, listRepositories } from "./operations.ts";
import type { RepositoryRow } from "./payload.ts";

/** A list proves nothing about repositories that other accounts share: only the keyed read sees them. */
const noRepository = absent(getRepository, "KEYED_READ");
const noNamespace = absent(listRepositories, "WHOLE_LIST");

/** Rows of the list that are read where the keyed read does not know a repository that the list may name. */
const confirmingRows = 100;

/**
 * Image repositories of one request; equal reads are one call. All reject with an UpstreamError. Whether an empty
 * namespace exists is for the caller to ask.
 */
export class Repositories {
  readonly #access: Access;
  readonly #byName: Loader<RepositoryName, Answer<Package>>;
  readonly #lists: Loader<{ readonly namespace: string; readonly part: string }, Answer<Listed<Package>>>;

  constructor(access: Access) {
    const { backend, call } = access;
    this.#access = access;
    this.#byName = batched(textOf, (names, answers) => this.#readByName(names, answers), {
      call,
      backend,
      operation: (names) => (names.length === 1 ? getRepository.name : listRepositories.name),
    });
    this.#lists = single(
      ({ namespace, part }) => keyText(namespace, part),
      ({ namespace, part }) => {
        // Only characters of names narrow the list; anything else would be rejected, or read as something else.
        const filter = /^[a-z0-9._/-]+$/.test(part) ? part : null;
        const read = (inOrder: boolean) => this.#readList(namespace, filter, inOrder);
        return absentIfNotFound(access.region.ordered("repositories", read), noNamespace);
      },
      { call, backend, operation: listRepositories.name },
    );
  }

  /** One repository; several of one namespace asked together are one call. */
  repository(name: RepositoryName): Promise<Answer<Package>> {
    return this.#byName.load(name);
  }

  /** All repositories of a namespace whose path contains `part`; the server may leave the filter to the caller. */
  list(namespace: string, part: string): Promise<Answer<Listed<Package>>> {
    return this.#lists.load({ namespace, part });
  }

  /** A window over the repositories of a namespace, in order of names. */
  page(namespace: string, request: PageRequest): Promise<Answer<Page<Package>>> {
    const read = async (inOrder: boolean): Promise<Answer<Page<Package>>> => {
      if (!inOrder) return windowOf(await this.#readList(namespace, null, false), request, ({ name }) => name);
      const page = await readWindow(request, {
        ...this.#source(namespace, null, true),
        identity: ({ name }) => name,
        keep: (row) => row.namespace === namespace,
      });
      if (page.rows.length > 0) this.#access.region.setNonEmpty(namespace);
      return found(mapPage(page, (row) => toImagePackage(row, namespace, page.origin)));
    };
    return absentIfNotFound(this.#access.region.ordered("repositories", read), noNamespace);
  }

  #source(namespace: string, part: string | null, inOrder: boolean): NumberedSource<RepositoryRow> {
    const { client } = this.#access;
    return {
      fetch: (page, size) => client.listRepositories(namespace, part, inOrder, { limit: size, offset: page * size }),
      // Filters are fuzzy: rows of other namespaces count, and are left out afterwards.
      identity: (row) => keyText(row.namespace, row.name),
      maxSize: largestPage,
    };
  }

  async #readList(namespace: string, part: string | null, inOrder: boolean): Promise<Answer<Listed<Package>>> {
    return mapAnswer(await readAll(this.#source(namespace, part, inOrder)), (whole) => {
      const own = whole.rows.filter((row) => row.namespace === namespace);
      if (own.length > 0) this.#access.region.setNonEmpty(namespace);
      const rows = own.map((row) => toImagePackage(row, namespace, whole.origin));
      return { ...whole, rows: rows.sort((one, other) => compare(one.name, other.name)) };
    });
  }

  /** The first page of a list, and how the rest of it is read. */
  #head(namespace: string, part: string | null, size: number) {
    return this.#access.region.ordered("repositories", async (inOrder) => {
      const source = this.#source(namespace, part, inOrder);
      return { head: await readPage(source, 0, size), source };
    });
  }

  async #readByName(names: readonly RepositoryName[], answers: Answers<Package>): Promise<Answers<Package>> {
    await Promise.all(
      [...Map.groupBy(names, ({ namespace }) => namespace)].map(([namespace, group]) =>
        group.length === 1 ? this.#readDetails(group, answers, true) : this.#readGroup(namespace, group, answers),
      ),
    );
    return answers;
  }

  async #readDetails(names: readonly RepositoryName[], answers: Answers<Package>, confirms: boolean): Promise<void> {
    await Promise.all(
      names.map(async (name) => answers.set(textOf(name), await this.#readDetail(name, confirms).catch(toError))),
    );
  }

  /** Several repositories of one namespace: by its list, and by details for those that are not on its first page. */
  async #readGroup(namespace: string, group: readonly RepositoryName[], answers: Answers<Package>): Promise<void> {
    const left = () => group.filter((name) => !answers.has(textOf(name)));
    const add = (row: RepositoryRow, origin: RowRange<RepositoryRow>["origin"]) => {
      if (row.namespace !== namespace) return;
      answers.set(keyText(namespace, row.name), found(toImagePackage(row, namespace, origin)));
    };
    try {
      const { head, source } = await this.#head(namespace, null, largestPage);
      for (const { row } of head.rows) add(row, head.origin);
      // A few names are cheaper to read one by one than by the pages they may be on.
      const pages = head.total === null ? 0 : Math.max(0, Math.ceil(head.total / largestPage) - 1);
      if (left().length > 0 && pages < left().length) {
        const rest = await readAll(source, { head });
        if (rest.kind === "FOUND") for (const row of rest.value.rows) add(row, rest.value.origin);
      }
      await this.#readDetails(left(), answers, false);
    } catch (error) {
      // An organization that the list does not know may be another account's, which shared a repository.
      if (isNotFound(error)) return this.#readDetails(group, answers, false);
      for (const name of left()) answers.set(textOf(name), toError(error));
    }
  }

  async #readDetail({ namespace, path }: RepositoryName, confirms: boolean): Promise<Answer<Package>> {
    const { client, region } = this.#access;
    try {
      const { row, origin } = await client.getRepository({ namespace, path });
      region.setNonEmpty(namespace);
      // The name that was asked for is the name it is found by again.
      return found(toImagePackage({ ...row, name: path }, namespace, origin));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      if (!confirms || isNamespaceMissing(error)) return noRepository;
      return absentIfNotFound(this.#confirm(namespace, path), noRepository);
    }
  }

  /** A detail that is missing proves nothing about a repository that the list names. */
  async #confirm(namespace: string, path: string): Promise<Answer<Package>> {
    const isMeant = (row: RepositoryRow) => row.namespace === namespace && row.name === path;
    const { head, source } = await this.#head(namespace, path, confirmingRows);
    let row = head.rows.find((one) => isMeant(one.row))?.row;
    let { origin } = head;
    const count = head.end - head.start;
    const isCut = count >= confirmingRows || (head.total !== null && head.total > count);
    if (row === undefined && isCut) {
      const list = await readAll(source);
      if (list.kind !== "FOUND") return list;
      row = list.value.rows.find(isMeant);
      origin = list.value.origin;
    }
    return row ? found(toImagePackage(row, namespace, origin)) : noRepository;
  }
}

function textOf({ namespace, path }: RepositoryName): string {
  return keyText(namespace, path);
}
