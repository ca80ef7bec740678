import type { Version } from "../../model/package.ts";
import type { Page, Position } from "../../model/page.ts";
import type { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, absent, found, unknown } from "../answers.ts";
import { pageVersions } from "./client.ts";

/** A list of versions that is said to be in order of publication, newest first. */
export interface NewestFirst {
  /** An image's tags hold more than images. */
  readonly isImage: boolean;
  readonly top: () => Promise<Answer<Page<Version>>>;
  readonly next: (after: Position) => Promise<Answer<Page<Version>>>;
  /** The failure where a row is missing that may be the newest. */
  readonly lost: () => UpstreamError;
}

/** What cosign and its kin keep beside an image: `sha256-<hex>.sig`, `.att`, `.sbom`, and lists of referrers without an end. */
const attachment = /^sha(?:256|512)-[0-9a-f]{64,128}(?:\.[\w-]+)?$/;

/** Pages behind the top that are looked through for a version that is no attachment. */
const mostNextPages = 5;

/**
 * The newest version by publication. The order is checked by the dates before its head is called so: in a list that is
 * all here the newest date wins; of a longer one the dates must not rise. Without a date nothing can be said.
 */
export async function newestOf({ isImage, top, next, lost }: NewestFirst): Promise<Answer<Version>> {
  let answer = await top();
  const rows: Page<Version>["rows"][number][] = [];
  for (let pages = 0; ; pages++) {
    if (answer.kind !== "FOUND") return answer;
    const { value: page } = answer;
    for (const row of page.rows) rows.push(row);
    const head = rows.find(({ value }) => !isImage || !attachment.test(value.name));
    const place = head === undefined ? Number.POSITIVE_INFINITY : Number(head.position[0]) - 1;
    // An unreadable row in front may have been the newest.
    if (page.dropped.some(({ index }) => index <= place)) throw lost();
    const after = page.rows.at(-1)?.position ?? null;
    if (head === undefined && page.hasNext && after !== null) {
      if (pages === mostNextPages) return unknown("UNREAD");
      answer = await next(after);
      continue;
    }
    const versions = rows.map(({ value }) => value);
    return checked(isImage ? versions.filter(({ name }) => !attachment.test(name)) : versions, !page.hasNext);
  }
}

function checked(versions: readonly Version[], isWhole: boolean): Answer<Version> {
  const [head, ...others] = versions;
  if (head === undefined) return absent(pageVersions, "WHOLE_LIST");
  if (isWhole && others.length === 0) return found(head);
  const moments = versions.map(({ createdAt }) => (createdAt === null ? Number.NaN : Date.parse(createdAt)));
  if (moments.some(Number.isNaN)) return unknown("UNCHECKED_ORDER");
  if (isWhole) {
    const newest =
      versions[moments.indexOf(moments.reduce((latest, moment) => Math.max(latest, moment), Number.NEGATIVE_INFINITY))];
    return found(newest ?? head);
  }
  const isOrdered = moments.every((moment, index) => index === 0 || moment <= (moments[index - 1] ?? 0));
  return isOrdered ? found(head) : unknown("UNCHECKED_ORDER");
}
