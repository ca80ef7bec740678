import { describe, expect, test } from "vitest";
import { isCompanionTag, isProjectPath, parseKey, parseRecipe } from "../../../src/backends/gitlab/identity.ts";
import { projectOf, projectOfCommit, toPipeline, toWeb } from "../../../src/backends/gitlab/mapper.ts";
import { filterOf, isSameName } from "../../../src/backends/gitlab/package-name.ts";

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

  test("and tells the same as before", () => {
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
