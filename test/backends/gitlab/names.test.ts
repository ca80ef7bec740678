import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { gitlab } from "../../../src/backends/gitlab/index.ts";
import { parsePurl } from "../../../src/model/purl.ts";
import { foundIn } from "../../support/answers.ts";
import { testCall } from "../../support/call.ts";
import { type LiteralPackage, serveLiteral } from "./literal.ts";
import { every, gatewayOver, theOne } from "./literal-gateway.ts";
import { present } from "./support.ts";

// The property asks the reader: which file of a version is meant is no matter of names.
let gateway: Awaited<ReturnType<typeof gatewayOver>> | undefined;
const open = async (...args: Parameters<typeof gatewayOver>) => {
  const opened = await gatewayOver(...args);
  gateway = opened;
  return opened;
};
afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
});

const at = "2026-01-01T00:00:00.000Z";
const groups = { backend: { groups: ["acme"] } };
const rowOf = (
  id: number,
  package_type: string,
  name: string,
  version = "1.0",
  more: Partial<LiteralPackage> = {},
) => ({
  id,
  name,
  package_type,
  version,
  created_at: at,
  ...more,
});
const shop = (packages: readonly LiteralPackage[]) => ({ id: 7, path: "acme/shop", packages });
const desk = (packages: readonly LiteralPackage[]) => ({ id: 8, path: "acme/desk", packages });

const trace = `query ($purl: PURL!, $hint: PackageScope) {
  traceByPurl(purl: $purl, hint: $hint) { artifact { digest } sources { status } isComplete }
}`;
const hint = { backend: "gitlab", repository: "acme/shop" };

describe("a package whose purl spells its name by another rule", () => {
  test.each([
    ["pypi", "My_Pkg", "My_Pkg-1.0.tar.gz", "pkg:pypi/my-pkg@1.0"],
    ["pypi", "zope.interface", "zope.interface-1.0.tar.gz", "pkg:pypi/zope.interface@1.0"],
    ["npm", "@Acme/Widget", "Widget-1.0.tgz", "pkg:npm/%40acme/widget@1.0"],
    ["npm", "legacy_name", "legacy_name-1.0.tgz", "pkg:npm/legacy_name@1.0"],
    ["npm", "LegacyName", "LegacyName-1.0.tgz", "pkg:npm/legacyname@1.0"],
    ["composer", "Acme/Http_Client", "archive.zip", "pkg:composer/acme/http_client@1.0"],
    ["nuget", "Acme.Pay.Client", "acme.pay.client.1.0.nupkg", "pkg:nuget/Acme.Pay.Client@1.0"],
    ["maven", "com/acme/pay/pay-sdk", "pay-sdk-1.0.jar", "pkg:maven/com.acme.pay/pay-sdk@1.0"],
    ["maven", "com.acme.pay/pay-sdk", "pay-sdk-1.0.jar", "pkg:maven/com.acme.pay/pay-sdk@1.0"],
    ["helm", "pay-api", "pay-api-1.0.tgz", "pkg:helm/pay-api@1.0"],
    ["cargo", "serde_json", "serde_json-1.0.crate", "pkg:cargo/serde_json@1.0"],
    ["rubygems", "pay_client", "pay_client-1.0.gem", "pkg:gem/pay_client@1.0"],
  ])("is found by it: %s %s", async (type, name, file, purl) => {
    const row = rowOf(3, type, name, "1.0", { files: [file] });
    const { ask } = await open({ projects: [shop([row, rowOf(4, type, `${name}-extras`)])] }, groups);
    const key = { key: `${type}:${name}` };
    const shown = await ask(
      `query ($key: String!) { package(ref: { backend: "gitlab", repository: "acme/shop", key: $key }) { purl version(name: "1.0") { purl } } }`,
      key,
    );
    expect(every(shown.data, "purl")).toEqual([purl.replace("@1.0", ""), purl]);
    for (const place of [null, hint]) {
      const { data, errors } = await ask(trace, { purl, hint: place });
      expect(data).toMatchObject({
        traceByPurl: { artifact: { digest: `sha256:${"ab".repeat(32)}` }, sources: [{ status: "OK" }] },
      });
      expect(errors).toEqual([]);
    }
  });

  test.each([
    ["pypi", "My_Pkg", "my-pkg", "PURL"],
    ["npm", "@Acme/Widget", "@acme/widget", "PURL"],
    ["nuget", "Acme.Pay", "acme.pay", expect.any(String)],
    ["maven", "com/acme/app", "com.acme/app", "PURL"],
  ])("is a namesake of its other spelling: %s %s and %s", async (type, one, other, matchedBy) => {
    const { ask } = await open({ projects: [shop([rowOf(1, type, one)]), desk([rowOf(2, type, other)])] }, groups);
    for (const [repository, name, others] of [
      ["acme/shop", one, ["acme/desk"]],
      ["acme/desk", other, ["acme/shop"]],
    ] as const) {
      const { data, errors } = await ask(
        `query ($repository: String!, $key: String!) { package(ref: { backend: "gitlab", repository: $repository, key: $key }) {
          namesakes { matchedBy package { repository } } } }`,
        { repository, key: `${type}:${name}` },
      );
      expect([every(data, "repository"), theOne(data, "matchedBy"), errors]).toEqual([others, matchedBy, []]);
    }
  });

  test("is named by other spellings of its name and format", async () => {
    const rows = [rowOf(1, "pypi", "My_Pkg"), rowOf(2, "npm", "@Acme/Widget"), rowOf(3, "maven", "com/acme/app")];
    const { ask } = await open({ projects: [shop(rows)] }, groups);
    for (const [name, format, key] of [
      ["my-pkg", "PYPI", "pypi:My_Pkg"],
      ["MY.PKG", "PYPI", "pypi:My_Pkg"],
      ["@acme/widget", "NPM", "npm:@Acme/Widget"],
      ["com.acme:app", "MAVEN", "maven:com/acme/app"],
    ]) {
      const { data } = await ask(
        `query ($name: String!, $format: PackageFormat!) {
          package(ref: { backend: "gitlab", repository: "acme/shop", name: $name, format: $format }) { key } }`,
        { name, format },
      );
      expect([name, data]).toEqual([name, { package: { key } }]);
    }
  });

  test("that is not there is absent, once its wide filter was read", async () => {
    const { ask, gitlab } = await open({ projects: [shop([rowOf(1, "pypi", "Other_Pkg")])] }, groups);
    const { data } = await ask(trace, { purl: "pkg:pypi/my-pkg@1.0" });
    expect(data).toMatchObject({ traceByPurl: { artifact: null, sources: [{ status: "ABSENT" }], isComplete: true } });
    expect(gitlab.asked).toHaveLength(1);
  });

  test("of a Debian or generic package is none, and those are found by one all the same", async () => {
    const rows = [
      rowOf(1, "debian", "curl", "7.1", { files: ["curl_7.1_amd64.deb"] }),
      rowOf(2, "generic", "pay-cli", "1.0", { files: ["pay-cli"] }),
    ];
    const { ask } = await open({ projects: [shop(rows)] }, groups);
    for (const purl of ["pkg:deb/debian/curl@7.1?arch=amd64", "pkg:generic/pay-cli@1.0"]) {
      expect([purl, theOne((await ask(trace, { purl })).data, "status")]).toEqual([purl, "OK"]);
    }
    const shown = await ask(`{ packages(scope: { backend: "gitlab", repository: "acme/shop" }) { nodes { purl } } }`);
    expect(every(shown.data, "purl")).toEqual([null, null]);
  });
});

