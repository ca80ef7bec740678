import { describe, expect, test } from "vitest";
import { bannedWordsIn, functionsIn, houseFiles, measureOneQuery, namesIn, wideLinesIn } from "./support/house.ts";

// Limits on what there is to read; `npm run house` prints the figures, `npm run house -- src/<folder>` the places.

describe("the sources", () => {
  const files = houseFiles();

  test("are few and small enough to be read", () => {
    const lines = files.map(({ text }) => text.split("\n").length - 1);
    expect(files.length).toBeLessThanOrEqual(304);
    expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(35_700);
    expect(lines.filter((count) => count < 50).length).toBeLessThanOrEqual(84);
    expect(Math.max(...lines)).toBeLessThanOrEqual(450);
  });

  test("have no function longer than 80 lines", () => {
    const long = files.flatMap(functionsIn).filter(({ lines }) => lines > 80);
    expect(long.length, "split it where a second thought begins").toBeLessThanOrEqual(40);
  });

  test("are written in the words of the field", () => {
    expect(files.flatMap(bannedWordsIn).length, "use the word in brackets").toBeLessThanOrEqual(1500);
    expect(files.flatMap(namesIn).length).toBeGreaterThan(1000);
  });

  test("are at most 120 columns wide", () => {
    expect(files.flatMap(wideLinesIn).length).toBeLessThanOrEqual(300);
  });

  test("answer one question with one call by few of their files and functions", async () => {
    const { calls, files: ran, functions } = await measureOneQuery();
    expect(calls).toBe(1);
    expect(ran).toBeLessThanOrEqual(100);
    expect(functions).toBeLessThanOrEqual(520);
  });
});
