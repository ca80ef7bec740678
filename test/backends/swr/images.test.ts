import { describe, expect, it } from "vitest";
import { credentials, hosts, images as story, swrReference } from "../../../demo/story.ts";
import { parseDigest, parseImageRef } from "../../../src/model/artifact.ts";
import type { Version } from "../../../src/model/package.ts";
import { parsePurl } from "../../../src/model/purl.ts";
import {
  everything,
  failureOf,
  here,
  imageOf,
  newestFirst,
  openSwr,
  packageRef,
  present,
  root,
  versionRef,
  within,
} from "./setup.ts";

const all = { first: 100, after: null };
const api = packageRef("image://api");
const wholeTagList = (path: string) => `${here}/repos/${path}/tags?limit=1000&offset=0&order_column=tag&order_type=asc`;
const strong = (text: string) => present(parseDigest(text));
const nameOf = (version: Version | null) => version?.name ?? null;

describe("repositories as packages", () => {
  it("one is its detail, with the slash written as a dollar", async () => {
    const { packages, calls } = await openSwr();
    const tools = await packages().package(packageRef("image://team/tools"));
    expect(tools).toMatchObject({
      ref: packageRef("image://team/tools"),
      name: "team/tools",
      format: "DOCKER",
      formatName: "image",
      purl: null,
      visibility: "private",
      versionCount: 24,
      createdBy: "lin.chen",
    });
    // `created` in the detail.
    expect(tools?.createdAt).toMatch(/^2026-/);
    expect(calls()).toEqual([`${here}/repos/team%24tools`]);
  });

  it("several of one namespace are one list, which spells dates otherwise", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const keys = ["image://web", "image://team/tools", "image://legacy", "image://web"];
    const found = await Promise.all(keys.map((key) => reader.package(packageRef(key))));
    expect(found.map((one) => one?.name ?? null)).toEqual(["web", "team/tools", null, "web"]);
    expect(found[0]).toMatchObject({ visibility: "public", versionCount: 36 });
    expect(found[0]?.createdAt).toMatch(/^2026-/);
    // What the list does not hold may be shared by another account: only its own detail says that it is not there.
    expect(calls()).toEqual([
      `${root}/repos?namespace=pay-core&limit=1000&offset=0&order_column=name&order_type=asc`,
      `${here}/repos/legacy`,
    ]);
  });

  it("of several namespaces do not mix", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const [core, edge] = await Promise.all([
      reader.package(packageRef("image://api")),
      reader.package(packageRef("image://pay-core/api", "pay-edge")),
    ]);
    expect([core?.versionCount, edge?.versionCount]).toEqual([128, 1]);
    expect(calls()).toEqual([`${here}/repos/api`, `${root}/namespaces/pay-edge/repos/pay-core%24api`]);
  });

  it("that are missing beside unreadable rows are asked for by name", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper((reply, { rawPath }) => {
      if (rawPath !== `${root}/repos`) return reply;
      return { ...reply, body: [{ namespace: "pay-core", name: "web" }, { namespace: "pay-core" }] };
    });
    const reader = packages();
    const refs = ["image://web", "image://api", "image://gone"].map((key) => packageRef(key));
    const [web, api, gone] = await Promise.all(refs.map((ref) => reader.package(ref)));
    expect([web?.name, api?.name, gone]).toEqual(["web", "api", null]);
  });

  it("in a very large namespace are asked for by name where that is fewer calls than pages", async () => {
    const { packages, demo, calls } = await openSwr();
    demo.setTamper((reply, { rawPath }) => {
      if (rawPath !== `${root}/repos`) return reply;
      const body = Array.from({ length: 1000 }, (_, index) => ({ namespace: "pay-core", name: `a${index}` }));
      return { body, headers: { "content-range": "0-1000/2600" } };
    });
    const reader = packages();
    const found = await Promise.all(["a7", "web"].map((name) => reader.package(packageRef(`image://${name}`))));
    expect(found.map((one) => one?.name)).toEqual(["a7", "web"]);
    expect(calls()).toEqual([
      `${root}/repos?namespace=pay-core&limit=1000&offset=0&order_column=name&order_type=asc`,
      `${here}/repos/web`,
    ]);
  });

  it("can be called only what a repository can be called", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    expect(reader.keyOf("team/tools", "OCI")).toBe("image://team/tools");
    expect(reader.parseKey("image://team/tools")).toEqual({ name: "team/tools", format: "DOCKER" });
    for (const path of ["", "..", "../x", "a//b", "a$b", "a b", "x".repeat(300)]) {
      expect(reader.keyOf(path, "DOCKER")).toBeNull();
      expect(reader.parseKey(`image://${path}`)).toBeNull();
      expect(await reader.package(packageRef(`image://${path}`))).toBeNull();
    }
    expect(reader.keyOf("x", "MAVEN")).toBeNull();
    expect(calls()).toEqual([]);
  });
});

