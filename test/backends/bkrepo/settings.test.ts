import { describe, expect, test } from "vitest";
import { bkrepo } from "../../../src/backends/bkrepo/index.ts";
import { testCall } from "../../support/call.ts";
import { openBkrepo, ref } from "./fixture.ts";

const least = { kind: "bkrepo", name: "b", url: "https://bkrepo.example.com", credentials: { token: "t" } };

/** The paths of the problems that the schema finds. */
function problems(settings: unknown): string[] {
  const result = bkrepo.settings.safeParse(settings);
  return result.success ? [] : result.error.issues.map(({ path, code }) => `${path.join(".")} ${code}`);
}

describe("the settings", () => {
  test("default to both capabilities, no hosts, no repositories and +08:00", () => {
    expect(bkrepo.settings.parse(least)).toMatchObject({
      capabilities: ["PACKAGES", "IMAGES"],
      hosts: [],
      repositories: [],
      timeZone: "+08:00",
    });
  });

  test.each([
    ["two kinds of credentials at once", { credentials: { username: "u", password: "p", token: "t" } }],
    ["a user without password", { credentials: { username: "u" } }],
    ["a user name with a colon", { credentials: { username: "a:b", password: "p" } }],
    ["a secret key that the server would cut", { credentials: { accessKey: "a", secretKey: "b:c", userId: "u" } }],
    ["platform keys that act for nobody", { credentials: { accessKey: "a", secretKey: "b" } }],
    ["a token with a line break", { credentials: { token: "a\nb" } }],
    ["no credentials", { credentials: undefined }],
    ["a repository without project", { repositories: ["maven-local"] }],
    ["a repository that leaves its place", { repositories: ["pay/../other"] }],
    ["a zone by name", { timeZone: "Asia/Shanghai" }],
    ["a capability of another kind", { capabilities: ["RELEASES"] }],
    ["no capability at all", { capabilities: [] }],
    ["an unknown key", { zone: "+08:00" }],
    ["no address", { url: undefined }],
  ])("refuse %s", (_case, change) => {
    expect(problems({ ...least, ...change })).not.toEqual([]);
  });

  test("need no credentials when the caller's are used", () => {
    expect(problems({ ...least, credentials: undefined, forward: "caller" })).toEqual([]);
    expect(problems({ ...least, credentials: undefined })).toEqual(["credentials custom"]);
  });

  test("switch capabilities off", () => {
    const settings = bkrepo.settings.parse({ ...least, capabilities: ["IMAGES"] });
    expect(bkrepo.capabilities(settings)).toEqual(["IMAGES"]);
    const readers = bkrepo.connect(settings).during(testCall());
    expect([readers.packages === undefined, readers.images === undefined]).toEqual([true, false]);
  });
});

test("a base address with a path of its own precedes every call and link", async () => {
  const it = await openBkrepo();
  const backend = bkrepo.connect(
    bkrepo.settings.parse({
      ...least,
      url: `${it.server.url}/api/`,
      credentials: { username: "reader", password: "demo-bkrepo-password" },
    }),
  );
  const packages = backend.during(testCall()).packages;
  const key = "gav://com.acme.pay:pay-sdk";
  expect(await packages?.package(ref("pay/maven-local", key))).toMatchObject({ value: { name: "pay-sdk" } });
  expect(it.server.seen[0]?.url).toMatch(/^\/api\/repository\/api\/package\/info\//);
  const version = await packages?.latest(ref("pay/maven-local", key));
  expect(version).toMatchObject({
    value: { downloadUrl: expect.stringMatching(/\/api\/repository\/api\/version\/download\//) },
  });
  await backend.close();
  await it.close();
});
