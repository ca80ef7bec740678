import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FoundFile } from "../src/backends/backend.ts";
import { type Claim, conflictsOf, type MergedField, mergeField, observationsOf } from "../src/graph/artifact/merge.ts";
import { sourceWithStatus } from "../src/graph/artifact/outcome.ts";
import { assembleFiles } from "../src/graph/artifact/trace-starts.ts";
import { createContext, createEstate } from "../src/graph/context.ts";
import { type Digest, digestOf } from "../src/model/artifact.ts";
import { testCall } from "./support/call.ts";

const fields: readonly MergedField[] = ["name", "type", "size", "architecture", "os", "createdBy", "createdAt"];

const text = fc.option(fc.constantFrom("a", "b", "c"), { nil: null });
const claims = fc.array(
  fc.record<Claim>({
    backend: fc.constantFrom("zadig", "bkrepo", "swr-north4", "gitlab"),
    role: fc.constantFrom("ci", "registry", "repository", "copy"),
    observedAt: fc.constant("2026-11-20T08:00:00.000Z"),
    digest: fc.constant(null),
    values: fc.record({
      name: text,
      type: text,
      size: fc.option(fc.nat(2), { nil: null }),
      architecture: text,
      os: text,
      createdBy: text,
      createdAt: text,
    }),
  }),
  { maxLength: 8 },
);

describe("merging what several backends say of the same bytes", () => {
  it("takes a value that someone claimed, and shows who", () => {
    fc.assert(
      fc.property(claims, (said) => {
        const observations = observationsOf(said);
        for (const field of fields) {
          const merged = mergeField(field, said);
          const told = observations.filter((one) => one.field === field);
          expect(merged === null).toBe(told.length === 0);
          if (merged) expect(told).toContainEqual(expect.objectContaining({ value: merged.value }));
        }
      }),
    );
  });

  it("finds a conflict only in values that differ, and chooses what the merged field returns", () => {
    fc.assert(
      fc.property(claims, (said) => {
        for (const { field, chosen, observations } of conflictsOf(said)) {
          expect(new Set(observations.map(({ value }) => value)).size).toBeGreaterThan(1);
          const value = mergeField(fields.find((one) => one === field) ?? "name", said)?.value;
          expect(observations).toContainEqual(expect.objectContaining({ backend: chosen, value }));
        }
        const alike = said.map((claim) => ({ ...claim, values: said[0]?.values ?? claim.values }));
        expect(conflictsOf(alike)).toEqual([]);
      }),
    );
  });

  it("never joins files of equal weak checksum and other bytes", async () => {
    const weak = digest("md5", "d");
    const [mine, other] = [digest("sha256", "a"), digest("sha256", "b")];
    const found = [file("bkrepo", [mine, weak]), file("gitlab", [other, weak]), file("swr-north4", [weak])];
    const outcomes = found.map((one) => ({
      source: sourceWithStatus(one.origin.backend, "OK"),
      value: [one],
      error: null,
    }));
    const caller = { name: "test", scopes: new Set<never>(), access: null };
    const context = createContext(createEstate([]), testCall(), caller, [], () => {});

    const strong = assembleFiles(context, mine, [], outcomes);
    expect((await strong.artifact?.locations())?.map(({ backend }) => backend)).toEqual(["bkrepo"]);
    expect(await Promise.all((await strong.candidates()).map((one) => one.digest()))).toEqual([other, null]);

    const byWeak = assembleFiles(context, weak, [], outcomes);
    expect(byWeak.artifact).toBeNull();
    expect(await byWeak.candidates()).toHaveLength(3);
  });
});

function digest(algorithm: "sha256" | "md5", nibble: string): Digest {
  const made = digestOf(algorithm, nibble.repeat(algorithm === "md5" ? 32 : 64));
  if (made === null) throw new Error("no digest");
  return made;
}

function file(backend: string, digests: readonly Digest[]): FoundFile {
  return {
    version: { package: { backend, repository: "r", key: "k" }, version: "1", nativeId: null },
    file: { name: "app.jar", path: null, size: 1, digests, createdAt: null, downloadUrl: null },
    origin: { backend, fetchedAt: "2026-11-20T08:00:00.000Z", stale: false, traceId: null },
  };
}
