import { request } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

let gateway: DemoGateway;
afterEach(() => gateway.stop());

async function serve(path: string, server: Readonly<Record<string, unknown>> = {}): Promise<string> {
  gateway = await startDemoGateway({ settings: { server: { graphiql: true, path, ...server } } });
  return new URL(gateway.url).origin;
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

/** Asks for a path as it is written: fetch would resolve its dots. */
function get(origin: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin);
    request({ host: hostname, port, path, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body }),
      );
    })
      .on("error", reject)
      .end();
  });
}

const question = `?query=${encodeURIComponent("{ __typename }")}`;

describe("with a base path", () => {
  test("everything is below it", async () => {
    const origin = await serve("/delivery/");
    expect(gateway.url).toBe(`${origin}/delivery`);
    expect((await gateway.ask("{ backends { name } }")).body.data).toHaveProperty("backends.0.name", "zadig");
    expect(JSON.parse((await get(origin, `/delivery/graphql${question}`)).body)).toEqual({
      data: { __typename: "Query" },
    });
    const page = await get(origin, "/delivery/graphql", { accept: "text/html" });
    expect([page.status, page.body.includes("GraphiQL")]).toEqual([200, true]);
    const front = await get(origin, "/delivery/");
    expect(front.status).toBe(200);
    for (const [, link = ""] of front.body.matchAll(/href="(?!data:)([^"]*)"/g)) {
      const { pathname, search } = new URL(link.replaceAll("&amp;", "&"), `${origin}/delivery/`);
      expect(pathname).toMatch(/^\/delivery\/(?:graphql|health|ready)$/);
      expect((await get(origin, pathname + search, { accept: "text/html" })).status).toBe(200);
    }
    for (const path of ["health", "ready", "metrics"])
      expect((await get(origin, `/delivery/${path}`)).status).toBe(200);
  });

  test("balancers and collectors find their pages at the top as well; nothing else is there", async () => {
    const origin = await serve("/a/delivery");
    for (const path of ["/health", "/ready", "/metrics"]) expect((await get(origin, path)).status).toBe(200);
    for (const path of [
      "/",
      `/graphql${question}`,
      "/a/",
      "/a/deliveryx/graphql",
      "/a/delivery/../graphql",
      "//a/delivery/graphql",
      "/A/delivery/graphql",
      "/a/delivery/graphql/",
      "/a/delivery//graphql",
    ]) {
      const { status, body } = await get(origin, path);
      expect([path, status]).toEqual([path, 404]);
      expect(body).toBe("There is nothing here. The graph is at /a/delivery/graphql.\n");
    }
  });

  test("the path without its slash leads to the one with it, wherever a proxy put it", async () => {
    const origin = await serve("/a/delivery");
    const { status, location } = await get(origin, "/a/delivery?x=1");
    expect([status, location]).toEqual([307, "delivery/"]);
    expect((await fetch(`${origin}/a/delivery`)).url).toBe(`${origin}/a/delivery/`);
  });

  test("a proxy that took it away and says so is understood", async () => {
    const origin = await serve("/delivery", { trustedProxies: ["127.0.0.1"] });
    const headers = { "x-forwarded-prefix": "/delivery" };
    expect((await get(origin, `/graphql${question}`, headers)).status).toBe(200);
    expect((await get(origin, `/delivery/graphql${question}`, headers)).status).toBe(200);
    expect((await get(origin, "/", headers)).body).toContain('href="/delivery/health"');
    expect((await get(origin, `/graphql${question}`, { "x-forwarded-prefix": "/other" })).status).toBe(404);
  });
});

describe("without one", () => {
  test("a trusted proxy's prefix is what links begin with", async () => {
    const origin = await serve("/", { trustedProxies: ["127.0.0.1"] });
    expect((await get(origin, "/", { "x-forwarded-prefix": "/tools/delivery/" })).body).toContain(
      'href="/tools/delivery/graphql?query=',
    );
    expect((await get(origin, "/")).body).toContain('href="./health"');
  });

  test.each([
    '"><script>alert(1)</script>',
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/a/../b",
    "/a//b",
    "/ä",
    "javascript:alert(1)",
    "/a?b",
    "",
  ])("a prefix that is no plain path is passed over: %s", async (prefix) => {
    const origin = await serve("/", { trustedProxies: ["127.0.0.1"] });
    const written = Buffer.from(prefix).toString("latin1");
    const { status, body } = await get(origin, "/", { "x-forwarded-prefix": written });
    expect(status).toBe(200);
    expect(body).toBe((await get(origin, "/")).body);
  });

  test("a prefix from anybody else is passed over", async () => {
    const origin = await serve("/", { trustedProxies: ["127.0.0.2"] });
    expect((await get(origin, "/", { "x-forwarded-prefix": "/evil" })).body).not.toContain("evil");
  });
});
