import { createServer } from "node:http";
import { describe, expect, test } from "vitest";
import { gitlab } from "../../../src/backends/gitlab/index.ts";
import {
  filterOf,
  isCompanionTag,
  isProjectPath,
  isSameName,
  parseKey,
  parseRecipe,
} from "../../../src/backends/gitlab/keys.ts";
import { projectOf, projectOfCommit, toPipeline, toWeb } from "../../../src/backends/gitlab/mapper.ts";
import { testCall } from "../../support/call.ts";
import { present } from "./support.ts";

// A pattern that tries a letter in two ways takes for ever with these: what takes one pass takes no time at all.
const many = 50_000;
const endings = ["", ".-", "~.-", "!", " ", "/", "\u0000"];
const texts = ["-", "/", "/-", "a-", "-/", ".", "_", "a", "a.", "~", "@", "/-/", ":"].flatMap((part) =>
  endings.map((end) => part.repeat(many) + end),
);
const web = toWeb("https://gitlab.test/sub/");

describe("whatever a backend or a caller writes is read in one pass", () => {
  test.each(["web_url of a pipeline", "page of a commit", "page of a row", "paths and keys", "names"])(
    "%s",
    (what) => {
      for (const text of texts) {
        const address = `https://gitlab.test/sub/${text}`;
        if (what.startsWith("web_url")) toPipeline({ id: 1, web_url: address }, "gitlab", web);
        else if (what.startsWith("page of a commit"))
          projectOfCommit({ id: "a".repeat(40), web_url: `${address}/commit/aa` }, web);
        else if (what.startsWith("page of a row"))
          projectOf({ id: 1, name: "", package_type: "npm", _links: { web_path: `/sub/${text}` } }, web);
        else if (what.startsWith("paths"))
          [isProjectPath(text), parseKey(`image:${text}`), isCompanionTag(text), toWeb(address)];
        else [parseRecipe(text), filterOf("maven", text), filterOf("pypi", text), isSameName("npm", text, `${text}b`)];
      }
    },
    10_000,
  );

  test("and answers the same as before", () => {
    const run = (web_url: string) => toPipeline({ id: 1, web_url }, "gitlab", web);
    expect(run("https://gitlab.test/sub/acme/.ci/x--y/-/pipelines/5").projectPath).toBe("acme/.ci/x--y");
    expect(run("https://elsewhere.test/sub/acme/shop/pipelines/5").projectPath).toBe("acme/shop");
    for (const path of [
      "sub/a/../b/-/pipelines/5",
      "acme/shop/-/pipelines/5",
      "sub/acme/shop/-/pipelines/x",
      "sub/-/pipelines/5",
    ]) {
      expect([path, run(`https://gitlab.test/${path}`).projectPath]).toEqual([path, path.includes("..") ? "b" : null]);
    }
    expect(run(`https://gitlab.test/sub/${"-".repeat(26)}.-`).webUrl).toBe(
      `https://gitlab.test/sub/${"-".repeat(26)}.-`,
    );
  });
});

describe("a server that writes more than it was asked for", () => {
  const answers = async (
    body: unknown,
    headers: Readonly<Record<string, string>>,
    ask: (told: Told) => Promise<unknown>,
  ) => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const settings = { kind: "gitlab", name: "gitlab", url: `http://127.0.0.1:${port}`, retries: 0 };
    const backend = gitlab.connect(gitlab.settings.parse(settings));
    const told = await ask(backend.during(testCall({ calls: 60 })));
    await backend.close();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return told;
  };
  type Told = ReturnType<ReturnType<typeof gitlab.connect>["during"]>;
  const scope = { repository: "acme/shop", group: null };
  const any = { name: null, match: "CONTAINS", format: null } as const;
  const first = { first: 10, after: null };

  test("a page of unreadable rows without end is left out row by row", async () => {
    const rows = Array.from({ length: 200_000 }, () => ({}));
    const page = await answers(rows, { "x-next-page": "" }, (told) => present(told.packages).page(scope, any, first));
    expect(page).toMatchObject({ kind: "FOUND", value: { rows: [] } });
    const ref = { backend: "gitlab", repository: "acme/shop", key: "npm:cart" };
    const head = answers(rows, { "x-next-page": "" }, (told) => present(told.packages).latest(ref));
    await expect(head).rejects.toMatchObject({ failure: "MALFORMED" });
  });

  test("a page of one package's rows without end is one package", async () => {
    const rows = Array.from({ length: 60_000 }, (_, id) => ({
      id: id + 1,
      name: "cart",
      package_type: "npm",
      version: `${id}`,
    }));
    const page = await answers(rows, { "x-next-page": "" }, (told) => present(told.packages).page(scope, any, first));
    expect(page).toMatchObject({ kind: "FOUND", value: { rows: [{ value: { versionCount: 60_000 } }] } });
  });

  test("a page that repeats for a count without end is read no further", async () => {
    const headers = { "x-total": "999999999999999", "x-next-page": "2" };
    const images = { ...any, name: "web", format: "DOCKER" } as const;
    const rows = [{ id: 1, name: "web", path: "acme/shop/web" }];
    const asked = answers(rows, headers, (told) => present(told.packages).named("other", images.format, "acme/shop"));
    await expect(asked).resolves.toMatchObject({ kind: "UNKNOWN", reason: "LOST_ROWS" });
  });
});
