import type { Package, PackageFormat, Version } from "../../model/package.ts";
import { nameOfPurl, namesSameVersion, type PurlParts } from "../../model/purl.ts";
import { type Answer, found, impossible, unknown } from "../answers.ts";
import { type Answers, batched, groupBy, keyText } from "../loading/loader.ts";
import { type PackageList, pageSize } from "./client.ts";
import {
  comparablePurl,
  filterOf,
  formatOf,
  isNamespaced,
  isSameName,
  storedName,
  terraformType,
  typeOf,
} from "./keys.ts";
import { answering, mergedAnswers } from "./lists.ts";
import { nameOf, toPackageRef } from "./mapper.ts";
import type { PackageRow } from "./payload.ts";
import type { PackageRows, PackageScan } from "./rows.ts";
import type { Scope } from "./settings.ts";
import { headOfAll, packageOf, rowsByPackage, type VersionLookups } from "./versions.ts";

/** A name as GitLab stores it, looked for in one place. */
interface PlacedName {
  readonly scope: Scope;
  readonly name: string;
  readonly format: PackageFormat;
  /** Null for formats that are none of GitLab's types. */
  readonly type: string | null;
}

/**
 * A request's lookups of packages and versions by their names, in whatever spelling GitLab stores them. Many names in one
 * place are either its whole list or one filtered list each, whichever is fewer calls.
 */
export class NameLookups {
  readonly #rows: PackageRows;
  readonly #lookups: VersionLookups;
  readonly #packages = batched<PlacedName, readonly Package[]>(nameText, async (names, answers) => {
    // Terraform modules are in no list but their own.
    const groups = groupBy(names, ({ scope, type }) => keyText(scope.kind, scope.id, type === terraformType ? 1 : 0));
    await Promise.all(groups.map((group) => this.#lookIn(group, answers)));
    return answers;
  });

  constructor(rows: PackageRows, lookups: VersionLookups) {
    this.#rows = rows;
    this.#lookups = lookups;
  }

  async named(name: string, format: PackageFormat, scopes: readonly Scope[]): Promise<Answer<readonly Package[]>> {
    const type = typeOf(format);
    const stored = type === null && format !== "OTHER" ? null : storedName(type ?? "", name);
    if (stored === null) return impossible;
    return mergedAnswers(scopes.map((scope) => this.#packages.load({ scope, name: stored, format, type })));
  }

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
        const scan = await this.#rows.scan(list).all();
        const hits = scan.pages.flatMap((page) => page.rows.filter(({ row }) => hasPurl(row, purl)));
        const versions = new Map(hits.map(({ row, version }) => [row.id, version]));
        return versions.size > 0 ? found([...versions.values()]) : scan.silence();
      }),
    );
  }

  async #lookIn(names: readonly PlacedName[], answers: Answers<readonly Package[]>): Promise<void> {
    await answering(names.map(nameText), answers, async () => {
      const whole = await this.#wholeList(names);
      const read = async (one: PlacedName) => {
        const list = { ...newestIn(one.scope, one.type), name: filterOf(one.type, one.name) };
        const scan = whole ?? (await this.#rows.scan(list).all());
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
    const { total, more } = await this.#rows.page(list, 1);
    const isCheap = !more || (total !== null && Math.ceil(total / pageSize) - 1 < names.length);
    return isCheap ? this.#rows.scan(list).all() : null;
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
      this.#lookups.remember(toPackageRef(head.some.row, head.some.context), head);
      return [packageOf(head)];
    });
  }
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
