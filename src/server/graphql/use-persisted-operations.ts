import { createHash } from "node:crypto";
import type { Persisted } from "../../config/index.ts";
import type { Operations } from "../../config/manifest.ts";
import { Lru } from "../../model/lru.ts";
import { isRecord } from "../../model/values.ts";
import type { GraphQLParameters } from "../http/request.ts";
import { type Refusal, refuse } from "../http/response.ts";

/** The caller of an operation by name, and whether a browser names a page of the gateway itself as the sender. */
interface Sender {
  readonly name: string;
  readonly isOwnPage: boolean;
}

const maxCharacters = 4_194_304;

/** Finds documents by id: those of the manifest, and those registered by hash ("automatic persisted queries"). */
export function usePersistedOperations({ only, automatic, except }: Persisted, operations: Operations) {
  const registered = new Lru<string>({ maxWeight: maxCharacters, weigh: (text, key) => key.length + text.length });

  const isExcepted = ({ name, isOwnPage }: Sender): boolean =>
    !only || except.callers.includes(name) || (except.graphiql && isOwnPage);

  /** False when the hash is that of another document. */
  function register(hash: string, query: string): boolean {
    if (createHash("sha256").update(query).digest("hex") !== hash.toLowerCase()) return false;
    registered.set(hash.toLowerCase(), query);
    return true;
  }

  return (operation: GraphQLParameters, sender: Sender): string | Refusal => {
    const { query } = operation;
    const hash = hashOf(operation);
    const id = operation.documentId ?? hash;
    const listed = id === null ? undefined : operations.get(id);
    // The manifest's document runs, whatever document was sent with its id.
    if (listed !== undefined) return listed;
    if (query !== null) {
      if (!isExcepted(sender)) return notAllowed();
      return hash !== null && automatic && !register(hash, query)
        ? refuse("The hash sent as persistedQuery is not that of the operation.")
        : query;
    }
    if (id === null) return only ? notAllowed() : refuse("The question has no query.");
    const found = hash === null ? undefined : registered.get(hash.toLowerCase());
    return found ?? (automatic && hash !== null ? notFound() : notListed(operations.size > 0));
  };
}

function hashOf({ extensions }: GraphQLParameters): string | null {
  const persisted = extensions["persistedQuery"];
  const hash = isRecord(persisted) ? persisted["sha256Hash"] : null;
  return typeof hash === "string" && hash !== "" ? hash : null;
}

// The messages PersistedQueryNotFound and PersistedQueryNotSupported are fixed: clients send the document after them.

function notFound(): Refusal {
  return refuse("PersistedQueryNotFound", { status: 200, code: "PERSISTED_QUERY_NOT_FOUND", retryable: true });
}

function notListed(hasManifest: boolean): Refusal {
  return hasManifest
    ? refuse("This gateway knows no operation of that id.", { code: "PERSISTED_QUERY_NOT_IN_LIST" })
    : refuse("PersistedQueryNotSupported", { code: "PERSISTED_QUERY_NOT_SUPPORTED" });
}

function notAllowed(): Refusal {
  return refuse("This gateway runs known operations only: send the id of one.", { code: "PERSISTED_QUERY_ONLY" });
}
