import { createHash } from "node:crypto";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { audience, createSigner, type Issuer, issuerName, type Signer, startIssuer } from "./issuer.ts";

let issuer: Issuer;
let gateway: DemoGateway;

beforeEach(async () => {
  issuer = await startIssuer();
});
afterEach(async () => {
  await gateway.stop();
  await issuer.close();
});

async function serve(auth: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const jwt = { issuer: issuerName, audience, jwksUrl: issuer.jwksUrl, algorithms: ["RS256", "ES256"] };
  gateway = await startDemoGateway({ settings: { auth: { mode: "jwt", jwt, ...auth } } });
}

async function statusFor(authorization: string | null): Promise<number> {
  const headers: Record<string, string> = authorization === null ? {} : { authorization };
  return (await gateway.ask("{ __typename }", { headers })).status;
}

const bearer = (token: string) => statusFor(`Bearer ${token}`);

/** The rules that the log names, each with nothing but the id of its request and the caller's address beside it. */
function rules(): unknown[] {
  const lines = gateway.log.filter(({ message }) => message === "a credential was refused");
  for (const { level, facts } of lines) {
    expect(level).toBe("info");
    expect(facts).toEqual({ requestId: expect.any(String), rule: expect.any(String), client: "127.0.0.1" });
  }
  return lines.map(({ facts }) => Object(facts).rule);
}

/** A token whose claims fill it up to a length. */
async function tokenOf(length: number, signer: Signer): Promise<string> {
  const fill = (size: number) => signer.sign({ groups: ["g".repeat(size)] });
  const empty = (await fill(0)).length;
  // Three bytes are four characters of base64.
  const token = await fill(Math.floor(((length - empty) * 3) / 4));
  expect(Math.abs(token.length - length)).toBeLessThanOrEqual(4);
  return token;
}

describe("the length of a token", () => {
  test("may be 16,384 characters by default", async () => {
    const signer = await createSigner("one");
    issuer.publish([signer.jwk]);
    await serve();
    for (const length of [9400, 12_000, 16_370]) expect(await bearer(await tokenOf(length, signer))).toBe(200);
    expect(rules()).toEqual([]);
  });

  test("beyond the limit is refused in words, to the caller and in the log", async () => {
    const signer = await createSigner("one");
    issuer.publish([signer.jwk]);
    await serve({ tokenBytes: 2000 });
    expect(await bearer(await tokenOf(1900, signer))).toBe(200);
    const long = await gateway.ask("{ __typename }", {
      headers: { authorization: `Bearer ${await tokenOf(2100, signer)}` },
    });
    expect(long.status).toBe(401);
    expect(long.body.errors?.[0]?.message).toBe(
      "This credential is longer than the 2000 characters that auth.tokenBytes allows.",
    );
    expect(rules()).toEqual(["size"]);
  });

  test("may be more where that is configured", async () => {
    const signer = await createSigner("one");
    issuer.publish([signer.jwk]);
    await serve({ tokenBytes: 65_536 });
    expect(await bearer(await tokenOf(60_000, signer))).toBe(200);
  });

  test("beyond what headers may have is refused in words as well", async () => {
    await serve();
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(`POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${"a".repeat(40_000)}\r\n\r\n`);
    await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain("Request line and headers are larger than 32768 bytes.");
    expect(gateway.log).toContainEqual({
      level: "info",
      message: "a request was refused",
      facts: { rule: "header size", limit: 32_768 },
    });
  });
});

