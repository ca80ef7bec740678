import { describe, expect, it } from "vitest";
import { release } from "../../../demo/story.ts";
import { estateReleases } from "../../../demo/zadig-estate.ts";
import { changeRow, failureOf, filter, open, releasesPath, values } from "./opened.ts";

const byId = (zadigId: string, project: string | null = "pay") => ({
  backend: "zadig",
  project,
  zadigId,
  version: null,
});
const byName = (version: string, project = "pay") => ({ backend: "zadig", project, zadigId: null, version });
const unknownId = "f".repeat(24);

describe("one release by id", () => {
  it("is one call, however often it is asked for within a request", async () => {
    const { readers, paths } = await open("r1");
    const { releases } = readers();
    const answers = await Promise.all([1, 2, 3].map(() => releases.release(byId(release.id))));
    expect(answers.map((one) => one?.version)).toEqual(["v2.4.0", "v2.4.0", "v2.4.0"]);
    expect(paths()).toEqual([`${releasesPath}/${release.id}`]);
  });

  it("is null when Zadig cannot find it, and without a call when it can be no id", async () => {
    const { server, readers, answering } = await open("r1");
    const { releases } = readers();
    const none = { kind: "ABSENT", proof: "KEYED_READ", operation: "zadig.getRelease" };
    expect(await answering().releases.release(byId(unknownId))).toEqual(none);
    // Once it is shown that the look-up finds anything at all: one row of the list, and the look-up of that.
    expect(server.seen).toHaveLength(3);
    expect(await answering().releases.release(byId(unknownId))).toEqual(none);
    expect(server.seen).toHaveLength(4);
    for (const text of ["", "0".repeat(24), "../artifacts", "v2.4.0"]) {
      expect(await releases.release(byId(text))).toBeNull();
    }
    expect(server.seen).toHaveLength(4);
  });

  it("is null when Zadig answers with another project's release", async () => {
    for (const generation of ["r1", "o1", "r2"] as const) {
      const { readers } = await open(generation);
      expect(await readers().releases.release(byId(release.id, "storefront"))).toBeNull();
      expect((await readers().releases.release(byId(release.id, "pay")))?.version).toBe("v2.4.0");
    }
  });

  it("works from the id alone: directly where no project is needed, by the list where one is", async () => {
    const old = await open("r1");
    expect((await old.readers().releases.release(byId(release.id, null)))?.version).toBe("v2.4.0");
    expect(old.server.seen).toHaveLength(1);
    for (const generation of ["o1", "r2"] as const) {
      const { readers } = await open(generation);
      const found = await readers().releases.release(byId(release.id, null));
      expect(found).toMatchObject({ version: "v2.4.0", project: "pay" });
      expect(found?.parts).not.toBeNull();
    }
  });

  it("checks the right to the project that the release is in, not to the one it was asked with", async () => {
    const shop = estateReleases.find(({ project }) => project === "storefront")?.id ?? "";
    const { readers, server } = await open(
      { generation: "r2", forbidden: ["storefront"] },
      { projects: ["pay", "storefront"] },
    );
    const failure = await failureOf(readers().releases.release(byId(shop, null)));
    expect(failure.failure).toBe("DENIED");
    expect(server.seen.map(({ url }) => url)).toEqual([
      `${releasesPath}/${shop}?projectName=pay&ifPassFilter=true`,
      `${releasesPath}/${shop}?projectName=storefront&ifPassFilter=true`,
    ]);
    const strict = await open("r2", { projects: ["pay"] });
    expect(await strict.readers().releases.release(byId(shop, null))).toBeNull();
  });
});

