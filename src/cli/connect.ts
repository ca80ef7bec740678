import type { Answer, Unknown } from "../backends/answers.ts";
import type { Backend, Probe } from "../backends/backend.ts";
import type { Config } from "../config/index.ts";
import type { Capability } from "../model/backend.ts";
import { createCall } from "../server/graphql/execute.ts";
import { UpstreamError } from "../upstream/errors.ts";
import type { Call } from "../upstream/operation.ts";

/** What was found out: about one backend, about a part of one place of it without its name, or about all of them. */
interface Verdict {
  readonly isFine: boolean;
  /** Names of the configuration and words of ours: no address, no credential, nothing that a backend wrote. */
  readonly text: string;
}

/** Asks all backends, and of each one place after the other, with the gateway's own credentials. */
export async function connect({ backends, mutations, limits }: Config): Promise<Verdict> {
  const all = await Promise.all(
    backends.map(async (configured) => {
      const backend = configured.connect({ mutations });
      try {
        return await linesOf(backend, limits.deadlineMs);
      } finally {
        await backend.close();
      }
    }),
  );
  const lines = all.flat();
  const wrong = lines.filter(({ isFine }) => !isFine).length;
  const end = wrong === 0 ? "ok" : `${wrong} of ${lines.length} ${wrong === 1 ? "is" : "are"} wrong`;
  const text = lines.map((line) => `${line.isFine ? "ok   " : "wrong"}  ${line.text}`);
  return { isFine: wrong === 0, text: `${[...text, end].join("\n")}\n` };
}

async function linesOf(backend: Backend, deadlineMs: number): Promise<readonly Verdict[]> {
  const { name, probes } = backend;
  const reached = await ask(deadlineMs, async (call) => (await backend.during(call).ping?.()) ?? "NOTHING_TO_ASK");
  // There is no caller here, and so no credential of one.
  if (reached.wantsCaller) {
    return [{ isFine: true, text: `${name}: not asked, because each caller brings a credential (forward: caller)` }];
  }
  const byPlace = [...Map.groupBy(probes, ({ place, name: of }) => `${place} ${of}`)];
  const { failure } = reached;
  if (failure?.silence) {
    const unasked = byPlace.map(([place]) => ({ isFine: false, text: `${name}: ${place}: not asked` }));
    return [{ isFine: false, text: `${name}: ${explain(failure)}` }, ...unasked];
  }
  if (reached.value === "NOTHING_TO_ASK") {
    const text = `${name}: not asked, because the configuration names no place there and nothing else is cheap to ask`;
    return [{ isFine: true, text }];
  }
  const lines = [await lineOf(backend, failure, deadlineMs)];
  for (const [place, questions] of byPlace) {
    const { isFine, text } = await lineOfPlace(questions, deadlineMs);
    lines.push({ isFine, text: `${name}: ${place}: ${text}` });
  }
  return lines;
}

async function lineOf(backend: Backend, failure: UpstreamError | null, deadlineMs: number): Promise<Verdict> {
  const { name, identity, probes } = backend;
  // Some backends can be asked for a place only. What is wrong with a place is reported with the place.
  const isOfPlace = failure?.failure === "NOT_FOUND" || (failure?.failure === "DENIED" && failure.status === 403);
  if (isOfPlace && probes.length > 0) return { isFine: true, text: `${name}: reachable` };
  if (failure !== null) return { isFine: false, text: `${name}: ${explain(failure)}` };
  const who = identity ? await ask(deadlineMs, identity) : null;
  return { isFine: true, text: `${name}: reachable${who?.value ? `, as ${who.value}` : ""}` };
}

