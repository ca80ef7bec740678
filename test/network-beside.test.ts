import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { createAuthority, servePlain, serveProxy, serveTls } from "./support/network.ts";
import { startMain } from "./support/process.ts";
import { startWith } from "./support/started.ts";

// What leaves the gateway beside the calls to backends: the issuer's keys, tokens of IAM, traces.

const authority = createAuthority();
afterAll(() => authority.remove());
const secret = "pr0xyPassw0rd";

/** A gateway over these settings, and what it logged. */
async function gatewayOf(settings: object, environment: Readonly<Record<string, string>>) {
  const lines: { readonly facts: object; readonly message: string }[] = [];
  const take = (facts: object, message: string) => void lines.push({ facts, message });
  const log = { info: take, warn: take, error: take };
  const gateway = await startWith(settings, { environment, log });
  onTestFinished(() => gateway.stop(0));
  const ask = (query: string, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ query }),
    });
  return { ask, lines, url: gateway.url };
}

describe("the issuer's signing keys", () => {
  const settings = (jwksUrl: string) => ({
    auth: { mode: "jwt", jwt: { issuer: "https://sso.test", audience: "a", jwksUrl } },
    backends: [
      { kind: "gitlab", name: "gitlab", url: "http://127.0.0.1:1", credentials: { token: "t" }, proxy: false },
    ],
  });
  const token = { authorization: `Bearer ${btoa('{"alg":"RS256","kid":"k"}').replace(/=+$/, "")}.e30.c2ln` };

  test("are read by the environment's proxy", async () => {
    const proxy = await serveProxy({ refuses: 403 });
    const environment = { HTTPS_PROXY: `http://who:${secret}@127.0.0.1:${proxy.port}` };
    const { ask, lines } = await gatewayOf(settings("https://sso.test/jwks.json"), environment);
    expect((await ask("{ __typename }", token)).status).toBe(503);
    expect(proxy.lines()).toEqual(["CONNECT sso.test:443"]);
    const { facts } = lines.find(({ message }) => message.includes("signing keys")) ?? {};
    expect(facts).toMatchObject({
      reason: "UNAVAILABLE",
      detail: expect.stringMatching(/^the proxy refused with 403: /),
    });
    expect(JSON.stringify(lines)).not.toContain(secret);
  });

  test("are not where NO_PROXY says so, and a certificate that is wrong is named", async () => {
    const proxy = await serveProxy({});
    const tls = await serveTls(authority.sign("sso.test"), 1);
    const environment = { HTTPS_PROXY: proxy.url, NO_PROXY: "127.0.0.0/8" };
    const { ask, lines } = await gatewayOf(settings(`https://127.0.0.1:${tls.port}/jwks.json`), environment);
    expect((await ask("{ __typename }", token)).status).toBe(503);
    expect(proxy.asked).toEqual([]);
    const { facts } = lines.find(({ message }) => message.includes("signing keys")) ?? {};
    expect(facts).toMatchObject({ detail: expect.stringMatching(/^UNABLE_TO_VERIFY_LEAF_SIGNATURE: /) });
  });
});

