import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { configOf } from "../src/config/index.ts";
import { createAuthority, type Pair, servePlain, serveProxy, serveSilence, serveTls } from "./support/network.ts";
import { startWith } from "./support/started.ts";

const authority = createAuthority();
const stranger = createAuthority("stranger");
afterAll(() => {
  authority.remove();
  stranger.remove();
});

const host = "gitlab.corp.test";
const pair = authority.sign(host);
const secret = "pr0xyPassw0rd";

interface Row {
  readonly path: string;
  readonly respond: (status: number, body: unknown, headers?: Readonly<Record<string, string>>) => void;
}

/** A GitLab whose project 7 has each package that is asked for by name; `answer` may take a request over. */
async function serveGitlab(answer: (row: Row) => boolean = () => false) {
  const asked: string[] = [];
  const server = await servePlain((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    const respond: Row["respond"] = (status, body, headers = {}) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    };
    if (answer({ path, respond })) return;
    if (path.startsWith("/api/v4/version")) return respond(200, { version: "17.0.0", revision: "abc" });
    const name = new URL(path, "http://none.test").searchParams.get("package_name");
    if (name === null) return respond(404, { message: "404 Not Found" });
    const row = { id: 1, name, package_type: "generic", version: "1.0.0", status: "default" };
    respond(200, [{ ...row, created_at: "2026-01-01T00:00:00Z", _links: {} }], { "x-total": "1" });
  });
  return { ...server, asked };
}

interface Settings {
  readonly url: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly [setting: string]: unknown;
}

/** A gateway over one GitLab, and all that comes out of it. */
async function gatewayOf({ environment = {}, ...settings }: Settings) {
  const backend = { kind: "gitlab", name: "gitlab", retries: 2, credentials: { token: "t" }, ...settings };
  const lines: { readonly facts: Readonly<Record<string, unknown>>; readonly message: string }[] = [];
  const take = (facts: object, message: string) => void lines.push({ facts: { ...facts }, message });
  const log = { info: take, warn: take, error: take };
  const gateway = await startWith({ backends: [backend] }, { environment, log });
  onTestFinished(() => gateway.stop(0));
  const answers: string[] = [];
  const ask = async (query: string) => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query }),
    });
    const text = await response.text();
    answers.push(text);
    const { data, errors = [] } = JSON.parse(text);
    return { data, errors };
  };
  return {
    ask,
    health: async () => (await ask("{ backends { health { status } } }")).data?.backends[0].health.status,
    /** `extensions` of the first error of a question, and the log's reasons for it. */
    failure: async () => {
      const { errors } = await ask(packages("a"));
      return errors[0]?.extensions;
    },
    failures: () => lines.filter(({ message }) => message === "an upstream request failed").map(({ facts }) => facts),
    out: async () => {
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      return JSON.stringify([lines, answers]) + metrics;
    },
  };
}

const packages = (...names: readonly string[]) =>
  `{ ${names
    .map(
      (name, at) =>
        `p${at}: package(ref: { backend: "gitlab", repository: "pay/${name}", name: "${name}", format: GENERIC }) { name }`,
    )
    .join(" ")} }`;

/** The GitLab over TLS below a name that only the proxy knows. */
async function stage(
  options: { readonly shown?: Pair; readonly credentials?: string; readonly refuses?: number } = {},
) {
  const gitlab = await serveGitlab();
  const tls = await serveTls(options.shown ?? pair, gitlab.port);
  const { shown: _, ...how } = options;
  const proxy = await serveProxy({ ...how, hosts: { [host]: tls.port, "plain.corp.test": gitlab.port } });
  return { gitlab, tls, proxy };
}

const ca = { tls: { ca: authority.certPath } };

