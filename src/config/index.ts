import { createHash } from "node:crypto";
import { isIP } from "node:net";
import type { ConfiguredBackend } from "../backends/index.ts";
import type { AccessRule } from "../model/access.ts";
import { type EnvironmentProxies, readEnvironmentProxies } from "../upstream/connections.ts";
import { type AuthConfig, toAccessRules, toAuthConfig } from "./auth.ts";
import { explainIssues, type Finding, type Path, type Problem, printPath, valueAt } from "./problems.ts";
import { keysAt, settings, usualLimits } from "./settings.ts";
import { type Environment, readDocument, substitute } from "./source.ts";

export type { AuthConfig, JwtConfig, KeyConfig } from "./auth.ts";
export { configJsonSchema } from "./settings.ts";
export type { Problem };

/** Everything that was configured, checked and frozen. */
export interface Config {
  readonly server: {
    readonly host: string;
    readonly port: number;
    /** Whether GraphiQL is served at /graphql. */
    readonly graphiql: boolean;
    readonly introspection: boolean;
    readonly subgraph: boolean;
    /** Whether the subgraph form tells its schema by `_service { sdl }`. */
    readonly sdl: boolean;
    /** Whether figures are served at /metrics. */
    readonly metrics: boolean;
    /** Milliseconds that a byte of an answer may wait for its client to take it. */
    readonly sendMs: number;
    /** Bytes of answers that may wait for clients, in all connections together. */
    readonly maxWaitingBytes: number;
    /** Open connections. */
    readonly maxConnections: number;
    /** Base path of every page: `/`, or `/delivery` without a slash at its end. */
    readonly path: string;
    /** IP addresses and CIDR ranges of the proxies whose `X-Forwarded-*` are believed. */
    readonly trustedProxies: readonly string[];
    /** Milliseconds after which an idle connection is closed. */
    readonly keepAliveMs: number;
    /** Milliseconds between the signal to end and the refusal of new work; null: the process decides. */
    readonly drainMs: number | null;
    /** Origins whose pages may read answers, and headers that these may send beside the usual ones, in lower case. */
    readonly cors: { readonly origins: readonly string[]; readonly headers: readonly string[] };
  };
  readonly auth: AuthConfig;
  /** Who may see what; empty means that nothing is restricted. */
  readonly access: readonly AccessRule[];
  /** Whether the graph has mutations and the backends open a way to delete. */
  readonly mutations: boolean;
  readonly limits: Limits;
  readonly log: LogSettings;
  readonly persisted: Persisted;
  /** Key that cursors are sealed with, made from the whole configuration: its replicas have the same. Never printed. */
  readonly cursorKey: string;
  /** Proxies of the environment, for what names none of its own. Credentials may be in them. */
  readonly proxies: EnvironmentProxies;
  /** In the order of the file. */
  readonly backends: readonly ConfiguredBackend[];
}

/** What is written to stderr, and how. */
export interface LogSettings {
  readonly level: "info" | "warn" | "error";
  /** Null: the process decides, by whether stderr is a terminal. */
  readonly format: "json" | "pretty" | null;
}

/** Operations that clients name instead of sending. */
export interface Persisted {
  /** Path of the manifest as it was written: from the configuration's folder. Null for none. */
  readonly manifest: string | null;
  /** Whether nothing else is run. */
  readonly only: boolean;
  /** Whether clients may register operations by hash. */
  readonly automatic: boolean;
  /** Who is let past `only`. */
  readonly except: { readonly callers: readonly string[]; readonly graphiql: boolean };
}

/** What one operation may take. */
export interface Limits {
  readonly depth: number;
  readonly cost: number;
  readonly aliases: number;
  /** Most bytes of one answer. */
  readonly answerBytes: number;
  readonly tokens: number;
  readonly bodyBytes: number;
  readonly upstreamCalls: number;
  readonly deadlineMs: number;
}

/** The whole configuration, or everything that is wrong with it. */
export type Reading = { readonly config: Config } | { readonly problems: readonly Problem[] };

/** Reads gateway.yaml and what the environment overrides. */
export function readConfig(text: string, environment: Environment): Reading {
  const document = readDocument(text);
  if ("problems" in document) return document;
  const { data, findings, fromEnvironment } = substitute(document.data, environment);
  return check(data, environment, { findings, fromEnvironment, lineOf: document.lineOf });
}

