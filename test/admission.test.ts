import { expect, test } from "vitest";
import { createAdmissionControl } from "../src/model/queue.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Asks for admission, and records the order of starts. */
function queue(costs: readonly number[], costPerTick: number) {
  const admit = createAdmissionControl(costPerTick);
  const begun: number[] = [];
  for (const [place, cost] of costs.entries()) {
    const wait = admit(cost);
    if (wait === null) begun.push(place);
    else void wait.then(() => begun.push(place));
  }
  return begun;
}

test("a tick admits small operations up to its cost, the next one goes on, in order of arrival", async () => {
  const begun = queue([4, 4, 4, 4, 4, 4, 4], 10);
  expect(begun).toEqual([0, 1, 2]);
  await turn();
  expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
  await turn();
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("an operation that costs more than a tick starts alone, and waits for no more than its tick", async () => {
  const begun = queue([5000, 1, 5000, 5000], 10);
  expect(begun).toEqual([0]);
  await turn();
  expect(begun).toEqual([0, 1, 2]);
  await turn();
  expect(begun).toEqual([0, 1, 2, 3]);
});

test("an operation that comes when none waits starts at once, however much was started before", async () => {
  const admit = createAdmissionControl(10);
  for (let round = 0; round < 5; round++) {
    expect(admit(5000)).toBeNull();
    await turn();
    await turn();
  }
});

const everywhere = Object.fromEntries(
  ["zadig", "bkrepo", "swr-north4", "gitlab"].map((name) => [name, { concurrency: 64 }]),
);
const costly = (name: string, first = 20) =>
  `query ${name} { releases(first: ${first}) { nodes { version builds { service artifact { name } } } } }`;
const small = "query Small { releases(first: 7) { nodes { version } } }";

/** Sends all of them over connections that are open already, so that one turn of the loop finds them waiting. */
async function atOnce(gateway: DemoGateway, send: () => void): Promise<void> {
  const { zadig } = gateway.estate.servers;
  zadig.setLatency(50);
  await Promise.all(Array.from({ length: 70 }, (_, index) => gateway.ask(costly(`Warm${index}`))));
  zadig.setLatency(0);
  gateway.forget();
  send();
  for (let step = 0; step < 100; step++) await Promise.resolve();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
}

test("costly questions that come at once begin one after the other", async () => {
  const gateway = await startDemoGateway({ fastPath: true, backends: everywhere });
  try {
    const answers: Promise<unknown>[] = [];
    await atOnce(gateway, () => {
      for (let index = 0; index < 30; index++) answers.push(gateway.ask(costly(`Q${index}`, index + 1)));
    });
    // Turns in which calls come: were all questions begun at once, their first calls would come together as well.
    const { zadig } = gateway.estate.servers;
    let turns = 0;
    for (let known = 0; known < 30; known = zadig.seen.length) {
      await turn();
      if (zadig.seen.length > known) turns += 1;
    }
    expect(turns).toBeGreaterThan(10);
    await Promise.all(answers);
  } finally {
    await gateway.stop();
  }
});

test("who joined a question that is still in line is answered when its first asker leaves", async () => {
  const gateway = await startDemoGateway({
    fastPath: true,
    backends: everywhere,
    settings: { limits: { deadlineMs: 60_000 } },
  });
  try {
    const crowd: Promise<unknown>[] = [];
    const others: ReturnType<DemoGateway["ask"]>[] = [];
    const leaving = new AbortController();
    let first: Promise<unknown> = Promise.resolve();
    await atOnce(gateway, () => {
      for (let index = 0; index < 60; index++) crowd.push(gateway.ask(costly(`Q${index}`)));
      first = gateway.ask(small, { signal: leaving.signal }).catch(() => null);
      for (let index = 0; index < 3; index++) others.push(gateway.ask(small));
    });
    await turn();
    await turn();
    leaving.abort();
    await first;
    // A quarter of the deadline is what they would wait for a run that never begins.
    const late = new Promise<never>((_, reject) => setTimeout(reject, 10_000, new Error("still waiting")).unref());
    for (const { status, body } of await Promise.race([Promise.all(others), late])) {
      expect(status).toBe(200);
      expect(body.errors).toBeUndefined();
    }
    await Promise.all(crowd);
  } finally {
    await gateway.stop();
  }
});

test("many costly questions at once are all answered, each with its own", async () => {
  const gateway = await startDemoGateway({ fastPath: true });
  try {
    const ask = (index: number) =>
      gateway.ask(
        `query Q${index} { releases(first: ${(index % 20) + 1}) { nodes { mark${index}: version builds { service } } } }`,
      );
    const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => ask(index)));
    for (const [index, { status, body }] of answers.entries()) {
      expect(status).toBe(200);
      expect(body.errors).toBeUndefined();
      expect(JSON.stringify(body.data)).toContain(`"mark${index}"`);
    }
  } finally {
    await gateway.stop();
  }
});
