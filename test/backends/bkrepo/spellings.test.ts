import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bkrepo } from "../../../src/backends/bkrepo/index.ts";
import type { PackageFormat } from "../../../src/model/package.ts";
import { nameOfPurl, parsePurl } from "../../../src/model/purl.ts";
import { foundIn } from "../../support/answers.ts";
import { testCall } from "../../support/call.ts";
import { gatewayOver, type StoredPackage, serveBkrepo } from "./literal-server.ts";

const sha256 = "a".repeat(64);

/** A package of each type, as the registries write its key, its name and the path of its file. */
const stored: readonly (readonly [
  type: string,
  key: string,
  name: string,
  version: string,
  path: string,
  purl: string,
])[] = [
  [
    "RPM",
    "rpm:///el7/x86_64/nginx",
    "nginx",
    "1.20.1-1.el7.x86_64",
    "/el7/x86_64/nginx-1.20.1-1.el7.x86_64.rpm",
    "pkg:rpm/nginx@1.20.1-1.el7?arch=x86_64",
  ],
  ["CONAN", "conan://_@zlib/_", "zlib", "1.2.13", "/_/zlib/1.2.13/_/r/export/conanfile.py", "pkg:conan/zlib@1.2.13"],
  [
    "CONAN",
    "conan://acme@ssl/stable",
    "ssl",
    "3.0",
    "/acme/ssl/3.0/stable/r/package/p/q/conan_package.tgz",
    "pkg:conan/acme/ssl@3.0?channel=stable&user=acme",
  ],
  ["NUGET", "nuget://acme.pay", "Acme.Pay", "1.0.0", "/acme.pay/acme.pay.1.0.0.nupkg", "pkg:nuget/acme.pay@1.0.0"],
  ["PYPI", "pypi://My_Pkg.x", "My_Pkg.x", "1.0", "/My_Pkg.x/1.0/My_Pkg.x-1.0.tar.gz", "pkg:pypi/my-pkg.x@1.0"],
  [
    "NPM",
    "npm://@Acme/Widget",
    "@Acme/Widget",
    "1.0.0",
    "/@Acme/Widget/-/@Acme/Widget-1.0.0.tgz",
    "pkg:npm/%40acme/widget@1.0.0",
  ],
  [
    "NPM",
    "npm://legacy_name",
    "legacy_name",
    "1.0.0",
    "/legacy_name/-/legacy_name-1.0.0.tgz",
    "pkg:npm/legacy_name@1.0.0",
  ],
  ["COMPOSER", "composer://Acme/Log", "Acme/Log", "2.0", "/Acme/Log-2.0.zip", "pkg:composer/acme/log@2.0"],
  ["HELM", "helm://web", "web", "1.4.0+build.7", "/web-1.4.0+build.7.tgz", "pkg:helm/web@1.4.0+build.7"],
  [
    "CARGO",
    "cargo://serde_json",
    "serde_json",
    "1.0.0",
    "/crates/serde_json/serde_json-1.0.0.crate",
    "pkg:cargo/serde_json@1.0.0",
  ],
  ["MAVEN", "gav://com.acme:app", "app", "1.0", "/com/acme/app/1.0/app-1.0.jar", "pkg:maven/com.acme/app@1.0"],
  [
    "HUGGINGFACE",
    "huggingface://model/Acme/Fraud",
    "Acme/Fraud",
    "abc123",
    "/Acme/Fraud/resolve/abc123/model.safetensors",
    "pkg:huggingface/Acme/Fraud@abc123",
  ],
];

const packages = (repoName: string): StoredPackage[] =>
  stored.map(([type, key, name, version, contentPath]) => ({
    repoName,
    key,
    name,
    type,
    versions: [{ name: version, contentPath: type === "HUGGINGFACE" ? "Acme/Fraud/resolve/abc123" : contentPath }],
  }));

let server: Awaited<ReturnType<typeof serveBkrepo>>;
let gateway: Awaited<ReturnType<typeof gatewayOver>>;
beforeAll(async () => {
  server = await serveBkrepo({
    release: "old",
    repositories: ["main", "copy"],
    packages: [...packages("main"), ...packages("copy")],
    nodes: stored.map(([, , , , fullPath]) => ({ repoName: "main", fullPath, sha256 })),
  });
  gateway = await gatewayOver(server.url, { repositories: ["acme/main"] });
});
afterAll(async () => {
  await gateway.stop();
  await server.close();
});

