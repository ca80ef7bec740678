import { expect, test } from "vitest";
import { judgeByStatus, retryAfterMs } from "../../src/upstream/operation.ts";

test.each<[string | null, number | null]>([
  [null, null],
  ["0", 0],
  ["7", 7000],
  [" 7 ", 7000],
  ["86400", 86_400_000],
  ["999999999", 2_147_483_647],
  ["9".repeat(400), 2_147_483_647],
  ["Fri, 31 Dec 2100 23:59:59 GMT", 2_147_483_647],
  ["-1", null],
  ["1.5", null],
  ["soon", null],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
])("Retry-After: %s is %s ms", (value, ms) => {
  expect(retryAfterMs(value)).toBe(ms);
});

test("Retry-After as a date is the time until then", () => {
  const ms = retryAfterMs(new Date(Date.now() + 60_000).toUTCString());
  expect(ms).toBeGreaterThan(57_000);
  expect(ms).toBeLessThanOrEqual(60_000);
});

test.each([
  [200, "FINE"],
  [204, "FINE"],
  [304, "REJECTED"],
  [400, "REJECTED"],
  [401, "DENIED"],
  [403, "DENIED"],
  [404, "NOT_FOUND"],
  [408, "TIMED_OUT"],
  [410, "NOT_FOUND"],
  [429, "THROTTLED"],
  [500, "UNAVAILABLE"],
  [503, "UNAVAILABLE"],
])("plain HTTP: %i is %s", (status, failure) => {
  const judgement = judgeByStatus({ status, header: () => null, body: undefined });
  expect(judgement === "FINE" ? judgement : judgement.failure).toBe(failure);
});
