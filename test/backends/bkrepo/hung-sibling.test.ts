import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWith } from "../../support/started.ts";

/** bkrepo as its source answers: eight packages by search, their versions by page; one page of versions never comes. */
const seen: string[] = [];
const server = createServer(async (request, response) => {
  const asked = new URL(request.url ?? "", "http://bkrepo");
  const body = await textOf(request);
  const key = asked.searchParams.get("packageKey") ?? "";
  seen.push(asked.pathname);
  if (key.endsWith(":app-3")) return;
  const common = { repoName: "local", type: "MAVEN", versions: 1 };
  const files = [...body.matchAll(/"(\/com\/acme\/app-\d\/1\.0\.0\/)"/g)].map(([, folder = ""]) => ({
    projectId: "pay",
    repoName: "local",
    fullPath: `${folder}a.jar`,
    name: "a.jar",
    folder: false,
    size: 1,
    sha256: "a".repeat(64),
    md5: "a".repeat(32),
    createdBy: "ci",
    createdDate: "2026-11-01T10:00:00",
    lastModifiedBy: "ci",
    lastModifiedDate: "2026-11-01T10:00:00",
  }));
  const records = asked.pathname.endsWith("/package/search")
    ? Array.from({ length: 8 }, (_, at) => ({ ...common, name: `app-${at}`, key: `gav://com.acme:app-${at}` }))
    : asked.pathname.includes("/version/page/")
      ? [{ name: "1.0.0", size: 1, downloads: 0, contentPath: `/com/acme/${key.split(":").at(-1)}/1.0.0/a.jar` }]
      : files;
  const data = { totalRecords: records.length, pageNumber: 1, pageSize: 100, records };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ code: 0, message: null, data, traceId: "" }));
});

let url = "";
let stop: (() => Promise<void>) | null = null;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const backend = { name: "bkrepo", kind: "bkrepo", url: address, credentials: { token: "t" }, retries: 0 };
  const gateway = await startWith({
    limits: { deadlineMs: 2000 },
    backends: [{ ...backend, repositories: ["pay/local"] }],
  });
  url = gateway.url;
  stop = () => gateway.stop(0);
});

afterAll(async () => {
  await stop?.();
  server.closeAllConnections();
  server.close();
});

test.each([
  "versions(first: 5) { nodes { files(first: 2) { nodes { name } } } }",
  "latestVersion { files(first: 2) { nodes { name } } }",
])("a page of versions that never comes holds up the files of no other package: %s", async (below) => {
  seen.length = 0;
  const query = `{ packages(scope: { backend: "bkrepo", repository: "pay/local" }, first: 8) { nodes { name ${below} } } }`;
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  const { errors = [] } = (await response.json()) as { errors?: { path: unknown[] }[] };
  expect(errors.filter(({ path }) => path[2] !== 3)).toEqual([]);
  // The files of the seven are one question, asked while the eighth is waited for.
  expect(seen.filter((path) => path.endsWith("/node/queryWithoutCount"))).toHaveLength(1);
});
