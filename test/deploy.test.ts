import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { Deployment } from "kubernetes-models/apps/v1";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1";
import { ConfigMap, Namespace, Service } from "kubernetes-models/v1";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readConfig } from "../src/config/index.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

const folder = new URL("../deploy/", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, folder), "utf8");

/** A manifest as far as these tests look into it. */
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
}

const manifests = readdirSync(new URL("kubernetes/", folder))
  .filter((name) => name !== "kustomization.yaml")
  .map((name) => ({ name, text: read(`kubernetes/${name}`) }));

// The classes validate with Kubernetes' own OpenAPI schemas.
const kinds: Readonly<Record<string, new (manifest: never) => { validate(): void }>> = {
  "apps/v1 Deployment": Deployment,
  "autoscaling/v2 HorizontalPodAutoscaler": HorizontalPodAutoscaler,
  "monitoring.coreos.com/v1 ServiceMonitor": ServiceMonitor,
  "networking.k8s.io/v1 NetworkPolicy": NetworkPolicy,
  "policy/v1 PodDisruptionBudget": PodDisruptionBudget,
  "v1 ConfigMap": ConfigMap,
  "v1 Namespace": Namespace,
  "v1 Service": Service,
};

/** What is wrong with a manifest: the schema's complaint, or a key that no schema has asked for. */
function faultsOf(manifest: Manifest): string[] {
  const kind = kinds[`${manifest.apiVersion} ${manifest.kind}`];
  if (!kind) return [`no schema for ${manifest.apiVersion} ${manifest.kind}`];
  const unread = new Set<string>();
  const watched = watch(manifest, "", unread);
  try {
    // The schemas allow unknown keys, so the reads of the validator tell which keys it knows.
    kind.prototype.validate.call(watched);
  } catch (error) {
    return [String(error)];
  }
  return [...unread].map((path) => `unknown key ${path}`);
}

/** The same value, which takes every path that is read out of `unread`. */
function watch<T>(value: T, path: string, unread: Set<string>): T {
  if (typeof value !== "object" || value === null) return value;
  for (const key of Object.keys(value)) unread.add(`${path}/${key}`);
  return new Proxy(value, {
    get(target, key) {
      const at = `${path}/${String(key)}`;
      if (Object.hasOwn(target, key) && unread.delete(at))
        Reflect.set(target, key, watch(Reflect.get(target, key), at, unread));
      return Reflect.get(target, key);
    },
  });
}

describe("the Kubernetes manifests", () => {
  it.each(manifests)("$name is valid by the schema of its kind, without unknown keys", ({ text }) => {
    expect(faultsOf(parse(text))).toEqual([]);
  });

  it("would be refused for a key that is misspelt, and for a wrong type", () => {
    const deployment = read("kubernetes/deployment.yaml");
    expect(faultsOf(parse(deployment.replace("readinessProbe", "readinesProbe")))).toEqual([
      "unknown key /spec/template/spec/containers/0/readinesProbe",
    ]);
    expect(faultsOf(parse(deployment.replace("replicas: 2", "replicas: two")))).toHaveLength(1);
  });

  it("are all named by the kustomization", () => {
    const { resources } = parse(read("kubernetes/kustomization.yaml"));
    expect([...resources].sort()).toEqual(manifests.map(({ name }) => name).sort());
  });
});

describe("the configuration", () => {
  const secrets = mkdtempSync(join(tmpdir(), "deploy-"));
  afterAll(() => rmSync(secrets, { recursive: true }));

  it("is accepted with its secrets as files, and is the one that the ConfigMap holds", () => {
    const text = read("gateway.yaml");
    mkdirSync(secrets, { recursive: true });
    const names = [...text.matchAll(/\$\{file:\/run\/secrets\/([\w-]+)\}/g)].map(([, name = ""]) => name);
    for (const name of names) writeFileSync(join(secrets, name), name.includes("sha256") ? "a".repeat(64) : "secret");
    expect(readConfig(text.replaceAll("/run/secrets", secrets), {})).toHaveProperty("config");
    const held: Manifest = parse(read("kubernetes/configuration.yaml"));
    expect(held.data?.["gateway.yaml"]).toBe(text);
    const compose = parse(read("compose.yaml"));
    expect(Object.keys(compose.secrets).sort()).toEqual([...names].sort());
    expect([...compose.services.gateway.secrets].sort()).toEqual([...names].sort());
  });
});

describe("the image", () => {
  it("copies files that exist, and nothing else of the project", () => {
    const sources = [...read("Dockerfile").matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list = ""]) =>
      list.split(" "),
    );
    const allowed = read("Dockerfile.dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    expect([...sources].sort()).toEqual([...allowed].sort());
    for (const source of sources) expect(() => readdirOrFile(source), source).not.toThrow();
  });

  function readdirOrFile(path: string): unknown {
    const at = new URL(`../${path}`, folder);
    return path.includes(".") || path === "LICENSE" ? readFileSync(at) : readdirSync(at);
  }
});

describe("what watches it", () => {
  let gateway: DemoGateway;
  const series = new Set<string>();
  beforeAll(async () => {
    gateway = await startDemoGateway();
    await gateway.ask("{ backends { name health { status } } }");
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    for (const [, name = ""] of text.matchAll(/^# TYPE (\S+)/gm)) series.add(name);
    // The text that describes a histogram names its base; queries name its parts.
    for (const [, name = ""] of text.matchAll(/^# TYPE (\S+) histogram/gm)) series.add(`${name}_bucket`);
  });
  afterAll(() => gateway.stop());

  const named = (text: string) =>
    [...text.matchAll(/\b(?:delivery_graph|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name);

  it.each(["prometheus/alerts.yaml", "grafana/dashboards/delivery-graph.json"])(
    "%s names series that there are",
    (file) => {
      const names = named(read(file));
      expect(names.length).toBeGreaterThan(5);
      expect(names.filter((name) => !series.has(name))).toEqual([]);
    },
  );
});
