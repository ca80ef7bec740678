import { describe, expect, it } from "vitest";
import { release } from "../../../demo/story.ts";
import { estateReleases } from "../../../demo/zadig-estate.ts";
import { changeRow, failureOf, filter, open, query, releasesPath, values, walk } from "./opened.ts";

const ofProject = (project: string) =>
  estateReleases.filter((one) => one.project === project).map((one) => one.version);
const pay = ofProject("pay");
const newest = { first: 3, after: null };

describe("a page of releases", () => {
  it("is one brief call, in the backend's order, when the parts are not wanted", async () => {
    const { server, readers, paths } = await open("r1");
    const page = await readers().releases.page(filter({ project: "pay" }), newest, false);
    expect(values(page).map(({ version, project }) => [project, version])).toEqual([
      ["pay", "v2.4.0"],
      ["pay", "v2.3.9"],
      ["pay", "v2.3.8"],
    ]);
    expect(values(page).map(({ parts }) => parts)).toEqual([null, null, null]);
    expect(page.hasNext).toBe(true);
    expect(page.total).toBeNull();
    expect(paths()).toEqual([releasesPath]);
    expect(query(server, 0).get("verbosity")).toBe("brief");
  });

  it("is one detailed call when they are, and asking for one of its releases then costs nothing", async () => {
    const { server, readers, paths } = await open("r1");
    const { releases } = readers();
    const page = await releases.page(filter({ project: "pay" }), newest, true);
    expect(query(server, 0).get("verbosity")).toBe("detailed");
    const [first] = values(page);
    expect(first?.parts?.builds).toHaveLength(3);
    expect(first && (await releases.release(first.ref))).toBe(first);
    expect(paths()).toEqual([releasesPath]);
  });

  it("asks in the words of every version, never for a service, and never without a page", async () => {
    const { server, readers } = await open("r1");
    await readers().releases.page(filter({ project: "pay", workflow: "pay-release", taskId: 117 }), newest, false);
    expect(Object.fromEntries(query(server, 0))).toEqual({
      projectName: "pay",
      productName: "pay",
      workflowName: "pay-release",
      taskId: "117",
      verbosity: "brief",
      per_page: "4",
      perPage: "4",
      page: "1",
      ifPassFilter: "true",
    });
  });

  it("finds the release of one run of one workflow", async () => {
    const { readers } = await open("r1");
    const page = await readers().releases.page(filter({ workflow: "pay-release", taskId: 117 }), newest, false);
    expect(values(page).map(({ version }) => version)).toEqual(["v2.4.0"]);
    expect(page.hasNext).toBe(false);
  });

  it("tells the total where the server does", async () => {
    for (const generation of ["o1", "r2", "r2-4.1"] as const) {
      const { readers } = await open(generation);
      expect((await readers().releases.page(filter({ project: "pay" }), newest, false)).total).toBe(pay.length);
    }
  });

  it("is not replaced by unsynchronised collaboration resources", async () => {
    const { readers } = await open({ generation: "r1", unsynchronised: true });
    expect(values(await readers().releases.page(filter({ project: "pay" }), newest, false))).toHaveLength(3);
  });

  it("leaves out other projects when the server ignores the one that was asked for", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply) => ({
      ...reply,
      body: changeRow(reply.body, 1, (row) => ({
        versionInfo: { ...Object(row["versionInfo"]), productName: "other" },
      })),
    }));
    const page = await readers().releases.page(filter({ project: "pay" }), newest, false);
    // The row that was asked for to see whether the list goes on takes the place.
    expect(values(page).map(({ version }) => version)).toEqual(["v2.4.0", "v2.3.8", "v2.3.7"]);
    expect(page.hasNext).toBe(true);
    expect(page.dropped).toEqual([]);
  });
});

