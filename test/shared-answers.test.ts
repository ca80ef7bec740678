import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type DemoReply, type DemoServer, serveDemo } from "../demo/server.ts";
import { credentials } from "../demo/story.ts";
import { type Asker, CoalescedAnswers } from "../src/server/fast-path/index.ts";
import { createCall } from "../src/server/graphql/execute.ts";
import { audience, createSigner, issuerName, startIssuer } from "./security/issuer.ts";
import { type Answer, type DemoGateway, type Overrides, startDemoGateway } from "./support/gateway.ts";

/** A backend behind a door: while the door is shut, calls are seen and wait. */
interface Door {
  readonly server: DemoServer;
  /** For calls of this method only, where one is named. */
  readonly shut: (method?: string) => void;
  readonly open: () => void;
}

const passedOn = ["authorization", "content-type", "accept", "private-token", "x-auth-token"];

async function doorBefore(url: string): Promise<Door> {
  let way = Promise.resolve();
  let letIn = () => {};
  let only: string | null = null;
  const server = await serveDemo("door", async ({ method, rawPath, query, header, body }): Promise<DemoReply> => {
    if (only === null || only === method) await way;
    const headers = passedOn.flatMap((name) => {
      const value = header(name);
      return value === null ? [] : [[name, value]];
    });
    const sent = await fetch(`${url}${rawPath}${query.size > 0 ? `?${query}` : ""}`, {
      method,
      headers: Object.fromEntries(headers),
      ...(body === "" ? {} : { body }),
    });
    const type = sent.headers.get("content-type") ?? "text/plain";
    return { status: sent.status, headers: { "content-type": type }, body: await sent.text() };
  });
  return {
    server,
    shut: (method) => {
      only = method ?? null;
      const { promise, resolve } = Promise.withResolvers<void>();
      way = promise;
      letIn = resolve;
    },
    open: () => letIn(),
  };
}

let gateway: DemoGateway;
/** Before bkrepo, and before GitLab. */
let bkrepo: Door;
let gitlab: Door;
const closing: (() => Promise<void>)[] = [];

/** A gateway over an estate with doors. */
async function start({ settings, backends }: Overrides = {}): Promise<void> {
  const plain = await startDemoGateway();
  closing.push(() => plain.stop());
  const { estate } = plain;
  bkrepo = await doorBefore(estate.servers.bkrepo.url);
  gitlab = await doorBefore(estate.servers.gitlab.url);
  gateway = await startDemoGateway({
    estate,
    fastPath: true,
    settings: settings ?? {},
    backends: {
      bkrepo: { url: bkrepo.server.url, retries: 0, ...backends?.["bkrepo"] },
      gitlab: { url: gitlab.server.url, retries: 0, ...backends?.["gitlab"] },
    },
  });
  closing.push(
    () => gateway.stop(),
    async () => {
      for (const door of [bkrepo, gitlab]) {
        door.open();
        await door.server.close();
      }
    },
  );
}

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitFor(async () => expect(await holds()).toBe(true), { timeout: 5000, interval: 3 });
}

/** The sum of a series over its labels; 0 when there is none. */
async function figure(name: string): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => new RegExp(`^delivery_graph_${name}(?:\\{.*\\})? `).test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

const shared = () => figure("operations_shared_total");
const running = (count: number) => until(async () => (await figure("operations_running")) === count);

interface Line {
  readonly requestId: string;
  readonly operation: string | null;
  readonly outcome: string;
  readonly calls: number;
  readonly ms: number;
}

const lines = () => gateway.log.flatMap(({ message, facts }) => (message === "answered" ? [facts as Line] : []));

const query =
  'query Pay($key: String!) { package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: $key }) { name key latestVersion { name } } }';
const variables = { key: "gav://com.acme.pay:pay-sdk" };
const known = { package: { name: "pay-sdk", key: variables.key, latestVersion: { name: expect.any(String) } } };

/** Asks while bkrepo's door is shut, and opens it when so many are under way. */
async function together(asking: readonly (() => Promise<Answer>)[]): Promise<Answer[]> {
  bkrepo.shut();
  const answers = asking.map((ask) => ask());
  await running(asking.length);
  bkrepo.open();
  return Promise.all(answers);
}

