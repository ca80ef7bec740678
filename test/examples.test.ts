import { afterAll, beforeAll, expect, test } from "vitest";
import { type Estate, startEstate } from "../demo/estate.ts";
import { demoExamples } from "../demo/examples.ts";
import { gitlab } from "../src/backends/gitlab/index.ts";
import { zadig } from "../src/backends/zadig/index.ts";
import { configOf } from "../src/config/index.ts";
import { type Gateway, startGateway } from "../src/server/gateway.ts";
import { examplesFor, generalExamples } from "../src/server/pages/front-page.ts";

let estate: Estate;
let gateway: Gateway;

beforeAll(async () => {
  estate = await startEstate();
  const reading = configOf(estate.settings, { PORT: "0" });
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  const silent = () => undefined;
  const log = { info: silent, warn: silent, error: silent };
  gateway = await startGateway({ config: reading.config, log, version: "0.0.0" });
});

afterAll(async () => {
  await gateway?.stop(0);
  await estate?.close();
});

const generic = examplesFor([
  { name: "zadig", type: zadig, capabilities: ["RELEASES", "ARTIFACTS"] },
  { name: "gitlab", type: gitlab, capabilities: ["PACKAGES"] },
]);

test.each([...demoExamples, ...generic, ...generalExamples])(
  "the query offered as “$title” is answered in full",
  async ({ query }) => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query }),
    });
    const answer: unknown = await response.json();
    expect(answer).not.toHaveProperty("errors");
    // Every list that is asked for has something to show, or the example would be a poor one.
    expect(emptyPlaces(answer, "")).toEqual([]);
  },
);

test("the demo offers the three queries that its greeting promises", () => {
  expect(demoExamples.length).toBeGreaterThanOrEqual(3);
});

/** Paths of what is null or an empty list in the first row of every list. */
function emptyPlaces(value: unknown, path: string): readonly string[] {
  if (value === null) return [path];
  if (Array.isArray(value)) return value.length === 0 ? [path] : emptyPlaces(value[0], `${path}[0]`);
  if (typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, part]) => emptyPlaces(part, `${path}.${key}`));
}
