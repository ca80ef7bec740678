import { describe, expect, it } from "vitest";
import { type Asked, gatewayOver } from "../../support/literal.ts";
import { idOf, imageRow, type LiteralOptions, type LiteralRelease, serveZadig, settingsOf } from "./literal.ts";

const shown = "registry.test/pay/api:1";
const hidden = "registry.test/pay/web:1";
const run = "/v1/projects/detail/pay/pipelines/custom/w/7";
const commit = { source: "gitlab", repo_owner: "pay", repo_name: "api", branch: "main", commit_id: "ab12cd34ef" };
const activities = [{ type: "build", url: run, commits: [commit], start_time: 1, end_time: 2 }];
const artifacts = [
  imageRow(1, "api", shown, { activities }),
  // Zadig could not read its manifest: no size, so no list shows it.
  imageRow(2, "web", hidden, { activities, image_size: undefined }),
];
const release = (services: Record<string, string>): LiteralRelease => ({
  ...{ id: idOf(9), version: "v1", project: "pay", at: 1_790_000_000, services },
});

async function open(options: LiteralOptions = {}, settings: Record<string, unknown> = {}) {
  const zadig = await serveZadig({ artifacts, ...options });
  return { zadig, ask: await gatewayOver(settingsOf(zadig.url, settings)) };
}

const trace = (image: string) =>
  `{ traceByImage(image: "${image}") { artifact { name } candidates { name } sources { status } isComplete } }`;

describe("a record of an image", () => {
  it("that no list shows is found by its key", async () => {
    const { ask } = await open();
    expect(JSON.stringify((await ask(trace(hidden))).data)).toContain('"web"');
  });

  it("that is nowhere is absent once its key was asked for", async () => {
    const { ask, zadig } = await open();
    const { data, errors } = await ask(trace("registry.test/pay/gone:1"));
    expect([data, errors]).toMatchObject([{ traceByImage: { artifact: null, sources: [{ status: "ABSENT" }] } }, []]);
    // Both spellings by the list, then the key.
    expect(zadig.asked).toHaveLength(3);
  });

  it("is not denied by a Zadig that cannot be asked by key (before 1.8)", async () => {
    const { ask } = await open({
      odd: ({ path }) => (path.endsWith("/artifacts/image") ? { status: 404, body: "Invalid path" } : null),
    });
    const { data } = await ask(trace("registry.test/pay/gone:1"));
    expect(data).toMatchObject({ traceByImage: { isComplete: false } });
    expect(JSON.stringify(data)).not.toContain("ABSENT");
  });
});

describe("builds of a release from 4.0 on", () => {
  const query = "{ releases { nodes { builds { service workflow } sources { status } } } }";

  it("come from the records of its images, hidden ones included", async () => {
    const { ask } = await open({ generation: "r2", releases: [release({ api: shown, web: hidden })] });
    const { data, errors } = await ask(query);
    expect(errors).toEqual([]);
    expect(data).toMatchObject({
      releases: {
        nodes: [
          {
            builds: [
              { service: "api", workflow: "w" },
              { service: "web", workflow: "w" },
            ],
          },
        ],
      },
    });
  });

  it("are none where every image is known not to have been built", async () => {
    const { ask } = await open({ generation: "r2", releases: [release({ proxy: "registry.test/nginx:1.27" })] });
    const { data, errors } = await ask(query);
    expect([data, errors]).toMatchObject([{ releases: { nodes: [{ builds: [] }] } }, []]);
  });

  it("are null, and not an empty list, where they are unknown", async () => {
    const { ask } = await open({
      ...{ generation: "r2", releases: [release({ proxy: "registry.test/nginx:1.27" })] },
      odd: ({ path }) => (path.includes("/artifacts") ? { status: 500, body: { code: 500, message: "x" } } : null),
    });
    const { data, errors } = await ask(query);
    expect(data).toMatchObject({ releases: { nodes: [{ builds: null }] } });
    expect(errors).not.toEqual([]);
  });

  it("tell what one image could not say beside the others", async () => {
    const { ask } = await open({
      ...{ generation: "r2", releases: [release({ api: shown, proxy: "registry.test/nginx:1.27" })] },
      odd: ({ path }) => (path.endsWith("/artifacts/image") ? { status: 404, body: "Invalid path" } : null),
    });
    const { data, errors } = await ask(query);
    expect(data).toMatchObject({ releases: { nodes: [{ builds: [{ service: "api" }] }] } });
    expect(errors).not.toEqual([]);
  });
});

