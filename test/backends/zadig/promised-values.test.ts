import { describe, expect, it } from "vitest";
import { gatewayOver, nodesIn } from "../../support/literal.ts";
import { idOf, imageRow, serveZadig, settingsOf } from "./literal.ts";

const run = "/v1/projects/detail/pay/pipelines/custom/w/7";

async function buildsOf(activity: Record<string, unknown>, fields: string) {
  const artifacts = [
    imageRow(1, "api", "registry.test/api:1", { activities: [{ type: "build", url: run, commits: [], ...activity }] }),
  ];
  const { url } = await serveZadig({ artifacts });
  const ask = await gatewayOver(settingsOf(url));
  const { data, errors } = await ask(`{ artifacts { nodes { builds { ${fields} } } } }`);
  expect(errors).toEqual([]);
  return nodesIn<{ builds: Record<string, unknown>[] }>(data, "artifacts")[0]?.builds[0];
}

describe("issues of a build activity", () => {
  it("are reported by key and address, whatever they were posted as", async () => {
    const issues = [
      "https://jira.test/browse/PAY-42",
      "https://jira.test/browse/PAY-43/",
      "https://bot:s3cret@jira.test/browse/PAY-44?focused=1#comment",
      "https://tracker.test/#/tasks/T-5",
      "https://tracker.test",
      "PAY-45",
      "jira.test/browse/PAY-46",
      "ftp://bot:s3cret@files.test/PAY-47",
      "javascript:alert(1)",
      "https://jira.test/browse/%E6%94%AF-48",
      { key: "PAY-49", url: "https://jira.test/browse/PAY-49", summary: "Charge once" },
      { id: 50 },
      { url: "https://jira.test/browse/PAY-51" },
      "https://jira.test/browse/PAY-42",
      "",
      "  ",
      null,
      { key: "" },
    ];
    const build = await buildsOf({ issues }, "issues { key url summary }");
    expect(build?.["issues"]).toEqual([
      { key: "PAY-42", url: "https://jira.test/browse/PAY-42", summary: null },
      { key: "PAY-43", url: "https://jira.test/browse/PAY-43/", summary: null },
      { key: "PAY-44", url: "https://jira.test/browse/PAY-44?focused=1", summary: null },
      { key: "T-5", url: "https://tracker.test/", summary: null },
      { key: "tracker.test", url: "https://tracker.test/", summary: null },
      { key: "PAY-45", url: null, summary: null },
      { key: "PAY-46", url: null, summary: null },
      { key: "PAY-47", url: null, summary: null },
      { key: "alert(1)", url: null, summary: null },
      { key: "支-48", url: "https://jira.test/browse/%E6%94%AF-48", summary: null },
      { key: "PAY-49", url: "https://jira.test/browse/PAY-49", summary: "Charge once" },
      { key: "50", url: null, summary: null },
      { key: "PAY-51", url: "https://jira.test/browse/PAY-51", summary: null },
    ]);
    expect(JSON.stringify(build)).not.toContain("s3cret");
  });

  it("that are no issues cost only themselves", async () => {
    const artifacts = [
      imageRow(1, "api", "registry.test/api:1", {
        activities: [{ type: "build", url: run, commits: [], issues: ["PAY-1", 7, ["x"]] }],
      }),
    ];
    const { url } = await serveZadig({ artifacts });
    const ask = await gatewayOver(settingsOf(url));
    const { data } = await ask("{ artifacts { nodes { name builds { issues { key } } } } }");
    expect(data).toMatchObject({ artifacts: { nodes: [{ name: "api", builds: [{ issues: [{ key: "PAY-1" }] }] }] } });
  });
});

describe("the revision of a build", () => {
  it.each([
    [{ source: "perforce", commit_id: "1048576" }, "1048576"],
    [{ source: "perforce", commit_id: "@1048576" }, "1048576"],
    [{ source: "perforce", commit_id: "12" }, "12"],
    [{ source: "perforce", changelist_id: 77 }, "77"],
    [{ source: "perforce", commit_id: "head" }, null],
    [{ source: "gitlab", commit_id: "AB12cd34ef" }, "AB12cd34ef"],
    [{ source: "gitlab", commit_id: "main" }, null],
    [{ source: "other" }, null],
  ])("%j is %j", async (commit, sha) => {
    const commits = [{ repo_owner: "acme", repo_name: "api", address: "https://git.test", ...commit }];
    const build = await buildsOf({ commits }, "commits { sha webUrl }");
    expect(build?.["commits"]).toMatchObject([{ sha }]);
    if (commit.source === "perforce") expect(build?.["commits"]).toMatchObject([{ webUrl: null }]);
  });
});

describe("a release of 3.x", () => {
  it("tells statuses of pushes, tests that have cases, and images of its environment", async () => {
    const target = "registry.test/prod/api:1";
    const release = {
      versionInfo: {
        ...{ id: idOf(1), version: "v1", productName: "pay", created_at: 1_790_000_000 },
        productEnvInfo: {
          env_name: "prod",
          services: [
            [
              { service_name: "api", containers: [{ name: "api", image: target }] },
              { service_name: "proxy", containers: [{ name: "nginx", image: "registry.test/nginx:1.27" }] },
            ],
          ],
        },
        progress: { workflowStatus: [{ service_name: "api", target_image: target, status: "passed" }] },
      },
      deployInfo: [{ serviceName: "api/api", containerName: "api", image: target, yamlContents: [] }],
      testInfo: [
        {
          testReports: [
            { testName: "unit", testSuite: { tests: 10, failures: 2, errors: 1, successes: 9, time: 4.5 } },
            { testName: "quick", testSuite: { tests: 1 }, start_time: 10, end_time: 20 },
            { testName: "load", performanceTestSuite: [{ samples: "12" }] },
          ],
        },
      ],
    };
    const { url } = await serveZadig({
      odd: ({ path }) => (path.endsWith("/releases") ? { body: [release] } : { body: release }),
    });
    const ask = await gatewayOver(settingsOf(url));
    const { data, errors } = await ask(`{ releases { nodes {
      images { service target { raw } status } tests { name passed durationSeconds } deployments { service container }
    } } }`);
    expect(errors).toEqual([]);
    expect(data).toEqual({
      releases: {
        nodes: [
          {
            images: [
              { service: "api", target: { raw: target }, status: "passed" },
              { service: "proxy", target: { raw: "registry.test/nginx:1.27" }, status: null },
            ],
            tests: [
              { name: "unit", passed: 7, durationSeconds: 4.5 },
              { name: "quick", passed: 1, durationSeconds: null },
            ],
            deployments: [{ service: "api", container: "api" }],
          },
        ],
      },
    });
  });
});
