import type { IncomingMessage, ServerResponse } from "node:http";
import type { Backend } from "../../backends/backend.ts";
import type { Config } from "../../config/index.ts";
import type { Operations } from "../../config/manifest.ts";
import { createEstate } from "../../graph/context.ts";
import { createAnswerMeter } from "../../graph/cost/answer-meter.ts";
import { createSchema } from "../../graph/schema/schema.ts";
import { CancelSource, type CancelToken } from "../../upstream/cancel.ts";
import { type AnswerRun, type Credentials, createFastPath } from "../fast-path/index.ts";
import { type AnswerTypes, type JsonType, negotiate, type PartsType } from "../http/negotiation.ts";
import {
  credentialHeader,
  type GraphQLParameters,
  type GraphQLRequest,
  headersOf,
  maxBatchSize,
  parseGraphQLBody,
  parseGraphQLQuery,
  targetOf,
  traceParentOf,
} from "../http/request.ts";
import {
  charactersPerTick,
  Encoded,
  Refusal,
  refusalText,
  refuse,
  sendEncoded,
  sendParts,
  sendRefusal,
  stringifyInTicks,
  varyBy,
} from "../http/response.ts";
import type { Log } from "../observability/log.ts";
import type { OperationHandle, OperationOutcome, Telemetry } from "../observability/telemetry.ts";
import { createExecute, outcomeOf, type RequestScope } from "./execute.ts";
import { createPreparation, type Prepared } from "./prepare.ts";
import type { Part } from "./reference-executor.ts";
import { useMaskedErrors } from "./use-masked-errors.ts";
import { usePersistedOperations } from "./use-persisted-operations.ts";

/** The GraphQL endpoint, for the HTTP server around it. */
export type GraphQLEndpoint = ReturnType<typeof createGraphQL>;

/** What the endpoint is made of. */
export interface GraphQLOptions {
  readonly config: Config;
  /** Persisted operations by id; empty for none. */
  readonly operations: Operations;
  readonly backends: readonly Backend[];
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** Default true. False: everything runs by the reference executor, each operation by itself. */
  readonly fastPath?: boolean;
}

/** The share of an operation's time for which it may wait for another's answer; the rest is for a run of its own. */
const maxWaitRatio = 0.25;
/** Listeners for the end of one response: an operation, the parts of its answer, and its followers. */
const maxListeners = 20;

interface Scope extends RequestScope {
  readonly types: AnswerTypes;
}

/** A request that is coalesced; the token is cancelled when its caller leaves. */
interface Ticket {
  readonly key: string;
  readonly cancelToken: CancelToken;
}

type Answer =
  | { readonly status: number; readonly encoded: Encoded<string>; readonly hasErrors: boolean }
  | { readonly parts: AsyncIterable<Part> }
  | Refusal
  | "left";

