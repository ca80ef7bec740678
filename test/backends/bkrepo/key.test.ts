import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatOf,
  fromAlias,
  keyOf,
  locateImage,
  parseKey,
  parseRepository,
  printRepository,
  purlOf,
  referTo,
  toAlias,
  typesOf,
} from "../../../src/backends/bkrepo/keys.ts";
import { toInstant } from "../../../src/backends/bkrepo/mapper.ts";
import { parseImageRef } from "../../../src/model/artifact.ts";
import { packageFormats } from "../../../src/model/package.ts";
import { nameOfPurl, parsePurl } from "../../../src/model/purl.ts";

describe("package keys", () => {
  test.each([
    ["gav://com.acme:app", "com.acme:app", "MAVEN", "pkg:maven/com.acme/app@1.0"],
    ["docker://team/app", "team/app", "DOCKER", null],
    ["oci://charts/app", "charts/app", "OCI", null],
    ["npm://left-pad", "left-pad", "NPM", "pkg:npm/left-pad@1.0"],
    ["npm://@acme/app", "@acme/app", "NPM", "pkg:npm/%40acme/app@1.0"],
    ["npm://a/b/c", "a/b/c", "NPM", null],
    ["helm://chart", "chart", "HELM", "pkg:helm/chart@1.0"],
    ["pypi://acme_report", "acme_report", "PYPI", "pkg:pypi/acme-report@1.0"],
    ["rpm://folder/deep/name", "folder/deep/name", "RPM", "pkg:rpm/name@1.0"],
    ["composer://vendor/name", "vendor/name", "COMPOSER", "pkg:composer/vendor/name@1.0"],
    ["composer://name", "name", "COMPOSER", null],
    ["nuget://acme.pay", "acme.pay", "NUGET", "pkg:nuget/acme.pay@1.0"],
    ["conan://zlib", "zlib", "CONAN", "pkg:conan/zlib@1.0"],
    ["conan://zlib/user/stable", "zlib/user/stable", "CONAN", null],
    ["cargo://serde", "serde", "CARGO", "pkg:cargo/serde@1.0"],
    ["huggingface://model/acme/fraud", "model/acme/fraud", "ML_MODEL", "pkg:huggingface/acme/fraud@1.0"],
    ["huggingface://dataset/acme/claims", "dataset/acme/claims", "ML_MODEL", null],
    ["ohpm://@ohos/app", "@ohos/app", "OTHER", null],
    ["rds://chart", "chart", "OTHER", null],
    ["git://repo", "repo", "OTHER", null],
    ["skill://playbook", "playbook", "OTHER", null],
    ["constructor://x", "x", "OTHER", null],
    ["com.tencent.bkrepo", "com.tencent.bkrepo", "OTHER", null],
  ] as const)("%s", (key, name, format, purl) => {
    expect(parseKey(key)).toEqual({ name, format });
    expect(purlOf(key, "1.0")).toBe(purl);
  });

  test.each([
    "",
    "gav://app",
    "gav://a:b:c",
    "npm://",
    "://x",
    "npm://a b",
    "npm://a\u0000",
    `npm://${"a".repeat(1100)}`,
  ])("%j could not be bkrepo's", (key) => {
    expect(parseKey(key)).toBeNull();
  });

  const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,14}[a-z0-9]$/);
  const dotted = fc.array(word, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("."));
  const names = fc.oneof(
    fc.tuple(
      fc.constant("MAVEN" as const),
      fc.tuple(dotted, word).map(([group, artifact]) => `${group}:${artifact}`),
    ),
    fc.tuple(
      fc.constant("NPM" as const),
      fc.oneof(
        word,
        fc.tuple(word, word).map(([scope, name]) => `@${scope}/${name}`),
      ),
    ),
    fc.tuple(fc.constantFrom("HELM" as const, "NUGET" as const, "CARGO" as const), word),
    fc.tuple(
      fc.constant("RPM" as const),
      fc.tuple(word, word).map(([folder, name]) => `/${folder}/${name}`),
    ),
    fc.tuple(
      fc.constant("CONAN" as const),
      fc.tuple(fc.oneof(fc.constant("_"), word), word).map(([user, name]) => `${user}@${name}/${user}`),
    ),
    fc.tuple(
      fc.constant("COMPOSER" as const),
      fc.tuple(word, word).map(([vendor, name]) => `${vendor}/${name}`),
    ),
    fc.tuple(
      fc.constantFrom("DOCKER" as const, "OCI" as const),
      fc.array(word, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
    ),
  );

  test("name and format come back out of the key", () => {
    fc.assert(
      fc.property(names, ([format, name]) => {
        const key = keyOf(name, format);
        expect(key).not.toBeNull();
        expect(parseKey(key ?? "")).toEqual({ name, format });
      }),
    );
  });

  test("a package URL leads back to the key it was made from", () => {
    fc.assert(
      fc.property(
        // An image's names its bytes, and what stands around the name of an RPM or a recipe is no part of its URL.
        names.filter(([format]) => !["DOCKER", "OCI", "RPM", "CONAN"].includes(format)),
        fc.stringMatching(/^[0-9]{1,3}(\.[0-9]{1,3}){0,2}([-+][a-z0-9]{1,6})?$/),
        ([format, name], version) => {
          const key = keyOf(name, format) ?? "";
          const purl = parsePurl(purlOf(key, version) ?? "");
          expect(purl?.version).toBe(version);
          const named = purl && nameOfPurl(purl);
          expect(named?.format).toBe(format);
          expect(keyOf(named?.name ?? "", format)).toBe(key);
        },
      ),
    );
  });

  test("reading any text throws nothing", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...packageFormats), (text, format) => {
        const key = keyOf(text, format);
        if (key !== null) expect(parseKey(key)?.format).toBe(format);
        parseKey(text);
        purlOf(text, text);
      }),
    );
  });

  test("Maven names are also read with slashes, as GitLab writes them", () => {
    expect(keyOf("com/acme/pay/pay-sdk", "MAVEN")).toBe("gav://com.acme.pay:pay-sdk");
    expect(keyOf("com.acme.pay/pay-sdk", "MAVEN")).toBe("gav://com.acme.pay:pay-sdk");
    expect(keyOf("pay-sdk", "MAVEN")).toBeNull();
  });

  test("a name that does not tell the one key makes none", () => {
    expect(keyOf("nginx", "RPM")).toBeNull();
    expect(keyOf("zlib", "CONAN")).toBeNull();
    expect(keyOf("acme-report", "PYPI")).toBeNull();
    expect(keyOf("/el7/x86_64/nginx", "RPM")).toBe("rpm:///el7/x86_64/nginx");
    expect(keyOf("_@zlib/_", "CONAN")).toBe("conan://_@zlib/_");
  });

  test.each([
    ["rpm:///el7/x86_64/nginx", "1.20.1-1.el7.x86_64", "pkg:rpm/nginx@1.20.1-1.el7?arch=x86_64"],
    ["rpm://nginx", "1.20.1-1.noarch", "pkg:rpm/nginx@1.20.1-1?arch=noarch"],
    ["conan://_@zlib/_", "1.2.13", "pkg:conan/zlib@1.2.13"],
    ["conan://acme@zlib/stable", "1.2.13", "pkg:conan/acme/zlib@1.2.13?channel=stable&user=acme"],
    ["conan://acme@zlib/_", "1.2.13", "pkg:conan/zlib@1.2.13?user=acme"],
    ["conan://_@zlib/stable", "1.2.13", null],
  ])("%s at %s is %s", (key, version, purl) => {
    expect(purlOf(key, version)).toBe(purl);
  });

  test("types and formats agree, and unknown words are OTHER", () => {
    for (const format of packageFormats) for (const type of typesOf(format)) expect(formatOf(type)).toBe(format);
    for (const word of ["SKILL", "COCOAPODS", "toString", ""]) expect(formatOf(word)).toBe("OTHER");
    expect(typesOf("GENERIC")).toEqual([]);
  });
});

