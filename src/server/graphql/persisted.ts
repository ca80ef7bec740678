import { createHash } from "node:crypto";
import type { Persisted } from "../../config/index.ts";
import type { Operations } from "../../config/manifest.ts";
import { isMap, type Parameters } from "../http/parameters.ts";
import { type Refusal, refuse } from "../http/refusal.ts";
import { createShelf } from "../shelf.ts";

/** Who sends an operation. */
export interface Sender {
  /** Name of the caller. */
  readonly name: string;
  /** Whether a browser says that a page of the gateway itself sends it. */
  readonly isOwnPage: boolean;
}

/** Operations by name: those of the manifest, and those that clients registered. */
export interface PersistedOperations {
  /** The text that runs for a question, or why none does. */
  readonly textOf: (question: Parameters, sender: Sender) => string | Refusal;
}

/** How much text of operations that clients registered is kept, in characters; the least recently used go first. */
const mostCharacters = 4_194_304;

/**
 * Operations by name: those of the manifest, and those that clients register by their hash as they go ("automatic
 * persisted queries"). With `only`, nothing else is run but for those who are let past. What is registered belongs to
 * nobody: it is text and no answer, and whoever runs it needs the same rights as if it were sent.
 */
export function createPersistedOperations(
  { only, automatic, except }: Persisted,
  operations: Operations,
): PersistedOperations {
  const registered = createShelf(mostCharacters);

  const isLetPast = ({ name, isOwnPage }: Sender): boolean =>
    !only || except.callers.includes(name) || (except.graphiql && isOwnPage);

  /** False when the hash is another text's. */
  function register(hash: string, query: string): boolean {
    if (createHash("sha256").update(query).digest("hex") !== hash.toLowerCase()) return false;
    registered.put(hash.toLowerCase(), query);
    return true;
  }

  return {
    textOf: (question, sender) => {
      const { query } = question;
      const hash = hashOf(question);
      const id = question.documentId ?? hash;
      const known = id === null ? undefined : operations.get(id);
      // What the manifest says under an id is what runs, whatever text came along.
      if (known !== undefined) return known;
      if (query !== null) {
        if (!isLetPast(sender)) return notAllowed();
        return hash !== null && automatic && !register(hash, query) ? notItsHash() : query;
      }
      if (id === null) return only ? notAllowed() : refuse("The question has no query.");
      const found = hash === null ? null : registered.get(hash.toLowerCase());
      return found ?? (automatic && hash !== null ? notFound() : notListed(operations.size > 0));
    },
  };
}

function hashOf({ extensions }: Parameters): string | null {
  const persisted = extensions["persistedQuery"];
  const hash = isMap(persisted) ? persisted["sha256Hash"] : null;
  return typeof hash === "string" && hash !== "" ? hash : null;
}

// The words of the first two are fixed: clients look at them to know that they should send the text.

function notFound(): Refusal {
  return refuse("PersistedQueryNotFound", { status: 200, code: "PERSISTED_QUERY_NOT_FOUND", retryable: true });
}

function notListed(hasManifest: boolean): Refusal {
  return hasManifest
    ? refuse("This gateway knows no operation of that id.", { code: "PERSISTED_QUERY_NOT_IN_LIST" })
    : refuse("PersistedQueryNotSupported", { code: "PERSISTED_QUERY_NOT_SUPPORTED" });
}

function notItsHash(): Refusal {
  return refuse("The hash sent as persistedQuery is not that of the operation.");
}

function notAllowed(): Refusal {
  return refuse("This gateway runs known operations only: send the id of one.", { code: "PERSISTED_QUERY_ONLY" });
}
