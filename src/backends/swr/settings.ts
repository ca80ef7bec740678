import { z } from "zod";
import { commonSettings, hostList } from "../settings.ts";

const secret = z.string().min(1);

const tokenCredentials = z
  .strictObject({ token: secret.meta({ description: "IAM token, sent as X-Auth-Token." }) })
  .meta({ description: "A token that is renewed outside of the gateway." });

const keyCredentials = z
  .strictObject({
    accessKey: secret.meta({ description: "Access key (AK)." }),
    secretKey: secret.meta({ description: "Secret key (SK); requests are signed with it, it is never sent." }),
    securityToken: secret.optional().meta({ description: "Belongs to temporary keys; sent as X-Security-Token." }),
    projectId: secret.optional().meta({ description: "Sent as X-Project-Id; for tenants with several projects." }),
  })
  .meta({ description: "Access key pair; every request is signed." });

const iamCredentials = z
  .strictObject({
    iam: z.strictObject({
      url: commonSettings.url.meta({
        description: "Address of IAM, such as https://iam.cn-north-4.myhuaweicloud.com.",
      }),
      domain: secret.meta({ description: "Account that the user belongs to." }),
      user: secret.meta({ description: "IAM user; a HUAWEI ID gets no tokens." }),
      password: secret.meta({ description: "The user's password." }),
      project: secret.meta({ description: "Project the token is scoped to, usually the region's name." }),
    }),
  })
  .meta({ description: "User and password; tokens are fetched from IAM and renewed an hour before they expire." });

const capabilities = ["PACKAGES", "IMAGES"] as const;

/** One `kind: swr` entry of gateway.yaml. */
export const swrSettings = z
  .strictObject({
    kind: z.literal("swr"),
    ...commonSettings,
    credentials: z
      .union([tokenCredentials, keyCredentials, iamCredentials], {
        error:
          "must be { token }, { accessKey, secretKey, securityToken?, projectId? } or " +
          "{ iam: { url, domain, user, password, project } }",
      })
      .optional()
      .meta({ description: "How the gateway identifies itself; may be left out only with forward: caller." }),
    namespaces: z
      .array(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,127}$/i, "must be the name of an organization"))
      .default([])
      .transform((names) => [...new Set(names)])
      .meta({
        description:
          "Organizations that searches across backends look into; " +
          "default those that the credentials can see, if they are no more than 20.",
      }),
    hosts: hostList.meta({ description: "Registry hosts whose image references are this backend's." }),
    capabilities: z
      .array(z.enum(capabilities))
      .min(1, "must name PACKAGES, IMAGES or both")
      .default([...capabilities])
      .transform((wanted) => capabilities.filter((one) => wanted.includes(one)))
      .meta({ description: "What this region has: most tenants have no software packages." }),
    imageApi: z.enum(["auto", "v2", "v3"]).default("v2").meta({
      description: "API that lists tags: v3 answers lighter but not every region has it; auto tries v3 first.",
    }),
  })
  .superRefine((settings, context) => {
    if (settings.credentials === undefined && settings.forward === undefined) {
      context.addIssue({
        code: "custom",
        path: ["credentials"],
        message: "credentials are required unless forward: caller is set",
      });
    }
  });

/** Settings of one SWR backend as parsed. */
export type SwrSettings = z.output<typeof swrSettings>;

/** An access key pair, permanent or temporary. */
export type KeyCredentials = z.output<typeof keyCredentials>;

/** What IAM wants to know before it issues a token. */
export type IamCredentials = z.output<typeof iamCredentials>["iam"];
