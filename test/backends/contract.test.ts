import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { DemoServer, Fault } from "../../demo/server.ts";
import { failed } from "../../src/backends/answers.ts";
import type { Backend, Readers } from "../../src/backends/backend.ts";
import { backendTypes } from "../../src/backends/index.ts";
import type { Question } from "../../src/backends/prices.ts";
import { type Failure, UpstreamError } from "../../src/upstream/errors.ts";
import { exchanges } from "../../src/upstream/events.ts";
import type { Call } from "../../src/upstream/operation.ts";
import { valueIn } from "../support/answers.ts";
import { testCall } from "../support/call.ts";
import { failureOf, need, playing, type Subject, walk } from "../support/contract.ts";
import { subjects } from "../support/contract-subjects.ts";

interface Stage {
  readonly server: DemoServer;
  readonly backend: Backend;
  /** Readers of a new request. */
  readonly readers: (call?: Parameters<typeof testCall>[0] | Call) => Readers;
}

async function open(subject: Subject, settings: Readonly<Record<string, unknown>> = {}): Promise<Stage> {
  const server = await subject.serve();
  const backend = subject.connect(server.url, settings);
  onTestFinished(async () => {
    await backend.close();
    await server.close();
  });
  return { server, backend, readers: (call) => backend.during(call && "budget" in call ? call : testCall(call)) };
}

/** Reader methods of which the question in the prices has the same name. */
function needsPrice(method: string): method is Question {
  const questions: readonly Question[] = ["release", "artifact", "package", "version", "versions", "latest", "files"];
  const searches: readonly Question[] = ["byChecksum", "named", "search", "image", "copies", "byDigest", "commit"];
  return [...questions, ...searches].some((one) => one === method);
}

test("every kind of backend takes the test", () => {
  expect(subjects.map(({ kind }) => kind.toUpperCase()).toSorted()).toEqual(
    backendTypes.map(({ kind }) => kind).toSorted(),
  );
});

