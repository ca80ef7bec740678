import { type EstateCommit, type EstateRelease, type EstateScan, hostOf, sdkVersion } from "./zadig-estate.ts";
import {
  type Json,
  manifestOf,
  noId,
  omitEmpty,
  progress,
  rowId,
  type ServerVersion,
  splitTag,
} from "./zadig-print.ts";

/** A repository as builds carry it, credentials of the code host included. */
function repository(commit: EstateCommit, version: ServerVersion): Json {
  return {
    source: "gitlab",
    repo_owner: commit.owner,
    repo_name: commit.name,
    remote_name: "origin",
    branch: commit.branch,
    pr: commit.pr,
    commit_id: commit.sha,
    commit_message: commit.message,
    is_primary: true,
    codehost_id: 24,
    oauth_token: "demo-secret-oauth-token",
    address: hostOf(commit),
    author_name: commit.author,
    username: "ci-bot",
    password: "demo-secret-password",
    ...(version === "1.6"
      ? {}
      : {
          repo_namespace: commit.owner,
          prs: [commit.pr],
          enable_commit: false,
          hidden: false,
          ssh_key: "demo-secret-ssh-key",
          private_access_token: "demo-secret-access-token",
          auth_type: "SSH",
        }),
  };
}

function versionInfo(release: EstateRelease, version: ServerVersion, brief: boolean): Json {
  const made = release.type === "";
  return {
    id: release.id,
    version: release.version,
    ...(version === "1.6" ? { orgId: 1 } : {}),
    productName: release.project,
    workflowName: release.workflow,
    ...(version === "1.6"
      ? {}
      : { workflowDisplayName: version === "2.2" ? release.workflow : "", type: release.type }),
    taskId: release.taskId,
    desc: release.description,
    labels: release.labels,
    productEnvInfo: brief && version === "3.4" ? null : environment(release, version),
    createdBy: release.createdBy,
    ...(version === "1.6"
      ? {}
      : {
          status: release.status,
          progress: made || brief ? null : progress(release),
        }),
    created_at: release.at,
    deleted_at: 0,
  };
}
function environment(release: EstateRelease, version: ServerVersion): Json {
  const { name, namespace, production } = release.environment;
  const groups = release.services.map((service) => [
    {
      service_name: service.name,
      product_name: release.project,
      type: release.type === "HelmChart" ? "helm" : "k8s",
      revision: 7,
      containers: [{ name: service.container, image: service.deployed }],
      render: {
        name: namespace,
        revision: 4,
        product_tmpl: release.project,
        description: "",
        values_yaml: "password: demo-secret-values-yaml",
      },
    },
  ]);
  return {
    id: noId,
    product_name: release.project,
    create_time: 0,
    update_time: 0,
    namespace,
    status: "",
    revision: 0,
    enabled: false,
    env_name: name,
    update_by: "",
    visibility: "",
    services: [...groups, []],
    error: "",
    isPublic: false,
    roleIds: [],
    recycle_day: 0,
    source: "",
    is_opensource: false,
    ...(version === "1.6"
      ? {
          auth: [],
          render: { name: namespace, revision: 4, product_tmpl: release.project, description: "" },
          vars: [
            { key: "sdkVersion", value: sdkVersion, alias: "{{.sdkVersion}}", state: "present", services: ["api"] },
            { key: "databasePassword", value: "demo-secret-variable", alias: "", state: "present", services: ["api"] },
          ],
        }
      : {
          render: null,
          base_env_name: "",
          registry_id: rowId("registry swr"),
          is_existed: false,
          share_env: { enable: false, is_base: false, base_env: "" },
          analysis_config: null,
          notification_configs: [
            { webhook_type: "feishu", webhook_url: "https://open.feishu.cn/open-apis/bot/v2/hook/demo-secret-webhook" },
          ],
          default_values: "databasePassword: demo-secret-values-yaml",
          global_variables: [
            { key: "sdkVersion", value: sdkVersion, type: "string", desc: "" },
            { key: "replicas", value: 3, type: "string", desc: "" },
            { key: "databasePassword", value: "demo-secret-variable", type: "string", desc: "" },
          ],
          production,
          alias: "",
        }),
  };
}

function builds(release: EstateRelease, version: ServerVersion): Json[] {
  // Custom workflows, and with them every stand-alone version, write no builds.
  if (release.type !== "") return [];
  return release.services.flatMap((service) => {
    if (service.built === null) return [];
    const [repo = "", tag = ""] = splitTag(service.built);
    return [
      {
        id: rowId(`build ${release.id} ${service.name}`),
        releaseId: release.id,
        serviceName: service.name,
        imageInfo: service.remembered
          ? {
              repoName: repo.slice(repo.indexOf("/") + 1),
              tagName: tag,
              imageSize: service.size,
              imageDigest: service.digest,
              author: "",
              architecture: "amd64",
              dockerVersion: "20.10.23",
              os: "linux",
              creationTime: goTime(service.finishedAt - 3),
              updateTime: goTime(service.finishedAt),
            }
          : null,
        imageName: service.built,
        packageInfo: null,
        issues:
          service.name === "api"
            ? [
                {
                  id: "10482",
                  key: "PAY-1482",
                  url: "https://jira-bot:demo-secret-password@jira.acme.example/browse/PAY-1482",
                  summary: "Refunds ignore the currency of the order",
                },
              ]
            : [],
        commits: service.commit ? [repository(service.commit, version)] : [],
        start_time: service.startedAt,
        end_time: service.finishedAt,
        created_at: release.at,
        deleted_at: 0,
      },
    ];
  });
}

