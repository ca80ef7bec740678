import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildId,
  coordinatesOf,
  type NodeType,
  packageId,
  parseCursor,
  parseId,
  printCursor,
  printId,
  releaseId,
  versionId,
} from "../../src/graph/identity/opaque.ts";
import { codeOf } from "../support/refusals.ts";
import { mutationsOf } from "./arbitrary.ts";

const types = ["Release", "BuildInfo", "Artifact", "Package", "Version"] as const satisfies readonly NodeType[];
const isPlain = (text: string) => text.isWellFormed() && !/\p{Cc}|\ufffd/u.test(text);
/** What backends call things: anything but control characters. */
const text = fc.oneof(fc.string({ unit: "grapheme", maxLength: 40 }), fc.string({ maxLength: 40 })).filter(isPlain);
const some = text.filter((one) => one !== "");
const parts = fc.array(fc.option(text), { maxLength: 10 });
const position = fc.array(fc.oneof(text, fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })), { maxLength: 8 });
const filter = fc.jsonValue({ maxDepth: 2 });

/** The same bytes with another last letter: base64 leaves bits of it unused. */
function respelt(id: string): string {
  const other = id.slice(0, -1) + String.fromCharCode(id.charCodeAt(id.length - 1) + 1);
  expect(Buffer.from(other, "base64url")).toEqual(Buffer.from(id, "base64url"));
  return other;
}

const base64 = (plain: string) => Buffer.from(plain).toString("base64url");

