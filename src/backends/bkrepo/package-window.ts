import type { PackageRef } from "../../model/package.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { PackageQuery } from "../backend.ts";
import { keyText } from "../batch.ts";
import { keepRows, readWindow, sliceWindow } from "../paging.ts";
import { type TaggedPackage, toPackage } from "./mapper.ts";
import { isCounted, matches, rulesOf } from "./package-filter.ts";
import { allOf, is, type Rule } from "./rule.ts";
import { largestPage, unasked, type View } from "./view.ts";

/** The text that tells two package references apart. */
export function packageText({ repository, key }: PackageRef): string {
  return keyText(repository, key);
}

/** What a search is asked for. Never `historyVersion`: it grows with every version ever published. */
export const packageFields = [
  "repoName",
  "name",
  "key",
  "type",
  "downloads",
  "versions",
  "versionTag",
  "description",
  "createdBy",
  "createdDate",
  "lastModifiedDate",
];

/** A project and those of its repositories that are searched. */
export interface Leg {
  readonly project: string;
  readonly repositories: readonly string[];
}

/** A window over one project's packages, in an order that has no ties; `where` names the repositories. */
export async function packageWindow(
  view: View,
  leg: Leg,
  where: Rule,
  filter: PackageQuery,
  request: PageRequest,
): Promise<Page<TaggedPackage>> {
  const { client, settings, call } = view;
  const rule = allOf(is("projectId", leg.project), where, ...(rulesOf(filter) ?? []));
  const sort = {
    properties: leg.repositories.length === 1 ? ["key"] : ["key", "repoName"],
    direction: "ASC",
  } as const;
  const page = await readWindow(request, {
    maxSize: largestPage,
    identity: packageIdentity,
    fetch: async (index, pageSize) => {
      const { value, origin, zone } = await client.searchPackages(
        { select: packageFields, page: { pageNumber: index + 1, pageSize }, sort, rule },
        call,
      );
      const rows = value.rows.map((row) =>
        toPackage(row, {
          backend: settings.name,
          repository: { project: leg.project, name: row.repoName },
          origin,
          zone,
        }),
      );
      const { count, dropped, total } = value;
      return keepRows({ rows, count, dropped, origin, total }, (found) => matches(found, filter));
    },
  });
  return isCounted(filter) ? page : { ...page, total: null };
}

/** The same window over a list that is all here. */
export function listWindow(
  view: View,
  packages: readonly TaggedPackage[],
  filter: PackageQuery,
  request: PageRequest,
): Page<TaggedPackage> {
  const rows = packages.filter((one) => matches(one, filter));
  const origin = packages[0]?.origin ?? unasked(view);
  return sliceWindow(request, rows, packageIdentity, { origin, dropped: [] });
}

function packageIdentity({ ref }: TaggedPackage): string {
  return packageText(ref);
}
