import { afterEach, expect, test } from "vitest";
import { gatewayOver } from "../backends/gitlab/literal-gateway.ts";
import { idOf, imageRow, serveZadig, settingsOf } from "../backends/zadig/literal.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const digest = `sha256:${"a".repeat(64)}`;
const url = "/v1/projects/detail/pay/pipelines/custom/w/1";
const build = { type: "build", url, commits: [], start_time: 1, end_time: 2 };

/** Asks with a rule for the project `pay`, over a Zadig with these artifacts. */
async function ask(
  artifacts: readonly Readonly<Record<string, unknown>>[],
  query: string,
  isFailing: (path: string) => boolean = () => false,
) {
  const odd = ({ path }: { readonly path: string }) => (isFailing(path) ? { status: 500, body: {} } : null);
  const zadig = await serveZadig({ artifacts, odd });
  const gateway = await gatewayOver(
    { projects: [] },
    { others: [settingsOf(zadig.url)], settings: { access: [{ who: "anyone", allow: { projects: ["pay"] } }] } },
  );
  closing.push(gateway.stop);
  return gateway.ask(query);
}

const list = "{ artifacts(first: 5) { nodes { name } sources { status } } }";
const trace = `{
  traceByImage(image: "r.test/x/api:1.0") { artifact { builds { service } } isComplete sources { backend { name } status } }
}`;
const readable = imageRow(1, "api", "r.test/x/api:1.0", { image_digest: digest, activities: [build] });
// A list may leave the activities out: whose an artifact is, its own page tells.
const bare = imageRow(2, "api", "r.test/y/api:1.0", { image_digest: digest, activities: undefined });

test("rows that could not be read are not silent under access rules", async () => {
  const answer = await ask([imageRow(1, "api", "r.test/x/api:1.0", { id: 7 })], list);
  expect(answer).toMatchObject({ data: { artifacts: { nodes: [], sources: [{ status: "PARTIAL" }] } } });
  expect(answer.codes).toEqual(["UPSTREAM_MALFORMED"]);
});

test("a row without a readable place takes nothing of the others with it", async () => {
  const isFailing = (path: string) => path.endsWith(idOf(2));
  const answer = await ask([readable, bare], list, isFailing);
  expect(answer).toMatchObject({ data: { artifacts: { nodes: [{ name: "api" }], sources: [{ status: "PARTIAL" }] } } });
  expect(answer.codes).toEqual(["UPSTREAM_UNAVAILABLE"]);
  const { data } = await ask([readable, bare], trace, isFailing);
  expect(data).toMatchObject({
    traceByImage: {
      artifact: { builds: [{ service: "api" }] },
      isComplete: false,
      sources: expect.arrayContaining([{ backend: { name: "zadig" }, status: "PARTIAL" }]),
    },
  });
});