describe("an id", () => {
  test("is the coordinates it was made of, and nothing but a word", () => {
    fc.assert(
      fc.property(fc.constantFrom(...types), parts, (type, given) => {
        const id = printId(type, given);
        expect(id).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(parseId(id)).toEqual({ type, parts: given });
      }),
    );
  });

  test("is different for different coordinates: no separator in a part can move its border", () => {
    const tricky = fc.array(fc.option(fc.string({ unit: fc.constantFrom("1", "0", ":", "-", "2"), maxLength: 5 })), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(tricky, tricky, (one, other) => {
        expect(printId("Package", one) === printId("Package", other)).toBe(
          JSON.stringify(one) === JSON.stringify(other),
        );
      }),
      { numRuns: 1000 },
    );
  });

  test("that was tampered with is refused, or is the only spelling of other coordinates", () => {
    fc.assert(
      fc.property(
        fc.tuple(fc.constantFrom(...types), parts).chain(([type, given]) => mutationsOf(printId(type, given))),
        (mutated) => {
          const code = codeOf(() => parseId(mutated));
          if (code !== null) {
            expect(code).toBe("BAD_ID");
            return;
          }
          const { type, parts: read } = parseId(mutated);
          expect(printId(type, read)).toBe(mutated);
          for (const part of read) if (part !== null) expect(isPlain(part)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("leads to a coordinate of its type or is refused, whatever is in it", () => {
    fc.assert(
      fc.property(fc.constantFrom(...types), parts, fc.option(fc.constantFrom(...types)), (type, given, expected) => {
        const id = printId(type, given);
        const code = codeOf(() => coordinatesOf(id, expected ?? undefined));
        expect([null, "BAD_ID"]).toContain(code);
        if (expected !== null && expected !== type) expect(code).toBe("BAD_ID");
      }),
      { numRuns: 1000 },
    );
  });

  const ref = fc.record({ backend: some, repository: some, key: some });

  test("of a package, version, release or build is read back as what it was printed from", () => {
    fc.assert(
      fc.property(ref, some, fc.option(some), (of, version, nativeId) => {
        expect(coordinatesOf(packageId(of), "Package")).toEqual({ type: "Package", ref: of });
        const found = { package: of, version, nativeId };
        expect(coordinatesOf(versionId(found), "Version")).toEqual({ type: "Version", ref: found });
      }),
    );
    fc.assert(
      fc.property(some, fc.option(some), some, some, (backend, project, name, buildId_) => {
        for (const release of [
          { backend, project, zadigId: name, version: null },
          { backend, project: project ?? "p", zadigId: null, version: name },
        ]) {
          expect(coordinatesOf(releaseId(release), "Release")).toEqual({ type: "Release", ref: release });
          const build = { backend, release, buildId: buildId_ };
          expect(coordinatesOf(buildId(build), "BuildInfo")).toEqual({ type: "BuildInfo", ref: build });
        }
        const build = { backend, artifact: { backend, zadigId: project, image: name }, activity: buildId_ };
        expect(coordinatesOf(buildId(build), "BuildInfo")).toEqual({ type: "BuildInfo", ref: build });
      }),
    );
  });

  test.each([
    ["nothing", ""],
    ["no base64url", "a+b/c="],
    ["padding", `${printId("Package", ["a", "b", "c"])}=`],
    ["space", ` ${printId("Package", ["a", "b", "c"])}`],
    ["another version of the format", base64("1:27:Package1:a1:b1:c")],
    ["no version", base64("7:Package1:a1:b1:c")],
    ["a type that is none", base64("1:17:Unknown1:a")],
    ["a type of the prototype", base64("1:111:constructor1:a")],
    ["a length that lies", base64("1:17:Package9:a")],
    ["a length with a leading zero", base64("1:17:Package01:a")],
    ["a negative length", base64("1:17:Package-1:a")],
    ["a huge length", base64("1:17:Package99999:a")],
    ["more parts than anything has", printId("Package", Array(20).fill("a"))],
    ["a part longer than any name", printId("Package", ["a", "b", "c".repeat(1025)])],
    ["more text than any id", "A".repeat(5000)],
    ["a control character", printId("Package", ["a", "b", "c\u0000d"])],
    ["a line break", printId("Package", ["a", "b", "c\r\nHost: x"])],
    ["bytes that are no text", Buffer.from([0x31, 0x3a, 0x31, 0xff, 0xfe]).toString("base64url")],
    ["another spelling of the same bytes", respelt(printId("Package", ["a", "b", "cd"]))],
  ])("with %s is refused", (_what, id) => {
    expect(codeOf(() => coordinatesOf(id))).toBe("BAD_ID");
  });
});

describe("a cursor", () => {
  test("is the position it was made of, in the list it was made for", () => {
    fc.assert(
      fc.property(some, filter, position, (backend, given, at) => {
        const cursor = printCursor(backend, given, at);
        expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(parseCursor(cursor, backend, given)).toEqual(at);
      }),
    );
  });

  test("of another backend or filter is refused", () => {
    fc.assert(
      fc.property(some, some, filter, filter, position, (backend, other, given, else_, at) => {
        const cursor = printCursor(backend, given, at);
        if (backend !== other) expect(codeOf(() => parseCursor(cursor, other, given))).toBe("BAD_CURSOR");
        if (JSON.stringify(given) !== JSON.stringify(else_))
          expect(codeOf(() => parseCursor(cursor, backend, else_))).toBe("BAD_CURSOR");
      }),
    );
  });

  test("that was tampered with is refused, or is a position of numbers and texts", () => {
    fc.assert(
      fc.property(
        position.chain((at) => mutationsOf(printCursor("zadig", ["releases"], at))),
        (mutated) => {
          const code = codeOf(() => parseCursor(mutated, "zadig", ["releases"]));
          if (code !== null) expect(code).toBe("BAD_CURSOR");
          else
            for (const part of parseCursor(mutated, "zadig", ["releases"]))
              expect(typeof part === "string" || (Number.isSafeInteger(part) && part >= -1)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  const forged = (json: string) => {
    const honest = Buffer.from(printCursor("zadig", [], []), "base64url").toString();
    return base64(honest.replace(/2:\[\]$/, `${json.length}:${json}`));
  };

  test.each([
    "{}",
    "null",
    "1",
    '"a"',
    "[1.5]",
    "[-2]",
    "[1e400]",
    "[9007199254740992]",
    "[null]",
    "[[]]",
    "[{}]",
    "[true]",
    "[",
    "",
    `[${"1,".repeat(13)}1]`,
  ])("whose position is %s is refused", (json) => {
    expect(codeOf(() => parseCursor(forged(json), "zadig", []))).toBe("BAD_CURSOR");
  });

  test("that is not forged passes the same check", () => {
    expect(parseCursor(forged('[7,"a",-1]'), "zadig", [])).toEqual([7, "a", -1]);
  });

  test("of an id, and an id of a cursor, are refused", () => {
    expect(codeOf(() => parseCursor(printId("Package", ["a", "b"]), "a", []))).toBe("BAD_CURSOR");
    expect(codeOf(() => parseId(printCursor("zadig", [], [1])))).toBe("BAD_ID");
  });
});
