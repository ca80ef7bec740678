import { z } from "zod";
import { parseInstant } from "../../model/values.ts";
import type { Call } from "../../upstream/call.ts";
import { createUpstream, type Judgement, judgeByStatus, type RawReply } from "../../upstream/client.ts";
import { MisshapenAnswer, UpstreamError } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { readOne } from "../decode.ts";
import type { IamCredentials, SwrSettings } from "./settings.ts";

/** The one call made to IAM. */
export const issueToken = {
  name: "swr.issueToken",
  method: "POST",
  path: "/v3/auth/tokens",
  answers: "a token for one project, good for 24 hours and every other call (sent to IAM, not to SWR)",
  versions: "IAM v3",
  proves: [],
} as const satisfies Operation;

/** Where tokens come from; lives as long as the process and never asks twice at once. */
export interface IdentityService {
  /** A token that is good for now; rejects with an UpstreamError. */
  readonly token: (call: Call) => Promise<string>;
  /**
   * Sees to it that a refused token is not the one in hand any more: true once it is not. False where IAM's last token was
   * itself refused as soon as it came: the next one would be no better. Rejects with an UpstreamError.
   */
  readonly renew: (refused: string, call: Call) => Promise<boolean>;
  /** Hears that a token did its work. */
  readonly accepted: () => void;
  readonly close: () => Promise<void>;
}

interface Held {
  readonly token: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

const issued = z.object({ token: z.object({ expires_at: z.string().nullish() }) });

const hour = 3_600_000;
const documentedLifetime = 24 * hour;
/** While the old token is still good, an IAM that does not answer is not asked by every call. */
const earlyPauseMs = 60_000;
/** How long a refused password rests: IAM locks users that keep trying. A replaced token that is refused rests as long. */
const refusedRestMs = 60_000;

/** `now` is the process's clock in milliseconds. */
export function createIdentityService(settings: SwrSettings, iam: IamCredentials, now: () => number): IdentityService {
  // The same network and the same operator, but another host.
  const tls = settings.tls && { ...settings.tls, serverName: undefined };
  // The call that needs the token is retried as a whole, so the token's own call is not.
  const upstream = createUpstream(
    { ...settings, url: iam.url, tls, retries: 0, forward: undefined, cache: undefined },
    { authorize: async () => ({}), judge: judgeIam, traceHeader: "x-request-id" },
  );
  let held: Held | null = null;
  let flight: { readonly call: Call; readonly held: Promise<Held> } | null = null;
  let earlyAgainAt = 0;
  /** Until when no token is asked for in place of one that replaced a refused one and has not done any work yet. */
  let renewsAgainAt = 0;
  let refused: { readonly error: UpstreamError; readonly until: number } | null = null;

  async function fetchToken(call: Call): Promise<Held> {
    if (refused !== null && now() < refused.until) throw refused.error;
    try {
      const reply = await upstream.call(
        issueToken,
        {
          // Any value leaves the service catalogue, many kilobytes, out of the answer.
          query: { nocatalog: "true" },
          body: {
            auth: {
              identity: {
                methods: ["password"],
                password: { user: { name: iam.user, password: iam.password, domain: { name: iam.domain } } },
              },
              scope: { project: { name: iam.project } },
            },
          },
          decode: (raw) => {
            const token = raw.header("x-subject-token");
            if (!token) throw new MisshapenAnswer("no token in the answer's header");
            const expiry = parseInstant(readOne(issued, raw.body).token.expires_at);
            const expiresAt = expiry === null ? now() + documentedLifetime : Date.parse(expiry);
            return { token, issuedAt: now(), expiresAt };
          },
        },
        call,
      );
      refused = null;
      held = reply.value;
      return reply.value;
    } catch (error) {
      if (error instanceof UpstreamError && error.failure === "DENIED") {
        refused = { error, until: now() + refusedRestMs };
      }
      throw error;
    }
  }

  async function share(call: Call): Promise<Held> {
    for (;;) {
      const mine = flight === null;
      flight ??= { call, held: fetchToken(call).finally(() => (flight = null)) };
      const joined = flight;
      try {
        return await joined.held;
      } catch (error) {
        // Whoever asked may have left or used up its budget; that is no reason for the others to fail.
        const theirs =
          joined.call.cancelToken.cancelled || (error instanceof UpstreamError && error.failure === "OVER_BUDGET");
        if (mine || !theirs || joined.call === call || call.cancelToken.cancelled) throw error;
      }
    }
  }

  return {
    token: async (call) => {
      const current = held;
      if (current === null || now() >= current.expiresAt) return (await share(call)).token;
      // Half of a short life, else an hour: a token is replaced while the old one still helps out.
      const early = Math.min(hour, (current.expiresAt - current.issuedAt) / 2);
      if (now() < Math.max(current.expiresAt - early, earlyAgainAt)) return current.token;
      const fresh = share(call).catch(() => {
        earlyAgainAt = now() + earlyPauseMs;
        return current;
      });
      return (await fresh).token;
    },
    renew: async (token, call) => {
      // Calls that were in flight together all meet the same dead token; only the first of them replaces it.
      if (flight === null && held !== null && held.token !== token) return true;
      if (flight === null) {
        if (now() < renewsAgainAt) return false;
        renewsAgainAt = now() + refusedRestMs;
      }
      try {
        return (await share(call)).token !== token;
      } catch (error) {
        // IAM gave none: that says nothing of the next one.
        renewsAgainAt = 0;
        throw error;
      }
    },
    accepted: () => {
      renewsAgainAt = 0;
    },
    close: upstream.close,
  };
}

// Plain HTTP, except that a wrong address of IAM must not look like a missing package.
function judgeIam(reply: RawReply): Judgement | null {
  const judged = judgeByStatus(reply);
  return judged !== "FINE" && judged.failure === "NOT_FOUND" ? { failure: "REJECTED" } : null;
}
