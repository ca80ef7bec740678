import type { IncomingMessage, ServerResponse } from "node:http";
import { isIPv6 } from "node:net";
import { type ExecutionResult, GraphQLError, type GraphQLSchema } from "graphql";
import type { Config } from "../../config/index.ts";
import { type AuditEvent, type CallerFacts, type Context, createContext, type Estate } from "../../graph/context.ts";
import type { AnswerMeter } from "../../graph/cost/answer-meter.ts";
import { type ExplainReport, estimate, explainMode, Ledger } from "../../graph/cost/explain.ts";
import type { Spent } from "../../graph/cost/limits.ts";
import type { Asked } from "../../graph/cost/walk.ts";
import { boundErrors } from "../../graph/errors.ts";
import { createSeal } from "../../graph/identity/opaque.ts";
import { StaleResponses } from "../../upstream/cache.ts";
import { CancelSource, type CancelToken } from "../../upstream/cancel.ts";
import type { Call } from "../../upstream/operation.ts";
import type { Credentials, FastPath } from "../fast-path/index.ts";
import { credentialHeader, type RequestHeaders } from "../http/request.ts";
import { Refusal } from "../http/response.ts";
import type { Log } from "../observability/log.ts";
import type { Observer, OperationHandle, OperationOutcome } from "../observability/telemetry.ts";
import type { Preparation, Prepared } from "./prepare.ts";
import { executeReference, finishParts, isInParts, type Part, withoutDefer } from "./reference-executor.ts";
import { traceHeader, useInlineTrace } from "./use-inline-trace.ts";
import { errorsOfNullData, inDocumentOrder, isBug, type MaskedErrors } from "./use-masked-errors.ts";

interface ExecuteOptions {
  readonly config: Pick<Config, "auth" | "cursorKey" | "limits" | "server">;
  readonly schema: GraphQLSchema;
  readonly estate: Estate;
  readonly errors: MaskedErrors;
  readonly log: Log;
  readonly preparation: Pick<Preparation, "measure" | "refuseUnmeasurable">;
  readonly fastPath: Pick<FastPath<unknown, unknown>, "admit" | "execute"> | null;
  /** Called before and after a change: an answer that was read before it must not be shared any more. */
  readonly invalidateAnswers: () => void;
}

/** The request that an operation belongs to, and what all operations of a request share. */
export interface RequestScope {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: CallerFacts;
  readonly address: string | null;
  readonly requestId: string;
  /** The caller's own credentials for backends: the only headers that an operation sees. */
  readonly credentials: Credentials | null;
  /** The estimates of the operations so far: a batch has one cost and one answer size. */
  readonly spent: Spent;
  readonly meter: AnswerMeter;
  readonly acceptsParts: boolean;
}

/** A run with followers. */
interface SharedRun {
  /** Cancelled with the last waiter. */
  readonly cancelToken: CancelToken;
  /** Empty when no one waits any more. */
  readonly handles: readonly unknown[];
  /** Lets the followers run the operation themselves. */
  release(): void;
}

/** The end of an execution; `left` when the caller had gone before the operation could start. */
type Executed =
  | {
      readonly result: ExecutionResult;
      /** Whether another caller of equal rights would get the same. */
      readonly isComplete: boolean;
    }
  | { readonly parts: AsyncIterable<Part> }
  | Refusal
  | "left";

