import { describe, expect, it, onTestFinished } from "vitest";
import { commits, images, swrReference } from "../../../demo/story.ts";
import { cliFile, estateArtifacts, rebuilt } from "../../../demo/zadig-estate.ts";
import { picketArtifact } from "../../../demo/zadig-seeds.ts";
import type { ArtifactQuery } from "../../../src/backends/backend.ts";
import { type Decoding, decodings } from "../../../src/backends/loading/decode.ts";
import { foundIn } from "../../support/answers.ts";
import { artifactsPath, changeRow, open, query, values, walk } from "./opened.ts";

const filter = (given: Partial<ArtifactQuery> = {}): ArtifactQuery => ({
  image: null,
  name: null,
  imageTag: null,
  type: null,
  repository: null,
  branch: null,
  ...given,
});
const listed = estateArtifacts.filter(({ type, multiArch }) => type === "file" || !multiArch);
const older = estateArtifacts.filter(({ image, type }) => type === "image" && image !== rebuilt.image);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const nameAndTag = (image: string): [string, string] => {
  const [name = "", tag = ""] = image.slice(image.lastIndexOf("/") + 1).split(":");
  return [name, tag];
};
const ref = (image: string) => ({ backend: "zadig", zadigId: null, image });

describe("artifacts by image", () => {
  it("are found where Zadig stored them with a scheme, at no call more", async () => {
    const { server, readers } = await open("r1");
    const [schemed, plain] = [older[3]?.image ?? "", older[4]?.image ?? ""];
    const reader = readers().artifacts;
    server.setTamper((reply, { query: asked }) => {
      const rows = listOf(reply.body).map((row) => ({ ...Object(row), image: `https://${schemed}` }));
      // The row is stored so: it comes only when the pattern that was asked with lets it.
      return { ...reply, body: rows.filter((row) => new RegExp(asked.get("image") ?? "").test(row.image)).slice(0, 1) };
    });
    const [[found], [same], [ending]] = await Promise.all([
      reader.byImage(schemed),
      reader.byImage(`https://${schemed}`),
      reader.byNameAndTag(...nameAndTag(schemed)),
    ]);
    expect(found?.image?.raw).toBe(schemed);
    expect(same).toBe(found);
    expect(ending?.image?.raw).toBe(schemed);
    expect(server.seen).toHaveLength(1);
    expect(new RegExp(query(server, 0).get("image") ?? "").test(plain)).toBe(false);
  });

  it("are one call for a whole batch, each reference asked once", async () => {
    const { server, readers } = await open("r1");
    const { artifacts } = readers();
    const asked = older.slice(5, 45).map(({ image }) => image);
    const found = await Promise.all([...asked, ...asked].map((image) => artifacts.byImage(image)));
    expect(server.seen).toHaveLength(1);
    expect(found.map(([record]) => record?.image?.raw)).toEqual([...asked, ...asked]);
    const pattern = query(server, 0).get("image") ?? "";
    expect(asked.every((image) => new RegExp(pattern).test(image))).toBe(true);
    expect(pattern.startsWith("^(?:") && pattern.endsWith(")$")).toBe(true);
  });

  it("never make a request line longer than proxies bear", async () => {
    const { server, readers } = await open("r1");
    const { artifacts } = readers();
    const asked = older.slice(0, 200).map(({ image }) => image);
    const found = await Promise.all(asked.map((image) => artifacts.byImage(image)));
    expect(found.map(([record]) => record?.image?.raw)).toEqual(asked);
    const lists = server.seen.filter(({ url }) => url.startsWith(`${artifactsPath}?`));
    expect(lists.length).toBeGreaterThan(1);
    expect(Math.max(...server.seen.map(({ url }) => url.length))).toBeLessThan(6500);
  });

  it("are matched by their text, not by their place", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply) => ({ ...reply, body: Array.isArray(reply.body) ? reply.body.toReversed() : reply.body }));
    const { artifacts } = readers();
    const asked = [rebuilt.image, ...older.slice(20, 24).map(({ image }) => image)];
    const found = await Promise.all(asked.map((image) => artifacts.byImage(image)));
    expect(found.map(([record]) => record?.image?.raw)).toEqual(asked);
    // Newest first even when the backend's order is not to be trusted.
    expect(found[0]?.map(({ digest }) => digest)).toEqual([rebuilt.second, rebuilt.first]);
  });

  it("quote what a regular expression would read into a reference", async () => {
    const { server, readers } = await open("r1");
    const { artifacts } = readers();
    const lookalike = (older[9]?.image ?? "").replace("swr.cn", "swrxcn");
    const found = await Promise.all(["a+b(c)[d]|.*", ".*", lookalike].map((image) => artifacts.byImage(image)));
    expect(found).toEqual([[], [], []]);
    expect(query(server, 0).get("image")).toContain("a\\+b\\(c\\)\\[d\\]\\|\\.\\*");
  });

  it("that the list hides are found by their exact text, at two calls more", async () => {
    const { readers, paths } = await open("r1");
    const [web] = await readers().artifacts.byImage(swrReference(images.web));
    expect(web).toMatchObject({ name: "web", digest: null, size: null, image: { tag: images.web.tag } });
    expect(paths()).toEqual([artifactsPath, `${artifactsPath}/image`, `${artifactsPath}/${web?.ref.zadigId}`]);
  });

  it("that do not exist cost one call more: the keyed read proves what the list cannot, which hides images", async () => {
    const { server, answering } = await open("r1");
    const none = { kind: "ABSENT", proof: "KEYED_READ", operation: "zadig.findArtifact" };
    expect(await answering().artifacts.byImage("registry.example.com/no/such:1")).toEqual(none);
    expect(server.seen).toHaveLength(2);
    expect(await answering().artifacts.byImage("nginx:1.27")).toEqual(none);
    expect(server.seen).toHaveLength(4);
  });

  it("that are missing beside an unreadable row may be that row, the others stand", async () => {
    const { server, readers, answering } = await open("r1");
    const [good, bad] = [older[3]?.image ?? "", older[4]?.image ?? ""];
    server.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body)
        ? reply.body.map((row) => (row.image === bad ? { ...row, image: 5 } : row))
        : reply.body,
    }));
    expect(await readers().artifacts.byImage(good)).toHaveLength(1);
    server.forget();
    server.setTamper((reply, { rawPath }) => {
      if (rawPath !== artifactsPath) return { status: 400, body: { code: 6662, message: "x" } };
      const rows = listOf(reply.body).map((row) => ({ ...Object(row), image: 5 }));
      return { ...reply, body: rows };
    });
    expect(await answering().artifacts.byImage(bad)).toMatchObject({ kind: "UNKNOWN", reason: "LOST_ROWS" });
    expect(server.seen).toHaveLength(2);
  });

  it("keep extra rows of the answer out", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body) ? [picketArtifact, ...reply.body, ...reply.body] : reply.body,
    }));
    const found = await readers().artifacts.byImage(rebuilt.image);
    expect(found.map(({ digest }) => digest)).toEqual([rebuilt.second, rebuilt.first]);
  });

  it("read on where one page does not hold them all", async () => {
    const { server, readers } = await open("r1");
    const [template] = await rows(server.url, older[3]?.image ?? "");
    const many = Array.from({ length: 250 }, (_, index) => ({
      ...Object(template),
      id: String(index + 1).padStart(24, "a"),
      created_time: 1_700_000_000 - index,
    }));
    server.forget();
    server.setTamper((_reply, request) => {
      const page = Number(request.query.get("page"));
      const size = Number(request.query.get("per_page"));
      return { headers: { "X-Total": "250" }, body: many.slice((page - 1) * size, page * size) };
    });
    const found = await readers().artifacts.byImage(older[3]?.image ?? "");
    expect(found).toHaveLength(250);
    expect(server.seen).toHaveLength(3);
  });
});

