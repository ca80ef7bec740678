import { z } from "zod";
import { commonSettings } from "../../../src/backends/settings.ts";

/** One entry of gateway.yaml. */
export const exampleSettings = z.strictObject({
  kind: z.literal("example"),
  ...commonSettings,
  repositories: z.array(z.string().min(1)).default([]).meta({ description: "Repositories that are probed." }),
});

/** Settings of one backend as parsed. */
export type ExampleSettings = z.output<typeof exampleSettings>;