describe("equal questions at the same moment", () => {
  beforeEach(() => start());

  test("cost the calls of one, and each asker has the whole answer, under its own name", async () => {
    const alone = await gateway.ask(query, { variables });
    const cost = bkrepo.server.seen.length;
    bkrepo.server.forget();
    const codings = ["identity", "gzip", "br", "identity"];
    const answers = await together(
      Array.from({ length: 12 }, (_, index) => () => {
        const headers = { "x-request-id": `asker-${index}`, "accept-encoding": codings[index % 4] ?? "" };
        return gateway.ask(query, { variables, headers });
      }),
    );
    expect(bkrepo.server.seen).toHaveLength(cost);
    expect(answers.map(({ text }) => text)).toEqual(Array.from(answers, () => alone.text));
    expect(alone.body.data).toEqual(known);
    const names = Array.from(answers, (_, index) => `asker-${index}`);
    expect(answers.map(({ headers }) => headers.get("x-request-id"))).toEqual(names);
    const told = lines().filter(({ requestId }) => requestId.startsWith("asker-"));
    expect(told.map(({ requestId }) => requestId).toSorted()).toEqual(names.toSorted());
    expect(told.every(({ operation, outcome }) => operation === "Pay" && outcome === "ok")).toBe(true);
    expect(told.map(({ calls }) => calls).toSorted((a, b) => a - b)).toEqual([...Array(11).fill(0), cost]);
    expect(await shared()).toBe(11);
    expect(await figure("operations_total")).toBe(13);
    expect(await figure("operation_duration_seconds_count")).toBe(13);
    expect(await figure("operations_running")).toBe(0);
  });

  test("leave nothing behind: a later caller asks again", async () => {
    const ask = () => gateway.ask(query, { variables });
    await together([ask, ask]);
    bkrepo.server.forget();
    expect((await ask()).body.data).toEqual(known);
    expect(bkrepo.server.seen).not.toHaveLength(0);
    expect(await shared()).toBe(1);
  });

  test("are compressed once for all who take the same coding", async () => {
    const long =
      'package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: $key }) { id name key purl description createdAt updatedAt createdBy versionCount versions(first: 20) { nodes { id name purl createdAt size tags } } }';
    const asks = ["gzip", "br", "gzip", "br", "identity"].map(
      (coding) => () =>
        gateway.ask(`query Pay($key: String!) { ${long} }`, { variables, headers: { "accept-encoding": coding } }),
    );
    const answers = await together(asks);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers.map(({ headers }) => headers.get("content-encoding"))).toEqual(["gzip", "br", "gzip", "br", null]);
    expect(await shared()).toBe(4);
  });

  test("that differ in a variable, in a byte or in the type of the answer are distinguished", async () => {
    const other = { key: "gav://com.acme.pay:no-such-thing" };
    const typed = { accept: "application/graphql-response+json" };
    const answers = await together([
      () => gateway.ask(query, { variables }),
      () => gateway.ask(query, { variables: other }),
      () => gateway.ask(`${query} `, { variables }),
      () => gateway.ask(query, { variables, headers: typed }),
    ]);
    expect(answers.map(({ body }) => body.data)).toEqual([known, { package: null }, known, known]);
    expect(answers[3]?.headers.get("content-type")).toBe("application/graphql-response+json; charset=utf-8");
    expect(await shared()).toBe(0);
  });

  test("are not compared when they are long", async () => {
    const long = `${query} # ${"x".repeat(20_000)}`;
    const answers = await together([1, 2].map(() => () => gateway.ask(long, { variables })));
    expect(answers.map(({ body }) => body.data)).toEqual([known, known]);
    expect(await shared()).toBe(0);
  });
});

