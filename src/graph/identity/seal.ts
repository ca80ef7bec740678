import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";

/** Hides text from who carries it, and tells whether it is still what was hidden. */
export interface Seal {
  /** The text as base64url that nobody else can read; the same text in the same place is sealed the same. */
  readonly close: (text: string, place: string) => string;
  /** Null for what was not sealed here, or for another place. */
  readonly open: (sealed: string, place: string) => string | null;
}

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** A seal of this secret: all processes that have the same one open each other's. */
export function createSeal(secret: string): Seal {
  const keyFor = (use: string) => Buffer.from(hkdfSync("sha256", secret, "", use, 32));
  const [key, nonceKey] = [keyFor("delivery-graph cursors"), keyFor("delivery-graph nonces")];
  return {
    close: (text, place) => {
      // Made from what is sealed, so that no two texts ever share one.
      const mac = createHmac("sha256", nonceKey)
        .update(JSON.stringify([place, text]))
        .digest();
      const nonce = mac.subarray(0, nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(place));
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url");
    },
    open: (sealed, place) => {
      const bytes = Buffer.from(sealed, "base64url");
      if (bytes.length < nonceBytes + tagBytes || bytes.toString("base64url") !== sealed) return null;
      const cipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes)).setAAD(Buffer.from(place));
      cipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      try {
        return Buffer.concat([cipher.update(bytes.subarray(nonceBytes + tagBytes)), cipher.final()]).toString("utf8");
      } catch {
        return null;
      }
    },
  };
}
