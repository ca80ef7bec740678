import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bkrepoReference, checksum, hosts, images } from "../../../demo/story.ts";
import { parseDigest, parseImageRef } from "../../../src/model/artifact.ts";
import { parsePurl } from "../../../src/model/purl.ts";
import { bodyOf, type Fixture, isObject, openBkrepo, versionRef, withRecords } from "./fixture.ts";

let it: Fixture;
beforeAll(async () => {
  it = await openBkrepo();
});
afterAll(() => it.close());
afterEach(() => {
  it.server.setTamper(null);
  it.server.forget();
});

function image(text: string) {
  const parsed = parseImageRef(text);
  if (parsed === null) throw new Error(`no reference: ${text}`);
  return parsed;
}

function digest(text: string) {
  const parsed = parseDigest(text);
  if (parsed === null) throw new Error(`no digest: ${text}`);
  return parsed;
}

const at = (path: string) => image(`${hosts.bkrepo}/${path}`);

describe("an image by tag", () => {
  test("is one call when the repository is a docker one", async () => {
    const found = await it.images().image(image(bkrepoReference(images.api)));
    expect(found).toMatchObject({
      digest: images.api.digest,
      kind: "MANIFEST",
      size: images.api.size,
      archived: false,
      createdAt: null,
      pushedAt: "2026-11-02T09:30:33.300Z",
      version: {
        package: { backend: "bkrepo", repository: "pay/docker-local", key: "docker://api" },
        version: images.api.tag,
      },
    });
    expect(found?.image.raw).toBe(`${bkrepoReference(images.api)}@${images.api.digest}`);
    expect(it.calls()).toEqual(["GET /repository/api/version/page/pay/docker-local"]);
  });

  test("of several platforms is an index, whose byte count is not the image's size", async () => {
    const found = await it.images().image(image(bkrepoReference(images.web)));
    expect(found).toMatchObject({ digest: images.web.digest, kind: "INDEX", size: null });
    const { web } = images;
    const version = await it.packages().version(versionRef("pay/docker-local", "docker://web", web.tag));
    expect(version).toMatchObject({ digest: web.digest, size: null });
  });

  test("pushed for one platform and then for several is what its record's manifest says", async () => {
    const files = ["/web/manifest/x/manifest.json", "/web/manifest/x/list.manifest.json"];
    it.server.setTamper((reply) =>
      withRecords(
        reply,
        () => [
          {
            name: images.web.tag,
            contentPaths: files,
            manifestPath: files[1],
            metadata: { manifest_digest: images.web.digest },
          },
        ],
        1,
      ),
    );
    expect((await it.images().image(image(bkrepoReference(images.web))))?.kind).toBe("INDEX");
  });

  test("still holds the released bytes of worker", async () => {
    const found = await it.images().image(image(bkrepoReference(images.worker)));
    expect(found?.digest).toBe(images.worker.digest);
    expect(found?.digest).not.toBe(images.worker.now);
  });

  test("in an OCI repository is found under the other key", async () => {
    const found = await it.images().image(at("pay/oci-local/charts/pay-platform:2.4.0"));
    expect(found?.version?.package.key).toBe("oci://charts/pay-platform");
    expect(it.calls()).toHaveLength(2);
  });

  test("absent, in a missing repository or too short to be bkrepo's is null", async () => {
    const reader = it.images();
    expect(await reader.image(at("pay/docker-local/api:no-such-tag"))).toBeNull();
    expect(await reader.image(at("pay/no-such-repo/api:1"))).toBeNull();
    it.server.forget();
    expect(await reader.image(at("pay/docker-local:1"))).toBeNull();
    expect(await reader.image(image("registry.example.com/pay/docker-local/api:1"))).toBeNull();
    expect(await reader.image(image("pay/docker-local/api:1"))).toBeNull();
    expect(it.calls()).toEqual([]);
  });

  test("that is absent beside a found one of its repository needs no second guess", async () => {
    const reader = it.images();
    const found = await Promise.all(
      [image(bkrepoReference(images.api)), at("pay/docker-local/web:nothing")].map((ref) => reader.image(ref)),
    );
    expect(found.map((one) => one?.digest ?? null)).toEqual([images.api.digest, null]);
    expect(it.calls()).toHaveLength(2);
  });

  test("in a forbidden repository is DENIED", async () => {
    await expect(it.images().image(at("pay/release-vault/api:1"))).rejects.toMatchObject({ failure: "DENIED" });
  });

  test("several tags of one image are one call", async () => {
    const reader = it.images();
    const tags = [images.api.tag, "v2.4.0", images.api.tag, "absent"];
    const found = await Promise.all(tags.map((tag) => reader.image(at(`pay/docker-local/api:${tag}`))));
    expect(found.map((one) => one?.image.tag ?? null)).toEqual([images.api.tag, "v2.4.0", images.api.tag, null]);
    expect(it.calls()).toHaveLength(1);
  });

  test("without tag and digest means latest", async () => {
    expect(await it.images().image(at("pay/docker-local/api"))).toBeNull();
    const query = new URL(it.server.seen[0]?.url ?? "", "http://x").searchParams;
    expect(query.get("version")).toBe("latest");
  });

  test("of a project whose name begins with an underscore is found by its alias", async () => {
    const alias = (name: string) => `x0${Buffer.from(name).toString("hex")}`;
    const found = await it.images().image(at(`${alias("_infra")}/${alias("_images")}/base/node:26-slim`));
    expect(found?.version?.package).toEqual({
      backend: "bkrepo",
      repository: "_infra/_images",
      key: "docker://base/node",
    });
  });
});

