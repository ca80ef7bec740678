import { pathPrefixes } from "../../model/access.ts";
import type { BackendType } from "../backend.ts";
import { createClient } from "./client.ts";
import { createRemover, removals } from "./delete.ts";
import { operations } from "./operations.ts";
import { createReaders } from "./packages.ts";
import { pricesOf, probesOf } from "./prices.ts";
import { type GitlabSettings, gitlabSettings } from "./settings.ts";

export type { GitlabSettings } from "./settings.ts";

/** GitLab: packages and container images of its registries, commits, merge requests and pipelines. */
export const gitlab: BackendType<GitlabSettings> = {
  kind: "GITLAB",
  displayName: "GitLab",
  access: {
    list: "projects",
    places: "GitLab projects by full path",
    groups: "GitLab groups by full path, each with everything below it",
    // Container paths are in lower case whatever the project's path is.
    ignoresCase: true,
    placesOfImage: pathPrefixes,
  },
  settings: gitlabSettings,
  capabilities: (settings) => settings.capabilities,
  operations,
  removals,
  connect: (settings, permission) => {
    const client = createClient(settings);
    return {
      name: settings.name,
      type: gitlab,
      capabilities: settings.capabilities,
      hosts: settings.hosts,
      places: [
        ...settings.groups.map((group) => ({ repository: null, group })),
        ...settings.projects.map((repository) => ({ repository, group: null })),
      ],
      probes: probesOf(client, settings),
      identity: client.userName,
      during: (call) => createReaders(client, settings, call),
      ...(permission?.mutations ? { remover: (call) => createRemover(client.upstream, call) } : {}),
      circuitOpen: client.upstream.circuitOpen,
      pressure: client.upstream.pressure,
      prices: () => pricesOf(settings),
      close: client.upstream.close,
    };
  },
};
