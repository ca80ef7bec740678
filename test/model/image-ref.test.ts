import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf, imageRef, parseImageRef, printImageRef } from "../../src/model/artifact.ts";
import { hexOf, mutationsOf } from "./arbitrary.ts";

const alphanumeric = [..."abcdefghijklmnopqrstuvwxyz0123456789"];
const word = fc.string({ unit: fc.constantFrom(...alphanumeric), minLength: 1, maxLength: 12 });
const label = fc
  .tuple(word, fc.array(fc.tuple(fc.constantFrom("-", "--"), word), { maxLength: 2 }))
  .map(([head, rest]) => head + rest.map((part) => part.join("")).join(""));
const port = fc.integer({ min: 1, max: 65_535 });

/** Hosts that cannot be taken for a path: with a dot, a port, `localhost` or IPv6 in brackets. */
const registry = fc.oneof(
  fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join(".")),
  fc.constant("localhost"),
  fc.tuple(label, port).map(([name, at]) => `${name}:${at}`),
  fc.tuple(fc.ipV4(), port).map(([host, at]) => `${host}:${at}`),
  fc.ipV6().map((host) => `[${host.toLowerCase()}]`),
  fc.tuple(fc.ipV6(), port).map(([host, at]) => `[${host.toLowerCase()}]:${at}`),
);

const segment = fc
  .tuple(word, fc.array(fc.tuple(fc.constantFrom(".", "_", "__", "-", "---"), word), { maxLength: 2 }))
  .map(([head, rest]) => head + rest.map((part) => part.join("")).join(""));
// Without a registry a first segment with a dot would be one.
const plainSegment = segment.filter((text) => !text.includes(".") && text !== "localhost");
const path = fc.array(segment, { maxLength: 6 });
const tag = fc
  .tuple(
    fc.constantFrom(...alphanumeric, "_"),
    fc.string({ unit: fc.constantFrom(...alphanumeric, ..."._-"), maxLength: 127 }),
  )
  .map((parts) => parts.join(""));
const digest = fc.oneof(
  hexOf("sha256").map((hex) => digestOf("sha256", hex)),
  hexOf("sha512").map((hex) => digestOf("sha512", hex)),
);

const reference = fc.oneof(
  fc.record({
    registry,
    repository: fc.tuple(path, segment).map(([front, last]) => [...front, last].join("/")),
    tag: fc.option(tag),
    digest: fc.option(digest),
  }),
  fc.record({
    registry: fc.constant(null),
    repository: fc.tuple(plainSegment, path).map(([head, rest]) => [head, ...rest].join("/")),
    tag: fc.option(tag),
    digest: fc.option(digest),
  }),
);

describe("an image reference", () => {
  test("reads what it prints: ports, IPv6, many levels, tag and digest", () => {
    fc.assert(
      fc.property(reference, (ref) => {
        const printed = printImageRef(ref);
        expect(parseImageRef(printed)).toEqual({ raw: printed, ...ref });
        expect(imageRef(ref)).toEqual(parseImageRef(printed));
      }),
      { numRuns: 500 },
    );
  });

  test("is the same with a scheme, in a host of any case and with space around it", () => {
    fc.assert(
      fc.property(reference, fc.constantFrom("http://", "https://", "HTTPS://"), (ref, scheme) => {
        const { registry: host, ...rest } = ref;
        const printed = printImageRef({ ...rest, registry: host?.toUpperCase() ?? null });
        const parsed = parseImageRef(` ${scheme}${printed}\n`);
        expect(parsed).toEqual({ raw: printed, ...ref });
      }),
    );
  });

  test("prints canonically what it reads, whatever happened to it on the way", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 80 }),
          reference.chain((ref) => mutationsOf(printImageRef(ref))),
        ),
        (text) => {
          const parsed = parseImageRef(text);
          if (parsed === null) return;
          const printed = printImageRef(parsed);
          expect(parseImageRef(printed)).toEqual({ ...parsed, raw: printed });
          expect(parsed.repository).not.toMatch(/[^\w./-]|\/\/|^\/|\/$|(?:^|\/)\.\.?(?:\/|$)/);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["nginx", null, "nginx", null],
    ["nginx:1.27", null, "nginx", "1.27"],
    ["library/nginx:1.27", null, "library/nginx", "1.27"],
    ["localhost/nginx", "localhost", "nginx", null],
    ["localhost:5000/a/b/c:v1", "localhost:5000", "a/b/c", "v1"],
    ["[::1]:5000/pay/api", "[::1]:5000", "pay/api", null],
    ["[2001:db8::1]/pay/api:1", "[2001:db8::1]", "pay/api", "1"],
    ["regist/customerdockernamespace/nginx:T", null, "regist/customerdockernamespace/nginx", "T"],
    ["docker.bkrepo.example.com/Pay/docker-local/api:1", "docker.bkrepo.example.com", "Pay/docker-local/api", "1"],
  ])("%s", (text, host, repository, named) => {
    expect(parseImageRef(text)).toMatchObject({ registry: host, repository, tag: named, digest: null });
  });

  test.each([
    "",
    " ",
    null,
    undefined,
    "/",
    "a//b",
    "a/../b",
    "../etc/passwd",
    "a/./b",
    "a b:1",
    "a:",
    "a:b:c",
    "a@",
    "a@sha256:beef",
    `a@md5:${"0".repeat(31)}`,
    "host.example.com:99999999/a",
    "host.example.com/",
    "-a",
    "a-",
    "a:.hidden",
    `a:${"t".repeat(129)}`,
    "a\u0000b",
    "a?b",
    "a#b",
    "a%2fb",
    `a/${"b/".repeat(40)}c`,
    "x".repeat(1025),
  ])("%j is none", (text) => {
    expect(parseImageRef(text)).toBeNull();
  });
});
