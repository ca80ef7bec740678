import { createHash, timingSafeEqual } from "node:crypto";
import type { KeyConfig } from "../../config/index.ts";

/** Finds the key that a caller shows. */
export interface Keyring {
  /** Null for a key that opens nothing. */
  readonly find: (shown: string) => KeyConfig | null;
}

/**
 * Keys are kept and compared as hashes, each in constant time and always all of them: how long a refusal takes says
 * neither how much of a key was right nor where in the list it stands.
 */
export function createKeyring(keys: readonly KeyConfig[]): Keyring {
  const known = keys.map((key) => ({ key, hash: Buffer.from(key.sha256, "hex") }));
  return {
    find: (shown) => {
      const hash = createHash("sha256").update(shown).digest();
      return known.reduce<KeyConfig | null>((found, one) => (timingSafeEqual(one.hash, hash) ? one.key : found), null);
    },
  };
}
