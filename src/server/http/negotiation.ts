import { parse } from "content-type";
import { createBoundedMap } from "../bounded-map.ts";

/** Media types of an answer that is one JSON text. */
export type JsonType = "application/json" | "application/graphql-response+json";

/** Media types of an answer in parts. */
export type PartsType = "multipart/mixed" | "text/event-stream";

/** What a client takes, by RFC 9110 (12.5.1): the heaviest of what it names, and nothing that weighs 0. */
export interface AnswerTypes {
  /** For an answer without later parts. */
  readonly whole: JsonType | PartsType;
  /** For an answer to `@defer`: in parts only where the client names a form of parts that the gateway writes. */
  readonly deferred: JsonType | PartsType;
  /** For several answers at once; null when the client takes no JSON. */
  readonly json: JsonType | null;
  /** Whether the client names `deferSpec=20220824`, which is said again in the answer's type. */
  readonly namesDeferSpec: boolean;
}

/** The form of incremental delivery that multipart answers have. */
export const deferSpec = "20220824";

interface Offer {
  readonly type: JsonType | PartsType;
  readonly isParts: boolean;
  /** Parameters that a client may ask of the type. */
  readonly parameters: Readonly<Record<string, string>>;
}

// In the order in which they are taken when a client likes several alike.
const offers: readonly Offer[] = [
  { type: "application/json", isParts: false, parameters: { charset: "utf-8" } },
  { type: "application/graphql-response+json", isParts: false, parameters: { charset: "utf-8" } },
  { type: "multipart/mixed", isParts: true, parameters: { deferspec: deferSpec } },
  { type: "text/event-stream", isParts: true, parameters: { charset: "utf-8" } },
];

/** One element of a header that lists what somebody takes. */
interface Range {
  readonly name: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** 0 to 1; a weight that is none is 0. */
  readonly weight: number;
  /** Place in the header. */
  readonly place: number;
}

interface Match extends Offer {
  readonly range: Range;
  /** 0 for any type, 1 for any of a kind, 2 for the type itself, 3 and more with parameters. */
  readonly precision: number;
}

const known = createBoundedMap<AnswerTypes | "none">({ entries: 200, characters: 32_768 });

/** What to answer with; null when the client takes nothing that the gateway can write. */
export function negotiate(accept: string | undefined): AnswerTypes | null {
  const header = accept ?? "";
  const found = known.get(header) ?? choose(header) ?? "none";
  known.set(header, found);
  return found === "none" ? null : found;
}

function choose(header: string): AnswerTypes | null {
  const listed = rangesOf(header);
  // An empty list takes as much as no list.
  const ranges = listed.length === 0 ? rangesOf("*/*") : listed;
  const matches = offers.flatMap((offer) => {
    const match = bestOf(offer, ranges);
    return match && match.range.weight > 0 ? [match] : [];
  });
  const [whole] = matches.toSorted(heaviest((match) => (match.isParts ? 1 : 0)));
  if (!whole) return null;
  // Whoever takes anything takes JSON; parts are for clients that name them.
  const named = matches.filter(({ isParts, precision }) => !isParts || precision > 1);
  const [deferred] = named.toSorted(heaviest((match) => (match.isParts ? 0 : 1)));
  const json = matches.toSorted(heaviest(() => 0)).find(({ isParts }) => !isParts)?.type ?? null;
  return {
    whole: whole.type,
    deferred: deferred?.type ?? whole.type,
    json: json === "application/json" || json === "application/graphql-response+json" ? json : null,
    namesDeferSpec: ranges.some(({ name, parameters }) => name === "multipart/mixed" && "deferspec" in parameters),
  };
}

function heaviest(rank: (match: Match) => number): (one: Match, other: Match) => number {
  return (one, other) =>
    other.range.weight - one.range.weight ||
    rank(one) - rank(other) ||
    other.precision - one.precision ||
    one.range.place - other.range.place;
}

/** The most precise of the ranges that hold for a type: it says what the type weighs. */
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
  // Whoever takes an answer in a form of parts that is not written here takes it in one as well.
  if (!isParts && range.name === "multipart/mixed" && "incrementalspec" in range.parameters) return 0;
  if (range.name === `${type.split("/", 1)[0]}/*`) return 1;
  if (range.name !== type) return null;
  // The boundary is for the writer to choose.
  const asked = Object.entries(range.parameters).filter(([name]) => name !== "boundary");
  const fits = asked.every(([name, value]) => parameters[name] === value.toLowerCase());
  return fits ? 2 + asked.length : null;
}

function rangesOf(header: string): readonly Range[] {
  const ranges: Range[] = [];
  for (let start = 0; start < header.length; start++) {
    const { type, parameters, index } = parse(header, { comma: true, start });
    const { q, ...rest } = parameters;
    if (type !== "") ranges.push({ name: type, parameters: rest, weight: weightOf(q), place: ranges.length });
    start = index;
  }
  return ranges;
}

function weightOf(text: string | undefined): number {
  const weight = text === undefined ? 1 : Number(text);
  return weight >= 0 ? Math.min(weight, 1) : 0;
}

/** What an answer can be compressed with. */
export type Coding = "br" | "gzip";

/** The coding that a client likes best, br where it likes both alike; null for an answer as it is. */
export function codingFor(accepted: string | null): Coding | null {
  const weigh = weigher(accepted ?? "");
  const [br, gzip] = [weigh("br"), weigh("gzip")];
  if (Math.max(br, gzip) === 0 || weigh("identity") > Math.max(br, gzip)) return null;
  return br >= gzip ? "br" : "gzip";
}

/** What each coding weighs by a header; `*` is all that are not named but `identity`, which nobody has to name. */
export function weigher(accepted: string): (coding: Coding | "identity" | "zstd") => number {
  const ranges = rangesOf(accepted);
  const named = (name: string) => ranges.find((range) => range.name === name)?.weight;
  return (coding) => named(coding) ?? (coding === "identity" ? 0 : (named("*") ?? 0));
}

/** Whether a client takes HTML, and names it: what a browser sends that opens a page. */
export function namesHtml(accept: string | undefined): boolean {
  return rangesOf(accept ?? "").some(({ name, weight }) => name === "text/html" && weight > 0);
}

const requestTypes = new Set(["application/json", "application/graphql+json", "application/graphql-response+json"]);

/** What is wrong with the type that a request's body is said to have, as a sentence; null for JSON in UTF-8. */
export function requestTypeProblem(header: string | undefined): string | null {
  if (header === "application/json") return null;
  const { type, parameters } = parse(header ?? "");
  if (!requestTypes.has(type)) return "Send the question as JSON, with content-type: application/json.";
  const charset = parameters["charset"]?.toLowerCase() ?? "utf-8";
  return charset === "utf-8" || charset === "utf8" ? null : "Send the question in UTF-8: no other charset is read.";
}
