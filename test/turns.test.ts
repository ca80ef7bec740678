import { expect, test } from "vitest";
import { createTurns } from "../src/server/turns.ts";
import { startDemoGateway } from "./support/gateway.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Asks for a turn, and tells when it has come. */
function queue(costs: readonly number[], portion: number) {
  const turns = createTurns(portion);
  const begun: number[] = [];
  for (const [place, cost] of costs.entries()) {
    const wait = turns.take(cost);
    if (wait === null) begun.push(place);
    else void wait.then(() => begun.push(place));
  }
  return begun;
}

test("a turn begins small questions up to its portion, the next one goes on, in the order they came", async () => {
  const begun = queue([4, 4, 4, 4, 4, 4, 4], 10);
  expect(begun).toEqual([0, 1, 2]);
  await turn();
  expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
  await turn();
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("a question that is worth more than a portion begins alone, and waits for no more than its turn", async () => {
  const begun = queue([5000, 1, 5000, 5000], 10);
  expect(begun).toEqual([0]);
  await turn();
  expect(begun).toEqual([0, 1, 2]);
  await turn();
  expect(begun).toEqual([0, 1, 2, 3]);
});

test("who comes when nobody waits begins at once, however much has begun before", async () => {
  const turns = createTurns(10);
  for (let round = 0; round < 5; round++) {
    expect(turns.take(5000)).toBeNull();
    await turn();
    await turn();
  }
});

test("many costly questions at once are all answered, each with its own", async () => {
  const gateway = await startDemoGateway();
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
