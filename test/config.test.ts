import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { backendTypes } from "../src/backends/index.ts";
import { type Config, configJsonSchema, configOf, type Problem, readConfig } from "../src/config/index.ts";

const secrets = { ZADIG_TOKEN: "zadig-secret-1", BKREPO_PASSWORD: "bkrepo-secret-2" };

const kinds = backendTypes.map(({ kind }) => kind.toLowerCase());

const zadig = `  - name: zadig
    kind: zadig
    url: https://zadig.example.com
    credentials: { token: "\${ZADIG_TOKEN}" }
`;
const bkrepo = `  - name: bkrepo
    kind: bkrepo
    url: https://bkrepo.example.com
    credentials: { username: reader, password: "\${BKREPO_PASSWORD}" }
    hosts: [docker.bkrepo.example.com]
`;

function accepted(text: string, environment: Record<string, string> = secrets): Config {
  const reading = readConfig(text, environment);
  if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
  return reading.config;
}

function refused(text: string, environment: Record<string, string> = secrets): readonly Problem[] {
  const reading = readConfig(text, environment);
  if ("config" in reading) throw new Error("was accepted");
  return reading.problems;
}

function about(problems: readonly Problem[], path: string): string {
  const found = problems.filter((problem) => problem.path === path);
  expect(found, `problems about ${path} in ${JSON.stringify(problems)}`).toHaveLength(1);
  return found[0]?.message ?? "";
}