describe("a list that is not in its order", () => {
  it("is read to its end before the answer is that nothing names the artifact", async () => {
    const target = release({ api: shown });
    const others = [1, 2, 3].map((number) => ({ ...release({}), id: idOf(20 + number), version: `x${number}` }));
    const rows = [{ ...others[0], at: 1_700_000_000 }, { ...others[1], at: 1_790_000_500 }, target, others[2]];
    const { ask } = await open({
      odd: ({ path }) => {
        if (!path.endsWith("/releases")) return null;
        const body = rows.map((one) => ({
          versionInfo: { id: one?.id, version: one?.version, productName: "pay", created_at: one?.at },
          deployInfo: Object.entries(one?.services ?? {}).map(([serviceName, image]) => ({ serviceName, image })),
        }));
        return { headers: { "x-total": "4" }, body };
      },
    });
    const { data } = await ask(`{ artifacts(filter: { name: "api" }) { nodes { releases { nodes { version } } } } }`);
    expect(data).toMatchObject({ artifacts: { nodes: [{ releases: { nodes: [{ version: "v1" }] } }] } });
  });
});

describe("a project", () => {
  const query = `query ($project: String!) { releases(filter: { project: $project }) { nodes { version } sources { status } } }`;
  const projects =
    (keys: readonly string[]) =>
    ({ path }: Asked) =>
      path === "/openapi/projects/project"
        ? { body: { total: keys.length, projects: keys.map((project_key) => ({ project_key, project_name: "x" })) } }
        : null;

  it("without releases is distinguished from one that there is none of", async () => {
    const { ask } = await open({ releases: [release({})], odd: projects(["pay", "new"]) });
    expect((await ask(query, { project: "new" })).data).toMatchObject({
      releases: { nodes: [], sources: [{ status: "OK" }] },
    });
    expect((await ask(query, { project: "gone" })).data).toMatchObject({
      releases: { nodes: [], sources: [{ status: "ABSENT" }] },
    });
  });

  it("with releases is not asked for, and neither is one of a Zadig that cannot list projects", async () => {
    const { ask, zadig } = await open({ releases: [release({})] });
    await ask(query, { project: "pay" });
    expect(zadig.asked).toHaveLength(1);
    expect((await ask(query, { project: "gone" })).errors).toEqual([]);
    expect((await ask(query, { project: "gone" })).errors).toEqual([]);
    expect(zadig.asked.filter((path) => path.startsWith("/openapi/"))).toHaveLength(1);
  });
});

describe("a list that counts rows which are passed over or repeated", () => {
  const image = (number: number) => imageRow(number, "api", `registry.test/pay/api:${number}`, { activities });

  it("has lost none of them where an artifact comes once for each of its build activities", async () => {
    const twice = { ...image(1), activities: [...activities, ...activities] };
    const { ask } = await open({ artifacts: [twice, image(2)] });
    const { data, errors } = await ask(
      '{ artifacts(filter: { repository: "api" }) { pageInfo { hasNextPage } nodes { name } sources { status } } }',
    );
    expect(errors).toEqual([]);
    expect(data).toMatchObject({
      artifacts: { pageInfo: { hasNextPage: false }, nodes: [{}, {}], sources: [{ status: "OK" }] },
    });
  });

  it("has lost none of them where it does not know the label that was asked for", async () => {
    const releases = [1, 2, 3].map((number) => ({
      ...release({ api: shown }),
      ...{ id: idOf(number), version: `v${number}`, labels: number === 2 ? ["stable"] : [] },
    }));
    const { ask } = await open({ generation: "r1", releases });
    const { data, errors } = await ask(
      '{ releases(filter: { project: "pay", label: "stable" }) { nodes { version } sources { status } } }',
    );
    expect(errors).toEqual([]);
    expect(data).toMatchObject({ releases: { nodes: [{ version: "v2" }], sources: [{ status: "OK" }] } });
  });

  it("has lost rows where it ends before as many places as it counts", async () => {
    const { ask } = await open({
      odd: ({ query }) => ({
        headers: { "x-total": "3" },
        body: query.get("page") === "1" ? [image(1), image(2)] : [],
      }),
    });
    const { data, errors } = await ask(
      '{ artifacts(filter: { repository: "api" }) { nodes { name } sources { status } } }',
    );
    expect(errors).toMatchObject([{ extensions: { code: "UPSTREAM_MALFORMED" } }]);
    expect(data).toMatchObject({ artifacts: { nodes: [{}, {}], sources: [{ status: "PARTIAL" }] } });
  });
});
