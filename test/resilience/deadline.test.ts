import { afterEach, describe, expect, test } from "vitest";
import { corpus, type Question } from "../support/corpus.ts";
import { type Answer, type DemoGateway, type Overrides, startDemoGateway } from "../support/gateway.ts";
import { untruths } from "../support/truth.ts";
import { until } from "../upstream/stage.ts";

let gateway: DemoGateway | null = null;
afterEach(async () => {
  await gateway?.stop();
  gateway = null;
});

async function open(overrides: Overrides = {}): Promise<DemoGateway> {
  gateway = await startDemoGateway(overrides);
  return gateway;
}

function question(name: string): Question {
  const found = corpus.find((one) => one.name === `${name}.graphql`);
  if (!found) throw new Error(`no question ${name}`);
  return found;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const codesOf = ({ body }: Answer) => [...new Set(body.errors?.map(({ extensions }) => extensions?.["code"]))];
/** What the gateway itself may take beyond the deadline, on a busy machine. */
const slackMs = 700;

describe("the deadline of an operation", () => {
  test.each(corpus)("holds for $name, whatever waits for what", async ({ name, query, variables }) => {
    const { estate, ask } = await open({ settings: { limits: { deadlineMs: 400 } } });
    const patient = await startDemoGateway({ estate });
    const healthy = await patient.ask(query, { variables });
    await patient.stop();
    for (const server of Object.values(estate.servers)) server.setLatency(150);
    // Retries, timeouts of calls and several waves would all take longer.
    await estate.servers.gitlab.setFault({ kind: "slow", ms: 10_000 });
    const started = performance.now();
    const answer = await ask(query, { variables });
    expect(performance.now() - started, name).toBeLessThan(400 + slackMs);
    expect(codesOf(answer).filter((code) => code !== "UPSTREAM_TIMEOUT")).toEqual([]);
    expect(answer.body.errors?.map(({ extensions }) => extensions?.["retryable"]) ?? []).not.toContain(false);
    // Anybody may have been cut off, and may have answered something before.
    const wrong = untruths(healthy, answer, { broken: ["zadig", "bkrepo", "swr-north4", "gitlab"] });
    expect(wrong.filter((what) => !/: OK from /.test(what))).toEqual([]);
  });

  test("leaves what had come by then, and asks nothing afterwards", async () => {
    const { query, variables } = question("gitlab-versions-with-files");
    const { estate, ask } = await open({
      settings: { limits: { deadlineMs: 700 } },
      backends: { gitlab: { concurrency: 1 } },
    });
    const server = estate.servers.gitlab;
    server.setLatency(100);
    const answer = await ask(query, { variables });
    const seen = server.seen.length;
    expect(answer.status).toBe(200);
    expect(answer.body.data).not.toBeNull();
    expect(codesOf(answer)).toEqual(["UPSTREAM_TIMEOUT"]);
    // Some versions have their files, the others are said not to have been had.
    expect(answer.text).toMatch(/"files":\{/);
    expect(answer.text).toMatch(/"files":null/);
    expect(seen).toBeGreaterThan(2);
    expect(seen).toBeLessThan(10);
    await pause(350);
    expect(server.seen).toHaveLength(seen);
  });

  test("is met by a backend that drips", async () => {
    const { query, variables } = question("search-packages");
    const { estate, ask } = await open({ settings: { limits: { deadlineMs: 400 } } });
    await estate.servers.bkrepo.setFault({ kind: "drip", everyMs: 10 });
    const started = performance.now();
    const answer = await ask(query, { variables });
    expect(performance.now() - started).toBeLessThan(400 + slackMs);
    expect(answer.text).toContain('"status":"TIMEOUT"');
    await until(() => estate.servers.bkrepo.sockets() === 0);
  });
});

describe("a client that leaves", () => {
  test("ends its open calls; those in the queue never start", async () => {
    const { query, variables } = question("gitlab-versions-with-files");
    const { estate, ask } = await open({ backends: { gitlab: { concurrency: 2 } } });
    const server = estate.servers.gitlab;
    await ask(query, { variables });
    server.forget();
    server.setLatency(500);
    const leaving = new AbortController();
    const asked = ask(query, { variables, signal: leaving.signal }).catch((error: unknown) => error);
    // The list has been answered; two of the twenty files' calls are out.
    await until(() => server.seen.length === 3);
    leaving.abort();
    await asked;
    await until(() => server.sockets() === 0);
    await pause(1100);
    expect(server.seen).toHaveLength(3);
  });

  test("takes nothing from another who waits for the same call", async () => {
    const { query, variables } = question("gitlab-group-packages");
    const { estate, ask } = await open();
    const server = estate.servers.gitlab;
    const healthy = await ask(query, { variables });
    server.forget();
    server.setLatency(200);
    const leaving = new AbortController();
    const gone = ask(query, { variables, signal: leaving.signal }).catch((error: unknown) => error);
    const stays = ask(query, { variables });
    await until(() => server.seen.length === 1);
    await pause(50);
    leaving.abort();
    await gone;
    expect((await stays).text).toBe(healthy.text);
    expect(server.seen).toHaveLength(1);
  });
});

describe("many who ask the same at once", () => {
  test("are one call upstream, and each has the whole answer", async () => {
    const { query, variables } = question("gitlab-versions-with-files");
    const { estate, ask } = await open();
    const healthy = await ask(query, { variables });
    estate.servers.gitlab.forget();
    estate.servers.gitlab.setLatency(100);
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(query, { variables })));
    expect(new Set(answers.map(({ text }) => text))).toEqual(new Set([healthy.text]));
    // Not every operation reaches the same call in the same moment.
    expect(estate.servers.gitlab.seen.length).toBeLessThan(3 * 21);
  });
});

