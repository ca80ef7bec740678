import type { GraphQLError } from "graphql";
import type { Backend, Readers } from "../backends/backend.ts";
import type { Allowed, Scope } from "../model/access.ts";
import type { Call } from "../upstream/operation.ts";
import { restrict } from "./access/access.ts";
import type { AnswerMeter } from "./cost/answer-meter.ts";
import { badInput, report } from "./errors.ts";
import type { Seal } from "./identity/opaque.ts";

/** One step of something that changes a backend, for the audit log. */
export interface AuditEvent {
  readonly action: "deletePackage" | "deleteVersion";
  /** `ASKED` before anything is sent; afterwards the outcome as the caller gets it. */
  readonly outcome: string;
  /** Who asked: name of the key or subject of the token. */
  readonly caller: string;
  readonly requestId: string;
  readonly backend: string;
  readonly repository: string;
  readonly key: string;
  /** Null for a whole package. */
  readonly version: string | null;
}

/** Writes an event down before it goes on; may not fail. */
export type Audit = (event: AuditEvent) => void;

/** The configured backends, as the graph looks them up. Lives as long as the process. */
export interface Estate {
  /** In the order of the configuration. */
  readonly backends: readonly Backend[];
  readonly find: (name: string) => Backend | null;
  /** The backend whose image references carry this registry host; null when there is none. */
  readonly ownerOf: (registry: string | null) => Backend | null;
}

/** What every resolver of one operation shares. */
export interface Context {
  readonly estate: Estate;
  readonly call: Call;
  /** Who asks. */
  readonly caller: CallerFacts;
  /** This request's loaders of one backend, opened when first wanted. */
  readonly readers: (backend: Backend) => Readers;
  /** Counts the answer while it is made; null where the one who runs the operation does. */
  readonly meter: AnswerMeter | null;
  /** Seals cursors of callers who may not see every row; null in tests of parts. */
  readonly seal: Seal | null;
  /** Writes down what changes a backend. */
  readonly audit: Audit;
  /**
   * Adds an error that nulls nothing: a dropped row, a part of a merged answer that failed; or `count` like it. False:
   * from now on they are only counted.
   */
  readonly report: (error: GraphQLError, count?: number) => boolean;
}

/** Indexes the configured backends. */
export function createEstate(backends: readonly Backend[]): Estate {
  const byName = new Map(backends.map((backend) => [backend.name, backend]));
  const byHost = new Map(backends.flatMap((backend) => backend.hosts.map((host) => [host, backend] as const)));
  return {
    backends,
    find: (name) => byName.get(name) ?? null,
    ownerOf: (registry) => (registry === null ? null : (byHost.get(registry) ?? null)),
  };
}

/** The context of one operation; reported errors end up in `problems`. */
export function createContext(
  estate: Estate,
  call: Call,
  caller: CallerFacts,
  problems: GraphQLError[],
  audit: Audit,
  meter: AnswerMeter | null = null,
  seal: Seal | null = null,
): Context {
  const opened = new Map<Backend, Readers>();
  const readers = (backend: Backend) => {
    const known = opened.get(backend);
    if (known) return known;
    const fresh = restrict(backend, backend.during(call), caller.access);
    opened.set(backend, fresh);
    return fresh;
  };
  return {
    estate,
    call,
    caller,
    readers,
    meter,
    seal,
    audit,
    report: (error, count) => report(problems, error, count),
  };
}

/** The names of readers a backend may have. */
export type ReaderName = keyof Readers;

/** A backend together with one of its readers. */
export interface Reading<K extends ReaderName> {
  readonly backend: Backend;
  readonly reader: NonNullable<Readers[K]>;
}

/** Every backend that has this reader, in the order of the configuration. */
export function backendsWith<K extends ReaderName>(context: Context, name: K): Reading<K>[] {
  return context.estate.backends.flatMap((backend) => {
    const reader = context.readers(backend)[name];
    return reader ? [{ backend, reader }] : [];
  });
}

/**
 * The reader a caller means. Throws BACKEND_NOT_CONFIGURED for an unknown name, BAD_USER_INPUT when the backend cannot
 * do this or when no name was given and several could.
 */
export function resolveReader<K extends ReaderName>(
  context: Context,
  name: K,
  backendName: string | null | undefined,
): Reading<K> {
  if (backendName === null || backendName === undefined) {
    const [only, ...others] = backendsWith(context, name);
    if (!only) throw badInput("BACKEND_NOT_CONFIGURED", `No configured backend has ${name}.`);
    if (others.length > 0) {
      const names = [only, ...others].map(({ backend }) => backend.name).join(", ");
      throw badInput("BAD_USER_INPUT", `Several backends have ${name}: say which with "backend" (${names}).`);
    }
    return only;
  }
  const backend = context.estate.find(backendName);
  if (!backend) throw badInput("BACKEND_NOT_CONFIGURED", "No backend of that name is configured.");
  const reader = context.readers(backend)[name];
  if (!reader) throw badInput("BAD_USER_INPUT", `The backend "${backend.name}" has no ${name}.`);
  return { backend, reader };
}

/**
 * The reader behind a coordinate that an id or a model object carries; null when the backend is not configured (any
 * more).
 */
export function readerOf<K extends ReaderName>(
  context: Context,
  name: K,
  backendName: string,
): NonNullable<Readers[K]> | null {
  const backend = context.estate.find(backendName);
  return backend === null ? null : (context.readers(backend)[name] ?? null);
}

/** Who asks, as far as the graph needs to know. */
export interface CallerFacts {
  /** Name of the key, the token's subject, or `anonymous`; for the log only. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** What the access rules let this caller see; null when nothing is restricted. */
  readonly access: readonly Allowed[] | null;
}
