import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { images as story } from "../../../demo/story.ts";
import { parseDigest, parseImageRef } from "../../../src/model/artifact.ts";
import { testCall } from "../../support/call.ts";
import { calls, failureOf, first, present, ref, rewriteRows, stage, walk } from "./support.ts";

const { server, packages, images, readers, configure, close } = await stage();
const image = (text: string) => present(parseImageRef(`registry.gitlab.example.com/${text}`));
const released = present(parseDigest(story.web.digest));
const newest = { prefix: null, stage: null, direction: "DESC" } as const;

beforeEach(() => {
  server.setTamper(null);
  server.forget();
});
afterAll(close);

describe("an image", () => {
  test("by tag is the repository's number and one tag: two calls", async () => {
    const record = present(await images().image(image("pay/web:2.3.1")));
    expect(record).toMatchObject({
      image: { registry: "registry.gitlab.example.com", repository: "pay/web", tag: "2.3.1" },
      kind: "MANIFEST",
      archived: false,
      createdAt: "2026-10-09T09:31:00.000Z",
      version: { package: ref("pay/web", "image:pay/web"), version: "2.3.1", nativeId: null },
    });
    expect(record.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(calls(server)).toEqual([
      "projects/pay/web/registry/repositories?page=1&per_page=100",
      "projects/pay/web/registry/repositories/301/tags/2.3.1",
    ]);
  });

  test("that may be an index is not called a manifest", async () => {
    expect(await images().image(image("pay/web:2.4.0"))).toMatchObject({
      digest: released,
      kind: null,
      createdAt: null,
    });
  });

  test("below a project is found by the longest path that is one", async () => {
    const record = await images().image(image("pay/web/storybook:pr-101"));
    expect(record?.image.repository).toBe("pay/web/storybook");
    expect(calls(server).map((url) => url.split("?")[0])).toEqual([
      "projects/pay/web/storybook/registry/repositories",
      "projects/pay/web/registry/repositories",
      "projects/pay/web/registry/repositories/302/tags/pr-101",
    ]);
  });

  test("below a configured project is looked for there at once", async () => {
    expect(await images().image(image("infra/tools/ci-base:24.04"))).toMatchObject({ image: { tag: "24.04" } });
    expect(server.seen).toHaveLength(2);
  });

  test("several of one repository share what is known of it", async () => {
    const reader = images();
    const tags = ["2.2.0", "2.3.0", "2.3.1", "2.3.1"];
    const records = await Promise.all(tags.map((tag) => reader.image(image(`pay/web:${tag}`))));
    expect(records.map((one) => one?.image.tag)).toEqual(tags);
    expect(server.seen).toHaveLength(4);
  });

  test("by digest is whatever tag holds those bytes; the tag beside it comes first", async () => {
    const tagged = await images().image(image(`pay/web:2.4.0@${released}`));
    expect(tagged?.image.tag).toBe("2.4.0");
    expect(server.seen).toHaveLength(2);
    const bare = await images().image(image(`pay/web@${released}`));
    expect(bare?.digest).toBe(released);
    const moved = await images().image(image(`pay/web:2.2.0@${released}`));
    expect(moved?.image.tag).toBe("2.4.0");
    expect(await images().image(image(`pay/web@sha256:${"0".repeat(64)}`))).toBeNull();
  });

  test("by digest among more tags than are looked into is not called absent", async () => {
    const error = await failureOf(images().image(image(`pay/web/storybook@sha256:${"0".repeat(64)}`)));
    expect(error).toMatchObject({ failure: "OVER_BUDGET", operation: "gitlab.getTag", retryable: false });
  });

  test.each(["pay/web:gone", "pay/nothing:1", "nothing/at/all:1", "pay/web/other:1"])("%s is absent", async (text) => {
    expect(await images().image(image(text))).toBeNull();
  });

  test("of another registry is not looked for", async () => {
    expect(await images().image(present(parseImageRef("docker.io/pay/web:2.4.0")))).toBeNull();
    expect(server.seen).toHaveLength(0);
  });

  test("without tag and digest is the one that is tagged `latest`", async () => {
    const tagged = await images().image(image("pay/web:latest"));
    expect(tagged?.digest).toMatch(/^sha256:/);
    expect(await images().image(image("pay/web"))).toMatchObject({ digest: tagged?.digest, image: tagged?.image });
  });

  test("refused is an error, not absent", async () => {
    server.setTamper(() => ({ status: 403, body: { message: "403 Forbidden" } }));
    expect(await failureOf(images().image(image("pay/web:2.4.0")))).toMatchObject({ failure: "DENIED" });
  });

  test("in a repository whose row could not be read is not called absent", async () => {
    server.setTamper(rewriteRows(/repositories$/, () => [{ id: "x" }]));
    expect(await failureOf(images().image(image("pay/web:2.4.0")))).toMatchObject({ failure: "MALFORMED" });
  });
});

describe("copies of an image", () => {
  test("are the tags of equally named repositories that hold the same bytes", async () => {
    const found = present(await images().copies("web", released));
    expect(found.map((one) => one.image.tag)).toEqual(["2.4.0", story.web.tag, "latest"]);
    // One list a place, one list of tags, and each tag once.
    expect(server.seen).toHaveLength(2 + 1 + 7);
  });

  test("are none where no repository has the name, and unknown where none is configured", async () => {
    expect(await present(readers().images).copies("api", released)).toMatchObject({
      kind: "ABSENT",
      proof: "WHOLE_LIST",
      operation: "gitlab.listGroupRepositories",
    });
    const nowhere = configure({ groups: [], projects: [] }).during(testCall());
    expect(await present(nowhere.images).copies("web", released)).toMatchObject({ reason: "NOT_CONFIGURED" });
  });

  test("among more tags than are looked into are only claimed when found", async () => {
    expect(await failureOf(images().copies("storybook", released))).toMatchObject({ failure: "OVER_BUDGET" });
    server.forget();
    const youngest = present(await images().image(image("pay/web/storybook:pr-220")));
    expect(await images().copies("storybook", present(youngest.digest))).toHaveLength(1);
    expect(server.seen.length).toBeLessThan(60);
  });

  test("a tag deleted meanwhile is no copy", async () => {
    server.setTamper((reply, request) =>
      request.rawPath.endsWith("/tags/latest") ? { status: 404, body: { message: "404 Tag Not Found" } } : reply,
    );
    expect(await images().copies("web", released)).toHaveLength(2);
  });

  test("in one project by digest, and nowhere without one", async () => {
    const reader = present(readers().images);
    expect(await reader.byDigest(released, "infra/tools")).toMatchObject({ kind: "ABSENT", proof: "WHOLE_LIST" });
    expect(await reader.byDigest(released, null)).toMatchObject({ reason: "NOT_SEARCHABLE" });
    expect(await reader.byDigest(released, "../x")).toMatchObject({ kind: "ABSENT", proof: "IMPOSSIBLE" });
  });
});

describe("container repositories as packages", () => {
  const web = ref("pay/web", "image:pay/web");

  test("are listed when images are asked for, and only then", async () => {
    const page = await packages().page(
      { repository: null, group: "pay" },
      { name: null, match: "CONTAINS", format: "DOCKER" },
      first(10),
    );
    expect(page.rows.map(({ value }) => [value.ref, value.format, value.purl])).toEqual([
      [web, "DOCKER", "pkg:oci/web?repository_url=registry.gitlab.example.com%2Fpay%2Fweb"],
      [
        ref("pay/web", "image:pay/web/storybook"),
        "DOCKER",
        "pkg:oci/storybook?repository_url=registry.gitlab.example.com%2Fpay%2Fweb%2Fstorybook",
      ],
    ]);
    expect(page).toMatchObject({ hasNext: false, total: 2 });
    expect(server.seen).toHaveLength(1);
  });

  test("are found by key, by name and by the last part of it", async () => {
    expect(await packages().package(web)).toMatchObject({ name: "pay/web", formatName: "image" });
    expect(await packages().package(ref("pay/web", "image:pay/other"))).toBeNull();
    expect(await packages().package(ref("pay/nothing", "image:pay/nothing"))).toBeNull();
    expect((await packages().named("web", "DOCKER", null))?.map((one) => one.ref)).toEqual([web]);
    const found = await packages().search({ name: "ci-base", match: "EXACT", format: "OCI" }, first(5));
    expect(found?.rows.map(({ value }) => value.ref)).toEqual([ref("infra/tools", "image:infra/tools/ci-base")]);
    expect(packages().keyOf("pay/web", "DOCKER")).toBe("image:pay/web");
  });

  test("have tags for versions; their digests cost a call each and only when asked for", async () => {
    const tags = await walk(
      (request) => packages().versions(ref("pay/web", "image:pay/web/storybook"), newest, request),
      50,
    );
    expect(tags).toHaveLength(120);
    expect(new Set(tags.map((one) => one.name)).size).toBe(120);
    const narrow = await packages().versions(web, { ...newest, prefix: "2.3" }, first(10));
    expect(narrow.rows.map(({ value }) => value.name)).toEqual(["2.3.0", "2.3.1"]);
    const version = await packages().version({ package: web, version: "2.4.0", nativeId: null });
    expect(version).toMatchObject({
      digest: released,
      size: story.web.size,
      purl: `pkg:oci/web@${released}?repository_url=registry.gitlab.example.com%2Fpay%2Fweb&tag=2.4.0`,
      image: { registry: "registry.gitlab.example.com", repository: "pay/web", tag: "2.4.0" },
    });
    expect(await present(readers().packages).files(present(version).ref, first(5))).toMatchObject({ kind: "ABSENT" });
  });

  test("have a newest version where their tags are few enough to compare", async () => {
    const base = ref("infra/tools", "image:infra/tools/ci-base");
    expect((await packages().latest(base))?.name).toBe("26.04");
    const many = ref("pay/web", "image:pay/web/storybook");
    expect(await failureOf(packages().latest(many))).toMatchObject({ failure: "OVER_BUDGET" });
  });

  test("of a project in upper case are found by every spelling, and tell what their registry knows", async () => {
    const player = ref("media/.player-ui", "image:media/.player-ui");
    const page = await packages().page(
      { repository: null, group: "Media" },
      { name: null, match: "CONTAINS", format: "DOCKER" },
      first(5),
    );
    expect(page.rows.map(({ value }) => value.ref)).toEqual([
      player,
      ref("media/.player-ui", "image:media/.player-ui/bundle"),
    ]);
    expect(await packages().package({ ...player, repository: "Media/.Player-UI" })).toMatchObject({ ref: player });
    // Its signature is a tag, and younger.
    expect((await packages().latest(player))?.name).toBe("1.4.0");
    const bundle = {
      package: ref("Media/.Player-UI", "image:media/.player-ui/bundle"),
      version: "2.0.1",
      nativeId: null,
    };
    expect(await present(readers().packages).version(bundle)).toMatchObject({
      kind: "FOUND",
      value: { name: "2.0.1", digest: null },
      gap: { reason: "DETAIL_MISSING" },
    });
  });

  test("are nothing to a backend configured without images", async () => {
    const reader = configure({ capabilities: ["PACKAGES"] }).during(testCall());
    expect(reader.images).toBeUndefined();
    const only = present(reader.packages);
    expect(only.keyOf("pay/web", "DOCKER")).toBeNull();
    const filter = { name: null, match: "CONTAINS", format: "DOCKER" } as const;
    const answers = await Promise.all([
      only.package(web),
      only.page({ repository: "pay/web", group: null }, filter, first(5)),
      only.named("web", "DOCKER", null),
      only.byChecksum(released, null),
    ]);
    expect(answers.map((answer) => answer.kind === "UNKNOWN" && answer.reason)).toEqual([
      ...["NOT_CONFIGURED", "NOT_CONFIGURED", "NOT_CONFIGURED"],
      "NOT_SEARCHABLE",
    ]);
    expect(configure({ capabilities: ["IMAGES"] }).during(testCall()).packages).toBeUndefined();
    expect(server.seen).toHaveLength(0);
  });
});