test("tokens of IAM come by the backend's proxy and authorities, by a name of their own", async () => {
  const asked: string[] = [];
  const swr = await servePlain((incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url?.split("?")[0]}`);
    const isIam = incoming.url?.startsWith("/v3/auth/tokens");
    response.writeHead(isIam ? 201 : 200, { "content-type": "application/json", "x-subject-token": "t1" });
    response.end(isIam ? '{"token":{"expires_at":"2099-01-01T00:00:00Z"}}' : '[{"namespace":"pay","package":"a"}]');
  });
  const [own, iam] = await Promise.all(["swr.test", "iam.test"].map((at) => serveTls(authority.sign(at), swr.port)));
  if (!own || !iam) throw new Error("two servers");
  const proxy = await serveProxy({ hosts: { "region.test": own.port, "iam.test": iam.port } });
  const identity = { url: "https://iam.test", domain: "d", user: "u", password: "p", project: "p" };
  const backend = {
    ...{ kind: "swr", name: "swr", url: "https://region.test", credentials: { iam: identity } },
    ...{ proxy: proxy.url, tls: { ca: authority.certPath, serverName: "swr.test" } },
  };
  const { ask } = await gatewayOf({ backends: [backend] }, {});
  const query = '{ packages(scope: { backend: "swr", repository: "pay" }) { nodes { name } } }';
  expect((await (await ask(query)).json()).data).toEqual({ packages: { nodes: [{ name: "a" }] } });
  expect(new Set(proxy.lines())).toEqual(new Set(["CONNECT iam.test:443", "CONNECT region.test:443"]));
  expect(asked[0]).toBe("POST /v3/auth/tokens");
  expect(iam.shown.map(({ serverName }) => serverName)).toEqual(["iam.test"]);
  expect(new Set(own.shown.map(({ serverName }) => serverName))).toEqual(new Set(["swr.test"]));
});

describe("a process", () => {
  for (const name of ["localhost", "127.0.0.1"]) {
    test(`speaks TLS with a proxy that wants it (${name}), and trusts NODE_EXTRA_CA_CERTS`, async () => {
      const gitlab = await servePlain((_, response) => {
        response.writeHead(200, { "content-type": "application/json" }).end('{"version":"17.0.0","revision":"a"}');
      });
      const backend = await serveTls(authority.sign("gitlab.test"), gitlab.port);
      const proxy = await serveProxy({ hosts: { "gitlab.test": backend.port, "plain.test": gitlab.port } });
      const front = await serveTls(authority.sign(name), proxy.port);
      const urls = ["https://gitlab.test", "http://plain.test"];
      const backends = urls.map((url, at) => ({
        kind: "gitlab",
        name: `gitlab-${at}`,
        url,
        credentials: { token: "t" },
      }));
      const file = authority.write("gateway.yaml", JSON.stringify({ backends }));
      const at = `https://${name}:${front.port}`;
      const variables = { HTTPS_PROXY: at, HTTP_PROXY: at, NODE_EXTRA_CA_CERTS: authority.certPath };
      const gateway = await startMain(["--config", file], variables);
      onTestFinished(() => gateway.close());
      const { data } = await (await question(gateway.url)).json();
      expect([data, gateway.stderr()]).toMatchObject([
        { backends: [{ health: { status: "OK" } }, { health: { status: "OK" } }] },
        expect.not.stringContaining("Warning"),
      ]);
      expect(new Set(proxy.lines())).toEqual(
        new Set(["CONNECT gitlab.test:443", "GET http://plain.test/api/v4/version"]),
      );
    });
  }

  const question = (url: string) =>
    fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "{ backends { health { status } } }" }),
    });

  test("sends traces by the environment's proxy, and asks the demo's own servers without it", async () => {
    const collector = await servePlain((_, response) => response.end("{}"));
    const tls = await serveTls(authority.sign("collector.test"), collector.port);
    const proxy = await serveProxy({ hosts: { "collector.test": tls.port }, credentials: `who:${secret}` });
    const gateway = await startMain(["--demo"], {
      HTTPS_PROXY: `http://who:${secret}@127.0.0.1:${proxy.port}`,
      HTTP_PROXY: "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector.test",
      OTEL_EXPORTER_OTLP_CERTIFICATE: authority.certPath,
      OTEL_BSP_SCHEDULE_DELAY: "50",
    });
    onTestFinished(() => gateway.close());
    const { data } = await (await question(gateway.url)).json();
    expect(data.backends.map((one: { health: { status: string } }) => one.health.status)).not.toContain("DOWN");
    await expect.poll(() => collector.connections(), { timeout: 10_000 }).toBeGreaterThan(0);
    expect(proxy.lines()[0]).toMatch(/^CONNECT collector\.test(:443)?$/);
    expect(gateway.stdout() + gateway.stderr()).not.toContain(secret);
  });

  test("does not say who it is to a proxy that refuses traces", async () => {
    const proxy = await serveProxy({ refuses: 407 });
    const gateway = await startMain(["--demo"], {
      HTTPS_PROXY: `http://who:${secret}@127.0.0.1:${proxy.port}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector.test",
      OTEL_BSP_SCHEDULE_DELAY: "50",
    });
    onTestFinished(() => gateway.close());
    await question(gateway.url);
    await expect.poll(() => proxy.asked.length, { timeout: 10_000 }).toBeGreaterThan(0);
    gateway.signal("SIGTERM");
    const { stdout, stderr } = await gateway.ended;
    expect(stdout + stderr).toContain("traces are not getting through");
    expect(stdout + stderr).not.toContain(secret);
  });
});
