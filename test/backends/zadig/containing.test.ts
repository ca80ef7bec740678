import { describe, expect, it } from "vitest";
import { images, release, swrReference } from "../../../demo/story.ts";
import { cliFile, estateReleases } from "../../../demo/zadig-estate.ts";
import type { ArtifactRecord } from "../../../src/model/release.ts";
import { failureOf, type Opened, open, releasesPath, values, walk } from "./opened.ts";

async function record({ readers, server }: Opened, image: string): Promise<ArtifactRecord> {
  const [found] = await readers().artifacts.byImage(image);
  if (!found) throw new Error("no such artifact");
  server.forget();
  return found;
}
const window = { first: 20, after: null };
const older = estateReleases.filter(({ project }) => project === "pay")[30];

describe("releases that contain an artifact", () => {
  it("are found in the project of its build, one call for eighty releases where lists carry parts", async () => {
    const opened = await open("r1");
    const api = await record(opened, swrReference(images.api));
    const page = await opened.readers().releases.containing(api, window);
    expect(values(page).map(({ version }) => version)).toEqual([release.version]);
    expect(values(page)[0]?.parts?.images.length).toBeGreaterThan(0);
    expect(page.hasNext).toBe(false);
    expect(opened.server.seen.map(({ url }) => url)).toEqual([
      `${releasesPath}?projectName=pay&productName=pay&verbosity=detailed&per_page=80&perPage=80&page=1&ifPassFilter=true`,
    ]);
  });

  it("are looked for only as far back as the artifact is old", async () => {
    const opened = await open("r2");
    const image = older?.services[0]?.built ?? "";
    const found = await record(opened, image);
    const page = await opened.readers().releases.containing(found, window);
    expect(values(page).map(({ version }) => version)).toEqual([older?.version]);
    // Thirty newer releases, the one itself, none of the eighteen behind it.
    expect(opened.paths().filter((path) => path !== releasesPath)).toHaveLength(31);
  });

  it("match by digest, and by the same path and tag in another registry", async () => {
    const opened = await open("r1");
    const legacy = await record(opened, swrReference(images.legacy));
    const byDigest = await opened.readers().releases.containing({ ...legacy, image: null }, window);
    expect(values(byDigest).map(({ version }) => version)).toEqual([release.version]);
    const { image } = legacy;
    const mirrored = image && { ...image, registry: "mirror.example.com", raw: "mirror.example.com/x" };
    const elsewhere = await opened.readers().releases.containing({ ...legacy, image: mirrored, digest: null }, window);
    expect(values(elsewhere).map(({ version }) => version)).toContain(release.version);
    const other = image && { ...image, tag: "another" };
    const none = await opened.readers().releases.containing({ ...legacy, image: other, digest: null }, window);
    expect(values(none)).toEqual([]);
  });

  it("match files by name", async () => {
    const opened = await open("r1");
    const page = await opened
      .readers()
      .artifacts.page(
        { image: null, name: null, imageTag: null, type: "FILE", repository: null, branch: null },
        { first: 1, after: null },
      );
    const [file] = values(page);
    expect(file?.file).toBe(cliFile);
    const found = file && (await opened.readers().releases.containing(file, window));
    expect(found && values(found).map(({ version }) => version)).toEqual([release.version]);
  });

  it("page on through many", async () => {
    const opened = await open("r1");
    const legacy = await record(opened, swrReference(images.legacy));
    opened.server.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body)
        ? reply.body.map((row) => ({
            ...row,
            deployInfo: [{ serviceName: "legacy", image: swrReference(images.legacy), yamlContents: [] }],
          }))
        : reply.body,
    }));
    const { releases } = opened.readers();
    const all = await walk((request) => releases.containing(legacy, request), 10);
    expect(all.map(({ version }) => version)).toEqual(
      estateReleases.filter(({ project }) => project === "pay").map(({ version }) => version),
    );
  });

  it("are unread, not absent, when nothing was found as far as we look", async () => {
    const opened = await open("r2", { generation: "r2" });
    const legacy = await record(opened, swrReference(images.legacy));
    opened.server.setTamper((reply, { rawPath }) => {
      if (rawPath !== releasesPath) return { ...reply, body: { ...Object(reply.body), services: [] } };
      const [row] = Array.isArray(reply.body) ? reply.body : [];
      const copies = Array.from({ length: 100 }, (_, index) => ({ ...row, id: String(index).padStart(24, "c") }));
      return { headers: { "X-Total": "5000" }, body: copies };
    });
    opened.server.forget();
    expect(await opened.answering().releases.containing(legacy, window)).toMatchObject({
      kind: "UNKNOWN",
      reason: "UNREAD",
    });
    expect(opened.server.seen.length).toBeLessThanOrEqual(101);
  });

  it("are looked for in all projects when the build does not name one", async () => {
    const opened = await open("r1");
    const api = await record(opened, swrReference(images.api));
    const page = await opened.readers().releases.containing({ ...api, activities: [] }, window);
    expect(values(page).map(({ version }) => version)).toEqual([release.version]);
    expect(opened.server.seen[0]?.url).not.toContain("projectName");
    const openApi = await open("o2", { generation: "o2" });
    expect((await failureOf(openApi.readers().releases.containing({ ...api, activities: [] }, window))).failure).toBe(
      "REJECTED",
    );
  });
});