describe("listing repositories", () => {
  const imagesOnly = { ...everything, format: "DOCKER" } as const;

  it("asks for the page that is wanted, limit and offset together, and knows the total", async () => {
    const { packages, calls } = await openSwr();
    const page = await packages().page(within("pay-core"), imagesOnly, { first: 10, after: null });
    expect(page).toMatchObject({ total: 35, hasNext: true, dropped: [] });
    expect(calls()).toEqual([`${root}/repos?namespace=pay-core&limit=10&offset=0&order_column=name&order_type=asc`]);
  });

  it("takes the total from the rows where the header is missing", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper((reply) => ({ ...reply, headers: {} }));
    const page = await packages().page(within("pay-core"), imagesOnly, { first: 10, after: null });
    expect(page).toMatchObject({ total: 35, hasNext: true });
  });

  it("checks fuzzy filters again and writes the slash of a name as a dollar", async () => {
    const { packages, calls } = await openSwr();
    const names = async (name: string, match: "EXACT" | "PREFIX" | "CONTAINS") =>
      (await packages().page(within("pay-core"), { name, match, format: "OCI" }, all)).rows.map(
        ({ value }) => value.name,
      );
    expect(await names("api", "PREFIX")).toEqual(["api", "api-gateway", "api-mock"]);
    expect(await names("am/t", "CONTAINS")).toEqual(["team/tools"]);
    expect(await names("team/", "PREFIX")).toEqual(["team/base/jre", "team/tools"]);
    expect(await names("Api", "CONTAINS")).toEqual([]);
    expect(calls()[1]).toContain("&name=am%24t&");
    // Upper case is no text that the server's names contain: it is not sent.
    expect(calls()[3]).not.toContain("name=Api");
    expect(await names("api", "EXACT")).toEqual(["api"]);
    expect(await names("ap", "EXACT")).toEqual([]);
    // Whether a list names what its detail does not know costs one call more.
    expect(calls().slice(4)).toEqual([
      `${here}/repos/api`,
      `${here}/repos/ap`,
      `${root}/repos?namespace=pay-core&name=ap&limit=100&offset=0&order_column=name&order_type=asc`,
    ]);
  });

  it("drops one bad row and names it", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper((reply) => {
      const rows: unknown[] = Array.isArray(reply.body) ? [...reply.body] : [];
      rows[1] = { name: "canary", namespace: null };
      return { ...reply, body: rows };
    });
    const page = await packages().page(within("pay-core"), imagesOnly, { first: 4, after: null });
    expect(page.rows.map(({ value }) => value.name)).toEqual(["api", "api-mock", "batch"]);
    expect(page.dropped).toEqual([
      { operation: "swr.listRepositories", index: 1, reason: "namespace: expected string" },
    ]);
  });

  it("does not show what another namespace's rows say", async () => {
    const { packages, demo } = await openSwr();
    demo.setTamper((reply) => ({
      ...reply,
      body: [
        { namespace: "other", name: "x" },
        { namespace: "pay-core", name: "y" },
      ],
    }));
    const page = await packages().page(within("pay-core"), imagesOnly, all);
    expect(page.rows.map(({ value }) => value.name)).toEqual(["y"]);
  });
});

