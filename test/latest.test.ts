import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { found, mapAnswer, unknown } from "../src/backends/answers.ts";
import { latestBySemver } from "../src/graph/artifact/package-links.ts";
import type { Origin, Page } from "../src/model/backend.ts";
import type { Version } from "../src/model/package.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";
import { bareVersion } from "./support/records.ts";

const ref = { backend: "gitlab", repository: "pay/api", key: "npm/x" };
const origin: Origin = { backend: "gitlab", fetchedAt: "2026-11-20T08:00:00.000Z", stale: false, traceId: null };

/** A package with these versions, newest first, told a hundred at a time. */
function packageOf(names: readonly string[]) {
  const version = (name: string): Version =>
    bareVersion({ ref: { package: ref, version: name, nativeId: null }, origin, name });
  return {
    versions: async (_ref: unknown, _query: unknown, { after }: { after: readonly (string | number)[] | null }) => {
      const at = Number(after?.[0] ?? 0);
      const rows = names
        .slice(at, at + 100)
        .map((name, index) => ({ value: version(name), position: [at + index + 1] }));
      const page: Page<Version> = { rows, hasNext: at + 100 < names.length, total: null, origin, dropped: [] };
      return found(page);
    },
  };
}

async function highest(names: readonly string[]) {
  const { version, gap } = await latestBySemver(packageOf(names), ref);
  return [version?.name ?? null, gap === null];
}

describe("the latest version by SemVer", () => {
  it("compares numbers as numbers, takes no heed of order, and releases before pre-releases", async () => {
    expect(await highest(["1.9.0", "1.10.0", "1.2.0"])).toEqual(["1.10.0", true]);
    expect(await highest(["2.0.0-rc.1", "1.9.0", "v1.8.0"])).toEqual(["1.9.0", true]);
    expect(await highest(["2.0.0-rc.2", "2.0.0-rc.10", "2.0.0-beta"])).toEqual(["2.0.0-rc.10", true]);
    expect(await highest(["latest", "20261102091500-117-main", "1.2"])).toEqual([null, true]);
    expect(await highest([])).toEqual([null, true]);
  });

  it("passes over signatures, attestations and SBOMs that stand among the tags of an image", async () => {
    const digest = `sha256-${"a".repeat(64)}`;
    expect(await highest([`${digest}.sig`, `${digest}.att`, `${digest}.sbom`, digest, "1.4.0"])).toEqual([
      "1.4.0",
      true,
    ]);
  });

  it("is not known where a version could not be read, or the list broke off", async () => {
    const { versions } = packageOf(["1.0.0"]);
    const lost = { operation: "gitlab.listPackages", index: 1, reason: "version is not text" };
    const spoilt = async (...given: Parameters<typeof versions>) =>
      mapAnswer(await versions(...given), (page) => ({ ...page, dropped: [lost] }));
    expect(await latestBySemver({ versions: spoilt }, ref)).toMatchObject({
      gap: unknown("LOST_ROWS"),
      dropped: [lost],
    });
    const broken = async () => unknown("NARROW_SEARCH");
    expect(await latestBySemver({ versions: broken }, ref)).toMatchObject({
      gap: unknown("NARROW_SEARCH"),
      version: null,
    });
  });

  it("looks through more than one page, and says when there are more than it looks through", async () => {
    const names = (count: number) => Array.from({ length: count }, (_, index) => `1.0.${index}`);
    expect(await highest(["0.9.0", ...names(400)])).toEqual(["1.0.399", true]);
    expect(await highest(names(1000))).toEqual(["1.0.999", true]);
    expect(await highest(names(1001))).toEqual(["1.0.999", false]);
  });
});

describe("latestVersion(by:)", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    gateway = await startDemoGateway();
  });
  afterAll(() => gateway.stop());

  it("tells the one published last from the highest", async () => {
    const { body } = await gateway.ask(`{
      package(ref: { backend: "gitlab", repository: "pay/api", name: "Acme.Pay.Client", format: NUGET }) {
        published: latestVersion { name } highest: latestVersion(by: SEMVER) { name }
      }
    }`);
    expect(body.errors).toBeUndefined();
    expect(body.data?.["package"]).toEqual({ published: { name: "2.3.0" }, highest: { name: "2.4.0" } });
  });
});
