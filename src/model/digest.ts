const lengths = { sha256: 64, sha512: 128, sha1: 40, md5: 32 } as const;

/** The checksum algorithms the four backends use, strongest first. */
export type DigestAlgorithm = keyof typeof lengths;

/** With its algorithm and some blanks around it. */
const longestDigest = 256;

/** `algorithm:hex`, lower case. */
export type Digest = `${DigestAlgorithm}:${string}`;

/**
 * Reads `algorithm:hex` in any case, or bare hex of 64 (SHA-256) or 128 (SHA-512) digits; null for anything else.
 * Bare hex of 32 or 40 digits is refused: it is as likely a commit or an id.
 */
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
