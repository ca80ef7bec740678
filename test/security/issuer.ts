import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";

/** An issuer of tokens on a loopback port, with its key set. */
export interface Issuer {
  readonly name: string;
  readonly jwksUrl: string;
  /** How often its keys were read. */
  readonly reads: () => number;
  /** What it publishes; null answers 503. */
  readonly publish: (keys: readonly object[] | null) => void;
  readonly close: () => Promise<void>;
}

/** A signing key with its public half as a JWK. */
export interface Signer {
  readonly jwk: JWK;
  readonly sign: (
    claims?: { readonly [claim: string]: unknown },
    /** `kid: undefined` names no key. */
    header?: { readonly alg?: string; readonly kid?: string | undefined },
  ) => Promise<string>;
}

export const issuerName = "https://sso.example.test";
export const audience = "delivery-graph";

/** Starts the issuer with nothing published. */
export async function startIssuer(): Promise<Issuer> {
  let published: readonly object[] | null = [];
  let reads = 0;
  const server = createServer((_request, response) => {
    reads += 1;
    if (published === null) response.writeHead(503).end("down");
    else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys: published }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    name: issuerName,
    jwksUrl: `http://127.0.0.1:${port}/keys.json?v=1`,
    reads: () => reads,
    publish: (keys) => {
      published = keys;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Makes a key pair; `kid` names it. */
export async function createSigner(kid: string, alg = "RS256"): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" };
  return {
    jwk,
    sign: (claims = {}, header = {}) => {
      const now = Math.floor(Date.now() / 1000);
      const usual: JWTPayload = {
        iss: issuerName,
        aud: audience,
        sub: "user-1",
        scope: "openid read",
        iat: now,
        exp: now + 300,
      };
      const { kid: named, ...rest } = { alg, kid, ...header };
      return new SignJWT({ ...usual, ...claims })
        .setProtectedHeader(named === undefined ? rest : { ...rest, kid: named })
        .sign(privateKey);
    },
  };
}
