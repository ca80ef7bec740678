import type { BackendType } from "../backend.ts";
import { bkrepoOperations, createClient } from "./client.ts";
import { createRemover, removals } from "./delete.ts";
import { readersOf } from "./loaders.ts";
import { pricesOf } from "./prices.ts";
import { probesOf } from "./probes.ts";
import { type BkrepoSettings, bkrepoSettings } from "./settings.ts";
import { createSightMemory } from "./sight-memory.ts";

/** bkrepo, the BlueKing artifact repository: packages, versions, files and images in project/repo. */
export const bkrepo: BackendType<BkrepoSettings> = {
  kind: "BKREPO",
  settings: bkrepoSettings,
  capabilities: ({ capabilities }) => capabilities,
  operations: bkrepoOperations,
  removals,
  connect: (settings, permission) => {
    const client = createClient(settings);
    const sights = createSightMemory();
    return {
      name: settings.name,
      kind: "BKREPO",
      capabilities: settings.capabilities,
      hosts: settings.hosts,
      places: settings.repositories.map((repository) => ({ repository, group: null })),
      probes: probesOf({ client, settings, sights }),
      during: (call) => readersOf({ client, settings, call, sights }),
      ...(permission?.mutations ? { remover: (call) => createRemover(client.upstream, call) } : {}),
      circuitOpen: client.upstream.circuitOpen,
      pressure: client.upstream.pressure,
      prices: () => pricesOf(settings),
      close: client.upstream.close,
    };
  },
};
