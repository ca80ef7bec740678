import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { VersionRef } from "../../../src/model/package.ts";
import { testCall } from "../../support/call.ts";
import { plain } from "../../support/plain.ts";
import { calls, failureOf, first, present, ref, rewriteRows, stage, walk } from "./support.ts";

const { server, packages, commits, readers, configure, close } = await stage();
const cliRef = ref("pay/api", "generic:pay-cli");
const version = async (name: string, of = cliRef): Promise<VersionRef> =>
  present(await packages().version({ package: of, version: name, nativeId: null })).ref;
const released = await version("2.4.0");
const edge = await version("edge");
const documented: VersionRef = {
  package: ref("namespace1/project1", "maven:com/mycompany/my-app"),
  version: "1.5-SNAPSHOT",
  nativeId: "4",
};

beforeEach(() => {
  server.setTamper(null);
  server.forget();
});
afterAll(close);

describe("files", () => {
  test("come with checksums strongest first, in one call", async () => {
    const page = await packages().files(released, first(20));
    expect(page.rows.map(({ value }) => [value.name, value.path])).toEqual([
      ["pay-cli", "linux/amd64/pay-cli"],
      ["pay-cli", "linux/arm64/pay-cli"],
      ["pay-cli", "darwin/arm64/pay-cli"],
      ["SHA256SUMS", null],
      ["SHA256SUMS", null],
      ["debug-symbols.tar.zst", null],
    ]);
    const symbols = present(page.rows[5]).value;
    expect(symbols.size).toBe(3_489_660_928);
    expect(symbols.digests.map((digest) => digest.split(":")[0])).toEqual(["sha256", "sha1"]);
    expect(symbols.downloadUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/pay\/api\/-\/package_files\/\d+\/download$/);
    expect(calls(server)).toEqual([`projects/pay/api/packages/${released.nativeId}/package_files?page=1&per_page=20`]);
  });

  test("of the vendor's example are as printed", async () => {
    const page = await packages().files(documented, first(20));
    expect(page.rows.map(({ value }) => ({ ...value, downloadUrl: null }))).toEqual([
      {
        name: "my-app-1.5-20181107.152550-1.jar",
        path: null,
        size: 2421,
        digests: ["sha1:ebd193463d3915d7e22219f52740056dfd26cbfe", "md5:58e6a45a629910c6ff99145a688971ac"],
        createdAt: "2018-11-07T15:25:52.199Z",
        downloadUrl: null,
      },
      {
        name: "my-app-1.5-20181107.152550-1.pom",
        path: null,
        size: 1122,
        digests: ["sha1:9608d068fe88aff85781811a42f32d97feb440b5", "md5:d90f11d851e17c5513586b4a7e98f1b2"],
        createdAt: "2018-11-07T15:25:56.776Z",
        downloadUrl: null,
      },
      {
        name: "maven-metadata.xml",
        path: null,
        size: 767,
        digests: ["sha1:d25932de56052d320a8ac156f745ece73f6a8cd2", "md5:6dfd0cce1203145a927fef5e3a1c650c"],
        createdAt: "2018-11-07T15:26:00.556Z",
        downloadUrl: null,
      },
    ]);
  });

  test("are walked by windows that share their pages", async () => {
    const names = await walk((request) => packages().files(released, request), 2);
    expect(names).toHaveLength(6);
    const reader = packages();
    await Promise.all([reader.files(released, first(10)), reader.files({ ...released }, first(10))]);
    expect(server.seen.filter(({ url }) => url.endsWith("page=1&per_page=10"))).toHaveLength(1);
  });

  test.each([
    ["50%25 off%2Freadme.txt", "readme.txt", "50% off/readme.txt"],
    ["100%", "100%", null],
    ["a%2Fb%ZZ", "a%2Fb%ZZ", null],
    ["a%252Fb", "a%252Fb", null],
    ["dir%2F", "dir%2F", null],
  ])("named %s are decoded once, if they are paths at all", async (told, name, path) => {
    server.setTamper(rewriteRows(/package_files/, () => [{ id: 1, file_name: told, size: null }]));
    const [row] = (await packages().files(released, first(5))).rows;
    expect(row?.value).toMatchObject({ name, path, size: null, digests: [], createdAt: null });
  });

  test("an unreadable one is named and left out", async () => {
    server.setTamper(rewriteRows(/package_files/, ([, ...rest]) => [{ file_name: 7 }, ...rest]));
    const page = await packages().files(released, first(20));
    expect(page.rows).toHaveLength(5);
    expect(page.dropped).toMatchObject([{ operation: "gitlab.listPackageFiles", index: 0 }]);
  });

  test("need the version's number, and find it where only its name is known", async () => {
    const page = await packages().files({ ...released, nativeId: null }, first(20));
    expect(page.rows).toHaveLength(6);
    expect(server.seen).toHaveLength(2);
  });

  test("of what is gone are absent, as its list proves", async () => {
    const reader = present(readers().packages);
    const gone = { kind: "ABSENT", proof: "COMPLETE_FILTER", operation: "gitlab.listProjectPackages" };
    expect(await reader.files({ ...released, nativeId: "999999999" }, first(5))).toEqual(gone);
    // The files, the row by its number, and the list that proves it.
    expect(server.seen).toHaveLength(3);
    expect(await reader.files({ ...released, version: "0.0.0", nativeId: null }, first(5))).toEqual(gone);
  });

  test("have no download page where only the project's number is known", async () => {
    const [row] = (await packages().files({ ...released, package: ref("42", "generic:pay-cli") }, first(1))).rows;
    expect(row?.value.downloadUrl).toBeNull();
  });

  test("are linked under the address that people know", async () => {
    const known = plain(present(configure({ webUrl: "https://gitlab.example.com/" }).during(testCall()).packages));
    const [row] = (await known.files(released, first(1))).rows;
    expect(row?.value.downloadUrl).toMatch(
      /^https:\/\/gitlab\.example\.com\/pay\/api\/-\/package_files\/\d+\/download$/,
    );
  });
});

