import { expect, test } from "vitest";
import { digestOf } from "./backends/swr/literal.ts";
import { idOf, imageRow, serveZadig, settingsOf } from "./backends/zadig/literal.ts";
import { gatewayOver, nodesIn } from "./support/literal.ts";

const image = "r.test/pay/api:1.0";
const at = 1_790_000_000;

/** The artifact of the one image of a release, where Zadig has these records of its reference. */
async function artifactOf(records: readonly { readonly digest: string; readonly created_time?: number }[]) {
  const zadig = await serveZadig({
    generation: "r1",
    artifacts: records.map(({ digest, created_time }, index) =>
      imageRow(index + 1, "api", image, {
        ...{ image_digest: digest, created_time },
        activities: [{ type: "build", commits: [], start_time: 1, end_time: 2 }],
      }),
    ),
    releases: [{ id: idOf(50), version: "v1", project: "pay", at: at + 100, services: { api: image } }],
  });
  const ask = await gatewayOver(settingsOf(zadig.url));
  const trace = await ask(
    `{ traceByImage(image: "${image}") { artifact { digest } candidates { digest } isComplete sources { status } } }`,
  );
  const { data, errors } = await ask(
    `{ releases(filter: { project: "pay" }) { nodes {
      images { artifact { digest builds { service } } } drift { released }
    } } }`,
  );
  const codes = errors.map(({ path, extensions }) => [path?.at(-1), extensions.code]);
  return { nodes: nodesIn(data, "releases"), codes, trace: trace.data?.["traceByImage"] };
}

test("of records that differ, the newest is known where all of them are dated", async () => {
  const told = await artifactOf([
    { digest: digestOf("a"), created_time: at },
    { digest: digestOf("b"), created_time: at + 10 },
  ]);
  expect(told).toMatchObject({ nodes: [{ images: [{ artifact: { digest: digestOf("b") } }] }], codes: [] });
});

test("a record without a date is no old record: which one is the newest is not known", async () => {
  const told = await artifactOf([{ digest: digestOf("a"), created_time: at }, { digest: digestOf("b") }]);
  expect(told.nodes).toMatchObject([
    { images: [{ artifact: { digest: null, builds: null } }], drift: [{ released: null }] },
  ]);
  expect(told.trace).toEqual({
    artifact: null,
    candidates: expect.arrayContaining([{ digest: digestOf("a") }, { digest: digestOf("b") }]),
    isComplete: false,
    sources: [{ status: "PARTIAL" }],
  });
  expect(told.codes).toEqual(
    expect.arrayContaining([
      ["digest", "UPSTREAM_MALFORMED"],
      ["builds", "UPSTREAM_MALFORMED"],
    ]),
  );
});

test("records of the same bytes need no date", async () => {
  const told = await artifactOf([{ digest: digestOf("a"), created_time: at }, { digest: digestOf("a") }]);
  expect(told).toMatchObject({ nodes: [{ images: [{ artifact: { digest: digestOf("a") } }] }], codes: [] });
});
