import { z } from "zod";

/** One package. */
export const packageRow = z.object({ name: z.string().min(1), description: z.string().nullish() });
export type PackageRow = z.output<typeof packageRow>;

/** A row of the list of a package's versions; `published` is RFC 3339. */
export const versionRow = z.object({ version: z.string().min(1), published: z.string() });
export type VersionRow = z.output<typeof versionRow>;
