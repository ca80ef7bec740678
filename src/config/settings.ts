import { z } from "zod";
import { configuredBackend } from "../backends/index.ts";
import type { Path } from "./problems.ts";

const notYet = "is not in this version yet: leave it out";

const originText = z.string().refine((text) => {
  if (text === "*") return true;
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}, "must be an origin such as https://app.example.com, without a path, or *");

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
    .refine((on) => !on, `true ${notYet}, or say false`)
    .meta({ description: "The federated form of the schema; not in this version yet." }),
  cors: z
    .strictObject({ origins: z.array(originText).default([]) })
    .prefault({})
    .meta({ description: "Origins whose pages may read answers; * for all." }),
});

const auth = z.strictObject({
  mode: z
    .enum(["none", "keys", "jwt"])
    .default("none")
    .refine((mode) => mode === "none", `keys and jwt are not in this version yet: only none is`)
    .meta({ description: "How callers prove who they are; only none in this version." }),
  allowAnonymous: z
    .boolean()
    .default(false)
    .meta({ description: "With mode none: also serve callers from outside this machine." }),
  keys: z
    .unknown()
    .optional()
    .refine((keys) => keys === undefined, notYet),
  jwt: z
    .unknown()
    .optional()
    .refine((jwt) => jwt === undefined, notYet),
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
  upstreamCalls: z.int().min(1).max(100_000).default(200).meta({ description: "Most backend calls of an operation." }),
  deadlineMs: z.int().min(1).max(600_000).default(15_000).meta({ description: "Time for a whole operation." }),
});

/** The whole of gateway.yaml, after substitution. */
export const settings = z.strictObject({
  server: server.prefault({}).meta({ description: "Where and how the gateway listens." }),
  auth: auth.prefault({}).meta({ description: "Who may ask." }),
  limits: limits.prefault({}).meta({ description: "What one operation may take." }),
  backends: z.array(configuredBackend).min(1).meta({ description: "The systems behind the graph." }),
});

/** JSON Schema of gateway.yaml, for editors. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...rest } = z.toJSONSchema(settings, { io: "input", unrepresentable: "any", target: "draft-07" });
  return { $schema, title: "delivery-graph: gateway.yaml", ...rest };
}

/** The keys that the map at a path may have; where several forms are possible, those of the backend's kind. */
export function keysAt(path: Path, data: unknown): readonly string[] {
  let schemas: readonly Schema[] = expand(configJsonSchema(), data);
  let value = data;
  for (const part of path) {
    value = isMap(value) || Array.isArray(value) ? Object.getOwnPropertyDescriptor(value, part)?.value : undefined;
    schemas = schemas.flatMap((schema) => expand(childOf(schema, part), value));
  }
  return [
    ...new Set(schemas.flatMap((schema) => (isMap(schema["properties"]) ? Object.keys(schema["properties"]) : []))),
  ];
}

type Schema = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function childOf(schema: Schema, part: string | number): unknown {
  if (typeof part === "number") return schema["items"];
  return isMap(schema["properties"]) ? schema["properties"][part] : undefined;
}

function expand(schema: unknown, value: unknown): readonly Schema[] {
  if (!isMap(schema)) return [];
  const forms = [schema["anyOf"], schema["oneOf"], schema["allOf"]].flatMap((list) =>
    Array.isArray(list) ? list.flatMap((form: unknown) => expand(form, value)) : [],
  );
  return [schema, ...forms].filter((form) => kindOf(form) === undefined || kindOf(form) === kindIn(value));
}

function kindOf(schema: Schema): unknown {
  const kind = childOf(schema, "kind");
  return isMap(kind) ? kind["const"] : undefined;
}

function kindIn(value: unknown): unknown {
  return isMap(value) ? value["kind"] : undefined;
}
