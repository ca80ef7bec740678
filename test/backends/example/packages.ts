import { type Answer, absent, absentIfNotFound, found, mapAnswer, unknown } from "../../../src/backends/answers.ts";
import type { PackageReader } from "../../../src/backends/backend.ts";
import { keyText, single } from "../../../src/backends/loading/loader.ts";
import { sliceWindow } from "../../../src/backends/paging/window.ts";
import type { DroppedRow, Origin } from "../../../src/model/backend.ts";
import type { Package, PackageRef, Version } from "../../../src/model/package.ts";
import type { ExampleClient } from "./client.ts";
import { toPackage, toVersion } from "./mapper.ts";
import { getPackage, listVersions } from "./operations.ts";

interface VersionList {
  readonly rows: readonly Version[];
  readonly dropped: readonly DroppedRow[];
  readonly origin: Origin;
}

const noPackage = absent(getPackage, "KEYED_READ");
const noVersion = absent(listVersions, "WHOLE_LIST");
const notSearchable = () => Promise.resolve(unknown("NOT_SEARCHABLE"));

/** The packages of one request; equal questions are one call. Keys are names. */
export function createPackages(client: ExampleClient, backend: string): PackageReader {
  const { call } = client;
  const packages = single<PackageRef, Answer<Package>>(
    ({ repository, key }) => keyText(repository, key),
    (ref) => {
      const read = client.getPackage(ref).then(({ value, origin }) => found(toPackage(value, ref, origin)));
      return absentIfNotFound(read, noPackage);
    },
    { call, backend, operation: getPackage.name },
  );
  const versions = single<PackageRef, Answer<VersionList>>(
    ({ repository, key }) => keyText(repository, key),
    (ref) => {
      const read = client.listVersions(ref).then(({ value, origin }) => {
        const { dropped } = value;
        const rows = value.rows.map((row) => toVersion(row, ref, origin));
        return found({ rows, dropped, origin }, dropped.length > 0 ? unknown("LOST_ROWS") : null);
      });
      return absentIfNotFound(read, noVersion);
    },
    { call, backend, operation: listVersions.name },
  );
  return {
    keyOf: (name, format) => (format === "GENERIC" ? name : null),
    parseKey: (key) => ({ name: key, format: "GENERIC" }),
    package: (ref) => packages.load(ref),
    version: async (ref) =>
      oneOf(await versions.load(ref.package), (rows) => rows.find((row) => row.name === ref.version)),
    latest: async (ref) => oneOf(await versions.load(ref), (rows) => rows[0]),
    versions: async (ref, { prefix, direction }, request) =>
      mapAnswer(await versions.load(ref), (list) => {
        const rows = list.rows.filter(({ name }) => name.startsWith(prefix ?? ""));
        return sliceWindow(request, direction === "DESC" ? rows : rows.reverse(), ({ name }) => name, list);
      }),
    page: notSearchable,
    files: notSearchable,
    byChecksum: notSearchable,
    named: notSearchable,
    byPurl: notSearchable,
    search: notSearchable,
  };
}

/** One version of a list: what a list with a gap does not have is unknown, otherwise absent. */
function oneOf(list: Answer<VersionList>, pick: (rows: readonly Version[]) => Version | undefined): Answer<Version> {
  if (list.kind !== "FOUND") return list;
  const version = pick(list.value.rows);
  return version ? found(version) : (list.gap ?? noVersion);
}
