import type { Browser, BrowserContext, Page } from "playwright-core";
import { expect } from "vitest";

/** A tab that can reach one origin and nothing else. */
export interface Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Closes it; fails when a page strayed or the browser complained, but for complaints that match. */
  readonly close: (expected?: RegExp) => Promise<void>;
}

/** Opens a tab of its own profile. What it tried besides its origin, and what the browser complained of, is written down. */
export async function openTab(browser: Browser, origin: string): Promise<Tab> {
  const strayed: string[] = [];
  const complaints: string[] = [];
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  await context.route("**/*", async (route) => {
    const url = new URL(route.request().url());
    if (url.origin === origin || url.protocol === "data:" || url.protocol === "blob:") return route.continue();
    strayed.push(url.href);
    return route.abort();
  });
  const watch = (page: Page) => {
    // A policy that is too tight shows as a complaint of the browser.
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
  };
  context.on("page", watch);
  return {
    page: await context.newPage(),
    context,
    close: async (expected) => {
      await context.close();
      expect(strayed, "requests that left the gateway's origin").toEqual([]);
      expect(
        complaints.filter((text) => !expected?.test(text)),
        "errors on the browser's console",
      ).toEqual([]);
    },
  };
}

/** Waits for GraphiQL's editor; the text in it. Monaco writes spaces as no-break spaces. */
export async function editorText(page: Page): Promise<string> {
  await page.waitForSelector(".graphiql-query-editor .view-lines");
  const text = await page.locator(".graphiql-query-editor .view-lines").innerText();
  return text.replaceAll("\u00a0", " ");
}

/** Runs what stands in the editor; what the endpoint answered. */
export async function run(page: Page): Promise<unknown> {
  const answered = page.waitForResponse(
    (response) =>
      response.request().method() === "POST" && !(response.request().postData() ?? "").includes("IntrospectionQuery"),
  );
  await page.locator("button.graphiql-execute-button").click();
  const response = await answered;
  await page.locator(".result-window .view-lines", { hasText: /data|errors/ }).waitFor();
  return response.json();
}
