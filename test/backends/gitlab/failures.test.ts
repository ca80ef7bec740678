import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { gitlabTokens, serveGitlab } from "../../../demo/gitlab.ts";
import type { Fault } from "../../../demo/server.ts";
import { credentials } from "../../../demo/story.ts";
import { gitlab } from "../../../src/backends/gitlab/index.ts";
import { operations } from "../../../src/backends/gitlab/operations.ts";
import { testCall } from "../../support/call.ts";
import { plain } from "../../support/plain.ts";
import { type Failure, failureOf, first, present, ref, rewriteRows, stage } from "./support.ts";

// The breaker is not what is tested here: it would answer for the server.
const { server, packages, readers, configure, close } = await stage(
  {},
  { breaker: { failures: 1000, coolDownMs: 10_000 } },
);
const sdkRef = ref("pay/api", "maven:com/acme/pay/pay-sdk");
const newest = { prefix: null, stage: null, direction: "DESC" } as const;
const some = { package: sdkRef, version: "2.4.0", nativeId: "4393" };

beforeEach(async () => {
  await server.setFault(null);
  server.setTamper(null);
  server.forget();
});
afterAll(close);

describe("who is asking", () => {
  const header = (name: string) => server.seen[0]?.headers[name];
  const asking = (settings: Readonly<Record<string, unknown>>, credential?: string) =>
    plain(present(configure(settings).during(testCall(credential === undefined ? {} : { credential })).packages));

  test("is sent as access token, OAuth token or job token", async () => {
    await packages().package(sdkRef);
    expect(header("private-token")).toBe(credentials.gitlab.token);
    server.forget();
    expect(await asking({ credentials: { bearer: gitlabTokens.oauth } }).package(sdkRef)).not.toBeNull();
    expect([header("authorization"), header("private-token")]).toEqual([`Bearer ${gitlabTokens.oauth}`, undefined]);
    server.forget();
    expect(await asking({ credentials: { jobToken: gitlabTokens.job } }).package(sdkRef)).not.toBeNull();
    expect(header("job-token")).toBe(gitlabTokens.job);
  });

  test("may be anonymous, which sees public projects only", async () => {
    const nobody = asking({ credentials: undefined });
    expect(await nobody.package(ref("namespace1/project1", "npm:@foo/bar"))).toMatchObject({ name: "@foo/bar" });
    expect(header("private-token") ?? header("authorization") ?? header("job-token")).toBeUndefined();
    expect(await nobody.package(sdkRef)).toBeNull();
  });

  test("is the caller where the configuration says so, and never anybody else", async () => {
    const forwarded = { forward: "caller", credentials: { token: "of the file" } };
    expect(() => configure(forwarded)).toThrow();
    const settings = { ...forwarded, credentials: { token: credentials.gitlab.token } };
    expect(await asking(settings, gitlabTokens.oauth).package(sdkRef)).not.toBeNull();
    expect([header("authorization"), header("private-token")]).toEqual([`Bearer ${gitlabTokens.oauth}`, undefined]);
    server.forget();
    for (const credential of [undefined, "two\r\nheaders: one", ""]) {
      expect(await failureOf(asking(settings, credential).package(sdkRef))).toMatchObject({
        failure: "DENIED",
        status: null,
      });
    }
    expect(server.seen).toHaveLength(0);
  });

  test.each([
    ["an unknown token", { token: "wrong" }, 401, null],
    ["an expired token", { token: gitlabTokens.expired }, 401, "invalid_token"],
    ["a token for less", { token: gitlabTokens.narrow }, 403, "insufficient_scope"],
    ["a job token for another job", { jobToken: "wrong" }, 401, null],
  ])("%s is DENIED, once, even for public data", async (_case, wrong, status, code) => {
    const reader = asking({ credentials: wrong, retries: 2 });
    const error = await failureOf(reader.package(ref("namespace1/project1", "npm:@foo/bar")));
    expect(error).toMatchObject({ failure: "DENIED", status, code, retryable: false });
    expect(server.seen).toHaveLength(1);
  });

  test("a job token opens projects and no groups", async () => {
    const job = asking({ credentials: { jobToken: gitlabTokens.job } });
    const filter = { name: null, match: "CONTAINS", format: null } as const;
    expect((await job.page({ repository: "pay/api", group: null }, filter, first(5))).rows).toHaveLength(5);
    expect(await failureOf(job.page({ repository: null, group: "pay" }, filter, first(5)))).toMatchObject({
      failure: "DENIED",
      operation: "gitlab.listGroupPackages",
    });
  });
});

