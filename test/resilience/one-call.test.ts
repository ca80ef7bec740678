import { afterAll, beforeAll, expect, test } from "vitest";
import type { DemoReply } from "../../src/demo/server.ts";
import { corpus } from "../support/corpus.ts";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";
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

let gateway: DemoGateway;
beforeAll(async () => {
  const bare = { retries: 0, breaker: { failures: 1000, coolDownMs: 1 } };
  gateway = await startDemoGateway({ backends: { zadig: bare, bkrepo: bare, "swr-north4": bare, gitlab: bare } });
});
afterAll(() => gateway.stop());

// A backend that is down altogether fails early and fails everything; one that fails in the middle is harder to be true about.
test.each(corpus)(
  "$name stays true when any one of its requests fails",
  { timeout: 60_000 },
  async ({ query, variables }) => {
    gateway.forget();
    const healthy = await gateway.ask(query, { variables });
    const { servers } = gateway.estate;
    const requests = kinds.flatMap((kind) => servers[kind].seen.map(({ url, body }) => ({ kind, url, body })));
    const found: string[] = [];
    for (const { kind, url, body } of requests) {
      for (const { name, ...bad } of badAnswers) {
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
        const answer = await gateway.ask(query, { variables });
        servers[kind].setTamper(null);
        const wrong = untruths(healthy, answer, { broken: [names[kind]], sometimes: true });
        if (failed === 0) wrong.push("was not asked");
        found.push(
          ...wrong.map((what) => `${name} for ${kind} ${decodeURIComponent(url)} ${body.slice(0, 300)}: ${what}`),
        );
      }
    }
    expect(found).toEqual([]);
  },
);
