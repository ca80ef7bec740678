import { unknown } from "../answers.ts";
import type { Probe } from "../backend.ts";
import type { GitlabClient, Scope } from "./client.ts";
import { createReaders } from "./loaders.ts";
import { createRegistry } from "./registry.ts";
import type { GitlabSettings } from "./settings.ts";

const anything = { name: null, match: "EXACT", format: null } as const;
const oneRow = { first: 1, after: null } as const;

/** Groups and then projects; packages and images of each are read by rights of their own. */
export function probesOf(client: GitlabClient, settings: GitlabSettings): readonly Probe[] {
  const { name: backend, groups, projects, hosts, capabilities } = settings;
  const scopes = [
    ...groups.map((id): Scope => ({ kind: "group", id })),
    ...projects.map((id): Scope => ({ kind: "project", id })),
  ];
  return scopes.flatMap((scope) => {
    const { kind: place, id: name } = scope;
    const asks: Readonly<Record<(typeof capabilities)[number], Probe["ask"]>> = {
      PACKAGES: async (call) => {
        const { packages } = createReaders(client, settings, call);
        const where = { repository: place === "project" ? name : null, group: place === "group" ? name : null };
        return packages?.page(where, anything, oneRow) ?? unknown("NOT_CONFIGURED");
      },
      IMAGES: (call) =>
        createRegistry(client, { backend, hosts, projects, scopes }, call).page(scope, anything, oneRow),
    };
    return capabilities.map((capability): Probe => ({ place, name, reads: [capability], ask: asks[capability] }));
  });
}
