import type { Package, PackageFormat } from "../../model/package.ts";
import { batched, keyText, type Loader } from "../batch.ts";
import type { UpstreamPage } from "../paging.ts";
import { unreadable } from "./absence.ts";
import { answering, groupBy } from "./batch-answers.ts";
import { type PackageList, pageSize, type Scope } from "./client.ts";
import { formatOf, storedName, terraformType, typeOf } from "./identity.ts";
import { nameOf, toPackage, toPackageRef, type Web } from "./mapper.ts";
import { listGroupPackages } from "./operations.ts";
import { newer } from "./package-list.ts";
import { type PackageRows, summarize } from "./package-rows.ts";
import type { PackageRow } from "./payload.ts";
import type { Found } from "./scan.ts";

/** A name and a format, looked for in every configured place. */
export interface Named {
  readonly name: string;
  readonly format: PackageFormat;
}

interface Wanted extends Named {
  readonly text: string;
  /** Null for types we do not know. */
  readonly type: string | null;
}

/**
 * Packages by exact name and format wherever the gateway is configured to look. Of one place, many names are either
 * its whole list or one filtered list each, whichever is fewer calls.
 */
export function createNamed(
  rows: PackageRows,
  scopes: readonly Scope[],
  web: Web,
): Loader<Named, readonly Package[] | null> {
  return batched<Named, readonly Package[]>(textOf, async (keys) => {
    const answers = new Map<string, readonly Package[] | Error>();
    const wanted = keys.flatMap((key): Wanted[] => {
      const type = typeOf(key.format);
      if (type === null && key.format !== "OTHER") return [];
      const name = storedName(type ?? "", key.name);
      return name === null ? [] : [{ name, format: key.format, type, text: textOf(key) }];
    });
    for (const key of keys) answers.set(textOf(key), []);
    const groups = groupBy(wanted, ({ type }) => String(type === terraformType));
    await Promise.all([...groups.values()].flatMap((group) => scopes.map((scope) => lookIn(scope, group, answers))));
    return answers;
  });

  async function lookIn(
    scope: Scope,
    wanted: readonly Wanted[],
    answers: Map<string, readonly Package[] | Error>,
  ): Promise<void> {
    const failed = new Map<string, Error>();
    await answering(
      wanted.map(({ text }) => text),
      failed,
      async () => {
        const all = await wholeList(scope, wanted);
        await Promise.all(
          wanted.map((one) =>
            answering([one.text], failed, async () => {
              const pages = all ?? (await everyPage({ ...listIn(scope, one.type), name: one.name }));
              const found = collapse(pages, scope, one);
              const before = answers.get(one.text);
              if (before instanceof Error) return;
              if (found.length === 0 && pages.some((page) => page.dropped.length > 0)) {
                throw unreadable(pages[0]?.origin.backend ?? "", listGroupPackages.name);
              }
              answers.set(one.text, [...(before ?? []), ...found]);
            }),
          ),
        );
      },
    );
    for (const [text, error] of failed) answers.set(text, error);
  }

  /** Every page of a place, when they are fewer than the names looked for; else null. */
  async function wholeList(scope: Scope, wanted: readonly Wanted[]): Promise<UpstreamPage<PackageRow>[] | null> {
    const [first] = wanted;
    if (first === undefined || wanted.length === 1) return null;
    const list = listIn(scope, wanted.every(({ type }) => type === first.type) ? first.type : null);
    const { total, more } = await rows.page(list, 1);
    if (!more) return everyPage(list);
    return total !== null && Math.ceil(total / pageSize) - 1 < wanted.length ? everyPage(list) : null;
  }

  async function everyPage(list: PackageList): Promise<UpstreamPage<PackageRow>[]> {
    const pages = [await rows.page(list, 1)];
    while (pages.at(-1)?.more) pages.push(await rows.page(list, pages.length + 1));
    return pages;
  }

  function collapse(pages: readonly UpstreamPage<PackageRow>[], scope: Scope, wanted: Wanted): Package[] {
    const complete = pages.every((page) => page.dropped.length === 0);
    const groups = new Map<string, Found[]>();
    for (const page of pages) {
      for (const row of page.rows) {
        const { type, name } = nameOf(row);
        const context = rows.contextOf(row, scope, page.origin);
        if (context === null || name !== wanted.name || formatOf(type) !== wanted.format) continue;
        const key = keyText(context.repository, type);
        const group = (groups.get(key) ?? []).filter((other) => other.row.id !== row.id);
        groups.set(key, [...group, { row, origin: page.origin }]);
      }
    }
    return [...groups.values()].flatMap((group) => {
      const sorted = group
        .filter(({ row }) => row.status !== "error")
        .sort((left, right) => newer(left.row, right.row));
      const some = sorted[0] ?? group[0];
      const context = some && rows.contextOf(some.row, scope, some.origin);
      if (!some || !context) return [];
      const all = complete ? summarize(group.map(({ row }) => row)) : null;
      if (complete)
        rows.heads.prime(toPackageRef(some.row, context), { some, newest: sorted[0] ?? null, certain: true, all });
      return [toPackage(some.row, { ...context, web }, all)];
    });
  }
}

/** A place's rows, newest first: the list that other questions of the same request read too. */
function listIn(scope: Scope, type: string | null): PackageList {
  return { scope, type, name: null, version: null, orderBy: "created_at", sort: "desc" };
}

function textOf({ name, format }: Named): string {
  return keyText(name, format);
}
