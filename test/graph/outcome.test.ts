import type { GraphQLError, GraphQLResolveInfo } from "graphql";
import { describe, expect, test } from "vitest";
import { type Answer, found, hidden, unknown } from "../../src/backends/answers.ts";
import type { Backend } from "../../src/backends/backend.ts";
import {
  aged,
  combineSources,
  couldNotSay,
  errorsIn,
  gather,
  isComplete,
  lookUp,
  outcomeIn,
  outcomeOf,
  provenValue,
  type SourceParent,
  sourceFrom,
  sourceWithStatus,
  unanswered,
  wasAsked,
} from "../../src/graph/artifact/outcome.ts";
import { createContext, createEstate } from "../../src/graph/context.ts";
import type { SourceStatus } from "../../src/graph/generated/resolvers.ts";
import type { Origin } from "../../src/model/backend.ts";
import { StaleResponses } from "../../src/upstream/cache.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import type { Call } from "../../src/upstream/operation.ts";
import { testCall } from "../support/call.ts";

const origin: Origin = { backend: "store", fetchedAt: "2026-11-20T08:00:00.000Z", stale: false, traceId: "t1" };
const throttled = new UpstreamError("THROTTLED", {
  backend: "store",
  operation: "store.read",
  retryAfterMs: 500,
  code: "SLOW",
  traceId: "t2",
});
const failedAnswer: Answer<never> = { kind: "UNKNOWN", reason: "FAILED", failure: throttled };
const lost = unknown("LOST_ROWS");
const originOf = () => origin;

function source(backend: string, status: SourceStatus, fetchedAt: string | null = null): SourceParent {
  return { ...sourceWithStatus(backend, status), fetchedAt };
}

/** A context over these backends, and the errors that are reported to it. */
function stage(backends: readonly Backend[] = []) {
  const problems: GraphQLError[] = [];
  const caller = { name: "test", scopes: new Set<never>(), access: null };
  return { context: createContext(createEstate(backends), testCall(), caller, problems, () => {}), problems };
}

// All that is read of it is where the field stands.
const info = {
  path: { key: "owner", typename: "Thing", prev: { key: 2, typename: undefined, prev: undefined } },
} as unknown as GraphQLResolveInfo;

describe("the outcome of one question", () => {
  test("found is OK with its origin, STALE when its origin is", () => {
    const ok = { source: { ...sourceWithStatus("store", "OK"), fetchedAt: origin.fetchedAt, traceId: "t1" } };
    expect(outcomeIn("store", found("x"), originOf)).toEqual({ ...ok, value: "x", error: null });
    expect(sourceFrom({ ...origin, stale: true }).status).toBe("STALE");
    expect(sourceFrom({ ...origin, stale: true }, "PARTIAL").status).toBe("PARTIAL");
    expect(sourceFrom(origin).status).toBe("OK");
  });

  test("found with a gap is PARTIAL, and the gap is its error", () => {
    const outcome = outcomeIn("store", found("x", lost), originOf);
    expect(outcome).toMatchObject({ source: { status: "PARTIAL" }, value: "x", error: { reason: "LOST_ROWS" } });
  });

  test("found without an origin has a status only", () => {
    expect(outcomeIn("store", found("x"), () => null).source).toEqual(sourceWithStatus("store", "OK"));
    expect(outcomeIn("store", found("x", lost), () => null).source).toEqual(sourceWithStatus("store", "PARTIAL"));
  });

  test("absent is ABSENT without an error", () => {
    expect(outcomeIn("store", hidden, originOf)).toEqual({
      source: sourceWithStatus("store", "ABSENT"),
      value: null,
      error: null,
    });
  });

  test("a failed call says all that the failure says", () => {
    const expected = {
      source: {
        backend: "store",
        status: "THROTTLED",
        fetchedAt: null,
        retryAfterMs: 500,
        upstreamCode: "SLOW",
        traceId: "t2",
      },
      value: null,
      error: throttled,
    };
    expect(outcomeIn("other", failedAnswer, originOf)).toEqual(expected);
    expect(unanswered(throttled)).toEqual(expected);
  });

  test("what could not be asked has the status of its reason", () => {
    expect(couldNotSay("store", unknown("NOT_SEARCHABLE"))).toMatchObject({
      source: sourceWithStatus("store", "NOT_SEARCHABLE"),
      value: null,
      error: { backend: "store", reason: "NOT_SEARCHABLE" },
    });
  });

  test("of a promise is that of its answer or of its failure, and a bug passes through", async () => {
    expect(await outcomeOf("store", Promise.resolve(found("x")), originOf)).toEqual(
      outcomeIn("store", found("x"), originOf),
    );
    expect(await outcomeOf("store", Promise.reject(throttled), originOf)).toEqual(unanswered(throttled));
    const { error } = couldNotSay("store", lost);
    if (error === null) throw new Error("no error");
    expect(await outcomeOf("store", Promise.reject(error), originOf)).toEqual(unanswered(error));
    await expect(outcomeOf("store", Promise.reject(new TypeError("a bug")), originOf)).rejects.toThrow("a bug");
  });
});

