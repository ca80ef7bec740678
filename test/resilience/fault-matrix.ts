import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Estate, startEstate } from "../../demo/estate.ts";
import type { Fault } from "../../demo/server.ts";
import { corpus } from "../support/corpus.ts";
import { type Answer, type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { untruths } from "../support/truth.ts";

/** Configured names by kind. */
const names = { zadig: "zadig", bkrepo: "bkrepo", swr: "swr-north4", gitlab: "gitlab" } as const;
type Kind = keyof typeof names;

/** One row of the matrix. */
interface Row {
  readonly name: string;
  readonly fault: Fault;
  /** What errors about the broken backend say; null: it does not show. */
  readonly code: string | null;
  /** Requests for one call that is asked once. */
  readonly attempts: number;
  /** Told by timeouts rather than by answers. */
  readonly isSlow?: boolean;
}

const retries = 1;
const tried = 1 + retries;
const deadlineMs = 4000;
/** For the gateway's own work on a busy machine, 22 operations at once. */
const slackMs = 1500;

const rows: readonly Row[] = [
  { name: "refused", fault: { kind: "down" }, code: "UPSTREAM_UNAVAILABLE", attempts: tried },
  { name: "reset", fault: { kind: "reset" }, code: "UPSTREAM_UNAVAILABLE", attempts: tried },
  { name: "truncated", fault: { kind: "truncated" }, code: "UPSTREAM_UNAVAILABLE", attempts: tried },
  { name: "500", fault: { kind: "status", status: 500 }, code: "UPSTREAM_UNAVAILABLE", attempts: tried },
  { name: "429", fault: { kind: "throttle" }, code: "UPSTREAM_THROTTLED", attempts: tried },
  {
    name: "429 with a Retry-After beyond the deadline",
    fault: { kind: "throttle", retryAfter: "7" },
    code: "UPSTREAM_THROTTLED",
    attempts: 1,
  },
  { name: "HTML with 200", fault: { kind: "html" }, code: "UPSTREAM_MALFORMED", attempts: 1 },
  { name: "malformed", fault: { kind: "malformed" }, code: "UPSTREAM_MALFORMED", attempts: 1 },
  { name: "empty", fault: { kind: "empty" }, code: "UPSTREAM_MALFORMED", attempts: 1 },
  { name: "endless", fault: { kind: "endless" }, code: "UPSTREAM_MALFORMED", attempts: 1 },
  { name: "huge", fault: { kind: "huge", bytes: 1_073_741_824 }, code: "UPSTREAM_MALFORMED", attempts: 1 },
  { name: "slow", fault: { kind: "slow", ms: 60_000 }, code: "UPSTREAM_TIMEOUT", attempts: tried, isSlow: true },
  { name: "slow drip", fault: { kind: "drip", everyMs: 20 }, code: "UPSTREAM_TIMEOUT", attempts: tried, isSlow: true },
  {
    name: "wrong content type",
    fault: { kind: "content-type", type: "application/octet-stream" },
    code: null,
    attempts: 1,
  },
  {
    name: "a burst of 503, shorter than the retries",
    fault: { kind: "status", status: 503, times: retries },
    code: null,
    attempts: tried,
  },
];

/** Every fault in one backend, against the whole corpus. */
export function faultMatrix(kind: Kind): void {
  const broken = names[kind];

  describe(`${broken} broken`, () => {
    let estate: Estate;
    const gateways: DemoGateway[] = [];
    const healthy = new Map<string, Answer>();

    beforeAll(async () => {
      estate = await startEstate();
      // Patience is for telling an answer from silence on a busy machine; impatience only where silence is the fault.
      for (const timeoutMs of [3000, 250]) {
        const sound = { concurrency: 64, timeoutMs: 10_000 };
        const backends = { zadig: sound, bkrepo: sound, "swr-north4": sound, gitlab: sound };
        // The breaker has tests of its own: here each question is to meet the fault itself.
        const ill = {
          ...sound,
          timeoutMs,
          retries,
          breaker: { failures: 1000, coolDownMs: 1 },
          maxResponseBytes: 1_048_576,
        };
        gateways.push(
          await startDemoGateway({
            estate,
            settings: { limits: { deadlineMs } },
            backends: { ...backends, [broken]: ill },
          }),
        );
      }
      for (const { name, query, variables } of corpus) {
        const answer = await gateways[0]?.ask(query, { variables });
        if (answer) healthy.set(name, answer);
      }
    });
    afterAll(async () => {
      await Promise.all(gateways.map((gateway) => gateway.stop()));
      await estate.close();
    });

    test.each(rows)("$name", async ({ fault, code, attempts, isSlow }) => {
      const gateway = gateways[isSlow ? 1 : 0];
      if (!gateway) throw new Error("no gateway");
      const server = estate.servers[kind];
      // A page that is too large an answer is asked for in smaller ones, down to a single row.
      const sizes = fault.kind === "huge" || fault.kind === "endless" ? 6 : 1;
      // One call, asked alone: exactly as often as promised.
      await server.setFault(fault);
      try {
        const health = await gateway.ask("{ backends { name health { status } } }", {
          headers: { "x-explain": "actual" },
        });
        expect(callsIn(health)).toEqual({ zadig: 1, bkrepo: 1, "swr-north4": 1, gitlab: 1, [broken]: attempts });
        await server.setFault(fault);
        const found = await Promise.all(
          corpus.map(async ({ name, query, variables, calls }) => {
            const before = healthy.get(name);
            if (!before) return [`${name}: no healthy answer`];
            const started = performance.now();
            const answer = await gateway.ask(query, { variables, headers: { "x-explain": "actual" } });
            const took = performance.now() - started;
            const codes = new Set(answer.body.errors?.map((error) => error.extensions?.["code"]));
            const said = callsIn(answer);
            // The broken one is asked for nothing more than when it is well; the others may have to help out.
            const most = (backend: string) =>
              backend === broken
                ? (calls[backend] ?? 0) * attempts * sizes
                : (explained(answer).estimated[backend] ?? 0);
            return [
              ...(took > deadlineMs + slackMs ? [`answered after ${Math.round(took)} ms`] : []),
              ...untruths(before, answer, { broken: code === null ? [] : [broken] }),
              ...[...codes].filter((one) => one !== code).map((one) => `says ${String(one)} instead of ${code}`),
              ...Object.keys(said)
                .filter((backend) => (said[backend] ?? 0) > most(backend))
                .map((backend) => `${said[backend]} requests to ${backend}, ${most(backend)} promised`),
            ].map((what) => `${name}: ${what}`);
          }),
        );
        expect(found.flat()).toEqual([]);
      } finally {
        await server.setFault(null);
      }
    });
  });
}

/** Requests by backend, as the answer itself explains. */
function callsIn(answer: Answer): Record<string, number> {
  const calls: Record<string, number> = {};
  for (const { backend, calls: count } of explained(answer).actual) calls[backend] = (calls[backend] ?? 0) + count;
  return calls;
}

const explanation = z.object({
  estimated: z.record(z.string(), z.number()),
  actual: z.array(z.object({ backend: z.string(), calls: z.number() })),
});

function explained({ body }: Answer): z.output<typeof explanation> {
  return explanation.parse(body.extensions?.["explain"]);
}
