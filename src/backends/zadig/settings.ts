import { z } from "zod";
import { commonSettings } from "../settings.ts";

const secret = z.string().regex(/^[\x21-\x7e]+$/, "must be printable text without spaces");

/** The four shapes of release answers (R1: 1.x to 3.x, R2: 4.x and later, O1 and O2: their OpenAPI forms). */
const generations = ["r1", "r2", "o1", "o2"] as const;
export type Generation = (typeof generations)[number];

/** Settings of one Zadig installation. */
export const zadigSettings = z
  .strictObject({
    kind: z.literal("zadig"),
    ...commonSettings,
    credentials: z
      .union([
        z.strictObject({ token: secret.meta({ description: "API token, sent as `Authorization: Bearer`." }) }),
        z.strictObject({
          apiKey: secret.meta({ description: "Key of Zadig 1.6, sent as `Authorization: X-API-KEY`." }),
        }),
      ])
      .optional()
      .meta({ description: "Exactly one of token (1.7 and later) and apiKey (1.6)." }),
    generation: z
      .enum(["auto", ...generations])
      .default("auto")
      .meta({
        description: "Shape of the release answers; auto looks at the first answer that holds a release.",
      }),
    surface: z
      .enum(["auto", "aslan", "directory", "openapi"])
      .default("auto")
      .meta({
        description:
          "Which of Zadig's APIs is asked for releases. auto: openapi for generation o1 and o2, directory with an " +
          "apiKey, else aslan. " +
          "Zadig 1.7 wants directory: its own look-up of a release by id finds nothing.",
      }),
    projects: z
      .array(z.string().min(1))
      .default([])
      .meta({
        description:
          "Project keys to walk where Zadig cannot list across projects (openapi) or refuses to (the token of a " +
          "project's member), and to look in for a release known by id alone.",
      }),
  })
  .refine((settings) => settings.credentials !== undefined || settings.forward !== undefined, {
    path: ["credentials"],
    error: "needed: { token } or { apiKey }, unless forward: caller is set",
  })
  .refine(
    ({ generation, surface }) =>
      surface === "auto" || generation === "auto" || isOpen(generation) === (surface === "openapi"),
    {
      path: ["surface"],
      error: "generations o1 and o2 are spoken by the surface openapi only, r1 and r2 by the others",
    },
  );
export type ZadigSettings = z.output<typeof zadigSettings>;

/** The API that answers releases, once `auto` is resolved. */
export type Surface = "aslan" | "directory" | "openapi";

/** Resolves `surface: auto`: 1.6 (an apiKey) has its releases behind the directory facade only. */
export function surfaceOf(settings: ZadigSettings): Surface {
  if (settings.surface !== "auto") return settings.surface;
  if (settings.generation !== "auto" && isOpen(settings.generation)) return "openapi";
  return isOldKey(settings) ? "directory" : "aslan";
}

/** Whether the credential is that of Zadig 1.6. */
export function isOldKey(settings: ZadigSettings): boolean {
  return settings.credentials !== undefined && "apiKey" in settings.credentials;
}

function isOpen(generation: Generation): boolean {
  return generation === "o1" || generation === "o2";
}
