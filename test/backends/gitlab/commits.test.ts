import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { commits as story } from "../../../demo/story.ts";
import { testCall } from "../../support/call.ts";
import { calls, failureOf, present, rewriteRows, type SyntheticRow, stage, synthetic } from "./support.ts";

const { server, commits, packages, configure, close } = await stage();
const { sha } = story.api;

beforeEach(() => {
  server.setTamper(null);
  server.forget();
});
afterAll(close);

describe("a commit", () => {
  test("is read from its host, by path or by number", async () => {
    const reader = commits();
    const [byPath, byNumber] = await Promise.all([
      reader.commit("pay/api", sha),
      reader.commit("42", sha.toUpperCase()),
    ]);
    expect(byPath).toMatchObject({
      sha,
      repository: "pay/api",
      message: story.api.message,
      authorName: "Lin Chen",
      webUrl: `https://gitlab.example.com/pay/api/-/commit/${sha}`,
    });
    expect(byNumber).toMatchObject({ sha, repository: "pay/api" });
    expect(server.seen).toHaveLength(2);
  });

  test("whose page does not tell its project is looked up by the project's number", async () => {
    server.setTamper((reply, request) =>
      request.rawPath.includes("/commits/") ? { ...reply, body: { ...Object(reply.body), web_url: null } } : reply,
    );
    expect(await commits().commit("42", sha)).toMatchObject({ repository: "pay/api", webUrl: null });
    expect(calls(server)[1]).toBe("projects/42");
  });

  test("is not a branch of the same spelling, nor anything that cannot be a hash", async () => {
    server.setTamper((reply) => ({ ...reply, body: { ...Object(reply.body), id: "f".repeat(40) } }));
    expect(await commits().commit("pay/api", sha)).toBeNull();
    server.forget();
    for (const [project, text] of [
      ["pay/api", "main"],
      ["pay/api", "../../users"],
      ["pay/api", "abc"],
      ["../x", sha],
      ["", sha],
    ] as const) {
      expect(await commits().commit(project, text)).toBeNull();
      expect(await commits().mergeRequests(project, text)).toBeNull();
      expect(await commits().publishedFrom(project, text)).toBeNull();
    }
    expect(server.seen).toHaveLength(0);
  });

  test("that is gone, or in a project that is hidden, is absent; a refusal is not", async () => {
    expect(await commits().commit("pay/api", "0".repeat(40))).toBeNull();
    expect(await commits().commit("vault/keys", sha)).toBeNull();
    server.setTamper(() => ({ status: 403, body: { message: "403 Forbidden" } }));
    expect(await failureOf(commits().commit("pay/api", sha))).toMatchObject({ failure: "DENIED" });
  });

  test("its merge requests are numbers, each once", async () => {
    expect(await commits().mergeRequests("pay/api", sha)).toEqual([318]);
    server.setTamper(rewriteRows(/merge_requests/, (rows) => [...rows, ...rows, { iid: 320 }]));
    expect(await commits().mergeRequests("pay/api", sha)).toEqual([318, 320]);
    expect(await commits().mergeRequests("pay/api", "0".repeat(40))).toBeNull();
  });
});

describe("what was published from a commit", () => {
  test("is every version with a pipeline of that revision, newest first", async () => {
    const versions = present(await commits().publishedFrom("pay/api", sha));
    expect(versions.map((one) => `${one.ref.package.key}@${one.name}`)).toEqual([
      "generic:pay-cli@2.4.0",
      "npm:@acme/pay-client@2.4.0",
      "helm:pay-api@2.4.0",
      "npm:@acme/pay-client-mock@2.4.0",
      "maven:com/acme/pay/pay-sdk-extras@2.4.0",
      "maven:com/acme/pay/pay-sdk@2.4.0",
    ]);
    expect(versions.every((one) => one.pipeline?.sha === sha)).toBe(true);
    // Packages, Terraform modules, and how far back to read: the second page is older than the pipeline.
    expect(calls(server).map((url) => url.split("?")[0])).toEqual([
      "projects/pay/api/packages",
      "projects/pay/api/packages",
      "projects/pay/api/pipelines",
    ]);
  });

  test("of a small project needs no pipelines, and commits of one tick share the lists", async () => {
    const reader = commits();
    const [versions, none] = await Promise.all([
      reader.publishedFrom("pay/worker", story.worker.sha),
      reader.publishedFrom("pay/worker", "0".repeat(40)),
    ]);
    expect(present(versions).map((one) => one.name)).toEqual(["2.4.0"]);
    expect(none).toBeNull();
    expect(server.seen).toHaveLength(2);
  });

  test("is read back to the first pipeline of the revision", async () => {
    const version = present(
      await packages().version({
        package: { backend: "gitlab", repository: "pay/api", key: "maven:com/acme/pay/pay-sdk" },
        version: "1.1.0",
        nativeId: null,
      }),
    );
    server.forget();
    const found = present(await commits().publishedFrom("pay/api", present(version.pipeline?.sha)));
    expect(found.map((one) => `${one.ref.package.key}@${one.name}`)).toEqual([
      "npm:@acme/pay-client@1.1.0",
      "maven:com/acme/pay/pay-sdk@1.1.0",
    ]);
    expect(server.seen).toHaveLength(4);
  });

  test("of a revision without pipelines is nothing, and costs no walk", async () => {
    expect(await commits().publishedFrom("pay/api", "0".repeat(40))).toBeNull();
    expect(server.seen).toHaveLength(3);
  });

  test("too far back is an error, not left out", async () => {
    const rows: SyntheticRow[] = Array.from({ length: 2300 }, (_, index) => ({
      id: index + 1,
      name: "tool",
      type: "generic",
      version: `1.${index}`,
      at: 1_800_000_000_000 + index,
    }));
    server.setTamper(synthetic(() => rows));
    expect(await failureOf(commits().publishedFrom("pay/api", sha))).toMatchObject({
      failure: "OVER_BUDGET",
      operation: "gitlab.listProjectPackages",
    });
  });
});

describe("the code host", () => {
  test.each([
    ["https://gitlab.example.com", "pay/api", "pay/api"],
    ["http://gitlab.example.com", "pay/api", "pay/api"],
    ["https://gitlab.example.com/", "pay/platform/plugins.git", "pay/platform/plugins"],
    ["https://gitlab.example.com:8443", "pay/api", null],
    ["https://gitlab.example.com/gitlab", "pay/api", null],
    ["https://github.com", "pay/api", null],
    ["not an address", "pay/api", null],
    [null, "pay/api", null],
    ["https://gitlab.example.com", "../admin", null],
    ["https://gitlab.example.com", "", null],
  ])("%s with %s is %s", (hostUrl, repository, project) => {
    const known = present(configure({ webUrl: "https://gitlab.example.com" }).during(testCall()).commits);
    expect(known.projectOf(hostUrl, repository)).toBe(project);
  });

  test("is this backend under its own address too", () => {
    expect(commits().projectOf(server.url, "pay/api")).toBe("pay/api");
  });
});