/** Creates the endpoint. Equal in-flight operations of equal callers run once. */
export function createGraphQL(options: GraphQLOptions) {
  const { config } = options;
  const operations = createOperations(options);
  const credentialHeaders = config.backends.map(({ name }) => credentialHeader(name));
  // There an answer can depend on more than the body and the caller: on the page or the router that sends it.
  const coalesced = config.server.subgraph || config.persisted.only ? null : (operations.fastPath?.answers ?? null);

  /** Null for a request that is not coalesced: only a POST without explanation is. */
  function ticketOf({ request, response, caller, credentials, types }: Scope, body: Buffer): Ticket | null {
    if (coalesced === null || request.method !== "POST" || request.headers["x-explain"] !== undefined) return null;
    const key = coalesced.keyOf({ caller, type: types.whole, credentials }, body);
    if (key === null) return null;
    const cancelToken = new CancelSource();
    response.once("close", () => cancelToken.cancel());
    return { key, cancelToken };
  }

  /** Answers with the answer of an equal in-flight operation; false when there is none. */
  async function follow({ key, cancelToken }: Ticket, scope: Scope): Promise<boolean> {
    const handle = coalesced?.follow(key, { cancelToken, prepared: null });
    const prepared = handle?.run.leader.prepared;
    if (!handle || !prepared) return false;
    const operation = operations.begin(scope);
    operation.rename(prepared.operation.name?.value ?? null);
    const answer = await handle.result.catch(() => "left" as const);
    if (answer === null) await send(await operations.answer(prepared, scope, operation, null), scope);
    else if (answer !== "left") {
      operation.end("ok", true);
      await send(answer, scope);
    }
    return true;
  }

  async function answerOne(parameters: GraphQLParameters | Refusal, scope: Scope, ticket: Ticket | null) {
    const operation = operations.begin(scope);
    const prepared = operations.prepare(parameters, scope, operation);
    const run = (shared: AnswerRun<Prepared, Answer> | null) => operations.answer(prepared, scope, operation, shared);
    if (coalesced === null || ticket === null || prepared instanceof Refusal || prepared.plan === null) {
      return send(await run(null), scope);
    }
    const { key, cancelToken } = ticket;
    // Null for followers only; it rejects when the caller has left.
    const answer = await coalesced.join(key, { cancelToken, prepared }, run).result.catch(() => null);
    await send(answer ?? "left", scope);
  }

  return {
    refuse: operations.refuse,
    /** Answers a GET, or a POST whose body has been read completely. */
    handle: async (
      request: IncomingMessage,
      response: ServerResponse,
      body: Buffer,
      asking: Pick<RequestScope, "caller" | "address" | "requestId">,
    ): Promise<void> => {
      response.setMaxListeners(maxListeners);
      const types = negotiate(request.headers.accept);
      const refused = (refusal: Refusal) => operations.refuse(request, response, refusal, asking.requestId);
      if (types === null) return refused(notAcceptable());
      const scope: Scope = {
        ...asking,
        request,
        response,
        types,
        credentials: credentialsIn(request, credentialHeaders),
        spent: { cost: 0, answerBytes: 0 },
        meter: createAnswerMeter(config.limits.answerBytes),
        acceptsParts: partsTypeOf(types.deferred) !== null,
      };
      const ticket = ticketOf(scope, body);
      if (ticket && (await follow(ticket, scope))) return;
      const parsed = request.method === "GET" ? parseGraphQLQuery(targetOf(request).query) : parseGraphQLBody(body);
      if (parsed instanceof Refusal) return refused(parsed);
      const [first] = parsed.operations;
      if (!parsed.isBatch && first) return answerOne(first, scope, ticket);
      if (types.json === null) return refused(notAcceptable());
      return answerBatch(operations, parsed.operations, types.json, { ...scope, acceptsParts: false });
    },
  };
}

type Exchanged = Pick<RequestScope, "request" | "response" | "requestId">;

/** Begins an operation of a request; it ends as `left` when the connection closes before its answer. */
function beginOperation(telemetry: Telemetry, { request, response, requestId }: Exchanged): OperationHandle {
  const operation = telemetry.begin({ requestId, parent: traceParentOf(headersOf(request)) });
  response.once("close", () => operation.end("left"));
  return operation;
}

/** The steps of one operation, from its parameters to its answer. */
function createOperations(options: GraphQLOptions) {
  const { config, backends, log, telemetry } = options;
  const errors = useMaskedErrors(config.server, log);
  const begin = (of: Exchanged) => beginOperation(telemetry, of);
  const findDocument = usePersistedOperations(config.persisted, options.operations);
  const schema = createSchema(config.server.subgraph ? "subgraph" : "standalone", {
    mutations: config.mutations,
    tellsSdl: config.server.sdl,
  });
  const fastPath =
    options.fastPath === false
      ? null
      : createFastPath<Prepared, Answer>(schema, config.limits.deadlineMs * maxWaitRatio);
  const preparation = createPreparation(config, schema, errors, fastPath);
  const estate = createEstate(backends);
  const invalidateAnswers = () => fastPath?.answers.invalidate();
  const execute = createExecute({ config, schema, estate, errors, log, preparation, fastPath, invalidateAnswers });

  function prepare(
    parameters: GraphQLParameters | Refusal,
    { request, caller }: RequestScope,
    operation: OperationHandle,
  ): Prepared | Refusal {
    if (parameters instanceof Refusal) return parameters;
    const sender = { name: caller.name, isOwnPage: request.headers["sec-fetch-site"] === "same-origin" };
    const query = findDocument(parameters, sender);
    if (query instanceof Refusal) return query;
    const { operationName, variables } = parameters;
    try {
      return preparation.prepare({ query, operationName, variables, isSafe: request.method === "GET" });
    } catch (error) {
      operation.end("bug");
      throw error;
    }
  }

  /** Executes an operation and ends it. A run that is shared releases its followers unless its answer is complete. */
  async function answer(
    prepared: Prepared | Refusal,
    scope: RequestScope,
    operation: OperationHandle,
    shared: AnswerRun<Prepared, Answer> | null,
  ): Promise<Answer> {
    let isShareable = false;
    try {
      const executed = prepared instanceof Refusal ? prepared : await execute(prepared, scope, operation, shared);
      if (executed === "left") return executed;
      if (executed instanceof Refusal) {
        operation.end("refused");
        return executed;
      }
      if ("parts" in executed) return executed;
      const { result, isComplete } = executed;
      const outcome = outcomeOf(result);
      operation.end(outcome);
      const isLong = scope.meter.taken() > charactersPerTick;
      const encoded = new Encoded(isLong ? await stringifyInTicks(result) : JSON.stringify(result));
      isShareable = isComplete && outcome === "ok";
      return { status: 200, encoded, hasErrors: (result.errors ?? []).length > 0 };
    } catch (error) {
      if (scope.response.destroyed) return "left";
      const result = errors.reportBugs({ errors: [errors.maskExecution(error)] }, scope.requestId);
      operation.end(outcomeOf(result));
      return { status: 500, encoded: new Encoded(JSON.stringify(result)), hasErrors: true };
    } finally {
      if (!isShareable) shared?.release();
    }
  }

  /** Answers with a refusal, which is logged and counted as an operation. */
  function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal, requestId: string): void {
    begin({ request, response, requestId }).end("refused");
    varyBy(response);
    const types = negotiate(request.headers.accept);
    sendRefusal(request, response, refusal, types === null ? "application/json" : jsonTypeOf(types));
  }

  return { begin, prepare, answer, refuse, fastPath, errors };
}

