import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type GatewayProcess, startMain } from "../support/process.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";

let gateway: GatewayProcess;
let chrome: TestBrowser;

beforeAll(async () => {
  [gateway, chrome] = await Promise.all([startMain(["--demo"]), startBrowser()]);
}, 60_000);

afterAll(async () => {
  await chrome?.close();
  await gateway?.close();
});

/** A tab that can reach the gateway and nothing else; what it tried besides is written down. */
let context: BrowserContext;
let page: Page;
let strayed: string[];
let complaints: string[];

beforeEach(async () => {
  strayed = [];
  complaints = [];
  context = await chrome.browser.newContext({ viewport: { width: 1280, height: 860 } });
  await context.route("**/*", async (route) => {
    const url = new URL(route.request().url());
    if (url.origin === gateway.url || url.protocol === "data:" || url.protocol === "blob:") return route.continue();
    strayed.push(url.href);
    return route.abort();
  });
  page = await context.newPage();
  // A policy that is too tight shows as a complaint of the browser.
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
});

afterEach(async () => {
  await context.close();
  expect(strayed, "requests that left the gateway's origin").toEqual([]);
  expect(complaints, "errors on the browser's console").toEqual([]);
});

describe("the front page", () => {
  test("says what this is and what it is connected to", async () => {
    await page.goto(`${gateway.url}/`);
    expect(await page.getByRole("heading", { level: 1 }).innerText()).toContain("delivery-graph");
    const backends = await page.getByRole("list", { name: "Backends" }).getByRole("listitem").allInnerTexts();
    expect(backends.map((text) => text.split("\n")[0])).toEqual(["zadig", "bkrepo", "swr-north4", "gitlab"]);
    expect(backends[0]).toContain("releases");
  });

  test("tells no address of a backend", async () => {
    await page.goto(`${gateway.url}/`);
    const own = new URL(gateway.url).port;
    const ports = [...(await page.content()).matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => match[1]);
    expect(ports.filter((port) => port !== own)).toEqual([]);
  });

  test("leads into GraphiQL with a query that is ready to run", async () => {
    await page.goto(`${gateway.url}/`);
    const links = page.getByRole("list", { name: "Queries to try" }).getByRole("link");
    expect(await links.count()).toBeGreaterThanOrEqual(3);
    await links.first().click();
    await page.waitForSelector(".graphiql-query-editor .view-lines");
    expect(await editorText()).toContain("releases(");
    expect(await run()).toHaveProperty("data");
  });

  test("is readable in the dark and on a phone", async () => {
    await page.emulateMedia({ colorScheme: "dark" });
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(`${gateway.url}/`);
    const [ink, paper] = await page.evaluate(() => {
      const { color, backgroundColor } = getComputedStyle(document.body);
      return [color, backgroundColor].map((value) => (value.match(/\d+/g) ?? []).slice(0, 3).map(Number));
    });
    expect(Math.min(...(ink ?? []))).toBeGreaterThan(200);
    expect(Math.max(...(paper ?? []))).toBeLessThan(60);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
  });
});

describe("GraphiQL", () => {
  test("runs a query and shows its result", async () => {
    const query = "{ backends { name kind capabilities } }";
    await page.goto(`${gateway.url}/graphql?query=${encodeURIComponent(query)}`);
    await page.waitForSelector(".graphiql-query-editor .view-lines");
    expect(await run()).toEqual({
      data: {
        backends: [
          { name: "zadig", kind: "ZADIG", capabilities: ["RELEASES", "ARTIFACTS"] },
          { name: "bkrepo", kind: "BKREPO", capabilities: ["PACKAGES", "IMAGES"] },
          { name: "swr-north4", kind: "SWR", capabilities: ["PACKAGES", "IMAGES"] },
          { name: "gitlab", kind: "GITLAB", capabilities: ["PACKAGES", "IMAGES"] },
        ],
      },
    });
    expect(await page.locator(".result-window .view-lines").innerText()).toContain("swr-north4");
  });

  test("opens with a query worth running", async () => {
    await page.goto(`${gateway.url}/graphql`);
    await page.waitForSelector(".graphiql-query-editor .view-lines");
    expect(await editorText()).toContain("releases(");
  });

  test("documents the graph", async () => {
    await page.goto(`${gateway.url}/graphql`);
    await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
    const docs = page.locator(".graphiql-doc-explorer");
    await docs.getByRole("link", { name: "Query", exact: true }).click();
    await docs.getByRole("link", { name: "backends", exact: true }).click();
    await docs.getByText("All configured backends").waitFor();
  });
});

/** Runs what stands in the editor; what the endpoint answered. */
async function run(): Promise<unknown> {
  const answered = page.waitForResponse(
    (response) =>
      response.request().method() === "POST" && !(response.request().postData() ?? "").includes("IntrospectionQuery"),
  );
  await page.locator("button.graphiql-execute-button").click();
  const response = await answered;
  await page.locator(".result-window .view-lines", { hasText: "data" }).waitFor();
  return response.json();
}

// Monaco writes spaces as no-break spaces.
async function editorText(): Promise<string> {
  const text = await page.locator(".graphiql-query-editor .view-lines").innerText();
  return text.replaceAll("\u00a0", " ");
}