describe("a name by its parts", () => {
  const rows = [
    rowOf(1, "maven", "com/acme/pay/pay-sdk"),
    rowOf(2, "npm", "@acme/pay-ui"),
    rowOf(3, "pypi", "pay_core"),
    rowOf(4, "maven", "com/acme/pay/pay-sdk-extras"),
    rowOf(5, "terraform_module", "pay-sdk/aws"),
  ];
  const search = `query ($name: String!, $match: NameMatch!, $format: PackageFormat) {
    searchPackages(name: $name, match: $match, format: $format, first: 20) { groups { packages { nodes { key } } } sources { status } }
  }`;

  test.each([
    ["pay-sdk", "EXACT", null, ["maven:com/acme/pay/pay-sdk"]],
    ["pay-sdk", "EXACT", "MAVEN", ["maven:com/acme/pay/pay-sdk"]],
    ["pay-sdk", "PREFIX", "MAVEN", ["maven:com/acme/pay/pay-sdk", "maven:com/acme/pay/pay-sdk-extras"]],
    ["pay-sdk", "CONTAINS", "MAVEN", ["maven:com/acme/pay/pay-sdk", "maven:com/acme/pay/pay-sdk-extras"]],
    ["com.acme.pay:pay-sdk", "EXACT", null, ["maven:com/acme/pay/pay-sdk"]],
    ["com.acme.pay:pay-sdk", "EXACT", "MAVEN", ["maven:com/acme/pay/pay-sdk"]],
    ["com.acme.pay:pay", "PREFIX", null, ["maven:com/acme/pay/pay-sdk", "maven:com/acme/pay/pay-sdk-extras"]],
    ["acme.pay:pay-sdk-e", "CONTAINS", null, ["maven:com/acme/pay/pay-sdk-extras"]],
    ["com/acme/pay/pay-sdk", "EXACT", null, ["maven:com/acme/pay/pay-sdk"]],
    ["pay-ui", "EXACT", null, ["npm:@acme/pay-ui"]],
    ["@acme/pay-ui", "EXACT", "NPM", ["npm:@acme/pay-ui"]],
    ["Pay.Core", "EXACT", null, ["pypi:pay_core"]],
    ["pay-core", "EXACT", "PYPI", ["pypi:pay_core"]],
    ["aws", "EXACT", null, ["terraform_module:pay-sdk/aws"]],
  ] as const)("%s, %s, %s", async (name, match, format, keys) => {
    const { ask } = await open({ projects: [shop(rows)] }, groups);
    const { data } = await ask(search, { name, match, format });
    expect([every(data, "key").toSorted(), every(data, "status")]).toEqual([[...keys].toSorted(), ["OK"]]);
  });

  test("that no package has is absent: other separators are only asked for where nothing was found", async () => {
    const { ask, gitlab } = await open({ projects: [shop(rows)] }, groups);
    const found = await ask(search, { name: "pay-ui", match: "EXACT" });
    expect([every(found.data, "key"), gitlab.asked.length]).toEqual([["npm:@acme/pay-ui"], 2]);
    const lost = await ask(search, { name: "no-such", match: "EXACT" });
    expect([every(lost.data, "status"), gitlab.asked.length]).toEqual([["ABSENT"], 3]);
  });
});

