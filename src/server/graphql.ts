import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { GraphQLError, getOperationAST, type Source } from "graphql";
import { createYoga, type Plugin, useExecutionCancellation } from "graphql-yoga";
import type { Backend } from "../backends/backend.ts";
import type { Operations } from "../config/manifest.ts";
import type { Config } from "../config.ts";
import type { AnswerMeter } from "../graph/answer-meter.ts";
import type { AuditEvent } from "../graph/audit.ts";
import type { CallerFacts } from "../graph/caller.ts";
import { type Context, createContext, createEstate } from "../graph/context.ts";
import { boundErrors, toPublicError } from "../graph/errors.ts";
import { createSchema } from "../graph/schema.ts";
import { createSeal } from "../graph/seal.ts";
import { createCall } from "./call.ts";
import { deferring } from "./defer.ts";
import { delivering } from "./delivery.ts";
import { createDirectLane, type Serving } from "./direct-lane.ts";
import { createDocuments, type Documents, isRefusedDocument } from "./documents.ts";
import { explaining } from "./explaining.ts";
import { inlineTrace } from "./inline-trace.ts";
import { limiting, refused } from "./limiting.ts";
import type { Log } from "./log.ts";
import { createMeters } from "./metering.ts";
import { idNames, persisting } from "./persisted.ts";
import type { Telemetry } from "./telemetry.ts";
import { type Arriving, type Causes, createWatch } from "./watching.ts";

/** The GraphQL endpoint, for the HTTP shell around it. */
export interface GraphQLEndpoint {
  readonly handle: (
    request: IncomingMessage,
    response: ServerResponse,
    /** The request's body, which has been read to its end. */
    body: Buffer,
    asking: { readonly caller: CallerFacts; readonly requestId: string },
  ) => Promise<void>;
  readonly dispose: () => Promise<void>;
}

/** What the endpoint is made of. */
export interface GraphQLOptions {
  readonly config: Config;
  /** Known operations by id; empty for none. */
  readonly operations: Operations;
  readonly backends: readonly Backend[];
  readonly log: Log;
  readonly telemetry: Telemetry;
}

/** What yoga's context is extended with: ours, and the errors to add to the answer. */
interface Served extends Context {
  readonly problems: GraphQLError[];
}

const batchLimit = 10;

/** Builds the endpoint: the schema, one context an operation, the limits, and nothing in an error that must not leave. */
export function createGraphQL({ config, operations, backends, log, telemetry }: GraphQLOptions): GraphQLEndpoint {
  const estate = createEstate(backends);
  const causes: Causes = new WeakMap();
  const audit = (event: AuditEvent) => log.info({ audit: event }, "audit");
  const watch = createWatch(telemetry, log, causes);
  // Values of variables are read after validation, and what is wrong with them comes with hints as well.
  const maskError = (error: unknown): GraphQLError =>
    config.server.introspection ? mask(error, causes) : withoutHints(mask(error, causes));
  const schema = createSchema(config.server.subgraph ? "subgraph" : "standalone", {
    mutations: config.mutations,
    tellsSdl: config.server.sdl,
  });
  const seal = createSeal(config.secret);
  const meters = createMeters(config.limits.answerBytes);
  const serve = (
    { headers, onClose, caller, requestId, startedAt }: Serving,
    meter: AnswerMeter | null = null,
  ): Served => {
    const call = createCall({ headers, requestId, startedAt, onClose }, config.limits);
    const problems: GraphQLError[] = [];
    return { ...createContext(estate, call, caller, problems, audit, meter, seal), problems };
  };
  const documents = createDocuments(schema, { ...config.limits, introspection: config.server.introspection });
  const lane = createDirectLane({ config, schema, documents, telemetry, serve, maskError, finish: watch.finish });
  const yoga = createYoga<Arriving & { admitted: CallerFacts }, Served>({
    schema,
    graphqlEndpoint: "/graphql",
    graphiql: false,
    landingPage: false,
    cors: false,
    multipart: false,
    extraParamNames: [...idNames],
    batching: { limit: batchLimit },
    logging: false,
    parserAndValidationCache: false,
    context: ({ request, res, admitted, requestId }): Served => {
      const meter = meters.of(request);
      const onClose = (listener: () => void) => {
        res.once("close", listener);
        // Nobody needs the rest of an answer that is given up.
        meter.onRefusal(listener);
      };
      const { headers } = request;
      return serve({ headers, onClose, caller: admitted, requestId, startedAt: performance.now() }, meter);
    },
    maskedErrors: { maskError },
    plugins: [
      watch.plugin,
      explaining(config, watch),
      persisting(config.persisted, operations),
      limiting(config, maskError),
      validating(config, documents),
      reporting(),
      writing(lane.outdate),
      deferring({ mask: maskError, done: watch.done }),
      useExecutionCancellation(),
      meters.plugin,
      delivering(),
      config.server.subgraph ? inlineTrace() : {},
    ],
  });
  return {
    handle: async (request, response, body, { caller, requestId }) => {
      if (await lane.answer({ request, response, body, caller, requestId })) return;
      // Each operation of a batch waits for the end of the response, some of them twice.
      response.setMaxListeners(4 * batchLimit);
      // The engine takes `body` for the request's own stream.
      Object.assign(request, { body: Readable.from([body]) });
      await yoga(request, response, { admitted: caller, requestId });
    },
    dispose: async () => {
      await yoga.dispose();
    },
  };
}

