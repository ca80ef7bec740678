import { createHmac, createPublicKey } from "node:crypto";
import fc from "fast-check";
import { exportSPKI, importJWK } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuthConfig, JwtConfig } from "../../src/config/index.ts";
import { createGate, type Gate } from "../../src/server/auth/gate.ts";
import { audience, createSigner, type Issuer, issuerName, type Signer, startIssuer } from "./issuer.ts";

let issuer: Issuer;
let signer: Signer;
let gate: Gate;
const logged: { facts: object; message: string }[] = [];
const note = (facts: object, message: string) => void logged.push({ facts, message });
const log = { debug: note, info: note, warn: note, error: note };

function authOf(jwt: Partial<JwtConfig> = {}): AuthConfig {
  return {
    mode: "jwt",
    allowAnonymous: false,
    anonymousScopes: [],
    tokenBytes: 16_384,
    keys: [],
    jwt: {
      issuer: issuerName,
      audience,
      jwksUrl: issuer.jwksUrl,
      scopesClaim: "scope",
      algorithms: ["RS256"],
      ...jwt,
    },
  };
}

beforeAll(async () => {
  issuer = await startIssuer();
  signer = await createSigner("one");
  issuer.publish([signer.jwk]);
  gate = createGate({ auth: authOf(), access: [] }, log);
});

afterAll(async () => {
  await gate.close();
  await issuer.close();
});

