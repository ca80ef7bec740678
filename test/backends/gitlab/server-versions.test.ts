import { describe, expect, test } from "vitest";
import { commits, sdk } from "../../../demo/story.ts";
import { calls, first, present, ref, stage, walk } from "./support.ts";

const sdkRef = ref("pay/api", "maven:com/acme/pay/pay-sdk");
const newest = { prefix: null, stage: null, direction: "DESC" } as const;
const everything = { name: null, match: "CONTAINS", format: null } as const;

describe.each(["12", "13", "16", "18"] as const)("GitLab %s", (era) => {
  test("answers a package, its versions, their pipelines and their files", async () => {
    const { server, packages, commits: host, close } = await stage({ era });
    const reader = packages();
    expect(await reader.package(sdkRef)).toMatchObject({ name: "com/acme/pay/pay-sdk", versionCount: 37 });
    const versions = await walk((request) => reader.versions(sdkRef, newest, request), 15);
    expect(versions.map((one) => one.name)).toEqual([...sdk.versions].reverse());
    const [version] = versions;
    expect(present(version).pipeline).toMatchObject({
      id: "2690000317",
      projectPath: "pay/api",
      sha: commits.api.sha,
      user: era === "12" ? "Lin Chen" : "lin.chen",
      projectId: era === "12" ? null : "42",
    });
    expect(present(version).status).toBe(era === "12" || era === "13" ? null : "default");
    const files = await reader.files(present(version).ref, first(10));
    expect(files.rows.map(({ value }) => value.name)).toContain("pay-sdk-2.4.0.jar");
    expect(await host().publishedFrom("pay/api", commits.api.sha)).not.toBeNull();
    expect(server.seen.length).toBeGreaterThan(0);
    await close();
  });

  test("a version by name is checked again, because old servers ignore the filter", async () => {
    const { server, packages, close } = await stage({ era });
    const version = await packages().version({ package: sdkRef, version: "2.1.4", nativeId: null });
    expect(version?.name).toBe("2.1.4");
    expect(await packages().version({ package: sdkRef, version: "2.1.44", nativeId: null })).toBeNull();
    expect(server.seen).toHaveLength(2);
    await close();
  });

  test("lists the packages of a project and of a group", async () => {
    const { packages, close } = await stage({ era });
    const tools = await walk(
      (request) => packages().page({ repository: "infra/tools", group: null }, everything, request),
      50,
    );
    const modules = tools.filter((one) => one.format === "TERRAFORM_MODULE");
    expect(modules).toHaveLength(era === "16" || era === "18" ? 2 : 0);
    const group = await packages().page({ repository: null, group: "pay" }, everything, first(50));
    expect(new Set(group.rows.map(({ value }) => value.ref.repository))).toContain("pay/web");
    expect(group.dropped).toEqual([]);
    await close();
  });

  test("has no package of a type that it does not know", async () => {
    const { server, packages, close } = await stage({ era });
    const scope = { repository: "infra/tools", group: null };
    expect(await packages().page(scope, { ...everything, format: "CARGO" }, first(5))).toMatchObject({
      rows: [],
      total: 0,
    });
    // A server too old for the type is asked whether there is such a place.
    expect(server.seen).toHaveLength(era === "18" ? 1 : 2);
    await close();
  });

  test("lists the pipelines of a version, from the row where there is no list", async () => {
    const { packages, commits: host, close } = await stage({ era });
    const cli = { package: ref("pay/api", "generic:pay-cli"), version: "edge", nativeId: null };
    const edge = await packages().version(cli);
    // Generic packages came with 13.5: before, the SDK's one pipeline has to do.
    expect(edge === null).toBe(era === "12" || era === "13");
    const version = edge ?? present(await packages().latest(sdkRef));
    expect(await host().pipelines(version.ref)).toHaveLength(edge === null ? 1 : 45);
    await close();
  });
});

describe("an installation under a relative root", () => {
  test("is asked, linked and recognised there", async () => {
    const { server, packages, commits: reader, close } = await stage({ relativeRoot: "/gitlab" });
    const found = present(await packages().package(sdkRef));
    expect(server.seen[0]?.url).toMatch(/^\/gitlab\/api\/v4\/projects\/pay%2Fapi\/packages\?/);
    expect(found.webUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/gitlab\/pay\/api\/-\/packages\/\d+$/);
    const host = reader();
    expect(host.projectOf(server.url, "pay/api")).toBe("pay/api");
    expect(host.projectOf(new URL(server.url).origin, "pay/api")).toBeNull();
    expect(await host.commit("42", commits.api.sha)).toMatchObject({ repository: "pay/api" });
    const group = await packages().page({ repository: null, group: "pay" }, everything, first(50));
    expect(group.rows).toHaveLength(10);
    expect(calls(server).every((url) => !url.startsWith("gitlab/"))).toBe(true);
    await close();
  });
});

describe("a server in another time zone", () => {
  test("answers the same instants", async () => {
    const [here, there] = [await stage(), await stage({ zone: 8 })];
    const [one, other] = [await here.packages().latest(sdkRef), await there.packages().latest(sdkRef)];
    expect(other?.createdAt).toBe("2026-11-02T09:17:33.118Z");
    expect(one?.createdAt).toBe(other?.createdAt);
    expect(one?.pipeline?.createdAt).toBe(other?.pipeline?.createdAt);
    await here.close();
    await there.close();
  });
});
