import { Gitlab } from "@gitbeaker/rest";
import { afterAll, describe, expect, test } from "vitest";
import { serveGitlab } from "../../../demo/gitlab.ts";
import { codeHost, commits, credentials, images, sdk } from "../../../demo/story.ts";

const server = await serveGitlab();
const old = await serveGitlab({ era: "12" });
afterAll(() => Promise.all([server.close(), old.close()]));

const get = async (
  path: string,
  from = server,
  headers: Record<string, string> = { "private-token": credentials.gitlab.token },
) => {
  const answer = await fetch(`${from.url}/api/v4/${path}`, { headers });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
};

describe("the demo GitLab, read by a client of GitLab", () => {
  const client = new Gitlab({ host: server.url, token: credentials.gitlab.token });

  test("lists every package of a project, page by page", async () => {
    const rows = await client.Packages.all({ projectId: "pay/api", perPage: 50 });
    expect(rows).toHaveLength(2 * sdk.versions.length + 4 + 2 + 62 + 2);
    expect(new Set(rows.map((row) => row.id)).size).toBe(rows.length);
    const group = await client.Packages.all({ groupId: "pay", packageName: "pay-settlement" });
    expect(group.map((row) => row.version).sort()).toEqual(["2.1.0", "2.2.0", "2.3.0", "2.4.0"]);
  });

  test("shows one package with its siblings and files", async () => {
    const [row] = await client.Packages.all({ projectId: 42, packageName: "com/acme/pay/pay-sdk", sort: "desc" });
    const shown = await client.Packages.show(42, Number(row?.id));
    expect(shown.versions).not.toHaveLength(0);
    const files = await client.Packages.allFiles(42, Number(row?.id));
    expect(files.every((file) => file.package_id === row?.id)).toBe(true);
  });

  test("shows commits, merge requests, pipelines and projects", async () => {
    const commit = await client.Commits.show("pay/api", commits.api.sha);
    expect(commit).toMatchObject({ id: commits.api.sha, author_name: "Lin Chen" });
    const [request] = await client.Commits.allMergeRequests(42, commits.api.sha);
    expect(request?.iid).toBe(commits.api.mergeRequest);
    const [pipeline] = await client.Pipelines.all(42, { sha: commits.api.sha });
    expect(pipeline).toMatchObject({ id: commits.api.pipeline.id, sha: commits.api.sha });
    expect(await client.Projects.show("pay/web")).toMatchObject({ id: 43, path_with_namespace: "pay/web" });
  });

  test("shows the container registry", async () => {
    const repositories = await client.ContainerRegistry.allRepositories({ groupId: "pay" });
    expect(repositories.map((one) => one.path)).toEqual(["pay/web", "pay/web/storybook"]);
    const tags = await client.ContainerRegistry.allTags(43, 302, { perPage: 100 });
    expect(tags).toHaveLength(120);
    const tag = await client.ContainerRegistry.showTag(43, 301, "2.4.0");
    expect(tag.digest).toBe(images.web.digest);
  });

  test("deletes a package once", async () => {
    const [row] = await client.Packages.all({ projectId: 48 });
    await client.Packages.remove(48, Number(row?.id));
    expect(await client.Packages.all({ projectId: 48 })).toEqual([]);
    await expect(client.Packages.remove(48, Number(row?.id))).rejects.toThrow();
  });

  test("refuses a wrong token and hides what it may not show", async () => {
    const stranger = new Gitlab({ host: server.url, token: "wrong" });
    await expect(stranger.Packages.all({ projectId: 1 })).rejects.toThrow(/401|Unauthorized/);
    await expect(client.Packages.all({ projectId: "vault/keys" })).rejects.toThrow(/404|Not Found/);
  });
});