describe.each(stored)("%s %s", (type, key, _name, version, _path, purl) => {
  test("prints its package URL, and is found by it with and without a hint", async () => {
    const { data, errors } = await gateway.ask(
      `query ($key: String!, $version: String!) {
        package(ref: { backend: "bkrepo", repository: "acme/main", key: $key }) { purl version(name: $version) { purl } }
      }`,
      { key, version },
    );
    expect(errors).toBeUndefined();
    expect(data.package.version.purl).toBe(purl);
    expect(data.package.purl).not.toBeNull();
    for (const hint of [null, { backend: "bkrepo", repository: "acme/main" }]) {
      const trace = await gateway.ask(
        `query ($purl: PURL!, $hint: PackageScope) {
          traceByPurl(purl: $purl, hint: $hint) { artifact { digest } candidates { digest } sources { status } }
        }`,
        { purl, hint },
      );
      expect(trace.errors).toBeUndefined();
      expect([type, JSON.stringify(trace.data.traceByPurl)]).toEqual([type, expect.stringContaining(sha256)]);
      expect(trace.data.traceByPurl.sources).toMatchObject([{ status: "OK" }]);
    }
  });

  test("is a namesake of its like in another repository", async () => {
    const both = bkrepo.connect(settings(["acme/main", "acme/copy"]));
    const { packages: reader } = both.during(testCall());
    const own = foundIn((await reader?.package({ backend: "bkrepo", repository: "acme/main", key })) ?? unasked());
    // By the name that bkrepo gives, and by the one that its package URL gives.
    const purl = parsePurl(own.purl ?? "");
    for (const name of [own.name, (purl && nameOfPurl(purl)?.name) ?? ""]) {
      const named = foundIn((await reader?.named(name, own.format, null)) ?? unasked());
      expect(named.map(({ ref }) => ref.repository).sort()).toEqual(["acme/copy", "acme/main"]);
    }
    await both.close();
  });
});

function unasked(): never {
  throw new Error("no reader");
}

const settings = (repositories: readonly string[]) =>
  bkrepo.settings.parse({
    kind: "bkrepo",
    name: "bkrepo",
    url: server.url,
    credentials: { username: "reader", password: "secret" },
    repositories,
    retries: 0,
  });

test.each([
  ["pkg:helm/web@1.4.0%2Bbuild.7", true],
  ["pkg:rpm/redhat/nginx@1.20.1-1.el7?arch=x86_64", true],
  ["pkg:rpm/nginx@1.20.1-1.el7", true],
  ["pkg:rpm/nginx@1.20.1-1.el7?arch=aarch64", false],
  ["pkg:rpm/nginx@1.20.1-1?arch=x86_64", false],
  ["pkg:conan/zlib@1.2.13?os=Linux", true],
  ["pkg:conan/ssl@3.0", false],
  ["pkg:conan/acme.org/ssl@3.0?user=acme&channel=stable", true],
  ["pkg:conan/acme/ssl@3.0?channel=testing", false],
  ["pkg:nuget/ACME.Pay@1.0.0", true],
  ["pkg:pypi/my.pkg-x@1.0", true],
  ["pkg:npm/%40acme/Widget@1.0.0", true],
  ["pkg:npm/widget@1.0.0", false],
  ["pkg:maven/com.other/app@1.0", false],
  ["pkg:golang/github.com/acme/app@1.0", false],
  ["pkg:generic/app@1.0", false],
])("%s is found: %s", async (purl, isFound) => {
  const { data, errors } = await gateway.ask(
    `query ($purl: PURL!) { traceByPurl(purl: $purl) { artifact { digest } candidates { digest } sources { status } } }`,
    { purl },
  );
  expect(errors).toBeUndefined();
  const text = JSON.stringify(data.traceByPurl);
  if (isFound) expect(text).toContain(sha256);
  else expect(text).not.toContain(sha256);
  if (!isFound) expect(data.traceByPurl.sources).toMatchObject([{ status: "ABSENT" }]);
});

test("a key that the URL stands for is read at once where a hint names the repository", async () => {
  const calls = async (purl: string, hint: object | null) => {
    server.calls();
    const { errors } = await gateway.ask(
      `query ($purl: PURL!, $hint: PackageScope) { traceByPurl(purl: $purl, hint: $hint) { artifact { digest } } }`,
      { purl, hint },
    );
    expect(errors).toBeUndefined();
    return server.calls();
  };
  const hint = { backend: "bkrepo", repository: "acme/main" };
  const [version, files] = ["GET /version/page/acme/main", "POST /node/queryWithoutCount"];
  expect(await calls("pkg:maven/com.acme/app@1.0", hint)).toEqual([version, files]);
  expect(await calls("pkg:conan/zlib@1.2.13", hint)).toEqual([version, files]);
  // The URL has lost the spelling of the upload: one read in vain, then the search.
  expect(await calls("pkg:npm/%40acme/widget@1.0.0", hint)).toEqual([version, "POST /package/search", version, files]);
  expect(await calls("pkg:maven/com.acme/app@1.0", null)).toEqual(["POST /package/search", version, files]);
});

