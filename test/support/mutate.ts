import { readFileSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { Stryker } from "@stryker-mutator/core";

// Mutation tests of the files that matter most: `npm run mutate` for all, `npm run mutate -- merge scopes` for some.
// With `--again` only mutants that survived before, or are new, are run: after tests were added. With `--part 2/3` only
// the second of three parts: every third block of twelve lines, from the second on.
// The figures and the reasons of the survivors are in docs/testing.md.

const blockLines = 12;

interface Target {
  readonly sources: readonly string[];
  /** Few and fast, because they run for every mutant. */
  readonly tests: readonly string[];
  /** Text of the line from which on a source is mutated. */
  readonly from?: string;
}

/** Source files and the test files that guard them. */
const targets: Readonly<Record<string, Target>> = {
  merge: { sources: ["src/graph/artifact/merge.ts"], tests: ["test/merging.test.ts", "test/graph/merge.test.ts"] },
  scopes: {
    sources: ["src/graph/schema/schema.ts"],
    from: "The caller must have all scopes",
    tests: ["test/graph/scopes.test.ts"],
  },
  negotiation: {
    sources: ["src/server/http/negotiation.ts"],
    tests: ["test/negotiation.test.ts"],
  },
  outcome: {
    sources: ["src/graph/artifact/outcome.ts"],
    tests: ["test/merging.test.ts", "test/graph/outcome.test.ts"],
  },
  ids: {
    sources: ["src/graph/identity/opaque.ts"],
    tests: ["test/model/opaque.test.ts", "test/graph/identity.test.ts"],
  },
  coalesce: { sources: ["src/upstream/coalesce.ts"], tests: ["test/upstream/coalesce.test.ts"] },
  paging: {
    sources: ["position", "window", "filter", "walk"].map((name) => `src/backends/paging/${name}.ts`),
    tests: ["test/backends/paging.test.ts"],
  },
  access: { sources: ["src/graph/access/access.ts"], tests: ["test/security/access-answers.test.ts"] },
  resilience: {
    sources: ["src/upstream/resilience.ts"],
    tests: ["test/upstream/resilience.test.ts", "test/upstream/slots.test.ts", "test/upstream/circuit.model.test.ts"],
  },
  transport: { sources: ["src/upstream/transport.ts"], tests: ["test/upstream/sockets.test.ts"] },
};

const { values, positionals } = parseArgs({
  options: { again: { type: "boolean" }, part: { type: "string", default: "1/1" } },
  allowPositionals: true,
});
const names = positionals.length > 0 ? positionals : Object.keys(targets);
const [part = 1, parts = 1] = values.part.split("/").map(Number);
const figures: string[] = [];
for (const name of names) {
  const target = targets[name];
  if (!target) throw new Error(`No target "${name}"; there are: ${Object.keys(targets).join(", ")}`);
  process.env["MUTATE_TESTS"] = JSON.stringify(target.tests);
  const incrementalFile = `node_modules/.cache/mutate/${name}-${part}-${parts}.json`;
  if (!values.again) rmSync(incrementalFile, { force: true });
  const results = await new Stryker({
    mutate: target.sources.flatMap((source) => blocksOf(source, target.from)),
    testRunner: "vitest",
    plugins: [import.meta.resolve("@stryker-mutator/vitest-runner")],
    vitest: { configFile: "test/support/vitest.mutate.config.ts", related: false },
    coverageAnalysis: "perTest",
    concurrency: 1,
    reporters: ["clear-text", "progress-append-only"],
    clearTextReporter: {
      allowColor: false,
      allowEmojis: false,
      logTests: false,
      reportTests: false,
      reportScoreTable: false,
    },
    tempDirName: `.mutate/${name}`,
    incremental: true,
    incrementalFile,
    allowConsoleColors: false,
    // Its reader of this file needs an older compiler.
    tsconfigFile: "none",
    ignorePatterns: ["dist", ".mutate"],
  }).runMutationTest();
  for (const source of target.sources) {
    const states = results.filter(({ fileName }) => fileName.endsWith(source)).map(({ status }) => status);
    const survived = states.filter((status) => status === "Survived" || status === "NoCoverage").length;
    figures.push(`${source}: ${states.length} mutants, ${states.length - survived} killed, ${survived} survived`);
  }
}
process.stdout.write(`${figures.join("\n")}\n`);

/** The blocks of a source file that belong to the part. */
function blocksOf(source: string, from: string | undefined): string[] {
  const lines = readFileSync(source, "utf8").split("\n");
  const start = 1 + (from === undefined ? 0 : lines.findIndex((line) => line.includes(from)));
  if (parts === 1) return [`${source}:${start}-${lines.length}`];
  const blocks: string[] = [];
  for (let line = start + (part - 1) * blockLines; line <= lines.length; line += parts * blockLines)
    blocks.push(`${source}:${line}-${line + blockLines - 1}`);
  return blocks;
}
