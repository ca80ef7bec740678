import { expect, test } from "vitest";
import { found, unknown } from "../../../src/backends/answers.ts";
import { batched, single } from "../../../src/backends/loading/loader.ts";

/** Waits for so many turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("keys of one tick are handed out together, so that what follows from them is one batch", async () => {
  const batches: (readonly number[])[] = [];
  const follow = batched<number, number>(String, async (keys) => {
    batches.push(keys);
    return new Map(keys.map((key) => [String(key), found(key)]));
  });
  const load = single<number, number>(String, async (key) => {
    await turns(key);
    return key;
  });
  await Promise.all([3, 1, 2].map((key) => load.load(key).then((value) => follow.load(value))));
  expect(batches).toEqual([[3, 1, 2]]);
});

test("what a batch has put down is handed out although one of its calls never answers", async () => {
  const load = batched<string, string>(
    (key) => key,
    async (keys, answers) => {
      await Promise.all(
        keys.map(async (key) => {
          if (key === "hangs") await new Promise(() => {});
          answers.set(key, key === "fails" ? new Error("failed") : found(key));
        }),
      );
      return answers;
    },
  );
  const hanging = load.load("hangs");
  const [one, other] = await Promise.all([load.load("one"), load.load("fails").catch((error: unknown) => error)]);
  expect([one, other]).toEqual([found("one"), new Error("failed")]);
  expect(await Promise.race([hanging, Promise.resolve("still waiting")])).toBe("still waiting");
});

test("a failure rejects its own key, and costs the others nothing but time", async () => {
  const load = single<string, string>(
    (key) => key,
    (key) => {
      if (key === "thrown") throw new Error("thrown");
      return key === "rejected" ? Promise.reject(new Error("rejected")) : Promise.resolve(key);
    },
  );
  const outcomes = await Promise.allSettled(["a", "thrown", "rejected", "b"].map((key) => load.load(key)));
  expect(outcomes.map((one) => (one.status === "fulfilled" ? one.value : String(one.reason)))).toEqual([
    "a",
    "Error: thrown",
    "Error: rejected",
    "b",
  ]);
});

test("a load that asks for another key of its own does not wait for itself", async () => {
  let calls = 0;
  const load = single<number, number>(String, async (key): Promise<number> => {
    calls += 1;
    return key === 0 ? 0 : (await load.load(key - 1)) + 1;
  });
  expect(await load.load(5)).toBe(5);
  expect(await load.load(3)).toBe(3);
  expect(calls).toBe(6);
});

test("a key that the answer to many leaves out is unknown, not absent", async () => {
  const load = batched<number, number>(String, async ([first]) => new Map([[String(first), found(1)]]));
  expect(await Promise.all([load.load(1), load.load(2)])).toEqual([found(1), unknown("LEFT_OUT")]);
});

test("a key may be null", async () => {
  const load = single<string | null, string>(String, async (key) => `the answer to ${key}`);
  expect(await Promise.all([load.load(null), load.load("a")])).toEqual(["the answer to null", "the answer to a"]);
});