describe("the digest", () => {
  const withMetadata = (metadata: unknown) =>
    it.server.setTamper((reply, { rawPath }) =>
      rawPath.includes("/version/")
        ? withRecords(reply, (rows) =>
            rows.map((row) => ({ ...(isObject(row) ? row : {}), metadata: {}, packageMetadata: metadata })),
          )
        : reply,
    );
  const one = digest("1".repeat(64));
  const two = digest("2".repeat(64));

  test("is read from the newest key that is there", async () => {
    const order = ["manifest_digest", "docker.manifest.digest", "docker.manfiest.digest"];
    for (const [place, key] of order.entries()) {
      withMetadata([
        ...order.slice(place + 1).map((other) => ({ key: other, value: two })),
        { key: "sha256", value: "2".repeat(64) },
        { key, value: one, system: true },
      ]);
      expect((await it.images().image(image(bkrepoReference(images.api))))?.digest).toBe(one);
    }
    withMetadata([{ key: "sha256", value: "1".repeat(64) }]);
    expect((await it.images().image(image(bkrepoReference(images.api))))?.digest).toBe(one);
  });

  test("that is no digest is passed over", async () => {
    withMetadata([
      { key: "manifest_digest", value: "sha256:short" },
      { key: "docker.manifest.digest", value: 7 },
      { key: "sha256", value: "1".repeat(64) },
    ]);
    expect((await it.images().image(image(bkrepoReference(images.api))))?.digest).toBe(one);
  });

  test("missing from the metadata is the checksum of the manifest's file, one query for all such images", async () => {
    withMetadata([]);
    const reader = it.images();
    const found = await Promise.all(
      [images.api, images.worker].map((story) => reader.image(image(bkrepoReference(story)))),
    );
    expect(found.map((record) => record?.digest)).toEqual([images.api.digest, images.worker.digest]);
    expect(it.calls().filter((call) => call.includes("/node/"))).toHaveLength(1);
  });

  test("is null, with the image still there, when no answer has it", async () => {
    it.server.setTamper((reply, { rawPath }) =>
      rawPath.includes("/node/detail/")
        ? { status: 400, body: { code: 251010, data: null } }
        : withRecords(reply, (rows) =>
            rawPath.includes("/node/")
              ? []
              : rows.map((row) => ({ ...(isObject(row) ? row : {}), metadata: {}, packageMetadata: [] })),
          ),
    );
    const found = await it.images().image(image(bkrepoReference(images.api)));
    expect(found).toMatchObject({ digest: null, kind: "MANIFEST" });
  });
});

