import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { isInstalled } from "./installed.ts";

const deploy = fileURLToPath(new URL("../../deploy/prometheus/", import.meta.url));

describe.skipIf(!isInstalled("promtool"))("promtool (Debian package prometheus)", () => {
  it("finds nothing wrong with the alert rules", () => {
    const output = execFileSync("promtool", ["check", "rules", join(deploy, "alerts.yaml")], { encoding: "utf8" });
    expect(output).toMatch(/SUCCESS: \d+ rules found/);
  });

  it("finds nothing wrong with what the gateway answers at /metrics", async () => {
    const gateway = await startDemoGateway();
    try {
      await gateway.ask("{ releases(filter: {}, first: 1) { nodes { version } } }");
      const figures = await (await fetch(`${gateway.url}/metrics`)).text();
      const { stderr, status } = spawnSync("promtool", ["check", "metrics"], { input: figures, encoding: "utf8" });
      // 1 is a fault of form, 3 a complaint of style: those of Node's own series are prom-client's to mend.
      expect(status).not.toBe(1);
      expect(stderr.split("\n").filter((line) => line !== "" && !line.startsWith("nodejs_"))).toEqual([]);
    } finally {
      await gateway.stop();
    }
  });
});

describe.skipIf(!isInstalled("prometheus"))("a real Prometheus (Debian package prometheus)", () => {
  const folder = mkdtempSync(join(tmpdir(), "prometheus-"));
  let gateway: DemoGateway;
  let server: ChildProcess;
  let url: string;

  beforeAll(async () => {
    gateway = await startDemoGateway();
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const target = new URL(gateway.url).host;
    writeFileSync(
      join(folder, "prometheus.yaml"),
      `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${join(deploy, "alerts.yaml")}]
scrape_configs:
  - job_name: delivery-graph
    static_configs: [{ targets: ["${target}"] }]
`,
    );
    server = spawn(
      "prometheus",
      [
        `--config.file=${join(folder, "prometheus.yaml")}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: "ignore" },
    );
  });

  afterAll(async () => {
    if (server.exitCode === null) {
      server.kill("SIGKILL");
      await once(server, "exit");
    }
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("scrapes the gateway, and the rules are evaluated over what it finds", async () => {
    await gateway.ask("query Counted { releases(filter: {}, first: 1) { nodes { version } } }");
    await until(async () => (await query("up")) === 1);
    await until(async () => (await query('delivery_graph_operations_total{operation="Counted",outcome="ok"}')) === 1);
    const { data } = await json("/api/v1/rules");
    const rules = data.groups.flatMap(({ rules }: { rules: { name: string; health: string }[] }) => rules);
    expect(rules).toHaveLength(8);
    await until(async () => {
      const { data } = await json("/api/v1/rules");
      return data.groups[0].rules.every(({ health }: { health: string }) => health === "ok");
    });
  }, 60_000);

  async function query(expression: string): Promise<number | null> {
    const { data } = await json(`/api/v1/query?query=${encodeURIComponent(expression)}`);
    const value = data.result[0]?.value[1];
    return value === undefined ? null : Number(value);
  }

  // Prometheus' answers are read as far as each expectation checks them.
  async function json(path: string) {
    const answer = await fetch(`${url}${path}`);
    if (!answer.ok) throw new Error(`Prometheus answered ${answer.status}`);
    return JSON.parse(await answer.text());
  }

  async function until(isTrue: () => Promise<boolean>): Promise<void> {
    for (let left = 100; !(await isTrue().catch(() => false)); left--) {
      if (left === 0) throw new Error("it did not become true");
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (typeof address !== "object" || address === null) throw new Error("a TCP server has a port");
  return address.port;
}