async function lineOfPlace(probes: readonly Probe[], deadlineMs: number): Promise<Verdict> {
  const verdicts: (Verdict & { readonly reads: readonly Capability[] })[] = [];
  for (const { reads, ask: question } of probes) {
    const { value, failure } = await ask(deadlineMs, question);
    verdicts.push({ reads, ...(failure || value === null ? ofFailure(failure) : ofAnswer(value)) });
  }
  const isFine = verdicts.every((verdict) => verdict.isFine);
  if (verdicts.every(({ text }) => text === nowhere.text)) return { isFine, text: nowhere.text };
  const parts = [...Map.groupBy(verdicts, ({ text }) => text)].map(([text, same]) => {
    const what = same.flatMap(({ reads }) => reads.map((capability) => capability.toLowerCase()));
    return `${what.join(" and ")} ${text}`;
  });
  return { isFine, text: parts.join("; ") };
}

/** Asks one question with a time of its own. `wantsCaller`: the backend is asked with credentials of callers only. */
async function ask<T>(deadlineMs: number, question: (call: Call) => Promise<T>) {
  let wantsCaller = false;
  const closed: (() => void)[] = [];
  const noHeaders = {
    get: () => {
      wantsCaller = true;
      return null;
    },
  };
  const onClose = (listener: () => void) => void closed.push(listener);
  const call = createCall(
    { headers: noHeaders, requestId: "check", callerKey: "check", startedAt: performance.now(), onClose },
    { upstreamCalls: Number.POSITIVE_INFINITY, deadlineMs },
  );
  try {
    return { value: await question(call), failure: null, wantsCaller };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return { value: null, failure: error, wantsCaller };
  } finally {
    for (const listener of closed) listener();
  }
}

const nowhere: Verdict = { isFine: false, text: "does not exist, or these credentials may not see it" };

function ofAnswer(answer: Answer<unknown>): Verdict {
  if (answer.kind === "ABSENT") return nowhere;
  if (answer.kind === "UNKNOWN") return ofUnknown(answer);
  const gap = answer.gap?.reason;
  if (gap === undefined) return { isFine: true, text: "can be read" };
  const part = gap === "NARROW_SEARCH" ? ", but searches see only a part of it" : " in part";
  return { isFine: true, text: `can be read${part}` };
}

function ofUnknown({ reason, failure }: Unknown): Verdict {
  if (failure !== null) return ofFailure(failure);
  return reason === "NOT_SEARCHABLE"
    ? { isFine: true, text: "cannot be asked for in this version or region" }
    : { isFine: false, text: "could not be read: the answer is not one of this kind of backend" };
}

function ofFailure(failure: UpstreamError | null): Verdict {
  if (failure === null) return { isFine: false, text: "could not be asked for" };
  if (failure.failure === "DENIED") {
    return { isFine: false, text: `may not be read with these credentials${statusOf(failure)}${adviceOf(failure)}` };
  }
  return { isFine: false, text: `could not be read: the backend ${explain(failure)}` };
}

const compareUrl = "compare its url with the address of the vendor's API";

/** The failure as what the backend does: its subject is the name in front. */
function explain(failure: UpstreamError): string {
  const status = statusOf(failure);
  switch (failure.failure) {
    case "DENIED":
      return `does not accept these credentials${status}${adviceOf(failure)}`;
    case "NOT_FOUND":
      return `has nothing at this address${status}: ${compareUrl}`;
    case "REJECTED":
      return `refuses what it is asked${status}${adviceOf(failure)}`;
    case "THROTTLED":
      return `is rate-limiting${status}`;
    case "TIMED_OUT":
      return "does not answer in time";
    case "UNAVAILABLE":
      if (failure.status === 404) return `has nothing at this address${status}: ${compareUrl}`;
      if (failure.circuitOpen) return "is not asked any more after too many silences";
      return failure.silence === "UNREACHABLE" ? "cannot be reached" : `does not answer${status}`;
    case "MALFORMED":
      return `answers as no backend of this kind does${status}: ${compareUrl}`;
    case "OVER_BUDGET":
      return "did not answer within limits.deadlineMs";
  }
}

const statusOf = ({ status }: UpstreamError): string => (status === null ? "" : ` (HTTP ${status})`);
const adviceOf = ({ advice }: UpstreamError): string => (advice === null ? "" : `. ${advice}`);