describe("tags as versions", () => {
  it("one is its detail, with a purl by digest and a reference to pull it by", async () => {
    const { packages, calls } = await openSwr();
    const version = present(await packages().version(versionRef("image://api", story.api.tag)));
    expect(version).toMatchObject({
      ref: { package: api, version: story.api.tag, nativeId: null },
      format: "DOCKER",
      size: 3_221_301_482,
      digest: story.api.digest,
      createdAt: story.api.builtAt,
      image: { raw: swrReference(story.api) },
    });
    expect(parsePurl(present(version.purl))).toEqual({
      type: "oci",
      namespace: null,
      name: "api",
      version: story.api.digest,
      qualifiers: { repository_url: `${hosts.swr}/pay-core/api`, tag: story.api.tag },
    });
    expect(calls()).toEqual([`${here}/repos/api/tags/${story.api.tag}`]);
  });

  it("several of one repository are one list, and other repositories are not delayed", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const found = await Promise.all([
      reader.version(versionRef("image://team/tools", "0.0.0")),
      reader.version(versionRef("image://team/tools", "0.5.3")),
      reader.version(versionRef("image://team/tools", "9.9.9")),
      reader.version(versionRef("image://web", story.web.tag)),
      reader.version(versionRef("image://legacy", story.legacy.tag)),
    ]);
    expect(found.map(nameOf)).toEqual(["0.0.0", "0.5.3", null, story.web.tag, null]);
    expect(calls().toSorted()).toEqual([
      `${here}/repos/legacy/tags/${story.legacy.tag}`,
      `${here}/repos/legacy/tags?tag=${story.legacy.tag}&limit=10&offset=0`,
      wholeTagList("team%24tools"),
      `${here}/repos/web/tags/${story.web.tag}`,
    ]);
    // A list that is at hand answers for what is asked later.
    expect(nameOf(await reader.version(versionRef("image://team/tools", "0.2.1")))).toBe("0.2.1");
    expect(calls()).toHaveLength(4);
  });

  it("come by push in both directions; the newest shares the call with the list", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const [latest, newest, oldest] = await Promise.all([
      reader.latest(api),
      reader.versions(api, newestFirst, { first: 20, after: null }),
      reader.versions(api, { ...newestFirst, direction: "ASC" }, { first: 2, after: null }),
    ]);
    expect(latest?.name).toBe(story.api.tag);
    expect(newest).toMatchObject({ total: 128, hasNext: true });
    expect(newest.rows[0]?.value.name).toBe(story.api.tag);
    const pushes = [...newest.rows].map(({ value }) => value.updatedAt);
    expect(pushes).toEqual(pushes.toSorted().toReversed());
    expect(String(oldest.rows[0]?.value.updatedAt) < String(newest.rows[19]?.value.updatedAt)).toBe(true);
    expect(calls().toSorted()).toEqual([
      `${here}/repos/api/tags?limit=2&offset=0&order_column=updated_at&order_type=asc`,
      `${here}/repos/api/tags?limit=20&offset=0&order_column=updated_at&order_type=desc`,
    ]);
  });

  it("a pushed-over tag is the newest again", async () => {
    const { packages, calls } = await openSwr();
    const latest = await packages().latest(packageRef("image://worker"));
    expect(latest).toMatchObject({ name: story.worker.tag, digest: story.worker.now });
    expect(calls()).toEqual([`${here}/repos/worker/tags?limit=10&offset=0&order_column=updated_at&order_type=desc`]);
  });

  it("are filtered by prefix here, because the server's filter is not to be trusted", async () => {
    const { packages, calls } = await openSwr();
    const reader = packages();
    const page = await reader.versions(
      packageRef("image://team/tools"),
      { ...newestFirst, prefix: "0.3." },
      { first: 3, after: null },
    );
    expect(page.rows.map(({ value }) => value.name)).toEqual(["0.3.3", "0.3.2", "0.3.1"]);
    expect(page).toMatchObject({ total: 4, hasNext: true });
    const last = page.rows.at(-1)?.position ?? null;
    const rest = await reader.versions(
      packageRef("image://team/tools"),
      { ...newestFirst, prefix: "0.3." },
      { first: 3, after: last },
    );
    expect(rest.rows.map(({ value }) => value.name)).toEqual(["0.3.0"]);
    expect(calls()).toEqual([wholeTagList("team%24tools")]);
  });

  it("of a repository that is not there are none; a tag that nothing can have is not asked for", async () => {
    const { answering, calls } = await openSwr();
    const { packages: reader } = answering();
    const none = { kind: "ABSENT", proof: "WHOLE_LIST", operation: "swr.listTags" };
    expect(await reader.versions(packageRef("image://legacy"), newestFirst, all)).toEqual(none);
    expect(await reader.latest(packageRef("image://legacy"))).toEqual(none);
    expect(await reader.latest(packageRef("image://empty-shell"))).toEqual(none);
    const before = calls().length;
    expect(await reader.version(versionRef("image://api", "../../x"))).toMatchObject({ proof: "IMPOSSIBLE" });
    expect(await reader.files(versionRef("image://api", story.api.tag), all)).toMatchObject({
      value: { rows: [], total: 0 },
    });
    expect(calls()).toHaveLength(before);
  });

  it("read either spelling of the tag, and old ones without digest or date", async () => {
    const { packages, demo } = await openSwr();
    expect(await packages().latest(packageRef("image://mainframe-bridge"))).toMatchObject({
      name: "1.0",
      digest: null,
      purl: null,
      createdAt: null,
    });
    for (const row of [{ Tag: "x" }, { tag: "x" }, { Tag: null, tag: "x" }]) {
      demo.setTamper(() => ({ body: row }));
      expect(nameOf(await packages().version(versionRef("image://api", "x")))).toBe("x");
    }
    demo.setTamper(() => ({ body: { digest: "sha256:0" } }));
    expect(await failureOf(packages().version(versionRef("image://api", "x")))).toMatchObject({ failure: "MALFORMED" });
    demo.setTamper(() => ({ body: { tag: "another" } }));
    expect(await failureOf(packages().version(versionRef("image://api", "x")))).toMatchObject({ failure: "MALFORMED" });
  });

  it("a tag that is missing beside unreadable rows is unknown, not absent", async () => {
    const { answering, demo } = await openSwr();
    demo.setTamper((reply) => ({
      ...reply,
      body: [{ Tag: "good" }, { Tag: 1 }],
      headers: { "content-range": "0-2/2" },
    }));
    const reader = answering().packages;
    const [good, other] = await Promise.all(
      ["good", "other"].map((tag) => reader.version(versionRef("image://api", tag))),
    );
    const lostRows = { kind: "UNKNOWN", reason: "LOST_ROWS" };
    expect(good).toMatchObject({ value: { name: "good" } });
    expect(other).toMatchObject(lostRows);
    demo.setTamper((reply) => ({ ...reply, body: [{ Tag: 1 }] }));
    expect(await answering().packages.latest(api)).toMatchObject(lostRows);
  });

  it("carry no manifest, no configuration digest and no private address", async () => {
    const { packages, images } = await openSwr();
    const text = JSON.stringify([
      await packages().versions(packageRef("image://web"), newestFirst, all),
      await packages().version(versionRef("image://api", story.api.tag)),
      await images().image(imageOf(`pay-core/api:${story.api.tag}`)),
    ]);
    for (const secret of [
      "manifest",
      story.api.imageId,
      "100.125.0.198",
      "layers",
      credentials.swr.token,
      "0605767a7a",
    ]) {
      expect(text).not.toContain(secret);
    }
  });
});

