import { describe, expect, it } from "vitest";
import { bkrepoReference, commits, images, release, swrReference } from "../../../demo/story.ts";
import { cliFile } from "../../../demo/zadig-estate.ts";
import { sampleRelease, testRelease } from "../../../demo/zadig-seeds.ts";
import type { Release } from "../../../src/model/release.ts";
import { changeRow, filter, type Opened, open, values } from "./opened.ts";

async function detailed({ readers }: Opened, project: string, version: string): Promise<Release> {
  const { releases } = readers();
  const page = await releases.page(filter({ project }), { first: 100, after: null }, false);
  const row = values(page).find((one) => one.version === version);
  const full = row && (await releases.release(row.ref));
  if (!full) throw new Error("no such release");
  return full;
}

describe("a release that a workflow made (R1)", () => {
  it("tells its builds, with what Zadig remembered of one image and nothing invented for the others", async () => {
    const { parts } = await detailed(await open("r1"), "pay", release.version);
    const [api, web] = parts?.builds ?? [];
    expect(api).toMatchObject({
      service: "api",
      image: { raw: swrReference(images.api), tag: images.api.tag },
      built: { digest: images.api.digest, size: images.api.size, architecture: "amd64", os: "linux" },
      workflow: "pay-release",
      taskId: 117,
      issues: [{ key: "PAY-1482", url: "https://jira.acme.example/browse/PAY-1482" }],
      finishedAt: images.api.builtAt,
    });
    // Go prints the creation time with the zone's name: three seconds before the end, told in +0800.
    expect(api?.built.createdAt).toBe("2026-11-02T09:19:28.000Z");
    expect(web?.built).toEqual({ digest: null, size: null, architecture: null, os: null, createdAt: null });
  });

  it("tells commits by allow-list, with their page and without the login in the host's address", async () => {
    const { parts } = await detailed(await open("r1"), "pay", release.version);
    const [api, , worker] = parts?.builds ?? [];
    expect(api?.commits).toEqual([
      {
        sha: commits.api.sha,
        branch: "main",
        tag: null,
        repository: "pay/api",
        hostUrl: "https://gitlab.example.com",
        webUrl: `https://gitlab.example.com/pay/api/-/commit/${commits.api.sha}`,
        pullRequests: [commits.api.mergeRequest],
        message: commits.api.message,
        authorName: commits.api.author,
        isPrimary: true,
      },
    ]);
    expect(worker?.commits[0]?.hostUrl).toBe("https://gitlab.example.com");
  });

  it("splits service/container, and takes repeated YAML once", async () => {
    const { parts } = await detailed(await open("r1"), "storefront", "2026.43");
    const [only, ...others] = parts?.deployments ?? [];
    expect(others).toEqual([]);
    expect(only).toMatchObject({ service: "shop", container: "shop-server", serviceOrder: [["shop"]] });
    expect(only?.manifests).toHaveLength(1);
    expect(only?.manifests?.[0]).toContain("kind: Secret");
  });

  it("computes what Zadig miscounts: passed tests and unknown vulnerabilities", async () => {
    const { parts } = await detailed(await open("r1"), "pay", release.version);
    expect(
      parts?.tests?.map(({ name, tests, passed, failures, skips, durationSeconds }) => ({
        name,
        tests,
        passed,
        failures,
        skips,
        durationSeconds,
      })),
    ).toEqual([
      { name: "api-contract", tests: 412, passed: 412, failures: 0, skips: 6, durationSeconds: 96.418 },
      { name: "checkout-end-to-end", tests: 58, passed: 56, failures: 2, skips: 1, durationSeconds: 641.02 },
    ]);
    expect(parts?.securityScans?.[0]).toEqual({
      image: expect.objectContaining({ raw: swrReference(images.api) }),
      digest: images.api.digest,
      total: 37,
      unknown: 3,
      negligible: 12,
      low: 9,
      medium: 8,
      high: 4,
      critical: 1,
    });
  });

  it("tells distributions of images and of a file", async () => {
    const { parts } = await detailed(await open("r1"), "pay", release.version);
    expect(
      parts?.distributions?.map(({ service, type, image, file, registry }) => [
        service,
        type,
        image?.raw,
        file,
        registry,
      ]),
    ).toEqual([
      ["api", "IMAGE", bkrepoReference(images.api), null, "docker.bkrepo.example.com"],
      ["web", "IMAGE", bkrepoReference(images.web), null, "docker.bkrepo.example.com"],
      ["worker", "IMAGE", bkrepoReference(images.worker), null, "docker.bkrepo.example.com"],
      ["pay-cli", "FILE", undefined, cliFile, null],
    ]);
  });

  it("names every image once, joined to what it was built as, with the digests that the parts know", async () => {
    const { parts } = await detailed(await open("r1"), "pay", release.version);
    const told = parts?.images.map(({ service, source, target, digest }) => [
      service,
      source?.raw,
      target?.raw,
      digest,
    ]);
    const { api, web, worker, legacy } = images;
    expect(told).toEqual([
      ...[api, web, worker].map((image) => [image.service, swrReference(image), swrReference(image), image.digest]),
      ["legacy", undefined, swrReference(legacy), legacy.digest],
      ...[api, web, worker].map((image) => [image.service, swrReference(image), bkrepoReference(image), image.digest]),
    ]);
  });

  it("is the same from 1.6, whose deploys have no image of their own", async () => {
    const old = await detailed(
      await open("r1-1.6", { credentials: { apiKey: "demo-zadig-token" } }),
      "pay",
      release.version,
    );
    const now = await detailed(await open("r1"), "pay", release.version);
    expect(old.parts?.deployments?.map(({ service, container, image }) => [service, container, image?.raw])).toEqual(
      now.parts?.deployments?.map(({ service, container, image }) => [service, container, image?.raw]),
    );
    expect(old.environment?.variableNames).toEqual(["sdkVersion", "databasePassword"]);
  });
});

