import type { IncomingMessage, ServerResponse } from "node:http";
import type { ExecutionResult, GraphQLError, GraphQLSchema } from "graphql";
import type { Config } from "../config.ts";
import type { CallerFacts } from "../graph/caller.ts";
import type { Context } from "../graph/context.ts";
import { runPlan } from "../graph/execution/run.ts";
import { checkLimits } from "../graph/limits.ts";
import { codingFor, compress, worthIt } from "./delivery.ts";
import { createPlanCache } from "./plan-cache.ts";
import { type RequestHeaders, traceParentOf } from "./request-id.ts";
import type { Telemetry } from "./telemetry.ts";
import { outcomeOf } from "./watching.ts";

/** What the lane shares with the engine beside it, so that both give the same answers. */
export interface LaneOptions {
  readonly config: Config;
  readonly schema: GraphQLSchema;
  readonly telemetry: Telemetry;
  /** A request's context; what is reported without failing gathers in `problems`. */
  readonly serve: (about: Serving) => Context & { readonly problems: readonly GraphQLError[] };
  readonly maskError: (error: unknown) => GraphQLError;
  /** The last word on an answer: bugs are logged and told by the request's id. */
  readonly finish: (result: ExecutionResult, requestId: string) => ExecutionResult;
}

/** What a context is made of. */
export interface Serving {
  readonly headers: RequestHeaders;
  readonly response: ServerResponse;
  readonly caller: CallerFacts;
  readonly requestId: string;
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
 */
export interface DirectLane {
  readonly answer: (arrival: Arrival) => Promise<boolean>;
}

/** Builds the lane; it takes nothing where an answer is more than data and errors. */
export function createDirectLane(options: LaneOptions): DirectLane {
  const { config, schema, telemetry, serve, maskError, finish } = options;
  const plans = createPlanCache(schema, config.limits);
  const isOpen = !config.server.subgraph && !config.persisted.only;

  return {
    answer: async ({ request, response, body, caller, requestId }) => {
      const type = isOpen ? answerTypeFor(request) : null;
      const asked = type === null ? null : readQuestion(body);
      const prepared = asked && plans.prepare(asked.query, asked.operationName, asked.variables);
      if (!prepared || type === null) return false;
      const { plan, document, operation, variables } = prepared;
      try {
        checkLimits({ schema, document, operation, variables: asked.variables }, config.limits);
      } catch {
        return false;
      }
      const headers: RequestHeaders = { get: (name) => textOf(request.headers[name]) };
      const watched = telemetry.begin({ requestId, parent: traceParentOf(headers) });
      response.once("close", () => watched.end("left"));
      const context = serve({ headers, response, caller, requestId });
      watched.run(operation.name?.value ?? null, context.call);
      const ran = await runPlan(plan, variables, context);
      const errors = [...(ran.errors ?? []).map(maskError), ...context.problems];
      const result: ExecutionResult = errors.length === 0 ? ran : { ...ran, errors };
      watched.end(outcomeOf(result));
      await send(request, response, type, JSON.stringify(finish(result, requestId)));
      return true;
    },
  };
}

async function send(request: IncomingMessage, response: ServerResponse, type: string, text: string): Promise<void> {
  const before = response.getHeader("vary");
  const vary = "accept, accept-encoding, authorization";
  const headers = {
    "content-type": `${type}; charset=utf-8`,
    vary: typeof before === "string" && before !== "" ? `${before}, ${vary}` : vary,
    "cache-control": "no-store",
  };
  const accepted = textOf(request.headers["accept-encoding"]);
  const coding = accepted === null || text.length < worthIt / 4 ? null : codingFor(accepted);
  if (coding === null) {
    response.writeHead(200, { ...headers, "content-length": Buffer.byteLength(text) }).end(text);
    return;
  }
  const plain = Buffer.from(text);
  const isSmall = plain.length < worthIt;
  const packed = isSmall ? plain : await compress[coding](plain);
  const encoding = isSmall ? {} : { "content-encoding": coding };
  response.writeHead(200, { ...headers, ...encoding, "content-length": packed.length }).end(packed);
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

function textOf(value: string | readonly string[] | undefined): string | null {
  return (typeof value === "string" ? value : value?.[0]) ?? null;
}
