import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configOf } from "../../src/config/index.ts";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { audience, createSigner, type Issuer, issuerName, type Signer, startIssuer } from "./issuer.ts";

const hashOf = (key: string) => createHash("sha256").update(key).digest("hex");
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const manifests = "{ releases(first: 5) { nodes { version deployments { service manifests } } } }";

interface Deployed {
  readonly releases: { readonly nodes: readonly { readonly deployments: readonly Deployment[] | null }[] };
}

interface Deployment {
  readonly service: string;
  readonly manifests: readonly string[] | null;
}

describe("with keys", () => {
  let gateway: DemoGateway;

  beforeAll(async () => {
    const keys = [
      { name: "reader", sha256: hashOf("key-of-reader") },
      { name: "operator", sha256: hashOf("key-of-operator").toUpperCase(), scopes: ["read", "release:manifests"] },
      { name: "nothing", sha256: hashOf("key-of-nothing"), scopes: [] },
    ];
    gateway = await startDemoGateway({ settings: { auth: { mode: "keys", keys } } });
  });

  afterAll(() => gateway.stop());

  test.each([
    ["no credential", {}, 'Bearer realm="delivery-graph"'],
    ["a wrong key", bearer("key-of-readerx"), 'error="invalid_token"'],
    ["a key's hash in its place", bearer(hashOf("key-of-reader")), 'error="invalid_token"'],
    ["another scheme", { authorization: "Basic a2V5" }, 'error="invalid_token"'],
    ["an empty one", { authorization: "Bearer " }, 'error="invalid_token"'],
    ["two at once", { authorization: "Bearer key-of-reader, Bearer key-of-reader" }, 'error="invalid_token"'],
  ])("%s is answered 401 with a challenge, and no backend is asked", async (_what, headers, challenge) => {
    gateway.forget();
    const { status, headers: told, body } = await gateway.ask("{ backends { name health { status } } }", { headers });
    expect(status).toBe(401);
    expect(told.get("www-authenticate")).toContain(challenge);
    expect(body.errors?.[0]?.extensions).toEqual({ code: "UNAUTHENTICATED", retryable: false });
    expect(body.data).toBeUndefined();
    expect(gateway.calls()).toEqual({});
  });

  test("GET is asked for a key as well, and a question of the browser is not", async () => {
    const got = await fetch(`${gateway.url}/graphql?query={__typename}`);
    expect(got.status).toBe(401);
    const asked = await fetch(`${gateway.url}/graphql`, {
      method: "OPTIONS",
      headers: { origin: "https://a.example", "access-control-request-method": "POST" },
    });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("the pages that need no key tell nothing of what is behind the door", async () => {
    for (const path of ["/", "/health", "/ready"]) {
      const response = await fetch(`${gateway.url}${path}`);
      expect(response.status).toBe(200);
      const text = await response.text();
      for (const name of ["zadig", "bkrepo", "swr-north4", "gitlab"]) {
        expect(text.replaceAll("over Zadig, bkrepo, Huawei SWR and GitLab", "")).not.toContain(name);
      }
    }
  });

  test("the right key lets in", async () => {
    const { status, body } = await gateway.ask("{ backends { name } }", { headers: bearer("key-of-reader") });
    expect(status).toBe(200);
    expect(body.errors).toBeUndefined();
  });

  test("a key without read sees no field, and no one is asked for it", async () => {
    gateway.forget();
    const { status, body } = await gateway.ask('{ __typename release(id: "x") { id } releases { nodes { id } } }', {
      headers: bearer("key-of-nothing"),
    });
    expect(status).toBe(200);
    expect(body.data).toEqual({ __typename: "Query", release: null, releases: null });
    expect(body.errors?.map(({ path, extensions }) => [path, extensions?.["code"]])).toEqual([
      [["release"], "FORBIDDEN"],
      [["releases"], "FORBIDDEN"],
    ]);
    expect(gateway.calls()).toEqual({});
  });

  test("a missing scope nulls the field alone, with FORBIDDEN and HTTP 200", async () => {
    const shown = await gateway.ask(manifests, { headers: bearer("key-of-operator") });
    const hidden = await gateway.ask(manifests, { headers: bearer("key-of-reader") });
    expect([shown.status, hidden.status]).toEqual([200, 200]);
    const all = (answer: typeof shown) =>
      (answer.body.data as unknown as Deployed).releases.nodes.flatMap(({ deployments }) => deployments ?? []);
    expect(all(shown).some((one) => (one.manifests ?? []).length > 0)).toBe(true);
    expect(all(hidden)).toEqual(all(shown).map(({ service }) => ({ service, manifests: null })));
    const codes = hidden.body.errors?.map(({ extensions }) => extensions?.["code"]) ?? [];
    expect(codes).toHaveLength(all(hidden).length);
    expect(new Set(codes)).toEqual(new Set(["FORBIDDEN"]));
  });

  test("every operation of a batch has the caller's scopes and no others", async () => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...bearer("key-of-nothing") },
      body: JSON.stringify([{ query: "{ releases { nodes { id } } }" }, { query: "{ artifacts { nodes { id } } }" }]),
    });
    const answers: unknown = await response.json();
    expect(answers).toMatchObject([
      { data: { releases: null }, errors: [{ extensions: { code: "FORBIDDEN" } }] },
      { data: { artifacts: null }, errors: [{ extensions: { code: "FORBIDDEN" } }] },
    ]);
  });
});