describe("by name and format", () => {
  test.each([
    ["nginx", "RPM", "rpm:///el7/x86_64/nginx"],
    ["/el7/x86_64/nginx", "RPM", "rpm:///el7/x86_64/nginx"],
    ["zlib", "CONAN", "conan://_@zlib/_"],
    ["my-pkg-x", "PYPI", "pypi://My_Pkg.x"],
    ["ACME.Pay", "NUGET", "nuget://acme.pay"],
    ["@Acme/Widget", "NPM", "npm://@Acme/Widget"],
    ["com.acme:app", "MAVEN", "gav://com.acme:app"],
  ])("%s of %s is %s", async (name, format, key) => {
    const { data, errors } = await gateway.ask(
      `query ($name: String!, $format: PackageFormat!) {
        package(ref: { backend: "bkrepo", repository: "acme/main", name: $name, format: $format }) { key }
      }`,
      { name, format },
    );
    expect(errors).toBeUndefined();
    expect(data.package).toEqual({ key });
  });
});

describe("the package URL that is printed finds the version that it was printed for", () => {
  const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,6}([-_.][A-Za-z0-9]{1,5}){0,2}$/);
  const number = fc.stringMatching(/^[0-9]{1,2}(\.[0-9]{1,2}){0,2}([-+][a-z0-9]{1,4}(\.[0-9]{1,2})?)?$/);
  const type = fc.constantFrom<PackageFormat>(
    "MAVEN",
    "NPM",
    "PYPI",
    "HELM",
    "RPM",
    "COMPOSER",
    "NUGET",
    "CONAN",
    "CARGO",
    "ML_MODEL",
  );
  const one = fc.record({ type, first: word, second: word, version: number, isScoped: fc.boolean() });

  function write({
    type,
    first,
    second,
    version,
    isScoped,
  }: {
    type: PackageFormat;
    first: string;
    second: string;
    version: string;
    isScoped: boolean;
  }): StoredPackage {
    const of = (kind: string, key: string, name: string, own = version): StoredPackage => ({
      repoName: "main",
      key,
      name,
      type: kind,
      versions: [{ name: own }],
    });
    switch (type) {
      case "MAVEN":
        return of("MAVEN", `gav://${first}:${second}`, second);
      case "NPM": {
        const name = isScoped ? `@${first}/${second}` : second;
        return of("NPM", `npm://${name}`, name);
      }
      case "RPM":
        return of(
          "RPM",
          isScoped ? `rpm:///${first}/${second}` : `rpm://${second}`,
          second,
          `${version.replace(/-.*/, "")}-1.x86_64`,
        );
      case "COMPOSER":
        return of("COMPOSER", `composer://${first}/${second}`, `${first}/${second}`);
      case "NUGET":
        return of("NUGET", `nuget://${second.toLowerCase()}`, second);
      case "CONAN":
        return of("CONAN", isScoped ? `conan://${first}@${second}/stable` : `conan://_@${second}/_`, second);
      case "ML_MODEL":
        return of("HUGGINGFACE", `huggingface://model/${first}/${second}`, `${first}/${second}`, "abc123");
      default:
        return of(type, `${type.toLowerCase()}://${second}`, second);
    }
  }

  test("for every type", async () => {
    const own = await serveBkrepo({ release: "old", repositories: ["main"], packages: [] });
    const backend = bkrepo.connect({ ...settings(["acme/main"]), url: own.url });
    await fc.assert(
      fc.asyncProperty(one, fc.array(one, { maxLength: 4 }), async (wanted, others) => {
        const target = write(wanted);
        const rest = others.map(write).filter(({ key }) => key !== target.key);
        own.become({ packages: [...rest, target] });
        const place = { backend: "bkrepo", repository: "acme/main", key: target.key };
        const { packages: reader } = backend.during(testCall());
        const [row] = target.versions;
        const ref = { package: place, version: row?.name ?? "", nativeId: null };
        const version = foundIn((await reader?.version(ref)) ?? unasked());
        const purl = parsePurl(version.purl ?? "");
        if (purl === null) throw new Error(`no package URL: ${target.key}`);
        for (const scope of [null, "acme/main"]) {
          const found = foundIn((await backend.during(testCall()).packages?.byPurl(purl, scope)) ?? unasked());
          expect(
            found.map(
              ({
                ref: {
                  package: { key },
                },
              }) => key,
            ),
          ).toContain(target.key);
        }
      }),
      { numRuns: 150 },
    );
    await backend.close();
    await own.close();
  });
});
