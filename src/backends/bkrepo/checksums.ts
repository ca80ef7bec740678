import type { Digest } from "../../model/artifact.ts";
import { type Answer, absent, found, unknown } from "../answers.ts";
import { batched, keyText } from "../batch.ts";
import { asError, chunks, groupBy } from "../batches.ts";
import { queryNodes } from "./client.ts";
import type { AnswerContext } from "./mapper.ts";
import type { NodeRow } from "./payload.ts";
import { printRepository, type Repository } from "./repository.ts";
import { allOf, is, oneOf } from "./rule.ts";
import { isForbidden, type SightReader, silenceOf } from "./sight.ts";
import { collect, largestBatch, largestPage, unreadable, type View } from "./view.ts";

/** The fields of a node that are asked for. */
export const nodeFields = ["repoName", "fullPath", "name", "size", "sha256", "md5", "createdDate", "archived"];

/** A node, and how its answer tells times. */
export interface FoundNode {
  readonly row: NodeRow;
  readonly context: AnswerContext;
}

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
 * Nodes of one repository by checksum; digests that are asked for together are one query a repository. Only sha256 and
 * md5 are kept by bkrepo. None is absent where the searches of that repository see all of it.
 */
export function checksumSearch(view: View, sights: SightReader) {
  const { client, settings, call } = view;

  const nodesWith = batched<Checksum, readonly FoundNode[]>(
    checksumText,
    async (wanted, answers) => {
      const groups = groupBy(wanted, ({ repository, algorithm }) => keyText(printRepository(repository), algorithm));
      await Promise.all(
        groups
          .flatMap((group) => chunks(group, largestBatch))
          .map(async (group) => {
            const rows = await nodesOfChecksums(group).catch(asError);
            await Promise.all(group.map(async (one) => answers.set(checksumText(one), await ownOf(one, rows))));
          }),
      );
      return answers;
    },
    { by: { call, backend: settings.name, operation: queryNodes.name } },
  );

  async function ownOf(
    { repository, algorithm, hex }: Checksum,
    rows: readonly FoundNode[] | null | Error,
  ): Promise<Answer<readonly FoundNode[]> | Error> {
    if (rows instanceof Error) return rows;
    const own = rows?.filter(({ row }) => hexIn(row, algorithm) === hex) ?? [];
    if (own.length > 0) return found(own);
    // A repository without packages has no version whose file it could be.
    const sight = await sights.sight.load(repository).catch(asError);
    if (sight instanceof Error) return sight;
    const seesAll = sight.kind === "FOUND" && sight.value === "WHOLE";
    return seesAll ? absent(queryNodes, "COMPLETE_FILTER") : silenceOf(sight);
  }

  // One repository a query, though several could be named: only so a refusal is known to be this repository's.
  async function nodesOfChecksums(group: readonly Checksum[]): Promise<readonly FoundNode[] | null> {
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
    try {
      const { rows, complete } = await collect(
        (pageNumber) =>
          client.queryNodes({ select: nodeFields, page: { pageNumber, pageSize: largestPage }, sort, rule }, call),
        largestPage,
        false,
      );
      if (!complete) throw unreadable(view, queryNodes.name, "rows of the answer are missing");
      return rows;
    } catch (error) {
      // The repository itself is asked whether it is missing or may not be read.
      if (isForbidden(error)) return null;
      throw error;
    }
  }

  return async function nodesByDigest(repository: Repository, digest: Digest): Promise<Answer<readonly FoundNode[]>> {
    const [algorithm, hex = ""] = digest.split(":");
    return algorithm === "sha256" || algorithm === "md5"
      ? nodesWith.load({ repository, algorithm, hex })
      : unknown("NOT_SEARCHABLE");
  };
}
