import { z } from "zod";
import { commonSettings, hostList } from "../settings.ts";
import { isProjectPath } from "./keys.ts";

// What fits into a header: a token with a line break in it would be a second header.
const secret = z.string().regex(/^[\x21-\x7e]+$/, "must be printable and hold no space");

const credentials = z.union(
  [
    z
      .strictObject({
        token: secret.meta({
          description: "Personal, project or group access token with read_api; sent as PRIVATE-TOKEN.",
        }),
      })
      .meta({ description: "An access token." }),
    z
      .strictObject({ bearer: secret.meta({ description: "OAuth token; sent as Authorization: Bearer." }) })
      .meta({ description: "An OAuth token, which is renewed elsewhere." }),
    z
      .strictObject({ jobToken: secret.meta({ description: "CI job token; sent as JOB-TOKEN." }) })
      .meta({ description: "A job token: reads packages of projects, never of groups." }),
  ],
  { error: "must be { token }, { bearer } or { jobToken }" },
);

const paths = z
  .array(z.string().refine(isProjectPath, "must be a full path such as group/project"))
  .default([])
  .transform((list) => [...new Set(list)]);

const capabilities = ["PACKAGES", "IMAGES"] as const;

/** Where a list is read: a project (path or number), or a group with everything below it. */
export interface Scope {
  readonly kind: "project" | "group";
  readonly id: string;
}

/** One `kind: gitlab` entry of gateway.yaml. */
export const gitlabSettings = z.strictObject({
  kind: z.literal("gitlab"),
  ...commonSettings,
  url: commonSettings.url
    .refine((url) => !/\/api\/v\d+\/*$/.test(url), "must not end in /api/v4: the gateway adds it")
    .meta({ description: "Base address, with the relative root where there is one; /api/v4 is added." }),
  webUrl: commonSettings.url.optional().meta({
    description: "Address under which people and other systems know this GitLab, where it is not `url`.",
  }),
  credentials: credentials.optional().meta({
    description: "How the gateway identifies itself; without them, and without forward, it sees public projects only.",
  }),
  groups: paths.meta({ description: "Groups, subgroups included, that searches across backends look into." }),
  projects: paths.meta({ description: "Projects that searches across backends look into." }),
  hosts: hostList.meta({ description: "Registry hosts whose image references are this backend's." }),
  capabilities: z
    .array(z.enum(capabilities))
    .min(1, "must name PACKAGES, IMAGES or both")
    .default([...capabilities])
    .transform((wanted) => capabilities.filter((one) => wanted.includes(one)))
    .meta({ description: "What this server offers: the package registry, the container registry or both." }),
});

/** Settings of one GitLab backend as parsed. */
export type GitlabSettings = z.output<typeof gitlabSettings>;

/** Where searches look: the outermost of the groups, and the projects outside of all of them. */
export function searchScopes({ groups, projects }: GitlabSettings): readonly Scope[] {
  const isOutermost = (path: string) =>
    !groups.some((group) => path.toLowerCase().startsWith(`${group.toLowerCase()}/`));
  return [
    ...groups.filter(isOutermost).map((id) => ({ kind: "group", id }) as const),
    ...projects.filter(isOutermost).map((id) => ({ kind: "project", id }) as const),
  ];
}