/** How Go prints a time with the zone's name. */
function goTime(unix: number): string {
  return `${new Date((unix + 28_800) * 1000).toISOString().slice(0, 19).replace("T", " ")} +0800 CST`;
}
function deployments(release: EstateRelease, version: ServerVersion): Json[] {
  if (release.type === "HelmChart") return [];
  return release.services.map((service) => ({
    id: rowId(`deploy ${release.id} ${service.name}`),
    releaseId: release.id,
    serviceName: version === "1.6" ? service.name : `${service.name}/${service.container}`,
    ...(version === "3.4"
      ? { real_service_name: service.name, service_module: service.container, image_name: service.name }
      : {}),
    containerName: service.container,
    ...(version === "1.6" ? {} : { image: service.deployed, registry_id: rowId("registry swr") }),
    yamlContents: [manifestOf(release, service), manifestOf(release, service)],
    envs: [],
    orderedServices: release.services.map(({ name }) => [name]),
    start_time: release.at - 400,
    end_time: release.at - 310,
    created_at: release.at,
    deleted_at: 0,
  }));
}

function tests(release: EstateRelease): Json[] {
  if (release.tests.length === 0) return [];
  return [
    {
      id: rowId(`tests ${release.id}`),
      releaseId: release.id,
      testReports: release.tests.map((test, index) => ({
        testResultPath: `service_automation/${test.name}`,
        workflowName: release.workflow,
        taskId: release.taskId,
        testName: test.name,
        testSuite: {
          tests: test.tests,
          failures: test.failures,
          ...(index === 0 ? { successes: test.tests - test.failures } : {}),
          skips: test.skips,
          errors: 0,
          time: test.seconds,
          testcase: [],
        },
        performanceTestSuite: [],
        start_time: release.at - 1300,
        end_time: release.at - 1300 + Math.ceil(test.seconds),
      })),
      created_at: release.at,
      deleted_at: 0,
    },
    ...(release.scans.length === 0
      ? []
      : [
          {
            id: rowId(`load test ${release.id}`),
            releaseId: release.id,
            testReports: [
              {
                testResultPath: "service_automation/load",
                workflowName: release.workflow,
                taskId: release.taskId,
                testName: "checkout-load",
                testSuite: null,
                performanceTestSuite: [
                  { label: "POST /orders", samples: "12000", average: "41", error: "0.02%", throughput: "311.5" },
                ],
                start_time: release.at - 620,
                end_time: release.at - 420,
              },
            ],
            created_at: release.at,
            deleted_at: 0,
          },
        ]),
  ];
}

function distributions(release: EstateRelease, version: ServerVersion): Json[] {
  const times = {
    start_time: release.at - 300,
    end_time: release.at - 60,
    created_at: release.at,
    deleted_at: 0,
  };
  const row = (what: string, rest: Json): Json => {
    const full = {
      id: rowId(`distribute ${release.id} ${what}`),
      releaseId: release.id,
      serviceName: "",
      distributeType: "image",
      registryName: "",
      namespace: "",
      packageFile: "",
      remoteFileKey: "",
      destStorageUrl: "",
      srcStorageUrl: "",
      ...rest,
      ...times,
    };
    return version === "1.6" ? full : { ...omitEmpty(full), deleted_at: 0 };
  };
  const rows = release.services.flatMap((service): Json[] => {
    if (service.distributed === null) return [];
    const namespace = service.distributed.split("/").slice(1, -1).join("/");
    const image = row(service.name, {
      serviceName: service.name,
      registryName: service.distributed,
      namespace,
      ...(version === "3.4" ? { image: service.distributed, image_name: service.name } : {}),
    });
    if (service.chart === null || version === "1.6") return [image];
    return [
      row(`chart ${service.name}`, {
        serviceName: service.name,
        distributeType: "chart",
        chartName: service.chart.name,
        chartVersion: service.chart.version,
        chartRepoName: "helm-local",
        subDistributes: [image],
      }),
    ];
  });
  if (release.file === null) return rows;
  return [
    ...rows,
    row("file", {
      serviceName: "pay-cli",
      distributeType: "file",
      packageFile: release.file,
      remoteFileKey: `releases/${release.version}/${release.file}`,
      destStorageUrl: "https://uploader:demo-secret-storage-login@obs.cn-north-4.myhuaweicloud.com/acme-pay-downloads",
    }),
  ];
}

function security({ image, imageId, ...counts }: EstateScan): Json {
  return { imageName: image, imageId, deliverySecurityStatsInfo: { ...counts, unkown: 0 } };
}

/** R1: envelope of 1.x to 3.x. Up to 1.7 every list is printed, later the empty ones have no key. */
export function r1Release(release: EstateRelease, version: ServerVersion, brief: boolean): Json {
  const lists: Json = {
    buildInfo: builds(release, version),
    deployInfo: deployments(release, version),
    testInfo: tests(release),
    distributeInfo: distributions(release, version),
    securityStatsInfo: version === "3.4" ? [] : release.scans.map(security),
  };
  const info = { versionInfo: versionInfo(release, version, brief) };
  if (version === "1.6") return { ...info, ...lists };
  return brief ? info : { ...info, ...omitEmpty(lists) };
}