describe("the releases that Zadig's documents print", () => {
  it("of 1.6: four spellings of one image, joined by name, tag and digest, beside the one of the environment", async () => {
    const opened = await open("r1-1.6", { credentials: { apiKey: "demo-zadig-token" } });
    const { versionInfo, environment, parts, createdAt } = await detailed(opened, "koderover-sample", "v0.1.4").then(
      (one) => ({ versionInfo: [one.zadigId, one.taskId, one.createdBy], ...one }),
    );
    expect(versionInfo).toEqual([sampleRelease.versionInfo.id, 53, "koderover"]);
    expect(createdAt).toBe("2019-07-22T09:10:04.000Z");
    expect(environment?.services.map(({ name, startOrder, revision }) => [name, startOrder, revision])).toEqual([
      ["nginx-sample", 0, 7],
      ["http", 1, 1],
    ]);
    expect(parts?.builds?.[0]).toMatchObject({
      image: { registry: null, repository: "regist/customerdockernamespace/nginx" },
      built: {
        digest: "sha256:47b3acc3426fe07850974e63f16d11b02ffbf3bce8737e865608cea70937b762",
        size: 44608016,
        createdAt: "2019-07-22T09:08:57.000Z",
      },
      commits: [{ repository: "customer-waimai/customer-o2o-shop", hostUrl: "http://172.16.3.240", pullRequests: [] }],
    });
    const digest = "sha256:47b3acc3426fe07850974e63f16d11b02ffbf3bce8737e865608cea70937b762";
    const tag = "20190722170829-53-master";
    const built = `regist/customerdockernamespace/nginx:${tag}`;
    expect(parts?.images.map((one) => [one.source?.raw, one.target?.raw, one.digest])).toEqual([
      [built, `docker-registy.example.com/customerdockernamespace/nginx:${tag}`, digest],
      [built, `docker-registy.example.com/customer-service-prod/nginx:${tag}`, digest],
      [undefined, "docker-registy.example.com/customerdockernamespace/nginx-sample:20190710164653-50-master", null],
    ]);
    expect(parts?.securityScans?.[0]).toMatchObject({ total: 325, unknown: 0, high: 62 });
    expect(parts?.tests?.[0]).toMatchObject({ tests: 0, durationSeconds: 17.801 });
  });

  it("of 2.2: no build, a deployment with its container", async () => {
    const { parts, environment, zadigId } = await detailed(await open("r1"), "nginx2", "test");
    expect(zadigId).toBe(testRelease.versionInfo.id);
    expect(environment?.variableNames).toEqual(["NginxVersion", "customer"]);
    expect(parts?.deployments?.[0]).toMatchObject({ service: "nginx", container: "nginx-test" });
    // Images are named but no build is: that is "cannot say here", and the artifacts have to.
    expect(parts?.builds).toBeNull();
    expect(parts?.tests).toEqual([]);
  });
});

