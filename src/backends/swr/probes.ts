import type { Call } from "../../upstream/call.ts";
import { unknown } from "../answers.ts";
import type { Probe, Readers } from "../backend.ts";
import type { SwrSettings } from "./settings.ts";
import { isUnpublished } from "./verdict.ts";

/** The format whose list holds what a capability stands for. */
const formats = { PACKAGES: "GENERIC", IMAGES: "DOCKER" } as const;

/** The configured namespaces; software packages and images of each are lists of their own. */
export function probesOf({ namespaces, capabilities }: SwrSettings, during: (call: Call) => Readers): readonly Probe[] {
  return namespaces.flatMap((name) =>
    capabilities.map((capability): Probe => {
      const filter = { name: null, match: "EXACT", format: formats[capability] } as const;
      return {
        place: "namespace",
        name,
        reads: [capability],
        ask: async (call) => {
          try {
            const where = { repository: name, group: null };
            const page = during(call).packages?.page(where, filter, { first: 1, after: null });
            return (await page) ?? unknown("NOT_CONFIGURED");
          } catch (error) {
            // Most regions have none, and the configuration need not say so.
            if (isUnpublished(error)) return unknown("NOT_SEARCHABLE");
            throw error;
          }
        },
      };
    }),
  );
}
