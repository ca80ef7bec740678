import type { IncomingMessage, ServerResponse } from "node:http";
import type { ExecutionResult, GraphQLError, GraphQLSchema } from "graphql";
import type { Config } from "../config.ts";
import { createAnswerMeter } from "../graph/answer-meter.ts";
import type { CallerFacts } from "../graph/caller.ts";
import type { Context } from "../graph/context.ts";
import { boundErrors } from "../graph/errors.ts";
import { runPlan } from "../graph/execution/run.ts";
import { checkLimits } from "../graph/limits.ts";
import type { Exchange } from "../upstream/exchange.ts";
import { credentialHeader } from "./call.ts";
import type { Documents } from "./documents.ts";
import { printInTurns } from "./json-text.ts";
import { createPlanCache, type Prepared } from "./plan-cache.ts";
import { headersOf, type RequestHeaders, traceParentOf } from "./request-id.ts";
import { type Credentials, createKeyMaker, createSharedAnswers, type Lead } from "./shared-answers.ts";
import type { Operation, Telemetry } from "./telemetry.ts";
import { createTurns } from "./turns.ts";
import { outcomeOf } from "./watching.ts";
import { send, type Written, write } from "./written.ts";

/** What the lane shares with the engine beside it, so that both give the same answers. */
export interface LaneOptions {
  readonly config: Config;
  readonly schema: GraphQLSchema;
  readonly documents: Documents;
  readonly telemetry: Telemetry;
  /** A request's context; what is reported without failing gathers in `problems`. */
  readonly serve: (about: Serving) => Context & { readonly problems: readonly GraphQLError[] };
  readonly maskError: (error: unknown) => GraphQLError;
  /** The last word on an answer: bugs are logged and told by the request's id. */
  readonly finish: (result: ExecutionResult, requestId: string) => ExecutionResult;
}

/** What a context is made of. `headers` has the caller's credentials for backends, and maybe no more. */
export interface Serving {
  readonly headers: RequestHeaders;
  /** Calls back when nobody waits for the answer any more, or has it. */
  readonly onClose: (listener: () => void) => void;
  readonly caller: CallerFacts;
  readonly requestId: string;
  /** `performance.now()` when it came in. */
  readonly startedAt: number;
}

/** Whoever is asked, and by whom. */
export interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
  readonly caller: CallerFacts;
  readonly requestId: string;
}

/**
 * The short way for what nearly everybody sends: one query as JSON by POST. It goes from the socket to the plan and
 * back, without the objects of the fetch standard in between. Whatever is special in any way, and every refusal, is
 * left to the engine: false says that nothing has been done and nothing has been answered.
 *
 * Equal questions of equal callers that are under way at the same moment are run once. Who comes later waits for the
 * answer of the first, if that is without fault; if it is not, each asks for itself and waits for nobody again. The run
 * goes on as long as anybody waits for it.
 */
export interface DirectLane {
  readonly answer: (arrival: Arrival) => Promise<boolean>;
  /** Something is about to change, or has changed: whoever asks from now on gets no answer that was begun before. */
  readonly outdate: () => void;
}

/**
 * The part of an operation's time that it may wait for another's answer. The first asker began earlier and is told
 * within its own time, so nobody could wait longer than the whole of it; this leaves most of it for a run of one's own.
 */
const patience = 0.25;

/** What may begin in one turn of the event loop, in estimated calls: some small questions, or one of any size. */
const portion = 10;

/** Bytes of data that are printed in one go. */
const printedAtOnce = 1_048_576;

/** A question that may be run, and what it is reckoned to cost. */
interface Question extends Prepared {
  readonly cost: number;
}

