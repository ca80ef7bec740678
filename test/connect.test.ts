import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Asked, type Literal, type Reply, serveJson } from "./support/literal.ts";
import { runMain } from "./support/process.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "delivery-graph-connect-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What no line may hold: credentials, and text that a server wrote. */
const secret = "s3cr3t-credential";
const vendorText = "words-of-the-vendor";

/** A GitLab of the group `pay` and the project `pay/api`, whose images may not be read. */
function gitlab(): Promise<Literal> {
  return serveJson(({ path, headers }: Asked): Reply => {
    if (headers["private-token"] !== secret) return { status: 401, body: { message: vendorText } };
    const at = decodeURIComponent(path).replace("/api/v4", "");
    if (at === "/version") return { body: { version: "18.0.0" } };
    if (at === "/user") return { body: { id: 7, username: "release-bot", email: "bot@example.com", name: vendorText } };
    if (at === "/groups/pay/packages" || at === "/groups/pay/registry/repositories") return { body: [] };
    if (at === "/projects/pay/api/packages") return { body: [] };
    if (at === "/projects/pay/api/registry/repositories") return { status: 403, body: { message: vendorText } };
    return { status: 404, body: { message: `404 ${vendorText}` } };
  });
}

/** A bkrepo of the project `pay` with two empty repositories, one of which is forbidden. */
function bkrepo(): Promise<Literal> {
  const answer = (status: number, code: number, data: unknown = null): Reply => ({
    status,
    body: { code, message: vendorText, data, traceId: "" },
  });
  return serveJson(({ path, headers }) => {
    if (headers.authorization !== `Basic ${Buffer.from(`ci:${secret}`).toString("base64")}`) return answer(401, 250111);
    if (path === "/repository/api/package/page/pay/maven") {
      return answer(200, 0, { pageNumber: 1, pageSize: 1, totalRecords: 0, totalPages: 0, records: [], count: 0 });
    }
    return path === "/repository/api/package/page/pay/locked" ? answer(403, 250113) : answer(404, 251006);
  });
}

/** A SWR of the empty organization `pay`, in a region without software packages. */
function swr(): Promise<Literal> {
  return serveJson(({ path, headers }) => {
    const fault = (status: number, errorCode: string): Reply => ({
      status,
      body: { errors: [{ errorCode, errorMessage: vendorText }] },
    });
    if (headers["x-auth-token"] !== secret) return fault(401, "SVCSTG.SWR.4010000");
    if (path.startsWith("/v2/manage/packages")) {
      return { status: 404, body: { error_code: "APIGW.0101", error_msg: vendorText } };
    }
    if (path === "/v2/manage/repos") return { body: [], headers: { "content-range": "0-0/0" } };
    return path === "/v2/manage/namespaces/pay"
      ? { body: { id: 1, name: "pay", auth: 7 } }
      : fault(404, "SVCSTG.SWR.4041061");
  });
}

/** A Zadig of the project `pay`, which has no releases. */
function zadig(): Promise<Literal> {
  return serveJson(({ path, headers }) => {
    if (headers.authorization !== `Bearer ${secret}`) return { status: 401, body: { message: vendorText } };
    if (path === "/openapi/projects/project") return { body: { total: 1, projects: [{ project_key: "pay" }] } };
    return { body: [], headers: { "x-total": "0" } };
  });
}

interface Entry {
  readonly kind: string;
  readonly url: string;
  readonly more?: Readonly<Record<string, unknown>>;
}

const credentials: Readonly<Record<string, object>> = {
  gitlab: { token: secret },
  bkrepo: { username: "ci", password: secret },
  swr: { token: secret },
  zadig: { token: secret },
};

/** Runs `--check --connect` over these backends, each by the name of its kind. */
async function connect(entries: readonly Entry[]) {
  const backends = entries.map(({ kind, url, more }) => ({
    ...{ kind, name: kind, url, retries: 0, credentials: credentials[kind] },
    ...more,
  }));
  const file = join(folder, `${entries.map(({ kind }) => kind).join("-")}.yaml`);
  // JSON is YAML as well.
  await writeFile(file, JSON.stringify({ backends }));
  const { code, stdout, stderr } = await runMain(["--check", "--connect", "--config", file]);
  for (const unwanted of [secret, vendorText, "http://", "127.0.0.1", "@example.com"]) {
    expect(stdout + stderr).not.toContain(unwanted);
  }
  return { code, stderr, lines: stdout.trimEnd().split("\n") };
}

const absent = "does not exist, or these credentials may not see it";