/** Name and scopes of whoever is let in, or the status of the refusal. */
async function ask(token: string, at: Gate = gate): Promise<unknown> {
  const admission = await at.admit({ authorization: `Bearer ${token}` });
  if ("refusal" in admission) return admission.refusal.status;
  return { name: admission.caller.name, scopes: [...admission.caller.scopes] };
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const seconds = () => Math.floor(Date.now() / 1000);
const claims = () => ({
  iss: issuerName,
  aud: audience,
  sub: "evil",
  scope: "read package:delete",
  exp: seconds() + 300,
});

describe("a token", () => {
  test("of the issuer, for us, in time, lets its subject in with the scopes that mean something here", async () => {
    expect(await ask(await signer.sign({ scope: "openid read explain read:everything" }))).toEqual({
      name: "user-1",
      scopes: ["read", "explain"],
    });
  });

  test("may list its scopes, and may be for several audiences", async () => {
    const token = await signer.sign({ scope: ["release:manifests", 7, null], aud: ["other", audience] });
    expect(await ask(token)).toEqual({ name: "user-1", scopes: ["release:manifests"] });
  });

  test("without scopes lets in with none", async () => {
    expect(await ask(await signer.sign({ scope: undefined }))).toEqual({ name: "user-1", scopes: [] });
  });

  test.each<[string, () => Record<string, unknown>]>([
    ["has run out", () => ({ exp: seconds() - 60 })],
    ["never runs out", () => ({ exp: undefined })],
    ["is not valid yet", () => ({ nbf: seconds() + 60 })],
    ["is for somebody else", () => ({ aud: "another-service" })],
    ["is for nobody", () => ({ aud: undefined })],
    ["is of another issuer", () => ({ iss: "https://evil.example.test" })],
    ["is of an issuer whose name only begins alike", () => ({ iss: `${issuerName}.evil.test` })],
    ["is of no issuer", () => ({ iss: undefined })],
  ])("that %s is refused", async (_what, wrong) => {
    expect(await ask(await signer.sign(wrong()))).toBe(401);
  });

  test("with a changed claim is refused", async () => {
    const [header, , signature] = (await signer.sign()).split(".");
    expect(await ask(`${header}.${base64(claims())}.${signature}`)).toBe(401);
  });

  test.each(["none", "None", "NONE", "nOnE"])("that is not signed (alg %s) is refused", async (alg) => {
    const unsigned = `${base64({ alg, typ: "JWT", kid: "one" })}.${base64(claims())}`;
    expect(await ask(`${unsigned}.`)).toBe(401);
    expect(await ask(unsigned)).toBe(401);
    expect(await ask(`${unsigned}.${Buffer.from("x").toString("base64url")}`)).toBe(401);
  });

  test("signed with the public key as a shared secret is refused, however that key is written", async () => {
    const key = await importJWK(signer.jwk, "RS256");
    if (key instanceof Uint8Array) throw new Error("a public key is no bytes");
    const pem = await exportSPKI(key);
    const der = createPublicKey(pem).export({ type: "spki", format: "der" });
    for (const alg of ["HS256", "HS384", "HS512"]) {
      const signed = `${base64({ alg, kid: "one" })}.${base64(claims())}`;
      for (const secret of [pem, pem.trim(), der, JSON.stringify(signer.jwk), signer.jwk.n ?? ""]) {
        const mac = createHmac(alg.replace("HS", "sha"), secret).update(signed).digest("base64url");
        expect(await ask(`${signed}.${mac}`)).toBe(401);
      }
    }
  });

  test("signed with a shared secret is refused even where the issuer publishes one", async () => {
    const secret = Buffer.alloc(32, 7);
    const careless = await startIssuer();
    careless.publish([{ kty: "oct", k: secret.toString("base64url"), kid: "shared", alg: "HS256" }, signer.jwk]);
    const there = createGate({ auth: authOf({ jwksUrl: careless.jwksUrl }), access: [] }, log);
    const signed = `${base64({ alg: "HS256", kid: "shared" })}.${base64(claims())}`;
    expect(await ask(`${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`, there)).toBe(401);
    expect(await ask(await signer.sign(), there)).toMatchObject({ name: "user-1" });
    await there.close();
    await careless.close();
  });

  test("that brings its own key along, or says where one is, is refused", async () => {
    const stranger = await createSigner("one");
    const brought = await stranger.sign({}, { kid: "one", ...Object({ jwk: stranger.jwk }) });
    expect(await ask(brought)).toBe(401);
    const reads = issuer.reads();
    const pointing = await stranger.sign({}, { kid: "two", ...Object({ jku: issuer.jwksUrl, x5u: issuer.jwksUrl }) });
    expect(await ask(pointing)).toBe(401);
    expect(issuer.reads()).toBeLessThanOrEqual(reads + 1);
  });

  test("with an algorithm that is not configured is refused, though its key is published", async () => {
    const [pss, ec, ed] = await Promise.all([
      createSigner("pss", "PS256"),
      createSigner("ec", "ES256"),
      createSigner("ed", "EdDSA"),
    ]);
    const varied = await startIssuer();
    varied.publish([signer.jwk, pss.jwk, ec.jwk, ed.jwk]);
    const narrow = createGate({ auth: authOf({ jwksUrl: varied.jwksUrl }), access: [] }, log);
    const wide = createGate(
      { auth: authOf({ jwksUrl: varied.jwksUrl, algorithms: ["PS256", "ES256", "EdDSA"] }), access: [] },
      log,
    );
    for (const other of [pss, ec, ed]) {
      const token = await other.sign();
      expect(await ask(token, narrow)).toBe(401);
      expect(await ask(token, wide)).toMatchObject({ name: "user-1" });
    }
    expect(await ask(await signer.sign(), wide)).toBe(401);
    await Promise.all([narrow.close(), wide.close(), varied.close()]);
  });

  test("made of anything at all is refused and never an error of ours", async () => {
    const good = await signer.sign();
    const part = fc.oneof(
      fc.string(),
      fc.json().map((text) => Buffer.from(text).toString("base64url")),
      fc.constantFrom(...good.split(".")),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 5 }), async (parts) => {
        const token = parts.join(".");
        fc.pre(token !== good);
        const admission = await gate.admit({ authorization: `Bearer ${token}` });
        expect(admission).toMatchObject({ refusal: { status: 401 } });
      }),
      { numRuns: 500 },
    );
  });
});