describe("each shape", () => {
  it.each([
    ["r1-1.6", { credentials: { apiKey: "demo-zadig-token" } }],
    ["r1", {}],
    ["o1", {}],
    ["o1", { generation: "o1" }],
    ["r2-4.1", {}],
    ["r2", {}],
    ["o2", { surface: "openapi" }],
    ["r2", { surface: "directory" }],
  ] as const)("of %s %j is walked without duplicate or gap", async (generation, settings) => {
    const { readers } = await open(generation, settings);
    for (const first of [7, 20, 100]) {
      const { releases } = readers();
      const all = await walk((request) => releases.page(filter({ project: "pay" }), request, false), first);
      expect(all.map(({ version }) => version)).toEqual(pay);
    }
  });

  it("is normalised into the same head", async () => {
    const heads = [];
    for (const [generation, settings] of [
      ["r1", {}],
      ["o1", { generation: "o1" }],
      ["r2", {}],
      ["o2", { generation: "o2" }],
    ] as const) {
      const { readers } = await open(generation, settings);
      const [head] = values(await readers().releases.page(filter({ project: "pay" }), newest, false));
      heads.push([head?.version, head?.project, head?.description, head?.createdBy, head?.createdAt, head?.zadigId]);
    }
    const [first] = heads;
    expect(first?.slice(0, 2)).toEqual(["v2.4.0", "pay"]);
    expect(first?.slice(3)).toEqual([release.createdBy, release.at, release.id]);
    for (const head of heads) expect(head).toEqual(first);
  });

  it("says not loaded, not empty, of the services that lists of 4.2 leave out", async () => {
    const newer = await open("r2");
    const older = await open("r2-4.1");
    const [brief] = values(await newer.readers().releases.page(filter({ project: "pay" }), newest, true));
    const [full] = values(await older.readers().releases.page(filter({ project: "pay" }), newest, true));
    expect(brief?.parts).toBeNull();
    expect(full?.parts?.deployments).toHaveLength(4);
  });

  it("keeps empty text and zeros out of the model", async () => {
    const { readers } = await open("r1");
    const [head] = values(await readers().releases.page(filter({ project: "pay" }), newest, false));
    expect(head).toMatchObject({ type: null, status: null, workflow: "pay-release", taskId: 117 });
    expect(head?.environment).toMatchObject({ name: "production", namespace: "pay-env-production", production: true });
    expect(head?.environment?.variableNames).toEqual(["sdkVersion", "replicas", "databasePassword"]);
  });
});

describe("all projects", () => {
  it("are one list where Zadig has such a list", async () => {
    const { readers } = await open("r1");
    const { releases } = readers();
    const all = await walk((request) => releases.page(filter(), request, false), 100);
    expect(all).toHaveLength(estateReleases.length + 2);
    expect(new Set(all.map(({ zadigId }) => zadigId)).size).toBe(all.length);
  });

  it("are the configured ones, merged and newest first, where it has not", async () => {
    const { readers } = await open("o2", { generation: "o2", projects: ["ledger", "storefront"] });
    const { releases } = readers();
    const all = await walk((request) => releases.page(filter(), request, false), 30);
    const both = estateReleases.filter(({ project }) => project === "ledger" || project === "storefront");
    expect(new Set(all.map(({ version }) => version))).toEqual(new Set(both.map(({ version }) => version)));
    const dates = all.map(({ createdAt }) => createdAt);
    expect(dates).toEqual(dates.toSorted().toReversed());
    const page = await releases.page(filter(), newest, false);
    expect(typeof page.total === "function" && (await page.total())).toBe(86);
  });

  it("cannot be listed by OpenAPI when none is configured: that is reported without a call", async () => {
    const { server, readers } = await open("o2", { generation: "o2" });
    expect(await failureOf(readers().releases.page(filter(), newest, false))).toMatchObject({
      failure: "REJECTED",
      retryable: false,
    });
    expect(server.seen).toHaveLength(0);
  });
});

describe("filters that Zadig lacks", () => {
  it("finds a label locally where only the newest generation filters by it", async () => {
    for (const generation of ["r1", "o1", "r2"] as const) {
      const { readers } = await open(generation);
      const { releases } = readers();
      const found = await walk(
        (request) => releases.page(filter({ project: "pay", label: "hotfix" }), request, false),
        3,
      );
      expect(found.map(({ version }) => version)).toEqual(
        estateReleases.filter(({ labels }) => labels.includes("hotfix")).map(({ version }) => version),
      );
    }
  });

  it("encodes a label twice for the server that decodes it twice", async () => {
    const { server, readers, paths } = await open("r2", { generation: "r2" });
    const label = "rollout 50%+1";
    const page = await readers().releases.page(filter({ project: "pay", label }), newest, false);
    expect(values(page).map(({ labels }) => labels[0])).toEqual([label]);
    expect(query(server, 0).get("label")).toBe("rollout 50%25%2B1");
    expect(page.total).toBe(1);
    expect(paths()).toEqual([releasesPath]);
  });

  it("finds a service without tearing holes into pages, few rows at a time where the list has the parts", async () => {
    const { server, readers, paths } = await open("r1");
    const page = await readers().releases.page(filter({ service: "ledger-core" }), { first: 5, after: null }, false);
    expect(values(page).map(({ version }) => version)).toEqual(ofProject("ledger").slice(0, 5));
    expect(page.hasNext).toBe(true);
    expect(query(server, 0).has("serviceName")).toBe(false);
    expect(new Set(paths())).toEqual(new Set([releasesPath]));
    expect(server.seen.map((_, index) => query(server, index).get("per_page"))).toEqual(["20", "20"]);
  });

  it("finds a service by the details of the rows where the list has none", async () => {
    const { readers, paths } = await open("r2", { generation: "r2" });
    const { releases } = readers();
    const found = await walk(
      (request) => releases.page(filter({ project: "ledger", service: "ledger-core" }), request, false),
      50,
    );
    expect(found.map(({ version }) => version)).toEqual(ofProject("ledger"));
    expect(paths().filter((path) => path !== releasesPath)).toHaveLength(41);
  });

  it("refuses what OpenAPI cannot know, before any call", async () => {
    const { server, readers } = await open("o1", { generation: "o1" });
    const { releases } = readers();
    for (const given of [{ workflow: "pay-release" }, { taskId: 117 }, { label: "stable" }]) {
      const failure = await failureOf(releases.page(filter({ project: "pay", ...given }), newest, false));
      expect(failure.failure).toBe("REJECTED");
    }
    expect(server.seen).toHaveLength(0);
  });

  it("refuses a label when the first answer shows that there are none", async () => {
    const { readers } = await open("o1", { surface: "openapi" });
    const { releases } = readers();
    const failure = await failureOf(releases.page(filter({ project: "pay", label: "stable" }), newest, false));
    expect(failure.failure).toBe("REJECTED");
  });
});