describe("the proxies of the environment", () => {
  for (const name of ["HTTPS_PROXY", "https_proxy"]) {
    test(`${name} takes https through a tunnel, and the proxy sees no more than the host`, async () => {
      const { proxy, tls } = await stage();
      const gateway = await gatewayOf({ url: `https://${host}`, environment: { [name]: proxy.url }, ...ca });
      expect(await gateway.health()).toBe("OK");
      expect((await gateway.ask(packages("a"))).data).toEqual({ p0: { name: "a" } });
      expect(new Set(proxy.lines())).toEqual(new Set([`CONNECT ${host}:443`]));
      expect(tls.shown[0]?.serverName).toBe(host);
      for (const { headers } of proxy.asked) expect(headers).not.toHaveProperty("private-token");
    });
  }

  for (const name of ["HTTP_PROXY", "http_proxy"]) {
    test(`${name} gets the whole address of http`, async () => {
      const { proxy, gitlab } = await stage();
      const gateway = await gatewayOf({ url: "http://plain.corp.test", environment: { [name]: proxy.url } });
      expect(await gateway.health()).toBe("OK");
      expect(proxy.lines()).toEqual(["GET http://plain.corp.test/api/v4/version"]);
      expect(gitlab.asked).toEqual(["/api/v4/version"]);
      expect(proxy.asked[0]?.headers.host).toBe("plain.corp.test");
    });
  }

  test("without a scheme an address is http, and the lower-case name wins", async () => {
    const { proxy } = await stage();
    const environment = { https_proxy: proxy.url.slice("http://".length), HTTPS_PROXY: "http://127.0.0.1:1" };
    expect(await (await gatewayOf({ url: `https://${host}`, environment, ...ca })).health()).toBe("OK");
  });

  test("one of another scheme does not count, neither does an empty one", async () => {
    const { proxy, gitlab } = await stage();
    const environment = { HTTPS_PROXY: proxy.url, HTTP_PROXY: "", http_proxy: "" };
    expect(await (await gatewayOf({ url: `http://127.0.0.1:${gitlab.port}`, environment })).health()).toBe("OK");
    expect(proxy.asked).toEqual([]);
  });

  test("NO_PROXY takes its hosts out, by name, suffix, port, address and range", async () => {
    const { proxy, gitlab } = await stage();
    const at = (name: string) => `http://${name}:${gitlab.port}`;
    const { port } = gitlab;
    const cases: readonly (readonly [url: string, entries: string, isDirect: boolean])[] = [
      [at("127.0.0.1"), "127.0.0.1", true],
      [at("127.0.0.1"), "10.0.0.0/8, 127.0.0.0/8", true],
      [at("127.0.0.1"), "128.0.0.0/8", false],
      [at("127.0.0.1"), `127.0.0.1:${port}`, true],
      [at("127.0.0.1"), "127.0.0.1:80", false],
      [at("127.0.0.1"), "0.1,.1,*.0.0.1", false],
      [at("127.0.0.1"), "*", true],
      [at("127.0.0.1"), "one.test *", true],
      [at("127.0.0.1"), "", false],
      [at("localhost"), "LOCALHOST", true],
      [at("localhost"), ".localhost", true],
      [at("localhost"), "*.localhost", false],
      [at("localhost"), "host", false],
      [at("localhost"), `localhost:${port}`, true],
      [at("localhost"), "127.0.0.1", false],
    ];
    for (const [url, entries, isDirect] of cases) {
      for (const name of ["NO_PROXY", "no_proxy"]) {
        const before = proxy.asked.length;
        const gateway = await gatewayOf({ url, environment: { HTTP_PROXY: proxy.url, [name]: entries } });
        expect(await gateway.health()).toBe("OK");
        expect([entries, proxy.asked.length - before]).toEqual([entries, isDirect ? 0 : 1]);
      }
    }
  });

  test("one that is none keeps the gateway from starting, and is not printed", () => {
    const backend = { kind: "gitlab", name: "gitlab", url: `https://${host}`, credentials: { token: "t" } };
    for (const text of [`socks5://u:${secret}@proxy.test`, `http://u:${secret}@`, `http://proxy.test/${secret}`]) {
      const reading = configOf({ backends: [backend] }, { HTTPS_PROXY: text });
      if (!("problems" in reading)) throw new Error("read");
      const message = "must be the http or https address of a proxy, such as http://proxy.example.com:3128";
      expect(reading.problems).toEqual([{ path: "HTTPS_PROXY", message, line: null }]);
      const without = configOf({ backends: [{ ...backend, proxy: false }] }, { HTTPS_PROXY: text });
      expect("config" in without).toBe(true);
    }
  });
});

