import { createUpstream, type Upstream } from "../../upstream/client.ts";
import type { Backend, BackendType } from "../backend.ts";
import { createAuthority } from "./authority.ts";
import { createClient, listNamespaces, operations } from "./client.ts";
import { createReaders } from "./loaders.ts";
import { pricesOf } from "./prices.ts";
import { probesOf } from "./probes.ts";
import { createRegion } from "./region.ts";
import { type SwrSettings, swrSettings } from "./settings.ts";
import { judgeReply } from "./verdict.ts";

/** Huawei Cloud SWR, basic edition: software packages (an API that not every region has) and container images. */
export const swr: BackendType<SwrSettings> = {
  kind: "SWR",
  settings: swrSettings,
  capabilities: (settings) => settings.capabilities,
  operations,
  connect: (settings) => connectSwr(settings),
};

/** Opens one SWR; `now` is the process's clock in milliseconds, by which requests are signed and tokens renewed. */
export function connectSwr(settings: SwrSettings, now: () => number = () => Date.now()): Backend {
  const authority = createAuthority(settings, now);
  const region = createRegion(settings, now);
  const upstream: Upstream = createUpstream(settings, {
    authorize: authority.authorize,
    renew: authority.renew,
    traceHeader: "x-request-id",
    check: { operation: listNamespaces },
    judge: (reply) => {
      authority.heard(reply);
      return judgeReply(reply);
    },
  });
  const client = createClient(upstream);
  const { name, hosts } = settings;
  const during: Backend["during"] = (call) =>
    createReaders({ backend: name, base: upstream.base, hosts, client, region, call }, settings);
  return {
    name,
    kind: "SWR",
    get capabilities() {
      return settings.capabilities.filter((one) => one !== "PACKAGES" || region.hasPackages());
    },
    hosts,
    places: settings.namespaces.map((repository) => ({ repository, group: null })),
    probes: probesOf(settings, during),
    during,
    circuitOpen: upstream.circuitOpen,
    pressure: upstream.pressure,
    prices: () => pricesOf({ ...settings, hasPackages: region.hasPackages() }),
    close: async () => {
      await Promise.all([upstream.close(), authority.close()]);
    },
  };
}
