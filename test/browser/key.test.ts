import { createHash } from "node:crypto";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";
import { editorText, openTab, run, type Tab } from "./tab.ts";

let gateway: DemoGateway;
let chrome: TestBrowser;
beforeAll(async () => {
  const key = (name: string) => ({ name, sha256: createHash("sha256").update(name).digest("hex") });
  [gateway, chrome] = await Promise.all([
    startDemoGateway({
      settings: {
        server: { graphiql: true, introspection: true },
        auth: { mode: "keys", keys: [key("first-key"), key("second-key")] },
      },
    }),
    startBrowser(),
  ]);
}, 60_000);
afterAll(async () => {
  await chrome?.close();
  await gateway?.stop();
});

let tab: Tab;
let page: Page;
/** What was sent to the graph: the credential, and whether it asked for the schema. */
let sent: { authorization: string | undefined; isSchema: boolean }[];
beforeEach(async () => {
  sent = [];
  tab = await openTab(chrome.browser, gateway.url);
  page = tab.page;
  tab.context.on("request", (request) => {
    if (request.method() !== "POST") return;
    const { authorization } = request.headers();
    sent.push({ authorization, isSchema: (request.postData() ?? "").includes("IntrospectionQuery") });
  });
  await page.goto(`${gateway.url}/graphql`);
  await editorText(page);
});

const field = () => page.getByLabel("Key or token");
const state = () => page.locator("#key [role=status]").innerText();

async function use(key: string): Promise<void> {
  if (!(await field().isVisible())) await page.locator("#key summary").click();
  await field().fill(key);
  await page.getByRole("button", { name: "Use" }).click();
}

describe("GraphiQL of a gateway that wants a key", { timeout: 60_000 }, () => {
  afterEach(() => tab.close(/status of 401/));

  test("asks for it, and asks nothing of the gateway before it has it", async () => {
    await field().waitFor();
    expect(await state()).toBe("needed");
    await page.keyboard.press("Escape");
    await page.locator("button.graphiql-execute-button").click();
    await page.locator(".result-window .view-lines", { hasText: "Enter a key or token first" }).waitFor();
    expect(sent).toEqual([]);
  });

  test("sends it with each request, and reads the schema again when it changes", async () => {
    await use("first-key");
    await expect.poll(() => sent).toEqual([{ authorization: "Bearer first-key", isSchema: true }]);
    expect(await run(page)).toHaveProperty("data.backends");
    expect(sent.at(-1)).toEqual({ authorization: "Bearer first-key", isSchema: false });
    expect(await state()).toBe("in use");
    await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
    await page.locator(".graphiql-doc-explorer").getByRole("link", { name: "Query", exact: true }).waitFor();

    sent = [];
    await use("Bearer second-key");
    await expect.poll(() => sent).toEqual([{ authorization: "Bearer second-key", isSchema: true }]);
  });

  test("keeps it for the tab and nowhere else, until it is forgotten", async () => {
    await use("first-key");
    await expect.poll(() => sent.length).toBe(1);
    expect(await page.evaluate(() => JSON.stringify(localStorage) + document.cookie + location.href)).not.toContain(
      "first-key",
    );
    sent = [];
    await page.reload();
    await editorText(page);
    await expect.poll(() => sent).toContainEqual({ authorization: "Bearer first-key", isSchema: true });
    expect(await state()).toBe("in use");

    const other = await tab.context.newPage();
    await other.goto(`${gateway.url}/graphql`);
    await editorText(other);
    expect(await other.locator("#key [role=status]").innerText()).toBe("needed");
    await other.close();

    await page.locator("#key summary").click();
    await page.getByRole("button", { name: "Forget" }).click();
    expect(await state()).toBe("needed");
    expect(await page.evaluate(() => JSON.stringify(sessionStorage))).not.toContain("first-key");
  });

  test("says that one is refused, and takes the next", async () => {
    await use("wrong-key");
    await expect.poll(state).toBe("refused");
    await field().waitFor();
    await use("first-key");
    await expect.poll(state).toBe("in use");
    expect(await run(page)).toHaveProperty("data.backends");
  });

  test("does not take what cannot be one", async () => {
    await use("two words");
    await use("schlüssel");
    expect(sent).toEqual([]);
    expect(await field().evaluate((input) => input.matches(":invalid"))).toBe(true);
    await use("first-key");
    await expect.poll(() => sent).toEqual([{ authorization: "Bearer first-key", isSchema: true }]);
  });

  test("lets the header that is typed in the editor go first", async () => {
    await use("first-key");
    await expect.poll(() => sent.length).toBe(1);
    await page.getByRole("button", { name: "Headers" }).click();
    await page.locator(".graphiql-editor-tool .view-lines").last().click();
    await page.keyboard.insertText('{ "authorization": "Bearer second-key" }');
    await expect
      .poll(async () => {
        await run(page);
        return sent.at(-1)?.authorization;
      })
      .toBe("Bearer second-key");
  });

  test("names no backend to strangers", async () => {
    const text = await page.content();
    const front = await (await fetch(`${gateway.url}/`)).text();
    for (const name of ["swr-north4", 'backend: "']) {
      expect(text.slice(0, text.indexOf("<script>"))).not.toContain(name);
      expect(front).not.toContain(name);
    }
    expect(await page.locator("#examples a").count()).toBe(3);
  });
});