describe("the issuer's keys", () => {
  const quick = { maxAgeMs: 40, coolDownMs: 20 };
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  async function fresh(times = quick) {
    const own = await startIssuer();
    const door = createGate({ auth: authOf({ jwksUrl: own.jwksUrl }), access: [] }, log, times);
    return { own, door, end: () => Promise.all([door.close(), own.close()]) };
  }

  test("are read once for many callers at once", async () => {
    const { own, door, end } = await fresh({ maxAgeMs: 60_000, coolDownMs: 60_000 });
    own.publish([signer.jwk]);
    const token = await signer.sign();
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(token, door)));
    expect(answers.every((answer) => answer !== 401)).toBe(true);
    expect(own.reads()).toBe(1);
    await end();
  });

  test("are read again when a token names one that is not known: rotation", async () => {
    const { own, door, end } = await fresh();
    own.publish([signer.jwk]);
    expect(await ask(await signer.sign(), door)).toMatchObject({ name: "user-1" });
    const next = await createSigner("two");
    own.publish([next.jwk]);
    await pause(quick.coolDownMs + 10);
    expect(await ask(await next.sign(), door)).toMatchObject({ name: "user-1" });
    expect(await ask(await signer.sign(), door), "the old key is no longer published").toBe(401);
    await end();
  });

  test("are read again when none of them has signed a token that names none: rotation", async () => {
    const { own, door, end } = await fresh();
    own.publish([signer.jwk]);
    expect(await ask(await signer.sign({}, { kid: undefined }), door)).toMatchObject({ name: "user-1" });
    const next = await createSigner("two");
    own.publish([next.jwk]);
    await pause(quick.coolDownMs + 10);
    expect(await ask(await next.sign({}, { kid: undefined }), door)).toMatchObject({ name: "user-1" });
    expect(await ask(await signer.sign({}, { kid: undefined }), door)).toBe(401);
    await end();
  });

  test("that are withdrawn stop working when they have grown old, without a new key being named", async () => {
    const { own, door, end } = await fresh();
    own.publish([signer.jwk]);
    const token = await signer.sign();
    expect(await ask(token, door)).toMatchObject({ name: "user-1" });
    own.publish([(await createSigner("two")).jwk]);
    await pause(quick.maxAgeMs + 10);
    await ask(token, door);
    await pause(quick.coolDownMs + 30);
    expect(await ask(token, door)).toBe(401);
    await end();
  });

  test("go on while their address is down; unknown ones are refused", async () => {
    const { own, door, end } = await fresh();
    own.publish([signer.jwk]);
    const token = await signer.sign();
    expect(await ask(token, door)).toMatchObject({ name: "user-1" });
    own.publish(null);
    await pause(quick.maxAgeMs + 10);
    for (let round = 0; round < 4; round++) {
      expect(await ask(token, door)).toMatchObject({ name: "user-1" });
      expect(await ask(await (await createSigner(`new-${round}`)).sign(), door)).toBe(401);
      await pause(quick.coolDownMs + 5);
    }
    expect(logged.some(({ message }) => message.includes("signing keys could not be read"))).toBe(true);
    await end();
  });

  test("that were never read admit no caller, and that is not the caller's fault", async () => {
    const { own, door, end } = await fresh();
    own.publish(null);
    expect(await ask(await signer.sign(), door)).toBe(503);
    own.publish([signer.jwk]);
    await pause(quick.coolDownMs + 10);
    expect(await ask(await signer.sign(), door)).toMatchObject({ name: "user-1" });
    await end();
  });

  test("are not asked for by made-up key ids more than once in the cool-down time", async () => {
    const { own, door, end } = await fresh({ maxAgeMs: 60_000, coolDownMs: 60_000 });
    own.publish([signer.jwk]);
    expect(await ask(await signer.sign(), door)).toMatchObject({ name: "user-1" });
    const stranger = await createSigner("stranger");
    for (let id = 0; id < 30; id++)
      expect(await ask(await stranger.sign({}, { kid: `made-up-${id}` }), door)).toBe(401);
    expect(own.reads()).toBe(1);
    await end();
  });
});