/** Adds what resolvers reported without failing: rows left out, parts of a merged answer that could not be had. */
function reporting(): Plugin<Served> {
  return {
    onExecute: ({ args }) => ({
      onExecuteDone: ({ result, setResult }) => {
        const { problems } = args.contextValue;
        if (!("data" in result || "errors" in result)) return;
        const errors = boundErrors([...(result.errors ?? []), ...problems]);
        if (errors.length > 0) setResult({ ...result, errors });
      },
    }),
  };
}

/** Tells when something is about to be changed, and again when that is over, however it went. */
function writing(outdate: () => void): Plugin<Served> {
  return {
    onExecute: ({ args: { document, operationName } }) => {
      if (getOperationAST(document, operationName)?.operation !== "mutation") return;
      outdate();
      return { onExecuteDone: outdate };
    },
  };
}

/** Validation errors are about the request; a gateway without introspection gives no hints at names either. */
function validating({ server: { introspection } }: Config, documents: Documents): Plugin<Served> {
  return {
    onParse: ({ setParseFn }) => {
      setParseFn((source: string | Source) => {
        const { document, refusal } = documents.read(typeof source === "string" ? source : source.body);
        if (refusal) throw refusal;
        return document;
      });
    },
    onValidate: ({ params, setValidationFn }) => {
      const known = documents.errorsOf(params.documentAST);
      if (known) setValidationFn(() => known);
      return ({ result, setResult }) => {
        if (result.length > 0)
          setResult(result.map((error) => (introspection ? asInput(error) : asInput(withoutHints(error)))));
      };
    },
  };
}

function withoutHints(error: GraphQLError): GraphQLError {
  const message = error.message.replace(/ Did you mean .*$/s, "");
  if (message === error.message) return error;
  return new GraphQLError(message, {
    nodes: error.nodes ?? null,
    path: error.path ?? null,
    extensions: error.extensions,
  });
}

/**
 * What may leave: our own errors as they are, upstream failures in our words, everything else masked, its cause kept for
 * the log. An
 * error of the GraphQL engine itself (syntax, validation, variables) is about the request.
 */
function mask(error: unknown, causes: Causes): GraphQLError {
  const known = toPublicError(error);
  if (known) {
    const { code } = known.extensions;
    // Refused while it was read, where the engine takes every error for a slip of syntax that plain JSON is told with 200.
    if (isRefusedDocument(known)) return refused(known);
    return code === undefined || engineCodes.has(code) ? asInput(known) : known;
  }
  const cause = error instanceof GraphQLError ? error.originalError : error;
  const place = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {};
  const masked = new GraphQLError("Something went wrong inside the gateway.", {
    ...place,
    extensions: { code: "INTERNAL_SERVER_ERROR", retryable: false },
  });
  causes.set(masked, cause);
  return masked;
}

/** In characters. */
const longestMessage = 500;

const engineCodes = new Set<unknown>([
  "GRAPHQL_PARSE_FAILED",
  "GRAPHQL_VALIDATION_FAILED",
  "OPERATION_RESOLUTION_FAILURE",
  "BAD_REQUEST",
]);

function asInput(error: GraphQLError): GraphQLError {
  // The engine adds whole errors of its own here, which quote the request.
  const { code, http: told } = error.extensions;
  // What could not be read at all is refused for every client, also for one that wants 200 where GraphQL has spoken.
  const http = code === "BAD_REQUEST" && typeof told === "object" ? { ...told, spec: false } : told;
  // The engine quotes what was sent.
  const message = error.message.length > longestMessage ? `${error.message.slice(0, longestMessage)}…` : error.message;
  return new GraphQLError(message, {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    path: error.path ?? null,
    extensions: { ...(http === undefined ? {} : { http }), code: "BAD_USER_INPUT", retryable: false },
  });
}
