import { describe, expect, it } from "vitest";
import { gatewayOver, type Reply, serveJson } from "../../support/literal.ts";
import { settingsOf } from "./literal.ts";

/** An SWR with IAM beside it, which issues `t1`, `t2` and so on; `good` says which tokens SWR takes. */
async function open(good: (token: string) => boolean, settings: Record<string, unknown> = {}) {
  const counts = { issued: 0, refused: 0, answered: 0 };
  const stale: Reply = { status: 401, body: { error_code: "APIGW.0307", error_msg: "The token must be updated." } };
  const server = await serveJson(({ method, path, headers }) => {
    if (method === "POST") {
      counts.issued += 1;
      return {
        status: 201,
        headers: { "x-subject-token": `t${counts.issued}` },
        body: { token: { expires_at: new Date(Date.now() + 86_400_000).toISOString() } },
      };
    }
    if (!good(String(headers["x-auth-token"]))) {
      counts.refused += 1;
      return stale;
    }
    counts.answered += 1;
    if (path.endsWith("/versions"))
      return { body: [{ version: "1.0", num_files: 0, CreatedAt: "2026-11-01T00:00:00Z" }] };
    const names = ["a", "b", "c", "d", "e", "f"];
    return { body: names.map((name) => ({ namespace: "pay", package: name, num_versions: 1 })) };
  });
  const iam = { url: server.url, domain: "acme", user: "reader", password: "p4ss", project: "cn-north-4" };
  const ask = await gatewayOver(
    settingsOf(server.url, { credentials: { iam }, capabilities: ["PACKAGES"], ...settings }),
  );
  return { ask, counts, server };
}

const names = `{ packages(scope: { backend: "swr", repository: "pay" }) { nodes { name } } }`;
const six = `{ packages(scope: { backend: "swr", repository: "pay" }) { nodes { latestVersion { name } } } }`;

describe("a token that dies", () => {
  it("two seconds after it was issued is replaced once, for six questions at once", async () => {
    let dead = "";
    const { ask, counts } = await open((token) => token !== dead);
    expect((await ask(names)).errors).toEqual([]);
    dead = "t1";
    const { data, errors } = await ask(six);
    expect(errors).toEqual([]);
    expect(JSON.stringify(data).match(/"1.0"/g)).toHaveLength(6);
    expect(counts.issued).toBe(2);
  });

  it("and dies again a moment later is replaced again", async () => {
    const dead = new Set<string>();
    const { ask, counts } = await open((token) => !dead.has(token));
    for (const token of ["t1", "t2", "t3"]) {
      expect((await ask(six)).errors).toEqual([]);
      dead.add(token);
    }
    expect((await ask(six)).errors).toEqual([]);
    expect(counts.issued).toBe(4);
  });

  it("under six questions in flight is replaced once, by the first of them", async () => {
    const dead = new Set(["t1"]);
    const { ask, counts } = await open((token) => !dead.has(token));
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => ask(names)));
    expect(answers.map(({ errors }) => errors)).toEqual(answers.map(() => []));
    expect(counts.issued).toBe(2);
  });

  it("and whose successor is refused as well makes no storm", async () => {
    const { ask, counts } = await open(() => false, { breaker: { failures: 1000, coolDownMs: 1000 } });
    for (let round = 0; round < 10; round++) {
      const { errors } = await ask(names);
      expect(errors[0]?.extensions.code).toBe("UPSTREAM_UNAUTHENTICATED");
    }
    expect(counts.issued).toBe(2);
    // Each question once, and the first once more with the new token.
    expect(counts.refused).toBeLessThanOrEqual(12);
  });

  it("is not replaced for a signature that is refused, which five of would lock the key", async () => {
    const { ask, counts } = await open(() => false, {
      credentials: { accessKey: "AK", secretKey: "SK" },
      retries: 3,
    });
    for (let round = 0; round < 8; round++) await ask(names);
    expect(counts.issued).toBe(0);
    expect(counts.refused).toBeLessThanOrEqual(3);
  });
});