describe("repositories", () => {
  test("only names that bkrepo allows are read, and come out as they went in", () => {
    for (const text of ["pay/maven-local", "_infra/_images", "AB/a.b-c_d"])
      expect(printRepository(parseRepository(text) ?? { project: "", name: "" })).toBe(text);
    for (const text of [
      "p/x",
      "pay/x/y",
      "pay",
      "1pay/xx",
      "pay/..",
      "pay/.x",
      "pay/x%2fy",
      "pay/x y",
      `pay/${"x".repeat(65)}`,
    ]) {
      expect(parseRepository(text)).toBeNull();
    }
  });
});

describe("image references", () => {
  const hosts = ["docker.bkrepo.example.com", "docker.bkrepo.example.com:5000"];
  const project = fc.stringMatching(/^[a-z_][a-z0-9]{1,12}$/);
  const segment = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,2}$/);

  test("lead to project, repository and name, and back", () => {
    fc.assert(
      fc.property(
        project,
        project,
        fc.array(segment, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...hosts),
        (left, right, path, host) => {
          const location = { repository: { project: left, name: right }, name: path.join("/") };
          const ref = referTo(location, host, { tag: "1.0", digest: null });
          expect(locateImage(ref, hosts)).toEqual(location);
          // The printed text is one that docker accepts.
          expect(parseImageRef(ref.raw)).toEqual(ref);
        },
      ),
    );
  });

  test("only names that begin with an underscore have an alias", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20 }), (text) => {
        expect(fromAlias(toAlias(`_${text}`))).toBe(`_${Buffer.from(text, "utf8").toString("utf8")}`);
      }),
    );
    expect(fromAlias("x0abcd")).toBe("x0abcd");
    expect(fromAlias("x0rest")).toBe("x0rest");
    expect(toAlias("pay")).toBe("pay");
  });
});

describe("moments", () => {
  const offset = fc.integer({ min: -12 * 60, max: 14 * 60 });
  const print = (minutes: number) => {
    const two = (value: number) => String(value).padStart(2, "0");
    const size = Math.abs(minutes);
    return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${two(size % 60)}`;
  };

  test("are the same instant as zone-less text of any zone and as milliseconds", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date("2000-01-01"), max: new Date("2100-01-01"), noInvalidDate: true }),
        offset,
        (date, minutes) => {
          // As Java prints it: no zone, and of the fraction only what is not zero.
          const local = new Date(date.getTime() + minutes * 60_000)
            .toISOString()
            .slice(0, -1)
            .replace(/\.?0+$/, "");
          expect(toInstant(local, print(minutes))).toBe(date.toISOString());
          expect(toInstant(date.getTime(), "+00:00")).toBe(date.toISOString());
        },
      ),
    );
  });

  test("that are missing or nonsense are null", () => {
    for (const text of [null, undefined, "", "yesterday", "2026-13-01T00:00:00", 0, Number.NaN])
      expect(toInstant(text, "+08:00")).toBeNull();
  });
});