describe("references", () => {
  it("by tag are the tag's detail", async () => {
    const { images, calls } = await openSwr();
    const reader = images();
    const [one, again] = await Promise.all([
      reader.image(present(parseImageRef(swrReference(story.worker)))),
      reader.image(present(parseImageRef(swrReference(story.worker)))),
    ]);
    // Somebody pushed over the released tag.
    expect(one).toMatchObject({ digest: story.worker.now, kind: "MANIFEST", archived: false, architecture: null });
    expect(one?.pushedAt).toBe("2026-11-03T09:31:00.000Z");
    expect(one?.version).toEqual(versionRef("image://worker", story.worker.tag));
    expect(again).toEqual(one);
    expect(calls()).toHaveLength(1);
  });

  it("to several platforms are an index without a size", async () => {
    const { images, demo } = await openSwr();
    const index = { kind: "INDEX", size: null, digest: story.web.digest };
    expect(await images().image(present(parseImageRef(swrReference(story.web))))).toMatchObject(index);
    // Some regions count the bytes of the list instead.
    demo.setTamper((reply) => ({ ...reply, body: { ...Object(reply.body), size: 1432 } }));
    expect(await images().image(present(parseImageRef(swrReference(story.web))))).toMatchObject(index);
  });

  it("to what was deleted are null, to what cannot be asked an error", async () => {
    const { images, demo } = await openSwr();
    expect(await images().image(present(parseImageRef(swrReference(story.legacy))))).toBeNull();
    expect(await failureOf(images().image(imageOf("pay-vault/x:1")))).toMatchObject({
      failure: "DENIED",
      code: "SVCSTG.SWR.4030170",
    });
    await demo.setFault({ kind: "reset" });
    expect(await failureOf(images().image(imageOf("pay-core/api:1")))).toMatchObject({ failure: "UNAVAILABLE" });
  });

  it("by digest alone are found in the list of tags", async () => {
    const { images, calls } = await openSwr();
    const found = await images().image(imageOf(`pay-core/api@${story.api.digest}`));
    expect(found).toMatchObject({ digest: story.api.digest, image: { tag: story.api.tag } });
    expect(calls()).toEqual([wholeTagList("api")]);
    expect(await images().image(imageOf(`pay-core/api@sha256:${"0".repeat(64)}`))).toBeNull();
  });

  it("by tag and digest: the digest decides, the tag is only where to look first", async () => {
    const { images, calls } = await openSwr();
    const released = await images().image(imageOf(`pay-core/api:${story.api.tag}@${story.api.digest}`));
    expect(released?.digest).toBe(story.api.digest);
    expect(calls()).toHaveLength(1);
    // The released bytes of the worker are under no tag any more.
    expect(await images().image(imageOf(`pay-core/worker:${story.worker.tag}@${story.worker.digest}`))).toBeNull();
    expect(calls().at(-1)).toBe(wholeTagList("worker"));
  });

  it("by a configuration digest find nothing", async () => {
    const { images } = await openSwr();
    expect(await images().image(imageOf(`pay-core/api@sha256:${story.api.imageId}`))).toBeNull();
  });

  it("nested in several levels are one repository; without a tag they mean latest", async () => {
    const { images, calls } = await openSwr();
    expect(await images().image(imageOf("pay-core/team/base/jre:21"))).toMatchObject({
      image: { repository: "pay-core/team/base/jre", tag: "21" },
    });
    expect(await images().image(imageOf("pay-core/api"))).toBeNull();
    // A detail that is not there might be one that the list names.
    expect(calls()).toEqual([
      `${here}/repos/team%24base%24jre/tags/21`,
      `${here}/repos/api/tags/latest`,
      `${here}/repos/api/tags?tag=latest&limit=10&offset=0`,
    ]);
  });

  it.each([
    ["docker.io/pay-core/api:1", { kind: "UNKNOWN", reason: "NOT_SEARCHABLE" }],
    ["pay-core/api:1", { kind: "UNKNOWN", reason: "NOT_SEARCHABLE" }],
    ["other.example.com:5000/pay-core/api", { kind: "UNKNOWN", reason: "NOT_SEARCHABLE" }],
    [`${hosts.swr}/only-one:1`, { kind: "ABSENT", proof: "IMPOSSIBLE" }],
  ])("of other registries, and of no repository, are not asked for: %s", async (text, answer) => {
    const { answering, calls } = await openSwr();
    expect(await answering().images.image(present(parseImageRef(text)))).toMatchObject(answer);
    expect(calls()).toEqual([]);
  });

  it("keep the configured host where the row names a private one", async () => {
    const { images, demo } = await openSwr();
    demo.setTamper(() => ({ body: { tag: "1", path: "10.125.0.198:20202/pay-core/api:1" } }));
    expect(await images().image(imageOf("pay-core/api:1"))).toMatchObject({ image: { registry: hosts.swr } });
  });
});

