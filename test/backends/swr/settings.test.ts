import { describe, expect, it } from "vitest";
import { swr } from "../../../src/backends/swr/index.ts";
import { operations } from "../../../src/backends/swr/operations.ts";

const base = { kind: "swr", name: "swr", url: "https://swr-api.cn-north-4.myhuaweicloud.com" };
const messages = (settings: object) =>
  swr.settings.safeParse(settings).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);

describe("settings", () => {
  it("have defaults for everything but name, address and credentials", () => {
    expect(swr.settings.parse({ ...base, credentials: { token: "t" } })).toMatchObject({
      namespaces: [],
      hosts: [],
      capabilities: ["PACKAGES", "IMAGES"],
      imageApi: "v2",
    });
  });

  it.each([
    { credentials: { accessKey: "a", secretKey: "s" } },
    { credentials: { accessKey: "a", secretKey: "s", securityToken: "t", projectId: "p" } },
    { credentials: { iam: { url: "https://iam.example.com", domain: "d", user: "u", password: "p", project: "x" } } },
    { forward: "caller" },
    { credentials: { token: "t" }, capabilities: ["IMAGES"], imageApi: "auto", namespaces: ["a"], hosts: ["H:5000"] },
  ])("accept %j", (rest) => {
    expect(messages({ ...base, ...rest })).toBeUndefined();
  });

  it("want credentials unless the caller brings them", () => {
    expect(messages(base)).toEqual(["credentials: credentials are required unless forward: caller is set"]);
  });

  it("name the forms of credentials when given another", () => {
    const [message] = messages({ ...base, credentials: { accessKey: "only half" } }) ?? [];
    expect(message).toMatch(/^credentials: must be \{ token \}, \{ accessKey, secretKey/);
    expect(message).not.toContain("only half");
  });

  it.each([
    { capabilities: [] },
    { capabilities: ["RELEASES"] },
    { namespaces: ["../x"] },
    { imageApi: "v4" },
    { url: "x" },
  ])("refuse %j", (rest) => {
    expect(messages({ ...base, credentials: { token: "t" }, ...rest })).toHaveLength(1);
  });

  it("switch capabilities separately", () => {
    const only = swr.settings.parse({ ...base, credentials: { token: "t" }, capabilities: ["IMAGES", "IMAGES"] });
    expect(swr.capabilities(only)).toEqual(["IMAGES"]);
  });
});

describe("operations", () => {
  it("are reads, but for the token, and have names of their own", () => {
    expect(operations.filter(({ method }) => method !== "GET").map(({ name }) => name)).toEqual(["swr.issueToken"]);
    expect(new Set(operations.map(({ name }) => name)).size).toBe(operations.length);
  });
});
