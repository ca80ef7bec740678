import { afterEach, describe, expect, test } from "vitest";
import { gitlab as adapter } from "../../../src/backends/gitlab/index.ts";
import { foundIn } from "../../support/answers.ts";
import { testCall } from "../../support/call.ts";
import { serveLiteral } from "./literal.ts";
import { present } from "./support.ts";

const sha = "abcdef1234567890abcdef1234567890abcdef12";
const at = (day: number) => new Date(Date.UTC(2026, 0, 1 + day)).toISOString();
// The wanted package is behind the first page of a list that is sorted newest first.
const packages = Array.from({ length: 151 }, (_, index) => ({
  id: index + 1,
  name: "cart",
  package_type: "npm",
  version: `1.0.${index}`,
  created_at: at(index),
  ...(index === 0 ? { sha } : { sha: "f".repeat(40) }),
}));

let close = async () => {};
afterEach(() => close());

async function open(options: Parameters<typeof serveLiteral>[0]) {
  const server = await serveLiteral(options);
  const settings = { kind: "gitlab", name: "gitlab", url: server.url, retries: 0 };
  const backend = adapter.connect(adapter.settings.parse(settings));
  close = async () => {
    await backend.close();
    await server.stop();
  };
  return { server, commits: () => present(backend.during(testCall()).commits) };
}

describe("what was published from a commit, in a project of 151 packages", () => {
  const project = { id: 7, path: "acme/shop", packages, commits: [sha] };

  test.each([
    [8, 5],
    [12, 5],
    [40, 4],
  ])("is the same whether %i letters of its hash are given or all", async (letters, calls) => {
    const { server, commits } = await open({ projects: [project] });
    const versions = foundIn(await commits().publishedFrom("acme/shop", sha.slice(0, letters)));
    expect(versions.map(({ name }) => name)).toEqual(["1.0.0"]);
    // Two pages, the modules, the pipelines; a short hash is made whole by the commit, because pipelines know no other.
    expect(server.asked).toHaveLength(calls);
  });

  test("is read to the end of the list where the commit is gone and its date is unknown", async () => {
    const { commits } = await open({ projects: [{ ...project, commits: [] }] });
    expect(foundIn(await commits().publishedFrom("acme/shop", sha.slice(0, 8)))).toHaveLength(1);
  });

  test("is absent where no pipeline ran for the revision, as the list of pipelines proves", async () => {
    const { commits } = await open({ projects: [project] });
    expect(await commits().publishedFrom("acme/shop", "0".repeat(40))).toEqual({
      kind: "ABSENT",
      proof: "WHOLE_LIST",
      operation: "gitlab.listPipelines",
    });
  });

  test("is not absent because the project does not tell its pipelines", async () => {
    const { server, commits } = await open({ projects: [project] });
    server.before((url) =>
      url.pathname.endsWith("/pipelines") ? { status: 404, body: { message: "404 Not Found" } } : null,
    );
    expect(foundIn(await commits().publishedFrom("acme/shop", sha))).toHaveLength(1);
  });

  test("is of the project that a redirect leads to, as its commit is", async () => {
    const { commits } = await open({ projects: [{ ...project, formerly: ["team-a/shop"] }] });
    expect(foundIn(await commits().commit("team-a/shop", sha)).repository).toBe("acme/shop");
    const [version] = foundIn(await commits().publishedFrom("team-a/shop", sha));
    expect(version?.ref.package.repository).toBe("acme/shop");
  });

  test("is not ended early by a list that does not keep its order", async () => {
    const rows = [...packages].sort((one, other) => (one.id % 2) - (other.id % 2));
    const { commits } = await open({ projects: [{ ...project, packages: rows }], isOld: true });
    expect(foundIn(await commits().publishedFrom("acme/shop", sha))).toHaveLength(1);
  });
});