/** Executes operations of one schema by their plans, else by the reference executor. */
export function createExecute(options: ExecuteOptions) {
  const { config, schema, errors, preparation, fastPath } = options;
  const inlineTrace = config.server.subgraph ? useInlineTrace(schema) : null;
  const createScopedContext = contextFactory(options);

  return async (
    prepared: Prepared,
    scope: RequestScope,
    operation: OperationHandle,
    shared: SharedRun | null,
  ): Promise<Executed> => {
    const { request, response, requestId } = scope;
    const { document, operation: node, sentVariables: variables } = prepared;
    const explainHeader = request.headers["x-explain"];
    const cost = preparation.measure(prepared, scope.spent);
    if (cost instanceof Refusal) {
      // An explanation shows the cost of an operation that is too expensive, but not of one that cannot be measured.
      const refusal = explainHeader === undefined ? cost : preparation.refuseUnmeasurable(prepared);
      if (refusal) return refusal;
    } else {
      const admission = fastPath?.admit(cost) ?? null;
      if (admission) await admission;
    }
    if (response.destroyed) return "left";

    const problems: GraphQLError[] = [];
    const context = createScopedContext(prepared, scope, operation, shared, problems);
    const explanation =
      explainHeader === undefined
        ? null
        : explain(String(explainHeader), { schema, document, operation: node, variables }, context, config.limits);
    if (explanation instanceof Refusal) return explanation;
    if (explanation?.isPlan) {
      if (cost instanceof Refusal) operation.end("refused");
      const refused = cost instanceof Refusal ? { errors: cost.errors } : {};
      return { result: { ...refused, data: null, extensions: { explain: explanation.result() } }, isComplete: false };
    }
    if (cost instanceof Refusal) return cost;

    operation.rename(node.name?.value ?? null);
    operation.run(context.call);
    if (explanation) operation.observe(explanation.observer);
    const isDegraded = shared && releaseWhenDegraded(operation, shared);
    if (inlineTrace && request.headers[traceHeader.name] === traceHeader.value) inlineTrace.start(context);

    const executed = await executeOperation(options, prepared, scope, context);
    if (isInParts(executed)) {
      const finish = <R extends ExecutionResult>(part: R) => errors.reportBugs(part, requestId);
      const done = (result: ExecutionResult) => operation.end(outcomeOf(result));
      return { parts: finishParts(executed, { mask: errors.maskExecution, problems, finish, done }) };
    }
    const masked = maskResult(options, prepared, executed, problems);
    const extended = explanation
      ? { ...masked, extensions: { ...masked.extensions, explain: explanation.result() } }
      : masked;
    const result = errors.reportBugs(inlineTrace?.finish(context, extended) ?? extended, requestId);
    // An operation without budget may have got less than another would.
    return { result, isComplete: isDegraded?.() !== true && context.call.budget.take() };
  };
}

async function executeOperation(
  { schema, fastPath, invalidateAnswers }: ExecuteOptions,
  { plan, document, operation, sentVariables, variables }: Prepared,
  { response, meter, acceptsParts }: RequestScope,
  context: Context,
): Promise<ExecutionResult | AsyncIterable<Part>> {
  if (plan && fastPath) return fastPath.execute(plan, variables, context, meter);
  const closed = new AbortController();
  response.once("close", () => closed.abort());
  const isMutation = operation.operation === "mutation";
  if (isMutation) invalidateAnswers();
  try {
    return await executeReference({
      schema,
      document: acceptsParts ? document : withoutDefer(document),
      operationName: operation.name?.value ?? null,
      variables: sentVariables,
      context,
      signal: closed.signal,
    });
  } finally {
    if (isMutation) invalidateAnswers();
  }
}

function maskResult(
  { schema, errors }: ExecuteOptions,
  { document, operation }: Prepared,
  executed: ExecutionResult,
  problems: readonly GraphQLError[],
): ExecutionResult {
  const failed = executed.errors ?? [];
  if (failed.length === 0 && problems.length === 0) return executed;
  const own = executed.data === null ? errorsOfNullData(schema, document, operation, failed) : failed;
  const masked = inDocumentOrder(own.map(errors.maskExecution));
  return { ...executed, errors: boundErrors([...masked, ...problems]) };
}

/** Creates the context of an operation, with its call: its deadline, its budget, and what cancels it. */
function contextFactory({ config, estate, log }: ExecuteOptions) {
  const seal = createSeal(config.cursorKey);
  const audit = (event: AuditEvent) => log.info({ audit: event }, "audit");
  return (
    prepared: Prepared,
    { response, caller, address, requestId, credentials, meter }: RequestScope,
    operation: OperationHandle,
    shared: SharedRun | null,
    problems: GraphQLError[],
  ): Context => {
    const headers: RequestHeaders = { get: (name) => credentials?.find(([known]) => known === name)?.[1] ?? null };
    const onClose = (listener: () => void) => {
      // A shared run goes on for its followers: it is cancelled with the last of them.
      response.once("close", () => {
        if (shared === null || shared.handles.length === 0) listener();
      });
      shared?.cancelToken.onCancel(listener);
      // The rest of an answer that is too large is not needed.
      meter.onRefusal(listener);
    };
    const key = callerKey(config.auth.mode, caller, address);
    const { startedAt } = operation.facts;
    const call = createCall({ headers, requestId, callerKey: key, startedAt, onClose }, config.limits);
    return createContext(estate, call, caller, problems, audit, prepared.plan ? null : meter, seal);
  };
}

