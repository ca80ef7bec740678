import type { IncomingMessage, ServerResponse } from "node:http";
import type { ExecutionResult, GraphQLError, GraphQLSchema } from "graphql";
import type { Config } from "../../config/index.ts";
import { type AuditEvent, type CallerFacts, type Context, createContext, type Estate } from "../../graph/context.ts";
import type { AnswerMeter } from "../../graph/cost/answer-meter.ts";
import type { Spent } from "../../graph/cost/limits.ts";
import { boundErrors } from "../../graph/errors.ts";
import { createSeal } from "../../graph/identity/opaque.ts";
import type { Exchange } from "../../upstream/exchange.ts";
import { errorsOfEmptied } from "../fast-path/emptied.ts";
import { runPlan } from "../fast-path/run.ts";
import type { Credentials } from "../fast-path/shared-answers.ts";
import { Refusal } from "../http/refusal.ts";
import type { Log } from "../observability/log.ts";
import type { RequestHeaders } from "../observability/request-id.ts";
import type { Operation } from "../observability/telemetry.ts";
import { callerKey, createCall } from "./call.ts";
import { inFull, isDeferred, maskParts } from "./defer.ts";
import { createInlineTrace, traceHeader } from "./inline-trace.ts";
import type { Causes, Masking } from "./masking.ts";
import { inDocumentOrder, logBugs, outcomeOf, withRequestId } from "./outcome.ts";
import type { Preparation, Prepared } from "./prepare.ts";
import { isInParts, type Part, runReference } from "./reference.ts";
import { explain } from "./use-explain.ts";

/** What is run with, for as long as the gateway lives. */
export interface RunnerOptions {
  readonly config: Pick<Config, "auth" | "cursorKey" | "limits" | "server">;
  readonly schema: GraphQLSchema;
  readonly estate: Estate;
  readonly masking: Masking;
  readonly causes: Causes;
  readonly log: Log;
  readonly preparation: Pick<Preparation, "measure" | "refuseUnread">;
  /** Something is about to change, or has changed. */
  readonly invalidate: () => void;
  /** Waits until an operation of this estimated cost may begin; null when it may at once. */
  readonly admit: (cost: number) => Promise<void> | null;
}

/** Who waits for an answer, and under which name. */
export interface Asker {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: CallerFacts;
  /** IP address of the caller, as far as the proxies that are trusted tell it; null where the connection has gone. */
  readonly address: string | null;
  readonly requestId: string;
  /** The caller's own credentials for backends: the only headers that a run sees. */
  readonly credentials: Credentials | null;
  /** Whether the answer may come in parts. */
  readonly takesParts: boolean;
  /** What the operations of this request have been allowed so far: a batch has one cost and one answer between them. */
  readonly spent: Spent;
  /** Counts the answers of this request while they are made. */
  readonly meter: AnswerMeter;
}

/** What others want of a run that they wait for as well. */
export interface Leading {
  /** Called when a backend brought less than it can bring: asked a moment later, it might have answered. */
  readonly flawed: () => void;
  /** The asker has gone: `end` ends the run, when nobody else waits for it. */
  readonly leave: (end: () => void) => void;
}

/** How a run ended. */
export type Ran =
  | {
      readonly result: ExecutionResult;
      /** Whether another asker of equal rights would be told the same. */
      readonly isWhole: boolean;
    }
  | { readonly parts: AsyncIterable<Part> }
  | Refusal
  /** Nobody waited for it any more when it could have begun. */
  | "left";

/** Runs prepared operations. A prepared plan and the reference execution differ in nothing but how they get the data. */
export interface Runner {
  readonly run: (prepared: Prepared, asker: Asker, operation: Operation, leading: Leading | null) => Promise<Ran>;
}

