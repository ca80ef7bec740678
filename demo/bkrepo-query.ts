/** A document as it is stored. */
export type Document = Readonly<Record<string, unknown>>;

/** A refusal: HTTP status and bkrepo's code. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number) {
    super(`${status}/${code}`);
    this.status = status;
    this.code = code;
  }
}

/** A search as it was sent, checked for what the real server checks. */
export interface Query {
  readonly select: readonly string[] | null;
  readonly pageNumber: number;
  readonly pageSize: number;
  readonly sort: readonly string[];
  readonly descending: boolean;
  readonly rule: Nested;
  readonly projectId: string;
}

type Rule = Nested | Leaf;

interface Nested {
  readonly relation: string;
  readonly rules: readonly Rule[];
}

interface Leaf {
  readonly field: string;
  readonly operation: string;
  readonly value: unknown;
}

const unreadable = () => new Refusal(400, 250106);

/** Reads a search body; throws the {@link Refusal} that the real server would answer. */
export function parseQuery(body: string): Query {
  const query = asObject(parseJson(body));
  const page = query["page"] === undefined || query["page"] === null ? {} : asObject(query["page"]);
  const sort = query["sort"] === undefined || query["sort"] === null ? {} : asObject(query["sort"]);
  const rule = parseRule(query["rule"]);
  if (!isNested(rule) || rule.relation !== "AND") throw new Refusal(400, 250105);
  const project = rule.rules.find((one) => !isNested(one) && one.field === "projectId");
  if (project === undefined || isNested(project)) throw new Refusal(400, 250103);
  const pageNumber = typeof page["pageNumber"] === "number" ? page["pageNumber"] : 1;
  const pageSize = typeof page["pageSize"] === "number" ? page["pageSize"] : 20;
  return {
    select: Array.isArray(query["select"]) ? query["select"].map(String) : null,
    pageNumber: Math.max(1, pageNumber),
    pageSize: pageSize <= 0 ? 20 : pageSize,
    sort: Array.isArray(sort["properties"]) ? sort["properties"].map(String) : [],
    descending: sort["direction"] === "DESC",
    rule,
    projectId: String(project.value),
  };
}

/** The repositories that a search looks into, as its rules name them and the user may read them. */
export function scopeOf(
  query: Query,
  repositories: readonly {
    readonly projectId: string;
    readonly name: string;
    readonly type: string;
    readonly readable: boolean;
  }[],
): readonly string[] {
  const own = repositories.filter(({ projectId }) => projectId === query.projectId);
  const readable = own.filter((repository) => repository.readable);
  const byName = leafOf(query.rule, "repoName");
  const byType = leafOf(query.rule, "repoType");
  if (byName?.operation === "IN") {
    const names = Array.isArray(byName.value) ? byName.value : [];
    return readable.map(({ name }) => name).filter((name) => names.includes(name));
  }
  if (byName?.operation === "NIN") {
    const names = Array.isArray(byName.value) ? byName.value : [];
    return readable.map(({ name }) => name).filter((name) => !names.includes(name));
  }
  if (byName) {
    // One repository by name: missing and forbidden look the same.
    const named = readable.filter(({ name }) => name === byName.value);
    if (named.length === 0) throw new Refusal(403, 250113);
    return named.map(({ name }) => name);
  }
  if (byType) return readable.filter(({ type }) => type === String(byType.value).toUpperCase()).map(({ name }) => name);
  // Without either the whole project is searched, which only its managers may do.
  throw new Refusal(403, 250113);
}

/** Documents that match, sorted: ties and unknown properties keep the stored order. */
export function run<T extends Document>(query: Query, documents: readonly T[]): T[] {
  const found = documents.filter((document) => holds(query.rule, document));
  const direction = query.descending ? -1 : 1;
  return found.sort((left, right) => {
    for (const property of query.sort) {
      const order = compare(valueAt(left, property), valueAt(right, property));
      if (order !== 0) return order * direction;
    }
    return 0;
  });
}

/** Orders values of one type; anything else ties. */
export function compare(left: unknown, right: unknown): number {
  if (typeof left === "number" && typeof right === "number") return left - right;
  if (typeof left === "string" && typeof right === "string") return left < right ? -1 : left > right ? 1 : 0;
  return 0;
}

function holds(rule: Rule, document: Document): boolean {
  if (isNested(rule)) {
    if (rule.relation === "OR") return rule.rules.some((one) => holds(one, document));
    if (rule.relation === "NOR") return !rule.rules.some((one) => holds(one, document));
    return rule.rules.every((one) => holds(one, document));
  }
  // Answered by the scope: a document has no such field.
  if (rule.field === "repoType") return true;
  const value = valueAt(document, rule.field);
  return Array.isArray(value) ? value.some((one) => matches(rule, one)) : matches(rule, value);
}

function matches({ operation, value }: Leaf, actual: unknown): boolean {
  const text = typeof actual === "string" ? actual : "";
  const wanted = typeof value === "string" ? value : "";
  switch (operation) {
    case "IN":
      return Array.isArray(value) && value.includes(actual);
    case "NIN":
      return Array.isArray(value) && !value.includes(actual);
    case "NE":
      return actual !== value;
    case "LT":
      return compare(actual, value) < 0;
    case "LTE":
      return compare(actual, value) <= 0;
    case "GT":
      return compare(actual, value) > 0;
    case "GTE":
      return compare(actual, value) >= 0;
    case "PREFIX":
      return text.startsWith(wanted);
    case "SUFFIX":
      return text.endsWith(wanted);
    case "CONTAINS":
      return text.includes(wanted);
    case "MATCH":
      return wildcard(wanted, "").test(text);
    case "MATCH_I":
      return wildcard(wanted, "i").test(text);
    case "NULL":
      return actual === undefined || actual === null;
    case "NOT_NULL":
      return actual !== undefined && actual !== null;
    default:
      // Words the server does not know mean equality there.
      return actual === value;
  }
}

function wildcard(pattern: string, flags: string): RegExp {
  const source = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${source.join(".*")}$`, flags);
}

function valueAt(document: Document, path: string): unknown {
  if (Object.hasOwn(document, path)) return document[path];
  const cut = path.indexOf(".");
  const inner = cut < 0 ? undefined : document[path.slice(0, cut)];
  return typeof inner === "object" && inner !== null && !Array.isArray(inner)
    ? valueAt(Object.fromEntries(Object.entries(inner)), path.slice(cut + 1))
    : undefined;
}

function leafOf(rule: Nested, field: string): Leaf | undefined {
  for (const one of rule.rules) {
    const found = isNested(one) ? leafOf(one, field) : one.field === field ? one : undefined;
    if (found) return found;
  }
  return undefined;
}

function parseRule(value: unknown): Rule {
  const rule = asObject(value);
  if (typeof rule["relation"] === "string") {
    if (!Array.isArray(rule["rules"])) throw unreadable();
    return { relation: rule["relation"], rules: rule["rules"].map(parseRule) };
  }
  // Without `relation` a nest is read as a leaf, and a leaf must have all three.
  const { field, operation } = rule;
  if (typeof field !== "string" || typeof operation !== "string" || !("value" in rule)) throw unreadable();
  return { field, operation, value: rule["value"] };
}

function isNested(rule: Rule): rule is Nested {
  return "relation" in rule;
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw unreadable();
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unreadable();
  return Object.fromEntries(Object.entries(value));
}