describe("the directory facade", () => {
  it("answers without an id, so the image is the key; the calls are one an image", async () => {
    const { readers, paths } = await open("r1", { surface: "directory" });
    const image = swrReference(images.api);
    const [record] = await readers().artifacts.byImage(image);
    expect(record?.ref).toEqual(ref(image));
    expect(record?.digest).toBe(images.api.digest);
    expect(paths()).toEqual(["/api/directory/dc/artifact"]);
  });

  it("says 500 for an unknown image, so the list decides", async () => {
    const { readers, paths } = await open("r1", { surface: "directory" });
    expect(await readers().artifacts.byImage("nginx:1.27")).toEqual([]);
    expect(paths()).toEqual(["/api/directory/dc/artifact", artifactsPath, `${artifactsPath}/image`]);
  });

  it("is asked once and never again where it does not exist", async () => {
    const { readers, paths } = await open("r1-1.6", {
      surface: "directory",
      credentials: { apiKey: "demo-zadig-token" },
    });
    expect(await readers().artifacts.byImage(swrReference(images.api))).toHaveLength(1);
    expect(await readers().artifacts.byImage(swrReference(images.worker))).toHaveLength(1);
    expect(paths()).toEqual(["/api/directory/dc/artifact", artifactsPath, artifactsPath]);
  });
});