describe("with tokens", () => {
  let gateway: DemoGateway;
  let issuer: Issuer;
  let signer: Signer;

  beforeAll(async () => {
    [issuer, signer] = await Promise.all([startIssuer(), createSigner("one", "ES256")]);
    issuer.publish([signer.jwk]);
    const jwt = { issuer: issuerName, audience, jwksUrl: issuer.jwksUrl, algorithms: ["ES256"] };
    gateway = await startDemoGateway({ settings: { auth: { mode: "jwt", jwt } } });
  });

  afterAll(async () => {
    await gateway.stop();
    await issuer.close();
  });

  test("a good one lets in, a bad one and none do not", async () => {
    const ask = (headers: Record<string, string>) => gateway.ask("{ backends { name } }", { headers });
    expect((await ask(bearer(await signer.sign()))).status).toBe(200);
    expect((await ask(bearer(await signer.sign({ aud: "else" })))).status).toBe(401);
    expect((await ask({})).status).toBe(401);
  });

  test("the token's scopes are the caller's", async () => {
    const { body } = await gateway.ask("{ releases { nodes { id } } }", {
      headers: bearer(await signer.sign({ scope: "explain" })),
    });
    expect(body.errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
  });
});

describe("with no one at the door", () => {
  const problemsOf = (sections: Record<string, unknown>, environment: Record<string, string> = {}) => {
    const backends = [{ name: "z", kind: "zadig", url: "http://127.0.0.1:9", credentials: { token: "t" } }];
    const reading = configOf({ backends, ...sections }, environment);
    return "problems" in reading ? reading.problems.map(({ path, message }) => `${path} ${message}`) : reading.config;
  };

  test("what is reachable from outside is refused at start-up, unless it is allowed in so many words", () => {
    expect(problemsOf({}, { HOST: "0.0.0.0" })).toEqual([expect.stringContaining("without a login")]);
    expect(problemsOf({ auth: { allowAnonymous: true } }, { HOST: "0.0.0.0" })).toMatchObject({
      auth: { anonymousScopes: ["read", "explain"] },
      server: { graphiql: false, introspection: false },
    });
    expect(
      problemsOf({ auth: { mode: "keys", keys: [{ name: "a", sha256: "a".repeat(64) }] } }, { HOST: "::" }),
    ).toMatchObject({ auth: { mode: "keys" } });
  });

  test("manifests are shown on loopback only, and deleting is never among what everybody may do", () => {
    expect(problemsOf({})).toMatchObject({ auth: { anonymousScopes: ["read", "explain", "release:manifests"] } });
  });

  test.each([
    [{ mode: "keys" }, "auth.keys is missing"],
    [{ mode: "keys", keys: [] }, "auth.keys is missing"],
    [
      { mode: "keys", keys: [{ name: "a", sha256: "abc" }] },
      "auth.keys[0].sha256 must be the SHA-256 of the key: 64 hex",
    ],
    [{ mode: "keys", keys: [{ name: "a", sha256: "g".repeat(64) }] }, "auth.keys[0].sha256 must be the SHA-256"],
    [
      { mode: "keys", keys: [{ name: "a", sha256: "a".repeat(64), scopes: ["write"] }] },
      "auth.keys[0].scopes[0] must be one of: read",
    ],
    [
      { mode: "keys", keys: ["a", "A"].map((digit) => ({ name: "a", sha256: digit.repeat(64) })) },
      "auth.keys[1].sha256 is the same key as auth.keys[0]",
    ],
    [{ keys: [{ name: "a", sha256: "a".repeat(64) }] }, "auth.keys is only looked at with mode: keys"],
    [{ mode: "jwt" }, "auth.jwt is missing"],
    [
      { mode: "jwt", jwt: { issuer: "i", audience: "a", jwksUrl: "http://sso.example.com/jwks" } },
      "auth.jwt.jwksUrl must be https",
    ],
    [
      { mode: "jwt", jwt: { issuer: "i", audience: "a", jwksUrl: "https://s/j", algorithms: ["HS256"] } },
      "auth.jwt.algorithms[0] must be one of: RS256",
    ],
    [
      { mode: "jwt", jwt: { issuer: "i", audience: "a", jwksUrl: "https://s/j", algorithms: ["none"] } },
      "auth.jwt.algorithms[0] must be one of",
    ],
  ])("an auth section that would not do what it says is refused: %j", (auth, problem) => {
    expect(problemsOf({ auth })).toContainEqual(expect.stringContaining(problem));
  });
});
