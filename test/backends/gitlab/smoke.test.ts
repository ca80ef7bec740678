import { test } from "vitest";
import { commits, images, sdk } from "../../../src/demo/story.ts";
import { calls, first, present, ref, stage, walk } from "./support.ts";

test("smoke", async () => {
  const s = await stage();
  const log = (label: string, value: unknown) => {
    process.stdout.write(
      `${label}: ${JSON.stringify(value, null, 1).slice(0, 1500)}\n  calls ${JSON.stringify(calls(s.server))}\n`,
    );
    s.server.forget();
  };
  log("pkg", await s.packages().package(ref("pay/api", "maven:com/acme/pay/pay-sdk")));
  log("latest", await s.packages().latest(ref("pay/api", "maven:com/acme/pay/pay-sdk")));
  const p = s.packages();
  const page = await p.page(
    { repository: null, group: "pay" },
    { name: null, match: "CONTAINS", format: null },
    first(20),
  );
  log(
    "page",
    page.rows.map((r) => [r.value.ref.repository, r.value.ref.key, r.value.versionCount, r.position.join("|")]),
  );
  await Promise.all(page.rows.map((r) => p.latest(r.value.ref)));
  log("latests", "");
  log(
    "walk",
    (
      await walk(
        (r) =>
          s
            .packages()
            .page({ repository: "infra/tools", group: null }, { name: null, match: "CONTAINS", format: null }, r),
        7,
      )
    ).length,
  );
  log(
    "files",
    (
      await s
        .packages()
        .files({ package: ref("pay/api", "generic:pay-cli"), version: "2.4.0", nativeId: null }, first(20))
    ).rows.map((r) => r.value),
  );
  log(
    "published",
    (await present(s.readers().commits).publishedFrom("pay/api", commits.api.sha)).map(
      (v) => `${v.ref.package.key}@${v.name}`,
    ),
  );
  log("commit", await present(s.readers().commits).commit("42", commits.api.sha));
  log("mr", await present(s.readers().commits).mergeRequests("42", commits.api.sha));
  log(
    "img",
    await present(s.readers().images).image({
      raw: "",
      registry: "registry.gitlab.example.com",
      repository: "pay/web",
      tag: "2.4.0",
      digest: null,
    }),
  );
  log(
    "copies",
    (await present(s.readers().images).copies("web", images.web.digest as never))?.map((i) => i.image),
  );
  log(
    "named",
    (await p.named("com.acme.pay:pay-sdk", "MAVEN"))?.map((i) => [i.ref, i.versionCount]),
  );
  log(
    "search",
    (await s.packages().search({ name: "pay", match: "CONTAINS", format: null }, first(50)))?.rows.map(
      (i) => i.value.ref,
    ),
  );
  log(
    "versions",
    (
      await s
        .packages()
        .versions(
          ref("pay/api", "maven:com/acme/pay/pay-sdk"),
          { prefix: "2.", stage: null, direction: "DESC" },
          first(5),
        )
    ).rows.map((i) => [i.value.name, i.position]),
  );
  await s.close();
});
