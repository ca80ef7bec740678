import type { Call } from "../../upstream/call.ts";
import type { Dialect, RawReply } from "../../upstream/client.ts";
import type { Credentials } from "../../upstream/dialect.ts";
import { UpstreamError } from "../../upstream/errors.ts";
import { createIdentityService } from "./identity-service.ts";
import type { KeyCredentials, SwrSettings } from "./settings.ts";
import { authorization, sdkDate } from "./signer.ts";
import { codeOf, isStaleToken } from "./verdict.ts";

/** Who we are towards one SWR. */
export interface Authority {
  /** Headers that identify us; rejects with an UpstreamError when there is nothing to show. */
  readonly authorize: Dialect["authorize"];
  /** True when the token that was sent and refused is another one by now. */
  readonly renew: (reply: RawReply, sent: Credentials, call: Call) => Promise<boolean>;
  /** Hears every answer: a key that is refused again and again has to rest. */
  readonly heard: (reply: RawReply) => void;
  readonly close: () => Promise<void>;
}

const tokenHeader = "x-auth-token";

/** The vendor's pages call this header mandatory, on reads too. */
const contentType = { "content-type": "application/json" } as const;

/** More than five refused signatures in a row lock the key for five minutes, for everybody who uses it. */
const mostRefusals = 3;
const lockMs = 5 * 60_000;

/** The authority that the settings ask for; `now` is the process's clock in milliseconds. */
export function createAuthority(settings: SwrSettings, now: () => number): Authority {
  const { name, credentials } = settings;
  if (settings.forward === "caller") return forwarding(name);
  if (credentials === undefined) throw new RangeError("credentials are required unless the caller's are forwarded");
  if ("accessKey" in credentials) return signing(name, credentials, now);
  if ("iam" in credentials) {
    const identity = createIdentityService(settings, credentials.iam, now);
    return {
      authorize: async (_request, call) => withToken(await identity.token(call)),
      renew: async (reply, sent, call) => {
        const token = sent[tokenHeader];
        return isStaleToken(reply) && token !== undefined && identity.renew(token, call);
      },
      heard: ({ status }) => {
        if (status >= 200 && status < 300) identity.accepted();
      },
      close: identity.close,
    };
  }
  return { ...unrenewable, authorize: () => withToken(credentials.token) };
}

const unrenewable = { renew: async () => false, heard: () => {}, close: async () => {} } as const;

function forwarding(backend: string): Authority {
  return {
    ...unrenewable,
    authorize: ({ operation }, call) => {
      const token = call.caller.credentialFor(backend);
      if (token === null) throw new UpstreamError("DENIED", { backend, operation, reason: "the caller sent no token" });
      return withToken(token);
    },
  };
}

function signing(backend: string, keys: KeyCredentials, now: () => number): Authority {
  let refusals = 0;
  let restsUntil = 0;
  return {
    ...unrenewable,
    authorize: ({ operation, method, origin, path, body }) => {
      if (now() < restsUntil) {
        throw new UpstreamError("DENIED", { backend, operation, reason: "the access key was refused and rests" });
      }
      const sent = {
        ...contentType,
        "x-sdk-date": sdkDate(now()),
        ...(keys.projectId === undefined ? {} : { "x-project-id": keys.projectId }),
        ...(keys.securityToken === undefined ? {} : { "x-security-token": keys.securityToken }),
      };
      const headers = { ...sent, host: new URL(origin).host };
      return {
        ...sent,
        authorization: authorization({ method, path, headers, body }, keys.accessKey, keys.secretKey),
      };
    },
    heard: ({ status, body }) => {
      // A 401 with a code of SWR itself got past the gateway: the signature was good, and a right was missing.
      const refused = status === 401 && !codeOf(body)?.startsWith("SVCSTG.");
      refusals = refused ? refusals + 1 : 0;
      if (refusals >= mostRefusals) {
        restsUntil = now() + lockMs;
        refusals = 0;
      }
    },
  };
}

function withToken(token: string): Readonly<Record<string, string>> {
  return { ...contentType, [tokenHeader]: token };
}