describe("--check --connect", () => {
  test("says of each backend and each place what may be read, in their order, and ok", async () => {
    const [one, two, three, four] = await Promise.all([zadig(), bkrepo(), swr(), gitlab()]);
    const { code, stderr, lines } = await connect([
      { kind: "zadig", url: one.url, more: { projects: ["pay"] } },
      { kind: "bkrepo", url: two.url, more: { repositories: ["pay/maven"] } },
      { kind: "swr", url: three.url, more: { namespaces: ["pay"] } },
      { kind: "gitlab", url: four.url, more: { groups: ["pay"], projects: ["pay/api"], capabilities: ["PACKAGES"] } },
    ]);
    expect(lines).toEqual([
      "ok     zadig: reachable",
      "ok     zadig: project pay: releases can be read",
      "ok     bkrepo: reachable",
      "ok     bkrepo: repository pay/maven: packages and images can be read",
      "ok     swr: reachable",
      "ok     swr: namespace pay: packages cannot be asked for in this version or region; images can be read",
      "ok     gitlab: reachable, as release-bot",
      "ok     gitlab: group pay: packages can be read",
      "ok     gitlab: project pay/api: packages can be read",
      "ok",
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(four.asked.filter((path) => path.includes("/user"))).toHaveLength(1);
  });

  test.each([
    ["zadig", zadig, { projects: ["pay", "pya"] }, "project pya", 3],
    ["bkrepo", bkrepo, { repositories: ["pay/maven", "pay/mvaen"] }, "repository pay/mvaen", 3],
    ["bkrepo", bkrepo, { repositories: ["pay/mvaen"] }, "repository pay/mvaen", 2],
    ["bkrepo", bkrepo, { repositories: ["pay/mvaen"], capabilities: ["IMAGES"] }, "repository pay/mvaen", 2],
    ["swr", swr, { namespaces: ["pay", "pya"], capabilities: ["IMAGES"] }, "namespace pya", 3],
    ["gitlab", gitlab, { groups: ["pay", "pya"] }, "group pya", 3],
    ["gitlab", gitlab, { groups: ["pay"], projects: ["pay/apy"] }, "project pay/apy", 3],
    ["gitlab", gitlab, { projects: ["pay/apy"], capabilities: ["IMAGES"] }, "project pay/apy", 2],
  ])("of %s, a place that is mistyped is wrong (%#)", async (kind, serve, more, place, count) => {
    const { url } = await serve();
    const { code, lines } = await connect([{ kind, url, more }]);
    expect(lines.filter((line) => line.startsWith("wrong"))).toEqual([`wrong  ${kind}: ${place}: ${absent}`]);
    expect(lines.at(-1)).toBe(`1 of ${count} is wrong`);
    expect(lines).toHaveLength(count + 1);
    expect(code).toBe(1);
  });

  test("what is denied differs from what is not there", async () => {
    const [one, two] = await Promise.all([bkrepo(), gitlab()]);
    const { code, lines } = await connect([
      { kind: "bkrepo", url: one.url, more: { repositories: ["pay/locked", "pay/maven"] } },
      { kind: "gitlab", url: two.url, more: { projects: ["pay/api"] } },
    ]);
    expect(lines).toEqual([
      "ok     bkrepo: reachable",
      "wrong  bkrepo: repository pay/locked: packages and images may not be read with these credentials (HTTP 403)",
      "ok     bkrepo: repository pay/maven: packages and images can be read",
      "ok     gitlab: reachable, as release-bot",
      "wrong  gitlab: project pay/api: packages can be read; images may not be read with these credentials (HTTP 403)",
      "2 of 5 are wrong",
    ]);
    expect(code).toBe(1);
  });

  test("credentials that a backend does not accept are the backend's own line", async () => {
    const servers = await Promise.all([zadig(), swr(), gitlab()]);
    const wrong = { credentials: { token: "another" } };
    const { code, lines } = await connect(
      ["zadig", "swr", "gitlab"].map((kind, index) => ({ kind, url: servers[index]?.url ?? "", more: wrong })),
    );
    expect(lines).toEqual([
      "wrong  zadig: does not accept these credentials (HTTP 401)",
      "wrong  swr: does not accept these credentials (HTTP 401)",
      "wrong  gitlab: does not accept these credentials (HTTP 401)",
      "3 of 3 are wrong",
    ]);
    expect(code).toBe(1);
  });

  test("of a backend that is down the places are not asked for, and the others are", async () => {
    const up = await bkrepo();
    const { code, lines } = await connect([
      { kind: "gitlab", url: "http://127.0.0.1:9", more: { groups: ["pay"] } },
      { kind: "bkrepo", url: up.url, more: { repositories: ["pay/maven"] } },
    ]);
    expect(lines).toEqual([
      "wrong  gitlab: cannot be reached",
      "wrong  gitlab: group pay: not asked",
      "ok     bkrepo: reachable",
      "ok     bkrepo: repository pay/maven: packages and images can be read",
      "2 of 4 are wrong",
    ]);
    expect(code).toBe(1);
  });

  test("a server that is something else is not taken for one without packages", async () => {
    const page = await serveJson(() => ({ status: 404, body: `<html>${vendorText}</html>` }));
    const { code, lines } = await connect([
      { kind: "gitlab", url: page.url },
      { kind: "bkrepo", url: page.url, more: { repositories: ["pay/maven"] } },
    ]);
    expect(lines.every((line) => !line.startsWith("ok"))).toBe(true);
    expect(lines[0]).toMatch(/^wrong {2}gitlab: answers as no backend of this kind does \(HTTP 404\)/);
    expect(lines[1]).toMatch(/^wrong {2}bkrepo: has nothing at this address \(HTTP 404\)/);
    expect(code).toBe(1);
  });

  test("what only callers have credentials for, or names no place, is not asked, and the output says so", async () => {
    const [one, two] = await Promise.all([gitlab(), bkrepo()]);
    const { code, lines } = await connect([
      { kind: "gitlab", url: one.url, more: { credentials: undefined, forward: "caller", groups: ["pay"] } },
      { kind: "bkrepo", url: two.url },
    ]);
    expect(lines).toEqual([
      "ok     gitlab: not asked, because each caller brings a credential (forward: caller)",
      "ok     bkrepo: not asked, because the configuration names no place there and nothing else is cheap to ask",
      "ok",
    ]);
    expect([code, one.asked, two.asked]).toEqual([0, [], []]);
  });

  test("a configuration that is wrong is reported before anything is asked; --connect alone is refused", async () => {
    const server = await gitlab();
    const { code, lines } = await connect([{ kind: "gitlab", url: server.url, more: { gruops: ["pay"] } }]);
    expect([code, lines, server.asked]).toEqual([1, [""], []]);
    expect(await runMain(["--connect", "--config", "x.yaml"])).toMatchObject({
      code: 1,
      stderr: "--connect needs --check: it asks what the configuration names, and leaves.\n",
    });
  });
});