describe("a backend's own proxy", () => {
  test("counts before the environment's, NO_PROXY included", async () => {
    const { proxy } = await stage();
    const environment = { HTTPS_PROXY: "http://127.0.0.1:1", NO_PROXY: "*" };
    const gateway = await gatewayOf({ url: `https://${host}`, proxy: proxy.url, environment, ...ca });
    expect(await gateway.health()).toBe("OK");
    expect(proxy.lines()).toEqual([`CONNECT ${host}:443`]);
  });

  for (const none of [false, "false"]) {
    test(`${JSON.stringify(none)} is none`, async () => {
      const { proxy, gitlab } = await stage();
      const url = `http://127.0.0.1:${gitlab.port}`;
      const gateway = await gatewayOf({ url, proxy: none, environment: { HTTP_PROXY: proxy.url } });
      expect(await gateway.health()).toBe("OK");
      expect(proxy.asked).toEqual([]);
    });
  }

  test("with user-info gets its credential, and no other does", async () => {
    const { proxy, gitlab } = await stage({ credentials: `who:${secret}/ü` });
    const address = `http://who:${encodeURIComponent(`${secret}/ü`)}@127.0.0.1:${proxy.port}`;
    for (const url of [`https://${host}`, "http://plain.corp.test"]) {
      const gateway = await gatewayOf({ url, proxy: address, ...(url.startsWith("https") ? ca : {}) });
      expect(await gateway.health()).toBe("OK");
      expect(await gateway.out()).not.toContain(secret);
    }
    expect(gitlab.asked).toHaveLength(2);
  });

  test("that is none is a problem, and is not printed", () => {
    const base = { kind: "gitlab", name: "gitlab", url: `https://${host}`, credentials: { token: "t" } };
    for (const proxy of [`ftp://u:${secret}@proxy.test`, `//${secret}`, "", true, 5]) {
      const reading = configOf({ backends: [{ ...base, proxy }] }, {});
      if (!("problems" in reading)) throw new Error("read");
      expect(reading.problems).toHaveLength(1);
      expect(reading.problems[0]).toMatchObject({
        path: "backends[0].proxy",
        message: expect.stringMatching(/^must be/),
      });
      expect(JSON.stringify(reading.problems)).not.toContain(secret);
    }
  });
});

describe("through a proxy", () => {
  const names = Array.from({ length: 24 }, (_, at) => `package-${at}`);

  for (const scheme of ["https", "http"]) {
    test(`${scheme} has as many connections as concurrency says`, async () => {
      let open = 0;
      let most = 0;
      const held: (() => void)[] = [];
      const gitlab = await serveGitlab(({ path, respond }) => {
        const name = new URL(path, "http://none.test").searchParams.get("package_name");
        if (name === null) return false;
        open += 1;
        most = Math.max(most, open);
        held.push(() => {
          open -= 1;
          const row = { id: 1, name, package_type: "generic", version: "1.0.0", status: "default" };
          respond(200, [{ ...row, created_at: "2026-01-01T00:00:00Z", _links: {} }], { "x-total": "1" });
        });
        // The fourth lets everybody go: with fewer connections it would never come.
        if (held.length % 4 === 0) for (const go of held.splice(0)) go();
        return true;
      });
      const tls = await serveTls(pair, gitlab.port);
      const proxy = await serveProxy({ hosts: { [host]: scheme === "https" ? tls.port : gitlab.port } });
      const more = scheme === "https" ? ca : {};
      const gateway = await gatewayOf({ url: `${scheme}://${host}`, proxy: proxy.url, concurrency: 4, ...more });
      const { data } = await gateway.ask(packages(...names));
      expect(Object.keys(data)).toHaveLength(names.length);
      expect([most, proxy.most()]).toEqual([4, 4]);
      if (scheme === "https") expect(proxy.connections()).toBe(4);
    });

    test(`${scheme} is tried again, is read up to its limit, and follows redirects`, async () => {
      let failures = 1;
      const gitlab = await serveGitlab(({ path, respond }) => {
        if (path.includes("package_name=large")) respond(200, [{ text: "x".repeat(4096) }]);
        else if (path.includes("package_name=flaky") && failures-- > 0) respond(503, {});
        else if (path.includes("/pay%2Fmoved/")) respond(301, {}, { location: path.replace("pay%2Fmoved", "7") });
        else if (path.endsWith("/projects/7")) respond(200, { id: 7, path_with_namespace: "pay/moved" });
        else return false;
        return true;
      });
      const tls = await serveTls(pair, gitlab.port);
      const proxy = await serveProxy({ hosts: { [host]: scheme === "https" ? tls.port : gitlab.port } });
      const more = scheme === "https" ? ca : {};
      const settings = { url: `${scheme}://${host}`, proxy: proxy.url, maxResponseBytes: 2048, ...more };
      const gateway = await gatewayOf(settings);
      expect((await gateway.ask(packages("flaky"))).data).toEqual({ p0: { name: "flaky" } });
      expect(gitlab.asked.filter((path) => path.includes("flaky"))).toHaveLength(2);
      const large = await gateway.ask(packages("large"));
      expect(large.errors[0].extensions.code).toBe("UPSTREAM_MALFORMED");
      expect((await gateway.ask(packages("moved"))).data).toEqual({ p0: { name: "moved" } });
    });
  }

  test("a call that is out of time ends its tunnel", async () => {
    const gitlab = await serveGitlab(() => true);
    const tls = await serveTls(pair, gitlab.port);
    const proxy = await serveProxy({ hosts: { [host]: tls.port } });
    const settings = { url: `https://${host}`, proxy: proxy.url, timeoutMs: 300, retries: 0, ...ca };
    expect(await (await gatewayOf(settings)).failure()).toMatchObject({ code: "UPSTREAM_TIMEOUT" });
    await expect.poll(() => [tls.sockets(), proxy.sockets()]).toEqual([0, 0]);
  });
});

