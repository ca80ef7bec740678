import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mainFileOf } from "../../src/graph/artifact/package-files.ts";
import type { PackageFile } from "../../src/model/package.ts";
import { parsePurl } from "../../src/model/purl.ts";

function file(name: string, more: Partial<PackageFile> = {}): PackageFile {
  return { name, path: null, size: null, digests: [], createdAt: null, downloadUrl: null, ...more };
}

function chosen(purl: string | null, names: readonly string[]): string | null {
  const parts = purl === null ? null : parsePurl(purl);
  if (purl !== null && parts === null) throw new Error(`no package URL: ${purl}`);
  return (
    mainFileOf(
      names.map((name) => file(name)),
      parts,
    )?.name ?? null
  );
}

const app = [
  "app-1.0.jar",
  "app-1.0.jar.asc",
  "app-1.0.jar.sha1",
  "app-1.0-sources.jar",
  "app-1.0-javadoc.jar",
  "app-1.0-tests.jar",
  "app-1.0.pom",
  "app-1.0.pom.asc",
  "app-1.0.module",
  "maven-metadata.xml",
];
const torch = ["torch-2.1.0+cu118-cp310-cp310-linux_x86_64.whl", "torch-2.1.0+cu118-cp311-cp311-linux_x86_64.whl"];

