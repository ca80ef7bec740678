import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nameOfPurl, namesSamePackage, namesSameVersion, parsePurl, toPurl } from "../../src/model/purl.ts";
import { mutationsOf } from "./arbitrary.ts";

const text = fc.string({ unit: fc.constantFrom(..."abcXYZ019.-_~ é中%@+&=?#:"), minLength: 1, maxLength: 12 });
const segment = text.filter((one) => one.trim() === one && one !== "." && one !== "..");
const namespace = fc.option(fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")));
const qualifierKey = fc.constantFrom("repository_url", "tag", "arch", "classifier", "type");

/** Types whose names the specification leaves as they are. */
const parts = fc.record({
  type: fc.constantFrom("maven", "generic", "cargo", "gem", "conda"),
  namespace,
  name: segment,
  version: fc.option(segment),
  qualifiers: fc.dictionary(qualifierKey, segment, { maxKeys: 3 }),
});

describe("a package URL", () => {
  test("reads what it prints, whatever the names hold", () => {
    fc.assert(
      fc.property(parts, (given) => {
        const purl = toPurl(given);
        // Some types ask for a namespace or forbid one: then there is no honest one.
        fc.pre(purl !== null);
        expect(parsePurl(purl)).toEqual(given);
      }),
      { numRuns: 500 },
    );
  });

  test("is canonical: printed again it is the same text", () => {
    fc.assert(
      fc.property(
        parts.filter((given) => toPurl(given) !== null).chain((given) => mutationsOf(toPurl(given) ?? "")),
        (mutated) => {
          const parsed = parsePurl(mutated);
          const printed = parsed && toPurl(parsed);
          if (!parsed || !printed) return;
          expect(parsePurl(printed)).toEqual(parsed);
          expect(toPurl(parsePurl(printed) ?? parsed)).toBe(printed);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("is none where it would be unreadable", () => {
    expect(toPurl({ type: "generic", name: "a", qualifiers: { tag: "100%" } })).toBeNull();
    expect(toPurl({ type: "generic", name: "a%41" })).toBe("pkg:generic/a%2541");
  });

  test("never throws", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((rest) => `pkg:${rest}`),
        ),
        (given) => {
          const parsed = parsePurl(given);
          if (parsed) expect(parsed.name).not.toBe("");
        },
      ),
      { numRuns: 1000 },
    );
  });

  test.each([
    [
      { type: "maven", namespace: "com.acme.pay", name: "pay-sdk", version: "2.4.0" },
      "pkg:maven/com.acme.pay/pay-sdk@2.4.0",
    ],
    [
      { type: "npm", namespace: "@acme", name: "pay-client", version: "1.0.0-rc.1" },
      "pkg:npm/%40acme/pay-client@1.0.0-rc.1",
    ],
    [
      {
        type: "oci",
        name: "api",
        version: `sha256:${"a".repeat(64)}`,
        qualifiers: { repository_url: "swr.example.com/pay-core/api", tag: "1.0" },
      },
      `pkg:oci/api@sha256%3A${"a".repeat(64)}?repository_url=swr.example.com/pay-core/api&tag=1.0`,
    ],
  ])("%o", (given, printed) => {
    const purl = toPurl(given);
    // Whether `:` and `/` are encoded inside parts is the library's to say; that they mean the same is ours.
    expect(parsePurl(purl ?? "")).toEqual(parsePurl(printed));
    expect(parsePurl(purl ?? "")).toMatchObject(given);
  });

  test.each([
    "",
    "pkg:",
    "pkg:maven",
    "pkg:maven/",
    "http://example.com",
    "maven/a/b",
    "pkg://",
    "pkg:ma ven/a",
    "\u0000",
  ])("%j is none", (given) => {
    expect(parsePurl(given)).toBeNull();
  });

  test("names a package in a backend's words, for the types that one stores", () => {
    const named = (given: string) => {
      const purl = parsePurl(given);
      return purl && nameOfPurl(purl);
    };
    expect(named("pkg:maven/com.acme/app@1")).toEqual({ name: "com.acme:app", format: "MAVEN" });
    expect(named("pkg:npm/%40acme/app@1")).toEqual({ name: "@acme/app", format: "NPM" });
    expect(named("pkg:golang/github.com/acme/app@v1.2.3")).toEqual({ name: "github.com/acme/app", format: "GOLANG" });
    expect(named("pkg:swift/github.com/acme/app@v1")).toBeNull();
    expect(nameOfPurl({ type: "constructor", namespace: null, name: "a", version: null, qualifiers: {} })).toBeNull();
  });
});

describe("package URLs that name the same package", () => {
  test.each([
    ["pkg:pypi/My_Pkg", "pkg:pypi/my-pkg", true],
    ["pkg:npm/%40Acme/Widget", "pkg:npm/%40acme/widget", true],
    ["pkg:nuget/Acme.Core", "pkg:nuget/acme.core", true],
    ["pkg:rpm/redhat/nginx", "pkg:rpm/nginx", true],
    ["pkg:rpm/RedHat/nginx", "pkg:rpm/redhat/nginx", true],
    ["pkg:rpm/redhat/nginx", "pkg:rpm/fedora/nginx", false],
    ["pkg:rpm/ImageMagick", "pkg:rpm/imagemagick", false],
    ["pkg:maven/com.acme/app", "pkg:maven/org.acme/app", false],
    ["pkg:maven/com.acme/App", "pkg:maven/com.acme/app", false],
    ["pkg:npm/app", "pkg:pypi/app", false],
  ])("%s and %s: %s", (one, other, same) => {
    const [first, second] = [parsePurl(one), parsePurl(other)];
    if (!first || !second) throw new Error("no package URL");
    expect([namesSamePackage(first, second), namesSamePackage(second, first)]).toEqual([same, same]);
  });

  test.each([
    ["pkg:rpm/nginx@1.20?arch=x86_64", "pkg:rpm/redhat/nginx@1.20", true],
    ["pkg:rpm/nginx@1.20?arch=x86_64", "pkg:rpm/nginx@1.20?arch=aarch64", false],
    ["pkg:deb/debian/curl@7.88?arch=amd64", "pkg:deb/curl@7.88", true],
    ["pkg:maven/com.acme/app@1.0", "pkg:maven/com.acme/app@1.0?classifier=sources", true],
    ["pkg:maven/com.acme/app@1.0", "pkg:maven/com.acme/app@1.0.1", false],
  ])("and the same version, %s and %s: %s", (one, other, same) => {
    const [first, second] = [parsePurl(one), parsePurl(other)];
    if (!first || !second) throw new Error("no package URL");
    expect([namesSameVersion(first, second), namesSameVersion(second, first)]).toEqual([same, same]);
  });
});