describe("where there is no look-up by id", () => {
  const old = { credentials: { apiKey: "demo-zadig-token" } };

  it("1.6 is walked, and a release listed before is not asked for again", async () => {
    const { readers, paths } = await open("r1-1.6", old);
    const { releases } = readers();
    const oldest = estateReleases.filter(({ project }) => project === "pay").at(-1);
    const found = await releases.release(byId(oldest?.id ?? ""));
    expect(found?.version).toBe(oldest?.version);
    expect(found?.parts?.builds).toHaveLength(3);
    expect(paths()).toEqual(["/api/directory/dc/releases"]);
    const later = readers();
    const [head] = values(await later.releases.page(filter({ project: "pay" }), { first: 1, after: null }, true));
    expect(head && (await later.releases.release(head.ref))).toBe(head);
    expect(paths()).toHaveLength(2);
  });

  it("1.6 says absent after the whole list, and nothing when the list had rows that could not be read", async () => {
    const { server, answering } = await open("r1-1.6", old);
    expect(await answering().releases.release(byId(unknownId))).toMatchObject({ kind: "ABSENT", proof: "WHOLE_LIST" });
    server.setTamper((reply) => ({ ...reply, body: changeRow(reply.body, 0, () => ({ versionInfo: 1 })) }));
    expect(await answering().releases.release(byId(unknownId))).toMatchObject({ kind: "UNKNOWN", reason: "LOST_ROWS" });
  });

  it("the directory facade of later versions gives the parts by workflow and task", async () => {
    const { server, readers } = await open("r1", { surface: "directory" });
    const found = await readers().releases.release(byId(release.id));
    expect(found?.parts?.builds).toHaveLength(3);
    expect(server.seen.map(({ url }) => new URL(url, server.url).searchParams.get("taskId"))).toEqual([null, "117"]);
  });

  it("a walk that is too long is not absent", async () => {
    const { server, answering } = await open("r1-1.6", old);
    server.setTamper((reply, request) => ({
      ...reply,
      body: Array.from({ length: 100 }, (_, index) => ({
        versionInfo: { id: null, version: `p${request.query.get("page")}-${index}`, productName: "pay" },
      })),
    }));
    expect(await answering().releases.release(byId(unknownId))).toMatchObject({ kind: "UNKNOWN", reason: "UNREAD" });
    expect(server.seen).toHaveLength(10);
  });

  it("a release without an id is found by project and name", async () => {
    const { server, readers, paths } = await open("r1");
    const found = await readers().releases.release(byName("v2.3.4"));
    expect(found?.version).toBe("v2.3.4");
    expect(found?.parts).not.toBeNull();
    expect(paths()).toHaveLength(2);
    expect(await readers().releases.release(byName("v2.3.4", "ledger"))).toBeNull();
    expect(server.seen).toHaveLength(3);
  });
});

describe("OpenAPI", () => {
  it("O1 is asked by id, and its generation is learnt once for the process", async () => {
    const { readers, paths } = await open("o1", { surface: "openapi" });
    const shop = estateReleases.find(({ project }) => project === "storefront")?.id ?? "";
    expect((await readers().releases.release(byId(shop, "storefront")))?.parts?.deployments).toHaveLength(1);
    expect(paths()).toEqual(["/openapi/delivery/releases", `/openapi/delivery/releases/${shop}`]);
    await readers().releases.release(byId(shop, "storefront"));
    expect(paths()).toHaveLength(3);
  });

  it("O2 is asked by name, and keeps the id of its list", async () => {
    const { readers, paths } = await open("o2", { generation: "o2" });
    const { releases } = readers();
    const [head] = values(await releases.page(filter({ project: "pay" }), { first: 1, after: null }, true));
    expect(head?.ref).toEqual({ backend: "zadig", project: "pay", zadigId: null, version: "v2.4.0" });
    const full = head && (await releases.release(head.ref));
    expect(full).toMatchObject({ zadigId: release.id, version: "v2.4.0", ref: head?.ref });
    expect(paths()).toEqual(["/openapi/delivery/releases", "/openapi/delivery/releases/detail"]);
  });

  it("tells a missing version from a broken answer by the list, because both are 500", async () => {
    const { server, readers } = await open("o2", { generation: "o2" });
    expect(await readers().releases.release(byName("v0.0.1"))).toBeNull();
    expect(server.seen).toHaveLength(2);
    const made = await open("o1", { generation: "o1" });
    // O1 cannot print what a workflow made: it is there, but nothing can be said about it.
    expect(await failureOf(made.readers().releases.release(byId(release.id)))).toMatchObject({
      failure: "UNAVAILABLE",
      retryable: false,
    });
    expect(await made.readers().releases.release(byId(unknownId))).toBeNull();
  });

  it("finds an id in the configured projects", async () => {
    const { readers, paths } = await open("o2", { generation: "o2", projects: ["ledger", "pay"] });
    expect((await readers().releases.release(byId(release.id, null)))?.version).toBe("v2.4.0");
    expect(paths()).toHaveLength(3);
  });
});
