import { afterAll, beforeAll, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { type ReverseProxy, type ReverseProxyOptions, startReverseProxy } from "../support/reverse-proxy.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";
import { editorText, openTab, run } from "./tab.ts";

let top: DemoGateway;
let below: DemoGateway;
let chrome: TestBrowser;
beforeAll(async () => {
  const server = { graphiql: true, introspection: true, trustedProxies: ["127.0.0.1"] };
  [top, below, chrome] = await Promise.all([
    startDemoGateway({ settings: { server } }),
    startDemoGateway({ settings: { server: { ...server, path: "/delivery/" } } }),
    startBrowser(),
  ]);
}, 60_000);
afterAll(async () => {
  await chrome?.close();
  await top?.stop();
  await below?.stop();
});

const strip = (path: string) => path.replace(/^\/delivery\/?/, "/");
const prefix = { "x-forwarded-prefix": "/delivery" };

test.each<[string, () => DemoGateway, Omit<ReverseProxyOptions, "to">]>([
  ["that passes it on to a gateway which has it", () => below, {}],
  ["that passes it on and tells it as well", () => below, { headers: prefix }],
  ["that takes it away and tells it, from a gateway which has it", () => below, { path: strip, headers: prefix }],
  ["that takes it away and tells it", () => top, { path: strip, headers: prefix }],
  ["that takes it away and tells nothing", () => top, { path: strip }],
])("the pages work below a path, behind a proxy %s", { timeout: 60_000 }, async (_what, gateway, options) => {
  const proxy: ReverseProxy = await startReverseProxy({ to: new URL(gateway().url).origin, ...options });
  const { page, close } = await openTab(chrome.browser, proxy.url);
  try {
    // Who tells nothing has to answer the path without its slash.
    const isTold = options.headers !== undefined || options.path === undefined;
    await page.goto(`${proxy.url}/delivery${isTold ? "" : "/"}`);
    await page.getByRole("list", { name: "Queries to try" }).getByRole("link").nth(1).click();
    expect(new URL(page.url()).pathname).toBe("/delivery/graphql");
    expect(await editorText(page)).toContain("query NewestReleases {");
    expect(await run(page)).toHaveProperty("data.releases.nodes.0.version");
    await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
    await page.locator(".graphiql-doc-explorer").getByRole("link", { name: "Query", exact: true }).waitFor();
    await page.getByRole("link", { name: "front page" }).click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(page.url()).toBe(`${proxy.url}/delivery/`);
    for (const [name, text] of [
      ["Health", "ok"],
      ["Readiness", "ready"],
    ] as const) {
      await page.getByRole("link", { name }).click();
      await page.getByText(`"status":"${text}"`).waitFor();
      await page.goBack();
    }
  } finally {
    await close();
    await proxy.close();
  }
});