/** Builds the lane; it takes nothing where an answer is more than data and errors. */
export function createDirectLane(options: LaneOptions): DirectLane {
  const { config, schema, documents, telemetry, serve, maskError, finish } = options;
  const plans = createPlanCache(schema, documents);
  const isOpen = !config.server.subgraph && !config.persisted.only;
  const keys = createKeyMaker();
  const answers = createSharedAnswers<Question, Written>(config.limits.deadlineMs * patience);
  const turns = createTurns(portion);
  const credentialHeaders = config.backends.map(({ name }) => credentialHeader(name));

  function prepare(body: Buffer): Question | null {
    const asked = readQuestion(body);
    if (!asked) return null;
    try {
      const prepared = plans.prepare(asked.query, asked.operationName, asked.variables);
      if (!prepared) return null;
      const { document, operation } = prepared;
      const { calls } = checkLimits({ schema, document, operation, variables: asked.variables }, config.limits);
      return { ...prepared, cost: calls };
    } catch {
      // Refused: the engine says so.
      return null;
    }
  }

  function begin({ request, response, requestId }: Arrival): Operation {
    const watched = telemetry.begin({ requestId, parent: traceParentOf(headersOf(request)) });
    response.once("close", () => watched.end("left"));
    return watched;
  }

  /** Runs the question; `lead` is told of the answer, unless it is one that another could have had better. */
  async function run(
    { plan, operation, variables }: Prepared,
    { response, caller, requestId }: Arrival,
    credentials: Credentials | null,
    watched: Operation,
    lead: Lead<Written> | null,
  ): Promise<Written> {
    let isWhole = true;
    try {
      // A run sees no header but those that its key is made of: what it is told, whoever has the same key may be told.
      const headers: RequestHeaders = { get: (name) => credentials?.find(([known]) => known === name)?.[1] ?? null };
      const { startedAt } = watched.watched;
      const meter = createAnswerMeter(config.limits.answerBytes);
      const onClose = (listener: () => void) => {
        response.once("close", () => (lead ? lead.leave(listener) : listener()));
        // Nobody needs the rest of an answer that is given up.
        meter.onRefusal(listener);
      };
      const context = serve({ headers, onClose, caller, requestId, startedAt });
      watched.run(operation.name?.value ?? null, context.call);
      if (lead) {
        // Also what shows as a mere status in the data: asked a moment later, the backend might have answered.
        watched.join({
          exchanged: (_operation, exchange) => {
            if (!isFlawed(exchange)) return;
            isWhole = false;
            // The call that failed is still taking others aboard: they must not end up in it.
            setImmediate(lead.land, null);
          },
        });
      }
      const ran = await runPlan(plan, variables, context, undefined, meter);
      const errors = boundErrors([...(ran.errors ?? []).map(maskError), ...context.problems]);
      const result: ExecutionResult = errors.length === 0 ? ran : { ...ran, errors };
      const outcome = outcomeOf(result);
      watched.end(outcome);
      const finished = finish(result, requestId);
      const isLong = meter.taken() > printedAtOnce;
      const written = write(isLong ? await printInTurns(finished) : JSON.stringify(finished));
      // Who has nothing left to ask with may have been told less than others would be.
      if (isWhole && outcome === "ok" && context.call.budget.take()) lead?.land(written);
      return written;
    } finally {
      lead?.land(null);
    }
  }

  /** Waits in line, runs the question and sends its answer; a run that nobody waits for any more does not begin. */
  async function answerInTurn(
    question: Question,
    arrival: Arrival,
    type: string,
    credentials: Credentials | null,
    watched: Operation,
    lead: Lead<Written> | null,
  ): Promise<void> {
    const { request, response } = arrival;
    await turns.take(question.cost);
    if (response.destroyed) lead?.land(null);
    else await send(request, response, type, await run(question, arrival, credentials, watched, lead));
  }

  return {
    answer: async (arrival) => {
      const { request, response, body, caller } = arrival;
      const type = isOpen ? answerTypeFor(request) : null;
      if (type === null) return false;
      const credentials = credentialsIn(request, credentialHeaders);
      const key = keys.of({ caller, type, credentials }, body);
      const boarding = key === null ? null : answers.board(key);
      if (boarding) {
        const { question, landed, leave } = boarding;
        const watched = begin(arrival);
        response.once("close", leave);
        watched.wait(question.operation.name?.value ?? null);
        const answer = await landed;
        if (response.destroyed) return true;
        if (answer) {
          watched.share();
          watched.end("ok");
          await send(request, response, type, answer);
          return true;
        }
        await answerInTurn(question, arrival, type, credentials, watched, null);
        return true;
      }
      const question = prepare(body);
      if (question === null) return false;
      const watched = begin(arrival);
      const lead = key === null ? null : answers.lead(key, question);
      await answerInTurn(question, arrival, type, credentials, watched, lead);
      return true;
    },
    outdate: answers.outdate,
  };
}

/** Whether a call brought less than it can bring: a failure, or what a cache had to say instead. */
function isFlawed({ outcome, error, via }: Exchange): boolean {
  // "There is no such thing" is an answer.
  return via === "STALE" || (error !== null && outcome !== "NOT_FOUND");
}

/** The caller's own credentials for the backends, as they were sent. */
function credentialsIn(request: IncomingMessage, names: readonly string[]): Credentials | null {
  const headers = headersOf(request);
  let found: [string, string][] | null = null;
  for (const name of names) {
    const value = headers.get(name);
    if (value === null) continue;
    found ??= [];
    found.push([name, value]);
  }
  return found;
}

const graphqlJson = "application/graphql-response+json";
const plainJson = "application/json";

/** The type of the answer where both sides leave no doubt; null for what is not the lane's. */
function answerTypeFor({ method, headers }: IncomingMessage): string | null {
  if (method !== "POST" || headers["x-explain"] !== undefined) return null;
  const type = headers["content-type"];
  if (type !== plainJson && type !== "application/json; charset=utf-8" && type !== "application/json;charset=utf-8") {
    return null;
  }
  switch (headers.accept) {
    case undefined:
    case "*/*":
    case plainJson:
      return plainJson;
    case graphqlJson:
      return graphqlJson;
    default:
      return null;
  }
}

interface Asked {
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** A question with nothing but what belongs to one; null for anything else. */
function readQuestion(body: Buffer): Asked | null {
  let sent: unknown;
  try {
    sent = JSON.parse(body.toString("utf8"));
  } catch {
    return null;
  }
  if (typeof sent !== "object" || sent === null || Array.isArray(sent)) return null;
  let query: unknown = null;
  let operationName: unknown = null;
  let variables: unknown = null;
  for (const [name, value] of Object.entries(sent)) {
    if (name === "query") query = value;
    else if (name === "operationName") operationName = value;
    else if (name === "variables") variables = value;
    else if (value !== null) return null;
  }
  if (typeof query !== "string" || query === "") return null;
  if (operationName !== null && typeof operationName !== "string") return null;
  const given = variables ?? {};
  return isRecord(given)
    ? { query, operationName: operationName === "" ? null : operationName, variables: given }
    : null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