describe("copies", () => {
  const both = { settings: { namespaces: ["pay-core", "pay-edge"] } };

  it("are looked for in repositories of the same last name, in all namespaces, in two waves", async () => {
    const { images, demo, calls } = await openSwr(both);
    demo.setLatency(40);
    const found = present(await images().copies("api", strong(story.api.digest)));
    expect(found.map(({ image }) => image.raw)).toEqual([
      swrReference(story.api),
      `${hosts.swr}/pay-edge/edge/api:v2.4.0`,
    ]);
    expect(calls()).toHaveLength(5);
    const [lists, tags] = [demo.seen.slice(0, 2), demo.seen.slice(2)];
    expect(lists.every(({ url }) => url.startsWith(`${root}/repos?`) && url.includes("name=api"))).toBe(true);
    expect(tags.map(({ url }) => url.split("/tags")[0]?.split("/namespaces/")[1]).toSorted()).toEqual([
      "pay-core/repos/api",
      "pay-edge/repos/edge%24api",
      "pay-edge/repos/pay-core%24api",
    ]);
    for (const wave of [lists, tags]) {
      const firstEnd = Math.min(...wave.map(({ endedAt }) => endedAt ?? Number.POSITIVE_INFINITY));
      expect(Math.max(...wave.map(({ startedAt }) => startedAt))).toBeLessThan(firstEnd);
    }
  });

  it("of several digests share their calls", async () => {
    const { images, calls } = await openSwr();
    const reader = images();
    await Promise.all([story.api.digest, story.worker.digest].map((digest) => reader.copies("api", strong(digest))));
    expect(calls()).toHaveLength(2);
  });

  it("answer for the tag of the reference itself, where its repository is read for them anyway", async () => {
    const { images, demo, calls } = await openSwr();
    const reader = images();
    const ref = present(parseImageRef(swrReference(story.api)));
    const ask = () => [reader.image(ref), reader.copies("api", strong(story.api.digest), ref)] as const;
    const [held, copies] = await Promise.all(ask());
    expect(held?.digest).toBe(story.api.digest);
    expect(copies?.map(({ image }) => image.raw)).toEqual([swrReference(story.api)]);
    expect(calls().toSorted()).toEqual(
      [
        wholeTagList("api"),
        `${root}/repos?namespace=pay-core&name=api&limit=1000&offset=0&order_column=name&order_type=asc`,
      ].toSorted(),
    );
    // Where the list fails the tag is asked for by itself.
    demo.setTamper((reply, { rawPath }) => (rawPath.endsWith("/tags") ? { status: 500, body: {} } : reply));
    const fresh = images();
    const [alone, failed] = await Promise.allSettled([
      fresh.image(ref),
      fresh.copies("api", strong(story.api.digest), ref),
    ]);
    expect(alone.status === "fulfilled" && alone.value?.digest).toBe(story.api.digest);
    expect(failed.status).toBe("rejected");
  });

  it("are not looked for in a repository of which it is known that the tag is gone", async () => {
    const { images, calls, demo } = await openSwr();
    const reader = images();
    const gone = present(parseImageRef(`${hosts.swr}/pay-core/no-such-repository:1.0`));
    expect(await reader.image(gone)).toBeNull();
    demo.forget();
    expect(await reader.copies("no-such-repository", strong(story.api.digest), gone)).toEqual([]);
    // The list by name, and the namespace, of which nothing was seen.
    expect(calls()).toHaveLength(2);
  });

  it("are looked for in the visible namespaces where none is configured, asked for once", async () => {
    const { images, answering, demo, calls } = await openSwr({ settings: { namespaces: [] } });
    const reader = images();
    reader.expectCopies("api");
    const found = present(await reader.copies("api", strong(story.api.digest)));
    expect(found.map(({ image }) => image.raw)).toEqual([
      swrReference(story.api),
      `${hosts.swr}/pay-edge/edge/api:v2.4.0`,
    ]);
    // The namespaces, the repositories of each of the three, and the tags of three repositories.
    expect(calls()).toHaveLength(1 + 3 + 3);
    const many = Array.from({ length: 21 }, (_, index) => ({ name: `n${index}` }));
    demo.setTamper(() => ({ body: { namespaces: many } }));
    demo.forget();
    const copies = () => answering().images.copies("api", strong(story.api.digest));
    expect(await copies()).toMatchObject({ kind: "UNKNOWN", reason: "NOT_CONFIGURED" });
    expect(calls()).toHaveLength(1);
    demo.setTamper(() => ({ body: { namespaces: [{ name: 5 }] } }));
    expect(await copies()).toMatchObject({ kind: "UNKNOWN", reason: "LOST_ROWS" });
  });

  it("are none where nothing matches", async () => {
    const configured = await openSwr();
    expect(await configured.images().copies("api", strong(story.worker.digest))).toEqual([]);
    expect(await configured.images().copies("empty-shell", strong(story.worker.digest))).toEqual([]);
  });

  it("are not denied by a list that could not be read", async () => {
    const { answering, demo } = await openSwr();
    demo.setTamper((reply, { rawPath }) => (rawPath.endsWith("/tags") ? { ...reply, body: [{ Tag: null }] } : reply));
    expect(await answering().images.copies("api", strong(story.api.digest))).toMatchObject({
      kind: "UNKNOWN",
      reason: "LOST_ROWS",
    });
  });
});