describe("a refusal says in the log, and there alone, which rule was broken:", () => {
  const seconds = () => Math.floor(Date.now() / 1000);

  test("of tokens", async () => {
    const [signer, other] = await Promise.all([createSigner("one"), createSigner("one")]);
    issuer.publish([signer.jwk]);
    await serve();
    const sign = (claims: Readonly<Record<string, unknown>>) => signer.sign(claims);
    const weak = await (await createSigner("one", "PS256")).sign();
    const [head = "", body = "", signature = ""] = (await signer.sign()).split(".");
    const unsigned = `${Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url")}.${body}.`;
    const broken: readonly (readonly [rule: string, authorization: string | null])[] = [
      ["missing", null],
      ["form", "Basic dXNlcjpwYXNz"],
      ["form", "Bearer two words"],
      ["form", "Bearer"],
      ["token form", "Bearer abc"],
      ["token form", `Bearer ${head}.${body}`],
      ["algorithm", `Bearer ${unsigned}`],
      ["algorithm", `Bearer ${weak}`],
      ["signing key", `Bearer ${await signer.sign({}, { kid: "two" })}`],
      ["signature", `Bearer ${await other.sign()}`],
      ["signature", `Bearer ${head}.${body}.${signature.slice(0, -8)}AAAAAAAA`],
      ["issuer", `Bearer ${await sign({ iss: "https://other.example.test" })}`],
      ["audience", `Bearer ${await sign({ aud: "other" })}`],
      ["expiry", `Bearer ${await sign({ exp: seconds() - 60 })}`],
      ["expiry", `Bearer ${await sign({ exp: undefined })}`],
      ["not before", `Bearer ${await sign({ nbf: seconds() + 60 })}`],
    ];
    const messages = new Set<unknown>();
    for (const [, authorization] of broken) {
      const headers: Record<string, string> = authorization === null ? {} : { authorization };
      const { status, body: told } = await gateway.ask("{ __typename }", { headers });
      expect(status).toBe(401);
      messages.add(told.errors?.[0]?.message);
    }
    expect(rules()).toEqual(broken.map(([rule]) => rule));
    expect(messages.size, "callers are told whether a credential is missing or bad, and no more").toBe(2);
  });

  test("of keys", async () => {
    const sha256 = createHash("sha256").update("right").digest("hex");
    gateway = await startDemoGateway({ settings: { auth: { mode: "keys", keys: [{ name: "a", sha256 }] } } });
    expect(await bearer("right")).toBe(200);
    expect(await bearer("wrong")).toBe(401);
    expect(rules()).toEqual(["key"]);
  });

  test("of an issuer whose keys cannot be had", async () => {
    issuer.publish(null);
    await serve();
    expect(await bearer(await (await createSigner("one")).sign())).toBe(503);
    expect(rules()).toEqual(["signing keys"]);
  });
});

describe("a token that names no key", () => {
  const nameless = { kid: undefined };

  test("is tried with each key that the issuer publishes for its algorithm", async () => {
    const signers = await Promise.all(["one", "two", "three"].map((kid) => createSigner(kid)));
    const curve = await createSigner("curve", "ES256");
    issuer.publish([curve, ...signers].map(({ jwk }) => jwk));
    await serve();
    for (const signer of [...signers, curve]) expect(await bearer(await signer.sign({}, nameless))).toBe(200);
    const stranger = await createSigner("stranger");
    expect(await bearer(await stranger.sign({}, nameless))).toBe(401);
    expect(await bearer(await stranger.sign())).toBe(401);
    for (const claims of [{ aud: "other" }, { exp: 1 }])
      expect(await bearer(await (signers[2] ?? curve).sign(claims, nameless))).toBe(401);
    expect(rules()).toEqual(["signature", "signing key", "audience", "expiry"]);
    expect(issuer.reads(), "a stranger makes nobody read the keys again so soon").toBe(1);
  });

  test("is tried with the next key where one cannot be used", async () => {
    const signer = await createSigner("two");
    const { jwk } = await createSigner("one");
    // A modulus of 64 bytes is too short to be used.
    issuer.publish([{ ...jwk, n: jwk.n?.slice(0, 86) }, signer.jwk]);
    await serve();
    expect(await bearer(await signer.sign({}, nameless))).toBe(200);
  });

  test("is tried with several keys of one name", async () => {
    const signers = await Promise.all(["same", "same"].map((kid) => createSigner(kid)));
    issuer.publish(signers.map(({ jwk }) => jwk));
    await serve();
    for (const signer of signers) expect(await bearer(await signer.sign())).toBe(200);
  });
});