describe("one artifact", () => {
  it("is read by id or exact image, as Zadig's documents print it", async () => {
    const { readers, backend } = await open("r1");
    const { artifacts } = readers();
    const { id, image } = picketArtifact;
    const [byId, byImage] = await Promise.all([
      artifacts.artifact({ backend: "zadig", zadigId: id, image: null }),
      artifacts.artifact(ref(image)),
    ]);
    expect({ ...byId, origin: null }).toEqual({ ...byImage, origin: null });
    expect(byId).toMatchObject({
      ref: { backend: backend.name, zadigId: id, image: null },
      name: "picket",
      type: "IMAGE",
      digest: picketArtifact.image_digest,
      size: 22578466,
      architecture: "amd64",
      os: "linux",
      createdBy: "user1",
      createdAt: "2021-12-14T07:46:02.000Z",
    });
    expect(byId?.activities).toEqual([
      {
        type: "build",
        url: expect.stringMatching(
          /^http:\/\/127\.0\.0\.1:\d+\/v1\/projects\/detail\/zadig\/pipelines\/multi\/dev2\/70$/,
        ),
        project: "zadig",
        workflow: "dev2",
        taskId: 70,
        commits: [
          {
            sha: "4b15c43b012e7a4a901fdcfe33736ad1c3b53f48",
            branch: "main",
            tag: null,
            repository: "koderover/zadig",
            hostUrl: "https://github.com",
            webUrl: "https://github.com/koderover/zadig/commit/4b15c43b012e7a4a901fdcfe33736ad1c3b53f48",
            pullRequests: [736],
            message: "test",
            authorName: "user1",
            isPrimary: false,
          },
        ],
        issues: [],
        environment: null,
        namespace: null,
        createdBy: "user1",
        startedAt: "2021-12-14T07:44:50.000Z",
        finishedAt: "2021-12-14T07:45:44.000Z",
        createdAt: "2021-12-14T07:46:04.000Z",
      },
    ]);
  });

  it("is null for an unknown id, and without a call for what can be no id", async () => {
    const { server, readers } = await open("r1");
    const { artifacts } = readers();
    const byId = (zadigId: string) => artifacts.artifact({ backend: "zadig", zadigId, image: null });
    expect(await byId("e".repeat(24))).toBeNull();
    expect(server.seen).toHaveLength(1);
    expect(await byId("image")).toBeNull();
    expect(await byId("0".repeat(24))).toBeNull();
    expect(server.seen).toHaveLength(1);
  });

  it("of a file has a file name and no image", async () => {
    const { readers } = await open("r1");
    const page = await readers().artifacts.page(filter({ type: "FILE" }), { first: 5, after: null });
    expect(values(page)).toMatchObject([{ type: "FILE", file: cliFile, image: null, digest: null, size: null }]);
  });

  it("tells of runs posted by others without the login and the token in their address", async () => {
    const { readers } = await open("r1");
    const [api] = await readers().artifacts.byImage(swrReference(images.api));
    expect(api?.activities?.[0]).toMatchObject({
      type: "publish",
      url: "https://deploy.acme.example/jobs/8812",
      project: null,
      workflow: null,
      taskId: null,
    });
  });
});

