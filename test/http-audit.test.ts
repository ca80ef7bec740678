import { createHash } from "node:crypto";
import { type Audit, serverAudits } from "graphql-http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

const key = "the-key-of-the-auditor";

// The suite wants its addresses when it is made, which is before anything listens: it gets names, and the fetch that
// is handed to it puts the real ones in their place.
let plain: DemoGateway;
let hardened: DemoGateway;

beforeAll(async () => {
  plain = await startDemoGateway();
  hardened = await startDemoGateway({
    estate: plain.estate,
    settings: {
      server: { graphiql: false, introspection: false },
      auth: {
        mode: "keys",
        keys: [{ name: "auditor", sha256: createHash("sha256").update(key).digest("hex"), scopes: ["read"] }],
      },
      limits: { depth: 6, cost: 500, aliases: 5, tokens: 500, bodyBytes: 16_384 },
    },
  });
});

afterAll(async () => {
  await hardened.stop();
  await plain.stop();
});

function audits(gateway: () => DemoGateway, headers: Readonly<Record<string, string>>): readonly Audit[] {
  const fetchFn = (url: string, init: RequestInit = {}) => {
    const asked = new Headers(init.headers);
    for (const [name, value] of Object.entries(headers)) asked.set(name, value);
    return fetch(url.replace("http://gateway", gateway().url), { ...init, headers: asked });
  };
  return serverAudits({ url: "http://gateway/graphql", fetchFn });
}

describe("the GraphQL over HTTP specification, as shipped", () => {
  const all = audits(() => plain, {});

  test("has as many audits as were counted", () => {
    const levels = all.map(({ name }) => name.split(" ", 1)[0]);
    const count = (level: string) => levels.filter((one) => one === level).length;
    expect({ must: count("MUST"), should: count("SHOULD"), may: count("MAY") }).toEqual({
      must: 13,
      should: 23,
      may: 25,
    });
  });

  test.each(all.map((audit) => [audit.name, audit] as const))("%s", async (_name, audit) => {
    const result = await audit.fn();
    expect("reason" in result ? result.reason : null).toBeNull();
    expect(result.status).toBe("ok");
  });
});

describe("the same, hardened: keys, no introspection, tight limits", () => {
  // Each is the audit's own doing: it asks for `__type`, which needs introspection, to see a variable come back.
  const differences: readonly string[] = [
    "SHOULD allow map {variables} parameter when accepting application/graphql-response+json",
    "MUST allow map {variables} parameter when accepting application/json",
    "MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting application/graphql-response+json",
    "MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting application/json",
  ];
  const all = audits(() => hardened, { authorization: `Bearer ${key}` });

  test.each(all.map((audit) => [audit.name, audit] as const))("%s", async (name, audit) => {
    const result = await audit.fn();
    expect(result.status === "ok" ? "ok" : "differs").toBe(differences.includes(name) ? "differs" : "ok");
  });

  test("the differences that are listed are audits of the suite", () => {
    expect(differences.filter((name) => !all.some((audit) => audit.name === name))).toEqual([]);
  });

  test("without a key every audit that asks is answered 401, and none is served", async () => {
    for (const audit of audits(() => hardened, {})) {
      const result = await audit.fn();
      if (result.status === "ok") continue;
      expect(result.response.status).toBe(401);
    }
  });
});
