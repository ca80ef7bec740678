import type { Version, VersionRef } from "../../model/package.ts";
import { type Answer, found, impossible } from "../answers.ts";
import { keyText } from "../batch.ts";
import { groupBy } from "../batches.ts";
import type { PackageList } from "./client.ts";
import { isNumber, parseKey, printKey, terraformType } from "./identity.ts";
import { nameOf, type RowContext, versionName } from "./mapper.ts";
import type { PackageRow } from "./payload.ts";
import { common, isOf, nameIn, newestFirst, packageText, versionText } from "./row-keys.ts";
import { findRow, type PackagePage, type ReadList, type SeenRow, silenceIn, sweep } from "./scan.ts";
import { answering } from "./several.ts";

/** What a look-up needs of the rows that its request knows and can ask for. */
export interface RowAccess extends ReadList {
  /** The row behind a version, if the request has seen it. */
  readonly known: (ref: VersionRef) => SeenRow | null;
  readonly versionOf: (row: PackageRow, context: RowContext) => Version;
  /** Whether the first page of a list was asked for already, so that reading it costs nothing. */
  readonly isRead: (list: PackageList) => boolean;
  /** One row by its number; null when it has no page of its own. */
  readonly single: (project: string, id: string) => Promise<SeenRow | null>;
}

type Answers = Map<string, Answer<Version> | Error>;

/** Answers a batch of versions, by number or by name, with the fewest calls. */
export async function loadVersions(refs: readonly VersionRef[], rows: RowAccess): Promise<Answers> {
  const answers: Answers = new Map();
  const left: VersionRef[] = [];
  for (const ref of refs) {
    const isSound = nameIn(ref.package) !== null && (ref.nativeId === null || isNumber(ref.nativeId));
    if (!isSound) answers.set(versionText(ref), impossible);
    else if (!tell(ref, rows.known(ref), rows, answers)) left.push(ref);
  }
  const byId = groupBy(
    left.filter((ref) => ref.nativeId !== null),
    ({ package: { repository, key } }) => keyText(repository, parseKey(key)?.type === terraformType ? 1 : 0),
  );
  const byName = groupBy(
    left.filter((ref) => ref.nativeId === null),
    (ref) => packageText(ref.package),
  );
  await Promise.all([
    ...byId.map((group) => answering(group.map(versionText), answers, () => versionsById(group, rows, answers))),
    ...byName.map((group) => answering(group.map(versionText), answers, () => versionsByName(group, rows, answers))),
  ]);
  return answers;
}

/** Answers one key with a row, if it is the row meant: ids come back from clients, and a number may be another's. */
function tell(ref: VersionRef, hit: SeenRow | null, rows: RowAccess, answers: Answers): boolean {
  if (hit === null || !isMeant(hit, ref)) return false;
  answers.set(versionText(ref), found(rows.versionOf(hit.row, hit.context)));
  return true;
}

function isMeant({ row }: SeenRow, ref: VersionRef): boolean {
  return printKey(nameOf(row)) === ref.package.key && versionName(row) === ref.version;
}

// A list row says what the single answer says: many ids of one project are pages, unless single calls are fewer.
async function versionsById(group: readonly VersionRef[], rows: RowAccess, answers: Answers): Promise<void> {
  let left = group;
  const [first] = group;
  if (first && group.length > 1) {
    const names = group.flatMap((ref) => parseKey(ref.package.key) ?? []);
    const list = newestFirst(first.package.repository, {
      type: common(names.map(({ type }) => type)),
      name: common(group.map(({ package: { key } }) => key)) === null ? null : (names[0]?.name ?? null),
    });
    const ids = new Set(group.map(({ nativeId }) => String(nativeId)));
    const swept = await sweep(rows, list, ids, (row) => String(row.id), "any");
    left = group.filter((ref) => {
      if (tell(ref, swept.found.get(String(ref.nativeId)) ?? null, rows, answers)) return false;
      if (swept.silence === null) return true;
      answers.set(versionText(ref), swept.silence);
      return false;
    });
  }
  await Promise.all(
    left.map((ref) =>
      answering([versionText(ref)], answers, async () => {
        if (ref.nativeId !== null && tell(ref, await rows.single(ref.package.repository, ref.nativeId), rows, answers))
          return;
        // A row in status `error` is listed and yet has no page of its own.
        const listed = await listedById(ref, rows);
        if (listed.kind !== "FOUND") answers.set(versionText(ref), listed);
        else tell(ref, listed.value, rows, answers);
      }),
    ),
  );
}

async function listedById(ref: VersionRef, rows: RowAccess): Promise<Answer<SeenRow>> {
  const name = nameIn(ref.package);
  if (name === null) return impossible;
  const list = newestFirst(ref.package.repository, { ...name, version: filterOf(ref) });
  return findRow(
    rows,
    list,
    (row) => String(row.id) === ref.nativeId && isOf(row, name) && versionName(row) === ref.version,
  );
}

async function versionsByName(group: readonly VersionRef[], rows: RowAccess, answers: Answers): Promise<void> {
  const [first] = group;
  const name = first && nameIn(first.package);
  if (!first || !name) return;
  const all = newestFirst(first.package.repository, name);
  // One name: the server filters (or ignores it, and the row is checked). Unless the whole list is here already.
  const narrow = group.length === 1 && !rows.isRead(all);
  const list = narrow ? { ...all, version: filterOf(first) } : all;
  const left = new Map(group.map((ref) => [ref.version, ref]));
  const pages: PackagePage[] = [];
  for (let number = 1; left.size > 0; number++) {
    const one = await rows.page(list, number);
    pages.push(one);
    for (const row of one.rows) {
      const ref = isOf(row, name) ? left.get(versionName(row)) : undefined;
      const context = ref ? rows.contextOf(row, one) : null;
      // Newest first: of rows with one name, the one published last is what clients are served.
      if (ref && context && left.delete(ref.version)) tell(ref, { row, context }, rows, answers);
    }
    if (one.more) continue;
    for (const ref of left.values()) answers.set(versionText(ref), silenceIn(list, pages));
    return;
  }
}

/** What to filter by on the server; null for a row without a version, which is named by its number. */
function filterOf({ version }: VersionRef): string | null {
  return version.startsWith("#") ? null : version;
}
