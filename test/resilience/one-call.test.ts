import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DemoReply } from "../../demo/server.ts";
import { corpus } from "../support/corpus.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { untruths } from "../support/truth.ts";

const names = { zadig: "zadig", bkrepo: "bkrepo", swr: "swr-north4", gitlab: "gitlab" } as const;
const kinds = ["zadig", "bkrepo", "swr", "gitlab"] as const;

/** Bad answers to one request of an operation, while all others are good. */
const badAnswers: readonly (DemoReply & { readonly name: string })[] = [
  { name: "500", status: 500, body: "broken" },
  { name: "429", status: 429, body: "later" },
  { name: "malformed", status: 200, headers: { "content-type": "application/json" }, body: '{"surprise": [1, 2]}' },
  {
    name: "HTML",
    status: 200,
    headers: { "content-type": "text/html" },
    body: "<!DOCTYPE html><title>Sign in</title>",
  },
  { name: "no JSON", status: 200, headers: { "content-type": "application/json" }, body: '{"cut": [' },
  { name: "empty", status: 200, headers: { "content-type": "application/json" }, body: "" },
];

/** One request of an operation, as its server saw it. */
interface OneRequest {
  readonly kind: (typeof kinds)[number];
  readonly url: string;
  readonly body: string;
}

const bare = { retries: 0, breaker: { failures: 1000, coolDownMs: 1 } };
const allBare = { zadig: bare, bkrepo: bare, "swr-north4": bare, gitlab: bare };

/** What an operation asks when all is well. */
function requestsIn({ estate: { servers } }: DemoGateway): OneRequest[] {
  return kinds.flatMap((kind) => servers[kind].seen.map(({ url, body }) => ({ kind, url, body })));
}

function printRequest({ kind, url, body }: OneRequest): string {
  return `${kind} ${decodeURIComponent(url)} ${body}`;
}

/** Asks while one request is answered so; says how often that was. */
async function askWith(
  { estate: { servers }, ask }: DemoGateway,
  { kind, url, body }: OneRequest,
  bad: DemoReply,
  { query, variables }: Pick<(typeof corpus)[number], "query" | "variables">,
) {
  const cut = url.indexOf("?");
  const [path, search] = cut < 0 ? [url, ""] : [url.slice(0, cut), url.slice(cut + 1)];
  let failed = 0;
  servers[kind].setTamper((reply, request) => {
    const isIt =
      request.rawPath === path &&
      request.query.toString() === new URLSearchParams(search).toString() &&
      request.body === body;
    if (!isIt) return reply;
    failed += 1;
    return bad;
  });
  const started = performance.now();
  const answer = await ask(query, { variables });
  servers[kind].setTamper(null);
  return { answer, failed, ms: performance.now() - started };
}

// A backend that is down altogether fails early and fails everything; one that fails in the middle is harder to be true about.
describe("any one request that fails", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    gateway = await startDemoGateway({ backends: allBare });
  });
  afterAll(() => gateway.stop());

  test.each(corpus)("of $name leaves the rest true", { timeout: 60_000 }, async (question) => {
    gateway.forget();
    const healthy = await gateway.ask(question.query, { variables: question.variables });
    const found: string[] = [];
    for (const request of requestsIn(gateway)) {
      for (const { name, ...bad } of badAnswers) {
        const { answer, failed } = await askWith(gateway, request, bad, question);
        const wrong = untruths(healthy, answer, { broken: [names[request.kind]], sometimes: true });
        if (failed === 0) wrong.push("was not asked");
        found.push(...wrong.map((what) => `${name} for ${printRequest(request).slice(0, 300)}: ${what}`));
      }
    }
    expect(found).toEqual([]);
  });
});

/** Questions whose siblings are followed by further calls, beside those of the corpus. */
const deeper = [
  {
    name: "files, and where else they are",
    query: `{
      package(ref: { backend: "gitlab", repository: "pay/api", name: "com/acme/pay/pay-sdk", format: MAVEN }) {
        versions(first: 8) {
          nodes { name files(first: 2) { nodes { name artifact { sources { backend { name } status } locations { backend { name } } } } } }
        }
      }
    }`,
    variables: {},
  },
] as const;

/** Ways of not answering one request of an operation in time, while all others are answered. */
const stalls: readonly DemoReply[] = [{ stalls: "never answers" }, { body: `"${"x".repeat(100)}"`, stalls: "drips" }];

