import type { IncomingMessage, ServerResponse } from "node:http";
import type { ExecutionResult } from "graphql";
import type { Backend } from "../../backends/backend.ts";
import type { Config } from "../../config/index.ts";
import type { Operations } from "../../config/manifest.ts";
import { type CallerFacts, createEstate } from "../../graph/context.ts";
import { type AnswerMeter, createAnswerMeter } from "../../graph/cost/answer-meter.ts";
import type { Spent } from "../../graph/cost/limits.ts";
import { createSchema } from "../../graph/schema/schema.ts";
import { createTurns } from "../../upstream/turns.ts";
import { type Credentials, createKeyMaker, createSharedAnswers, type Lead } from "../fast-path/shared-answers.ts";
import { deliver, type EncodedAnswer, encode, varyByRequest } from "../http/delivery.ts";
import { charactersATurn, printInTurns } from "../http/json-text.ts";
import { type AnswerTypes, type JsonType, negotiate, type PartsType } from "../http/negotiation.ts";
import {
  type Asked,
  askedByAddress,
  askedByBody,
  isRefusal,
  mostQuestions,
  type Parameters,
} from "../http/parameters.ts";
import { sendParts } from "../http/parts.ts";
import { Refusal, refusalText, refuse, sendRefusal } from "../http/refusal.ts";
import { targetOf } from "../http/target.ts";
import type { Log } from "../observability/log.ts";
import { headersOf, traceParentOf } from "../observability/request-id.ts";
import type { Operation, OperationOutcome, Telemetry } from "../observability/telemetry.ts";
import { credentialHeader } from "./call.ts";
import { inEach } from "./defer.ts";
import { type Causes, createMasking } from "./masking.ts";
import { logBugs, outcomeOf, withRequestId } from "./outcome.ts";
import { createPersistedOperations } from "./persisted.ts";
import { createPreparation, type Prepared } from "./prepare.ts";
import type { Part } from "./reference.ts";
import { type Asker, createRunner, type Leading } from "./run.ts";

/** The GraphQL endpoint, for the HTTP shell around it. */
export interface GraphQLEndpoint {
  /** Answers a GET or a POST whose body has been read to its end. */
  readonly handle: (
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    asking: { readonly caller: CallerFacts; readonly address: string | null; readonly requestId: string },
  ) => Promise<void>;
  /** Answers with a refusal, which is logged and counted as one. */
  readonly refuse: (request: IncomingMessage, response: ServerResponse, refusal: Refusal, requestId: string) => void;
}

/** What the endpoint is made of. */
export interface GraphQLOptions {
  readonly config: Config;
  /** Known operations by id; empty for none. */
  readonly operations: Operations;
  readonly backends: readonly Backend[];
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** Whether plain queries run by prepared plans; false: everything by the reference execution. Default true. */
  readonly fastPath?: boolean;
}

/**
 * The part of an operation's time that it may wait for another's answer. The first asker began earlier and is told
 * within its own time, so nobody could wait longer than the whole of it; this leaves most of it for a run of one's own.
 */
const maxWait = 0.25;

/** What may begin in one turn of the event loop, in estimated calls: some small questions, or one of any size. */
const costPerTurn = 10;

/** Listeners of one response: more would be a leak. */
const mostListeners = 20;

/** One request while it is answered. */
interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: CallerFacts;
  readonly address: string | null;
  readonly requestId: string;
  readonly types: AnswerTypes;
  readonly credentials: Credentials | null;
  readonly spent: Spent;
  readonly meter: AnswerMeter;
}

/** The answer to one question. */
type Answered =
  | { readonly status: number; readonly answer: EncodedAnswer; readonly isFaultless: boolean }
  | { readonly parts: AsyncIterable<Part> }
  | Refusal
  | "left";

type SharedLead = Lead<EncodedAnswer>;

/**
 * Builds the endpoint. A request is read, its answer's type negotiated and each of its questions prepared here, once for
 * every way in and before anything runs; what is refused on the way is refused here. Equal questions of equal callers
 * that are under way at the same moment are run once.
 */