/** A runner for one schema. */
export function createRunner(options: RunnerOptions): Runner {
  const { config, schema, estate, masking, causes, log, preparation, invalidate, admit } = options;
  const trace = config.server.subgraph ? createInlineTrace(schema) : null;
  const seal = createSeal(config.cursorKey);
  const audit = (event: AuditEvent) => log.info({ audit: event }, "audit");

  async function execute(
    prepared: Prepared,
    asker: Asker,
    context: Context,
  ): Promise<Awaited<ReturnType<typeof runReference>>> {
    const { plan, document, operation, given, variables } = prepared;
    if (plan) return runPlan(plan, variables, context, undefined, asker.meter);
    const left = new AbortController();
    asker.response.once("close", () => left.abort());
    return runReference({
      schema,
      document: isDeferred(document) && !asker.takesParts ? inFull(document) : document,
      operationName: operation.name?.value ?? null,
      variables: given,
      context,
      signal: left.signal,
    });
  }

  return {
    run: async (prepared, asker, operation, leading) => {
      const { request, response, caller, address, requestId, credentials, spent, meter } = asker;
      const header = request.headers["x-explain"];
      const cost = preparation.measure(prepared, spent);
      if (cost instanceof Refusal) {
        if (header === undefined) return cost;
        // A plan tells the cost of what is too dear; what is too much to look at is not looked at here either.
        const refusal = preparation.refuseUnread(prepared);
        if (refusal) return refusal;
      }
      if (!(cost instanceof Refusal)) await admit(cost);
      if (response.destroyed) return "left";

      const headers: RequestHeaders = { get: (name) => credentials?.find(([known]) => known === name)?.[1] ?? null };
      const { startedAt } = operation.watched;
      const onClose = (listener: () => void) => {
        response.once("close", () => (leading ? leading.leave(listener) : listener()));
        // Nobody needs the rest of an answer that is given up.
        meter.onRefusal(listener);
      };
      const problems: GraphQLError[] = [];
      const key = callerKey(config.auth.mode, caller, address);
      const call = createCall({ headers, requestId, callerKey: key, startedAt, onClose }, config.limits);
      const context = createContext(estate, call, caller, problems, audit, prepared.plan ? null : meter, seal);

      const { document, operation: node, given } = prepared;
      const asked = { schema, document, operation: node, variables: given };
      const explaining = header === undefined ? null : explain(String(header), asked, context, config.limits);
      if (explaining instanceof Refusal) return explaining;
      if (explaining?.isPlan) {
        if (cost instanceof Refusal) operation.end("refused");
        const errors = cost instanceof Refusal ? { errors: cost.errors } : {};
        return { result: { ...errors, data: null, extensions: { explain: explaining.explained() } }, isWhole: false };
      }
      if (cost instanceof Refusal) return cost;

      let isWhole = true;
      operation.run(node.name?.value ?? null, call);
      if (explaining) {
        operation.join({
          exchanged: (_operation, exchange) => explaining.ledger.exchanged(exchange),
          loaded: (_operation, load) => explaining.ledger.loaded(load),
        });
      }
      if (leading) {
        operation.join({
          exchanged: (_operation, exchange) => {
            if (!isFlawed(exchange)) return;
            isWhole = false;
            leading.flawed();
          },
        });
      }
      if (trace && request.headers[traceHeader.name] === traceHeader.value) trace.start(context);

      const isChange = node.operation === "mutation";
      if (isChange) invalidate();
      const ran = await execute(prepared, asker, context).finally(() => {
        if (isChange) invalidate();
      });
      if (isInParts(ran)) {
        const done = (result: ExecutionResult) => {
          logBugs(log, causes, result, requestId);
          operation.end(outcomeOf(result));
        };
        return { parts: maskParts(ran, { mask: masking.ofRun, problems, done }) };
      }
      const failed = ran.errors ?? [];
      const ownErrors = ran.data === null ? errorsOfEmptied(schema, document, node, failed) : failed;
      const errors = boundErrors([...inDocumentOrder(ownErrors.map(masking.ofRun)), ...problems]);
      const told = errors.length === 0 ? ran : { ...ran, errors };
      const explained = explaining
        ? { ...told, extensions: { ...told.extensions, explain: explaining.explained() } }
        : told;
      const result = trace?.finish(context, explained) ?? explained;
      logBugs(log, causes, result, requestId);
      // Who has nothing left to ask with may have been told less than others would be.
      return { result: withRequestId(result, requestId), isWhole: isWhole && call.budget.take() };
    },
  };
}

/** Whether a call brought less than it can bring: a failure, or what a cache had to say instead. */
function isFlawed({ outcome, error, via }: Exchange): boolean {
  // "There is no such thing" is an answer.
  return via === "STALE" || (error !== null && outcome !== "NOT_FOUND");
}
