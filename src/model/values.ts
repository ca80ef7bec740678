import type { Instant } from "./backend.ts";

/** Unix seconds as Zadig writes them; 0, absent and nonsense mean "never" and give null. */
export function fromUnixSeconds(seconds: number | null | undefined): Instant | null {
  return seconds ? fromMillis(seconds * 1000) : null;
}

/** Epoch milliseconds as bkrepo's raw search rows write them; 0 and absent mean "never" and give null. */
export function fromMillis(millis: number | null | undefined): Instant | null {
  return millis ? instantAt(millis) : null;
}

/** The instant that many milliseconds after the epoch; null where no calendar reaches. */
function instantAt(millis: number): Instant | null {
  return Math.abs(millis) <= 8.64e15 ? new Date(millis).toISOString() : null;
}

const pattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?(?:\s*(Z|UTC|[+-]\d{2}:?\d{2}))?(?:\s+(?:[A-Z]{2,5}|[+-]\d{2,4}))?(?:\s+m=[+-][\d.]+)?$/i;

const longestInstant = 128;

/** An instant as we print it, on any day but the 29th of February. */
const printed =
  /^\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

/**
 * ISO-like text to an instant. `offset` (`+08:00`) is used where the text names no zone; without both the answer is
 * null, because the gateway's own zone says nothing about the text. Go's zero time (year 1) means "never" and gives
 * null. Also reads Go's `time.String()` form (`2019-07-22 17:08:57 +0800 CST`; zones without a name repeat their
 * offset, and a monotonic reading may follow). Precision is cut to milliseconds.
 */
export function parseInstant(text: string | null | undefined, offset?: string): Instant | null {
  if (!text || text.length > longestInstant) return null;
  // Most say it as we do already: a text that is sure to be a day and a time is not parsed.
  if (text.length === 24 && text > "0002" && printed.test(text)) return text;
  const match = pattern.exec(text.trim());
  if (!match) return null;
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "0", zone = offset] = match;
  const minutes = offsetMinutes(zone);
  if (minutes === null || year === undefined || month === undefined || day === undefined) return null;
  if (Number(year) <= 1) return null;
  const millis = Number(fraction.padEnd(3, "0").slice(0, 3));
  // Years below 100 would be taken for those of the last century: the year is set by itself.
  const local = new Date(Date.UTC(2000, +month - 1, +day, +hour, +minute, +second, millis)).setUTCFullYear(
    +year,
    +month - 1,
    +day,
  );
  const roundTrip = new Date(local);
  const real =
    roundTrip.getUTCMonth() === +month - 1 &&
    roundTrip.getUTCDate() === +day &&
    +hour < 24 &&
    +minute < 60 &&
    +second < 61;
  // Written out, the epoch is a moment like any other.
  return real ? instantAt(local - minutes * 60_000) : null;
}

/** `+08:00`, `+0800`, `-05:30`, `Z` or `UTC` to minutes east of Greenwich; null for anything else. */
export function offsetMinutes(zone: string | null | undefined): number | null {
  if (!zone) return null;
  if (/^(z|utc)$/i.test(zone)) return 0;
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(zone);
  if (!match) return null;
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  return match[1] === "-" ? -minutes : minutes;
}

/** Whole seconds from start to finish; null unless both are known and in that order. */
export function secondsBetween(start: Instant | null, finish: Instant | null): number | null {
  if (start === null || finish === null) return null;
  const seconds = Math.round((Date.parse(finish) - Date.parse(start)) / 1000);
  return seconds >= 0 ? seconds : null;
}

const largestInt = 2_147_483_647;

/** A count or a size; null for no whole number from 0 on, and past 2^53, where digits are lost. */
export function toCount(value: number | null | undefined): number | null {
  return value !== null && value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** The same for what the graph answers as an Int. */
export function toInt(value: number | null | undefined): number | null {
  const count = toCount(value);
  return count !== null && count <= largestInt ? count : null;
}

/** The text without slashes at its end. A pattern would look at each run of slashes once for every slash in it. */
export function trimEndSlashes(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === "/") end -= 1;
  return text.slice(0, end);
}

/** The text without slashes at either end. */
export function trimSlashes(text: string): string {
  let start = 0;
  while (text[start] === "/") start += 1;
  return trimEndSlashes(text.slice(start));
}

/** Runs the function at its first call and hands the same promise to all. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}

/** Puts what a getter has made in the place of the getter, and hands it back: it is made once. */
export function keep<T>(target: object, name: string, value: T): T {
  Object.defineProperty(target, name, { value, enumerable: true });
  return value;
}

/** Whether a value is an object of JSON: neither null nor a list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