describe("several outcomes", () => {
  const statuses: readonly SourceStatus[] = ["NOT_SEARCHABLE", "NOT_CONFIGURED", "OK", "ABSENT", "DOWN", "PARTIAL"];

  test("those that were not asked are told apart, and are no errors", () => {
    const asked = statuses.filter((status) => wasAsked({ source: source("a", status), value: null, error: null }));
    expect(asked).toEqual(["OK", "ABSENT", "DOWN", "PARTIAL"]);
    const outcomes = [
      couldNotSay("a", unknown("NOT_SEARCHABLE")),
      unanswered(throttled),
      outcomeIn("b", found("x"), originOf),
      outcomeIn("c", found("x", lost), originOf),
    ];
    expect(errorsIn(outcomes)).toEqual([throttled, expect.objectContaining({ backend: "c", reason: "LOST_ROWS" })]);
  });

  test.each<readonly [readonly SourceStatus[], SourceStatus]>([
    [["OK"], "OK"],
    [["OK", "STALE"], "STALE"],
    [["STALE", "OK"], "STALE"],
    [["OK", "PARTIAL", "STALE"], "PARTIAL"],
    [["OK", "ABSENT"], "OK"],
    [["ABSENT", "OK"], "OK"],
    [["OK", "DOWN"], "PARTIAL"],
    [["OK", "NOT_SEARCHABLE"], "PARTIAL"],
    [["ABSENT", "NOT_SEARCHABLE"], "ABSENT"],
    [["NOT_CONFIGURED", "ABSENT"], "ABSENT"],
    [["NOT_SEARCHABLE", "NOT_CONFIGURED"], "NOT_CONFIGURED"],
    [["NOT_CONFIGURED", "NOT_SEARCHABLE"], "NOT_CONFIGURED"],
    [["ABSENT", "TIMEOUT"], "TIMEOUT"],
    [["NOT_SEARCHABLE", "TIMEOUT"], "TIMEOUT"],
    [["OVER_BUDGET", "THROTTLED", "TIMEOUT", "DENIED", "MALFORMED", "DOWN"], "DOWN"],
    [["MALFORMED", "DENIED", "TIMEOUT", "THROTTLED", "OVER_BUDGET"], "MALFORMED"],
    [["DENIED", "TIMEOUT", "THROTTLED", "OVER_BUDGET"], "DENIED"],
    [["OVER_BUDGET", "THROTTLED", "TIMEOUT"], "TIMEOUT"],
    [["THROTTLED", "OVER_BUDGET"], "THROTTLED"],
    [["OVER_BUDGET", "ABSENT"], "OVER_BUDGET"],
  ])("of one backend are one source: %s is %s", (given, combined) => {
    expect(combineSources(given.map((status) => source("a", status))).map(({ status }) => status)).toEqual([combined]);
  });

  test("of several backends are one source each, in their order", () => {
    const sources = [source("b", "OK"), source("a", "DOWN"), source("b", "ABSENT")];
    expect(combineSources(sources)).toEqual([source("b", "OK"), source("a", "DOWN")]);
    expect(combineSources([])).toEqual([]);
  });

  test("a part that failed says why, and what was found says when", () => {
    const { source: slow } = unanswered(throttled);
    expect(combineSources([source("store", "OK", origin.fetchedAt), source("store", "NOT_SEARCHABLE"), slow])).toEqual([
      { ...slow, status: "PARTIAL", fetchedAt: origin.fetchedAt },
    ]);
  });
});

