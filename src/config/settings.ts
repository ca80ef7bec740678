import { isIP } from "node:net";
import { z } from "zod";
import { configuredBackend } from "../backends/index.ts";
import { isRecord } from "../model/values.ts";
import { accessSettings, authSettings } from "./auth.ts";
import type { Path } from "./problems.ts";

const originText = z.string().refine((text) => {
  if (text === "*") return true;
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}, "must be an origin such as https://app.example.com, without a path, or *");

const basePath = z.string().transform((text, context) => {
  const path = readBasePath(text);
  if (path !== null) return path;
  const message = "must begin with a slash and hold plain segments, such as /delivery (letters, digits, - . _ ~)";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

const addressRange = z
  .string()
  .refine(isAddressRange, "must be an IP address or a CIDR range, such as 10.0.0.7 or 10.0.0.0/8");

function isAddressRange(text: string): boolean {
  const [, address = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128);
}

const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, "must be the name of a header, such as x-team")
  .transform((name) => name.toLowerCase());

const server = z.strictObject({
  host: z
    .string()
    .regex(/^(?:[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+)$/, "must be a host name or an IP address")
    .default("127.0.0.1")
    .meta({ description: "Address to listen on. HOST overrides it." }),
  port: z.int().min(0).max(65_535).default(4000).meta({ description: "0 takes a free one. PORT overrides it." }),
  graphiql: z.boolean().optional().meta({ description: "GraphiQL at /graphql; default true on loopback, else false." }),
  introspection: z.boolean().optional().meta({ description: "Default true on loopback, else false." }),
  subgraph: z
    .boolean()
    .default(false)
    .meta({ description: "The federated form of the schema, for a router; it has no node and nodes." }),
  sdl: z.boolean().optional().meta({
    description: "Whether the subgraph form tells its schema by _service { sdl }; default as introspection.",
  }),
  metrics: z
    .boolean()
    .default(true)
    .meta({ description: "Prometheus figures at /metrics, for all who reach the port; false: no such page." }),
  path: basePath
    .default("/")
    .meta({ description: "Base path of the graph and of every page, such as /delivery; / for none." }),
  trustedProxies: z.array(addressRange).default([]).meta({
    description: "Addresses and CIDR ranges of proxies whose X-Forwarded-* headers are believed; others are ignored.",
  }),
  keepAliveMs: z.int().min(1000).max(3_600_000).default(75_000).meta({
    description: "Milliseconds after which an idle connection is closed; more than the balancer in front allows.",
  }),
  drainMs: z
    .int()
    .min(0)
    .max(600_000)
    .optional()
    .meta({
      description:
        "Milliseconds for which /ready answers 503 after SIGTERM while work goes on; default 5000, or 0 on a " +
        "terminal and for the demo.",
    }),
  sendMs: z.int().min(100).max(600_000).default(30_000).meta({
    description: "Time for a client to take what it is sent; one that does not is cut off.",
  }),
  maxWaitingBytes: z
    .int()
    .min(1_048_576)
    .max(17_179_869_184)
    .default(134_217_728)
    .meta({
      description:
        "Bytes of answers that wait for clients, in all connections together; above it, the client that has not read " +
        "for the longest time is disconnected.",
    }),
  maxConnections: z.int().min(10).max(1_000_000).default(4096).meta({
    description: "Open connections; one more costs the one that has been idle for longest.",
  }),
  cors: z
    .strictObject({
      origins: z.array(originText).default([]).meta({ description: "Such origins; * for all." }),
      headers: z
        .array(headerName)
        .default([])
        .meta({ description: "Request headers that these pages may send beside the usual ones." }),
    })
    .prefault({})
    .meta({ description: "Origins whose pages may read answers, and what they may send." }),
});

const persisted = z
  .strictObject({
    manifest: z
      .string()
      .min(1)
      .optional()
      .meta({
        description:
          "File of known operations, beside the configuration: as the Relay compiler, Apollo's manifest generator or " +
          "GraphQL Codegen's client preset write it.",
      }),
    only: z
      .boolean()
      .default(false)
      .meta({ description: "Nothing is run but what the manifest holds; needs a manifest." }),
    automatic: z
      .boolean()
      .optional()
      .meta({ description: "Clients may register operations by hash as they go; default true, and never with only." }),
    except: z
      .strictObject({
        callers: z.array(z.string().min(1)).default([]).meta({
          description: "Names of keys, or subjects of tokens, that may send any operation, such as a router's.",
        }),
        graphiql: z
          .boolean()
          .default(false)
          .meta({ description: "The gateway's own GraphiQL may send any operation; any program can pass for it." }),
      })
      .prefault({})
      .meta({ description: "Who is let past only." }),
  })
  .superRefine(({ manifest, only, automatic, except }, context) => {
    const say = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
    if (only && manifest === undefined) say(["only"], "needs a manifest that says what may be run");
    if (only && automatic === true) say(["automatic"], "would let everybody past only: say one of the two");
    if (!only && except.callers.length > 0) say(["except", "callers"], "is only looked at with only: true");
    if (!only && except.graphiql) say(["except", "graphiql"], "is only looked at with only: true");
  });

const limits = z.strictObject({
  depth: z.int().min(1).max(100).default(12).meta({ description: "Deepest nesting of fields in an operation." }),
  cost: z.int().min(1).max(10_000_000).default(5000).meta({ description: "Highest estimated cost of an operation." }),
  aliases: z.int().min(0).max(10_000).default(30).meta({ description: "Most aliases in an operation." }),
  tokens: z.int().min(1).max(1_000_000).default(2000).meta({ description: "Most lexical tokens in an operation." }),
  bodyBytes: z
    .int()
    .min(1024)
    .max(104_857_600)
    .default(262_144)
    .meta({ description: "Largest request body; larger ones are answered 413 and not parsed." }),
  answerBytes: z
    .int()
    .min(1024)
    .max(268_435_456)
    .default(16_777_216)
    .meta({ description: "Largest answer: reckoned before an operation runs, and counted while its answer is made." }),
  upstreamCalls: z.int().min(1).max(100_000).default(200).meta({ description: "Most backend calls of an operation." }),
  deadlineMs: z.int().min(1).max(600_000).default(15_000).meta({ description: "Time for a whole operation." }),
});

const log = z.strictObject({
  level: z
    .enum(["info", "warn", "error"])
    .default("info")
    .meta({ description: "What is written: this and what is graver. info has a line for each operation." }),
  format: z.enum(["json", "pretty"]).optional().meta({
    description: "One JSON object a line, or text for people; default pretty on a terminal, else json.",
  }),
});

/** Limits where the configuration names none. */
export const usualLimits = limits.parse({});

/** The whole of gateway.yaml, after substitution. */
export const settings = z
  .strictObject({
    server: server.prefault({}).meta({ description: "Where and how the gateway listens." }),
    auth: authSettings.prefault({}).meta({ description: "Who may ask." }),
    access: accessSettings.meta({
      description: "Who may see what; without rules everybody sees all that the backends' credentials see.",
    }),
    mutations: z
      .boolean()
      .default(false)
      .meta({ description: "Whether packages and versions can be deleted through the graph." }),
    limits: limits.prefault({}).meta({ description: "What one operation may take." }),
    log: log.prefault({}).meta({ description: "What is written to stderr, and how." }),
    persisted: persisted.prefault({}).meta({ description: "Operations that clients name instead of sending." }),
    backends: z.array(configuredBackend).min(1).meta({ description: "The systems behind the graph." }),
  })
  .superRefine(({ auth, access }, context) => {
    access.forEach(({ who }, index) => {
      const say = (path: (string | number)[], message: string) =>
        context.addIssue({ code: "custom", path: ["access", index, "who", ...path], message });
      if (who === "anyone") return;
      if ("claim" in who) {
        if (auth.mode !== "jwt") say(["claim"], "needs auth.mode: jwt, for only tokens have claims");
        return;
      }
      if (auth.mode !== "keys") {
        say(["keys"], "needs auth.mode: keys");
        return;
      }
      who.keys.forEach((name, place) => {
        if (!auth.keys?.some((key) => key.name === name))
          say(["keys", place], "is not the name of a key under auth.keys");
      });
    });
  });

/** JSON Schema of gateway.yaml, for editors. It describes the file as it is written: before variables are replaced. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...rest } = z.toJSONSchema(settings, {
    io: "input",
    unrepresentable: "any",
    target: "draft-07",
    override: ({ jsonSchema }) => allowVariable(jsonSchema),
  });
  return { $schema, title: "delivery-graph: gateway.yaml", ...rest };
}

// Where a number, a switch or a text of a certain form is due, a variable may hold it.
function allowVariable(schema: z.core.JSONSchema.BaseSchema): void {
  const { type, description, default: preset, ...rules } = schema;
  const strict = type === "integer" || type === "number" || type === "boolean";
  if (!strict && !(type === "string" && (rules.pattern !== undefined || rules.format !== undefined))) return;
  for (const key of Object.keys(rules)) delete schema[key];
  delete schema.type;
  schema.anyOf = [
    { type, ...rules },
    { type: "string", pattern: "\\$\\{" },
  ];
}

/** The keys that the map at a path may have; where several forms are possible, those of the backend's kind. */
export function keysAt(path: Path, data: unknown): readonly string[] {
  let schemas: readonly Schema[] = expand(configJsonSchema(), data);
  let value = data;
  for (const part of path) {
    value = isRecord(value) || Array.isArray(value) ? Object.getOwnPropertyDescriptor(value, part)?.value : undefined;
    schemas = schemas.flatMap((schema) => expand(childOf(schema, part), value));
  }
  return [
    ...new Set(schemas.flatMap((schema) => (isRecord(schema["properties"]) ? Object.keys(schema["properties"]) : []))),
  ];
}

type Schema = Readonly<Record<string, unknown>>;

function childOf(schema: Schema, part: string | number): unknown {
  if (typeof part === "number") return schema["items"];
  return isRecord(schema["properties"]) ? schema["properties"][part] : undefined;
}

function expand(schema: unknown, value: unknown): readonly Schema[] {
  if (!isRecord(schema)) return [];
  const forms = [schema["anyOf"], schema["oneOf"], schema["allOf"]].flatMap((list) =>
    Array.isArray(list) ? list.flatMap((form: unknown) => expand(form, value)) : [],
  );
  return [schema, ...forms].filter((form) => kindOf(form) === undefined || kindOf(form) === kindIn(value));
}

function kindOf(schema: Schema): unknown {
  const kind = childOf(schema, "kind");
  return isRecord(kind) ? kind["const"] : undefined;
}

function kindIn(value: unknown): unknown {
  return isRecord(value) ? value["kind"] : undefined;
}

/**
 * Reads a base path: `/`, or plain segments such as `/delivery`, without a slash at the end. Null for anything else: a
 * dot segment would be resolved by the browser, and two slashes at the beginning name another host.
 */
export function readBasePath(text: string): string | null {
  if (text === "/") return text;
  const isPlain = /^(?:\/[\w.~-]+)+\/?$/.test(text) && !/\/\.{1,2}(?:\/|$)/.test(text);
  return isPlain ? text.replace(/\/$/, "") : null;
}