/** Releases a run's followers when a call fails or is answered by a stale entry; returns whether one did. */
function releaseWhenDegraded(operation: OperationHandle, shared: SharedRun): () => boolean {
  let found = false;
  operation.observe({
    exchanged: (_operation, { via, error, outcome }) => {
      // NOT_FOUND is an answer.
      if (found || (via !== "STALE" && (error === null || outcome === "NOT_FOUND"))) return;
      found = true;
      // The failed call still accepts followers at this moment: the released ones must not join it.
      setImmediate(() => shared.release());
    },
  });
  return () => found;
}

/**
 * Evaluates the header `X-Explain` of an operation; a refusal where the caller may not use it. The estimate is made
 * before the operation runs: what the run teaches about a backend must not improve it.
 */
function explain(
  header: string,
  asked: Asked,
  context: Context,
  { upstreamCalls }: Pick<Config["limits"], "upstreamCalls">,
) {
  try {
    const isPlan = explainMode(header, context.caller) === "plan";
    const estimated: ExplainReport = { estimated: estimate(asked, context), budget: upstreamCalls };
    const ledger = new Ledger();
    const observer: Observer = {
      exchanged: (_operation, exchange) => ledger.exchanged(exchange),
      loaded: (_operation, load) => ledger.loaded(load),
    };
    const result = (): ExplainReport => (isPlan ? estimated : { ...estimated, actual: ledger.rows() });
    return { isPlan, observer, result };
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return new Refusal(error.extensions["code"] === "FORBIDDEN" ? 403 : 400, [error]);
  }
}

/** The outcome of an operation with this result. */
export function outcomeOf({ data, errors }: ExecutionResult): OperationOutcome {
  if (!errors || errors.length === 0) return "ok";
  if (errors.some(isBug)) return "bug";
  if (data === undefined) return "refused";
  return data !== null && Object.values(data).some((value) => value !== null) ? "partial" : "failed";
}

/**
 * The call of one operation: starts its clock and its budget. `callerKey` decides about the fair share of a backend's
 * queue, the deadline counts from `startedAt`, and `onClose` calls back when the answer is sent or no one waits for it.
 */
export function createCall(
  options: {
    readonly headers: RequestHeaders;
    readonly requestId: string;
    readonly callerKey: string;
    readonly startedAt: number;
    readonly onClose: (listener: () => void) => void;
  },
  limits: { readonly upstreamCalls: number; readonly deadlineMs: number },
): Call {
  const { headers, requestId, callerKey: key, startedAt, onClose } = options;
  const deadline = startedAt + limits.deadlineMs;
  let left = limits.upstreamCalls;
  const cancelToken = new CancelSource();
  const timer = setTimeout(() => cancelToken.cancel(), Math.ceil(deadline - performance.now())).unref();
  onClose(() => {
    clearTimeout(timer);
    cancelToken.cancel();
  });
  return {
    cancelToken,
    remainingMs: () => deadline - performance.now(),
    requestId,
    staleResponses: new StaleResponses(),
    budget: { take: () => left-- > 0 },
    caller: { key, credentialFor: (backend) => credentialOf(headers.get(credentialHeader(backend))) },
  };
}

/**
 * One key for all calls of one caller: the name of its key or its token's subject, which is authenticated; without
 * authentication the address of the connection. It does not depend on credentials for backends, which a caller may
 * change. Of an IPv6 address the first 64 bits count, because the rest is up to the host.
 */
function callerKey(mode: Config["auth"]["mode"], caller: CallerFacts, address: string | null): string {
  if (mode !== "none") return `caller ${caller.name}`;
  return `address ${address !== null && isIPv6(address) ? networkOf(address) : (address ?? "unknown")}`;
}

/** The first four groups of an IPv6 address; the IPv4 address inside a mapped one. */
function networkOf(address: string): string {
  if (/^::ffff:[\d.]+$/i.test(address)) return address.slice("::ffff:".length);
  const [before = "", after] = address.split("::");
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const zeros = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  return [...head, ...Array.from({ length: zeros }, () => "0"), ...tail].slice(0, 4).join(":");
}

/** A credential that no header may contain is ignored. */
function credentialOf(value: string | null): string | null {
  return value !== null && /^[\x21-\x7e]{1,8192}$/.test(value) ? value : null;
}
