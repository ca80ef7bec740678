import type { Package, PackageFormat, PackageRef, Version, VersionRef } from "../../model/package.ts";
import { nameOfPurl, namesSameVersion, type PurlParts } from "../../model/purl.ts";
import { parseInstant } from "../../model/values.ts";
import { type Answer, failed, found, impossible, mapAnswer, type Unknown, unknown } from "../answers.ts";
import { type Answers, batched, groupBy, keyText } from "../loading/loader.ts";
import { type PackageList, pageSize } from "./client.ts";
import {
  comparablePurl,
  filterOf,
  formatOf,
  isNamespaced,
  isNumber,
  isSameName,
  nameIn,
  type PackageName,
  packageText,
  printKey,
  storedName,
  terraformType,
  typeOf,
  versionText,
} from "./keys.ts";
import { answering, mergedAnswers, unreadable } from "./lists.ts";
import { type AllRows, isOf, nameOf, toPackage, toPackageRef, versionName } from "./mapper.ts";
import { packagesIn } from "./operations.ts";
import type { PackageRow } from "./payload.ts";
import {
  isMeant,
  type ListedRow,
  newestFirst,
  type PackageRows,
  type PackageScan,
  rowsBeforeGap,
  sweep,
} from "./rows.ts";
import type { Scope } from "./settings.ts";

/** What the rows of a package say about it. */
export interface Head {
  /** Any of its rows. */
  readonly some: ListedRow;
  /** Its newest row that is not in status `error`; null when there is none, or when it is unknown. */
  readonly newest: ListedRow | null;
  /** Why the newest is unknown; null where it is known. */
  readonly doubt: Unknown | null;
  /** Null unless all rows of the package are known. */
  readonly all: AllRows | null;
}

/** The most pages that are read for the newest row of a list that is not in the order asked for. */
const maxUnorderedPages = 20;

/** A key of a batch: its reference, its parsed name, and its text in the batch. */
interface Wanted<K> {
  readonly ref: K;
  readonly name: PackageName;
  readonly text: string;
}

/** How many keys are looked up in one list. */
interface GroupLookup<K, V> {
  /** The list that may hold all of the group's keys. */
  readonly list: PackageList;
  readonly goal: "newest" | "any";
  /** The text by which a row is found; null for a row that is skipped. */
  readonly rowText: (row: PackageRow) => string | null;
  readonly textOf: (wanted: Wanted<K>) => string;
  /** The value of a row that was found; null where it is not the one meant. */
  readonly accept: (wanted: Wanted<K>, row: ListedRow) => V | null;
  /** Reads what the list did not hold. */
  readonly single: (wanted: Wanted<K>) => Promise<Answer<V>>;
}

/** A name as GitLab stores it, looked for in one place. */
interface PlacedName {
  readonly scope: Scope;
  readonly name: string;
  readonly format: PackageFormat;
  /** Null for formats that are none of GitLab's types. */
  readonly type: string | null;
}

