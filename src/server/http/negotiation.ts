import { parse } from "content-type";
import { Lru } from "../../model/lru.ts";

/** Media types of an answer that is one JSON text. */
export type JsonType = "application/json" | "application/graphql-response+json";

/** Media types of an answer in parts. */
export type PartsType = "multipart/mixed" | "text/event-stream";

/** The types that a client prefers, by RFC 9110 (12.5.1): the highest weight, and nothing of weight 0. */
export interface AnswerTypes {
  /** For an answer without later parts. */
  readonly whole: JsonType | PartsType;
  /** For an answer to `@defer`: in parts only where the client names a type of parts that the gateway supports. */
  readonly deferred: JsonType | PartsType;
  /** For a batch; null when the client accepts no JSON. */
  readonly json: JsonType | null;
  /** Whether the client names `deferSpec=20220824`, which the answer's type repeats. */
  readonly namesDeferSpec: boolean;
}

/** The form of incremental delivery that multipart answers have. */
export const deferSpec = "20220824";

interface Offer {
  readonly type: JsonType | PartsType;
  readonly isParts: boolean;
  /** Parameters that a client may require of the type. */
  readonly parameters: Readonly<Record<string, string>>;
}

// In order of preference where a client gives several the same weight.
const offers: readonly Offer[] = [
  { type: "application/json", isParts: false, parameters: { charset: "utf-8" } },
  { type: "application/graphql-response+json", isParts: false, parameters: { charset: "utf-8" } },
  { type: "multipart/mixed", isParts: true, parameters: { deferspec: deferSpec } },
  { type: "text/event-stream", isParts: true, parameters: { charset: "utf-8" } },
];

interface Range {
  readonly name: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** 0 to 1; an invalid weight is 0. */
  readonly weight: number;
  readonly index: number;
}

interface Match extends Offer {
  readonly range: Range;
  /** 0 for any type, 1 for any of a kind, 2 for the type itself, 3 and more with parameters. */
  readonly precision: number;
}

const cache = new Lru<AnswerTypes | "none">({
  maxEntries: 200,
  maxWeight: 32_768,
  weigh: (_types, header) => header.length,
});

/** The types to answer with; null when the client accepts none that the gateway supports. */
export function negotiate(accept: string | undefined): AnswerTypes | null {
  const header = accept ?? "";
  let types = cache.get(header);
  if (types === undefined) {
    types = selectTypes(header) ?? "none";
    cache.set(header, types);
  }
  return types === "none" ? null : types;
}

function selectTypes(header: string): AnswerTypes | null {
  const listed = rangesOf(header);
  // An empty list accepts as much as no list.
  const ranges = listed.length === 0 ? rangesOf("*/*") : listed;
  const matches = offers.flatMap((offer) => {
    const match = bestOf(offer, ranges);
    return match && match.range.weight > 0 ? [match] : [];
  });
  const [whole] = matches.toSorted(byWeight((match) => (match.isParts ? 1 : 0)));
  if (!whole) return null;
  // A wildcard means JSON: parts are for clients that name them.
  const named = matches.filter(({ isParts, precision }) => !isParts || precision > 1);
  const [deferred] = named.toSorted(byWeight((match) => (match.isParts ? 0 : 1)));
  const json = matches.toSorted(byWeight(() => 0)).find(({ isParts }) => !isParts)?.type ?? null;
  return {
    whole: whole.type,
    deferred: deferred?.type ?? whole.type,
    json: json === "application/json" || json === "application/graphql-response+json" ? json : null,
    namesDeferSpec: ranges.some(({ name, parameters }) => name === "multipart/mixed" && "deferspec" in parameters),
  };
}

function byWeight(rank: (match: Match) => number): (one: Match, other: Match) => number {
  return (one, other) =>
    other.range.weight - one.range.weight ||
    rank(one) - rank(other) ||
    other.precision - one.precision ||
    one.range.index - other.range.index;
}

/** The most precise of the ranges that match a type: its weight counts. */
function bestOf(offer: Offer, ranges: readonly Range[]): Match | null {
  let best: Match | null = null;
  for (const range of ranges) {
    const precision = precisionOf(offer, range);
    if (precision !== null && (best === null || precision > best.precision)) best = { ...offer, range, precision };
  }
  return best;
}

function precisionOf({ type, isParts, parameters }: Offer, range: Range): number | null {
  if (range.name === "*/*") return 0;
  // A client of another specification of parts accepts an answer in one piece as well.
  if (!isParts && range.name === "multipart/mixed" && "incrementalspec" in range.parameters) return 0;
  if (range.name === `${type.split("/", 1)[0]}/*`) return 1;
  if (range.name !== type) return null;
  // The server chooses the boundary.
  const required = Object.entries(range.parameters).filter(([name]) => name !== "boundary");
  const fits = required.every(([name, value]) => parameters[name] === value.toLowerCase());
  return fits ? 2 + required.length : null;
}

function rangesOf(header: string): readonly Range[] {
  const ranges: Range[] = [];
  for (let start = 0; start < header.length; start++) {
    const { type, parameters, index: end } = parse(header, { comma: true, start });
    const { q, ...rest } = parameters;
    if (type !== "") ranges.push({ name: type, parameters: rest, weight: weightOf(q), index: ranges.length });
    start = end;
  }
  return ranges;
}

function weightOf(text: string | undefined): number {
  const weight = text === undefined ? 1 : Number(text);
  return weight >= 0 ? Math.min(weight, 1) : 0;
}

/** Content codings of an answer. */
export type Coding = "br" | "zstd" | "gzip";

/** Of the offered codings the one with the highest weight, the first of equals; null for an uncompressed answer. */
export function codingFor(accepted: string, offered: readonly Coding[]): Coding | null {
  const ranges = rangesOf(accepted);
  const named = (name: string) => ranges.find((range) => range.name === name)?.weight;
  const weigh = (coding: Coding) => named(coding) ?? named("*") ?? 0;
  const [best] = offered.toSorted((one, other) => weigh(other) - weigh(one));
  // No client has to name `identity`.
  return best === undefined || weigh(best) === 0 || weigh(best) < (named("identity") ?? 0) ? null : best;
}

/** Whether a client names HTML, as a browser does that opens a page. */
export function namesHtml(accept: string | undefined): boolean {
  return rangesOf(accept ?? "").some(({ name, weight }) => name === "text/html" && weight > 0);
}

const requestTypes = new Set(["application/json", "application/graphql+json", "application/graphql-response+json"]);

/** The problem with a request's content type, as a sentence; null for JSON in UTF-8. */
export function requestTypeProblem(header: string | undefined): string | null {
  if (header === "application/json") return null;
  const { type, parameters } = parse(header ?? "");
  if (!requestTypes.has(type)) return "Send the question as JSON, with content-type: application/json.";
  const charset = parameters["charset"]?.toLowerCase() ?? "utf-8";
  return charset === "utf-8" || charset === "utf8" ? null : "Send the question in UTF-8: no other charset is read.";
}