describe("a ping", () => {
  test.each([
    ["an access token", {}, "/api/v4/version"],
    ["an OAuth token", { credentials: { bearer: gitlabTokens.oauth } }, "/api/v4/version"],
    ["a job token", { credentials: { jobToken: gitlabTokens.job } }, "/api/v4/projects?simple=true&page=1&per_page=1"],
    ["nobody", { credentials: undefined }, "/api/v4/projects?simple=true&page=1&per_page=1"],
  ])("of %s is one call that it may make", async (_case, settings, url) => {
    const { ping } = configure(settings).during(testCall());
    expect(await ping?.()).toMatchObject({ backend: "gitlab", stale: false });
    expect(server.seen.map((one) => one.url)).toEqual([url]);
  });

  test("with a wrong token is DENIED", async () => {
    const { ping } = configure({ credentials: { token: "wrong" } }).during(testCall());
    expect(await failureOf(present(ping)())).toMatchObject({ failure: "DENIED", operation: "gitlab.getVersion" });
  });
});

describe("what goes wrong", () => {
  const faults: readonly [string, Fault, Failure][] = [
    ["a login page with status 200", { kind: "html" }, "MALFORMED"],
    ["something else than a list", { kind: "malformed" }, "MALFORMED"],
    ["no body", { kind: "empty" }, "MALFORMED"],
    ["half an answer", { kind: "truncated" }, "UNAVAILABLE"],
    ["a connection cut", { kind: "reset" }, "UNAVAILABLE"],
    ["nobody there", { kind: "down" }, "UNAVAILABLE"],
    ["a broken server", { kind: "status", status: 500 }, "UNAVAILABLE"],
    ["a proxy without a server", { kind: "status", status: 502 }, "UNAVAILABLE"],
    ["an address that is not the API's", { kind: "status", status: 404 }, "MALFORMED"],
    ["a limit", { kind: "throttle" }, "THROTTLED"],
    ["a refusal without reason", { kind: "status", status: 405 }, "REJECTED"],
    ["an address too long", { kind: "status", status: 414 }, "REJECTED"],
  ];
  test.each(faults)("%s is reported as what it is by every reader", async (_case, fault, failure) => {
    await server.setFault(fault);
    const opened = readers();
    const reader = plain(present(opened.packages));
    const images = plain(present(opened.images));
    const commits = plain(present(opened.commits));
    const scope = { repository: "pay/api", group: null };
    const asked: [string, () => Promise<unknown>][] = [
      ["package", () => present(reader).package(sdkRef)],
      ["latest", () => present(reader).latest(ref("pay/web", "npm:@acme/pay-ui"))],
      ["version", () => present(reader).version(some)],
      ["versions", () => present(reader).versions(sdkRef, newest, first(5))],
      ["page", () => present(reader).page(scope, { name: null, match: "CONTAINS", format: null }, first(5))],
      ["search", () => present(reader).search({ name: "x", match: "EXACT", format: null }, first(5))],
      ["named", () => present(reader).named("x", "NPM", null)],
      ["files", () => present(reader).files(some, first(5))],
      [
        "image",
        () => present(images).image({ raw: "", registry: null, repository: "pay/web", tag: "1", digest: null }),
      ],
      ["copies", () => present(images).copies("web", `sha256:${"0".repeat(64)}`)],
      ["commit", () => present(commits).commit("pay/api", "0".repeat(40))],
      ["mergeRequests", () => present(commits).mergeRequests("pay/api", "0".repeat(40))],
      ["publishedFrom", () => present(commits).publishedFrom("pay/api", "0".repeat(40))],
      ["pipelines", () => present(commits).pipelines(some)],
    ];
    for (const [name, ask] of asked) {
      const error = await failureOf(ask());
      expect([name, error.failure, error.backend]).toEqual([name, failure, "gitlab"]);
    }
  });

  test("the limit of a proxy names its pause; the limit of an endpoint names none", async () => {
    await server.setFault({ kind: "throttle", retryAfter: "3600" });
    const long = await failureOf(present(configure({ retries: 2 }).during(testCall()).packages).package(sdkRef));
    expect(long).toMatchObject({ failure: "THROTTLED", retryAfterMs: 3_600_000 });
    expect(server.seen).toHaveLength(1);
    await server.setFault(null);
    const message = { error: "This endpoint has been requested too many times. Try again later." };
    server.setTamper(() => ({ status: 429, body: { message } }));
    expect(await failureOf(packages().package(sdkRef))).toMatchObject({ failure: "THROTTLED", retryAfterMs: null });
  });

  test("a silent server is TIMED_OUT", async () => {
    await server.setFault({ kind: "drip", everyMs: 5 });
    const slow = present(configure({ timeoutMs: 60 }).during(testCall()).packages);
    expect(await failureOf(slow.package(sdkRef))).toMatchObject({ failure: "TIMED_OUT" });
  });

  test("an answer larger than allowed is not read to its end", async () => {
    await server.setFault({ kind: "endless" });
    const small = present(configure({ maxResponseBytes: 2048 }).during(testCall()).packages);
    expect(await failureOf(small.package(sdkRef))).toMatchObject({ failure: "MALFORMED" });
  });

  test("an unreadable row in front of the newest makes the newest unknown, but not the package", async () => {
    server.setTamper(
      rewriteRows(/packages$/, (rows) => rows.map((row) => (Object(row).version === "2.4.0" ? { id: 0.5 } : row))),
    );
    const reader = packages();
    expect(await failureOf(reader.latest(sdkRef))).toMatchObject({ failure: "MALFORMED" });
    expect(await reader.package(sdkRef)).toMatchObject({ name: "com/acme/pay/pay-sdk", versionCount: null });
    const page = await reader.versions(sdkRef, newest, first(5));
    expect(page.rows[0]?.value.name).toBe("2.3.1");
    expect(page.dropped.length).toBeGreaterThan(0);
  });

  test("among many packages an unreadable row costs calls, not answers", async () => {
    server.setTamper((reply, request) =>
      Array.isArray(reply.body) && !request.query.has("package_name")
        ? { ...reply, body: [{ id: null }, ...reply.body.slice(1)] }
        : reply,
    );
    const reader = packages();
    const latest = await Promise.all([reader.latest(sdkRef), reader.latest(ref("pay/api", "helm:pay-api"))]);
    expect(latest.map((one) => one?.name)).toEqual(["2.4.0", "2.4.0"]);
    expect(server.seen).toHaveLength(3);
  });

  test("an unreadable row is not an absent package", async () => {
    server.setTamper(rewriteRows(/packages$/, () => [{ id: 1, name: null }]));
    expect(await failureOf(packages().package(sdkRef))).toMatchObject({
      failure: "MALFORMED",
      operation: "gitlab.listProjectPackages",
    });
  });

  test("null where a list was due is an empty list", async () => {
    server.setTamper(() => ({ body: "null", headers: { "content-type": "application/json" } }));
    expect(await packages().package(sdkRef)).toBeNull();
  });

  test("carries the server's request id and nothing else of the answer", async () => {
    server.setTamper((reply) => ({ ...reply, status: 500, body: { message: "canary at gitlab.internal" } }));
    const error = await failureOf(packages().package(sdkRef));
    expect(error.traceId).toMatch(/^01KDEMO\d+$/);
    expect(JSON.stringify({ ...error, message: error.message, stack: "" })).not.toMatch(/canary|internal|127\.0\.0\.1/);
  });

  test("a budget that is used up stops the calls", async () => {
    const reader = packages(testCall({ calls: 1 }));
    const filter = { name: null, match: "CONTAINS", format: null } as const;
    const error = await failureOf(reader.page({ repository: null, group: "pay" }, filter, first(50)));
    expect(error.failure).toBe("OVER_BUDGET");
    expect(server.seen).toHaveLength(1);
  });
});