/** A request's lookups of packages and versions by reference or by name, which answer batches with the fewest calls. */
export class PackageLookups {
  readonly rows: PackageRows;
  /** Packages whose rows were all on one list. */
  readonly #complete = new Map<string, Head>();
  readonly #heads = batched<PackageRef, Head>(packageText, (refs, answers) => this.#loadHeads(refs, answers));
  readonly #versions = batched<VersionRef, Version>(versionText, (refs, answers) => this.#loadVersions(refs, answers));
  readonly #named = batched<PlacedName, readonly Package[]>(nameText, (names, answers) =>
    this.#loadNamed(names, answers),
  );

  constructor(rows: PackageRows) {
    this.rows = rows;
  }

  /** What the rows of a package say about it. */
  head(ref: PackageRef): Promise<Answer<Head>> {
    const known = this.#complete.get(packageText(ref));
    return known ? Promise.resolve(found(known)) : this.#heads.load(ref);
  }

  async package(ref: PackageRef): Promise<Answer<Package>> {
    const row = this.#complete.has(packageText(ref)) ? null : this.rows.findPackage(ref);
    return row ? found(toPackage(row.row, row.context, null)) : mapAnswer(await this.head(ref), packageOf);
  }

  /** The newest version of a package; absent where each of its rows is in status `error`. */
  async latest(ref: PackageRef): Promise<Answer<Version>> {
    const head = await this.head(ref);
    if (head.kind !== "FOUND") return head;
    const { some, newest, doubt } = head.value;
    if (doubt?.failure) throw doubt.failure;
    return doubt ?? (newest ? found(newest.version) : (some.context.absence ?? unknown("LEFT_OUT")));
  }

  version(ref: VersionRef): Promise<Answer<Version>> {
    const row = this.rows.find(ref);
    return row ? Promise.resolve(found(row.version)) : this.#versions.load(ref);
  }

  /** Remembers what all rows of a package say about it. */
  remember(ref: PackageRef, head: Head): void {
    this.#complete.set(packageText(ref), head);
  }

  async #loadHeads(refs: readonly PackageRef[], answers: Answers<Head>): Promise<Answers<Head>> {
    const wanted = readable(refs, packageText, (ref) => ref, answers);
    await Promise.all(
      byList(wanted, ({ ref }) => ref.repository).map((group) =>
        this.#answerGroup(group.wanted, answers, {
          list: newestFirst(group.repository, { type: common(group.wanted.map(({ name }) => name.type)) }),
          goal: "newest",
          rowText: (row) => (row.status === "error" ? null : printKey(nameOf(row))),
          textOf: ({ name }) => printKey(name),
          accept: (_, row) => ({ some: row, newest: row, doubt: null, all: null }),
          single: ({ ref, name }) => this.#readHead(newestFirst(ref.repository, name), name),
        }),
      ),
    );
    return answers;
  }

  async #readHead(list: PackageList, name: PackageName): Promise<Answer<Head>> {
    const scan = this.rows.scan(list);
    const own: ListedRow[] = [];
    let newest: ListedRow | null = null;
    let hasGap = false;
    let isBehindGap = false;
    for await (const page of scan) {
      const sure = hasGap ? 0 : rowsBeforeGap(page).length;
      hasGap ||= page.dropped.length > 0;
      for (const [index, one] of page.rows.entries()) {
        if (!isOf(one.row, name)) continue;
        own.push(one);
        if (newest !== null || one.row.status === "error") continue;
        newest = one;
        isBehindGap = index >= sure;
      }
      if ((newest !== null && scan.isNewestFirst) || scan.pages.length === maxUnorderedPages) break;
    }
    const [some] = own;
    if (some === undefined) return scan.pages.at(-1)?.more ? unknown("UNREAD") : scan.silence();
    const all = scan.isComplete ? summarize(own) : null;
    if (scan.isNewestFirst || newest === null) {
      const inDoubt = newest === null ? hasGap : isBehindGap;
      const doubt = inDoubt ? failed(unreadable(this.rows.backend, packagesIn(list.scope.kind).name)) : null;
      return found({ some, newest, doubt, all });
    }
    // The order is not the one asked for, or dates are missing: only a whole list can decide, and only by its dates.
    const head = scan.isComplete ? headOfAll(own) : null;
    return found(head ?? { some, newest: null, doubt: unknown("UNCHECKED_ORDER"), all });
  }

  async #loadVersions(refs: readonly VersionRef[], answers: Answers<Version>): Promise<Answers<Version>> {
    const wanted = readable(refs, versionText, (ref) => ref.package, answers).filter(({ ref: { nativeId }, text }) => {
      const isSound = nativeId === null || isNumber(nativeId);
      if (!isSound) answers.set(text, impossible);
      return isSound;
    });
    const byId = wanted.filter(({ ref }) => ref.nativeId !== null);
    const byName = wanted.filter(({ ref }) => ref.nativeId === null);
    await Promise.all([
      ...byList(byId, ({ ref }) => ref.package.repository).map((group) => this.#versionsById(group, answers)),
      ...groupBy(byName, ({ ref }) => packageText(ref.package)).map((group) => this.#versionsByName(group, answers)),
    ]);
    return answers;
  }

  // A list row holds what the single answer does: many ids of one project are pages, unless single calls are fewer.
  #versionsById({ repository, wanted }: ListGroup<VersionRef>, answers: Answers<Version>): Promise<void> {
    const isOnePackage = common(wanted.map(({ ref }) => ref.package.key)) !== null;
    const type = common(wanted.map(({ name }) => name.type));
    return this.#answerGroup(wanted, answers, {
      list: newestFirst(repository, { type, name: isOnePackage ? (wanted[0]?.name.name ?? null) : null }),
      goal: "any",
      rowText: (row) => String(row.id),
      textOf: ({ ref }) => String(ref.nativeId),
      accept: ({ ref }, row) => (isMeant(row, ref) ? row.version : null),
      single: async ({ ref, name }) => {
        const one = await this.rows.row(repository, String(ref.nativeId));
        if (one && isMeant(one, ref)) return found(one.version);
        // A row in status `error` is listed and has no page of its own.
        const scan = this.rows.scan(newestFirst(repository, { ...name, version: versionFilter(ref) }));
        for await (const page of scan) {
          const hit = page.rows.find((row) => String(row.row.id) === ref.nativeId && isMeant(row, ref));
          if (hit) return found(hit.version);
        }
        return scan.silence();
      },
    });
  }

  async #versionsByName(wanted: readonly Wanted<VersionRef>[], answers: Answers<Version>): Promise<void> {
    const [first] = wanted;
    if (first === undefined) return;
    const { ref, name } = first;
    const left = new Map(wanted.map((one) => [one.ref.version, one.text]));
    await answering([...left.values()], answers, async () => {
      const all = newestFirst(ref.package.repository, name);
      // One name is filtered by the server (or its rows are compared), unless the whole list was asked for already.
      const isNarrow = wanted.length === 1 && !this.rows.isRead(all);
      const scan = this.rows.scan(isNarrow ? { ...all, version: versionFilter(ref) } : all);
      for await (const page of scan) {
        for (const one of page.rows) {
          // Newest first: of rows with one name, clients are served the newest.
          const text = isOf(one.row, name) ? left.get(versionName(one.row)) : undefined;
          if (text === undefined) continue;
          left.delete(versionName(one.row));
          answers.set(text, found(one.version));
        }
        if (left.size === 0) return;
      }
      for (const text of left.values()) answers.set(text, scan.silence());
    });
  }

  // Many keys of one project: its newest rows first, as long as a page is cheaper than single calls.
  async #answerGroup<K, V>(
    wanted: readonly Wanted<K>[],
    answers: Answers<V>,
    { list, goal, rowText, textOf, accept, single }: GroupLookup<K, V>,
  ): Promise<void> {
    const texts = wanted.map(({ text }) => text);
    await answering(texts, answers, async () => {
      const isMany = wanted.length > 1;
      const swept = isMany ? await sweep(this.rows.scan(list), new Set(wanted.map(textOf)), rowText, goal) : null;
      const answerOf = (one: Wanted<K>): Answer<V> | null => {
        const row = swept?.found.get(textOf(one));
        const value = row ? accept(one, row) : null;
        if (value !== null) return found(value);
        // Not on a list that was read to its end: absent, unless its rows were skipped.
        return swept?.silence && !swept.skipped.has(printKey(one.name)) ? swept.silence : null;
      };
      const read = async (one: Wanted<K>) => {
        answers.set(one.text, answerOf(one) ?? (await single(one)));
      };
      await Promise.all(wanted.map((one) => answering([one.text], answers, () => read(one))));
    });
  }

  /** Packages of one name and format in these places, in whatever spelling GitLab stores it. */
  async named(name: string, format: PackageFormat, scopes: readonly Scope[]): Promise<Answer<readonly Package[]>> {
    const type = typeOf(format);
    const stored = type === null && format !== "OTHER" ? null : storedName(type ?? "", name);
    if (stored === null) return impossible;
    return mergedAnswers(scopes.map((scope) => this.#named.load({ scope, name: stored, format, type })));
  }

  /** Versions that a package URL names in these places. */
  async byPurl(purl: PurlParts, scopes: readonly Scope[]): Promise<Answer<readonly Version[]>> {
    const parsed = nameOfPurl(purl);
    const type = parsed && typeOf(parsed.format);
    if (parsed === null || type === null) return unknown("NOT_SEARCHABLE");
    // The namespace of others is no part of the name: a user of Conan, a distribution.
    const name = storedName(type, isNamespaced(type) ? parsed.name : purl.name);
    // GitLab's models are its own: none of them is one of Hugging Face's.
    if (name === null || purl.type === "huggingface") return impossible;
    return mergedAnswers(
      scopes.map(async (scope) => {
        const list = { ...newestIn(scope, type), name: filterOf(type, name), version: purl.version };
        const scan = await this.rows.scan(list).all();
        const hits = scan.pages.flatMap((page) => page.rows.filter(({ row }) => hasPurl(row, purl)));
        const versions = new Map(hits.map(({ row, version }) => [row.id, version]));
        return versions.size > 0 ? found([...versions.values()]) : scan.silence();
      }),
    );
  }

  async #loadNamed(names: readonly PlacedName[], answers: Answers<readonly Package[]>) {
    // Terraform modules are in no list but their own.
    const groups = groupBy(names, ({ scope, type }) => keyText(scope.kind, scope.id, type === terraformType ? 1 : 0));
    await Promise.all(groups.map((group) => this.#lookIn(group, answers)));
    return answers;
  }

  /** Looks for names in one place: in its whole list or in one filtered list each, whichever is fewer calls. */
  async #lookIn(names: readonly PlacedName[], answers: Answers<readonly Package[]>): Promise<void> {
    await answering(names.map(nameText), answers, async () => {
      const whole = await this.#wholeList(names);
      const read = async (one: PlacedName) => {
        const list = { ...newestIn(one.scope, one.type), name: filterOf(one.type, one.name) };
        const scan = whole ?? (await this.rows.scan(list).all());
        const packages = this.#packagesIn(scan, one);
        answers.set(nameText(one), packages.length > 0 ? found(packages) : scan.silence());
      };
      await Promise.all(names.map((one) => answering([nameText(one)], answers, () => read(one))));
    });
  }

  /** Every page of a place, when they are fewer than the names looked for; else null. */
  async #wholeList(names: readonly PlacedName[]): Promise<PackageScan | null> {
    const [first] = names;
    if (first === undefined || names.length === 1) return null;
    const list = newestIn(first.scope, names.every(({ type }) => type === first.type) ? first.type : null);
    const { total, more } = await this.rows.page(list, 1);
    const isCheap = !more || (total !== null && Math.ceil(total / pageSize) - 1 < names.length);
    return isCheap ? this.rows.scan(list).all() : null;
  }

  #packagesIn(scan: PackageScan, wanted: PlacedName): Package[] {
    const hits = scan.pages.flatMap((page) =>
      page.rows.filter(({ row }) => {
        const { type, name } = nameOf(row);
        return formatOf(type) === wanted.format && isSameName(type, name, wanted.name);
      }),
    );
    return [...rowsByPackage(hits).values()].flatMap((group) => {
      const head = headOfAll(group);
      if (head === null) return [];
      if (!scan.isComplete) return [packageOf({ ...head, all: null })];
      this.remember(toPackageRef(head.some.row, head.some.context), head);
      return [packageOf(head)];
    });
  }
}

