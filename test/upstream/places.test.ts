import { expect, test } from "vitest";
import { createPlaces, QueueFull } from "../../src/upstream/places.ts";

const never = new AbortController().signal;

function job(places: ReturnType<typeof createPlaces>, signal: AbortSignal = never) {
  const { promise, resolve } = Promise.withResolvers<void>();
  let started = false;
  const done = places.within(signal, () => {
    started = true;
    return promise;
  });
  done.catch(() => {});
  return { done, finish: resolve, started: () => started };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

test("so many run at once, the rest in the order they came", async () => {
  const places = createPlaces(2, 10);
  const jobs = Array.from({ length: 4 }, () => job(places));
  await tick();
  expect(jobs.map((one) => one.started())).toEqual([true, true, false, false]);
  expect([places.inFlight(), places.queued()]).toEqual([2, 2]);
  jobs[1]?.finish();
  await tick();
  expect(jobs.map((one) => one.started())).toEqual([true, true, true, false]);
  for (const one of jobs) one.finish();
  await Promise.all(jobs.map((one) => one.done));
  expect([places.inFlight(), places.queued()]).toEqual([0, 0]);
});

test("more than may wait are refused at once", async () => {
  const places = createPlaces(1, 1);
  const [first, second, third] = [job(places), job(places), job(places)];
  await expect(third.done).rejects.toBeInstanceOf(QueueFull);
  first.finish();
  second.finish();
  await second.done;
});

test("whoever gives up leaves the queue at that moment and never starts", async () => {
  const places = createPlaces(1, 2);
  const running = job(places);
  const leaving = new AbortController();
  const gone = [job(places, leaving.signal), job(places, leaving.signal)];
  leaving.abort();
  await Promise.allSettled(gone.map((one) => one.done));
  expect(places.queued()).toBe(0);
  // Its place in the queue is free for the living.
  const patient = job(places);
  expect(places.queued()).toBe(1);
  running.finish();
  await tick();
  expect([...gone, patient].map((one) => one.started())).toEqual([false, false, true]);
  patient.finish();
  await patient.done;
});

test("one that is called up and gives up in the same moment does not start, and hands its place on", async () => {
  const places = createPlaces(1, 2);
  const running = job(places);
  const leaving = new AbortController();
  // The moment of being called up is the one when it stops listening.
  const { signal } = leaving;
  const stopListening = signal.removeEventListener.bind(signal);
  Object.assign(signal, {
    removeEventListener: (...about: Parameters<typeof stopListening>) => {
      stopListening(...about);
      leaving.abort();
    },
  });
  const gone = job(places, signal);
  const next = job(places);
  running.finish();
  await tick();
  expect([gone.started(), next.started()]).toEqual([false, true]);
  next.finish();
  await next.done;
  expect(places.inFlight()).toBe(0);
});

test("a failure gives its place back", async () => {
  const places = createPlaces(1, 0);
  await expect(places.within(never, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await expect(places.within(never, () => Promise.resolve("yes"))).resolves.toBe("yes");
});