describe("a page of artifacts", () => {
  it("walks all of them once, with the total that the server tells", async () => {
    const { readers } = await open("r1");
    const { artifacts } = readers();
    const all = await walk((request) => artifacts.page(filter(), request), 30);
    expect(all).toHaveLength(listed.length + 2);
    expect(new Set(all.map(({ ref: { zadigId } }) => zadigId)).size).toBe(all.length);
    expect((await artifacts.page(filter(), { first: 1, after: null })).total).toBe(all.length);
  });

  it("takes filters as text, never as expressions", async () => {
    const { server, readers } = await open("r1");
    const { artifacts } = readers();
    const page = await artifacts.page(filter({ name: "api", type: "IMAGE" }), { first: 3, after: null });
    expect(values(page).map(({ name }) => name)).toEqual(["api", "api", "api"]);
    const part = await artifacts.page(filter({ image: "pay-core/api" }), { first: 3, after: null });
    expect(values(part)).toEqual([]);
    server.forget();
    const none = await artifacts.page(filter({ image: "pay.core", name: "(a|w).*" }), { first: 3, after: null });
    expect(values(none)).toEqual([]);
    expect([query(server, 0).get("image"), query(server, 0).get("name")]).toEqual([
      "^(?:https?://)?(?:pay\\.core)$",
      "^\\(a\\|w\\)\\.\\*$",
    ]);
    const tagged = await artifacts.page(filter({ imageTag: images.worker.tag }), { first: 3, after: null });
    expect(values(tagged).map(({ name }) => name)).toEqual(["worker"]);
  });

  it("applies every other filter itself where Zadig forgets them, and drops repeated artifacts", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body) ? reply.body.flatMap((row) => [row, row]) : reply.body,
    }));
    const page = await readers().artifacts.page(filter({ repository: "pay/api", branch: "main", type: "IMAGE" }), {
      first: 10,
      after: null,
    });
    const all = values(page);
    expect(new Set(all.map(({ ref: { zadigId } }) => zadigId)).size).toBe(10);
    expect(all.every(({ name, type }) => name === "api" && type === "IMAGE")).toBe(true);
    expect(page).toMatchObject({ total: null, hasNext: true });
    expect(Object.fromEntries(query(server, 0))).toMatchObject({ repoName: "api", branch: "main" });
    const foreign = await readers().artifacts.page(filter({ repository: "shop/api" }), { first: 10, after: null });
    expect(values(foreign)).toEqual([]);
  });

  it("loses one bad row, not the page", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply) => ({
      ...reply,
      body: changeRow(reply.body, 0, (row) => ({ ...row, type: null })),
    }));
    const page = await readers().artifacts.page(filter(), { first: 5, after: null });
    expect(values(page)).toHaveLength(4);
    expect(page.dropped).toEqual([{ operation: "zadig.listArtifacts", index: 0, reason: "type: expected string" }]);
  });

  it("loses one bad activity or commit, not the artifact, and counts it", async () => {
    const { server, readers } = await open("r1");
    const asked = older[3]?.image ?? "";
    const [whole] = await readers().artifacts.byImage(asked);
    const heard: Decoding[] = [];
    onTestFinished(decodings.subscribe((reading) => void heard.push(reading)));
    server.setTamper((reply) => ({
      ...reply,
      body: changeRow(reply.body, 0, (row) => ({
        ...row,
        activities: [{ type: 7 }, ...listOf(row["activities"]), { type: "build", commits: [{ repo_name: 1 }] }],
      })),
    }));
    const [found] = await readers().artifacts.byImage(asked);
    expect(found?.activities).toHaveLength((whole?.activities?.length ?? 0) + 1);
    expect(found?.activities?.slice(0, -1)).toEqual(whole?.activities);
    expect(found?.activities?.at(-1)).toMatchObject({ type: "build", commits: [] });
    expect(heard).toMatchObject([{ operation: "zadig.listArtifacts", dropped: 2 }]);
    server.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body) ? reply.body : { ...Object(reply.body), activities: [5] },
    }));
    const byId = await readers().artifacts.artifact({ ...ref(""), zadigId: found?.ref.zadigId ?? "" });
    expect(byId).toMatchObject({ name: found?.name, activities: [] });
  });

  it("does not say that nothing was done with an artifact whose activities are no list", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply) => ({
      ...reply,
      body: changeRow(reply.body, 0, (row) => ({ ...row, activities: "none" })),
    }));
    const page = await readers().artifacts.page(filter(), { first: 5, after: null });
    expect(values(page)[0]?.activities).toBeNull();
  });
});

