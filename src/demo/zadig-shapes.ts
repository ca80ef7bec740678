import { checksum } from "./story.ts";
import {
  type EstateArtifact,
  type EstateCommit,
  type EstateRelease,
  type EstateScan,
  type EstateService,
  hostOf,
  sdkVersion,
} from "./zadig-estate.ts";

/** Strings that the real server sends too and that must never leave the gateway. */
export const zadigSecrets = [
  "demo-secret-oauth-token",
  "demo-secret-password",
  "demo-secret-ssh-key",
  "demo-secret-access-token",
  "demo-secret-address-login",
  "demo-secret-webhook",
  "demo-secret-variable",
  "demo-secret-values-yaml",
  "demo-secret-storage-login",
  "demo-secret-docker-arg",
  "demo-secret-layer-signature",
  "demo-secret-run-password",
  "demo-secret-run-token",
  "demo-secret-activity-content",
  "demo-secret-error-login",
] as const;

/** Base64 of what the demo's Kubernetes Secret holds. */
export const manifestSecret = Buffer.from("demo-secret-in-manifest").toString("base64");

type Json = Record<string, unknown>;

/** How old the server is: what it prints depends on it. */
export type ServerVersion = "1.6" | "2.2" | "3.4" | "4.1" | "4.3";

const noId = "000000000000000000000000";
const rowId = (what: string) => checksum("sha256", what).slice(0, 24);

/** Leaves out what Go's `omitempty` leaves out. */
function omitEmpty(row: Json): Json {
  return Object.fromEntries(
    Object.entries(row).filter(
      ([, value]) => value !== "" && value !== 0 && !(Array.isArray(value) && value.length === 0),
    ),
  );
}

function manifestOf(release: EstateRelease, service: EstateService): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: ${service.name}
  namespace: ${release.environment.namespace}
spec:
  ports:
    - port: 80
      targetPort: 8080
  selector:
    app: ${service.name}
---
apiVersion: v1
kind: Secret
metadata:
  name: ${service.name}-database
type: Opaque
data:
  password: ${manifestSecret}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${service.name}
  namespace: ${release.environment.namespace}
spec:
  replicas: ${release.environment.production ? 3 : 1}
  selector:
    matchLabels:
      app: ${service.name}
  template:
    metadata:
      labels:
        app: ${service.name}
    spec:
      containers:
        - name: ${service.container}
          image: ${service.deployed}
          envFrom:
            - secretRef:
                name: ${service.name}-database