describe("who asks is part of the question", () => {
  const keyed = (names: readonly string[], scopes: readonly string[] = ["read"]) => ({
    mode: "keys",
    keys: names.map((name) => ({ name, sha256: createHash("sha256").update(name).digest("hex"), scopes })),
  });
  const as = (token: string) => ({ authorization: `Bearer ${token}` });

  test("a key that may see less is never answered with what another may see", async () => {
    const allow = { repositories: ["pay/maven-local"] };
    await start({ settings: { auth: keyed(["one", "two"]), access: [{ who: { keys: ["one"] }, allow }] } });
    const ask = (key: string) => () => gateway.ask(query, { variables, headers: as(key) });
    const answers = await together([ask("one"), ask("one")]);
    expect(answers.map(({ body }) => body.data)).toEqual([known, known]);
    expect(await shared()).toBe(1);
    bkrepo.shut();
    const seeing = ask("one")();
    await running(1);
    expect((await ask("two")()).body.data).toEqual({ package: null });
    bkrepo.open();
    expect((await seeing).body.data).toEqual(known);
    expect(await shared()).toBe(1);
  });

  test("keys of equal rights are distinguished all the same", async () => {
    await start({ settings: { auth: keyed(["one", "two"]) } });
    await together(["one", "two"].map((key) => () => gateway.ask(query, { variables, headers: as(key) })));
    expect(await shared()).toBe(0);
  });

  test("tokens share by what they say, not by how they are spelled", async () => {
    const issuer = await startIssuer();
    closing.push(() => issuer.close());
    const signer = await createSigner("one");
    issuer.publish([signer.jwk]);
    const jwt = { issuer: issuerName, audience, jwksUrl: issuer.jwksUrl };
    const access = [{ who: { claim: "team", values: ["pay"] }, allow: { repositories: ["pay/maven-local"] } }];
    await start({ settings: { auth: { mode: "jwt", jwt }, access } });
    const tokens = await Promise.all([
      signer.sign({ sub: "ann", team: "pay", scope: "read" }),
      signer.sign({ sub: "ann", team: "pay", scope: "read", jti: "another" }),
      signer.sign({ sub: "ben", team: "pay", scope: "read" }),
      signer.sign({ sub: "ann", team: "pay", scope: "read explain" }),
    ]);
    await gateway.ask("{ __typename }", { headers: as(tokens[0]) });
    const ask = (token: string) => () => gateway.ask(query, { variables, headers: as(token) });
    const answers = await together(tokens.map(ask));
    expect(answers.map(({ body }) => body.data)).toEqual([known, known, known, known]);
    expect(await shared()).toBe(1);
    // The same name without the claim, and without the scope, while one who has both is being answered.
    bkrepo.shut();
    const seeing = ask(tokens[0])();
    await running(1);
    expect((await ask(await signer.sign({ sub: "ann", scope: "read" }))()).body.data).toEqual({ package: null });
    const closed = await ask(await signer.sign({ sub: "ann", team: "pay", scope: "" }))();
    expect(closed.body.errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
    bkrepo.open();
    expect((await seeing).body.data).toEqual(known);
  });

  test("a forwarded credential shares with itself alone", async () => {
    await start({ backends: { gitlab: { forward: "caller", credentials: undefined } } });
    const text = '{ packages(scope: { backend: "gitlab", group: "pay" }, first: 3) { nodes { name } } }';
    const ask = (token: string | null) =>
      gateway.ask(text, { headers: token === null ? {} : { "x-backend-token-gitlab": token } });
    gitlab.shut();
    const good = [ask(credentials.gitlab.token), ask(credentials.gitlab.token)];
    await running(2);
    const bad = ask("glpat-somebody-else");
    await running(3);
    const none = await ask(null);
    expect(none.body.data?.["packages"] ?? null).toBeNull();
    gitlab.open();
    const seen = (await Promise.all(good)).map(({ body }) => body);
    expect(seen.map(({ errors }) => errors)).toEqual([undefined, undefined]);
    expect(seen[0]?.data).toEqual(seen[1]?.data);
    expect(Object(seen[0]?.data?.["packages"])["nodes"]).toHaveLength(3);
    expect((await bad).body.data?.["packages"] ?? null).toBeNull();
    expect(await shared()).toBe(1);
  });
});

const health = "{ backends { name health { status } } }";

/** What the answer says of bkrepo's health; such an answer has no errors, whatever it says. */
function healthIn({ body }: Answer): string {
  expect(body.errors).toBeUndefined();
  return Object(body.data)["backends"].find(({ name }: { name: string }) => name === "bkrepo").health.status;
}

test("the answer of a caller without calls left is not shared, since it may lack something", async () => {
  await start({ settings: { limits: { upstreamCalls: 2 } } });
  const answers = await together([1, 2].map(() => () => gateway.ask(query, { variables })));
  expect(answers.map(({ body }) => body)).toEqual([{ data: known }, { data: known }]);
  expect(await shared()).toBe(0);
});

describe("what is not without fault is not shared", () => {
  beforeEach(() => start());

  test("be it an error that no backend has to do with", async () => {
    const text = query.replace(/\}$/, 'bad: node(id: "x") { id } }');
    const answers = await together([1, 2].map(() => () => gateway.ask(text, { variables })));
    expect(answers.map(({ body }) => body.errors?.length)).toEqual([1, 1]);
    expect(answers.map(({ body }) => body.data)).toEqual([
      { ...known, bad: null },
      { ...known, bad: null },
    ]);
    expect(await shared()).toBe(0);
  });

  test("after an error each asks for itself, and is logged by its own name", async () => {
    bkrepo.shut();
    const first = gateway.ask(query, { variables, headers: { "x-request-id": "first" } });
    // Its calls have to fail after the others have come, so they wait behind the door.
    await running(1);
    const others = ["second", "third"].map((name) =>
      gateway.ask(query, { variables, headers: { "x-request-id": name } }),
    );
    await running(3);
    const before = bkrepo.server.seen.length;
    bkrepo.server.setTamper((reply) => {
      bkrepo.server.setTamper(null);
      return { ...reply, status: 500 };
    });
    bkrepo.open();
    expect((await first).body.errors).not.toHaveLength(0);
    const answers = await Promise.all(others);
    expect(answers.map(({ body }) => body)).toEqual([{ data: known }, { data: known }]);
    expect(answers.map(({ headers }) => headers.get("x-request-id"))).toEqual(["second", "third"]);
    expect(bkrepo.server.seen.length).toBeGreaterThan(before);
    const outcomes = Object.fromEntries(lines().map(({ requestId, outcome }) => [requestId, outcome]));
    expect(outcomes).toMatchObject({ second: "ok", third: "ok" });
    expect(outcomes["first"]).not.toBe("ok");
    expect(await shared()).toBe(0);
  });

  test("a failure that only shows as a status is one too", async () => {
    bkrepo.shut();
    const first = gateway.ask(health);
    await until(() => bkrepo.server.seen.length > 0);
    const other = gateway.ask(health);
    await running(2);
    bkrepo.server.setTamper((reply) => {
      bkrepo.server.setTamper(null);
      return { ...reply, status: 500 };
    });
    bkrepo.open();
    expect(healthIn(await first)).not.toBe("OK");
    expect(healthIn(await other)).toBe("OK");
    expect(await shared()).toBe(0);
  });
});