export function createGraphQL(options: GraphQLOptions): GraphQLEndpoint {
  const { config, operations, backends, log, telemetry, fastPath = true } = options;
  const causes: Causes = new WeakMap();
  const masking = createMasking(config.server, causes);
  const schema = createSchema(config.server.subgraph ? "subgraph" : "standalone", {
    mutations: config.mutations,
    tellsSdl: config.server.sdl,
  });
  const persisted = createPersistedOperations(config.persisted, operations);
  const shared = createSharedAnswers<Prepared, EncodedAnswer>(config.limits.deadlineMs * maxWait);
  const preparation = createPreparation(config, schema, masking, fastPath);
  const runner = createRunner({
    config,
    schema,
    estate: createEstate(backends),
    masking,
    causes,
    log,
    preparation,
    invalidate: shared.outdate,
    admit: createTurns(costPerTurn).take,
  });
  const keys = createKeyMaker();
  const credentialHeaders = config.backends.map(({ name }) => credentialHeader(name));
  // What runs can depend on more than a body and its caller there: on the page that sends it, on a header of a router.
  const isShareable = fastPath && !config.server.subgraph && !config.persisted.only;

  function begin(request: IncomingMessage, response: ServerResponse, requestId: string): Operation {
    const operation = telemetry.begin({ requestId, parent: traceParentOf(headersOf(request)) });
    response.once("close", () => operation.end("left"));
    return operation;
  }

  const refuseAll: GraphQLEndpoint["refuse"] = (request, response, refusal, requestId) => {
    begin(request, response, requestId).end("refused");
    varyByRequest(response);
    const types = negotiate(request.headers.accept);
    sendRefusal(request, response, refusal, types === null ? "application/json" : jsonTypeOf(types));
  };

  function prepare(
    question: Parameters | Refusal,
    { request, caller }: Arrival,
    operation: Operation,
  ): Prepared | Refusal {
    if (isRefusal(question)) return question;
    const sender = { name: caller.name, isOwnPage: request.headers["sec-fetch-site"] === "same-origin" };
    const query = persisted.textOf(question, sender);
    if (query instanceof Refusal) return query;
    const { operationName, variables } = question;
    try {
      return preparation.prepare({ query, operationName, variables, isSafe: request.method === "GET" });
    } catch (error) {
      operation.end("bug");
      throw error;
    }
  }

  /** Runs a question and tells telemetry how it ended; `lead` hands the answer to those who wait for it as well. */
  async function answer(
    prepared: Prepared | Refusal,
    arrival: Arrival,
    operation: Operation,
    takesParts: boolean,
    lead: SharedLead | null,
  ): Promise<Answered> {
    try {
      const ran = prepared instanceof Refusal ? prepared : await run(prepared, arrival, operation, takesParts, lead);
      if (ran === "left") return ran;
      if (ran instanceof Refusal) {
        operation.end("refused");
        return ran;
      }
      if ("parts" in ran) return ran;
      const outcome = outcomeOf(ran.result);
      operation.end(outcome);
      const isLong = arrival.meter.taken() > charactersATurn;
      const encoded = encode(isLong ? await printInTurns(ran.result) : JSON.stringify(ran.result));
      if (ran.isWhole && outcome === "ok") lead?.land(encoded);
      return { status: 200, answer: encoded, isFaultless: (ran.result.errors ?? []).length === 0 };
    } catch (error) {
      if (arrival.response.destroyed) return "left";
      const result: ExecutionResult = { errors: [masking.ofRun(error)] };
      logBugs(log, causes, result, arrival.requestId);
      operation.end(outcomeOf(result));
      const text = JSON.stringify(withRequestId(result, arrival.requestId));
      return { status: 500, answer: encode(text), isFaultless: false };
    } finally {
      lead?.land(null);
    }
  }

  function run(
    prepared: Prepared,
    arrival: Arrival,
    operation: Operation,
    takesParts: boolean,
    lead: SharedLead | null,
  ): ReturnType<typeof runner.run> {
    const asker: Asker = { ...arrival, takesParts };
    const leading: Leading | null = lead && {
      // The call that failed still takes followers: those who wait for this answer must not end up in it.
      flawed: () => void setImmediate(lead.land, null),
      leave: lead.leave,
    };
    return runner.run(prepared, asker, operation, leading);
  }

  /** Waits for the answer of an equal question; false when there is none to wait for. */
  async function follow(key: string, arrival: Arrival): Promise<boolean> {
    const place = shared.board(key);
    if (place === null) return false;
    const { request, response, requestId } = arrival;
    const operation = begin(request, response, requestId);
    response.once("close", place.leave);
    operation.wait(place.question.operation.name?.value ?? null);
    const landed = await place.landed;
    if (response.destroyed) return true;
    if (landed) {
      operation.share();
      operation.end("ok");
      await send({ status: 200, answer: landed, isFaultless: true }, arrival);
    } else await send(await answer(place.question, arrival, operation, takesParts(arrival), null), arrival);
    return true;
  }

  async function handleOne(question: Parameters | Refusal, arrival: Arrival, key: string | null): Promise<void> {
    const { request, response, requestId } = arrival;
    const operation = begin(request, response, requestId);
    const prepared = prepare(question, arrival, operation);
    const isShared = !(prepared instanceof Refusal) && prepared.plan !== null;
    const lead = key !== null && isShared ? shared.lead(key, prepared) : null;
    await send(await answer(prepared, arrival, operation, takesParts(arrival), lead), arrival);
  }

  /**
   * Answers a batch. When its answers are too large together, none is sent: which of them would have fitted depends on
   * the moment at which each of them was made.
   */
  async function handleBatch(questions: Asked["questions"], type: JsonType, arrival: Arrival): Promise<void> {
    const { request, response, requestId, meter } = arrival;
    response.setMaxListeners(mostListeners * mostQuestions);
    const answered = await Promise.all(
      questions.map(async (question) => {
        const operation = begin(request, response, requestId);
        let outcome: OperationOutcome | null = null;
        const held: Operation = {
          ...operation,
          end: (how) => {
            outcome ??= how;
          },
        };
        const one = await answer(prepare(question, arrival, held), arrival, held, false, null);
        const end = (isOver: boolean) => {
          if (outcome !== null) operation.end(isOver ? "failed" : outcome);
        };
        return { one, end };
      }),
    );
    if (response.destroyed) return;
    const refusal = meter.refusal();
    const overText = refusal === null ? null : JSON.stringify({ errors: [masking.ofRun(refusal)], data: null });
    const answers = answered.map(({ one, end }): Answered => {
      const isOver = overText !== null && one !== "left" && "answer" in one && one.status === 200;
      end(isOver);
      return isOver ? { ...one, answer: encode(overText) } : one;
    });
    const told = answers.flatMap((one) => (one === "left" || "parts" in one ? [] : [one]));
    const texts = told.map((one) => (one instanceof Refusal ? refusalText(one) : one.answer.text));
    const [first] = told;
    // As long as one question has an answer the batch has one; else it is refused as its first question is.
    const isAnswered = told.some(({ status }) => status === 200);
    const status = isAnswered ? 200 : (first?.status ?? 200);
    await deliver(request, response, encode(`[${texts.join(",")}]`), { status, type, isKept: false });
  }

  async function send(answered: Answered, { request, response, requestId, types }: Arrival): Promise<void> {
    if (answered === "left" || response.destroyed) return;
    const { whole, deferred, namesDeferSpec } = types;
    if (answered instanceof Refusal) {
      varyByRequest(response);
      return sendRefusal(request, response, answered, jsonTypeOf(types));
    }
    if ("parts" in answered) {
      varyByRequest(response);
      return sendParts(
        response,
        partsTypeOf(deferred) ?? "multipart/mixed",
        namesDeferSpec,
        textsOf(answered.parts, requestId),
      );
    }
    const { answer: encoded, status, isFaultless } = answered;
    const parts = partsTypeOf(whole);
    if (parts !== null) {
      varyByRequest(response);
      return sendParts(response, parts, namesDeferSpec, [encoded.text]);
    }
    const isKept = request.method === "GET" && isFaultless;
    await deliver(request, response, encoded, { status, type: jsonTypeOf(types), isKept });
  }

  return {
    refuse: refuseAll,
    handle: async (request, response, body, { caller, address, requestId }) => {
      // A run, the streams of its answer and those who share it all wait for the end of the response.
      response.setMaxListeners(mostListeners);
      const types = negotiate(request.headers.accept);
      if (types === null) return refuseAll(request, response, notAcceptable(), requestId);
      const credentials = credentialsIn(request, credentialHeaders);
      const spent: Spent = { cost: 0, answerBytes: 0 };
      const meter = createAnswerMeter(config.limits.answerBytes);
      const arrival: Arrival = { request, response, caller, address, requestId, types, credentials, spent, meter };
      const isPlain = request.method === "POST" && request.headers["x-explain"] === undefined;
      const key = isShareable && isPlain ? keys.of({ caller, type: types.whole, credentials }, body) : null;
      if (key !== null && (await follow(key, arrival))) return;
      const asked = request.method === "GET" ? askedByAddress(targetOf(request).query) : askedByBody(body);
      if (asked instanceof Refusal) return refuseAll(request, response, asked, requestId);
      const [question] = asked.questions;
      if (!asked.isBatch && question) return handleOne(question, arrival, key);
      if (types.json === null) return refuseAll(request, response, notAcceptable(), requestId);
      return handleBatch(asked.questions, types.json, arrival);
    },
  };
}

function notAcceptable(): Refusal {
  const types = "application/graphql-response+json or application/json";
  return refuse(`Nothing that is accepted can be answered: accept ${types}.`, { status: 406 });
}

function jsonTypeOf({ whole }: AnswerTypes): JsonType {
  return whole === "application/graphql-response+json" ? whole : "application/json";
}

function partsTypeOf(type: JsonType | PartsType): PartsType | null {
  return type === "multipart/mixed" || type === "text/event-stream" ? type : null;
}

function takesParts({ types }: Arrival): boolean {
  return partsTypeOf(types.deferred) !== null;
}

async function* textsOf(parts: AsyncIterable<Part>, requestId: string): AsyncGenerator<string> {
  for await (const part of parts) yield JSON.stringify(inEach(part, (one) => withRequestId(one, requestId)));
}

/** The caller's own credentials for the backends, as they were sent; null for none. */
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
