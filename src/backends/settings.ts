import { z } from "zod";
import { proxySetting, tlsSetting } from "./network-settings.ts";

/** Settings every backend has; each kind adds its own credentials and capabilities. */
export const commonSettings = {
  name: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, "1 to 64 characters of a-z, 0-9 and -, not at the ends")
    .meta({ description: "Unique name of the backend, [a-z0-9-]; it is part of every id." }),
  url: z
    .url({ protocol: /^https?$/, hostname: /.+/ })
    .refine((text) => {
      // Checks go on after a failed one: what is no address at all is reported already.
      if (!URL.canParse(text)) return true;
      const url = new URL(text);
      return url.username === "" && url.password === "" && url.search === "" && url.hash === "";
    }, "must not hold user-info, a query or a fragment")
    .meta({ description: "Base address, with a relative root where there is one." }),
  timeoutMs: z.int().min(1).max(600_000).default(10_000).meta({ description: "Deadline of one upstream call." }),
  concurrency: z.int().min(1).max(1024).default(8).meta({ description: "Calls in flight at once." }),
  retries: z.int().min(0).max(10).default(2).meta({ description: "Attempts after the first, for retryable failures." }),
  maxResponseBytes: z
    .int()
    .min(1024)
    .max(1_073_741_824)
    .default(33_554_432)
    .meta({ description: "Larger answers are MALFORMED." }),
  breaker: z
    .strictObject({
      failures: z.int().min(1).max(1000).default(5),
      coolDownMs: z.int().min(1).max(3_600_000).default(10_000),
    })
    .default({ failures: 5, coolDownMs: 10_000 })
    .meta({
      description:
        "Silences in a row (no connection, no answer in time, 502 to 504) that open the circuit, and for how long.",
    }),
  cache: z
    .strictObject({
      maxBytes: z.int().min(65_536).max(4_294_967_296).default(67_108_864).meta({
        description: "Bytes of bodies and headers; what was not used for longest goes first.",
      }),
      freshMs: z.int().min(0).max(86_400_000).default(0).meta({
        description:
          "How long an answer is not asked for again that says nothing of it itself (Cache-Control, Expires).",
      }),
      staleIfErrorMs: z.int().min(0).max(604_800_000).default(300_000).meta({
        description: "How long an answer may stand in, marked STALE, for a backend that does not answer.",
      }),
    })
    .optional()
    .meta({
      description: "Keeps successful answers, by credential; left out: none is cached. `cache: {}` takes the defaults.",
    }),
  proxy: proxySetting.optional().meta({
    description:
      "Address of the proxy in between, user-info included, or false for none; default HTTPS_PROXY or HTTP_PROXY, " +
      "and NO_PROXY.",
  }),
  tls: tlsSetting.optional().meta({
    description: "For an https url. Paths of PEM files from the root, or their texts, such as ${file:/run/secrets/ca}.",
  }),
  forward: z.literal("caller").optional().meta({
    description: "Ask with the credential the caller sent in X-Backend-Token-<name>, and with nothing else.",
  }),
} as const;

/** A list of image registry hosts (`host` or `host:port`), lower-cased. */
export const hostList = z
  .array(
    z
      .string()
      .regex(/^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/i, "must be a host, or host:port"),
  )
  .default([])
  .transform((hosts) => hosts.map((host) => host.toLowerCase()));