describe("every purl that the gateway prints", () => {
  const word = (letters: string, least = 1, most = 12) =>
    fc.array(fc.constantFrom(...letters), { minLength: least, maxLength: most }).map((all) => all.join(""));
  const label = word("abcXYZ019");
  const name = fc
    .tuple(label, fc.array(fc.tuple(fc.constantFrom("-", "_", "."), label), { maxLength: 2 }))
    .map(([head, rest]) => head + rest.map(([separator, part]) => separator + part).join(""));
  const version = fc.oneof(
    name,
    fc.tuple(name, name).map(([one, other]) => `${one}+${other}`),
    fc.constantFrom("1.0.0-SNAPSHOT", "1!2.0", "v1.2.3", "1:2.3~rc1-4", "dev-main", "2026-01-01", "1.0.0+build.7"),
  );
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  const row = fc.oneof(
    fc.tuple(fc.constantFrom("pypi", "nuget", "helm", "cargo", "rubygems", "generic", "debian", "ml_model"), name),
    fc.tuple(
      fc.constant("npm"),
      fc.oneof(
        name,
        fc.tuple(name, name).map(([scope, own]) => `@${scope}/${own}`),
      ),
    ),
    fc.tuple(fc.constantFrom("maven", "golang", "composer"), path),
    fc.tuple(
      fc.constant("terraform_module"),
      fc.tuple(name, name).map(([own, system]) => `${own}/${system}`),
    ),
    fc.tuple(fc.constant("conan"), name),
  );

  test("finds the version it was printed for, with and without a hint, whatever the type", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(row, version, fc.constantFrom("_/_", "acme+shop/stable", "acme+shop/dev")), {
          minLength: 1,
          maxLength: 8,
          selector: ([[type, own], one]) => `${type} ${own} ${one}`,
        }),
        async (all) => {
          const rows = all.map(([[type, own], one, owner], index) =>
            type === "conan"
              ? { ...rowOf(index + 1, type, `${own}/${one}@${owner}`, one), conan_package_name: own }
              : rowOf(index + 1, type, own, one),
          );
          const server = await serveLiteral({ projects: [shop(rows)] });
          const settings = { kind: "gitlab", name: "gitlab", url: server.url, groups: ["acme"] };
          const backend = gitlab.connect(gitlab.settings.parse(settings));
          const reader = () => present(backend.during(testCall()).packages);
          const listing = { name: null, match: "CONTAINS", format: null } as const;
          const request = { first: 100, after: null };
          const newest = { prefix: null, stage: null, direction: "DESC" } as const;
          const scope = { repository: "acme/shop", group: null };
          for (const { value } of foundIn(await reader().page(scope, listing, request)).rows) {
            for (const { value: told } of foundIn(await reader().versions(value.ref, newest, request)).rows) {
              if (told.purl === null) continue;
              for (const place of [null, "acme/shop"]) {
                const answer = await reader().byPurl(present(parsePurl(told.purl)), place);
                const found = foundIn(answer).map((one) => one.ref);
                expect([told.purl, found]).toEqual([told.purl, expect.arrayContaining([told.ref])]);
              }
            }
          }
          await backend.close();
          await server.stop();
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);
});