describe("later shapes", () => {
  it("R2 tells images with source, target and status, manifests, and no builds at all", async () => {
    const { parts } = await detailed(await open("r2"), "pay", release.version);
    expect(parts).toMatchObject({ builds: null, tests: null, securityScans: null });
    expect(parts?.deployments?.[0]).toMatchObject({ service: "api", image: { raw: bkrepoReference(images.api) } });
    expect(parts?.deployments?.[0]?.manifests?.[0]).toContain("kind: Deployment");
    expect(parts?.images[0]).toMatchObject({
      source: { raw: swrReference(images.api) },
      target: { raw: bkrepoReference(images.api) },
      status: "passed",
    });
    expect(parts?.distributions?.map(({ service }) => service)).toEqual(["api", "web", "worker"]);
  });

  it("charts carry their images below them, in every generation that has charts", async () => {
    for (const [generation, settings] of [
      ["r1", {}],
      ["o1", { generation: "o1" }],
      ["r2", {}],
      ["o2", { generation: "o2" }],
    ] as const) {
      const { parts } = await detailed(await open(generation, settings), "ledger", "v0.38.0");
      const rows = parts?.distributions?.map((row) => [row.type, row.chartName, row.chartVersion, row.registry]);
      expect(rows).toEqual([
        ["CHART", "ledger-core", "0.38.0", "helm-local"],
        ["IMAGE", null, null, "docker.bkrepo.example.com"],
      ]);
      expect(parts?.deployments).toEqual([]);
    }
  });

  it("O1 tells deployments without manifests", async () => {
    const { parts } = await detailed(await open("o1", { generation: "o1" }), "storefront", "2026.40");
    expect(parts).toMatchObject({ builds: null, tests: null, securityScans: null, distributions: [] });
    expect(parts?.deployments?.[0]).toMatchObject({ service: "shop", container: "shop-server", manifests: null });
    expect(parts?.images).toHaveLength(1);
  });

  it("a chart that was not pushed is no distribution, whatever its status says", async () => {
    const opened = await open("r2");
    opened.server.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body) ? reply.body : { ...Object(reply.body), chart_repo_name: "" },
    }));
    const { parts } = await detailed(opened, "ledger", "v0.38.0");
    expect(parts?.distributions?.map(({ type }) => type)).toEqual(["IMAGE"]);
  });
});

