import type { Package, PackageFormat, Version } from "../../model/package.ts";
import { nameOfPurl, namesSameVersion, type PurlParts } from "../../model/purl.ts";
import { type Answer, found, impossible, unknown } from "../answers.ts";
import { type Answers, batched, keyText } from "../batch.ts";
import { groupBy } from "../batches.ts";
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
import { nameOf, toPackageRef } from "./mapper.ts";
import type { PackageRow } from "./payload.ts";
import type { PackageRows, PackageScan } from "./rows.ts";
import type { Scope } from "./settings.ts";
import { answering, merged, mergedAnswers } from "./several.ts";
import { headOfAll, packageOf, rowsByPackage, type VersionLookups } from "./versions.ts";

/** A name and a format, looked for in one project or, with null, in every configured place. */
interface Named {
  readonly name: string;
  readonly format: PackageFormat;
  readonly scope: string | null;
}

interface Wanted {
  readonly text: string;
  readonly name: string;
  readonly format: PackageFormat;
  /** Null for types we do not know. */
  readonly type: string | null;
}

/**
 * Creates lookups of packages and versions by their names, in whatever spelling GitLab stores them. Many names in one
 * place are either its whole list or one filtered list each, whichever is fewer calls.
 */
export function createNameLookups(rows: PackageRows, lookups: VersionLookups, places: readonly Scope[]) {
  const scopesOf = (scope: string | null): readonly Scope[] =>
    scope === null ? places : [{ kind: "project", id: scope }];

  const named = batched<Named, readonly Package[]>(textOf, async (keys, answers) => {
    const wanted = keys.flatMap((key): { readonly key: Named; readonly one: Wanted }[] => {
      const text = textOf(key);
      const type = typeOf(key.format);
      const name = type === null && key.format !== "OTHER" ? null : storedName(type ?? "", key.name);
      if (name === null) answers.set(text, impossible);
      else if (scopesOf(key.scope).length === 0) answers.set(text, unknown("NOT_CONFIGURED"));
      else return [{ key, one: { name, format: key.format, type, text } }];
      return [];
    });
    // Terraform modules are in no list but their own.
    const pairs = wanted.flatMap(({ key, one }) => scopesOf(key.scope).map((scope) => ({ scope, one })));
    const groups = groupBy(pairs, ({ scope, one }) =>
      keyText(scope.kind, scope.id, one.type === terraformType ? 1 : 0),
    );
    const told = await Promise.all(
      groups.map((group) =>
        lookIn(
          group[0]?.scope,
          group.map(({ one }) => one),
        ),
      ),
    );
    for (const { key } of wanted) {
      const text = textOf(key);
      answers.set(text, merged(told.flatMap((place) => place.get(text) ?? [])));
    }
    return answers;
  });

  async function lookIn(scope: Scope | undefined, wanted: readonly Wanted[]): Promise<Answers<readonly Package[]>> {
    const answers: Answers<readonly Package[]> = new Map();
    if (scope === undefined) return answers;
    const texts = wanted.map(({ text }) => text);
    await answering(texts, answers, async () => {
      const whole = await wholeList(scope, wanted);
      await Promise.all(
        wanted.map((one) =>
          answering([one.text], answers, async () => {
            const list = { ...listIn(scope, one.type), name: filterOf(one.type, one.name) };
            const scan = whole ?? (await rows.scan(list).all());
            const packages = packagesNamed(scan, one);
            answers.set(one.text, packages.length > 0 ? found(packages) : scan.silence());
          }),
        ),
      );
    });
    return answers;
  }

  /** Every page of a place, when they are fewer than the names looked for; else null. */
  async function wholeList(scope: Scope, wanted: readonly Wanted[]): Promise<PackageScan | null> {
    const [first] = wanted;
    if (first === undefined || wanted.length === 1) return null;
    const list = listIn(scope, wanted.every(({ type }) => type === first.type) ? first.type : null);
    const { total, more } = await rows.page(list, 1);
    const isCheap = !more || (total !== null && Math.ceil(total / pageSize) - 1 < wanted.length);
    return isCheap ? rows.scan(list).all() : null;
  }

  function packagesNamed(scan: PackageScan, wanted: Wanted): Package[] {
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
      lookups.remember(toPackageRef(head.some.row, head.some.context), head);
      return [packageOf(head)];
    });
  }

  async function byPurl(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const parsed = nameOfPurl(purl);
    const type = parsed && typeOf(parsed.format);
    if (parsed === null || type === null) return unknown("NOT_SEARCHABLE");
    // The namespace of others is no part of the name: a user of Conan, a distribution.
    const name = storedName(type, isNamespaced(type) ? parsed.name : purl.name);
    // GitLab's models are its own: none of them is one of Hugging Face's.
    if (name === null || purl.type === "huggingface") return impossible;
    const scopes = scopesOf(scope);
    if (scopes.length === 0) return unknown("NOT_CONFIGURED");
    return mergedAnswers(
      scopes.map(async (one) => {
        const list = { ...listIn(one, type), name: filterOf(type, name), version: purl.version };
        const scan = await rows.scan(list).all();
        const hits = scan.pages.flatMap((page) => page.rows.filter(({ row }) => isMeant(row, purl)));
        const versions = new Map(hits.map(({ row, version }) => [row.id, version]));
        return versions.size > 0 ? found([...versions.values()]) : scan.silence();
      }),
    );
  }

  return { named, byPurl };
}

function isMeant(row: PackageRow, purl: PurlParts): boolean {
  if (row.version !== purl.version) return false;
  const own = comparablePurl(nameOf(row), row.version ?? null, row.name);
  return own !== null && namesSameVersion(own, purl);
}

/** A place's rows, newest first: the list that other questions of the same request read too. */
function listIn(scope: Scope, type: string | null): PackageList {
  return { scope, type, name: null, version: null, orderBy: "created_at", sort: "desc" };
}

function textOf({ name, format, scope }: Named): string {
  return keyText(name, format, scope);
}
