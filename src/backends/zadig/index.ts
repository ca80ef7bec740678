import type { Backend, BackendType } from "../backend.ts";
import { createClient } from "./client.ts";
import { createReaders } from "./loaders.ts";
import { createMemory } from "./memory.ts";
import { operations } from "./operations.ts";
import { pricesOf } from "./prices.ts";
import { probesOf } from "./probes.ts";
import { type ZadigSettings, zadigSettings } from "./settings.ts";

const capabilities = ["RELEASES", "ARTIFACTS"] as const;

/** Zadig, the delivery system: releases and the records of what was built for them. */
export const zadig: BackendType<ZadigSettings> = {
  kind: "ZADIG",
  settings: zadigSettings,
  capabilities: () => capabilities,
  operations,
  connect: (settings) => connectZadig(settings),
};

/** Opens one Zadig; `now` is the process's clock in milliseconds, by which what was learnt of it is forgotten. */
function connectZadig(settings: ZadigSettings, now: () => number = () => Date.now()): Backend {
  const client = createClient(settings);
  const memory = createMemory(now);
  const during: Backend["during"] = (call) => createReaders(client, settings, memory, call);
  return {
    name: settings.name,
    kind: "ZADIG",
    capabilities,
    // Zadig is no registry: no image reference is its own.
    hosts: [],
    // It knows of images and holds none: there is nowhere to look for bytes.
    places: [],
    probes: probesOf(settings, memory, during),
    during,
    circuitOpen: client.upstream.circuitOpen,
    pressure: client.upstream.pressure,
    prices: () => pricesOf(settings, memory),
    close: client.upstream.close,
  };
}