describe("damaged parts", () => {
  const damaged = async (change: (row: Record<string, unknown>) => unknown) => {
    const opened = await open("r1");
    opened.server.setTamper((reply) =>
      Array.isArray(reply.body) ? reply : { ...reply, body: change({ ...Object(reply.body) }) },
    );
    return detailed(opened, "pay", release.version);
  };

  it("cost one row and are named with their list", async () => {
    const { parts } = await damaged((row) => ({
      ...row,
      deployInfo: changeRow(row["deployInfo"], 1, () => ({ serviceName: 12 })),
    }));
    expect(parts?.deployments).toHaveLength(3);
    expect(parts?.builds).toHaveLength(3);
    expect(parts?.dropped).toEqual([
      {
        operation: "zadig.getRelease",
        index: 1,
        part: "deployments",
        reason: "deployInfo.serviceName: expected string",
      },
    ]);
  });

  it("of a part cost only themselves, and are named with the part's list", async () => {
    const { parts } = await damaged((row) => ({
      ...row,
      buildInfo: changeRow(row["buildInfo"], 1, (build) => ({ ...build, commits: [{ repo_name: 3 }], issues: "none" })),
    }));
    expect(parts?.builds).toHaveLength(3);
    expect(parts?.builds?.[1]).toMatchObject({ service: "web", commits: [], issues: [] });
    const place = { operation: "zadig.getRelease", index: 1, part: "builds" };
    expect(parts?.dropped).toEqual([
      { ...place, reason: "buildInfo.issues: expected array" },
      { ...place, reason: "buildInfo.commits.0.repo_name: expected string" },
    ]);
  });

  it("of the environment cost neither it nor the release, in lists and alone", async () => {
    const spoil = (info: unknown) => {
      const head = Object(info);
      const env = Object(head.productEnvInfo);
      const [group, ...groups] = env.services;
      const [first, ...others] = group;
      const services = [[{ ...first, containers: [{ name: 4 }, ...first.containers] }, { service_name: 9 }, ...others]];
      return {
        ...head,
        labels: ["kept", 12],
        productEnvInfo: { ...env, services: [...services, ...groups], vars: [{ key: 8 }, null, "x", { key: "KEPT" }] },
      };
    };
    const whole = await damaged((row) => row);
    const release = await damaged((row) => ({ ...row, versionInfo: spoil(row["versionInfo"]) }));
    expect(release.environment?.services).toEqual(whole.environment?.services);
    expect(release.environment?.variableNames).toContain("KEPT");
    expect(release.labels).toEqual(["kept"]);
    expect(release.parts?.builds).toHaveLength(3);

    const opened = await open("r1");
    const pages = [];
    for (const spoils of [false, true]) {
      if (spoils) {
        opened.server.setTamper((reply) => ({
          ...reply,
          body: changeRow(reply.body, 0, (row) => ({ ...row, versionInfo: spoil(row["versionInfo"]) })),
        }));
      }
      pages.push(await opened.readers().releases.page(filter({ project: "pay" }), { first: 3, after: null }, false));
    }
    const [before, after] = pages;
    expect(after?.rows.map(({ value }) => value.version)).toEqual(before?.rows.map(({ value }) => value.version));
    expect(after?.dropped).toEqual([]);
  });

  it("make a list unknown, not empty, when it is no list", async () => {
    const { parts } = await damaged((row) => ({ ...row, testInfo: { rows: [] } }));
    expect(parts?.tests).toBeNull();
    expect(parts?.dropped).toMatchObject([{ part: "tests", reason: "testInfo: expected a list" }]);
  });

  it("a release that comes back without its id is not the one that was meant", async () => {
    const withoutId = damaged((row) => ({
      ...row,
      versionInfo: { ...Object(row["versionInfo"]), id: "0".repeat(24) },
    }));
    await expect(withoutId).rejects.toThrow("no such release");
  });

  it("leave the release standing when only its lists are null", async () => {
    const { parts, environment } = await damaged((row) => ({
      ...row,
      versionInfo: { ...Object(row["versionInfo"]), productEnvInfo: null },
      buildInfo: [null, ...(Array.isArray(row["buildInfo"]) ? row["buildInfo"] : [])],
      securityStatsInfo: null,
    }));
    expect(environment).toBeNull();
    expect(parts?.builds).toHaveLength(3);
    expect(parts?.securityScans).toEqual([]);
    expect(parts?.dropped).toEqual([]);
  });
});