/** Answers a batch; when its answers together are too large, none is sent: which would fit depends on chance. */
async function answerBatch(
  { begin, prepare, answer, errors }: ReturnType<typeof createOperations>,
  parameters: GraphQLRequest["operations"],
  type: JsonType,
  scope: Scope,
): Promise<void> {
  const { request, response, meter } = scope;
  response.setMaxListeners(maxListeners * maxBatchSize);
  const answered = await Promise.all(
    parameters.map(async (one) => {
      const operation = begin(scope);
      // How the operation ends is known when all of them are answered.
      let outcome: OperationOutcome | null = null;
      const open: OperationHandle = {
        ...operation,
        end: (how) => {
          outcome ??= how;
        },
      };
      const end = (isTooLarge: boolean) => {
        if (outcome !== null) operation.end(isTooLarge ? "failed" : outcome);
      };
      return { end, one: await answer(prepare(one, scope, open), scope, open, null) };
    }),
  );
  if (response.destroyed) return;
  const refusal = meter.refusal();
  const tooLarge = refusal && new Encoded(JSON.stringify({ errors: [errors.maskExecution(refusal)], data: null }));
  const answers = answered.flatMap(({ one, end }) => {
    const isRefused = tooLarge !== null && one !== "left" && "encoded" in one && one.status === 200;
    end(isRefused);
    if (one === "left" || "parts" in one) return [];
    return one instanceof Refusal || !isRefused ? [one] : [{ ...one, encoded: tooLarge }];
  });
  const texts = answers.map((one) => (one instanceof Refusal ? refusalText(one) : one.encoded.text));
  // A batch with at least one answer succeeds; else it is refused as its first operation is.
  const status = answers.some((one) => one.status === 200) ? 200 : (answers[0]?.status ?? 200);
  await sendJsonText(request, response, new Encoded(`[${texts.join(",")}]`), { status, type, isCacheable: false });
}

async function send(answer: Answer, { request, response, types }: Scope): Promise<void> {
  if (answer === "left" || response.destroyed) return;
  const { whole, deferred, namesDeferSpec } = types;
  if (answer instanceof Refusal) {
    varyBy(response);
    return sendRefusal(request, response, answer, jsonTypeOf(types));
  }
  if ("parts" in answer) {
    varyBy(response);
    const type = partsTypeOf(deferred) ?? "multipart/mixed";
    return sendParts(response, type, namesDeferSpec, stringifyParts(answer.parts));
  }
  const { encoded, status, hasErrors } = answer;
  const partsType = partsTypeOf(whole);
  if (partsType !== null) {
    varyBy(response);
    return sendParts(response, partsType, namesDeferSpec, [encoded.text]);
  }
  const isCacheable = request.method === "GET" && !hasErrors;
  await sendJsonText(request, response, encoded, { status, type: jsonTypeOf(types), isCacheable });
}

/** Sends an answer. Those that may not be cached are `no-store`: they are live, and may be for one caller alone. */
function sendJsonText(
  request: IncomingMessage,
  response: ServerResponse,
  encoded: Encoded<string>,
  { status, type, isCacheable }: { readonly status: number; readonly type: JsonType; readonly isCacheable: boolean },
): Promise<void> {
  varyBy(response);
  const cacheControl = isCacheable ? "private, no-cache" : "no-store";
  return sendEncoded(request, response, encoded, { status, type, cacheControl, codings: ["br", "gzip"] });
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

async function* stringifyParts(parts: AsyncIterable<Part>): AsyncGenerator<string> {
  for await (const part of parts) yield JSON.stringify(part);
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
