import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { DemoReply, DemoRequest } from "../../demo/server.ts";
import { credentials } from "../../demo/story.ts";
import { corpus } from "../support/corpus.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { untruths } from "../support/truth.ts";

const kinds = ["zadig", "bkrepo", "swr", "gitlab"] as const;
const bare = { retries: 0, breaker: { failures: 1000, coolDownMs: 1 } };

/** GitLab's answers carry a weak validator of their body, and 304 goes to whoever shows it. */
function withEtag(reply: DemoReply, { header, method }: DemoRequest): DemoReply {
  if (method !== "GET" || (reply.status ?? 200) !== 200) return reply;
  const etag = `W/"${createHash("sha256").update(JSON.stringify(reply.body)).digest("hex").slice(0, 32)}"`;
  const headers = { ...reply.headers, etag };
  return header("if-none-match") === etag ? { status: 304, headers } : { ...reply, headers };
}

describe("with a response cache", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    const cached = { ...bare, cache: {} };
    gateway = await startDemoGateway({
      backends: { zadig: cached, bkrepo: cached, "swr-north4": cached, gitlab: cached },
    });
    gateway.estate.servers.gitlab.setTamper(withEtag);
  });
  afterAll(() => gateway.stop());
  beforeEach(() => gateway.forget());

  const page = `{ packages(scope: { backend: "gitlab", group: "pay" }, first: 5) {
    sources { status fetchedAt backend { name } }
    nodes { name }
  } }`;

  test("GitLab is asked whether its answer still holds, by its validator, and the data are the same", async () => {
    const first = await gateway.ask(page);
    expect(first.body.errors).toBeUndefined();
    gateway.forget();
    const second = await gateway.ask(page);
    const { seen } = gateway.estate.servers.gitlab;
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.every(({ headers }) => String(headers["if-none-match"]).startsWith('W/"'))).toBe(true);
    expect(statusesIn(second)).not.toContain("STALE");
    expect(untruths(first, second, { broken: [] })).toEqual([]);
  });

  test("a backend that has gone is answered for, marked STALE, with the time of its last answer", async () => {
    const before = await gateway.ask(page);
    await gateway.estate.servers.gitlab.setFault({ kind: "down" });
    try {
      await new Promise((resolve) => setTimeout(resolve, 5));
      const after = await gateway.ask(page);
      expect(after.body.errors).toBeUndefined();
      expect(new Set(statusesIn(after))).toEqual(new Set(["STALE"]));
      // Nothing but the mark has changed: the time is the old one.
      expect(after.text.replaceAll("STALE", "OK")).toBe(before.text);
    } finally {
      await gateway.estate.servers.gitlab.setFault(null);
    }
    expect(statusesIn(await gateway.ask(page))).not.toContain("STALE");
  });

  test("nothing is called absent, missing or complete because of a stored answer", async () => {
    const search = `{ searchPackages(name: "no-such-package-anywhere") { isComplete sources { status backend { name } } } }`;
    const drift = corpus.find(({ name }) => name === "release-drift.graphql")?.query ?? "";
    const [before, verdicts] = [await gateway.ask(search), (await gateway.ask(drift)).text];
    expect(statusesIn(before)).toContain("ABSENT");
    expect(before.text).toContain('"isComplete":true');
    expect(verdicts).toMatch(/"verdict":"(?:MATCHES|TAG_MOVED)"/);
    for (const kind of kinds) await gateway.estate.servers[kind].setFault({ kind: "down" });
    try {
      const after = await gateway.ask(search);
      expect(statusesIn(after)).not.toContain("ABSENT");
      expect(statusesIn(after)).toContain("STALE");
      expect(after.text).toContain('"isComplete":false');
      expect((await gateway.ask(drift)).text).not.toMatch(/"verdict":"(?:MATCHES|TAG_MOVED|MISSING)"/);
    } finally {
      for (const kind of kinds) await gateway.estate.servers[kind].setFault(null);
    }
  });

  test("health is asked of the backend, not of the cache", async () => {
    const query = "{ backends { name health { status } } }";
    const gitlab = async () => JSON.parse((await gateway.ask(query)).text).data.backends[3].health.status;
    expect(await gitlab()).toBe("OK");
    await gateway.estate.servers.gitlab.setFault({ kind: "down" });
    try {
      expect(await gitlab()).toBe("DOWN");
    } finally {
      await gateway.estate.servers.gitlab.setFault(null);
    }
  });

  test("the whole corpus is answered truly with everything down, and nothing of it is new", async () => {
    const healthy = new Map<string, Answer>();
    for (const { name, query, variables } of corpus) healthy.set(name, await gateway.ask(query, { variables }));
    for (const kind of kinds) await gateway.estate.servers[kind].setFault({ kind: "down" });
    try {
      for (const { name, query, variables } of corpus) {
        const before = healthy.get(name);
        const answer = await gateway.ask(query, { variables });
        // Nobody is broken as far as anybody can see: every value is there, and is what it was.
        if (before)
          expect(untruths(before, answer, { broken: [], isKept: true }).map((one) => `${name}: ${one}`)).toEqual([]);
        expect(statusesIn(answer).filter((status) => status === "OK")).toEqual([]);
      }
    } finally {
      for (const kind of kinds) await gateway.estate.servers[kind].setFault(null);
    }
  });
});

describe("with a response cache and the callers' own credentials", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    gateway = await startDemoGateway({
      backends: { gitlab: { ...bare, cache: { freshMs: 60_000 }, forward: "caller", credentials: undefined } },
    });
    gateway.estate.servers.gitlab.setTamper((reply) => ({ ...reply, headers: { "x-request-id": "one" } }));
  });
  afterAll(() => gateway.stop());

  test("no one is answered from what another's credential has seen", async () => {
    const query = '{ packages(scope: { backend: "gitlab", group: "pay" }, first: 5) { nodes { name } } }';
    const as = (token: string | null) =>
      gateway.ask(query, { headers: token === null ? {} : { "x-backend-token-gitlab": token } });
    const member = await as(credentials.gitlab.token);
    expect(member.body.errors).toBeUndefined();
    gateway.forget();
    expect((await as(credentials.gitlab.token)).text).toBe(member.text);
    expect(gateway.calls()).toEqual({});
    for (const stranger of ["not-a-token", null]) {
      const { body } = await as(stranger);
      expect(body.data).toEqual({ packages: null });
      expect(body.errors?.[0]?.extensions?.["code"]).toMatch(/^UPSTREAM_(UNAUTHENTICATED|FORBIDDEN)$/);
    }
  });
});

/** Every status of every source in an answer. */
function statusesIn({ body }: Answer): string[] {
  const found: string[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      if (name === "status" && "backend" in value && typeof inner === "string") found.push(inner);
      walk(inner);
    }
  };
  walk(body.data);
  return found;
}
