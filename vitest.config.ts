import { defineConfig } from "vitest/config";

export default defineConfig({
  // The file that Node itself takes: by its `module` field graphql would be loaded a second time, beside the one yoga has.
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    exclude: ["test/federation/**", "node_modules/**"],
    // Many tests wait for a clock and not for a core.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // What `.ci/run` counts by; the folder is git-ignored.
    reporters: ["default", ["json", { outputFile: "node_modules/.cache/vitest/results.json" }]],
  },
});
