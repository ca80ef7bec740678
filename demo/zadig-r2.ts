import type { EstateRelease, EstateService } from "./zadig-estate.ts";
import { type Json, manifestOf, progress, rowId, splitTag } from "./zadig-print.ts";

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
