const lengths = { sha256: 64, sha512: 128, sha1: 40, md5: 32 } as const;

/** The checksum algorithms the four backends use, strongest first. */
export type DigestAlgorithm = keyof typeof lengths;

const longestDigest = 256;

/** `algorithm:hex`, lower case. */
export type Digest = `${DigestAlgorithm}:${string}`;

/** Reads `algorithm:hex`, or bare hex of SHA-256 or SHA-512; shorter hex is as likely a commit or an id. */
export function parseDigest(text: string | null | undefined): Digest | null {
  if (!text || text.length > longestDigest) return null;
  const lower = text.trim().toLowerCase();
  if (/^[0-9a-f]{64}$/.test(lower)) return `sha256:${lower}`;
  if (/^[0-9a-f]{128}$/.test(lower)) return `sha512:${lower}`;
  const [algorithm, hex] = lower.split(":", 2);
  if (algorithm === undefined || hex === undefined || !isAlgorithm(algorithm)) return null;
  return digestOf(algorithm, hex) && `${algorithm}:${hex}` === lower ? `${algorithm}:${hex}` : null;
}

const lowerHex = /^[0-9a-f]+$/;

/** A digest from an algorithm and the hex that a backend gives beside it; null when the hex does not fit. */
export function digestOf(algorithm: DigestAlgorithm, hex: string | null | undefined): Digest | null {
  if (!hex) return null;
  if (hex.length > longestDigest) return null;
  const lower = lowerHex.test(hex) ? hex : hex.trim().toLowerCase();
  return lower.length === lengths[algorithm] && lowerHex.test(lower) ? `${algorithm}:${lower}` : null;
}

/** Whether equality of this digest proves equality of bytes (sha256, sha512). */
export function isStrong(digest: Digest): boolean {
  return digest.startsWith("sha256:") || digest.startsWith("sha512:");
}

function isAlgorithm(text: string): text is DigestAlgorithm {
  return Object.hasOwn(lengths, text);
}

/** An image reference taken apart as the distribution grammar does: `[registry/]repository[:tag][@digest]`. */
export interface ImageRef {
  /** The text as the backend or the caller wrote it, without scheme and surrounding space. */
  readonly raw: string;
  /** Host with port, lower case; null when the reference names none. */
  readonly registry: string | null;
  /** Path below the registry, such as `pay-core/api`. */
  readonly repository: string;
  /** Null when the reference names none; `latest` is not assumed. */
  readonly tag: string | null;
  readonly digest: Digest | null;
}

const longestReference = 1024;
const host = /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/;
// Upper case is outside the grammar, but bkrepo projects have it and Zadig stores what was pushed.
const segment = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/i;
const tagPattern = /^\w[\w.-]{0,127}$/;

/** Reads a reference in any spelling; null for what is not one (a file name with spaces, an empty string). */
export function parseImageRef(text: string | null | undefined): ImageRef | null {
  if (!text || text.length > 2 * longestReference) return null;
  const raw = text.trim().replace(/^https?:\/\//i, "");
  if (raw === "" || raw.length > longestReference) return null;
  const at = raw.indexOf("@");
  const digest = at < 0 ? null : parseDigest(raw.slice(at + 1));
  if (at >= 0 && digest === null) return null;
  const named = at < 0 ? raw : raw.slice(0, at);
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  const hasHostPort = colon >= 0 && !named.includes("/") && named.startsWith("[");
  const path = colon < 0 || hasHostPort ? named : named.slice(0, colon);
  const tag = colon < 0 || hasHostPort ? null : named.slice(colon + 1);
  if (tag !== null && !tagPattern.test(tag)) return null;
  const segments = path.split("/");
  const first = segments[0] ?? "";
  const registry = segments.length > 1 && isRegistry(first) ? first.toLowerCase() : null;
  if (registry !== null && !host.test(registry)) return null;
  const names = registry === null ? segments : segments.slice(1);
  if (names.length === 0 || names.length > 32 || !names.every((name) => segment.test(name))) return null;
  return { raw, registry, repository: names.join("/"), tag, digest };
}

/** The canonical spelling: lower-case host, no scheme, tag and digest where known. */
export function printImageRef(ref: Omit<ImageRef, "raw">): string {
  const name = ref.registry === null ? ref.repository : `${ref.registry}/${ref.repository}`;
  return `${name}${ref.tag === null ? "" : `:${ref.tag}`}${ref.digest === null ? "" : `@${ref.digest}`}`;
}

/** A reference from its parts, `raw` printed canonically. */
export function imageRef(parts: Omit<ImageRef, "raw">): ImageRef {
  return { raw: printImageRef(parts), ...parts };
}

// The first segment is a host only if it could not be a path: it has a dot or a colon, is localhost or IPv6 in
// brackets.
function isRegistry(text: string): boolean {
  return text.includes(".") || text.includes(":") || text.startsWith("[") || text.toLowerCase() === "localhost";
}

/** Whether two references name the same tag of the same repository, whatever digests stand beside it. */
export function isSameReference(one: ImageRef, other: ImageRef): boolean {
  return printImageRef({ ...one, digest: null }) === printImageRef({ ...other, digest: null });
}
