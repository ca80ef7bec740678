import { type DocumentNode, type ExecutionResult, type GraphQLError, visit } from "graphql";
import type { Plugin } from "graphql-yoga";

/** What streaming an answer needs to know of the endpoint. */
export interface DeferOptions {
  /** What may leave of an error. */
  readonly mask: (error: unknown) => GraphQLError;
  /** The last part is out, or whoever asked has left; told with the first part's data and the errors of all. */
  readonly done: (context: object, result: ExecutionResult) => void;
}

/** Where errors are put that fail nothing: rows left out, parts of a merged answer that could not be had. */
interface Reporting {
  readonly problems: GraphQLError[];
}

/** One part of an answer in parts: the first has `data`, those that follow have `incremental`. */
interface Part extends ExecutionResult {
  readonly incremental?: readonly ExecutionResult[];
}

/**
 * `@defer`: a part that comes later passes the same mask as the first one, and takes along what was reported meanwhile.
 * A client that cannot take parts, or that asked several questions at once, gets the answer whole.
 */
export function deferring({ mask, done }: DeferOptions): Plugin<Reporting> {
  const batches = new WeakSet<Request>();

  async function* inParts(parts: AsyncIterable<Part>, context: Reporting): AsyncGenerator<Part> {
    const sent: ExecutionResult[] = [];
    try {
      for await (const part of parts) {
        const { incremental } = part;
        const late = incremental?.map((one) => (one.errors ? { ...one, errors: one.errors.map(mask) } : one));
        const whole = withProblems(late ? { ...part, incremental: late } : part, context.problems.splice(0));
        for (const one of whole.incremental ?? [whole]) sent.push(one);
        yield whole;
      }
    } finally {
      done(context, { data: sent[0]?.data ?? null, errors: sent.flatMap(({ errors }) => errors ?? []) });
    }
  }

  return {
    onRequestParse: ({ request }) => ({
      onRequestParseDone: ({ requestParserResult }) => {
        if (Array.isArray(requestParserResult)) batches.add(request);
      },
    }),
    onExecute: ({ args, executeFn, setExecuteFn }) => {
      const { document, contextValue } = args;
      const { request } = contextValue;
      if (!isDeferred(document)) return;
      if (batches.has(request) || !takesParts(request.headers.get("accept"))) {
        setExecuteFn((given) => executeFn({ ...given, document: inFull(document) }));
        return;
      }
      return {
        onExecuteDone: ({ result, setResult }) => {
          if (Symbol.asyncIterator in result) setResult(inParts(result, contextValue));
        },
      };
    },
  };
}

/** Problems of the first part are the answer's own; later ones belong to the part that lies around their place. */
function withProblems(part: Part, problems: readonly GraphQLError[]): Part {
  if (problems.length === 0) return part;
  const [first, ...rest] = part.incremental ?? [];
  if (!first) return { ...part, errors: [...(part.errors ?? []), ...problems] };
  return { ...part, incremental: [{ ...first, errors: [...(first.errors ?? []), ...problems] }, ...rest] };
}

function takesParts(accept: string | null): boolean {
  return accept === null || /multipart\/mixed|text\/event-stream|\*\/\*/i.test(accept);
}

const known = new WeakMap<DocumentNode, boolean>();

function isDeferred(document: DocumentNode): boolean {
  const found = known.get(document);
  if (found !== undefined) return found;
  let deferred = false;
  visit(document, {
    Directive: ({ name }) => {
      deferred ||= name.value === "defer";
    },
  });
  known.set(document, deferred);
  return deferred;
}

function inFull(document: DocumentNode): DocumentNode {
  return visit(document, {
    Directive: ({ name }) => (name.value === "defer" ? null : undefined),
  });
}