describe("a proxy that gives no connection is distinguished from the backend", () => {
  const refusals: readonly (readonly [status: number, retryable: boolean, words: string])[] = [
    [407, false, "it takes other credentials"],
    [403, false, "its rules must allow"],
    [405, false, "CONNECT"],
    [502, true, "it could not reach the server"],
  ];
  for (const [status, retryable, words] of refusals) {
    test(`refused with ${status}`, async () => {
      const { proxy, gitlab } = await stage({ refuses: status });
      const address = `http://who:${secret}@127.0.0.1:${proxy.port}`;
      const gateway = await gatewayOf({ url: `https://${host}`, proxy: address, ...ca });
      expect(await gateway.failure()).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", retryable });
      expect(gateway.failures()).toHaveLength(retryable ? 3 : 1);
      expect(gateway.failures()[0]?.["reason"]).toMatch(new RegExp(`^the proxy refused with ${status}: .*${words}`));
      expect(gitlab.asked).toEqual([]);
      const out = await gateway.out();
      for (const word of [secret, "who", host, String(proxy.port)]) expect(out).not.toContain(word);
    });
  }

  test("407 to http", async () => {
    const { proxy } = await stage({ credentials: "a:b" });
    const gateway = await gatewayOf({ url: "http://plain.corp.test", proxy: proxy.url });
    expect(await gateway.failure()).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", retryable: false });
    expect(gateway.failures()[0]?.["reason"]).toMatch(/^the proxy refused with 407: /);
  });

  for (const url of [`https://${host}`, "http://plain.corp.test"]) {
    test(`nothing listens there (${url.split(":")[0]})`, async () => {
      const gateway = await gatewayOf({ url, proxy: `http://who:${secret}@127.0.0.1:1` });
      expect(await gateway.failure()).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", retryable: true });
      expect(gateway.failures()).toHaveLength(3);
      expect(gateway.failures()[0]?.["reason"]).toBe("the proxy cannot be reached: ECONNREFUSED");
      expect(await gateway.out()).not.toContain(secret);
    });
  }

  for (const url of [`https://${host}`, "http://plain.corp.test"]) {
    test(`a proxy whose certificate is not accepted (${url.split(":")[0]})`, async () => {
      const proxy = await serveProxy({});
      const front = await serveTls(stranger.sign("localhost"), proxy.port);
      const gateway = await gatewayOf({ url, proxy: `https://localhost:${front.port}` });
      expect(await gateway.failure()).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", retryable: false });
      expect(gateway.failures()).toHaveLength(1);
      const reason = /^the proxy, UNABLE_TO_VERIFY_LEAF_SIGNATURE: the proxy's certificate /;
      expect(gateway.failures()[0]?.["reason"]).toMatch(reason);
    });
  }

  for (const url of [`https://${host}`, "http://plain.corp.test"]) {
    test(`a proxy that never says anything (${url.split(":")[0]})`, async () => {
      const port = await serveSilence();
      const settings = { url, proxy: `https://127.0.0.1:${port}`, timeoutMs: 200, retries: 0 };
      const gateway = await gatewayOf(settings);
      expect(await gateway.failure()).toMatchObject({ code: "UPSTREAM_TIMEOUT" });
      expect(gateway.failures()[0]?.["reason"]).toBe("no connection through the proxy in time");
    });
  }

  test("a proxy that hangs up", async () => {
    const gitlab = await serveGitlab();
    const silent = await servePlain(() => {});
    expect(gitlab.port).not.toBe(silent.port);
    const gateway = await gatewayOf({ url: `https://${host}`, proxy: `http://127.0.0.1:${silent.port}`, retries: 0 });
    expect(await gateway.failure()).toMatchObject({ code: "UPSTREAM_UNAVAILABLE" });
    expect(gateway.failures()[0]?.["reason"]).toMatch(/^the proxy cannot be reached: /);
  });
});