describe("artifacts by name and tag, and by commit", () => {
  it("finds every spelling of an image in one call for many", async () => {
    const { server, answering } = await open("r1");
    const { artifacts } = answering();
    const [worker, legacy, none] = await Promise.all([
      artifacts.byNameAndTag("worker", images.worker.tag),
      artifacts.byNameAndTag("legacy", images.legacy.tag),
      artifacts.byNameAndTag("orker", images.worker.tag),
    ]);
    expect(foundIn(worker).map(({ image }) => image?.raw)).toEqual([swrReference(images.worker)]);
    expect(foundIn(legacy)).toHaveLength(1);
    // The list hides multi-arch images, and nothing else is asked for by the end of a reference.
    expect(none).toMatchObject({ kind: "UNKNOWN", reason: "NARROW_SEARCH" });
    expect(server.seen).toHaveLength(1);
  });

  it("shares the call with look-ups by whole image, which also find what lists hide", async () => {
    const { answering, paths } = await open("r1");
    const { artifacts } = answering();
    const [byEnding, shown, hidden] = await Promise.all([
      artifacts.byNameAndTag("web", images.web.tag),
      artifacts.byImage(swrReference(images.api)),
      artifacts.byImage(swrReference(images.web)),
    ]);
    const whole = foundIn(hidden);
    expect([byEnding.kind, whole.length, foundIn(shown).length]).toEqual(["UNKNOWN", 1, 1]);
    expect(paths()).toEqual([artifactsPath, `${artifactsPath}/image`, `${artifactsPath}/${whole[0]?.ref.zadigId}`]);
  });

  it("finds what was built from a revision, images that lists hide included, asked once", async () => {
    const { server, readers } = await open("r1");
    const { artifacts } = readers();
    const { sha, branch } = commits.web;
    const [found] = await Promise.all([
      artifacts.byCommit("pay/web", branch, sha),
      artifacts.byCommit("pay/web", branch, sha),
    ]);
    expect(found?.map(({ image }) => image?.raw)).toEqual([swrReference(images.web)]);
    expect(server.seen).toHaveLength(1);
    expect(await artifacts.byCommit("shop/web", branch, sha)).toEqual([]);
    expect(await artifacts.byCommit("pay/web", null, "0".repeat(40))).toEqual([]);
  });
});

async function rows(url: string, image: string): Promise<unknown[]> {
  const response = await fetch(`${url}${artifactsPath}?image=${encodeURIComponent(image)}`, {
    headers: { authorization: "Bearer demo-zadig-token" },
  });
  const body: unknown = await response.json();
  return Array.isArray(body) ? body : [];
}
