import type { Digest } from "../../model/digest.ts";
import { batched, keyText } from "../batch.ts";
import type { NodeRow } from "./payload.ts";
import { type RepositoryProbe, unlessMissing } from "./probe.ts";
import { printRepository, type Repository } from "./repository.ts";
import { allOf, is, oneOf } from "./rule.ts";
import { asError, chunks, collect, groupBy, largestBatch, largestPage, unreadable, type View } from "./view.ts";

/** The fields of a node that are asked for. */
export const nodeFields = ["repoName", "fullPath", "name", "size", "sha256", "md5", "createdDate", "archived"];

/** A checksum to look for in one repository. */
interface Checksum {
  readonly repository: Repository;
  readonly algorithm: "sha256" | "md5";
  readonly hex: string;
}

function checksumText({ repository, algorithm, hex }: Checksum): string {
  return keyText(printRepository(repository), algorithm, hex);
}

function hexIn(row: NodeRow, algorithm: Checksum["algorithm"]): string | null {
  return row[algorithm]?.toLowerCase() ?? null;
}

/**
 * Nodes of one repository by checksum, empty where there are none; digests that are asked for together are one query a
 * repository. Only sha256 and md5 are kept by bkrepo.
 */
export function checksumSearch(view: View, probe: RepositoryProbe) {
  const { client, settings, call } = view;

  const nodesWith = batched(
    checksumText,
    async (wanted: readonly Checksum[]) => {
      const groups = groupBy(wanted, ({ repository, algorithm }) => keyText(printRepository(repository), algorithm));
      const answers = await Promise.all(
        groups
          .flatMap((group) => chunks(group, largestBatch))
          .map(async (group) => {
            const rows = await nodesOfChecksums(group).catch(asError);
            return group.map((one) => {
              const own =
                rows instanceof Error ? rows : rows.filter(({ row }) => hexIn(row, one.algorithm) === one.hex);
              return [checksumText(one), own] as const;
            });
          }),
      );
      return new Map(answers.flat());
    },
    { by: { call, backend: settings.name, operation: "bkrepo.queryNodes" } },
  );

  // One repository a query, though several could be named: only so a refusal is known to be this repository's.
  async function nodesOfChecksums(group: readonly Checksum[]) {
    const [first, ...others] = group;
    if (first === undefined) return [];
    const { repository, algorithm, hex } = first;
    const rule = allOf(
      is("projectId", repository.project),
      is("repoName", repository.name),
      others.length === 0 ? is(algorithm, hex) : oneOf(algorithm, [hex, ...others.map((other) => other.hex)]),
      is("folder", false),
    );
    const sort = { properties: ["fullPath"], direction: "ASC" } as const;
    return unlessMissing(
      probe,
      repository,
      async () => {
        const found = await collect(
          (pageNumber) =>
            client.queryNodes({ select: nodeFields, page: { pageNumber, pageSize: largestPage }, sort, rule }, call),
          largestPage,
          false,
        );
        if (!found.complete) throw unreadable(view, "bkrepo.queryNodes", "rows of the answer are missing");
        return found.rows;
      },
      () => [],
    );
  }

  return async function nodesByDigest(repository: Repository, digest: Digest) {
    const [algorithm, hex = ""] = digest.split(":");
    return algorithm === "sha256" || algorithm === "md5"
      ? ((await nodesWith.load({ repository, algorithm, hex })) ?? [])
      : [];
  };
}
