import { createHash } from "node:crypto";
import { GraphQLError } from "graphql";
import type { GraphQLParams, Plugin } from "graphql-yoga";
import type { Operations } from "../config/manifest.ts";
import type { Persisted } from "../config.ts";
import { createShelf } from "./shelf.ts";

/** Who sends an operation. */
interface Sender {
  readonly admitted: { readonly name: string };
}

/** How much text of operations that clients registered is kept, in characters; the least recently used go first. */
const mostCharacters = 4_194_304;

/**
 * Operations by name: those of the manifest, and those that clients register by their hash as they go ("automatic
 * persisted queries"). With `only`, nothing else is run but for those who are let past. What is registered belongs to
 * nobody: it is text and no answer, and whoever runs it needs the same rights as if it were sent.
 */
export function persisting({ only, automatic, except }: Persisted, operations: Operations): Plugin<object, Sender> {
  const registered = createShelf(mostCharacters);

  const isLetPast = (request: Request, { admitted }: Sender): boolean =>
    !only ||
    except.callers.includes(admitted.name) ||
    (except.graphiql && request.headers.get("sec-fetch-site") === "same-origin");

  return {
    onParams: ({ request, params, setParams, setResult, context }) => {
      // What is no request at all is the engine's to refuse; types promise more than a body keeps.
      if (!isRequest(params)) return;
      // A refusal is a result, so that whoever watches sees one; what looks for a text behind this finds one.
      const refuse = (error: GraphQLError) => {
        setParams({ ...params, query: params.query ?? "{ __typename }" });
        setResult({ errors: [error] });
      };
      const id = idOf(params, request);
      const known = id === null ? undefined : operations.get(id);
      // What the manifest says under an id is what runs, whatever text came along.
      if (known !== undefined) return setParams({ ...params, query: known });
      const hash = hashOf(params);
      if (params.query) {
        if (!isLetPast(request, context)) return refuse(notAllowed());
        if (hash !== null && automatic && !register(hash, params.query)) return refuse(notItsHash());
        return;
      }
      if (id === null) {
        if (only) refuse(notAllowed());
        return;
      }
      const found = hash === null ? null : registered.get(hash.toLowerCase());
      if (found === null) return refuse(automatic && hash !== null ? notFound() : notListed(operations.size > 0));
      setParams({ ...params, query: found });
    },
  };

  /** False when the hash is another text's. */
  function register(hash: string, query: string): boolean {
    if (createHash("sha256").update(query).digest("hex") !== hash.toLowerCase()) return false;
    registered.put(hash.toLowerCase(), query);
    return true;
  }
}

/** Where clients put the id, beside `extensions.persistedQuery`: the last two are Relay's habits. */
export const idNames = ["documentId", "doc_id", "id"] as const;

function isRequest(params: unknown): boolean {
  if (typeof params !== "object" || params === null) return false;
  const query: unknown = "query" in params ? params.query : null;
  return query === null || query === undefined || typeof query === "string";
}

function idOf(params: GraphQLParams, { method, url }: Request): string | null {
  const asked = method === "GET" ? new URL(url).searchParams : null;
  for (const name of idNames) {
    const id: unknown = asked ? asked.get(name) : Object.getOwnPropertyDescriptor(params, name)?.value;
    if (typeof id === "string" && id !== "") return id;
  }
  return hashOf(params);
}

function hashOf({ extensions }: GraphQLParams): string | null {
  const persisted: unknown = extensions?.["persistedQuery"];
  if (typeof persisted !== "object" || persisted === null || !("sha256Hash" in persisted)) return null;
  return typeof persisted.sha256Hash === "string" && persisted.sha256Hash !== "" ? persisted.sha256Hash : null;
}

// The words of the first two are fixed: clients look at them to know that they should send the text.

function notFound(): GraphQLError {
  return new GraphQLError("PersistedQueryNotFound", {
    extensions: { code: "PERSISTED_QUERY_NOT_FOUND", retryable: true, http: { status: 200 } },
  });
}

function notListed(hasManifest: boolean): GraphQLError {
  return hasManifest
    ? refusal("PERSISTED_QUERY_NOT_IN_LIST", "This gateway knows no operation of that id.")
    : refusal("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported");
}

function notItsHash(): GraphQLError {
  return refusal("BAD_USER_INPUT", "The hash sent as persistedQuery is not that of the operation.");
}

function notAllowed(): GraphQLError {
  return refusal("PERSISTED_QUERY_ONLY", "This gateway runs known operations only: send the id of one.");
}

function refusal(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, retryable: false, http: { status: 400 } } });
}
