import { expect, test } from "vitest";
import { day, digestOf, serveSwr, settingsOf as swrSettings } from "./backends/swr/literal.ts";
import { imageRow, serveZadig, settingsOf as zadigSettings } from "./backends/zadig/literal.ts";
import { gatewayOver, serveJson } from "./support/literal.ts";

const build = { type: "build", name: "w", commits: [], start_time: 1, end_time: 2 };
// Lists leave out images without a size: indexes of several platforms.
const hidden = { image_size: undefined, activities: [build] };
const api = "swr.test/pay/api:1.0";

const serveImages = () =>
  serveSwr({ repositories: { pay: { api: { "1.0": { digest: digestOf("a"), updated: day(1), isIndex: true } } } } });

const traced = `query ($image: String!) {
  traceByImage(image: $image) {
    artifact { digest builds { service } locations { backend { name } } } candidates { digest } isComplete
    sources { backend { name } status }
  }
}`;
const versions = `{
  packages(scope: { backend: "swr", repository: "pay" }) { nodes { versions { nodes { builds { service } } } } }
}`;

test("a record that the list hides is found where the list shows other references of its name and tag", async () => {
  const zadig = await serveZadig({
    artifacts: [
      imageRow(1, "api", api, { ...hidden, image_digest: digestOf("a") }),
      imageRow(2, "other", "other.test/x/api:1.0", { image_digest: digestOf("b") }),
    ],
  });
  const ask = await gatewayOver(swrSettings((await serveImages()).url), zadigSettings(zadig.url));
  expect(await ask(traced, { image: api })).toMatchObject({
    data: {
      traceByImage: {
        artifact: { digest: digestOf("a"), builds: [{ service: "api" }] },
        candidates: [{ digest: digestOf("b") }],
        isComplete: true,
      },
    },
    errors: [],
  });
  expect(await ask(versions)).toMatchObject({
    data: { packages: { nodes: [{ versions: { nodes: [{ builds: [{ service: "api" }] }] } }] } },
    errors: [],
  });
});

test("a record that the list hides is found where its registry has lost the image", async () => {
  const zadig = await serveZadig({
    artifacts: [
      imageRow(1, "api", "swr.test/pay/api:0.9", { ...hidden, image_digest: digestOf("c") }),
      imageRow(2, "other", "other.test/x/api:0.9", { image_digest: digestOf("b") }),
    ],
  });
  const ask = await gatewayOver(swrSettings((await serveImages()).url), zadigSettings(zadig.url));
  expect(await ask(traced, { image: "swr.test/pay/api:0.9" })).toMatchObject({
    data: { traceByImage: { artifact: { digest: digestOf("c"), builds: [{ service: "api" }] } } },
  });
});

test("a record without a digest builds the version that its reference names", async () => {
  const zadig = await serveZadig({ artifacts: [imageRow(1, "api", api, { activities: [build] })] });
  const ask = await gatewayOver(swrSettings((await serveImages()).url), zadigSettings(zadig.url));
  expect(await ask(versions)).toMatchObject({
    data: { packages: { nodes: [{ versions: { nodes: [{ builds: [{ service: "api" }] }] } }] } },
    errors: [],
  });
});

test("beside an unreadable row nothing is absent, whatever else the list shows", async () => {
  const zadig = await serveZadig({
    artifacts: [
      imageRow(1, "other", "other.test/x/api:1.0", { image_digest: digestOf("b") }),
      imageRow(2, "api", api, { image_digest: digestOf("a"), id: 7 }),
    ],
  });
  const ask = await gatewayOver(zadigSettings(zadig.url));
  const { data } = await ask(traced, { image: "swr.test/pay/api:1.0" });
  expect(data?.["traceByImage"]).toMatchObject({
    isComplete: false,
    sources: [{ backend: { name: "zadig" }, status: "PARTIAL" }],
  });
});

test("a Zadig that does not answer keeps no registry waiting for a digest that is known", async () => {
  const asked = Promise.withResolvers<void>();
  const copies = await serveSwr({
    repositories: { far: { api: { "1.0": { digest: digestOf("a"), updated: day(1) } } } },
    odd: ({ path }) => {
      if (/\/api\/tags/.test(path)) asked.resolve();
      return null;
    },
  });
  const zadig = await serveJson(async () => {
    await asked.promise;
    return { headers: { "x-total": "0" }, body: [] };
  });
  const ask = await gatewayOver(
    swrSettings((await serveImages()).url),
    swrSettings(copies.url, { name: "far", hosts: ["far.test"], namespaces: ["far"] }),
    zadigSettings(zadig.url, { timeoutMs: 2000 }),
  );
  const { data, errors } = await ask(traced, { image: api });
  expect(errors.filter(({ extensions }) => extensions.code === "UPSTREAM_TIMEOUT")).toEqual([]);
  expect(data?.["traceByImage"]).toMatchObject({
    artifact: { locations: [{ backend: { name: "swr" } }, { backend: { name: "far" } }] },
  });
});