/** Checks settings that were made by a program, as if they stood in gateway.yaml; `PORT` and `HOST` count here too. */
export function configOf(data: unknown, environment: Environment): Reading {
  return check(data, environment, { findings: [], fromEnvironment: () => false, lineOf: () => null });
}

/** Those of the limits that are not what they are where the configuration says nothing. */
export function unusualLimits({ limits }: Config): Partial<Limits> {
  const usual: Readonly<Record<string, number>> = usualLimits;
  return Object.fromEntries(Object.entries(limits).filter(([name, value]) => value !== usual[name]));
}

/** Whether only this machine can reach a server that listens there. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (isIP(name) === 4) return name.startsWith("127.");
  return name === "::1" || name === "localhost" || name.endsWith(".localhost");
}

interface Source {
  readonly findings: readonly Finding[];
  readonly fromEnvironment: (path: Path) => boolean;
  readonly lineOf: (path: Path) => number | null;
}

function check(given: unknown, environment: Environment, source: Source): Reading {
  const { data, result } = parse(withoutEmptySections(given), source.fromEnvironment);
  const overridden = overrides(environment);
  const { proxies, unreadable } = readEnvironmentProxies(environment);
  const host = overridden.host ?? (result.success ? result.data.server.host : textAt(data, ["server", "host"]));
  const unset = new Set(source.findings.map(({ path }) => JSON.stringify(path)));
  const findings = [
    ...source.findings,
    // A variable that is not set is one problem, not two.
    ...(result.success ? [] : explainIssues(result.error.issues, data, (path) => keysAt(path, data))).filter(
      ({ path }) => !unset.has(JSON.stringify(path)),
    ),
    ...twice(data),
    ...openDoor(host, data, overridden.host === null ? ["server", "host"] : ["HOST"]),
    ...overridden.findings,
    ...(takesProxies(data) ? unreadable : []).map((name) => ({
      path: [name],
      message: "must be the http or https address of a proxy, such as http://proxy.example.com:3128",
    })),
  ];
  if (findings.length > 0 || !result.success) {
    return {
      problems: findings.map(({ path, message }) => ({ path: printPath(path), message, line: source.lineOf(path) })),
    };
  }

  const { server, persisted, auth, access, mutations, limits, log, backends } = result.data;
  const here = isLoopback(host ?? server.host);
  const config: Config = {
    server: {
      host: host ?? server.host,
      port: overridden.port ?? server.port,
      graphiql: server.graphiql ?? here,
      introspection: server.introspection ?? here,
      subgraph: server.subgraph,
      sdl: server.sdl ?? server.introspection ?? here,
      metrics: server.metrics,
      sendMs: server.sendMs,
      maxWaitingBytes: server.maxWaitingBytes,
      maxConnections: server.maxConnections,
      path: server.path,
      trustedProxies: server.trustedProxies,
      keepAliveMs: server.keepAliveMs,
      drainMs: server.drainMs ?? null,
      cors: server.cors,
    },
    auth: toAuthConfig(auth, here),
    access: toAccessRules(access),
    mutations,
    limits,
    proxies,
    log: { level: log.level, format: log.format ?? null },
    cursorKey: createHash("sha256").update(JSON.stringify(data)).digest("hex"),
    persisted: {
      manifest: persisted.manifest ?? null,
      only: persisted.only,
      automatic: persisted.automatic ?? !persisted.only,
      except: persisted.except,
    },
    backends,
  };
  return { config: frozen(config) };
}

/**
 * Variables are text, but `port: ${PORT}` means a number: a substituted text is read as a number or as true or false
 * exactly where the schema wants one.
 */