describe("the vendor's printed examples", () => {
  const pipeline = {
    id: 123,
    status: "pending",
    ref: "new-pipeline",
    sha: "a91957a858320c0e17f3a0eca7cfacbff50ea29a",
    web_url: "https://example.com/foo/bar/pipelines/47",
    created_at: "2016-08-11T11:28:34.085Z",
    updated_at: "2016-08-11T11:32:35.169Z",
    user: {
      name: "Administrator",
      avatar_url: "https://www.gravatar.com/avatar/e64c7d89f26bd1972efa854d13d7dd61?s=80&d=identicon",
    },
  };

  test.each([
    ["18", server],
    ["12", old],
  ] as const)("are in the lists of %s", async (era, from) => {
    const { body } = await get("projects/1/packages?order_by=name", from);
    expect(body).toMatchObject([
      { id: 2, name: "@foo/bar", version: "1.0.3", package_type: "npm", created_at: "2019-11-27T03:37:38.711Z" },
      { id: 1, name: "com/mycompany/my-app", version: "1.0-SNAPSHOT", package_type: "maven" },
      { id: 3, version: "2.0-SNAPSHOT" },
      { id: 4, version: "1.5-SNAPSHOT" },
    ]);
    const group = await get("groups/namespace1/packages?exclude_subgroups=true", from);
    const documented = group.body.find((row: { id: number }) => row.id === 1);
    expect(documented).toMatchObject({ _links: { web_path: "/namespace1/project1/-/packages/1" } });
    expect(era === "12" ? documented.build_info.pipeline : documented.pipeline).toMatchObject(pipeline);
  });

  test("are in the single package and its files", async () => {
    const { body } = await get("projects/namespace1%2Fproject1/packages/1");
    expect(body.versions).toContainEqual(
      expect.objectContaining({
        id: 2,
        version: "2.0-SNAPSHOT",
        created_at: "2020-04-28T04:42:11.573Z",
        pipeline: expect.objectContaining({ id: 234, web_url: "https://example.com/foo/bar/pipelines/58" }),
      }),
    );
    const files = await get("projects/1/packages/4/package_files");
    expect(files.body.map((file: { id: number; size: number }) => [file.id, file.size])).toEqual([
      [25, 2421],
      [26, 1122],
      [27, 767],
    ]);
  });
});

describe("the demo GitLab's manners", () => {
  test("pages end with an empty next page, links name the configured host, sizes above 100 are cut", async () => {
    const { headers, body } = await get("projects/77/packages?per_page=1000&page=2");
    expect(body).toHaveLength(38);
    expect([headers.get("x-next-page"), headers.get("x-per-page"), headers.get("x-total")]).toEqual(["", "100", "138"]);
    expect(headers.get("link")).toContain(`<${codeHost}:8443/api/v4/projects/77/packages?`);
  });

  test.each([
    ["projects/42/packages?per_page=0", 400, { error: "per_page does not have a valid value" }],
    ["projects/42/packages?package_type=swift", 400, { error: "package_type does not have a valid value" }],
    ["projects/42/packages?order_by=size", 400, { error: "order_by does not have a valid value" }],
    ["projects/42/packages/x", 400, { error: "package_id is invalid" }],
    ["projects/42/packages/1", 404, { message: "404 Not found" }],
    ["projects/999", 404, { message: "404 Project Not Found" }],
    ["groups/nobody/packages", 404, { message: "404 Group Not Found" }],
    ["nothing", 404, { error: "404 Not Found" }],
    ["projects/42/repository/commits/0000000", 404, { message: "404 Commit Not Found" }],
  ])("%s answers %i", async (path, status, body) => {
    expect(await get(path)).toMatchObject({ status, body });
  });

  test("wrong credentials are refused in the vendor's words, even for public data", async () => {
    expect(await get("projects/1/packages", server, { "private-token": "wrong" })).toMatchObject({
      status: 401,
      body: { message: "401 Unauthorized" },
    });
    expect(await get("projects/1/packages", server, { authorization: "Bearer demo-gitlab-expired" })).toMatchObject({
      status: 401,
      body: { error: "invalid_token" },
    });
    expect((await get("projects/1/packages", server, {})).status).toBe(200);
  });

  test("keyset pages are at most 20 long", async () => {
    const rows = await get("projects/42/packages?package_name=pay-cli&package_version=edge");
    const path = `projects/42/packages/${rows.body[0].id}/pipelines`;
    expect(await get(`${path}?per_page=100`)).toMatchObject({ status: 400 });
    const page = await get(path);
    expect(page.body).toHaveLength(20);
    expect(page.headers.get("x-next-page")).toBeNull();
    expect(page.headers.get("link")).toMatch(/cursor=[\w-]+.*rel="next"/);
  });
});