describe("a caller that leaves", () => {
  // So long that no run stops being shared while these wait.
  beforeEach(() => start({ settings: { limits: { deadlineMs: 120_000 } } }));

  test("first takes nothing from the others: the run goes on for them, and they are answered in full", async () => {
    bkrepo.shut();
    const leaving = new AbortController();
    const first = gateway.ask(query, { variables, signal: leaving.signal }).catch(() => "left");
    await running(1);
    const others = [1, 2].map(() => gateway.ask(query, { variables }));
    await running(3);
    const { length } = bkrepo.server.seen;
    leaving.abort();
    expect(await first).toBe("left");
    await running(2);
    // One who comes now finds it as well.
    others.push(gateway.ask(query, { variables }));
    await running(3);
    bkrepo.open();
    const answers = await Promise.all(others);
    expect(answers.map(({ body }) => body)).toEqual(Array.from(answers, () => ({ data: known })));
    expect(lines().map(({ outcome }) => outcome)).toEqual(["left", "ok", "ok", "ok"]);
    expect(bkrepo.server.seen).toHaveLength(length);
    expect(await shared()).toBe(3);
  });

  test.each([
    ["first to last", [0, 1, 2]],
    ["last to first", [2, 1, 0]],
    ["the first in between", [1, 0, 2]],
  ])("with everybody else, %s, ends the calls, and nothing is asked for them", async (_name, order) => {
    bkrepo.shut();
    const askers = order.map(() => new AbortController());
    const asked: Promise<unknown>[] = [];
    for (const { signal } of askers) {
      asked.push(gateway.ask(query, { variables, signal }).catch(() => "left"));
      await running(asked.length);
    }
    const { length } = bkrepo.server.seen;
    for (const [gone, index] of order.entries()) {
      expect(bkrepo.server.seen.every(({ endedAt }) => endedAt === null)).toBe(true);
      askers[index]?.abort();
      await running(order.length - 1 - gone);
    }
    expect(await Promise.all(asked)).toEqual(["left", "left", "left"]);
    await until(() => bkrepo.server.seen.every(({ endedAt }) => endedAt !== null));
    const control = gateway.ask(`${query} `, { variables });
    await running(1);
    bkrepo.open();
    expect((await control).body).toEqual({ data: known });
    expect(bkrepo.server.seen).toHaveLength(2 * length);
  });

  test("first, and whose question then fails, leaves the others to ask for themselves", async () => {
    bkrepo.shut();
    const leaving = new AbortController();
    const first = gateway.ask(health, { signal: leaving.signal }).catch(() => "left");
    await until(() => bkrepo.server.seen.length > 0);
    const other = gateway.ask(health);
    await running(2);
    leaving.abort();
    expect(await first).toBe("left");
    await running(1);
    bkrepo.server.setTamper((reply) => {
      bkrepo.server.setTamper(null);
      return { ...reply, status: 500 };
    });
    bkrepo.open();
    expect(healthIn(await other)).toBe("OK");
    expect(await shared()).toBe(0);
  });

  test("later does not affect the others", async () => {
    bkrepo.shut();
    const leaving = new AbortController();
    const ask = () => gateway.ask(query, { variables });
    const first = ask();
    await running(1);
    const second = gateway.ask(query, { variables, signal: leaving.signal }).catch(() => "left");
    const third = ask();
    await running(3);
    const { length } = bkrepo.server.seen;
    leaving.abort();
    expect(await second).toBe("left");
    await running(2);
    bkrepo.open();
    expect((await Promise.all([first, third])).map(({ body }) => body)).toEqual([{ data: known }, { data: known }]);
    expect(
      lines()
        .map(({ outcome, calls }) => `${outcome} ${calls}`)
        .toSorted(),
    ).toEqual(["left 0", "ok 0", `ok ${length}`]);
    expect(bkrepo.server.seen).toHaveLength(length);
    expect(await shared()).toBe(1);
  });
});