describe("a renamed project", () => {
  test("is followed within the server, with the same credential", async () => {
    const renamed = ref("pay/gateway-api", "maven:com/acme/pay/pay-sdk");
    // What is found is of the project that answered, under its own name.
    expect(await packages().package(renamed)).toMatchObject({ ref: sdkRef, versionCount: 37 });
    expect(server.seen.map(({ url }) => url.split("?")[0])).toEqual([
      "/api/v4/projects/pay%2Fgateway-api/packages",
      "/api/v4/projects/42/packages",
      "/api/v4/projects/42",
    ]);
    expect(server.seen[1]?.url).toContain("package_name=com%2Facme%2Fpay%2Fpay-sdk");
  });

  test("is followed when a server behind TLS names itself with http and no port: on our own origin", async () => {
    const other = await stage({});
    other.server.setTamper((reply) =>
      reply.headers?.["location"]
        ? { ...reply, headers: { ...reply.headers, location: reply.headers["location"].replace(/:\d+\//, "/") } }
        : reply,
    );
    const renamed = ref("pay/gateway-api", "maven:com/acme/pay/pay-sdk");
    expect(await other.packages().package(renamed)).toMatchObject({ ref: sdkRef });
    await other.close();
  });

  test("is not followed to another host, whatever the token would find there", async () => {
    const other = await stage({ redirects: "configured host" });
    const error = await failureOf(other.packages().package(ref("pay/gateway-api", "maven:com/acme/pay/pay-sdk")));
    expect(error).toMatchObject({ failure: "MALFORMED", status: 301 });
    await other.close();
  });
});

describe("secrets and allow-list", () => {
  test("nothing the server sends beyond the fields we name gets out", async () => {
    const canary = "canary-7f3a";
    const plant = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(plant);
      if (typeof value !== "object" || value === null) return value;
      const copy = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plant(inner)]));
      return { ...copy, runners_token: canary, author_email: canary, delete_api_path: canary, private_key: { canary } };
    };
    server.setTamper((reply) => ({
      ...reply,
      body: plant(reply.body),
      headers: { ...reply.headers, "x-secret": canary },
    }));
    const { packages: reader, images, commits } = readers();
    const filter = { name: null, match: "CONTAINS", format: null } as const;
    const everything = await Promise.all([
      present(reader).package(sdkRef),
      present(reader).versions(sdkRef, newest, first(5)),
      present(reader).page({ repository: null, group: "pay" }, filter, first(50)),
      present(reader).files({ ...some, nativeId: null }, first(5)),
      present(images).copies("web", `sha256:${"0".repeat(64)}`),
      present(images).image({ raw: "", registry: null, repository: "pay/web", tag: "2.4.0", digest: null }),
      present(commits).commit("pay/api", "0".repeat(40)),
      present(commits).publishedFrom("pay/worker", "0".repeat(40)),
    ]);
    const text = JSON.stringify(everything);
    expect(text.length).toBeGreaterThan(5000);
    expect(text).not.toContain(canary);
    expect(text).not.toContain(credentials.gitlab.token);
    expect(text).not.toContain("@acme.example.com");
  });

  test("every call is one of the declared ones, and reads only", async () => {
    const patterns = operations.map(({ path }) => new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`));
    const { packages: reader, images, commits } = readers();
    const filter = { name: null, match: "CONTAINS", format: null } as const;
    await Promise.all([
      present(reader).page({ repository: null, group: "pay" }, filter, first(50)),
      present(reader).files({ ...some, nativeId: null }, first(5)),
      present(images).copies("web", `sha256:${"0".repeat(64)}`),
      present(commits).publishedFrom("pay/api", "0".repeat(40)),
      present(commits).mergeRequests("pay/api", "0".repeat(40)),
    ]);
    expect(server.seen.length).toBeGreaterThan(10);
    for (const { method, url } of server.seen) {
      expect(method).toBe("GET");
      expect(patterns.filter((pattern) => pattern.test(url.split("?")[0] ?? ""))).toHaveLength(1);
    }
    expect(new Set(operations.map(({ name }) => name)).size).toBe(operations.length);
    expect(gitlab.operations).toBe(operations);
  });
});

describe("settings", () => {
  const base = { kind: "gitlab", name: "gitlab", url: "https://gitlab.example.com" };
  const problems = (settings: Readonly<Record<string, unknown>>) =>
    gitlab.settings.safeParse({ ...base, ...settings }).error?.issues.map(({ path }) => path.join(".")) ?? [];

  test("are complete with an address and a name", () => {
    expect(gitlab.settings.parse(base)).toMatchObject({
      groups: [],
      projects: [],
      hosts: [],
      capabilities: ["PACKAGES", "IMAGES"],
    });
  });

  test.each([
    [{ url: "https://gitlab.example.com/api/v4" }, "url"],
    [{ url: "https://user:secret@gitlab.example.com" }, "url"],
    [{ credentials: { token: "" } }, "credentials.token"],
    [{ credentials: { token: "a\nb" } }, "credentials.token"],
    [{ credentials: { token: "a", bearer: "b" } }, "credentials"],
    [{ groups: ["../x"] }, "groups.0"],
    [{ projects: ["/pay"] }, "projects.0"],
    [{ capabilities: [] }, "capabilities"],
    [{ capabilities: ["RELEASES"] }, "capabilities.0"],
    [{ hosts: ["not a host"] }, "hosts.0"],
    [{ webUrl: "gitlab" }, "webUrl"],
    [{ kind: "github" }, "kind"],
    [{ group: ["pay"] }, ""],
  ])("refuse %o", (settings, path) => {
    expect(problems(settings)).toContain(path);
  });

  test("open nothing before the first call", async () => {
    const quiet = await serveGitlab();
    const backend = gitlab.connect(gitlab.settings.parse({ ...base, url: quiet.url }));
    backend.during(testCall());
    expect(quiet.sockets()).toBe(0);
    await backend.close();
    await quiet.close();
  });
});