describe("a configuration that is fine", () => {
  test("gets the documented defaults", () => {
    const config = accepted(`backends:\n${zadig}`);
    expect(config.server).toEqual({
      host: "127.0.0.1",
      port: 4000,
      graphiql: true,
      introspection: true,
      subgraph: false,
      sdl: true,
      metrics: true,
      sendMs: 30_000,
      maxWaitingBytes: 134_217_728,
      maxConnections: 4096,
      path: "/",
      trustedProxies: [],
      keepAliveMs: 75_000,
      drainMs: null,
      cors: { origins: [], headers: [] },
    });
    expect(config.auth).toMatchObject({ mode: "none", allowAnonymous: false, tokenBytes: 16_384 });
    expect(config.limits).toEqual({
      depth: 12,
      cost: 5000,
      aliases: 30,
      answerBytes: 16_777_216,
      tokens: 2000,
      bodyBytes: 262_144,
      upstreamCalls: 200,
      deadlineMs: 15_000,
    });
    expect(config.log).toEqual({ level: "info", format: null });
    expect(config.backends.map(({ name, type, capabilities }) => ({ name, kind: type.kind, capabilities }))).toEqual([
      { name: "zadig", kind: "ZADIG", capabilities: ["RELEASES", "ARTIFACTS"] },
    ]);
  });

  test.each([
    ["/", "/"],
    ["/delivery", "/delivery"],
    ["/delivery/", "/delivery"],
    ["/a/b-c/d_e.f~1/", "/a/b-c/d_e.f~1"],
    ["/...", "/..."],
  ])("takes %s as a base path, without a slash at its end", (path, taken) => {
    expect(accepted(`server: { path: "${path}" }\nbackends:\n${zadig}`).server.path).toBe(taken);
  });

  test.each([
    "",
    "delivery",
    "//",
    "//evil.example",
    "/a//b",
    "/a/../b",
    "/..",
    "/./a",
    "/ä",
    "/%2e%2e",
    "/a?b",
    "/a#b",
    "/a b",
    "/a\\\\b",
    "/<script>",
  ])("takes no base path that a browser would read otherwise: %s", (path) => {
    expect(refused(`server: { path: "${path}" }\nbackends:\n${zadig}`)).toEqual([
      {
        path: "server.path",
        line: 1,
        message: "must begin with a slash and hold plain segments, such as /delivery (letters, digits, - . _ ~)",
      },
    ]);
  });

  test("takes addresses and ranges of trusted proxies, and nothing else", () => {
    const proxies = ["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0"];
    const listed = (all: readonly string[]) =>
      `server: { trustedProxies: ${JSON.stringify(all)} }\nbackends:\n${zadig}`;
    expect(accepted(listed(proxies)).server.trustedProxies).toEqual(proxies);
    const wrong = ["localhost", "10.0.0.0/33", "::1/129", "10.0.0/8", "*", "10.0.0.1/", "10.0.0.1:80", "10.0.0.0/08x"];
    expect(refused(listed(wrong)).map(({ path, message }) => `${path} ${message}`)).toEqual(
      wrong.map(
        (_, index) =>
          `server.trustedProxies[${index}] must be an IP address or a CIDR range, such as 10.0.0.7 or 10.0.0.0/8`,
      ),
    );
  });

  test("keeps the order of its backends", () => {
    expect(accepted(`backends:\n${bkrepo}${zadig}`).backends.map(({ name }) => name)).toEqual(["bkrepo", "zadig"]);
  });

  test("is frozen through and through", () => {
    const config = accepted(`server: { cors: { origins: ["https://app.example.com"] } }\nbackends:\n${zadig}`);
    for (const part of [config, config.server, config.server.cors.origins, config.limits, config.backends]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test("shows no credential when it is printed", () => {
    const { backends } = accepted(`backends:\n${zadig}${bkrepo}`);
    expect(JSON.stringify(backends)).not.toMatch(/secret/);
  });

  test("takes sections that are empty for sections that are absent", () => {
    expect(accepted(`server:\nauth:\nlimits:\nbackends:\n${zadig}`).server.port).toBe(4000);
  });

  test("switches GraphiQL and introspection off outside loopback, unless configured otherwise", () => {
    const open = "auth: { allowAnonymous: true }\n";
    const { server } = accepted(`${open}server: { host: 0.0.0.0 }\nbackends:\n${zadig}`);
    expect(server).toMatchObject({ graphiql: false, introspection: false });
    const told = accepted(`${open}server: { host: 0.0.0.0, graphiql: true }\nbackends:\n${zadig}`).server;
    expect(told).toMatchObject({ graphiql: true, introspection: false });
  });

  test("is what the example file holds", () => {
    const text = readFileSync(new URL("../gateway.example.yaml", import.meta.url), "utf8");
    const names = [...text.matchAll(/\$\{([A-Z_]+)\}/g)].map(([, name = ""]) => [name, "value"]);
    const config = accepted(text, Object.fromEntries(names));
    expect(config.backends.map(({ type }) => type.kind)).toEqual(["ZADIG", "BKREPO", "SWR", "GITLAB"]);
  });
});

describe("files of secrets", () => {
  const folder = mkdtempSync(join(tmpdir(), "secrets-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: string) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const withToken = (text: string) => `backends:\n${zadig.replace("${ZADIG_TOKEN}", text)}`;

  test("fill in their text without the line break at the end, read again each time", () => {
    const path = file("token", "first-secret\n");
    accepted(withToken(`\${file:${path}}`));
    writeFileSync(path, "second-secret\r\n");
    const port = file("port", "8081\n");
    const config = accepted(`server: { port: "\${file:${port}}" }\n${withToken(`\${file:${path}}`)}`);
    expect(config.server.port).toBe(8081);
    expect(JSON.stringify(config)).not.toMatch(/secret/);
  });

  test("are one problem each where they cannot be read, and nothing of their text is reported", () => {
    const missing = join(folder, "missing");
    const problems = refused(withToken(`\${file:${missing}}`));
    expect(about(problems, "backends[0].credentials.token")).toBe(`needs the file ${missing}, which does not exist`);
    const [empty, large] = [file("empty", "\n"), file("large", "x".repeat(65_537))];
    expect(about(refused(withToken(`\${file:${empty}}`)), "backends[0].credentials.token")).toMatch(/is empty$/);
    expect(about(refused(withToken(`\${file:${large}}`)), "backends[0].credentials.token")).toMatch(
      /larger than 65536 bytes$/,
    );
    expect(about(refused(withToken("${file:secrets/token}")), "backends[0].credentials.token")).toMatch(
      /from the root/,
    );
    expect(about(refused(withToken(`\${file:${folder}}`)), "backends[0].credentials.token")).toMatch(/cannot be read$/);
  });

  test("are never read as a variable, nor as another file", () => {
    const path = file("nested", "${ZADIG_TOKEN}");
    accepted(withToken(`\${file:${path}}`), {});
  });
});

describe("the environment", () => {
  test("fills in variables, wherever they stand in a text", () => {
    const config = accepted(
      `backends:\n${zadig.replace("zadig.example.com", "${HOST_NAME}.example.com:${WEB_PORT}")}`,
      {
        ...secrets,
        HOST_NAME: "ci",
        WEB_PORT: "8443",
      },
    );
    expect(config.backends).toHaveLength(1);
  });

  test("fills in numbers and switches where those are wanted", () => {
    const text = `server: { port: "\${WEB_PORT}", graphiql: "\${GRAPHIQL:-false}" }\nlimits: { depth: "\${DEPTH:-9}" }\nbackends:\n${zadig}`;
    const config = accepted(text, { ...secrets, WEB_PORT: "8080" });
    expect(config.server).toMatchObject({ port: 8080, graphiql: false });
    expect(config.limits.depth).toBe(9);
  });

  test("does not turn a text of the file itself into a number", () => {
    expect(about(refused(`server: { port: "8080" }\nbackends:\n${zadig}`), "server.port")).toBe("must be a number");
  });

  test("leaves a password that looks like a number a text", () => {
    accepted(`backends:\n${bkrepo}`, { BKREPO_PASSWORD: "12345" });
  });

  test("stands back for the default when it is empty, as in a shell", () => {
    const text = `server: { host: "\${BIND:-::1}" }\nbackends:\n${zadig}`;
    expect(accepted(text, { ...secrets, BIND: "" }).server.host).toBe("::1");
    expect(accepted(text, { ...secrets, BIND: "localhost" }).server.host).toBe("localhost");
  });

  test("is left alone by an escaped variable", () => {
    const text = `backends:\n${bkrepo.replace("${BKREPO_PASSWORD}", () => "a$${BKREPO_PASSWORD}b")}`;
    accepted(text, {});
  });

  test("is asked for every variable that is not set, once each and by name", () => {
    const problems = refused(`backends:\n${zadig}${bkrepo}`, {});
    expect(about(problems, "backends[0].credentials.token")).toContain("ZADIG_TOKEN");
    expect(about(problems, "backends[1].credentials.password")).toContain("BKREPO_PASSWORD");
    expect(problems).toHaveLength(2);
  });

  test("names a variable that is not set", () => {
    expect(
      about(refused(`backends:\n${zadig.replace("ZADIG_TOKEN", "zadig token")}`), "backends[0].credentials.token"),
    ).toContain("${NAME}");
  });

  test("overrides host and port", () => {
    const config = accepted(`server: { host: localhost, port: 4000 }\nbackends:\n${zadig}`, {
      ...secrets,
      HOST: "127.0.0.2",
      PORT: "8080",
    });
    expect(config.server).toMatchObject({ host: "127.0.0.2", port: 8080 });
  });

  test("is refused a port that is none and a host that opens the door", () => {
    const problems = refused(`backends:\n${zadig}`, { ...secrets, HOST: "0.0.0.0", PORT: "http" });
    expect(about(problems, "PORT")).toContain("65535");
    expect(about(problems, "HOST")).toContain("auth.allowAnonymous");
  });

  test("can put no YAML into the file, whatever a variable holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), (value) => {
        const reading = readConfig(`backends:\n${bkrepo}`, { BKREPO_PASSWORD: value });
        expect("config" in reading && reading.config.backends.map(({ name }) => name)).toEqual(["bkrepo"]);
      }),
    );
    const hostile = '"}\n  - name: evil\n    kind: gitlab\n    url: http://evil.example.com\n  # ${ZADIG_TOKEN} *a &b';
    expect(accepted(`backends:\n${bkrepo}`, { BKREPO_PASSWORD: hostile }).backends).toHaveLength(1);
  });
});

describe("a configuration that is not fine", () => {
  test("gets every problem at once, each with its path and line", () => {
    const problems = refused(
      [
        "server: { prot: 4000 }",
        "limits: { depth: 0, cost: many }",
        "backends:",
        "  - name: Zadig",
        "    kind: zadig",
        "    url: zadig.example.com",
        "    credentials: { tokn: abc }",
        "  - name: bkrepo",
        "    kind: bkrepoo",
      ].join("\n"),
    );
    expect(about(problems, "server.prot")).toContain("did you mean port?");
    expect(about(problems, "limits.depth")).toBe("must be at least 1");
    expect(about(problems, "limits.cost")).toBe("must be a number");
    expect(about(problems, "backends[0].name")).toContain("a-z");
    expect(about(problems, "backends[0].url")).toBe("must be an http or https address");
    expect(about(problems, "backends[0].credentials.tokn")).toContain("did you mean token?");
    expect(about(problems, "backends[1].kind")).toBe(`must be one of: ${kinds.join(", ")}`);
    expect(problems.find(({ path }) => path === "backends[1].kind")?.line).toBe(9);
    expect(problems.find(({ path }) => path === "server.prot")?.line).toBe(1);
  });

  test.each([
    ["servr: {}", "servr", "did you mean server?"],
    ["server: { graphIql: true }", "server.graphIql", "did you mean graphiql?"],
    ["limits: { body_bytes: 5 }", "limits.body_bytes", "did you mean bodyBytes?"],
    ["colour: red", "colour", "known here: server, auth, "],
  ])("names the known key nearest to an unknown one: %s", (line, path, words) => {
    expect(about(refused(`${line}\nbackends:\n${zadig}`), path)).toContain(words);
  });

  test("knows the keys of each kind of backend", () => {
    const text = `backends:\n${zadig}    repositories: [a/b]\n${bkrepo}    repos: [a/b]\n    timeoutms: 5\n`;
    const problems = refused(text);
    expect(about(problems, "backends[0].repositories")).toContain("is not a known key");
    expect(about(problems, "backends[1].repos")).toContain("did you mean repositories?");
    expect(about(problems, "backends[1].timeoutms")).toContain("did you mean timeoutMs?");
  });

  test("lists what a backend lacks", () => {
    const problems = refused("backends:\n  - kind: zadig\n");
    expect(about(problems, "backends[0].name")).toBe("is missing");
    expect(about(problems, "backends[0].url")).toBe("is missing");
    expect(about(refused("backends:\n  - name: a\n"), "backends[0].kind")).toContain("zadig, bkrepo, swr, gitlab");
    expect(about(refused("server: {}\n"), "backends")).toBe("is missing");
    expect(about(refused("backends: []\n"), "backends")).toBe("must have at least 1 entries");
  });

  test("may not name two backends the same, nor give one registry host to two", () => {
    const problems = refused(`backends:\n${bkrepo}${bkrepo.replace("docker.bkrepo", "DOCKER.bkrepo")}`);
    expect(about(problems, "backends[1].name")).toContain("backends[0]");
    expect(about(problems, "backends[1].hosts[0]")).toContain("backends[0]");
  });

  test.each(["0.0.0.0", "192.168.1.5", "::", "gateway.example.com"])("would open %s to everybody", (host) => {
    expect(about(refused(`server: { host: "${host}" }\nbackends:\n${zadig}`), "server.host")).toContain(
      "allowAnonymous: true",
    );
    expect(
      accepted(`server: { host: "${host}" }\nauth: { allowAnonymous: true }\nbackends:\n${zadig}`).server.host,
    ).toBe(host);
  });

  test.each(["localhost", "127.0.0.1", "127.8.8.8", "::1"])("has no problem with the loopback host %s", (host) => {
    expect(accepted(`server: { host: "${host}" }\nbackends:\n${zadig}`).server.host).toBe(host);
  });

  test.each(["https://app.example.com/", "app.example.com", "https://a.example.com/x", "null", "ftp://a.example.com"])(
    "has %s where an origin is due",
    (origin) => {
      const problems = refused(`server: { cors: { origins: ["${origin}"] } }\nbackends:\n${zadig}`);
      expect(about(problems, "server.cors.origins[0]")).toContain("must be an origin");
    },
  );

  test("has text where the name of a header is due", () => {
    const problems = refused(`server: { cors: { headers: ["x-team", "x team"] } }\nbackends:\n${zadig}`);
    expect(about(problems, "server.cors.headers[1]")).toContain("must be the name of a header, such as x-team");
  });

  test.each([
    ["backends:\n\t- name: a", 2, "tabs"],
    ["server: {\nbackends: [", 2, ""],
    ["server: {}\nserver: {}", 2, "twice"],
    ['a: "open', 1, ""],
    ["--- a\n--- b", 2, "more than one"],
  ])("is no YAML: %j", (text, line, words) => {
    const [problem] = refused(text);
    expect(problem?.line).toBe(line);
    expect(problem?.message).toContain(words);
  });

  test.each(["", "just text", "- a list", "null"])("is no map: %j", (text) => {
    expect(refused(text)[0]?.message).toMatch(/^(?:must be|is empty: it must be) a map of keys$/);
  });

  test("gives no secret away", () => {
    const secret = "s3cr3t-hunter2";
    const texts = [
      `backends:\n  - name: zadig\n    kind: zadig\n    url: https://z.example.com\n    credentials: { ${secret} }`,
      `backends:\n  - name: zadig\n    kind: zadig\n    url: https://z.example.com\n    credentials: ${secret}`,
      `backends:\n  - name: zadig\n    kind: zadig\n    url: https://z.example.com\n    credentials: { token: [${secret}] }`,
      `backends:\n  - name: zadig\n    kind: zadig\n    url: https://u:${secret}@z.example.com\n    credentials: { token: "a b ${secret}" }`,
      `backends:\n  - name: b\n    kind: bkrepo\n    url: ftp://${secret}\n    credentials: { username: "a:${secret}", password: 1 }`,
      `backends:\n  - name: b\n    credentials: { token: "${secret}`,
      `backends:\n  - name: b\n    credentials: { token: *${secret} }`,
      `backends:\n  - name: b\n    credentials: { token: !${secret} x }`,
      `backends:\n  - name: zadig\n    kind: zadig\n    url: \${URL}\n    credentials: { token: "\${TOKEN}" }`,
    ];
    for (const text of texts) {
      const problems = refused(text, { URL: `not a url ${secret}`, TOKEN: `${secret} with space` });
      expect(problems.length).toBeGreaterThan(0);
      expect(JSON.stringify(problems)).not.toContain(secret);
    }
  });

  test("never throws, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
        expect("problems" in readConfig(text, {})).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect("problems" in configOf({ backends: [value], server: value, limits: value }, {})).toBe(true);
      }),
    );
  });

  test("does not unfold aliases without end", () => {
    const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
    for (let level = 1; level < 9; level++) {
      bomb.push(`a${level}: &a${level} [${Array.from({ length: 9 }, () => `*a${level - 1}`).join(", ")}]`);
    }
    expect(refused(bomb.join("\n"))[0]?.message).toContain("aliases");
  });
});

describe("the JSON Schema for editors", () => {
  test("is the one in docs/gateway.schema.json", () => {
    const committed: unknown = JSON.parse(
      readFileSync(new URL("../docs/gateway.schema.json", import.meta.url), "utf8"),
    );
    expect(
      committed,
      "write it anew: npm start --silent -- --config-schema > docs/gateway.schema.json && npm run format",
    ).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
  });

  test("describes every key of a backend", () => {
    const forms = z
      .object({
        properties: z.object({
          backends: z.object({
            items: z.object({ anyOf: z.array(z.object({ properties: z.record(z.string(), z.looseObject({})) })) }),
          }),
        }),
      })
      .parse(configJsonSchema()).properties.backends.items.anyOf;
    expect(forms).toHaveLength(kinds.length);
    const undescribed = forms.flatMap(({ properties }) =>
      Object.entries(properties).flatMap(([key, schema]) => (key === "kind" || "description" in schema ? [] : [key])),
    );
    expect(undescribed).toEqual([]);
  });
});
