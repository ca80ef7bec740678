import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromMillis, fromUnixSeconds, offsetMinutes, parseInstant, secondsBetween } from "../../src/model/values.ts";

// Four-digit years behind Go's zero time; noInvalidDate keeps what a calendar can hold.
const moment = fc
  .date({ min: new Date("0002-01-02T00:00:00Z"), max: new Date("9998-12-30T00:00:00Z"), noInvalidDate: true })
  .map((date) => date.getTime());
const minutes = fc.integer({ min: -14 * 60, max: 14 * 60 });

const two = (number: number) => String(number).padStart(2, "0");
const zoneOf = (offset: number, colon: string) => {
  const total = Math.abs(offset);
  return `${offset < 0 ? "-" : "+"}${two(Math.floor(total / 60))}${colon}${two(total % 60)}`;
};

describe("an instant", () => {
  test("is the same in every zone and spelling", () => {
    fc.assert(
      fc.property(
        moment,
        minutes,
        fc.constantFrom("T", " "),
        fc.constantFrom(":", ""),
        fc.constantFrom("", " "),
        (millis, offset, between, colon, space) => {
          const local = new Date(millis + offset * 60_000).toISOString().replace("T", between).replace("Z", "");
          const zone = zoneOf(offset, colon);
          expect(parseInstant(`${local}${space}${zone}`)).toBe(new Date(millis).toISOString());
          // The configured offset fills in for a zone, and never beats one.
          expect(parseInstant(local, zoneOf(offset, ":"))).toBe(new Date(millis).toISOString());
          expect(parseInstant(`${local}${zone}`, "+13:37")).toBe(new Date(millis).toISOString());
          expect(parseInstant(local)).toBeNull();
        },
      ),
    );
  });

  test("reads what it prints", () => {
    fc.assert(
      fc.property(moment, (millis) => {
        const printed = new Date(millis).toISOString();
        expect(parseInstant(printed)).toBe(printed);
        expect(fromMillis(millis)).toBe(millis === 0 ? null : printed);
      }),
    );
  });

  test("is RFC 3339 in UTC or null, whatever comes", () => {
    const near = fc.string({ unit: fc.constantFrom(..."0123456789-:T +Z.,"), maxLength: 40 });
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), fc.option(near, { nil: undefined }), (text, zone) => {
        const instant = parseInstant(text, zone);
        if (instant !== null) expect(new Date(instant).toISOString()).toBe(instant);
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.double(), (number) => {
        for (const instant of [fromMillis(number), fromUnixSeconds(number)])
          if (instant !== null) expect(new Date(instant).toISOString()).toBe(instant);
      }),
    );
  });

  test("of the epoch is one when written out, and means “never” as a number", () => {
    expect(parseInstant("1970-01-01T00:00:00Z")).toBe("1970-01-01T00:00:00.000Z");
    expect(parseInstant("1970-01-01T08:00:00+08:00")).toBe("1970-01-01T00:00:00.000Z");
    expect(parseInstant("1970-01-01 00:00:00", "Z")).toBe("1970-01-01T00:00:00.000Z");
    expect([fromMillis(0), fromUnixSeconds(0), fromMillis(null), fromUnixSeconds(undefined)]).toEqual(
      Array(4).fill(null),
    );
    expect(fromUnixSeconds(1)).toBe("1970-01-01T00:00:01.000Z");
  });

  test.each([
    ["2019-07-22 17:08:57 +0800 CST", "2019-07-22T09:08:57.000Z"],
    ["2019-07-22 17:08:57 +0800 +08", "2019-07-22T09:08:57.000Z"],
    ["2019-07-22 14:38:57.5 +0530 +0530", "2019-07-22T09:08:57.500Z"],
    ["2019-07-22 17:08:57.123456789 +0800 CST m=+0.002013705", "2019-07-22T09:08:57.123Z"],
    ["2021-11-02T09:31:00.123456789Z", "2021-11-02T09:31:00.123Z"],
    ["2021-11-02 09:31 UTC", "2021-11-02T09:31:00.000Z"],
    ["2021-11-02T09:31:00,5-0330", "2021-11-02T13:01:00.500Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
  ])("%s", (text, instant) => {
    expect(parseInstant(text)).toBe(instant);
  });

  test.each([
    "0001-01-01T00:00:00Z",
    "0001-01-01 08:05:43 +0805 LMT",
    "2023-02-29T00:00:00Z",
    "2023-13-01T00:00:00Z",
    "2023-00-10T00:00:00Z",
    "2023-01-01T24:00:00Z",
    "2023-01-01T10:60:00Z",
    "yesterday",
    "",
    "2023-01-01T10:00:00+99",
  ])("%j is none", (text) => {
    expect(parseInstant(text)).toBeNull();
  });

  test("without a zone is none: the gateway's own is no evidence", () => {
    expect(parseInstant("2023-01-01T10:00:00")).toBeNull();
    expect(parseInstant("2023-01-01T10:00:00", "somewhere")).toBeNull();
  });
});

describe("an offset", () => {
  test("reads what is written, and nothing else", () => {
    fc.assert(
      fc.property(minutes, fc.constantFrom(":", ""), (offset, colon) => {
        expect(offsetMinutes(zoneOf(offset, colon)) === offset).toBe(true);
      }),
    );
    expect([offsetMinutes("Z"), offsetMinutes("utc")]).toEqual([0, 0]);
    for (const text of [null, undefined, "", "08:00", "+8", "+8:00", "CST", "+08:00 "])
      expect(offsetMinutes(text)).toBeNull();
  });
});

describe("a duration", () => {
  test("is known when both ends are, and never negative", () => {
    fc.assert(
      fc.property(fc.option(moment), fc.option(moment), (start, finish) => {
        const text = (millis: number | null) => (millis === null ? null : new Date(millis).toISOString());
        const seconds = secondsBetween(text(start), text(finish));
        if (start === null || finish === null) expect(seconds).toBeNull();
        else if (finish - start <= -1000) expect(seconds).toBeNull();
        else if (finish >= start) expect(seconds).toBe(Math.round((finish - start) / 1000));
      }),
    );
  });
});