describe("by digest alone", () => {
  it("is possible inside one namespace only, at one call a repository", async () => {
    const { images, answering, calls } = await openSwr();
    const reader = images();
    expect(await answering().images.byDigest(strong(story.web.digest), null)).toMatchObject({
      kind: "UNKNOWN",
      reason: "NOT_SEARCHABLE",
    });
    expect(calls()).toEqual([]);
    const found = present(await reader.byDigest(strong(story.web.digest), "pay-core"));
    expect(found.map(({ image }) => image.raw)).toEqual([swrReference(story.web)]);
    // The list, and every repository that has tags.
    expect(calls()).toHaveLength(1 + 34);
  });

  it("is refused where there are too many repositories", async () => {
    const { answering, demo, calls } = await openSwr();
    const body = Array.from({ length: 51 }, (_, index) => ({ namespace: "pay-core", name: `r${index}` }));
    demo.setTamper(() => ({ body, headers: { "content-range": "0-51/51" } }));
    expect(await answering().images.byDigest(strong(story.web.digest), "pay-core")).toMatchObject({
      kind: "UNKNOWN",
      reason: "UNREAD",
    });
    expect(calls()).toHaveLength(1);
  });
});

describe("the v3 API for tags", () => {
  const newer = { demo: { imageApi: "v3" }, settings: { imageApi: "v3" } } as const;
  const v3 = "/v3/manage/namespaces/pay-core/repos/api/tags";

  it("lists without manifests and walks by marker", async () => {
    const { packages, calls } = await openSwr(newer);
    const reader = packages();
    const [latest, page] = await Promise.all([
      reader.latest(api),
      reader.versions(api, newestFirst, { first: 50, after: null }),
    ]);
    expect(latest?.name).toBe(story.api.tag);
    expect(page).toMatchObject({ hasNext: true, total: null });
    const next = await reader.versions(api, newestFirst, { first: 100, after: page.rows.at(-1)?.position ?? null });
    expect(next.rows).toHaveLength(78);
    expect(next.hasNext).toBe(false);
    expect(calls()[0]).toBe(`${v3}?limit=50&with_manifest=false&order_column=updated_at&order_type=desc`);
    expect(calls()).toHaveLength(3);
  });

  it("answers several tags and digests with its whole list", async () => {
    const { packages, images, calls } = await openSwr(newer);
    const reader = packages();
    const found = await Promise.all(
      [story.api.tag, "gone"].map((tag) => reader.version(versionRef("image://api", tag))),
    );
    expect(found.map(nameOf)).toEqual([story.api.tag, null]);
    expect(calls()).toEqual([`${v3}?limit=1000&with_manifest=false&order_column=tag&order_type=asc`]);
    expect(await images().image(imageOf(`pay-core/api@${story.api.digest}`))).not.toBeNull();
  });

  it("is tried once where it is to be found out, and v2 answers where it is missing", async () => {
    const { packages, calls } = await openSwr({ settings: { imageApi: "auto" } });
    expect(nameOf(await packages().latest(api))).toBe(story.api.tag);
    expect(nameOf(await packages().latest(packageRef("image://worker")))).toBe(story.worker.tag);
    expect(calls().map((url) => url.slice(0, 3))).toEqual(["/v3", "/v2", "/v2"]);
  });

  it("is used where it is found, and its absence is an error where it was configured", async () => {
    const found = await openSwr({ demo: { imageApi: "v3" }, settings: { imageApi: "auto" } });
    await found.packages().latest(api);
    expect(found.calls().map((url) => url.slice(0, 3))).toEqual(["/v3"]);
    const missing = await openSwr({ settings: { imageApi: "v3" } });
    expect(await failureOf(missing.packages().latest(api))).toMatchObject({ failure: "REJECTED", code: "APIGW.0101" });
  });

  it("reads null for no tags, the other spelling of the marker, and a page that points at itself", async () => {
    const { packages, demo } = await openSwr(newer);
    expect(await packages().latest(packageRef("image://empty-shell"))).toBeNull();
    demo.setTamper((_reply, { query }) => ({
      body: { tags: [{ tag: query.get("marker") ?? "first" }], next_marker: query.get("marker") === null ? 7 : "7" },
    }));
    const page = await packages().versions(api, newestFirst, { first: 5, after: null });
    expect(page.rows.map(({ value }) => value.name)).toEqual(["first", "7"]);
    expect(page.hasNext).toBe(false);
    demo.setTamper(() => ({ body: { nope: [] } }));
    expect(await failureOf(packages().latest(api))).toMatchObject({ failure: "MALFORMED" });
  });
});
