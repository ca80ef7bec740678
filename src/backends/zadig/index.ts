import type { Call } from "../../upstream/operation.ts";
import type { Backend, BackendType, Readers } from "../backend.ts";
import { Artifacts } from "./artifacts.ts";
import { createClient, type ZadigClient } from "./client.ts";
import { ReleaseLists, ReleaseLookup } from "./lookup.ts";
import { operations } from "./operations.ts";
import { pricesOf, probesOf } from "./prices.ts";
import { Releases } from "./releases.ts";
import { type ZadigSettings, zadigSettings } from "./settings.ts";

const capabilities = ["RELEASES", "ARTIFACTS"] as const;

/** Zadig, the delivery system: releases and the records of what was built for them. */
export const zadig: BackendType<ZadigSettings> = {
  kind: "ZADIG",
  displayName: "Zadig",
  access: {
    list: "projects",
    places: "Zadig projects by name",
    groups: null,
    ignoresCase: false,
    placesOfImage: () => [],
  },
  settings: zadigSettings,
  capabilities: () => capabilities,
  operations,
  connect: (settings) => {
    const client = createClient(settings);
    const during: Backend["during"] = (call) => createReaders(client, settings, call);
    return {
      name: settings.name,
      type: zadig,
      capabilities,
      // Zadig is no registry: no image reference is its own, and it stores no bytes.
      hosts: [],
      places: [],
      probes: probesOf(settings, client, during),
      during,
      circuitOpen: client.upstream.circuitOpen,
      pressure: client.upstream.pressure,
      prices: () => pricesOf(settings, client),
      close: client.upstream.close,
    };
  },
};

/** The readers of one request: an equal question is asked once. */
function createReaders(client: ZadigClient, settings: ZadigSettings, call: Call): Readers {
  const view = { client, settings, call };
  const lists = new ReleaseLists(view);
  const lookup = new ReleaseLookup(view, lists);
  const artifacts = new Artifacts(view);
  return {
    releases: new Releases(view, lists, lookup, artifacts),
    artifacts,
    // Artifacts need no licence, so they answer on every installation.
    ping: async () => (await client.listArtifacts({}, 0, 1, call)).origin,
  };
}
