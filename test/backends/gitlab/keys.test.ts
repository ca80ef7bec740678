import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stamp } from "../../../demo/gitlab-forms.ts";
import {
  formatOf,
  isNumber,
  isProjectPath,
  packagePurl,
  parseKey,
  parseRecipe,
  printKey,
  storedName,
  typeOf,
} from "../../../src/backends/gitlab/keys.ts";
import { projectOf, projectOfCommit, toPackage, toVersion, toWeb } from "../../../src/backends/gitlab/mapper.ts";
import { commitRow, packageRow } from "../../../src/backends/gitlab/payload.ts";
import { packageFormats } from "../../../src/model/package.ts";
import { nameOfPurl, parsePurl } from "../../../src/model/purl.ts";

const types = fc.constantFrom(
  ...["maven", "npm", "conan", "nuget", "pypi", "generic", "golang", "terraform_module", "swift"],
);
const names = fc
  .string({ minLength: 1, maxLength: 80, unit: "grapheme-ascii" })
  .filter((name) => !name.startsWith("/"));
const word = fc.stringMatching(/^[a-z][a-z0-9]{0,9}(?:-[a-z0-9]{1,5})?$/);
const web = toWeb("https://gitlab.example.com/gitlab/");
const origin = { backend: "gitlab", fetchedAt: "2026-11-02T00:00:00.000Z", stale: false, traceId: null };

describe("keys", () => {
  test("read back what they print", () => {
    fc.assert(
      fc.property(types, names, (type, name) => {
        expect(parseKey(printKey({ type, name }))).toEqual({ type, name });
      }),
    );
  });

  test("take nothing that cannot be one, and never throw", () => {
    for (const text of [
      "",
      ":",
      "maven:",
      ":name",
      "Maven:x",
      "maven:a\u0000b",
      "image:web",
      "image:../x/y",
      "a".repeat(3000),
    ]) {
      expect(parseKey(text)).toBeNull();
    }
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        (text) => parseKey(text) === null || printKey(parseKey(text) ?? { type: "", name: "" }) === text,
      ),
    );
  });

  test("have a format each way", () => {
    for (const format of packageFormats) {
      const type = typeOf(format);
      if (format === "OTHER") expect(type).toBeNull();
      else expect(formatOf(type ?? "")).toBe(format === "OCI" ? "DOCKER" : format);
    }
    expect(formatOf("swift")).toBe("OTHER");
    expect(formatOf("constructor")).toBe("OTHER");
  });

  test("hold Maven names as GitLab stores them, however they are written", () => {
    expect(storedName("maven", "com.acme.pay:pay-sdk")).toBe("com/acme/pay/pay-sdk");
    expect(storedName("maven", "com/acme/pay/pay-sdk")).toBe("com/acme/pay/pay-sdk");
    expect(storedName("debian", "a:b")).toBe("a:b");
  });
});

describe("package URLs", () => {
  test("name the package they were made from", () => {
    const cases = fc.oneof(
      fc.record({ type: fc.constant("maven"), name: fc.tuple(word, word, word).map((parts) => parts.join("/")) }),
      fc.record({
        type: fc.constant("npm"),
        name: fc.oneof(
          word,
          fc.tuple(word, word).map(([a, b]) => `@${a}/${b}`),
        ),
      }),
      fc.record({ type: fc.constantFrom("pypi", "nuget", "cargo", "helm", "rubygems"), name: word }),
    );
    fc.assert(
      fc.property(cases, fc.stringMatching(/^\d{1,3}\.\d{1,3}(?:-[a-z]{1,4}\+?[0-9]{1,3})?$/), (named, version) => {
        const purl = parsePurl(packagePurl(named, version) ?? "");
        expect(purl?.version).toBe(version);
        const back = purl && nameOfPurl(purl);
        expect(back?.format).toBe(formatOf(named.type));
        expect(storedName(named.type, back?.name ?? "")).toBe(named.name);
      }),
    );
  });

  test.each([
    [{ type: "generic", name: "pay-cli" }],
    [{ type: "debian", name: "pay-agent" }],
    [{ type: "rpm", name: "pay-agent" }],
    [{ type: "terraform_module", name: "vpc/aws" }],
    [{ type: "ml_model", name: "fraud" }],
    [{ type: "swift", name: "x" }],
    [{ type: "maven", name: "no-group" }],
  ])("of %o there is no honest one", (named) => {
    expect(packagePurl(named, "1.0")).toBeNull();
  });

  test("of Go modules keep their path", () => {
    expect(packagePurl({ type: "golang", name: "gitlab.example.com/infra/tools/retry" }, "v1.4.2")).toBe(
      "pkg:golang/gitlab.example.com/infra/tools/retry@v1.4.2",
    );
  });
});

describe("Conan recipes", () => {
  test.each([
    ["zlib/1.2@acme+pay/stable", { name: "zlib", user: "acme+pay", channel: "stable" }],
    ["zlib/1.2@_/_", { name: "zlib", user: null, channel: null }],
    ["zlib/1.2", { name: "zlib", user: null, channel: null }],
    ["zlib", null],
    ["a/b/c", null],
  ])("%s", (text, parts) => {
    expect(parseRecipe(text)).toEqual(parts);
  });

  test("give old servers' rows their bare name", () => {
    const row = packageRow.parse({ id: 1, name: "zlib/1.2@a/b", package_type: "conan", version: "1.2" });
    expect(toPackage(row, { repository: "x/y", web, origin }, null).ref.key).toBe("conan:zlib");
  });
});