`;
}

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

function progress(release: EstateRelease): Json {
  const failed = release.status === "failed";
  return {
    successCount: failed ? 0 : release.services.length,
    totalCount: release.services.length,
    uploadStatus: failed ? "failed" : "success",
    error: failed ? "push to https://robot:demo-secret-error-login@swr.cn-north-4.myhuaweicloud.com failed" : "",
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

function splitTag(image: string): [string, string] {
  const colon = image.lastIndexOf(":");
  return [image.slice(0, colon), image.slice(colon + 1)];
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

/** R2: 4.0 and later. Lists of 4.2 and later leave the services out by printing none. */
export function r2Release(release: EstateRelease, withServices: boolean): Json {
  const isChart = release.type === "HelmChart";
  return {
    id: release.id,
    version: release.version,
    project_name: release.project,
    env_name: release.environment.name,
    production: release.environment.production,
    type: release.type || "K8SYaml",
    source: "from_env",
    desc: release.description,
    labels: release.labels,
    image_registry_id: rowId("registry bkrepo"),
    original_chart_repo_name: "",
    chart_repo_name: isChart ? "helm-local" : "",
    services: withServices ? release.services.map((service) => r2Service(release, service)) : [],
    status: release.status || "success",
    workflow_name: r2Workflow(release),
    task_id: release.taskId,
    error: release.status === "failed" ? "https://robot:demo-secret-error-login@registry refused the push" : "",
    created_by: release.createdBy,
    created_at: release.at,
  };
}

function r2Workflow({ workflow, type, version }: EstateRelease): string {
  return type === "" ? workflow : `${workflow}-${version.replace(/[^a-z0-9]/gi, "-")}`;
}

function r2Service(release: EstateRelease, service: EstateService): Json {
  const failed = release.status === "failed";
  const [, sourceTag] = splitTag(service.deployed);
  const status = failed ? "failed" : service.distributed === null ? "" : "passed";
  return {
    service_name: service.name,
    chart_name: service.chart?.name ?? "",
    original_chart_version: "",
    chart_version: service.chart?.version ?? "",
    chart_status: service.chart ? (failed ? "failed" : "passed") : "",
    yaml_content: service.chart ? "" : manifestOf(release, service),
    images: [
      {
        container_name: service.container,
        image_name: service.name,
        image_path: null,
        source_image: service.deployed,
        source_image_tag: sourceTag,
        target_image: service.distributed ?? service.deployed,
        target_image_tag: sourceTag,
        push_image: service.distributed !== null,
        status,
        error: "",
      },
    ],
    error: "",
  };
}

/** O1 and O2: a row of the OpenAPI list. */
export function openItem(release: EstateRelease, isO2: boolean): Json {
  return {
    id: release.id,
    version_name: release.version,
    type: isO2 ? release.type || "K8SYaml" : release.type,
    status: isO2 ? release.status || "success" : release.status,
    labels: isO2 ? release.labels : [],
    description: release.description,
    ...(isO2 ? { source: "from_env" } : { progress: null }),
    created_by: release.createdBy,
    create_time: release.at,
  };
}

/** O1: one release. Workflow-made ones have no progress, which the real handler does not survive. */
export function o1Release(release: EstateRelease): Json {
  const deploys = release.services.map((service) => ({
    id: rowId(`deploy ${release.id} ${service.name}`),
    service_name: service.name,
    service_module: service.container,
    image: service.deployed,
    image_name: service.name,
    registry_id: rowId("registry swr"),
    create_time: release.at,
  }));
  const charts = release.services.map((service) => ({
    id: rowId(`distribute ${release.id} chart ${service.name}`),
    service_name: service.name,
    distribute_type: "chart",
    chart_name: service.chart?.name ?? "",
    chart_repo_name: "helm-local",
    chart_version: service.chart?.version ?? "",
    create_time: release.at,
    sub_distributes: [
      {
        id: rowId(`distribute ${release.id} ${service.name}`),
        service_name: service.name,
        distribute_type: "image",
        service_module: service.container,
        image: service.distributed ?? "",
        image_name: service.name,
        namespace: "pay/docker-local",
        create_time: release.at,
      },
    ],
  }));
  return {
    version_info: { ...openItem(release, false), progress: progress(release) },
    ...(release.type === "HelmChart" ? { distribute_infos: charts } : { deploy_infos: deploys }),
  };
}

/** O2: one release, which is R2 without the keys that OpenAPI leaves out. */
export function o2Release(release: EstateRelease): Json {
  const {
    id: _id,
    workflow_name: _workflow,
    task_id: _task,
    original_chart_repo_name: _repo,
    ...rest
  } = r2Release(release, true);
  return { ...rest, deleted_at: 0 };
}

/** An artifact as aslan prints it. */
export function artifact(one: EstateArtifact): Json {
  const activities = one.runs.map((run) => ({
    artifact_id: one.id,
    type: run.type,
    content: run.type === "publish" ? "kubectl --token demo-secret-activity-content apply" : undefined,
    url: run.url,
    commits: run.commit ? [activityCommit(run.commit)] : undefined,
    start_time: run.startedAt,
    end_time: run.finishedAt,
    created_by: one.createdBy,
    created_time: run.finishedAt + (run.type === "publish" ? 6 : 2),
  }));
  const isImage = one.type === "image";
  const tag = isImage ? splitTag(one.image)[1] : one.image;
  const known = isImage && !one.multiArch;
  return {
    id: one.id,
    name: one.name,
    type: one.type,
    source: "workflow",
    image: one.image,
    image_tag: tag,
    ...(known
      ? {
          image_digest: one.digest,
          image_size: one.size,
          architecture: "amd64",
          os: "linux",
          docker_file: "FROM node:22\nARG NPM_TOKEN=demo-secret-docker-arg\nCOPY . /app\n",
          layers: [
            {
              media_type: "/bin/sh -c npm ci --//registry/:_authToken=demo-secret-docker-arg",
              size: 0,
              digest: "<missing>",
              urls: ["https://obs.example.com/layer?Signature=demo-secret-layer-signature"],
            },
          ],
        }
      : {}),
    ...(isImage
      ? {}
      : {
          package_file_location: "releases",
          package_storage_uri: "https://uploader:demo-secret-storage-login@obs/acme",
        }),
    created_by: one.createdBy,
    created_time: one.at,
    activities,
    sortedActivities: { build: activities.filter(({ type }) => type === "build") },
  };
}

function activityCommit(commit: EstateCommit): Json {
  return {
    address: hostOf(commit),
    source: "gitlab",
    repo_owner: commit.owner,
    repo_name: commit.name,
    branch: commit.branch,
    pr: commit.pr,
    prs: [commit.pr],
    commit_id: commit.sha,
    commit_message: commit.message,
    author_name: commit.author,
  };
}