describe("who has changed something sees it", () => {
  const place = '{ backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }';
  const both = `{
    here: package(ref: ${place}) { versions(first: 100) { nodes { name } } }
    there: packages(scope: { backend: "gitlab", group: "pay" }, first: 3) { nodes { name } }
  }`;
  const versionsIn = ({ body }: Answer): readonly { readonly name: string }[] =>
    Object(body.data)["here"].versions.nodes;

  async function startWithMutations(): Promise<{ readonly id: string; readonly name: string }> {
    const scopes = ["read", "package:delete"];
    await start({
      settings: { mutations: true, auth: { mode: "none", allowAnonymous: true, anonymousScopes: scopes } },
    });
    const { body } = await gateway.ask(`{ package(ref: ${place}) { versions(first: 1) { nodes { id name } } } }`);
    return Object(body.data)["package"].versions.nodes[0];
  }

  const remove = ({ id, name }: { readonly id: string; readonly name: string }) =>
    gateway.ask(
      "mutation ($id: ID!, $name: String!) { done: deleteVersion(id: $id, confirmName: $name) { outcome } }",
      {
        variables: { id, name },
      },
    );

  /** One question that has heard from bkrepo and waits for GitLab. */
  async function halfAnswered(): Promise<{ readonly asked: Promise<Answer> }> {
    const before = bkrepo.server.seen.length;
    gitlab.shut();
    const asked = gateway.ask(both);
    await until(() => {
      const seen = bkrepo.server.seen.slice(before);
      return gitlab.server.seen.length > 0 && seen.length > 0 && seen.every(({ endedAt }) => endedAt !== null);
    });
    return { asked };
  }

  const done = { done: { outcome: "DELETED" } };

  /** Asks the same as the earlier question now, and lets both be answered. */
  async function expectOnlyLaterToMiss(name: string, earlier: Awaited<ReturnType<typeof halfAnswered>>): Promise<void> {
    const later = gateway.ask(both);
    await running(2);
    gitlab.open();
    expect(versionsIn(await earlier.asked)).toContainEqual({ name });
    expect(versionsIn(await later)).not.toContainEqual({ name });
    expect(await shared()).toBe(0);
  }

  test("though an equal question that knows nothing of it is still under way", async () => {
    const version = await startWithMutations();
    const earlier = await halfAnswered();
    expect((await remove(version)).body.data).toEqual(done);
    await expectOnlyLaterToMiss(version.name, earlier);
  });

  test("though an equal question began while it was being done", async () => {
    const version = await startWithMutations();
    bkrepo.shut("DELETE");
    const removing = remove(version);
    await until(() => bkrepo.server.seen.some(({ method }) => method === "DELETE"));
    const earlier = await halfAnswered();
    bkrepo.open();
    expect((await removing).body.data).toEqual(done);
    await expectOnlyLaterToMiss(version.name, earlier);
  });

  test("and meanwhile no read follows one that began before", async () => {
    const version = await startWithMutations();
    const earlier = await halfAnswered();
    bkrepo.shut("DELETE");
    const removing = remove(version);
    await until(() => bkrepo.server.seen.some(({ method }) => method === "DELETE"));
    const later = gateway.ask(both);
    await running(3);
    bkrepo.open();
    gitlab.open();
    expect((await removing).body.data).toEqual(done);
    await Promise.all([earlier.asked, later]);
    expect(await shared()).toBe(0);
  });
});