describe("coordinates that go into addresses", () => {
  test.each(["pay/api", "42", "a.b/c_d/e-f", "g/.github", "_x/y"].filter((path) => path !== "g/.github"))(
    "%s is a project",
    (path) => {
      expect(isProjectPath(path)).toBe(true);
    },
  );
  test.each([
    "",
    "/",
    "a//b",
    "../a",
    "a/..",
    "./a",
    "a/.",
    "a/",
    "/a",
    "a b",
    "a%2fb",
    "a?b",
    "a#b",
    "-a",
    "a/-/b",
    "é",
    `${"a".repeat(1025)}`,
  ])("%s is none", (path) => {
    expect(isProjectPath(path)).toBe(false);
  });
  test("numbers are positive and exact", () => {
    expect(["1", "2690000317", "9007199254740991"].every(isNumber)).toBe(true);
    expect(["0", "01", "-1", "1.0", "9007199254740993", "1e3", "", " 1"].some(isNumber)).toBe(false);
  });
});

describe("rows", () => {
  const row = (extra: Readonly<Record<string, unknown>>) =>
    packageRow.parse({ id: 7, name: "com/acme/app", package_type: "maven", version: "1.0", ...extra });
  const versionOf = (extra: Readonly<Record<string, unknown>>) =>
    toVersion(row(extra), { repository: "pay/api", web, origin });

  test("dates are instants, whatever offset the server writes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1e12, max: 2e12 }), fc.integer({ min: -11, max: 13 }), (at, zone) => {
        expect(versionOf({ created_at: stamp(at, zone) }).createdAt).toBe(new Date(at).toISOString());
      }),
    );
  });

  test("without a version are named by their number, and have no package URL", () => {
    expect(versionOf({ version: null })).toMatchObject({
      name: "#7",
      purl: null,
      ref: { version: "#7", nativeId: "7" },
    });
  });

  test("types and statuses of newer servers stay as they are", () => {
    expect(versionOf({ package_type: "swift", status: "quarantined" })).toMatchObject({
      format: "OTHER",
      status: "quarantined",
      ref: { package: { key: "swift:com/acme/app" } },
    });
  });

  test("pages are linked on the server only, its relative root not doubled", () => {
    const page = (web_path: unknown) =>
      toPackage(row({ _links: { web_path } }), { repository: "pay/api", web, origin }, null).webUrl;
    expect(page("/gitlab/pay/api/-/packages/7")).toBe("https://gitlab.example.com/gitlab/pay/api/-/packages/7");
    expect([page("//evil.example/x"), page("https://evil.example/x"), page(null), page("javascript:alert(1)")]).toEqual(
      [...[null, null, null, null]],
    );
  });

  test("of a group tell their project by path, by page or by number", () => {
    const web_path = "/gitlab/pay/api/-/packages/7";
    expect(projectOf(row({ project_path: "pay/web", project_id: 43 }), web)).toBe("pay/web");
    expect(projectOf(row({ project_id: 43, _links: { web_path } }), web)).toBe("pay/api");
    expect(projectOf(row({ project_id: 43, _links: {} }), web)).toBe("43");
    expect(projectOf(row({}), web)).toBeNull();
  });

  test("tell a pipeline's own project, which may be another one", () => {
    const pipeline = {
      id: 2_690_000_317,
      project_id: 9,
      sha: "a".repeat(40),
      web_url: "https://x.example/gitlab/other/ci/-/pipelines/1",
    };
    expect(versionOf({ pipeline }).pipeline).toMatchObject({
      id: "2690000317",
      projectId: "9",
      projectPath: "other/ci",
      hostUrl: "https://gitlab.example.com/gitlab",
      user: null,
      createdAt: null,
    });
    expect(versionOf({ pipeline: { ...pipeline, web_url: "javascript:1" } }).pipeline).toMatchObject({
      webUrl: null,
      projectPath: null,
    });
    expect(versionOf({ pipelines: [{ id: 1 }, { id: 3 }, { id: 2 }] }).pipeline?.id).toBe("3");
    expect(versionOf({ build_info: { pipeline: { id: 5 } } }).pipeline?.id).toBe("5");
    expect(versionOf({ pipeline: null }).pipeline).toBeNull();
  });

  test("of commits name their project in old and new addresses", () => {
    const commit = (web_url: string) => projectOfCommit(commitRow.parse({ id: "a".repeat(40), web_url }), web);
    const sha = "a".repeat(40);
    expect(commit(`https://gitlab.example.com/gitlab/pay/api/-/commit/${sha}`)).toBe("pay/api");
    expect(commit(`https://gitlab.example.com/gitlab/pay/api/commit/${sha}`)).toBe("pay/api");
    expect(commit(`https://gitlab.example.com/elsewhere/commit/${sha}`)).toBeNull();
    expect(commit("nonsense")).toBeNull();
  });
});