describe("a server's certificate", () => {
  const wrong: readonly (readonly [what: string, shown: () => Pair, code: string, words: string])[] = [
    ["that has expired", () => authority.sign(host, -1), "CERT_HAS_EXPIRED", "it must be renewed there"],
    ["for another name", () => authority.sign("other.test"), "ERR_TLS_CERT_ALTNAME_INVALID", "tls.serverName"],
    ["signed by itself", () => stranger.selfSigned(host), "DEPTH_ZERO_SELF_SIGNED_CERT", "tls.ca"],
    ["of an unknown authority", () => stranger.sign(host), "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls.ca"],
  ];
  for (const [what, shown, code, words] of wrong) {
    for (const way of ["through a proxy", "directly"]) {
      test(`${what} is final ${way}, and named`, async () => {
        const { proxy, tls, gitlab } = await stage({ shown: shown() });
        const isDirect = way === "directly";
        const direct = { url: `https://127.0.0.1:${tls.port}`, tls: { ...ca.tls, serverName: host } };
        const settings = isDirect ? direct : { url: `https://${host}`, proxy: proxy.url, ...ca };
        const gateway = await gatewayOf({ ...settings, breaker: { failures: 3, coolDownMs: 60_000 } });
        for (let count = 0; count < 5; count += 1) {
          expect(await gateway.failure()).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", retryable: false });
        }
        // One handshake a question, until the breaker spares the server the rest.
        expect(tls.connections()).toBe(3);
        expect(gateway.failures()).toHaveLength(3);
        const reason = gateway.failures()[0]?.["reason"];
        expect(reason).toMatch(new RegExp(`^${code}: the server's certificate .*${words}`));
        expect(gitlab.asked).toEqual([]);
        const out = await gateway.out();
        for (const word of [host, "other.test", "stranger"]) expect(out).not.toContain(word);
      });
    }
  }

  test("is looked at with tls.serverName, which is also asked for", async () => {
    const { tls } = await stage();
    const url = `https://localhost:${tls.port}`;
    const gateway = await gatewayOf({ url, tls: { ca: authority.cert, serverName: host } });
    expect(await gateway.health()).toBe("OK");
    expect(tls.shown).toEqual([{ serverName: host, client: null }]);
    const proxied = await stage();
    const settings = { url: "https://other.test", tls: { ca: authority.cert, serverName: host } };
    const proxy = await serveProxy({ hosts: { "other.test": proxied.tls.port } });
    expect(await (await gatewayOf({ ...settings, proxy: proxy.url })).health()).toBe("OK");
    expect(proxied.tls.shown).toEqual([{ serverName: host, client: null }]);
  });

  test("counts again as soon as it is repaired", async () => {
    const gitlab = await serveGitlab();
    const old = await serveTls(authority.sign(host, -1), gitlab.port);
    const fresh = await serveTls(pair, gitlab.port);
    const hosts = { [host]: old.port };
    const proxy = await serveProxy({ hosts });
    const breaker = { failures: 1, coolDownMs: 50 };
    const gateway = await gatewayOf({ url: `https://${host}`, proxy: proxy.url, breaker, ...ca });
    expect(await gateway.failure()).toMatchObject({ retryable: false });
    hosts[host] = fresh.port;
    await expect.poll(() => gateway.health()).toBe("OK");
  });
});