describe("the budget of an operation", () => {
  test("keeps what it could pay for, and says of the rest that it was not asked", async () => {
    const { query, variables } = question("gitlab-versions-with-files");
    const { ask, calls } = await open({ settings: { limits: { upstreamCalls: 6 } } });
    const answer = await ask(query, { variables });
    expect(calls()).toEqual({ gitlab: 6 });
    expect(codesOf(answer)).toEqual(["UPSTREAM_BUDGET_EXCEEDED"]);
    expect(answer.text.match(/"files":\{/g)).toHaveLength(5);
    expect(answer.text.match(/"files":null/g)).toHaveLength(15);
  });
});

describe("draining", () => {
  test("finishes what is in flight, refuses the rest, and leaves no socket open", async () => {
    const { query, variables } = question("trace-swr");
    const opened = await open();
    const { estate, ask } = opened;
    const healthy = await ask(query, { variables });
    for (const server of Object.values(estate.servers)) {
      server.forget();
      server.setLatency(150);
    }
    const inFlight = ask(query, { variables });
    await until(() => estate.servers.swr.seen.length > 0);
    const stopped = opened.drain(5000);
    await pause(20);
    const refused = await ask(query, { variables }).then(
      ({ status }) => status,
      () => "refused",
    );
    expect([503, "refused"]).toContain(refused);
    expect(untruths(healthy, await inFlight, { broken: [] })).toEqual([]);
    await stopped;
    for (const server of Object.values(estate.servers)) await until(() => server.sockets() === 0);
  });

  test("does not wait for what takes longer than it may: its calls are ended", async () => {
    const { query, variables } = question("gitlab-group-packages");
    const opened = await open();
    const { estate, ask } = opened;
    estate.servers.gitlab.setLatency(10_000);
    const inFlight = ask(query, { variables }).catch(() => "cut off");
    await until(() => estate.servers.gitlab.seen.length === 1);
    const started = performance.now();
    await opened.drain(200);
    expect(performance.now() - started).toBeLessThan(200 + slackMs);
    expect(await inFlight).toBe("cut off");
    await until(() => estate.servers.gitlab.sockets() === 0);
  });
});
