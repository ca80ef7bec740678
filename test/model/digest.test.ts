import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf, isStrong, parseDigest } from "../../src/model/artifact.ts";
import { algorithms, hexOf } from "./arbitrary.ts";

const algorithm = fc.constantFrom(...algorithms);

describe("a digest", () => {
  test("reads what it prints, in any case and with space around it", () => {
    const cased = algorithm.chain((name) => fc.tuple(fc.constant(name), hexOf(name), fc.boolean()));
    fc.assert(
      fc.property(cased, fc.constantFrom("", " ", "\t", "\n"), ([name, hex, isUpper], space) => {
        const text = `${name}:${hex}`;
        expect(parseDigest(space + (isUpper ? text.toUpperCase() : text) + space)).toBe(text);
        expect(parseDigest(parseDigest(text))).toBe(text);
        expect(digestOf(name, isUpper ? hex.toUpperCase() : hex)).toBe(text);
      }),
    );
  });

  test("of bare hex is sha256 or sha512, and never a weak one: 32 and 40 digits may be an id or a commit", () => {
    fc.assert(
      fc.property(
        algorithm.chain((name) => fc.tuple(fc.constant(name), hexOf(name))),
        ([name, hex]) => {
          const isBare = name === "sha256" || name === "sha512";
          expect(parseDigest(hex)).toBe(isBare ? `${name}:${hex}` : null);
          expect(isStrong(`${name}:${hex}`)).toBe(isBare);
        },
      ),
    );
  });

  test("of another length, alphabet, algorithm or with anything around it is none", () => {
    const hex = "a".repeat(64);
    for (const text of [
      null,
      undefined,
      "",
      ":",
      "sha256:",
      `sha256:${hex}0`,
      `sha256:${hex.slice(1)}`,
      `sha256:${hex.slice(1)}g`,
      `sha256:sha256:${hex}`,
      `sha256:${hex}:`,
      `sha256 :${hex}`,
      `sha256:${hex}\u0000`,
      `sha384:${"a".repeat(96)}`,
      `__proto__:${hex}`,
      `constructor:${hex}`,
      `md5:${hex}`,
      "a".repeat(40),
      "a".repeat(32),
      `sha256:${"ａ".repeat(64)}`,
    ])
      expect([text, parseDigest(text)]).toEqual([text, null]);
  });

  test("is canonical or null, whatever comes", () => {
    const near = fc
      .tuple(algorithm, fc.string({ unit: fc.constantFrom(..."0123456789abcdefABCDEFgxé: \u0000"), maxLength: 130 }))
      .map(([name, rest]) => `${name}:${rest}`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (text) => {
        const digest = parseDigest(text);
        if (digest === null) return;
        expect(digest).toMatch(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|sha1:[0-9a-f]{40}|md5:[0-9a-f]{32})$/);
        expect(parseDigest(digest)).toBe(digest);
      }),
    );
  });
});