/** The package of a head. */
export function packageOf({ newest, some, all }: Head): Package {
  const { row, context } = newest ?? some;
  return toPackage(row, context, all);
}

/** The head of a package from all of its rows; null for none. */
export function headOfAll(group: readonly ListedRow[]): Head | null {
  const [some] = group;
  if (some === undefined) return null;
  const sound = group.filter(({ row }) => row.status !== "error").sort(byDate);
  const hasDates = sound.length <= 1 || sound.every(({ row }) => !Number.isNaN(Date.parse(row.created_at ?? "")));
  return {
    some,
    newest: hasDates ? (sound[0] ?? null) : null,
    doubt: hasDates ? null : unknown("UNCHECKED_ORDER"),
    all: summarize(group),
  };
}

/** Compares rows, newest first, by instant: servers write dates with their own offset, so the texts do not compare. */
export function byDate({ row: left }: ListedRow, { row: right }: ListedRow): number {
  return (Date.parse(right.created_at ?? "") || 0) - (Date.parse(left.created_at ?? "") || 0) || right.id - left.id;
}

/** The rows of each package, by project, type and name. Rows that a shifting list repeats are one row. */
export function rowsByPackage(rows: readonly ListedRow[]): Map<string, ListedRow[]> {
  const groups = new Map<string, Map<number, ListedRow>>();
  for (const one of rows) {
    const text = packageTextOf(one);
    const group = groups.get(text);
    if (group) group.set(one.row.id, one);
    else groups.set(text, new Map([[one.row.id, one]]));
  }
  return new Map([...groups].map(([text, group]) => [text, [...group.values()]]));
}