describe("a stale response of the backend", () => {
  const [early, late] = ["2026-11-20T07:00:00.000Z", "2026-11-20T09:00:00.000Z"];
  const staleResponses = new StaleResponses();
  staleResponses.record("store", origin.fetchedAt);
  const call: Call = { ...testCall(), staleResponses };

  test.each<readonly [SourceStatus, string | null, SourceStatus, string | null]>([
    ["OK", late, "STALE", origin.fetchedAt],
    ["OK", early, "STALE", early],
    ["OK", origin.fetchedAt, "STALE", origin.fetchedAt],
    ["ABSENT", null, "STALE", origin.fetchedAt],
    ["STALE", late, "STALE", origin.fetchedAt],
    ["PARTIAL", late, "PARTIAL", late],
    ["DOWN", null, "DOWN", null],
  ])("ages %s of %s to %s of %s", (status, at, becomes, since) => {
    expect(aged(call, source("store", status, at))).toEqual(source("store", becomes, since));
  });

  test("ages no other backend's, and none in an operation without stale responses", () => {
    expect(aged(call, source("other", "OK", late))).toEqual(source("other", "OK", late));
    expect(aged(testCall(), source("store", "OK", late))).toEqual(source("store", "OK", late));
  });

  test("leaves an answer incomplete, as does everything but OK and ABSENT", () => {
    expect(isComplete(testCall(), [source("store", "OK"), source("b", "ABSENT")])).toBe(true);
    expect(isComplete(call, [source("store", "OK")])).toBe(false);
    expect(isComplete(testCall(), [source("store", "OK"), source("b", "PARTIAL")])).toBe(false);
    expect(isComplete(testCall(), [])).toBe(true);
  });
});

describe("a look-up", () => {
  // A backend has more than a look-up asks of it.
  const store = { name: "store", type: { kind: "ZADIG" }, hosts: [], during: () => ({ artifacts: {} }) } as unknown;

  function askWith(answer: Answer<string>, backend = "store") {
    const { context, problems } = stage([store as Backend]);
    return { answer: lookUp(context, info, "artifacts", backend, async () => answer), problems };
  }

  test("answers what was found, and null for an absence that was proved", async () => {
    for (const [answer, value] of [[found("x"), "x"] as const, [hidden, null] as const]) {
      const asked = askWith(answer);
      expect(await asked.answer).toBe(value);
      expect(asked.problems).toEqual([]);
    }
    expect([provenValue("store", found("x", lost)), provenValue("store", hidden)]).toEqual(["x", null]);
  });

  test("is null for a backend that is not configured, or has no such reader", async () => {
    expect(await askWith(found("x"), "other").answer).toBeNull();
    const { context } = stage([store as Backend]);
    expect(await lookUp(context, info, "packages", "store", async () => found("x"))).toBeNull();
  });

  test("throws what is unknown", async () => {
    await expect(askWith(failedAnswer).answer).rejects.toBe(throttled);
    expect(() => provenValue("store", failedAnswer)).toThrow(throttled);
    expect(() => provenValue("store", lost)).toThrow(
      expect.objectContaining({ backend: "store", reason: "LOST_ROWS" }),
    );
  });

  test("reports at its place what may be missing", async () => {
    const { answer, problems } = askWith(found("x", lost));
    expect(await answer).toBe("x");
    expect(problems.map(({ path, extensions }) => [path, extensions["backend"]])).toEqual([[[2, "owner"], "store"]]);
  });
});

describe("what several backends know", () => {
  test("is all their values, and what others could not say is reported", () => {
    const { context, problems } = stage();
    const outcomes = [
      outcomeIn("a", found(["x"]), originOf),
      unanswered(throttled),
      couldNotSay("b", unknown("NOT_SEARCHABLE")),
      outcomeIn("c", found(["y", "z"]), originOf),
    ];
    expect(gather(context, info, outcomes)).toEqual(["x", "y", "z"]);
    expect(problems.map(({ path, extensions }) => [path, extensions["code"]])).toEqual([
      [[2, "owner"], "UPSTREAM_THROTTLED"],
    ]);
  });

  test("is nothing where one has proved it, whatever others could not say", () => {
    const { context, problems } = stage();
    expect(gather(context, info, [unanswered(throttled), outcomeIn<readonly string[]>("a", hidden, originOf)])).toEqual(
      [],
    );
    expect(problems).toHaveLength(1);
    expect(gather(context, info, [])).toEqual([]);
  });

  test("is thrown as the first failure where none could say", () => {
    const notSearchable = couldNotSay("a", unknown("NOT_SEARCHABLE"));
    expect(() => gather(stage().context, info, [notSearchable, unanswered(throttled)])).toThrow(throttled);
    expect(() => gather(stage().context, info, [notSearchable])).toThrow(
      expect.objectContaining({ reason: "NOT_SEARCHABLE" }),
    );
  });
});
