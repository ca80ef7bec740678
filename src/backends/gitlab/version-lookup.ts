import type { Version, VersionRef } from "../../model/package.ts";
import { keyText } from "../batch.ts";
import { unreadable } from "./absence.ts";
import { answering, groupBy } from "./batch-answers.ts";
import type { PackageList } from "./client.ts";
import { isNumber, parseKey, printKey, terraformType } from "./identity.ts";
import { nameOf, toVersion, versionName, type Web } from "./mapper.ts";
import { listProjectPackages } from "./operations.ts";
import { common, isOf, nameIn, newestFirst, packageText, versionText } from "./row-keys.ts";
import { type Found, findRow, type ReadPage, sweep } from "./scan.ts";

/** What a look-up needs of the rows that its request knows and can ask for. */
export interface RowAccess {
  readonly backend: string;
  readonly web: Web;
  readonly page: ReadPage;
  /** The row behind a version, if the request has seen it. */
  readonly known: (ref: VersionRef) => Found | null;
  /** Whether the first page of a list was asked for already, so that reading it costs nothing. */
  readonly isRead: (list: PackageList) => boolean;
  /** One row by its number; null when it has no page of its own. */
  readonly single: (project: string, id: string) => Promise<Found | null>;
}

/** Answers a batch of versions, by number or by name, with the fewest calls; those not in the answer are absent. */
export async function loadVersions(
  refs: readonly VersionRef[],
  rows: RowAccess,
): Promise<Map<string, Version | Error>> {
  const answers = new Map<string, Version | Error>();
  const found = (ref: VersionRef, { row, origin }: Found) => {
    // Ids come back from clients: a number that belongs to another package or version finds nothing.
    if (printKey(nameOf(row)) !== ref.package.key || versionName(row) !== ref.version) return;
    answers.set(versionText(ref), toVersion(row, { repository: ref.package.repository, web: rows.web, origin }));
  };
  const sound = refs.filter((ref) => nameIn(ref.package) && (ref.nativeId === null || isNumber(ref.nativeId)));
  const fresh = sound.filter((ref) => {
    const row = rows.known(ref);
    if (row !== null) found(ref, row);
    return row === null;
  });
  const byId = groupBy(
    fresh.filter((ref) => ref.nativeId !== null),
    ({ package: { repository, key } }) => keyText(repository, parseKey(key)?.type === terraformType ? 1 : 0),
  );
  const byName = groupBy(
    fresh.filter((ref) => ref.nativeId === null),
    (ref) => packageText(ref.package),
  );
  await Promise.all([
    ...[...byId.values()].map((group) =>
      answering(group.map(versionText), answers, () => versionsById(group, rows, found, answers)),
    ),
    ...[...byName.values()].map((group) =>
      answering(group.map(versionText), answers, () => versionsByName(group, rows, found)),
    ),
  ]);
  return answers;
}

type Tell = (ref: VersionRef, found: Found) => void;

// A list row says what the single answer says: many ids of one project are pages, unless single calls are fewer.
async function versionsById(
  group: readonly VersionRef[],
  rows: RowAccess,
  tell: Tell,
  answers: Map<string, Version | Error>,
): Promise<void> {
  let left = group;
  const [first] = group;
  if (first && group.length > 1) {
    const names = group.flatMap((ref) => parseKey(ref.package.key) ?? []);
    const list = newestFirst(first.package.repository, {
      type: common(names.map(({ type }) => type)),
      name: common(group.map(({ package: { key } }) => key)) === null ? null : (names[0]?.name ?? null),
    });
    const ids = new Set(group.map(({ nativeId }) => String(nativeId)));
    const swept = await sweep(rows.page, list, ids, (row) => String(row.id), "pass gaps");
    left = group.filter((ref) => {
      const row = swept.found.get(String(ref.nativeId));
      if (row) tell(ref, row);
      return !row && !swept.complete;
    });
  }
  await Promise.all(
    left.map((ref) =>
      answering([versionText(ref)], answers, async () => {
        const row = await rowById(ref, rows);
        if (row !== null) tell(ref, row);
      }),
    ),
  );
}

async function rowById(ref: VersionRef, { backend, page, single }: RowAccess): Promise<Found | null> {
  const { repository } = ref.package;
  const name = nameIn(ref.package);
  if (ref.nativeId === null || name === null) return null;
  const own = await single(repository, ref.nativeId);
  if (own !== null) return own;
  // A row in status `error` is listed and yet has no page of its own.
  const list = newestFirst(repository, { ...name, version: ref.version.startsWith("#") ? null : ref.version });
  return findRow(page, list, backend, (row) => String(row.id) === ref.nativeId);
}

async function versionsByName(group: readonly VersionRef[], rows: RowAccess, tell: Tell): Promise<void> {
  const [first] = group;
  const name = first && nameIn(first.package);
  if (!first || !name) return;
  const all = newestFirst(first.package.repository, name);
  // One name: the server filters (or ignores it, and the row is checked). Unless the whole list is here already.
  const narrow = group.length === 1 && !rows.isRead(all);
  const list = narrow ? { ...all, version: first.version } : all;
  const left = new Map(group.map((ref) => [ref.version, ref]));
  let gap = false;
  for (let number = 1; left.size > 0; number++) {
    const one = await rows.page(list, number);
    gap ||= one.dropped.length > 0;
    for (const row of one.rows) {
      const ref = isOf(row, name) ? left.get(versionName(row)) : undefined;
      // Newest first: of rows with one name, the one published last is what clients are served.
      if (ref && left.delete(ref.version)) tell(ref, { row, origin: one.origin });
    }
    if (one.more) continue;
    if (gap && left.size > 0) throw unreadable(rows.backend, listProjectPackages.name);
    return;
  }
}
