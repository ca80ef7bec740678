import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  parseAllDocuments,
  stringify,
} from "yaml";

/** Manifests beyond this many characters are left out whole, one by one: a page of them must stay a page. */
const mostCharacters = 262_144;

/** What all manifests of one deployment may have together, shown or not; those past it are not read. */
const mostTogether = 1_048_576;

/** Words and marks of one manifest: reading it takes as long as there are of these. */
const mostLexemes = 30_000;

/** The same for all manifests of one deployment. */
const mostLexemesTogether = 120_000;

/** How often anchors may be repeated: a few lines can otherwise stand for gigabytes. */
const mostAliases = 100;

/** Values and 32 characters each of one document, anchors put in the place of their aliases. */
const mostExpanded = 60_000;

const redacted = "(redacted)";

/** Names of variables and keys whose literal value is likely a credential. */
const telling =
  /pass(?:word|wd|phrase)?|secret|token|credential|private|(?:api|access|auth|encryption|signing)[_.-]?key/i;

/** What only a Secret has: a patch or a part of one need not say its kind. */
const secretData = /^stringdata$/i;

/** Annotations in which tools keep the whole object once more, Secret data included. */
const copies = /last-applied|original-configuration/i;

/**
 * Kubernetes manifests fit to be shown. They are read as data and written again, so that comments go and anchors are
 * resolved before anything is judged: a `Secret` keeps only what identifies it, at whatever depth it stands; literal
 * variables that are named like a credential and annotations that repeat an object lose their value. Text that is no
 * plain YAML (a template, a key given twice) is left out, because what cannot be read cannot be redacted.
 */
export function redactManifests(manifests: readonly string[]): string[] {
  return [...redactEach(manifests)].flat();
}

/** The same, each manifest in a task of its own, so that the event loop is never blocked for long. */
export async function redactInTasks(manifests: readonly string[]): Promise<string[]> {
  const shown: string[] = [];
  for (const part of redactEach(manifests)) {
    for (const text of part) shown.push(text);
    await nextTurn();
  }
  return shown;
}

function* redactEach(manifests: readonly string[]): Generator<string[]> {
  let characters = mostTogether;
  let lexemes = mostLexemesTogether;
  for (const text of manifests) {
    if (text.length > mostCharacters || text.trim() === "") continue;
    // What is read counts, whether or not anything comes of it.
    characters -= text.length;
    if (characters < 0) return;
    const count = lexemesIn(text, Math.min(mostLexemes, lexemes));
    lexemes -= count;
    if (lexemes < 0) return;
    if (count <= mostLexemes) yield redactText(text);
  }
}

/** Lexemes of a text, counted to one more than `most`. */
function lexemesIn(text: string, most: number): number {
  let count = 0;
  for (const _ of new Lexer().lex(text)) {
    count += 1;
    if (count > most) break;
  }
  return count;
}

function redactText(text: string): string[] {
  try {
    // The library compares each key with each; here keys are looked up.
    return parseAllDocuments(text, { logLevel: "silent", merge: true, uniqueKeys: false }).flatMap((document) => {
      if (document.errors.length > 0 || !isPlain(document)) throw new SyntaxError("not plain YAML");
      const data: unknown = document.toJS({ maxAliasCount: mostAliases });
      return data === null || data === undefined
        ? []
        : [stringify(redact(data), { lineWidth: 0, aliasDuplicateObjects: false })];
    });
  } catch {
    return [];
  }
}

/** Whether no map has a key twice, and the whole is small with each alias in full. */
function isPlain({ contents }: Document.Parsed): boolean {
  const anchors = new Map<string, number>();
  let isFine = true;
  // Sizes of what is anchored are known before it can be repeated.
  const sizeOf = (node: unknown): number => {
    if (!isFine) return 0;
    if (isPair(node)) return sizeOf(node.key) + sizeOf(node.value);
    let size = 1;
    if (isAlias(node)) return anchors.get(node.source) ?? 1;
    if (isScalar(node)) size += typeof node.value === "string" ? node.value.length / 32 : 0;
    else if (isMap(node) || isSeq(node)) {
      const keys = new Set<unknown>();
      for (const item of node.items) {
        if (isPair(item) && isScalar(item.key)) {
          if (keys.has(item.key.value)) isFine = false;
          keys.add(item.key.value);
        }
        size += sizeOf(item);
        if (size > mostExpanded) isFine = false;
      }
    }
    if (isNode(node) && "anchor" in node && typeof node.anchor === "string") anchors.set(node.anchor, size);
    return size;
  };
  return sizeOf(contents) <= mostExpanded && isFine;
}

function redact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redact);
  if (value instanceof Map) return redact(Object.fromEntries(value));
  if (typeof value !== "object" || value === null) return value;
  const map: Readonly<Record<string, unknown>> = { ...value };
  if (isSecret(map)) return bareSecret(map);
  const isTelling = typeof map["name"] === "string" && telling.test(map["name"]);
  return Object.fromEntries(
    Object.entries(map).flatMap(([key, inner]) => {
      if (secretData.test(key)) return [];
      if (copies.test(key) || (isTelling && key === "value")) return [[key, redacted]];
      // A map of a telling name, such as `secretKeyRef`, only says where the value is.
      return [[key, telling.test(key) && typeof inner === "string" && !refers(key) ? redacted : redact(inner)]];
    }),
  );
}

// Names of things, as in `secretName: db`, are what manifests are read for.
function refers(key: string): boolean {
  return /(?:name|ref|path|policy|type|class)$/i.test(key);
}

// The items of a `SecretList`, as the API server writes them, do not say again what they are. Old servers took keys in
// any case.
function isSecret(map: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(map).some(
    ([key, kind]) => /^kind$/i.test(key) && typeof kind === "string" && /^secret(?:list)?$/i.test(kind.trim()),
  );
}

function bareSecret({ apiVersion, kind, type, metadata }: Readonly<Record<string, unknown>>): unknown {
  const { name, namespace } =
    typeof metadata === "object" && metadata !== null ? { name: null, namespace: null, ...metadata } : {};
  const facts = { apiVersion, kind, type, metadata: textsOf({ name, namespace }) };
  return { ...textsOf(facts), metadata: facts.metadata };
}

function textsOf(facts: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(facts).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])),
  );
}
