import fc from "fast-check";
import type { DigestAlgorithm } from "../../src/model/artifact.ts";

const lengths = { sha256: 64, sha512: 128, sha1: 40, md5: 32 } as const;

export const algorithms = ["sha256", "sha512", "sha1", "md5"] as const satisfies readonly DigestAlgorithm[];

/** As many lower-case hex digits as the algorithm gives. */
export function hexOf(algorithm: DigestAlgorithm): fc.Arbitrary<string> {
  return fc.string({
    unit: fc.constantFrom(..."0123456789abcdef"),
    minLength: lengths[algorithm],
    maxLength: lengths[algorithm],
  });
}

/** The text with one character changed, put in, left out or doubled, or cut short. */
export function mutationsOf(text: string): fc.Arbitrary<string> {
  const at = fc.nat({ max: Math.max(0, text.length - 1) });
  const unit = fc.oneof(fc.string({ minLength: 1, maxLength: 1 }), fc.constantFrom(..."0-:_=+/%.\u0000\u007f\ufffdé"));
  return fc.oneof(
    fc.tuple(at, unit).map(([place, one]) => text.slice(0, place) + one + text.slice(place + 1)),
    fc.tuple(at, unit).map(([place, one]) => text.slice(0, place) + one + text.slice(place)),
    at.map((place) => text.slice(0, place) + text.slice(place + 1)),
    at.map((place) => text.slice(0, place)),
    at.map((place) => text.slice(place)),
    at.map((place) => text + text.slice(place)),
  );
}
