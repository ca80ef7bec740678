import type { Backend, BackendType } from "../../../src/backends/backend.ts";
import { Upstream } from "../../../src/upstream/client.ts";
import { ExampleClient } from "./client.ts";
import { operations } from "./operations.ts";
import { createPackages } from "./packages.ts";
import { prices, probeIn, probesOf } from "./prices.ts";
import { type ExampleSettings, exampleSettings } from "./settings.ts";

/** A package registry with two calls. It borrows the enum value of another kind, because the schema publishes no more. */
export const example: BackendType<ExampleSettings> = {
  kind: "BKREPO",
  displayName: "Example",
  access: {
    list: "repositories",
    places: "example repositories by name",
    groups: null,
    ignoresCase: false,
    placesOfImage: () => [],
  },
  settings: exampleSettings,
  capabilities: () => ["PACKAGES"],
  operations,
  connect: (settings) => {
    const { name, repositories } = settings;
    const upstream = new Upstream(settings, { authorize: () => ({}), judge: () => null, traceHeader: null });
    const [first] = repositories;
    const during: Backend["during"] = (call) => {
      const client = new ExampleClient(upstream, call);
      return {
        packages: createPackages(client, name),
        ...(first === undefined ? {} : { ping: async () => (await client.getPackage(probeIn(name, first))).origin }),
      };
    };
    return {
      name,
      type: example,
      capabilities: ["PACKAGES"],
      hosts: [],
      places: repositories.map((repository) => ({ repository, group: null })),
      probes: probesOf(settings, during),
      during,
      circuitOpen: upstream.circuitOpen,
      pressure: upstream.pressure,
      prices: () => prices,
      close: upstream.close,
    };
  },
};