describe.each(subjects)("$kind", (subject) => {
  const { list, many, nameOf } = subject;
  const read = async (readers: Readers, first: number) =>
    need(valueIn(await list.read(readers, { first, after: null })));

  /** Everything that is asked in this suite, so that a failure is told alike wherever it strikes. */
  const questions: readonly (readonly [what: string, ask: (readers: Readers) => Promise<unknown>])[] = [
    ["a look-up", async (readers) => valueIn(await subject.present(readers))],
    ["a look-up of what is not there", async (readers) => valueIn(await subject.absent(readers))],
    ["a list", (readers) => read(readers, 5)],
    ["one of many keys", (readers) => Promise.all(many.map(async ({ load }) => valueIn(await load(readers))))],
  ];

  describe("absence", () => {
    test("covers a missing thing and a missing place, and is no error", async () => {
      const { readers } = await open(subject);
      expect(await subject.present(readers())).toMatchObject({ kind: "FOUND" });
      expect(await subject.absent(readers())).toMatchObject({ kind: "ABSENT" });
      expect(await subject.nowhere(readers())).toMatchObject({ kind: "ABSENT" });
    });

    const { kind, operations } = need(backendTypes.find((type) => type.kind === subject.kind.toUpperCase()));
    test.each(subject.missing)(
      "is proved by a call that was sent, and whose silence proves it: %s",
      async (what, ask) => {
        const { server, backend, readers } = await open(subject);
        const call = testCall();
        const sent = new Set<string>();
        const stop = exchanges.subscribe((exchange) => {
          if (exchange.call === call && exchange.via === "SENT") sent.add(exchange.operation);
        });
        const answer = await ask(readers(call)).catch(failed).finally(stop);
        const [question = ""] = what.split(" ");
        if (sent.size > 0 && needsPrice(question)) expect(Object.keys(backend.prices())).toContain(question);
        // What nobody could say is no lie; what is said to be there is.
        if (answer.kind === "FOUND") expect(answer.value, kind).toMatchObject({ rows: [] });
        if (answer.kind !== "ABSENT") return;
        const operation = operations.find(({ name }) => name === answer.operation);
        if (answer.proof === "IMPOSSIBLE") {
          expect([answer.operation, server.seen]).toEqual([null, []]);
          return;
        }
        expect(operation?.proves, `${answer.operation} is declared`).toContain(answer.proof);
        expect([...sent]).toContain(answer.operation);
      },
    );

    test("of a list's rows is an empty list with an end, or that of its place", async () => {
      const { server, readers } = await open(subject);
      server.setTamper(playing(list, () => []));
      const answer = await list.read(readers(), { first: 5, after: null });
      if (answer.kind === "ABSENT") return;
      const page = need(valueIn(answer));
      expect([page.rows, page.hasNext, page.dropped]).toEqual([[], false, []]);
      expect([0, null]).toContain(typeof page.total === "function" ? await page.total() : page.total);
    });
  });

  describe("a refusal", () => {
    test.each(questions)("of a wrong credential is DENIED, and %s is not tried again", async (_what, ask) => {
      const { server, readers } = await open(subject, { ...subject.stranger, retries: 2 });
      const error = await failureOf(ask(readers()));
      expect(error).toMatchObject({ failure: "DENIED", backend: subject.kind, retryable: false });
      expect([401, 403]).toContain(error.status);
      const asked = server.seen.map(({ method, url, body }) => `${method} ${url} ${body}`);
      expect(new Set(asked).size).toBe(asked.length);
    });

    test.each([401, 403])("with status %i is DENIED", async (status) => {
      for (const [, ask] of questions) {
        const { server, readers } = await open(subject, { retries: 2 });
        await server.setFault({ kind: "status", status });
        expect(await failureOf(ask(readers()))).toMatchObject({ failure: "DENIED", status, retryable: false });
      }
    });

    test("says nothing of the credential, the address or the vendor's words", async () => {
      const { server, readers } = await open(subject, subject.stranger);
      const error = await failureOf(subject.present(readers()).then(valueIn));
      const told = JSON.stringify({ ...error, message: error.message });
      expect(told).not.toContain(server.url.replace("http://", ""));
      expect(told).not.toMatch(/somebody|wrong|authorization|token/i);
    });
  });

  describe("too many calls", () => {
    test("are THROTTLED, with the pause where the server names one", async () => {
      const { server, readers } = await open(subject);
      for (const [, ask] of questions) {
        await server.setFault({ kind: "throttle", retryAfter: "7" });
        expect(await failureOf(ask(readers()))).toMatchObject({
          failure: "THROTTLED",
          retryAfterMs: 7000,
          retryable: true,
        });
        await server.setFault({ kind: "throttle" });
        expect(await failureOf(ask(readers()))).toMatchObject({
          failure: "THROTTLED",
          retryAfterMs: null,
          retryable: true,
        });
      }
    });

    test("are not made worse: a pause longer than the request lives is not waited for", async () => {
      const { server, readers } = await open(subject, { retries: 5 });
      await server.setFault({ kind: "throttle", retryAfter: "3600" });
      const started = performance.now();
      expect(await failureOf(subject.present(readers()).then(valueIn))).toMatchObject({ failure: "THROTTLED" });
      expect(performance.now() - started).toBeLessThan(1000);
      expect(server.seen).toHaveLength(1);
    });
  });

  const faults: readonly (readonly [what: string, fault: Fault, failure: Failure])[] = [
    ["another shape", { kind: "malformed" }, "MALFORMED"],
    ["a login page with status 200", { kind: "html" }, "MALFORMED"],
    ["no body", { kind: "empty" }, "MALFORMED"],
    ["half an answer", { kind: "truncated" }, "UNAVAILABLE"],
    ["a connection cut", { kind: "reset" }, "UNAVAILABLE"],
    ["nobody there", { kind: "down" }, "UNAVAILABLE"],
    ["a proxy without a server", { kind: "status", status: 502 }, "UNAVAILABLE"],
    ["more bytes than allowed", { kind: "huge", bytes: 1_000_000 }, "MALFORMED"],
  ];
  test.each(faults)("%s is reported as what it is, never as absence", async (_what, fault, failure) => {
    const { server, readers } = await open(subject, { maxResponseBytes: 500_000 });
    await server.setFault(fault);
    for (const [what, ask] of questions) {
      const error = await failureOf(ask(readers()));
      expect([what, error.failure, error.backend]).toEqual([what, failure, subject.kind]);
    }
  });

  test.each([
    ["page", "text/html"],
    ["word", "text/plain"],
  ])("a proxy's own 404, a %s, is no absence: the vendor was not asked", async (_what, type) => {
    const { server, readers } = await open(subject);
    server.setTamper(() => ({ status: 404, headers: { "content-type": type }, body: "404 page not found" }));
    for (const [what, ask] of questions) {
      const { failure, status } = await failureOf(ask(readers()));
      expect([what, failure, status]).toEqual([what, expect.stringMatching(/MALFORMED|UNAVAILABLE|REJECTED/), 404]);
    }
  });

  test("JSON that ends too early is MALFORMED", async () => {
    const { server, readers } = await open(subject);
    server.setTamper((reply) => {
      const whole = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body);
      return { ...reply, body: whole.slice(0, -3), headers: { ...reply.headers, "content-type": "application/json" } };
    });
    expect(await failureOf(subject.present(readers()).then(valueIn))).toMatchObject({ failure: "MALFORMED" });
  });

  test("a mood that passes is asked again, and then answered", async () => {
    const { server, readers } = await open(subject, { retries: 2 });
    await server.setFault({ kind: "status", status: 503, times: 1 });
    expect(await read(readers(), 3)).toMatchObject({ dropped: [] });
    expect(server.seen.length).toBeGreaterThanOrEqual(2);
  });

  describe("time", () => {
    test.each<Fault>([
      { kind: "slow", ms: 5000 },
      { kind: "drip", everyMs: 5 },
    ])("that runs out while the server is %o is TIMED_OUT", async (fault) => {
      const { server, readers } = await open(subject, { timeoutMs: 60 });
      await server.setFault(fault);
      for (const [, ask] of questions) {
        const started = performance.now();
        expect(await failureOf(ask(readers()))).toMatchObject({ failure: "TIMED_OUT" });
        expect(performance.now() - started).toBeLessThan(2000);
      }
    });

    test("of a caller who has left is not wasted: nothing hangs, and nothing more is asked", async () => {
      for (const [, ask] of questions) {
        const { server, readers } = await open(subject, { retries: 3 });
        await server.setFault({ kind: "slow", ms: 5000 });
        const leaving = new AbortController();
        const answer = failureOf(ask(readers({ signal: leaving.signal })));
        await vi.waitFor(() => expect(server.seen.length).toBeGreaterThan(0), { interval: 5, timeout: 3000 });
        await sleep(20);
        const before = server.seen.length;
        leaving.abort();
        const started = performance.now();
        expect(await answer).toMatchObject({ failure: "TIMED_OUT" });
        expect(performance.now() - started).toBeLessThan(500);
        await sleep(150);
        expect(server.seen.length).toBe(before);
      }
    });

    test("of a caller who left before is not even begun", async () => {
      const { server, readers } = await open(subject);
      for (const [, ask] of questions) await failureOf(ask(readers({ signal: AbortSignal.abort() })));
      expect(server.seen).toEqual([]);
    });
  });

  test("a budget that is used up is not overdrawn", async () => {
    const { server, readers } = await open(subject);
    for (const [, ask] of questions) {
      expect(await failureOf(ask(readers({ calls: 0 })))).toMatchObject({ failure: "OVER_BUDGET" });
    }
    expect(server.seen).toEqual([]);
  });

  describe("many keys", () => {
    const names = many.map(({ name }) => name);
    const load = (readers: Readers) => Promise.all(many.map(async (key) => valueIn(await key.load(readers))));

    test("are answered each by its own row", async () => {
      const { readers } = await open(subject);
      expect((await load(readers())).map(nameOf)).toEqual(names);
    });

    test("asked for twice are asked once", async () => {
      const { server, readers } = await open(subject);
      const request = readers();
      await load(request);
      const { length } = server.seen;
      expect((await load(request)).map(nameOf)).toEqual(names);
      expect(server.seen).toHaveLength(length);
      expect(length).toBeLessThan(many.length);
    });

    test("are answered by a field of the row, in whatever order the rows come, and however often", async () => {
      const { server, readers } = await open(subject);
      const straight = (await load(readers())).map(withoutMoment);
      server.setTamper((reply) => subject.withRows(reply, (rows) => rows.toReversed()));
      expect((await load(readers())).map(withoutMoment)).toEqual(straight);
      server.setTamper((reply) => subject.withRows(reply, (rows) => rows.flatMap((row) => [row, row])));
      expect((await load(readers())).map(nameOf)).toEqual(names);
    });

    test.each(names.map((_name, index) => index))(
      "lose none but key %i when its row is missing or bad",
      async (index) => {
        const { server, readers } = await open(subject);
        const isIts = (row: unknown) => subject.nameOfRow(row) === names[index];
        const without = (rows: readonly unknown[]) => rows.filter((row) => !isIts(row));
        const spoilt = (rows: readonly unknown[]) => rows.map((row) => (isIts(row) ? { nonsense: true } : row));
        for (const change of [without, spoilt]) {
          server.setTamper((reply) => subject.withRows(reply, change));
          const request = readers();
          const answers = await Promise.allSettled(many.map((key) => key.load(request)));
          for (const [place, answer] of answers.entries()) {
            if (answer.status === "rejected") {
              expect(place).toBe(index);
              expect(answer.reason).toMatchObject({ failure: "MALFORMED" });
              continue;
            }
            // The vendor's other ways to find it may still know it; somebody else's row would be worse than none.
            if (answer.value.kind === "FOUND") expect(nameOf(answer.value.value)).toBe(names[place]);
            else expect(place).toBe(index);
            // A row that cannot be read is no proof of anything.
            if (change === spoilt) expect(answer.value.kind).not.toBe("ABSENT");
          }
        }
      },
    );

    test("fail apart: what one place refuses, the others still answer", async () => {
      const { server, readers } = await open(subject);
      expect(await subject.apart.key.load(readers())).toMatchObject({ kind: "FOUND" });
      server.setTamper((reply, request) => (subject.apart.isAsked(request) ? { status: 502, body: "no" } : reply));
      const request = readers();
      const [lost, ...kept] = await Promise.allSettled(
        [subject.apart.key, ...many].map(async (key) => valueIn(await key.load(request))),
      );
      expect(lost?.status === "rejected" && lost.reason).toBeInstanceOf(UpstreamError);
      expect(kept.map((one) => one.status === "fulfilled" && nameOf(one.value))).toEqual(names);
    });
  });

  describe("a list", () => {
    const rows = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => list.row(from + index));
    const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

    test.each([1, 3, 7, 50])("is walked to its end in windows of %i", async (first) => {
      const { server, readers } = await open(subject);
      server.setTamper(playing(list, () => rows(100, 123)));
      const { values, dropped } = await walk((request) => list.read(readers(), request), first);
      expect(values.map(list.numberOf)).toEqual(numbers(100, 123));
      expect(dropped).toEqual([]);
    });

    test("repeats no row that the server repeats", async () => {
      const { server, readers } = await open(subject);
      server.setTamper(playing(list, () => rows(100, 120).flatMap((row) => [row, row])));
      const { values } = await walk((request) => list.read(readers(), request), 6);
      expect(values.map(list.numberOf)).toEqual(numbers(100, 120));
    });

    test.each([1, 2, 5])(
      "that grows in front while it is walked repeats nothing and skips nothing (windows of %i)",
      async (first) => {
        const { server, readers } = await open(subject);
        let from = 100;
        server.setTamper(playing(list, () => rows(from, 120)));
        const { values } = await walk(
          (request) => list.read(readers(), request),
          first,
          () => {
            from -= 1;
          },
        );
        expect(values.map(list.numberOf)).toEqual(numbers(100, 120));
      },
    );

    test.each([1, 4])("that loses rows in front while it is walked skips nothing (windows of %i)", async (first) => {
      const { server, readers } = await open(subject);
      let from = 100;
      server.setTamper(playing(list, () => rows(from, 120)));
      const { values } = await walk(
        (request) => list.read(readers(), request),
        first,
        () => {
          from += 1;
        },
      );
      expect(values.map(list.numberOf)).toEqual(numbers(100, 120));
    });

    test.each([
      ["null", null],
      ["text", "row"],
      ["an object without what we rely on", { nonsense: true }],
      ["an object of other types", { id: {}, name: [], key: 7, image: 9, version: false, namespace: 0, type: 1 }],
    ])("keeps its good rows beside %s, and tells of what it left out", async (_what, bad) => {
      const { server, readers } = await open(subject);
      server.setTamper(playing(list, () => [...rows(100, 103), bad, ...rows(103, 112), bad]));
      for (const first of [1, 4, 50]) {
        const { values, dropped } = await walk((request) => list.read(readers(), request), first);
        expect(values.map(list.numberOf)).toEqual(numbers(100, 112));
        expect(dropped.length).toBeGreaterThanOrEqual(2);
        for (const { operation, index, reason } of dropped) {
          expect(operation).toMatch(new RegExp(`^${subject.kind}\\.`));
          expect(index).toBeGreaterThanOrEqual(0);
          expect(reason).not.toMatch(/nonsense|"row"/);
        }
      }
    });

    test("of nothing but bad rows is not taken for an empty one", async () => {
      const { server, readers } = await open(subject);
      server.setTamper(playing(list, () => [{ nonsense: true }, { nonsense: true }]));
      const { values, dropped } = await walk((request) => list.read(readers(), request), 1);
      expect(values).toEqual([]);
      expect(dropped.length).toBeGreaterThanOrEqual(2);
    });
  });
});

/** A value without the time it was told, which no two answers share. */
function withoutMoment(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (name, part: unknown) => (name === "origin" ? null : part)) ?? "null");
}
