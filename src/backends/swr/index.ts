import { Upstream } from "../../upstream/client.ts";
import type { Backend, BackendType, Readers } from "../backend.ts";
import { type Access, Namespaces, SwrClient } from "./client.ts";
import { createDialect, Region } from "./dialect.ts";
import { Images } from "./images.ts";
import { operations } from "./operations.ts";
import { Packages, Software } from "./packages.ts";
import { pricesOf, probesOf } from "./prices.ts";
import { type SwrSettings, swrSettings } from "./settings.ts";

/** Huawei Cloud SWR, basic edition: software packages (an API that not every region has) and container images. */
export const swr: BackendType<SwrSettings> = {
  kind: "SWR",
  displayName: "Huawei SWR",
  access: {
    list: "namespaces",
    places: "SWR namespaces",
    groups: null,
    ignoresCase: false,
    placesOfImage: (path) => path.split("/").slice(0, 1),
  },
  settings: swrSettings,
  capabilities: (settings) => settings.capabilities,
  operations,
  connect: (settings) => connectSwr(settings),
};

/** Opens one SWR; `now` is the process's clock in milliseconds, by which requests are signed and tokens renewed. */
export function connectSwr(settings: SwrSettings, now: () => number = () => Date.now()): Backend {
  const { name, hosts, namespaces, capabilities } = settings;
  const dialect = createDialect(settings, now);
  const region = new Region(settings, now);
  const upstream = new Upstream(settings, dialect);
  const hasPackages = () => region.lacksPackages.get() === null;
  const during: Backend["during"] = (call) => {
    const client = new SwrClient(upstream, region, call);
    const access = { backend: name, base: upstream.base, hosts, client, region, call };
    return createReaders({ ...access, namespaces: new Namespaces(access, namespaces) }, settings);
  };
  return {
    name,
    type: swr,
    get capabilities() {
      return capabilities.filter((one) => one !== "PACKAGES" || hasPackages());
    },
    hosts,
    places: namespaces.map((repository) => ({ repository, group: null })),
    probes: probesOf(settings, during),
    during,
    circuitOpen: upstream.circuitOpen,
    pressure: upstream.pressure,
    prices: () => pricesOf(settings, hasPackages()),
    close: async () => {
      await Promise.all([upstream.close(), dialect.close?.()]);
    },
  };
}

/**
 * One request's view of a SWR. Software packages and image repositories are both packages here, each only where the
 * capability is configured; tags are also what image references point at.
 */
function createReaders(access: Access, { capabilities, namespaces: [first] }: SwrSettings): Readers {
  const { client } = access;
  const software = capabilities.includes("PACKAGES") ? new Software(access) : null;
  const images = capabilities.includes("IMAGES") ? new Images(access) : null;
  return {
    packages: new Packages(access, [...(software ? [software] : []), ...(images ? [images] : [])]),
    ...(images && { images }),
    // One row of the first namespace; without one the namespaces, as a list of everything is not cheap.
    ping: async () => {
      if (first === undefined) return (await client.listNamespaces()).origin;
      if (!capabilities.includes("IMAGES")) return (await client.listPackages(first, null)).origin;
      return (await client.listRepositories(first, null, false, { limit: 1, offset: 0 })).origin;
    },
  };
}
