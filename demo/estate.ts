import { serveBkrepo } from "./bkrepo.ts";
import { serveGitlab } from "./gitlab.ts";
import { demoBackends } from "./names.ts";
import type { DemoServer, Fault } from "./server.ts";
import { codeHost, credentials, hosts, places, projects } from "./story.ts";
import { serveSwr } from "./swr.ts";
import { serveZadig } from "./zadig.ts";

/** The embedded estate: four backends that listen on free loopback ports. */
export interface Estate {
  readonly servers: Readonly<Record<(typeof demoBackends)[number]["kind"], DemoServer>>;
  readonly backends: readonly { readonly name: string; readonly url: string; readonly fault: string | null }[];
  /** The configuration that a gateway.yaml for these servers would hold. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly close: () => Promise<void>;
}

/** Starts the estate, with the faults named by backend. */
export async function startEstate({ faults }: { readonly faults?: ReadonlyMap<string, Fault> } = {}): Promise<Estate> {
  const [zadig, bkrepo, swr, gitlab] = await Promise.all([serveZadig(), serveBkrepo(), serveSwr(), serveGitlab()]);
  const servers = { zadig, bkrepo, swr, gitlab };
  for (const { name, kind } of demoBackends) {
    const fault = faults?.get(name);
    if (fault) await servers[kind].setFault(fault);
  }
  return {
    servers,
    backends: demoBackends.map(({ name, kind }) => {
      const fault = faults?.get(name);
      return { name, url: servers[kind].url, fault: fault ? printFault(fault) : null };
    }),
    settings: settingsFor(servers),
    close: async () => {
      await Promise.all(Object.values(servers).map((server) => server.close()));
    },
  };
}

/** The estate is in this very process, where no proxy finds it. */
const network = { proxy: false } as const;

function settingsFor(servers: Estate["servers"]): Readonly<Record<string, unknown>> {
  const { bkrepoProject: project } = places;
  return {
    // Made-up data has nothing to guard: wherever HOST puts the demo, it may be looked at.
    server: { graphiql: true, introspection: true },
    auth: { mode: "none", allowAnonymous: true, anonymousScopes: ["read", "explain", "release:manifests"] },
    backends: [
      {
        ...network,
        name: "zadig",
        kind: "zadig",
        url: servers.zadig.url,
        credentials: { token: credentials.zadig.token },
      },
      {
        ...network,
        name: "bkrepo",
        kind: "bkrepo",
        url: servers.bkrepo.url,
        credentials: { username: credentials.bkrepo.username, password: credentials.bkrepo.password },
        repositories: [
          places.bkrepoDocker,
          places.bkrepoMaven,
          places.bkrepoNpm,
          places.bkrepoHelm,
          places.bkrepoPypi,
        ].map((repository) => `${project}/${repository}`),
        hosts: [hosts.bkrepo],
        timeZone: "+08:00",
      },
      {
        ...network,
        name: "swr-north4",
        kind: "swr",
        url: servers.swr.url,
        credentials: { token: credentials.swr.token },
        namespaces: [places.swrNamespace],
        hosts: [hosts.swr],
      },
      {
        ...network,
        name: "gitlab",
        kind: "gitlab",
        url: servers.gitlab.url,
        webUrl: codeHost,
        credentials: { token: credentials.gitlab.token },
        groups: [places.gitlabGroup],
        projects: [projects.tools.path],
        hosts: [hosts.gitlab],
      },
    ],
  };
}

function printFault(fault: Fault): string {
  if (fault.kind === "slow") return `slow, ${fault.ms} ms`;
  return fault.kind === "flaky" ? `flaky, ${fault.percent} %` : fault.kind;
}
