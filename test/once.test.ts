import { expect, test } from "vitest";
import { keep } from "../src/model/values.ts";

test("what a getter has made replaces it, and is a property like any other", () => {
  let made = 0;
  const one = {
    name: "a",
    get purl(): string {
      made += 1;
      return keep(this, "purl", `pkg:generic/${this.name}`);
    },
  };
  expect([one.purl, one.purl, { ...one }.purl]).toEqual(Array(3).fill("pkg:generic/a"));
  expect(JSON.stringify(one)).toBe('{"name":"a","purl":"pkg:generic/a"}');
  expect(made).toBe(1);
});
