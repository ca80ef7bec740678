import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type GatewayProcess, startMain } from "../support/process.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";
import { editorText, openTab, run, type Tab } from "./tab.ts";

let gateway: GatewayProcess;
let chrome: TestBrowser;

beforeAll(async () => {
  [gateway, chrome] = await Promise.all([startMain(["--demo"]), startBrowser()]);
}, 60_000);

afterAll(async () => {
  await chrome?.close();
  await gateway?.close();
});

let tab: Tab;
let page: Page;

beforeEach(async () => {
  tab = await openTab(chrome.browser, gateway.url);
  page = tab.page;
});

afterEach(() => tab.close());

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
    expect(await editorText(page)).toContain("releases(");
    expect(await run(page)).toHaveProperty("data");
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
    expect(await run(page)).toEqual({
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
    expect(await editorText(page)).toContain("releases(");
  });

  test("offers the example queries by name, each in a tab of its own", async () => {
    await page.goto(`${gateway.url}/graphql`);
    await editorText(page);
    const menu = page.locator("#examples");
    await menu.getByText("Example queries").click();
    const links = menu.getByRole("link");
    expect(await links.allInnerTexts()).toHaveLength(4);
    await links.filter({ hasText: "A Maven package in bkrepo" }).click();
    expect(await links.first().isVisible(), "the menu is closed").toBe(false);
    await page.locator(".graphiql-tab", { hasText: "PackageInBkrepo" }).waitFor();
    expect(await page.locator(".graphiql-tab").allInnerTexts()).toEqual(["ReleasesOfPay", "PackageInBkrepo"]);
    expect(await editorText(page)).toContain("query PackageInBkrepo {");
    expect(await run(page)).toHaveProperty("data.package.name");
  });

  test("opens its example queries from elsewhere as links", async () => {
    await page.goto(`${gateway.url}/graphql`);
    const href = await page.locator("#examples a").nth(2).getAttribute("href");
    await page.goto(new URL(href ?? "", `${gateway.url}/graphql`).href);
    expect(await editorText(page)).toContain("query PackageInGitlab {");
  });

  test("leads back to the front page", async () => {
    await page.goto(`${gateway.url}/graphql`);
    await page.getByRole("link", { name: "front page" }).click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(page.url()).toBe(`${gateway.url}/`);
  });

  test.each(["dark", "light"] as const)("has all its parts in sight on a phone too, in the %s", async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(`${gateway.url}/graphql`);
    await editorText(page);
    for (const name of ["Open settings dialog", "front page"]) {
      const box = await page.getByRole(name === "front page" ? "link" : "button", { name }).boundingBox();
      expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual(740);
    }
    for (const panel of ["#examples", "#key"]) {
      await page.locator(`${panel} summary`).click();
      const box = await page.locator(`${panel} :is(ul,form)`).boundingBox();
      expect(box?.x).toBeGreaterThanOrEqual(0);
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(360);
    }
    const [ink, paper] = await page.evaluate(() => {
      const { color, backgroundColor } = getComputedStyle(document.querySelector(".bar") ?? document.body);
      return [color, backgroundColor].map((value) => (value.match(/\d+/g) ?? []).slice(0, 3).map(Number));
    });
    const [lighter, darker] = colorScheme === "dark" ? [ink, paper] : [paper, ink];
    expect(Math.min(...(lighter ?? []))).toBeGreaterThan(200);
    expect(Math.max(...(darker ?? []))).toBeLessThan(70);
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