function parse(given: unknown, fromEnvironment: (path: Path) => boolean) {
  const first = settings.safeParse(given);
  if (first.success) return { data: given, result: first };
  const data: unknown = structuredClone(given);
  for (const path of typeIssues(first.error.issues)) {
    const text = valueAt(data, path);
    const holder = valueAt(data, path.slice(0, -1));
    const key = path[path.length - 1];
    if (key === undefined || typeof text !== "string" || !fromEnvironment(path)) continue;
    if (typeof holder !== "object" || holder === null) continue;
    if (/^-?\d{1,15}(?:\.\d{1,6})?$/.test(text)) Object.assign(holder, { [key]: Number(text) });
    else if (text === "true" || text === "false") Object.assign(holder, { [key]: text === "true" });
  }
  return { data, result: settings.safeParse(data) };
}

interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly expected?: unknown;
  readonly errors?: readonly (readonly Issue[])[];
}

function typeIssues(issues: readonly Issue[], base: Path = []): readonly Path[] {
  return issues.flatMap((issue): readonly Path[] => {
    const path = [...base, ...issue.path.map((part) => (typeof part === "symbol" ? String(part) : part))];
    if (issue.errors) return issue.errors.flatMap((form) => typeIssues(form, path));
    return issue.code === "invalid_type" && ["number", "int", "boolean"].includes(String(issue.expected)) ? [path] : [];
  });
}

// `limits:` with every line below it commented out reads as null, and means the defaults.
function withoutEmptySections(given: unknown): unknown {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return given;
  const sections = ["server", "persisted", "auth", "access", "limits", "log"];
  return Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== null || !sections.includes(key)));
}

interface Overrides {
  readonly host: string | null;
  readonly port: number | null;
  readonly findings: readonly Finding[];
}

function overrides(environment: Environment): Overrides {
  const host = environment["HOST"] || null;
  const port = environment["PORT"] || null;
  const findings: Finding[] = [];
  if (host !== null && !/^[0-9A-Za-z._:-]+$/.test(host)) {
    findings.push({ path: ["HOST"], message: "must be a host name or an IP address" });
  }
  const fine = port === null || (/^\d{1,5}$/.test(port) && Number(port) <= 65_535);
  if (!fine) findings.push({ path: ["PORT"], message: "must be a whole number from 0 to 65535" });
  return { host, port: port === null ? null : Number(port), findings };
}

/** Names that two backends share, and image registry hosts that two of them claim. */
function twice(data: unknown): readonly Finding[] {
  const backends = valueAt(data, ["backends"]);
  if (!Array.isArray(backends)) return [];
  const names = new Map<string, number>();
  const hosts = new Map<string, number>();
  return backends.flatMap((entry: unknown, index) => {
    const findings: Finding[] = [];
    const name = textAt(entry, ["name"]);
    const first = name === null ? undefined : names.get(name);
    if (first !== undefined) {
      findings.push({ path: ["backends", index, "name"], message: `is also the name of backends[${first}]` });
    } else if (name !== null) names.set(name, index);
    const claimed = valueAt(entry, ["hosts"]);
    if (!Array.isArray(claimed)) return findings;
    claimed.forEach((host: unknown, place) => {
      if (typeof host !== "string") return;
      const owner = hosts.get(host.toLowerCase());
      if (owner === undefined) hosts.set(host.toLowerCase(), index);
      else {
        const message =
          owner === index ? "is listed twice" : `is also a registry host of backends[${owner}]: only one can own it`;
        findings.push({ path: ["backends", index, "hosts", place], message });
      }
    });
    return findings;
  });
}

/** Whether anything is asked by the proxies of the environment. */
function takesProxies(data: unknown): boolean {
  const backends = valueAt(data, ["backends"]);
  const isJwt = textAt(data, ["auth", "mode"]) === "jwt";
  return isJwt || (Array.isArray(backends) && backends.some((entry) => valueAt(entry, ["proxy"]) === undefined));
}

function openDoor(host: string | null, data: unknown, path: Path): readonly Finding[] {
  if (host === null || isLoopback(host) || valueAt(data, ["auth", "allowAnonymous"]) === true) return [];
  const mode = textAt(data, ["auth", "mode"]) ?? "none";
  if (mode !== "none") return [];
  return [
    {
      path,
      message: "is reachable from outside this machine without a login: set auth.mode, or auth.allowAnonymous: true",
    },
  ];
}

function textAt(data: unknown, path: Path): string | null {
  const value = valueAt(data, path);
  return typeof value === "string" ? value : null;
}

function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) frozen(part);
  return value;
}
