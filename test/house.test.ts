import { describe, expect, test } from "vitest";
import {
  bannedNames,
  bannedWordsIn,
  functionsIn,
  houseFiles,
  measureOneQuery,
  namesIn,
  wideLinesIn,
} from "./support/house.ts";

// Limits on what there is to read; `npm run house` prints the figures, `npm run house -- src/<folder>` the places.

describe("the sources", () => {
  const files = houseFiles();

  test("are few and small enough to be read", () => {
    const lines = files.map(({ text }) => text.split("\n").length - 1);
    expect(files.length).toBeLessThanOrEqual(175);
    expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(33_000);
    expect(lines.filter((count) => count < 50).length).toBeLessThanOrEqual(12);
    expect(Math.max(...lines)).toBeLessThanOrEqual(450);
  });

  test("have no function longer than 80 lines", () => {
    const long = files.flatMap(functionsIn).filter(({ lines }) => lines > 80);
    expect(long, "split it where a second thought begins").toEqual([]);
  });

  test("are written in the words of the field", () => {
    expect(files.flatMap(bannedWordsIn), "use the word in brackets").toEqual([]);
    const vague = files.flatMap(namesIn).filter(({ what }) => bannedNames.has(what.toLowerCase()));
    expect(vague, "name it after what it is").toEqual([]);
  });

  test("are at most 120 columns wide", () => {
    expect(files.flatMap(wideLinesIn)).toEqual([]);
  });

  test("answer one question with one call by few of their files and functions", async () => {
    const { calls, files: ran, functions } = await measureOneQuery();
    expect(calls).toBe(1);
    expect(ran).toBeLessThanOrEqual(70);
    // What other requests of the process do in the meantime, such as closing connections, counts as well.
    expect(functions).toBeLessThanOrEqual(520);
  });
});
