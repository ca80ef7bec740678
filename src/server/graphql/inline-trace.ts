import {
  defaultFieldResolver,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLObjectType,
  type GraphQLSchema,
  isIntrospectionType,
  isObjectType,
} from "graphql";
import { bytesField, doubleField, numberField, textField } from "./protobuf.ts";

/** One field of the answer and what came below it. */
interface TraceNode {
  /** Response name, or place in a list; null for the root. */
  readonly key: string | number | null;
  readonly children: Map<string | number, TraceNode>;
  readonly errors: GraphQLError[];
  field?: { readonly name: string; readonly type: string; readonly parent: string };
  startNs?: number;
  endNs?: number;
}

interface Recording {
  readonly root: TraceNode;
  readonly startedAt: number;
  readonly started: bigint;
}

type PathLike = { readonly key: string | number; readonly prev: PathLike | undefined };

const recordings = new WeakMap<object, Recording>();

/** Federated traces of the operations that one schema runs. */
export interface InlineTrace {
  /** Begins to time the fields of the operation that has this context. */
  readonly start: (context: object) => void;
  /** The answer with the trace of its operation, if one was begun. */
  readonly finish: (context: object, result: ExecutionResult) => ExecutionResult;
}

/** Header and value by which a router asks for a trace. */
export const traceHeader = { name: "apollo-federation-include-trace", value: "ftv1" } as const;

/**
 * Federated traces ("ftv1"): for a router that asks for one by header, how long each field took and which errors the
 * answer holds, as a protocol buffer in `extensions.ftv1`. Errors are those of the answer, so nothing that was masked
 * gets out this way. The package made for it breaks on answers of some thousand fields. The resolvers of the schema are
 * wrapped for good.
 */
export function createInlineTrace(schema: GraphQLSchema): InlineTrace {
  watch(schema);
  return {
    start: (context) => {
      recordings.set(context, { root: createNode(null), startedAt: Date.now(), started: process.hrtime.bigint() });
    },
    finish: (context, result) => {
      const recording = recordings.get(context);
      if (!recording) return result;
      for (const error of result.errors ?? []) nodeAt(recording.root, error.path ?? []).errors.push(error);
      const ftv1 = Buffer.from(printTrace(recording)).toString("base64");
      return { ...result, extensions: { ...result.extensions, ftv1 } };
    },
  };
}

/** Times every field once, when the schema is first seen; a request without a recording pays for one look-up. */
function watch(schema: GraphQLSchema): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isObjectType(type) && !isIntrospectionType(type)) watchFields(type);
  }
}

function watchFields(type: GraphQLObjectType): void {
  for (const field of Object.values(type.getFields())) {
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = (source, args, context, info) => {
      const recording = typeof context === "object" && context !== null ? recordings.get(context) : undefined;
      if (!recording) return resolve(source, args, context, info);
      const node = nodeAt(recording.root, pathOf(info.path));
      node.field = { name: info.fieldName, type: String(info.returnType), parent: info.parentType.name };
      node.startNs = since(recording);
      const end = () => {
        node.endNs = since(recording);
      };
      try {
        const value: unknown = resolve(source, args, context, info);
        if (value instanceof Promise) return value.finally(end);
        end();
        return value;
      } catch (error) {
        end();
        throw error;
      }
    };
  }
}

function since({ started }: Recording): number {
  return Number(process.hrtime.bigint() - started);
}

function createNode(key: TraceNode["key"]): TraceNode {
  return { key, children: new Map(), errors: [] };
}

function nodeAt(root: TraceNode, path: readonly (string | number)[]): TraceNode {
  let node = root;
  for (const key of path) {
    const next = node.children.get(key) ?? createNode(key);
    node.children.set(key, next);
    node = next;
  }
  return node;
}

function pathOf(path: PathLike): (string | number)[] {
  const keys: (string | number)[] = [];
  for (let at: PathLike | undefined = path; at; at = at.prev) keys.unshift(at.key);
  return keys;
}

// Field numbers are those of the `Trace` message in Apollo's reports.proto.

function printTrace(recording: Recording): Uint8Array {
  const duration = since(recording);
  const ended = recording.startedAt + duration / 1e6;
  return Buffer.concat([
    bytesField(4, printInstant(recording.startedAt)),
    bytesField(3, printInstant(ended)),
    numberField(11, duration),
    bytesField(14, printNode(recording.root)),
    // How many requests this one stands for: every one is traced that asks.
    doubleField(31, 1),
  ]);
}

function printNode({ key, children, errors, field, startNs, endNs }: TraceNode): Uint8Array {
  return Buffer.concat([
    ...(typeof key === "string" ? [textField(1, key)] : []),
    ...(typeof key === "number" ? [numberField(2, key)] : []),
    ...(field && field.name !== key ? [textField(14, field.name)] : []),
    ...(field ? [textField(3, field.type), textField(13, field.parent)] : []),
    ...(startNs === undefined ? [] : [numberField(8, startNs)]),
    ...(endNs === undefined ? [] : [numberField(9, endNs)]),
    ...errors.map((error) => bytesField(11, printError(error))),
    ...[...children.values()].map((child) => bytesField(12, printNode(child))),
  ]);
}

function printError(error: GraphQLError): Uint8Array {
  const places = error.locations ?? [];
  return Buffer.concat([
    textField(1, error.message),
    ...places.map(({ line, column }) => bytesField(2, Buffer.concat([numberField(1, line), numberField(2, column)]))),
    textField(4, JSON.stringify(error)),
  ]);
}

function printInstant(ms: number): Uint8Array {
  const seconds = Math.floor(ms / 1000);
  return Buffer.concat([numberField(1, seconds), numberField(2, Math.floor((ms - seconds * 1000) * 1e6))]);
}