describe("a list that moves or is damaged", () => {
  it("shows no release twice and none too few when new ones come in front during the walk", async () => {
    for (const given of [{}, { label: "stable" }]) {
      const { server, readers } = await open("r1");
      const { releases } = readers();
      let added = 0;
      server.setTamper((reply, request) => {
        if (!Array.isArray(reply.body) || added === 0) return reply;
        const now = [...Array.from({ length: added }, (_, index) => createdSince(index)), ...rows];
        const page = Number(request.query.get("page"));
        const size = Number(request.query.get("per_page"));
        return { ...reply, body: now.slice((page - 1) * size, page * size) };
      });
      const rows = await rawRows(server.url);
      const seen = await walk(
        (request) => releases.page(filter({ project: "pay", ...given }), request, false),
        9,
        () => {
          added += 2;
        },
      );
      const wanted = estateReleases.filter(
        ({ project, labels }) => project === "pay" && (given.label === undefined || labels.includes(given.label)),
      );
      expect(seen.map(({ version }) => version)).toEqual(wanted.map(({ version }) => version));
    }
  });

  it("loses one bad row, not the page, and says which", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply) => ({
      ...reply,
      body: changeRow(reply.body, 1, () => ({ versionInfo: { id: 7, version: "secret text" } })),
    }));
    const page = await readers().releases.page(filter({ project: "pay" }), newest, false);
    expect(values(page).map(({ version }) => version)).toEqual(["v2.4.0", "v2.3.8", "v2.3.7"]);
    expect(page.hasNext).toBe(true);
    expect(page.dropped).toEqual([
      { operation: "zadig.listReleases", index: 1, reason: "versionInfo.id: expected string" },
    ]);
  });

  it("walks on past bad rows without losing a good one", async () => {
    const { server, readers } = await open("r1");
    const { releases } = readers();
    const bad = new Set(["v2.3.7", "v2.2.4", "v1.9.0"]);
    server.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body)
        ? reply.body.map((row) => (bad.has(row.versionInfo.version) ? { versionInfo: null } : row))
        : reply.body,
    }));
    for (const first of [5, 13]) {
      const all = await walk((request) => releases.page(filter({ project: "pay" }), request, false), first);
      expect(all.map(({ version }) => version)).toEqual(pay.filter((version) => !bad.has(version)));
    }
  });

  it("reads null as an empty list and keeps its generation open", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply, { rawPath }) => (rawPath === releasesPath ? { ...reply, body: "null" } : reply));
    const page = await readers().releases.page(filter({ project: "pay" }), newest, false);
    expect(page).toMatchObject({ rows: [], hasNext: false });
    server.setTamper(null);
    expect(values(await readers().releases.page(filter({ project: "pay" }), newest, false))).toHaveLength(3);
  });

  it("drops repeated rows", async () => {
    const { server, readers } = await open("r1");
    server.setTamper((reply) => ({
      ...reply,
      body: Array.isArray(reply.body) ? [reply.body[0], ...reply.body.slice(0, -1)] : reply.body,
    }));
    const page = await readers().releases.page(filter({ project: "pay" }), newest, false);
    expect(values(page).map(({ version }) => version)).toEqual(["v2.4.0", "v2.3.9", "v2.3.8"]);
  });
});

function createdSince(index: number): unknown {
  const id = String(index).padStart(24, "f");
  return { versionInfo: { id, version: `v9.${index}`, productName: "pay", labels: ["stable"], created_at: 1 } };
}

async function rawRows(url: string): Promise<unknown[]> {
  const response = await fetch(`${url}${releasesPath}?projectName=pay&per_page=1000&verbosity=brief`, {
    headers: { authorization: "Bearer demo-zadig-token" },
  });
  const rows: unknown = await response.json();
  return Array.isArray(rows) ? rows : [];
}
