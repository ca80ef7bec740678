import { parseAllDocuments, stringify } from "yaml";

/** Manifests beyond this many characters are left out whole, one by one: a page of them must stay a page. */
const mostCharacters = 262_144;

/** What all manifests of one deployment may have together; those past it are left out. */
const mostTogether = 1_048_576;

/** How often anchors may be repeated: a few lines can otherwise stand for gigabytes. */
const mostAliases = 100;

const redacted = "(redacted)";

/** Names of variables and keys whose literal value is likely a credential. */
const telling =
  /pass(?:word|wd|phrase)?|secret|token|credential|private|(?:api|access|auth|encryption|signing)[_.-]?key/i;

/** What only a Secret has: a patch or a part of one need not say its kind. */
const secretData = /^stringdata$/i;

/** Annotations in which tools keep the whole object once more, Secret data included. */
const copies = /last-applied|original-configuration/i;

/**
 * Kubernetes manifests fit to be shown. They are read as data and written anew, so that comments go and anchors are
 * resolved before anything is judged: a `Secret` keeps only what identifies it, at whatever depth it stands; literal
 * variables that are named like a credential and annotations that repeat an object lose their value. Text that is no
 * plain YAML (a template, a key given twice) is left out, because what cannot be read cannot be redacted.
 */
export function redactManifests(manifests: readonly string[]): string[] {
  let left = mostTogether;
  return manifests.flatMap((text) => {
    if (text.trim() === "" || text.length > mostCharacters) return [];
    const shown = redactText(text);
    left -= shown.reduce((sum, { length }) => sum + length, 0);
    return left >= 0 ? shown : [];
  });
}

function redactText(text: string): string[] {
  try {
    return parseAllDocuments(text, { logLevel: "silent", merge: true }).flatMap((document) => {
      if (document.errors.length > 0) throw new SyntaxError("not plain YAML");
      const data: unknown = document.toJS({ maxAliasCount: mostAliases });
      return data === null || data === undefined
        ? []
        : [stringify(redact(data), { lineWidth: 0, aliasDuplicateObjects: false })];
    });
  } catch {
    return [];
  }
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
