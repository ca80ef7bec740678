import type { Package, PackageFormat, Version } from "../../model/package.ts";
import { nameOfPurl, namesSameVersion, type PurlParts } from "../../model/purl.ts";
import { type Answer, found, impossible, unknown } from "../answers.ts";
import { batched, keyText, type Loader } from "../batch.ts";
import { groupBy } from "../batches.ts";
import { isWhole } from "./absence.ts";
import { type PackageList, pageSize, type Scope } from "./client.ts";
import { formatOf, storedName, terraformType, typeOf } from "./identity.ts";
import { nameOf, toPackage, toPackageRef } from "./mapper.ts";
import { comparablePurl, filterOf, isNamespaced, isSameName } from "./package-name.ts";
import { headOfAll, type PackageRows } from "./package-rows.ts";
import type { PackageRow } from "./payload.ts";
import { absenceIn, type PackagePage, rowsByPackage, type SeenRow, silenceIn } from "./scan.ts";
import { answering, merged, mergedAnswers } from "./several.ts";

/** A name and a format, looked for in one project or, with null, in every configured place. */
export interface Named {
  readonly name: string;
  readonly format: PackageFormat;
  readonly scope: string | null;
}

/** Look-ups by what a package is called, whatever spelling of it GitLab keeps. */
export interface NameLookups {
  readonly named: Loader<Named, Answer<readonly Package[]>>;
  readonly byPurl: (purl: PurlParts, scope: string | null) => Promise<Answer<readonly Version[]>>;
}

interface Wanted {
  readonly text: string;
  readonly name: string;
  readonly format: PackageFormat;
  /** Null for types we do not know. */
  readonly type: string | null;
}

type Answers = Map<string, Answer<readonly Package[]> | Error>;

/**
 * Packages and versions by their names. Of one place, many names are either its whole list or one filtered list each,
 * whichever is fewer calls.
 */
export function createNameLookups(rows: PackageRows, places: readonly Scope[]): NameLookups {
  const scopesOf = (scope: string | null): readonly Scope[] =>
    scope === null ? places : [{ kind: "project", id: scope }];

  const named = batched<Named, readonly Package[]>(textOf, async (keys) => {
    const answers: Answers = new Map();
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

  async function lookIn(scope: Scope | undefined, wanted: readonly Wanted[]): Promise<Answers> {
    const answers: Answers = new Map();
    if (scope === undefined) return answers;
    const texts = wanted.map(({ text }) => text);
    await answering(texts, answers, async () => {
      const whole = await wholeList(scope, wanted);
      await Promise.all(
        wanted.map((one) =>
          answering([one.text], answers, async () => {
            const list = whole?.list ?? { ...listIn(scope, one.type), name: filterOf(one.type, one.name) };
            const pages = whole?.pages ?? (await everyPage(list));
            const hits = collapse(list, pages, one);
            answers.set(one.text, hits.length > 0 ? found(hits) : silenceIn(list, pages));
          }),
        ),
      );
    });
    return answers;
  }

  /** Every page of a place, when they are fewer than the names looked for; else null. */
  async function wholeList(
    scope: Scope,
    wanted: readonly Wanted[],
  ): Promise<{ readonly list: PackageList; readonly pages: readonly PackagePage[] } | null> {
    const [first] = wanted;
    if (first === undefined || wanted.length === 1) return null;
    const list = listIn(scope, wanted.every(({ type }) => type === first.type) ? first.type : null);
    const { total, more } = await rows.page(list, 1);
    const isCheap = !more || (total !== null && Math.ceil(total / pageSize) - 1 < wanted.length);
    return isCheap ? { list, pages: await everyPage(list) } : null;
  }

  async function everyPage(list: PackageList): Promise<PackagePage[]> {
    const pages = [await rows.page(list, 1)];
    while (pages.at(-1)?.more) pages.push(await rows.page(list, pages.length + 1));
    return pages;
  }

  function collapse(list: PackageList, pages: readonly PackagePage[], wanted: Wanted): Package[] {
    const isComplete = pages.every(({ dropped }) => dropped.length === 0) && isWhole(pages, ({ id }) => id);
    const hits = pages.flatMap((page) =>
      page.rows.flatMap((row): SeenRow[] => {
        const { type, name } = nameOf(row);
        const isMeant = formatOf(type) === wanted.format && isSameName(type, name, wanted.name);
        const context = isMeant ? rows.contextOf(row, page) : null;
        return context === null ? [] : [{ row, context }];
      }),
    );
    return [...rowsByPackage(hits).values()].flatMap((group) => {
      const head = headOfAll(group, absenceIn(list));
      if (head === null) return [];
      const { row, context } = head.newest ?? head.some;
      if (isComplete) rows.heads.prime(toPackageRef(row, context), found(head));
      return [toPackage(row, context, isComplete ? head.all : null)];
    });
  }

  async function byPurl(purl: PurlParts, scope: string | null): Promise<Answer<readonly Version[]>> {
    const meant = nameOfPurl(purl);
    const type = meant && typeOf(meant.format);
    if (meant === null || type === null) return unknown("NOT_SEARCHABLE");
    // The namespace of others is no part of the name: a user of Conan, a distribution.
    const name = storedName(type, isNamespaced(type) ? meant.name : purl.name);
    // GitLab's models are its own: none of them is one of Hugging Face's.
    if (name === null || purl.type === "huggingface") return impossible;
    const scopes = scopesOf(scope);
    if (scopes.length === 0) return unknown("NOT_CONFIGURED");
    const lists = scopes.map((one) => ({ ...listIn(one, type), name: filterOf(type, name), version: purl.version }));
    return mergedAnswers(lists.map((list) => versionsIn(list, purl)));
  }

  async function versionsIn(list: PackageList, purl: PurlParts): Promise<Answer<readonly Version[]>> {
    const pages = await everyPage(list);
    const hits = new Map<number, Version>();
    for (const page of pages) {
      for (const row of page.rows) {
        const context = isMeant(row, purl) ? rows.contextOf(row, page) : null;
        if (context) hits.set(row.id, rows.versionOf(row, context));
      }
    }
    return hits.size > 0 ? found([...hits.values()]) : silenceIn(list, pages);
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