describe("any one request that stalls", () => {
  /** For the gateway's own work on a busy machine. */
  const slackMs = 2000;
  /** Gateways, each over an estate of its own, so that questions can wait beside each other. */
  const many = async (timeoutMs: number, deadlineMs: number) => {
    const each = { ...bare, timeoutMs };
    const backends = { zadig: each, bkrepo: each, "swr-north4": each, gitlab: each };
    return Promise.all(
      Array.from({ length: 6 }, () => startDemoGateway({ backends, settings: { limits: { deadlineMs } } })),
    );
  };

  /** Stalls each request of the operation in each way, and gathers what `judge` and the rules of truth find wrong. */
  async function stallEach(
    gateways: readonly DemoGateway[],
    question: Pick<(typeof corpus)[number], "query" | "variables">,
    mostMs: number,
    judge: (gateway: DemoGateway, request: OneRequest, late: Answer, usual: readonly OneRequest[]) => Promise<string[]>,
  ): Promise<string[]> {
    const [first] = gateways;
    if (!first) throw new Error("no gateway");
    first.forget();
    const healthy = await first.ask(question.query, { variables: question.variables });
    expect(healthy.body.errors).toBeUndefined();
    const usual = requestsIn(first);
    const left = usual.flatMap((request) => stalls.map((stall) => ({ request, stall })));
    const found: string[] = [];
    let stalled = 0;
    await Promise.all(
      gateways.map(async (gateway) => {
        for (let next = left.shift(); next; next = left.shift()) {
          const { request, stall } = next;
          const late = await askWith(gateway, request, stall, question);
          const wrong = untruths(healthy, late.answer, { broken: [names[request.kind]], sometimes: true });
          // What is asked together depends on what comes together: this very batch was not asked this time.
          if (late.failed === 0) continue;
          stalled += 1;
          if (late.ms > mostMs + slackMs) wrong.push(`answered after ${Math.round(late.ms)} ms`);
          wrong.push(...(await judge(gateway, request, late.answer, usual)));
          found.push(...wrong.map((what) => `${stall.stalls}: ${printRequest(request).slice(0, 300)}: ${what}`));
        }
      }),
    );
    expect(stalled).toBeGreaterThan(usual.length / 2);
    return found;
  }

  describe("for the time of one attempt", () => {
    const timeoutMs = 700;
    const deadlineMs = 8000;
    let gateways: readonly DemoGateway[] = [];
    beforeAll(async () => {
      gateways = await many(timeoutMs, deadlineMs);
    });
    afterAll(() => Promise.all(gateways.map((gateway) => gateway.stop())));

    test.each([...corpus, ...deeper])(
      "costs $name what it costs when it fails at once",
      { timeout: 120_000 },
      async (question) => {
        const found = await stallEach(gateways, question, 4 * timeoutMs, async (gateway, request, late) => {
          const atOnce = await askWith(gateway, request, { status: 503, body: "broken" }, question);
          return lostBeside(atOnce.answer, late);
        });
        expect(found).toEqual([]);
      },
    );
  });

  // The time of an attempt is longer than that of the operation: whoever waits for this call waits for ever.
  describe("for as long as the operation may take", () => {
    const deadlineMs = 1500;
    let gateways: readonly DemoGateway[] = [];
    beforeAll(async () => {
      gateways = await many(60_000, deadlineMs);
    });
    afterAll(() => Promise.all(gateways.map((gateway) => gateway.stop())));

    test.each([...corpus, ...deeper])(
      "takes of $name nothing that its siblings bring",
      { timeout: 120_000 },
      async (question) => {
        const found = await stallEach(gateways, question, deadlineMs, async (gateway, request, late, usual) => {
          if (!usual.some((other) => areSiblings(request, other))) return [];
          gateway.forget();
          const atOnce = await askWith(gateway, request, { status: 500, body: "broken" }, question);
          // What is asked instead of a request that has failed cannot be asked while it may still be answered.
          const known = new Set(usual.map(pathOf));
          const isReplaced = requestsIn(gateway).some((one) => !known.has(pathOf(one)));
          return isReplaced ? [] : lostBeside(atOnce.answer, late);
        });
        expect(found).toEqual([]);
      },
    );
  });

  /** Whether both ask the same of two things: their paths differ in one part. */
  function areSiblings(one: OneRequest, other: OneRequest): boolean {
    const [parts, others] = [one, other].map((request) => pathOf(request).split("/"));
    if (!parts || !others || one.kind !== other.kind || parts.length !== others.length) return false;
    return parts.filter((part, index) => part !== others[index]).length === 1;
  }

  function pathOf({ url }: OneRequest): string {
    return url.replace(/\?.*$/, "");
  }

  /** Places of the answer that are there when the request fails at once, and are not when it stalls. */
  function lostBeside(atOnce: Answer, late: Answer): string[] {
    const lost: string[] = [];
    const compare = (was: unknown, is: unknown, path: string): void => {
      if (was === null || was === undefined || typeof was !== "object") {
        if (is === null && was !== null) lost.push(`${path}: null`);
        return;
      }
      if (typeof is !== "object" || is === null) {
        lost.push(`${path}: ${JSON.stringify(is)}`);
        return;
      }
      const now = new Map(Object.entries(is));
      for (const [key, value] of Object.entries(was)) {
        if (now.has(key)) compare(value, now.get(key), `${path}.${key}`);
        else lost.push(`${path}.${key}: gone`);
      }
    };
    compare(atOnce.body.data, late.body.data, "data");
    return lost;
  }
});
