import { z } from "zod";
import { commonSettings, hostList } from "../settings.ts";
import { parseRepository } from "./keys.ts";

/** Text that is safe in a header: printable ASCII without spaces. */
const word = z.string().regex(/^[\x21-\x7e]{1,4096}$/, "must be printable text without spaces");

/** Basic separates user and password at the first colon, and the server cuts a Platform secret at a second one. */
const part = word.refine((text) => !text.includes(":"), "must not hold a colon");

const credentials = z.union(
  [
    z.strictObject({ username: part, password: z.string().min(1) }),
    z.strictObject({ accessKey: part, secretKey: part, userId: word }),
    z.strictObject({ token: word }),
  ],
  { error: "must be { username, password }, { accessKey, secretKey, userId } or { token }" },
);

/** One bkrepo in gateway.yaml. */
export const bkrepoSettings = z
  .strictObject({
    kind: z.literal("bkrepo"),
    ...commonSettings,
    credentials: credentials.optional().meta({
      description:
        "Basic (a personal token may stand in the password's place), Platform (keys that act as userId, which must " +
        "be a user that exists: bkrepo creates unknown ones), or a token that bkrepo signed. Not read with forward: " +
        "caller.",
    }),
    repositories: z
      .array(z.string().refine((text) => parseRepository(text) !== null, "must be project/repo"))
      .default([])
      .meta({ description: "Repositories (project/repo) in which searches across backends look." }),
    hosts: hostList.meta({
      description: "Image registry hosts that are this bkrepo; the first is used in references.",
    }),
    timeZone: z
      .string()
      .regex(/^[+-](?:0\d|1[0-4]):[0-5]\d$/, "must be an offset such as +08:00")
      .default("+08:00")
      .meta({
        description: "Offset of the server's zone-less times where it does not tell its zone itself (before 3.4).",
      }),
    capabilities: z
      .array(z.enum(["PACKAGES", "IMAGES"]))
      .min(1)
      .default(["PACKAGES", "IMAGES"])
      .meta({ description: "What this backend is asked for." }),
  })
  .refine((settings) => settings.forward !== undefined || settings.credentials !== undefined, {
    path: ["credentials"],
    error: "is required, unless forward: caller is set",
  });

/** One bkrepo's settings as parsed, defaults filled in. */
export type BkrepoSettings = z.output<typeof bkrepoSettings>;