describe("a certificate of the gateway", () => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`is shown where the server wants one, with ${maxVersion}`, async () => {
      const gitlab = await serveGitlab();
      const options = { ...pair, ca: authority.cert, requestCert: true, rejectUnauthorized: true, maxVersion };
      const tls = await serveTls(options, gitlab.port);
      const proxy = await serveProxy({ hosts: { [host]: tls.port } });
      const own = authority.sign("gateway.test");
      const known = { ...ca.tls, cert: own.certPath, key: own.key };
      const gateway = await gatewayOf({ url: `https://${host}`, proxy: proxy.url, tls: known });
      expect(await gateway.health()).toBe("OK");
      expect(tls.shown).toEqual([{ serverName: host, client: "gateway.test" }]);
      const without = await gatewayOf({ url: `https://${host}`, proxy: proxy.url, ...ca });
      expect(await without.failure()).toMatchObject({ code: "UPSTREAM_UNAVAILABLE" });
      expect(gitlab.asked).toHaveLength(1);
    });
  }

  test("that the server does not accept, or misses, is final and named", async () => {
    const port = await authority.serve(pair);
    const proxy = await serveProxy({ hosts: { [host]: port } });
    const other = stranger.sign("gateway.test");
    for (const unknown of [{}, { cert: other.certPath, key: other.keyPath }]) {
      const gateway = await gatewayOf({ url: `https://${host}`, proxy: proxy.url, tls: { ...ca.tls, ...unknown } });
      expect(await gateway.failure()).toMatchObject({ code: "UPSTREAM_UNAVAILABLE", retryable: false });
      expect(gateway.failures()).toHaveLength(1);
      expect(gateway.failures()[0]?.["reason"]).toMatch(/^ERR_SSL_\S+: the server .*tls\.cert/);
    }
  });
});

describe("tls of a backend", () => {
  const own = authority.sign("gateway.test");
  const other = authority.sign("other.test");
  const read = (tls: unknown, url = `https://${host}`) => {
    const backend = { kind: "gitlab", name: "gitlab", url, credentials: { token: "t" }, tls };
    const reading = configOf({ backends: [backend] }, {});
    return "problems" in reading ? reading.problems.map(({ path, message }) => `${path} ${message}`) : [];
  };
  const at = "backends[0].tls";

  test("takes texts and paths", () => {
    expect(read({ ca: authority.cert + stranger.cert, cert: own.certPath, key: own.key, serverName: host })).toEqual(
      [],
    );
    expect(read({})).toEqual([]);
  });

  test("has a problem for each thing that is wrong", () => {
    const text = authority.write("text", secret);
    const broken = `-----BEGIN CERTIFICATE-----\n${secret}\n-----END CERTIFICATE-----`;
    expect(read({ ca: "/none/ca.pem", cert: text, key: own.keyPath })).toEqual([
      `${at}.ca names a file that does not exist`,
      `${at}.cert names a file that is not in PEM form (-----BEGIN …)`,
    ]);
    expect(read({ ca: own.key, cert: broken, key: own.cert })).toEqual([
      `${at}.ca must hold a certificate in PEM form (-----BEGIN CERTIFICATE-----)`,
      `${at}.cert holds a certificate that cannot be read: it must be an X.509 certificate in PEM form`,
      `${at}.key must hold a private key in PEM form (-----BEGIN PRIVATE KEY-----)`,
    ]);
    expect(read({ cert: own.cert })).toEqual([`${at}.key is missing: cert needs its private key`]);
    expect(read({ key: own.key })).toEqual([`${at}.cert is missing: key needs its certificate`]);
    expect(read({ cert: own.cert, key: other.key })).toEqual([
      `${at}.key is not the private key of cert: the two must be a pair`,
    ]);
    expect(read({ cert: own.cert, key: "-----BEGIN ENCRYPTED PRIVATE KEY-----\nx" })).toEqual([
      `${at}.key has a passphrase: the key must be without one`,
    ]);
    expect(read({ ca: authority.folder })).toEqual([`${at}.ca names a file that cannot be read`]);
    expect(read({ ca: "ca.pem" })[0]).toMatch(/^backends\[0\]\.tls\.ca must be the path of a PEM file from the root/);
    expect(read({ ca: secret }).join()).not.toContain(secret);
    expect(read({ serverName: "https://x" })).toEqual([
      `${at}.serverName must be a host name, such as gitlab.example.com`,
    ]);
    expect(read({ serverName: "10.0.0.1" })).toHaveLength(1);
    expect(read({ certs: own.cert })[0]).toContain("did you mean cert?");
    expect(read(ca.tls, "http://gitlab.corp.test")).toEqual([`${at} is only looked at with an https url`]);
  });
});
