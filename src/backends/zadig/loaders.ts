import type { Call } from "../../upstream/call.ts";
import type { Readers } from "../backend.ts";
import { createArtifactReader } from "./artifact-reader.ts";
import type { ZadigClient } from "./client.ts";
import type { Memory } from "./memory.ts";
import { createProjectCheck } from "./project-check.ts";
import { createProjectLists } from "./project-lists.ts";
import { createReleaseList } from "./release-list.ts";
import { createReleaseLookup } from "./release-lookup.ts";
import { createReleaseReader } from "./release-reader.ts";
import { surfaceOf, type ZadigSettings } from "./settings.ts";

/** This request's view of one Zadig: what was asked once within it is not asked again. */
export function createReaders(client: ZadigClient, settings: ZadigSettings, memory: Memory, call: Call): Readers {
  const configured = settings.generation === "auto" ? null : settings.generation;
  const list = createReleaseList(client, memory, call, surfaceOf(settings), configured);
  const { name, projects, forward } = settings;
  const lists = createProjectLists(list, memory, name, projects, forward === "caller");
  const lookup = createReleaseLookup(client, list, lists, memory, projects, call);
  // The facade costs one call an image; it is asked only where somebody chose it.
  const artifacts = createArtifactReader(client, memory, call, settings.surface === "directory");
  return {
    releases: createReleaseReader(name, list, lists, lookup, artifacts, createProjectCheck(client, memory, call)),
    artifacts,
    // Artifacts need no licence, so they answer on every installation.
    ping: async () => (await client.listArtifacts({ page: 1, size: 1 }, call)).origin,
  };
}
