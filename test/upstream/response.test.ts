import type { Dispatcher } from "undici";
import { expect, test } from "vitest";
import { CancelSource } from "../../src/upstream/cancel.ts";
import { ResponseHandler } from "../../src/upstream/response.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Responses that are complete in one tick of the event loop, and the lengths of those read so far. */
function arriveTogether(lengths: readonly number[]) {
  const read: number[] = [];
  const all = lengths.map((length) => {
    const stop = new CancelSource();
    const handler = new ResponseHandler<number>(stop, 1e9, {
      onComplete: (body) => {
        read.push(body.length);
        return body.length;
      },
      onError: () => new Error("stopped"),
    });
    const controller = { abort: () => {} } as unknown as Dispatcher.DispatchController;
    const answer = handler.dispatch(
      {
        dispatch: (_request: unknown, own: ResponseHandler<number>) => {
          own.onRequestStart(controller);
          own.onResponseStart(controller, 200, {});
          own.onResponseData(controller, Buffer.alloc(length));
          own.onResponseEnd();
          return true;
        },
      } as unknown as Dispatcher,
      { path: "/", method: "GET" },
    );
    return { stop, answer };
  });
  return { read, all };
}

test("large responses that are complete together are read one per tick, and delay no small one", async () => {
  await turn();
  const { read, all } = arriveTogether([5_000_000, 4_000_000, 100, 3_000_000, 200]);
  expect(read).toEqual([5_000_000, 100, 200]);
  await turn();
  expect(read).toEqual([5_000_000, 100, 200, 4_000_000]);
  await turn();
  expect(read).toEqual([5_000_000, 100, 200, 4_000_000, 3_000_000]);
  expect(await Promise.all(all.map(({ answer }) => answer))).toEqual([5_000_000, 4_000_000, 100, 3_000_000, 200]);
});

test("a response whose request was cancelled is not read when it is admitted", async () => {
  await turn();
  const { read, all } = arriveTogether([5_000_000, 4_000_000]);
  const failed = expect(all[1]?.answer).rejects.toThrow("stopped");
  all[1]?.stop.cancel();
  await failed;
  await turn();
  await turn();
  expect(read).toEqual([5_000_000]);
});
