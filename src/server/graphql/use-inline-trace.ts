import {
  defaultFieldResolver,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLObjectType,
  type GraphQLSchema,
  isIntrospectionType,
  isObjectType,
} from "graphql";

interface TraceNode {
  /** Response name, or index in a list; null for the root. */
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
  readonly startedNs: bigint;
}

type PathLike = { readonly key: string | number; readonly prev: PathLike | undefined };

const recordings = new WeakMap<object, Recording>();

/** Header and value with which a router requests a trace. */
export const traceHeader = { name: "apollo-federation-include-trace", value: "ftv1" } as const;

/**
 * Federated traces ("ftv1"): the time of each field and the errors of the answer, as a protocol buffer in
 * `extensions.ftv1`, for a router that requests them. The errors are those of the answer, already masked. Written here
 * because Apollo's package fails on answers of some thousand fields. Wraps the resolvers of the schema permanently: an
 * operation without a trace pays for one look-up a field.
 */
export function useInlineTrace(schema: GraphQLSchema) {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isObjectType(type) && !isIntrospectionType(type)) timeFields(type);
  }
  return {
    /** Starts to time the fields of the operation with this context. */
    start: (context: object) => {
      recordings.set(context, { root: createNode(null), startedAt: Date.now(), startedNs: process.hrtime.bigint() });
    },
    /** The answer with the trace of its operation, if one was started. */
    finish: (context: object, result: ExecutionResult): ExecutionResult => {
      const recording = recordings.get(context);
      if (!recording) return result;
      for (const error of result.errors ?? []) nodeAt(recording.root, error.path ?? []).errors.push(error);
      const ftv1 = Buffer.from(printTrace(recording)).toString("base64");
      return { ...result, extensions: { ...result.extensions, ftv1 } };
    },
  };
}

function timeFields(type: GraphQLObjectType): void {
  for (const field of Object.values(type.getFields())) {
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = (source, args, context, info) => {
      const recording = typeof context === "object" && context !== null ? recordings.get(context) : undefined;
      if (!recording) return resolve(source, args, context, info);
      const node = nodeAt(recording.root, pathOf(info.path));
      node.field = { name: info.fieldName, type: String(info.returnType), parent: info.parentType.name };
      node.startNs = elapsedNs(recording);
      const finish = () => {
        node.endNs = elapsedNs(recording);
      };
      try {
        const value: unknown = resolve(source, args, context, info);
        if (value instanceof Promise) return value.finally(finish);
        finish();
        return value;
      } catch (error) {
        finish();
        throw error;
      }
    };
  }
}

function elapsedNs({ startedNs }: Recording): number {
  return Number(process.hrtime.bigint() - startedNs);
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
  const duration = elapsedNs(recording);
  const ended = recording.startedAt + duration / 1e6;
  return Buffer.concat([
    bytesField(4, printInstant(recording.startedAt)),
    bytesField(3, printInstant(ended)),
    numberField(11, duration),
    bytesField(14, printNode(recording.root)),
    // Weight of this request, a double: every request with the header is traced.
    tag(31, 1),
    new Uint8Array(Float64Array.of(1).buffer),
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
  const locations = error.locations ?? [];
  return Buffer.concat([
    textField(1, error.message),
    ...locations.map(({ line, column }) =>
      bytesField(2, Buffer.concat([numberField(1, line), numberField(2, column)])),
    ),
    textField(4, JSON.stringify(error)),
  ]);
}

function printInstant(ms: number): Uint8Array {
  const seconds = Math.floor(ms / 1000);
  return Buffer.concat([numberField(1, seconds), numberField(2, Math.floor((ms - seconds * 1000) * 1e6))]);
}

function textField(field: number, text: string): Uint8Array {
  return bytesField(field, Buffer.from(text));
}

function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([tag(field, 2), varint(bytes.length), bytes]);
}

/** A varint field with an integer from 0 to 2^53-1. */
function numberField(field: number, value: number): Uint8Array {
  return Buffer.concat([tag(field, 0), varint(value)]);
}

function tag(field: number, type: 0 | 1 | 2): Uint8Array {
  return varint(field * 8 + type);
}

/** Seven bits a byte, the lowest first; all but the last with the high bit set. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  // Division, because shifts truncate numbers to 32 bits.
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
