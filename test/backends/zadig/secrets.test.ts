import { describe, expect, it } from "vitest";
import { images, swrReference } from "../../../demo/story.ts";
import type { ZadigGeneration } from "../../../demo/zadig.ts";
import { manifestSecret, zadigSecrets } from "../../../demo/zadig-print.ts";
import { failureOf, filter, open, values } from "./opened.ts";

const everything = { first: 100, after: null };

async function told(generation: ZadigGeneration, settings: Record<string, unknown>) {
  const { server, readers } = await open(generation, settings);
  const sent: string[] = [];
  server.setTamper((reply) => {
    sent.push(JSON.stringify(reply.body) ?? "");
    return reply;
  });
  const { releases, artifacts } = readers();
  const page = await releases.page(filter({ project: "pay" }), everything, true);
  const [head] = values(page);
  const full = head && (await releases.release(head.ref).catch(() => null));
  const answers = [
    page,
    full,
    full && (await releases.builds(full)),
    await artifacts.page(
      { image: null, name: null, imageTag: null, type: null, repository: null, branch: null },
      everything,
    ),
    await artifacts.byImage(swrReference(images.api)),
  ];
  return { sent: sent.join("\n"), answers };
}

describe("what Zadig sends and no one may see", () => {
  it("reaches no model object, of any shape", async () => {
    const seen = new Set<string>();
    for (const [generation, settings] of [
      ["r1", {}],
      ["r1-1.6", { credentials: { apiKey: "demo-zadig-token" } }],
      ["o1", {}],
      ["o1", { generation: "o1" }],
      ["r2", {}],
      ["r2-4.1", {}],
      ["o2", { generation: "o2" }],
    ] as const) {
      const { sent, answers } = await told(generation, settings);
      const text = JSON.stringify(answers);
      for (const secret of zadigSecrets) {
        if (sent.includes(secret)) seen.add(secret);
        expect(text).not.toContain(secret);
      }
    }
    // The demo really sent all but the one that belongs to failed stand-alone versions, which are not of this project.
    expect(zadigSecrets.filter((secret) => !seen.has(secret))).toEqual(["demo-secret-error-login"]);
  });

  it("stays out of stand-alone versions that failed", async () => {
    for (const generation of ["r1", "r2", "o1"] as const) {
      const { server, readers } = await open(generation);
      let sent = "";
      server.setTamper((reply) => {
        sent += JSON.stringify(reply.body);
        return reply;
      });
      const { releases } = readers();
      const page = await releases.page(filter({ project: "ledger" }), everything, true);
      const full = await Promise.all(values(page).map(({ ref }) => releases.release(ref)));
      expect(sent).toContain("demo-secret-error-login");
      expect(JSON.stringify([page, full])).not.toContain("demo-secret-error-login");
    }
  });

  it("keeps manifests in the one field that the graph redacts", async () => {
    const { readers } = await open("r1");
    const { releases } = readers();
    const [head] = values(await releases.page(filter({ project: "pay" }), { first: 1, after: null }, true));
    expect(JSON.stringify(head?.parts?.deployments?.map(({ manifests }) => manifests))).toContain(manifestSecret);
    const without = { ...head, parts: { ...head?.parts, deployments: [] } };
    expect(JSON.stringify(without)).not.toContain(manifestSecret);
  });

  it("is not in an error: no vendor text, address or credential", async () => {
    const { server, readers } = await open({ generation: "r1", licensed: false });
    const failure = await failureOf(readers().releases.page(filter(), everything, true));
    const text = `${failure.message} ${failure.stack} ${JSON.stringify(failure)}`;
    for (const leak of ["demo-secret", "aslan:25000", "操作失败", "demo-zadig-token", new URL(server.url).host]) {
      expect(text).not.toContain(leak);
    }
  });
});
