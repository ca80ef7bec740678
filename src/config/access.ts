import { z } from "zod";
import type { AccessRule } from "../model/access.ts";

const glob = z.string().regex(/^[^\s/](?:[^\s]*[^\s/])?$/, "must be a name or path in which * and ** may stand");
const globs = z.array(glob).default([]);
const texts = z.array(z.string().min(1)).min(1);

const who = z.union(
  [
    z.literal("anyone"),
    z.strictObject({ keys: texts.meta({ description: "Names of keys under auth.keys." }) }),
    z.strictObject({
      claim: z.string().min(1).meta({ description: "Name of a claim of the token." }),
      values: texts.meta({ description: "What the claim must be, or hold." }),
    }),
  ],
  { error: "must be anyone, { keys } or { claim, values }" },
);

const allow = z.strictObject({
  backends: z.array(glob).optional().meta({ description: "Configured names the rule is about; default all." }),
  projects: globs.meta({ description: "Zadig projects by name, GitLab projects by full path." }),
  repositories: globs.meta({ description: "bkrepo repositories as project/repo." }),
  namespaces: globs.meta({ description: "SWR namespaces." }),
  groups: globs.meta({ description: "GitLab groups by full path, each with everything below it." }),
});

/** The `access:` section of gateway.yaml. */
export const accessSettings = z
  .array(
    z.strictObject({
      who: who.meta({ description: "Whom the rule is about." }),
      allow: allow.meta({ description: "What they may see; what no list names stays hidden." }),
    }),
  )
  .default([]);

/** The rules as the gateway goes by them. */
export function toAccessRules(rules: z.output<typeof accessSettings>): readonly AccessRule[] {
  return rules.map(({ who, allow: { backends, ...lists } }) => ({
    who,
    allow: { backends: backends ?? null, ...lists },
  }));
}
