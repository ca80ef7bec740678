import { describe, expect, it } from "vitest";
import { commits, images, release, swrReference } from "../../../demo/story.ts";
import { estateReleases, rebuilt } from "../../../demo/zadig-estate.ts";
import type { ReleaseReader } from "../../../src/backends/backend.ts";
import type { Release } from "../../../src/model/release.ts";
import type { Plain } from "../../support/plain.ts";
import { artifactsPath, failureOf, filter, open, releasesPath, values } from "./opened.ts";

async function find(releases: Plain<ReleaseReader>, project: string, version: string): Promise<Release> {
  const page = await releases.page(filter({ project }), { first: 100, after: null }, false);
  const row = values(page).find((one) => one.version === version);
  const full = row && (await releases.release(row.ref));
  if (!full) throw new Error("no such release");
  return full;
}

describe("builds of a release", () => {
  it("are those that it embeds, without a call", async () => {
    const { server, readers } = await open("r1");
    const { releases } = readers();
    const found = await find(releases, "pay", release.version);
    server.forget();
    expect(await releases.builds(found)).toBe(found.parts?.builds);
    expect(server.seen).toHaveLength(0);
  });

  it("are loaded with the parts when the list was brief", async () => {
    const { readers, paths } = await open("r1");
    const { releases } = readers();
    const [head] = values(await releases.page(filter({ project: "pay" }), { first: 1, after: null }, false));
    expect(head && (await releases.builds(head))).toHaveLength(3);
    expect(paths()).toEqual([releasesPath, `${releasesPath}/${release.id}`]);
  });

  it("come from the artifacts of all images in one call where Zadig lists no builds", async () => {
    const { server, readers, paths } = await open("r2");
    const { releases } = readers();
    const found = await find(releases, "pay", "v2.3.9");
    server.forget();
    const builds = await releases.builds(found);
    expect(builds?.map(({ service, workflow, taskId }) => [service, workflow, taskId])).toEqual([
      ["api", "pay-release", 116],
      ["web", "pay-release", 116],
      ["worker", "pay-release", 116],
    ]);
    expect(builds?.every(({ built, commits }) => built.digest !== null && commits.length === 1)).toBe(true);
    expect(paths()).toEqual([artifactsPath]);
  });

  it("of several releases are still one call", async () => {
    const { server, readers } = await open("r1");
    const { releases } = readers();
    const page = await releases.page(filter({ project: "storefront" }), { first: 20, after: null }, true);
    server.forget();
    const all = await Promise.all(values(page).map((one) => releases.builds(one)));
    expect(all.map((builds) => builds?.length)).toEqual(values(page).map(() => 1));
    expect(server.seen).toHaveLength(1);
  });

  it("are those of the build before the release when the tag was built again", async () => {
    const { readers } = await open("r2");
    const { releases } = readers();
    const version = estateReleases.find(({ services }) => services[0]?.built === rebuilt.image)?.version ?? "";
    const builds = await releases.builds(await find(releases, "pay", version));
    expect(builds?.find(({ service }) => service === "api")?.built.digest).toBe(rebuilt.first);
  });

  it("is unknown while the artifacts do not answer: that is a failure, not an empty list", async () => {
    const { server, readers } = await open("r2");
    const { releases } = readers();
    const found = await find(releases, "pay", release.version);
    await server.setFault({ kind: "status", status: 503 });
    expect(await failureOf(releases.builds(found))).toMatchObject({ failure: "UNAVAILABLE" });
  });
});

describe("one build", () => {
  it("is found again by its ref, embedded or assembled", async () => {
    for (const generation of ["r1", "r2"] as const) {
      const { readers } = await open(generation);
      const { releases } = readers();
      const builds = (await releases.builds(await find(releases, "pay", release.version))) ?? [];
      for (const build of builds) {
        const again = await readers().releases.build(build.ref);
        expect({ ...again, origin: null }).toEqual({ ...build, origin: null });
      }
      expect(builds.length).toBeGreaterThan(2);
    }
  });

  it("is null when its release, its artifact or itself is gone", async () => {
    const { readers } = await open("r1");
    const { releases } = readers();
    const inRelease = (zadigId: string, buildId: string) =>
      releases.build({
        backend: "zadig",
        release: { backend: "zadig", project: "pay", zadigId, version: null },
        buildId,
      });
    const ofArtifact = (zadigId: string) =>
      releases.build({ backend: "zadig", artifact: { backend: "zadig", zadigId, image: null }, activity: "none" });
    expect(await inRelease("f".repeat(24), "a")).toBeNull();
    expect(await inRelease(release.id, "a")).toBeNull();
    expect(await ofArtifact("f".repeat(24))).toBeNull();
    const [known] = await readers().artifacts.byImage(swrReference(images.api));
    expect(await ofArtifact(known?.ref.zadigId ?? "")).toBeNull();
  });

  it("of an artifact tells run and commits, and each activity has its own ref", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body)
        ? reply.body.map((row) => ({ ...row, activities: row.activities.flatMap((one: unknown) => [one, one]) }))
        : reply.body,
    }));
    const { artifacts } = readers();
    const [record] = await artifacts.byImage(swrReference(images.api));
    const builds = record ? artifacts.buildsOf(record) : [];
    expect(builds).toHaveLength(2);
    expect(new Set(builds.map(({ ref }) => JSON.stringify(ref))).size).toBe(2);
    expect(builds[0]).toMatchObject({
      service: "api",
      taskId: 117,
      commits: [{ sha: commits.api.sha }],
      built: { digest: images.api.digest },
    });
  });
});
