import { unknown } from "../../../src/backends/answers.ts";
import type { Backend, Probe } from "../../../src/backends/backend.ts";
import type { Prices } from "../../../src/backends/prices.ts";
import type { PackageRef } from "../../../src/model/package.ts";
import type { ExampleSettings } from "./settings.ts";

/** Every question that has an answer is one call. */
export const prices: Prices = {
  package: { each: 1 },
  versions: { each: 1 },
  version: { each: 1 },
  latest: { each: 1 },
  ping: { each: 1 },
};

/** The package that every repository has. */
export function probeIn(backend: string, repository: string): PackageRef {
  return { backend, repository, key: "probe" };
}

/** One probe for each configured repository. */
export function probesOf({ name, repositories }: ExampleSettings, during: Backend["during"]): readonly Probe[] {
  return repositories.map((repository) => ({
    place: "repository",
    name: repository,
    reads: ["PACKAGES"],
    ask: async (call) => (await during(call).packages?.package(probeIn(name, repository))) ?? unknown("NOT_CONFIGURED"),
  }));
}