const cases: readonly (readonly [string | null, readonly string[], string | null])[] = [
  ["pkg:maven/com.acme/app@1.0", app, "app-1.0.jar"],
  ["pkg:maven/com.acme/app@1.0?type=jar", app, "app-1.0.jar"],
  ["pkg:maven/com.acme/app@1.0?type=pom", app, "app-1.0.pom"],
  ["pkg:maven/com.acme/app@1.0?extension=pom", app, "app-1.0.pom"],
  ["pkg:maven/com.acme/app@1.0?classifier=sources", app, "app-1.0-sources.jar"],
  ["pkg:maven/com.acme/app@1.0?classifier=sources&type=jar", app, "app-1.0-sources.jar"],
  ["pkg:maven/com.acme/app@1.0?type=javadoc", app, "app-1.0-javadoc.jar"],
  ["pkg:maven/com.acme/app@1.0?type=test-jar", app, "app-1.0-tests.jar"],
  ["pkg:maven/com.acme/app@1.0?type=bundle", app, "app-1.0.jar"],
  ["pkg:maven/com.acme/app@1.0?type=war", app, null],
  ["pkg:maven/com.acme/app@1.0?classifier=bin", app, null],
  ["pkg:maven/com.acme/app@1.0?file_name=app-1.0-tests.jar", app, "app-1.0-tests.jar"],
  ["pkg:maven/com.acme/app@1.0?file_name=other.jar", app, null],
  ["pkg:maven/com.acme/app@1.0", ["app-1.0-sources.jar"], null],
  ["pkg:maven/com.acme/app@1.0", ["app-1.0.pom"], null],
  ["pkg:maven/com.acme/app@1.0", ["app-1.0.jar.asc"], null],
  ["pkg:maven/com.acme/app@1.0", ["app-1.0.war", "app-1.0.pom", "app-1.0-classes.jar"], "app-1.0.war"],
  ["pkg:maven/com.acme/app@1.0", ["app-1.0.aar", "app-1.0-sources.jar", "app-1.0.module"], "app-1.0.aar"],
  ["pkg:maven/com.acme/app@1.0?classifier=bin", ["app-1.0-bin.tar.gz", "app-1.0.jar"], "app-1.0-bin.tar.gz"],
  ["pkg:maven/com.acme/app@1.0", ["app-1.0.1.jar"], null],
  ["pkg:maven/com.acme/app@1.0", ["app-core-1.0.jar"], null],
  [
    "pkg:maven/com.acme/app@1.0-SNAPSHOT",
    ["app-1.0-20260101.120000-9.jar", "app-1.0-20260101.120000-10.jar", "app-1.0-20260101.120000-10-sources.jar"],
    "app-1.0-20260101.120000-10.jar",
  ],
  ["pkg:maven/com.acme/app@$%7Brevision%7D-SNAPSHOT", ["app-${revision}-SNAPSHOT.jar"], "app-${revision}-SNAPSHOT.jar"],
  ["pkg:npm/%40acme/widget@1.0.0", ["widget-1.0.0.tgz", "package.json", "widget-1.0.0.tgz.asc"], "widget-1.0.0.tgz"],
  ["pkg:npm/%40acme/widget@1.0.0", ["@acme/widget-1.0.0.tgz"], "@acme/widget-1.0.0.tgz"],
  ["pkg:npm/widget@1.0.0", ["other-1.0.0.tgz"], null],
  ["pkg:pypi/my-pkg@1.0", ["My_Pkg-1.0.tar.gz", "my_pkg-1.0-py3-none-any.whl"], "My_Pkg-1.0.tar.gz"],
  ["pkg:pypi/my-pkg@1.0?type=whl", ["My_Pkg-1.0.tar.gz", "my_pkg-1.0-py3-none-any.whl"], "my_pkg-1.0-py3-none-any.whl"],
  [
    "pkg:pypi/my-pkg@1.0",
    ["my_pkg-1.0-py3-none-any.whl", "my_pkg-1.0-py3-none-any.whl.asc"],
    "my_pkg-1.0-py3-none-any.whl",
  ],
  ["pkg:pypi/torch@2.1.0%2Bcu118", torch, null],
  ["pkg:pypi/torch@2.1.0%2Bcu118", torch.slice(0, 1), torch[0] ?? ""],
  [`pkg:pypi/torch@2.1.0%2Bcu118?file_name=${encodeURIComponent(torch[1] ?? "")}`, torch, torch[1] ?? ""],
  ["pkg:pypi/torch@2.1.0", torch, null],
  ["pkg:helm/api@1.4.0%2Bbuild.7", ["api-1.4.0+build.7.tgz", "api-1.4.0+build.7.tgz.prov"], "api-1.4.0+build.7.tgz"],
  ["pkg:helm/api@1.4.0%2Bbuild.7", ["api-1.4.0_build.7.tgz"], "api-1.4.0_build.7.tgz"],
  [
    "pkg:nuget/Acme.Core@1.0.0",
    ["acme.core.1.0.0.nupkg", "acme.core.1.0.0.snupkg", "acme.core.nuspec"],
    "acme.core.1.0.0.nupkg",
  ],
  ["pkg:nuget/Acme.Core@1.0.0", ["acme.core.1.0.0.symbols.nupkg"], null],
  ["pkg:cargo/serde@1.0.0", ["serde-1.0.0.crate"], "serde-1.0.0.crate"],
  ["pkg:golang/acme.test/mod@v1.0.0", ["v1.0.0.zip", "v1.0.0.mod", "v1.0.0.info"], "v1.0.0.zip"],
  ["pkg:gem/rails@7.0.0", ["rails-7.0.0.gem", "rails-7.0.0-java.gem", "rails.gemspec"], "rails-7.0.0.gem"],
  ["pkg:gem/rails@7.0.0?platform=java", ["rails-7.0.0.gem", "rails-7.0.0-java.gem"], "rails-7.0.0-java.gem"],
  [
    "pkg:rpm/nginx@1.20.1-1.el7?arch=x86_64",
    ["nginx-1.20.1-1.el7.x86_64.rpm", "nginx-1.20.1-1.el7.src.rpm"],
    "nginx-1.20.1-1.el7.x86_64.rpm",
  ],
  [
    "pkg:rpm/nginx@1.20.1-1.el7",
    ["nginx-1.20.1-1.el7.x86_64.rpm", "nginx-1.20.1-1.el7.src.rpm"],
    "nginx-1.20.1-1.el7.x86_64.rpm",
  ],
  ["pkg:rpm/nginx@1.20.1-1.el7", ["nginx-1.20.1-1.el7.x86_64.rpm", "nginx-1.20.1-1.el7.aarch64.rpm"], null],
  [
    "pkg:rpm/nginx@1.20.1-1.el7?arch=src",
    ["nginx-1.20.1-1.el7.x86_64.rpm", "nginx-1.20.1-1.el7.src.rpm"],
    "nginx-1.20.1-1.el7.src.rpm",
  ],
  [
    "pkg:deb/curl@7.88.1-10?arch=amd64",
    ["curl_7.88.1-10_amd64.deb", "libcurl4_7.88.1-10_amd64.deb", "curl_7.88.1-10.dsc"],
    "curl_7.88.1-10_amd64.deb",
  ],
  ["pkg:deb/curl@7.88.1-10?arch=source", ["curl_7.88.1-10_amd64.deb", "curl_7.88.1-10.dsc"], "curl_7.88.1-10.dsc"],
  ["pkg:composer/acme/lib@1.0.0", ["acme-lib-1.0.0.zip", "composer.json"], "acme-lib-1.0.0.zip"],
  [
    "pkg:conan/zlib@1.2.13",
    ["conanfile.py", "conanmanifest.txt", "conan_package.tgz", "conaninfo.txt"],
    "conan_package.tgz",
  ],
  ["pkg:conan/zlib@1.2.13", ["conan_package.tgz", "conan_package.tgz"], null],
  ["pkg:npm/%40acme/widget@1.0.0", ["acme-widget-1.0.0.tgz"], "acme-widget-1.0.0.tgz"],
  ["pkg:npm/%40acme/widget@1.0.0", ["@acme/widget-1.0.0.tgz"], "@acme/widget-1.0.0.tgz"],
  ["pkg:npm/widget@1.0.0", ["acme-widget-1.0.0.tgz"], null],
  ["pkg:generic/tool@1.0", ["tool.bin", "tool.bin.sha256"], "tool.bin"],
  ["pkg:generic/tool@1.0", ["linux.bin", "mac.bin"], null],
  ["pkg:generic/tool@1.0?file_name=mac.bin", ["linux.bin", "mac.bin"], "mac.bin"],
  [null, ["only.bin"], "only.bin"],
  [null, ["one.bin", "two.bin"], null],
  [null, [], null],
];

describe("the file that a package URL means", () => {
  test.each(cases)("%s among %j is %s", (purl, names, expected) => {
    expect(chosen(purl, names)).toBe(expected);
  });

  test("is the newest of several uploads of one name", () => {
    const old = file("app-1.0.jar", { createdAt: "2026-01-01T00:00:00.000Z", size: 1 });
    const fresh = file("app-1.0.jar", { createdAt: "2026-01-02T00:00:00.000Z", size: 2 });
    const purl = parsePurl("pkg:maven/com.acme/app@1.0");
    expect(mainFileOf([fresh, old], purl)).toBe(fresh);
    expect(mainFileOf([old, fresh], purl)).toBe(fresh);
  });

  test("does not depend on the order of the files", () => {
    const anyCase = fc
      .constantFrom(...cases)
      .chain(([purl, names, expected]) =>
        fc.tuple(
          fc.constant(purl),
          fc.shuffledSubarray([...names], { minLength: names.length }),
          fc.constant(expected),
        ),
      );
    fc.assert(
      fc.property(anyCase, ([purl, names, expected]) => {
        expect(chosen(purl, names)).toBe(expected);
      }),
    );
  });
});