/** The text that identifies a row's package within a request. */
export function packageTextOf({ row, context: { repository } }: ListedRow): string {
  return keyText(repository, printKey(nameOf(row)));
}

function summarize(rows: readonly ListedRow[]): AllRows {
  const times = rows.flatMap(({ row }) => parseInstant(row.created_at) ?? []).sort();
  return { count: rows.length, first: times[0] ?? null, last: times.at(-1) ?? null };
}

/** The keys whose package can exist; the others are answered. */
function readable<K, V>(
  refs: readonly K[],
  textOf: (ref: K) => string,
  packageIn: (ref: K) => PackageRef,
  answers: Answers<V>,
): Wanted<K>[] {
  return refs.flatMap((ref) => {
    const name = nameIn(packageIn(ref));
    if (name === null) answers.set(textOf(ref), impossible);
    return name === null ? [] : [{ ref, name, text: textOf(ref) }];
  });
}

/** Keys whose rows are on one list. */
interface ListGroup<K> {
  readonly repository: string;
  readonly wanted: readonly Wanted<K>[];
}

/** Groups keys by the list that holds them: Terraform modules are in no list but their own. */
function byList<K>(wanted: readonly Wanted<K>[], repositoryOf: (wanted: Wanted<K>) => string): ListGroup<K>[] {
  const groups = groupBy(wanted, (one) => keyText(repositoryOf(one), one.name.type === terraformType ? 1 : 0));
  return groups.flatMap((group) => (group[0] ? [{ repository: repositoryOf(group[0]), wanted: group }] : []));
}

/** The one value that all of them are; null when they differ. */
function common(values: readonly string[]): string | null {
  const [first = null] = values;
  return values.every((value) => value === first) ? first : null;
}

/** The `package_version` filter; null for a row without a version, which is named by its number. */
function versionFilter({ version }: VersionRef): string | null {
  return version.startsWith("#") ? null : version;
}

function hasPurl(row: PackageRow, purl: PurlParts): boolean {
  if (row.version !== purl.version) return false;
  const own = comparablePurl(nameOf(row), row.version ?? null, row.name);
  return own !== null && namesSameVersion(own, purl);
}

/** A place's rows, newest first: the list that other lookups of the same request read too. */
function newestIn(scope: Scope, type: string | null): PackageList {
  return { scope, type, name: null, version: null, orderBy: "created_at", sort: "desc" };
}

function nameText({ scope, name, format }: PlacedName): string {
  return keyText(scope.kind, scope.id, name, format);
}
