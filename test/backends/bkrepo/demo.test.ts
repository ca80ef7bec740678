import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveBkrepo } from "../../../demo/bkrepo.ts";
import { proxyPassword } from "../../../demo/bkrepo-estate.ts";
import type { DemoServer } from "../../../demo/server.ts";
import { credentials } from "../../../demo/story.ts";
import { parsePurl } from "../../../src/model/purl.ts";
import { isObject, openBkrepo } from "./fixture.ts";

let server: DemoServer;
beforeAll(async () => {
  server = await serveBkrepo();
});
afterAll(() => server.close());

const { username, password } = credentials.bkrepo;
const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

async function ask(path: string, body?: unknown, headers: Record<string, string> = { authorization }) {
  const response = await fetch(server.url + path, {
    headers: { ...headers, "content-type": "application/json" },
    ...(body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  if (!isObject(answer)) throw new Error("no envelope");
  return {
    status: response.status,
    answer,
    data: isObject(answer["data"]) ? answer["data"] : {},
    headers: response.headers,
  };
}

const leaf = (field: string, value: unknown, operation = "EQ") => ({ field, value, operation });
const search = (...rules: unknown[]) => ({ rule: { relation: "AND", rules } });
const project = leaf("projectId", "pay");

describe("the demo bkrepo answers the documents' examples", () => {
  test("the package page, with its printed totals", async () => {
    const { data } = await ask("/repository/api/package/page/test/generic-local?pageNumber=0&pageSize=1");
    expect(data).toMatchObject({ pageNumber: 1, pageSize: 1, totalRecords: 18, totalPages: 18 });
    expect(data["records"]).toMatchObject([
      {
        key: "com.tencent.bkrepo",
        latest: "0.0.9",
        downloads: 101,
        versions: 9,
        createdDate: "2020-07-27T16:02:31.394",
        historyVersion: ["7.8.10"],
      },
    ]);
  });

  test("the version page and the unpaged version list", async () => {
    const { data } = await ask(
      "/repository/api/version/page/test/generic-local?packageKey=com.tencent.bkrepo&pageSize=1&sortProperty=createdDate",
    );
    expect(data).toMatchObject({ totalRecords: 18, records: [{ name: "0.0.9", size: 1024, downloads: 18 }] });
    const list = await ask("/repository/api/version/list/test/generic-local?packageKey=com.tencent.bkrepo", {
      version: "0.0.9",
      stageTag: "@release",
      metadata: [{ key: "apiVersion", value: "v1" }],
      pageSize: 1,
    });
    expect(list.answer["data"]).toMatchObject([{ name: "0.0.9", metadata: { name: "tomcat", version: "0.4.2" } }]);
  });
});

describe("the demo bkrepo fails as the real one does", () => {
  test.each([
    ["a wrong password", "/repository/api/package/page/pay/maven-local", 401, 250114, { authorization: "Basic eDp5" }],
    [
      "keys without a user",
      "/repository/api/package/page/pay/maven-local",
      401,
      250114,
      { authorization: `Platform ${btoa("demo-access-key:demo-secret-key")}` },
    ],
    ["a missing repository", "/repository/api/package/page/pay/none", 404, 251006, undefined],
    ["a forbidden repository", "/repository/api/package/page/pay/release-vault", 403, 250113, undefined],
    ["a missing parameter", "/repository/api/package/info/pay/maven-local", 400, 250103, undefined],
    ["a negative page", "/repository/api/package/page/pay/maven-local?pageNumber=-1", 400, 250105, undefined],
    ["an empty page size", "/repository/api/package/page/pay/maven-local?pageSize=0", 500, 250102, undefined],
    [
      "a bad direction",
      "/repository/api/version/page/pay/maven-local?packageKey=x&direction=UP",
      400,
      250131,
      undefined,
    ],
    [
      "an image without detail",
      "/docker/ext/version/detail/pay/docker-local?packageKey=docker://api&version=none",
      400,
      251906,
      undefined,
    ],
    ["an unknown service", "/nonsense/api", 404, 404, undefined],
    ["an internal path", "/repository/service/package/version/info", 404, 404, undefined],
  ])("%s", async (_case, path, status, code, headers) => {
    const reply = await ask(path, undefined, headers);
    expect([reply.status, reply.answer["code"]]).toEqual([status, code]);
  });

  test.each([
    ["no project", search(leaf("repoName", "maven-local")), 400, 250103],
    ["an outermost OR", { rule: { relation: "OR", rules: [project] } }, 400, 250105],
    ["a leaf without operation", search(project, { field: "repoName", value: "maven-local" }), 400, 250106],
    ["a nest without relation", search(project, { rules: [] }), 400, 250106],
    ["broken JSON", "{", 400, 250106],
    ["no repository rule", search(project), 403, 250113],
    ["one forbidden repository", search(project, leaf("repoName", "release-vault")), 403, 250113],
    ["one missing repository", search(project, leaf("repoName", "none")), 403, 250113],
  ])("a search with %s", async (_case, body, status, code) => {
    const reply = await ask("/repository/api/package/search", body);
    expect([reply.status, reply.answer["code"]]).toEqual([status, code]);
  });

  test("a list of repositories passes over those that may not be read", async () => {
    const body = search(project, leaf("repoName", ["release-vault", "helm-local"], "IN"));
    expect((await ask("/repository/api/package/search", body)).data).toMatchObject({ totalRecords: 1 });
    const none = await ask(
      "/repository/api/package/search",
      search(project, leaf("repoName", ["release-vault"], "IN")),
    );
    expect([none.status, none.data["totalRecords"]]).toEqual([200, 0]);
  });
});

describe("the demo bkrepo writes as the real one does", () => {
  test("raw rows are stored documents, cut to what was selected", async () => {
    const body = {
      ...search(project, leaf("repoType", "npm"), leaf("name", "*PAY*", "MATCH_I")),
      select: ["key", "createdDate", "versionTag"],
    };
    const { data } = await ask("/repository/api/package/search", body);
    expect(data["records"]).toEqual([
      {
        _id: { timestamp: expect.any(Number), date: expect.any(Number) },
        key: "npm://@acme/pay-client",
        createdDate: expect.any(Number),
        versionTag: { latest: "2.4.0", "v2\\u002ex": "2.4.0" },
      },
    ]);
  });

  test("node queries never count", async () => {
    const { data } = await ask(
      "/repository/api/node/queryWithoutCount",
      search(project, leaf("repoName", "helm-local")),
    );
    expect(data).toMatchObject({ totalRecords: 0, totalPages: 0, pageSize: 20 });
    expect(data["records"]).toHaveLength(20);
  });

  test("times are in the requested zone, which the answer names; before 3.4 neither", async () => {
    const path = "/repository/api/package/info/test/generic-local?packageKey=com.tencent.bkrepo";
    const utc = await ask(path, undefined, { authorization, "x-bkrepo-time-zone": "+00:00" });
    expect([utc.headers.get("x-bkrepo-time-zone"), utc.data["createdDate"]]).toEqual([
      "+0000",
      "2020-07-27T08:02:31.394",
    ]);
    const old = await serveBkrepo({ zoneHeader: false });
    const reply = await fetch(old.url + path, { headers: { authorization, "x-bkrepo-time-zone": "+00:00" } });
    expect(reply.headers.get("x-bkrepo-time-zone")).toBeNull();
    expect(await reply.json()).toMatchObject({ data: { createdDate: "2020-07-27T16:02:31.394" } });
    await old.close();
  });

  test("repository settings hold what must never be shown", async () => {
    expect(JSON.stringify((await ask("/repository/api/repo/info/ops/npm-mirror")).answer)).toContain(proxyPassword);
  });
});

describe("the demo bkrepo can be another server", () => {
  const versions =
    "/repository/api/version/page/pay/maven-local?packageKey=gav%3A%2F%2Fcom.acme.pay%3Apay-sdk&version=";

  test("an old one, whose version filter is a pattern", async () => {
    const current = server;
    server = await serveBkrepo({ patternFilters: true });
    expect((await ask(`${versions}2..%5B`)).status).toBe(500);
    expect((await ask(`${versions}2.4`)).data["totalRecords"]).toBe(1);
    expect((await ask(`${versions}2%7C1`)).data["totalRecords"]).toBeGreaterThan(20);
    await server.close();
    server = current;
    expect((await ask(`${versions}2%7C1`)).data["totalRecords"]).toBe(0);
  });

  test("one with a STRICT repository, whose lists answer where its searches do not", async () => {
    const current = server;
    server = await serveBkrepo({ strict: ["pay/maven-local"] });
    const rule = search(project, leaf("repoName", ["maven-local"], "IN"));
    expect((await ask("/repository/api/package/search", rule)).data["totalRecords"]).toBe(0);
    const list = await ask("/repository/api/package/page/pay/maven-local?pageSize=1");
    expect(list.data["totalRecords"]).toBeGreaterThan(5);
    const file = "com/acme/pay/pay-sdk/2.4.0/pay-sdk-2.4.0.jar";
    expect((await ask(`/repository/api/node/detail/pay/maven-local/${file}`)).status).toBe(403);
    await server.close();
    server = current;
    expect((await ask(`/repository/api/node/detail/pay/maven-local/${file}`)).data["fullPath"]).toBe(`/${file}`);
    expect((await ask(`/repository/api/node/detail/pay/maven-local/${file}x`)).answer["code"]).toBe(251010);
  });
});

test.each([
  ["rpm-local", "pay-agent", "RPM", ["pay-agent-2.4.0-1.el9.x86_64.rpm"], "pkg:rpm/pay-agent@2.4.0-1.el9?arch=x86_64"],
  ["conan-local", "zlib", "CONAN", ["conanfile.py", "conan_package.tgz", "conaninfo.txt"], "pkg:conan/zlib@1.3.1"],
  ["nuget-local", "Acme.Pay.Client", "NUGET", ["acme.pay.client.2.4.0.nupkg"], "pkg:nuget/acme.pay.client@2.4.0"],
  ["composer-local", "acme/pay-client", "COMPOSER", ["pay-client-2.4.0.zip"], "pkg:composer/acme/pay-client@2.4.0"],
  ["models", "acme/fraud", "ML_MODEL", ["config.json", "model.safetensors"], "pkg:huggingface/acme/fraud@9f2c1b7e"],
] as const)("%s holds %s", async (repository, name, format, files, purl) => {
  const it = await openBkrepo({}, { repositories: [`ops/${repository}`] });
  const [found] = await it.packages().named(name, format, null);
  const latest = found && (await it.packages().latest(found.ref));
  expect(latest?.purl).toBe(purl);
  const page = latest && (await it.packages().files(latest.ref, { first: 20, after: null }));
  expect(page?.rows.map(({ value }) => value.name)).toEqual(files);
  const byPurl = await it.answers().packages.byPurl(parsePurl(purl) ?? unread(purl), null);
  expect(byPurl).toMatchObject({ kind: "FOUND", value: [{ ref: latest?.ref }] });
  await it.close();
});

function unread(purl: string): never {
  throw new Error(`no package URL: ${purl}`);
}
