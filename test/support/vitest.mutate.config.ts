import { defineConfig } from "vitest/config";
import base from "../../vitest.config.ts";

/** The test files that mutate.ts names, as JSON in `MUTATE_TESTS`. */
export default defineConfig({
  ...base,
  test: { ...base.test, include: JSON.parse(process.env["MUTATE_TESTS"] ?? "[]"), reporters: [] },
});