describe("pipelines of a version", () => {
  test("are walked by the cursor of Link, whatever host it names, newest first", async () => {
    const found = present(await commits().pipelines(edge));
    expect(found).toHaveLength(45);
    const ids = found.map((one) => Number(one.id));
    expect(ids).toEqual([...ids].sort((left, right) => right - left));
    expect(ids[0]).toBeGreaterThan(2 ** 31);
    expect(calls(server).map((url) => url.replace(/cursor=\w+/, "cursor=…"))).toEqual([
      `projects/pay/api/packages/${edge.nativeId}/pipelines?per_page=20`,
      `projects/pay/api/packages/${edge.nativeId}/pipelines?per_page=20&cursor=…`,
      `projects/pay/api/packages/${edge.nativeId}/pipelines?per_page=20&cursor=…`,
    ]);
  });

  test("are not asked for when the row has no recorded build", async () => {
    const reader = readers();
    const known = plain(present(reader.packages));
    const pipelines = plain(present(reader.commits)).pipelines;
    const manual = present(
      await known.version({
        package: ref("pay/api", "maven:com/acme/pay/pay-sdk"),
        version: "1.0.0",
        nativeId: null,
      }),
    );
    server.forget();
    expect(await pipelines(manual.ref)).toBeNull();
    expect(server.seen).toHaveLength(0);
    const deleted = present(
      await known.version({
        package: ref("pay/api", "maven:com/acme/pay/pay-sdk"),
        version: "1.3.0",
        nativeId: null,
      }),
    );
    server.forget();
    expect(await pipelines(deleted.ref)).toBeNull();
    expect(server.seen).toHaveLength(1);
  });

  test("a short page is not the end while a cursor is given", async () => {
    server.setTamper(rewriteRows(/pipelines$/, (rows) => rows.slice(0, 3)));
    expect(await commits().pipelines(edge)).toHaveLength(9);
  });

  test("end with an error when they do not end", async () => {
    server.setTamper((reply) => ({ ...reply, headers: { link: '<http://x/?cursor=again>; rel="next"' } }));
    expect(await failureOf(commits().pipelines(edge))).toMatchObject({ failure: "OVER_BUDGET" });
    expect(server.seen).toHaveLength(25);
  });

  test("of what is gone are none", async () => {
    expect(await commits().pipelines({ ...edge, nativeId: "999999999" })).toBeNull();
    expect(await commits().pipelines({ ...edge, version: "0.0.0", nativeId: null })).toBeNull();
  });
});