describe("a run that is shared", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("takes its waiting from an asker's own time", () => {
    const limits = { upstreamCalls: 1, deadlineMs: 1000 };
    const startedAt = performance.now();
    vi.advanceTimersByTime(250);
    const asking = {
      headers: { get: () => null },
      requestId: "late",
      callerKey: "test",
      startedAt,
      onClose: () => undefined,
    };
    const call = createCall(asking, limits);
    expect(call.remainingMs()).toBe(750);
    vi.advanceTimersByTime(749);
    expect(call.cancelToken.cancelled).toBe(false);
    vi.advanceTimersByTime(1);
    expect(call.cancelToken.cancelled).toBe(true);
  });
});

describe("the key of a question", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("", "\n", "null", '"', "[]", "a\nb", "read"));
  const allowed = fc.record({
    backends: fc.option(fc.array(text, { maxLength: 2 })),
    projects: fc.array(text, { maxLength: 2 }),
    repositories: fc.array(text, { maxLength: 2 }),
    namespaces: fc.array(text, { maxLength: 2 }),
    groups: fc.array(text, { maxLength: 2 }),
  });
  const scope = fc.constantFrom("read", "explain", "release:manifests", "package:delete");
  const asker = fc.record({
    caller: fc.record({
      name: text,
      scopes: fc.uniqueArray(scope).map((scopes) => new Set(scopes)),
      access: fc.option(fc.array(allowed, { maxLength: 2 })),
    }),
    type: fc.constantFrom("application/json", "application/graphql-response+json"),
    credentials: fc.option(
      fc.array(fc.tuple(fc.constantFrom("x-backend-token-a", "x-backend-token-b"), text), {
        minLength: 1,
        maxLength: 2,
      }),
    ),
  });
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
    text.map((some) => Buffer.from(some)),
  );
  const facts = ({ caller, ...rest }: Asker, bytes: Buffer) => [
    { ...caller, scopes: [...caller.scopes].toSorted() },
    rest,
    [...bytes],
  ];

  test("is one for what is equal in every part, and for nothing else", () => {
    const answers = new CoalescedAnswers({ maxWaitMs: 1000, released: null });
    fc.assert(
      fc.property(asker, body, asker, body, fc.nat(15), (one, bytes, two, others, mixed) => {
        // Mostly equal pairs, which differ in as little as one part.
        const caller = mixed & 1 ? one.caller : two.caller;
        const type = mixed & 2 ? one.type : two.type;
        const credentials = mixed & 4 ? one.credentials : two.credentials;
        const other: Asker = { caller: { ...caller }, type, credentials };
        const same = mixed & 8 ? Buffer.from(bytes) : others;
        const isEqual = JSON.stringify(facts(one, bytes)) === JSON.stringify(facts(other, same));
        expect(answers.keyOf(one, bytes) === answers.keyOf(other, same)).toBe(isEqual);
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[string, Partial<Asker>, string, Partial<Asker>, string]>([
    ["a credential in front of the body", { credentials: [["h", "v"]] }, "x", {}, '[["h","v"]]\nx'],
    ["a line break at the front of the body", {}, "\nx", { credentials: [["", ""]] }, "x"],
    [
      "two credentials and one",
      {
        credentials: [
          ["h", "a"],
          ["i", "b"],
        ],
      },
      "",
      { credentials: [["h", 'a"],["i","b']] },
      "",
    ],
    ["bytes that are no UTF-8", {}, "\u00e9", {}, "\ufffd"],
  ])("tells apart %s", (_name, one, body, two, other) => {
    const answers = new CoalescedAnswers({ maxWaitMs: 1000, released: null });
    const plain: Asker = {
      caller: { name: "anonymous", scopes: new Set(), access: null },
      type: "application/json",
      credentials: null,
    };
    expect(answers.keyOf({ ...plain, ...one }, Buffer.from(body, "latin1"))).not.toBe(
      answers.keyOf({ ...plain, ...two }, Buffer.from(other, "utf8")),
    );
  });
});
