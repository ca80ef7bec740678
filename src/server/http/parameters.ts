import { GraphQLError } from "graphql";
import { checkValues } from "../../graph/cost/values.ts";
import { Refusal, refuse } from "./refusal.ts";
import { decodeForm, type ParsedJson, parseJson, readText } from "./text.ts";

/** The parameters of one GraphQL request, read the same whichever way they came. */
export interface Parameters {
  /** Null when there is none, or an empty one. */
  readonly query: string | null;
  /** Null when there is none, or an empty one. */
  readonly operationName: string | null;
  readonly variables: Members;
  readonly extensions: Members;
  /** Id of a persisted operation, under any of {@link idNames}; null for none. */
  readonly documentId: string | null;
}

/** A request as it was read: one question or a batch; of a batch each question may be refused by itself. */
export interface Asked {
  readonly isBatch: boolean;
  readonly questions: readonly (Parameters | Refusal)[];
}

type Members = Readonly<Record<string, unknown>>;

/** Questions in one request. */
export const mostQuestions = 10;

/** Where clients put the id, beside `extensions.persistedQuery`: the last two are Relay's habits. */
const idNames = ["documentId", "doc_id", "id"] as const;

/** Reads the body of a POST: JSON in UTF-8, an object or a list of objects. */
export function askedByBody(body: Buffer): Asked | Refusal {
  if (body.length === 0) return refuse("The request body is empty: send the question as a JSON object.");
  const text = readText(body);
  if (text === null) return refuse("The request body is not Unicode: send it in UTF-8.");
  const parsed = parseJson(text);
  if ("problem" in parsed) return refuse(`The request body ${parsed.problem}.`);
  const { value } = parsed;
  if (!Array.isArray(value)) return { isBatch: false, questions: [parametersOf(value)] };
  if (value.length === 0) return refuse("The batch is empty: send at least one question.");
  if (value.length > mostQuestions) {
    return refuse(`The batch has ${value.length} questions; at most ${mostQuestions} are allowed.`, { status: 413 });
  }
  return { isBatch: true, questions: value.map(parametersOf) };
}

const formNames: ReadonlySet<string> = new Set(["query", "operationName", "variables", "extensions", ...idNames]);

/** Reads the query component of a GET's address, as it was sent. */
export function askedByAddress(query: string): Asked | Refusal {
  const found = new Map<string, string>();
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    const name = decodeForm(equals < 0 ? pair : pair.slice(0, equals));
    if (name === null || !formNames.has(name)) continue;
    if (found.has(name)) return refuse(`The parameter "${name}" is given more than once.`);
    const value = decodeForm(equals < 0 ? "" : pair.slice(equals + 1));
    if (value === null) return refuse(`The parameter "${name}" is not Unicode: send it in UTF-8.`);
    found.set(name, value);
  }
  const members: Record<string, unknown> = {};
  for (const [name, value] of found) {
    // An empty parameter is one that was not sent.
    if (value === "") continue;
    if (name !== "variables" && name !== "extensions") members[name] = value;
    else {
      const parsed: ParsedJson = parseJson(value);
      if ("problem" in parsed) return refuse(`The parameter "${name}" ${parsed.problem}.`);
      members[name] = parsed.value;
    }
  }
  return { isBatch: false, questions: [parametersOf(members)] };
}

/** Properties that are not known are ignored; null is as good as nothing. */
function parametersOf(sent: unknown): Parameters | Refusal {
  if (!isMap(sent)) return refuse("A question is a JSON object with a query.");
  const member = (name: string): unknown => (Object.hasOwn(sent, name) ? (sent[name] ?? null) : null);
  const [query, operationName] = [member("query"), member("operationName")];
  const variables = member("variables") ?? {};
  const extensions = member("extensions") ?? {};
  if (query !== null && typeof query !== "string") return refuse('"query" must be a string.');
  if (operationName !== null && typeof operationName !== "string") return refuse('"operationName" must be a string.');
  if (!isMap(variables)) return refuse('"variables" must be a JSON object.');
  if (!isMap(extensions)) return refuse('"extensions" must be a JSON object.');
  if (query !== null && !query.isWellFormed()) {
    return refuse('"query" holds text that is not Unicode: half of a surrogate pair.');
  }
  try {
    checkValues({ operationName, variables, extensions });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return new Refusal(400, [error]);
  }
  const ids = idNames.map(member).filter((id) => typeof id === "string" && id !== "");
  return {
    query: query === "" ? null : query,
    operationName: operationName === "" ? null : operationName,
    variables,
    extensions,
    documentId: typeof ids[0] === "string" ? ids[0] : null,
  };
}

/** Whether a value is a JSON object. */
export function isMap(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a question was refused while it was read. */
export function isRefusal(question: Parameters | Refusal): question is Refusal {
  return question instanceof Refusal;
}