describe("an image by digest", () => {
  test("is one list by that digest, and keeps the tag that was asked for", async () => {
    const found = await it.images().image(image(`${bkrepoReference(images.api)}@${images.api.digest}`));
    expect([found?.image.tag, found?.digest]).toEqual([images.api.tag, images.api.digest]);
    expect(it.calls()).toEqual(["POST /repository/api/version/list/pay/docker-local"]);
    expect(bodyOf(it.server.seen[0])).toMatchObject({
      metadata: [{ key: "manifest_digest", value: images.api.digest }],
    });
  });

  test("finds a platform's manifest, which has no tag", async () => {
    const child = checksum("sha256", "manifest web linux/arm64");
    const found = await it.images().image(at(`pay/docker-local/web@sha256:${child}`));
    expect([found?.image.tag, found?.digest, found?.kind]).toEqual([null, `sha256:${child}`, "MANIFEST"]);
  });

  test("that nothing holds is null", async () => {
    expect(await it.images().image(at(`pay/docker-local/api@sha256:${"0".repeat(64)}`))).toBeNull();
  });

  test("in one repository is one query for manifests and one page for each image", async () => {
    const found = await it.images().byDigest(digest(images.web.digest), "pay/docker-local");
    expect(found?.map((one) => one.image.tag).sort()).toEqual([images.web.tag, "v2.4.0"]);
    expect(found?.every((one) => one.digest === images.web.digest && one.image.registry === hosts.bkrepo)).toBe(true);
    expect(it.calls()).toHaveLength(2);
    const child = digest(checksum("sha256", "manifest web linux/amd64"));
    expect((await it.images().byDigest(child, "pay/docker-local"))?.map((one) => one.image.digest)).toEqual([child]);
  });

  test("cannot be found without a repository, and is nowhere in a missing one", async () => {
    const reader = it.answers().images;
    const unsearchable = { kind: "UNKNOWN", reason: "NOT_SEARCHABLE", failure: null };
    expect(await reader.byDigest(digest(images.web.digest), null)).toEqual(unsearchable);
    expect(await reader.byDigest(digest("0".repeat(128)), "pay/docker-local")).toEqual(unsearchable);
    expect(await reader.byDigest(digest(images.web.digest), "pay/no-such-repo")).toMatchObject({
      kind: "ABSENT",
      proof: "KEYED_READ",
    });
    expect(await reader.byDigest(digest("0".repeat(64)), "pay/docker-local")).toMatchObject({
      kind: "ABSENT",
      proof: "COMPLETE_FILTER",
    });
  });

  test("says that the content was moved to cold storage", async () => {
    it.server.setTamper((reply, { rawPath }) =>
      rawPath.includes("/node/")
        ? withRecords(reply, (rows) => rows.map((row) => ({ ...(isObject(row) ? row : {}), archived: true })))
        : reply,
    );
    const found = await it.images().byDigest(digest(images.api.digest), "pay/docker-local");
    expect(found?.map(({ archived }) => archived)).toEqual([true, true]);
  });
});

describe("copies", () => {
  test("are the tags of that digest in images of that name: one search, one list for each image", async () => {
    const found = await it.images().copies("api", digest(images.api.digest));
    expect(found?.map((one) => one.image.tag).sort()).toEqual([images.api.tag, "v2.4.0"]);
    expect(found?.[0]?.image.registry).toBe(hosts.bkrepo);
    expect(it.calls()).toEqual([
      "POST /repository/api/package/search",
      "POST /repository/api/version/list/pay/docker-local",
    ]);
  });

  test("of several images in one tick share the search", async () => {
    const reader = it.images();
    const found = await Promise.all([
      reader.copies("api", digest(images.api.digest)),
      reader.copies("worker", digest(images.worker.digest)),
    ]);
    expect(found.map((one) => one?.length)).toEqual([2, 2]);
    expect(it.calls().filter((call) => call.endsWith("/package/search"))).toHaveLength(1);
  });

  test("are found by the last part of a longer path, and only as a whole part", async () => {
    const chart = digest(checksum("sha256", "manifest chart 2.4.0"));
    expect((await it.images().copies("pay-platform", chart))?.map(({ version }) => version?.package.key)).toEqual([
      "oci://charts/pay-platform",
    ]);
    expect(await it.images().copies("platform", chart)).toEqual([]);
  });

  test("do not count a server's rows of another digest, whatever list they are in", async () => {
    const other = { name: "other", metadata: { manifest_digest: `sha256:${"3".repeat(64)}` } };
    it.server.setTamper((reply, { rawPath }) => {
      if (rawPath.includes("/version/page/")) return withRecords(reply, () => [other], 1);
      if (!rawPath.includes("/version/list/") || !isObject(reply.body)) return reply;
      return {
        ...reply,
        body: { ...reply.body, data: [other] },
      };
    });
    expect(await it.images().copies("api", digest(images.api.digest))).toEqual([]);
  });

  test("cannot be looked for where no repositories are configured", async () => {
    const nowhere = await openBkrepo({}, { repositories: [] });
    expect(await nowhere.answers().images.copies("api", digest(images.api.digest))).toMatchObject({
      kind: "UNKNOWN",
      reason: "NOT_CONFIGURED",
    });
    await nowhere.close();
  });
});

describe("an image as a version of a package", () => {
  test("has its reference and a package URL by digest, and no download", async () => {
    const page = await it
      .packages()
      .versions(
        { backend: "bkrepo", repository: "pay/docker-local", key: "docker://api" },
        { prefix: images.api.tag, stage: null, direction: "DESC" },
        { first: 1, after: null },
      );
    const version = page.rows[0]?.value;
    expect(version).toMatchObject({
      digest: images.api.digest,
      downloadUrl: null,
      fileCount: null,
      size: 3_221_301_482,
    });
    expect(parsePurl(version?.purl ?? "")).toEqual({
      type: "oci",
      namespace: null,
      name: "api",
      version: images.api.digest,
      qualifiers: { repository_url: `${hosts.bkrepo}/pay/docker-local/api`, tag: images.api.tag },
    });
  });
});
