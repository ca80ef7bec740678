import { createServer } from "node:http";
import { Pool } from "undici";
import { addresses, calls, everywhere, partsOf, shapes } from "./peers/backends.mjs";

// The limit: the same calls and the same answers with nothing in between. `fitted` asks for no more rows than wanted.

const fitted = process.argv.includes("--fitted");
const pools = Object.fromEntries(
  Object.entries(addresses).map(([name, url]) => [name, new Pool(url, { connections: 64, pipelining: 1 })]),
);

async function ask({ backend, path, body }) {
  const answer = await pools[backend].request({
    path,
    method: body ? "POST" : "GET",
    headers: {
      accept: "application/json",
      authorization: "Bearer t",
      ...(body ? { "content-type": "application/json" } : {}),
    },
    body: body ? JSON.stringify(body) : null,
  });
  return answer.body.json();
}

const questions = {
  PackageByKey: async ({ key }) => {
    const [found, latest] = await Promise.all([ask(calls.package(key)), ask(calls.latestVersion(key))]);
    const { name, versionCount } = shapes.package(found);
    return { package: { name, versionCount, latestVersion: shapes.latestVersion(latest) } };
  },
  VersionsWithFiles: async ({ project, name }) => {
    const versions = shapes.versions(await ask(calls.versions(project, name)));
    const nodes = await Promise.all(
      versions.map(async ({ id, ...version }) => ({
        ...version,
        files: { nodes: shapes.files(await ask(calls.files(project, id))) },
      })),
    );
    return { package: { name, versions: { nodes } } };
  },
  ReleasesToVersions: async ({ project }) => {
    const releases = shapes.releases(await ask(calls.releases(project, fitted ? 10 : 20))).slice(0, 10);
    const builds = releases.flatMap((release) => release.builds);
    const repositories = builds.map(({ image }) => partsOf(image).repository);
    const inBkrepo = ask(calls.images(repositories)).then(async (found) => {
      const digests = new Map(builds.map(({ image, digest }) => [partsOf(image).repository, digest]));
      const lists = shapes
        .images(found)
        .map(async ({ key, name }) => [
          name,
          shapes.imageVersions(await ask(calls.imageVersions(key, digests.get(name)))),
        ]);
      return new Map(await Promise.all(lists));
    });
    const names = ask(calls.artifacts(builds.map(({ image }) => image))).then(shapes.artifactNames);
    const artifact = async ({ image, digest }) => {
      const { repository, tag } = partsOf(image);
      const [held, copies, others, name] = await Promise.all([
        ask(calls.tag(repository, tag)),
        ask(calls.repositories(repository)).then(async (rows) =>
          Promise.all(rows.map(async (row) => shapes.tags(await ask(calls.tags(row.name)), digest))),
        ),
        inBkrepo,
        names,
      ]);
      const locations = everywhere(shapes.tag(held, digest), [...copies.flat(), ...(others.get(repository) ?? [])]);
      return { digest, name: name.get(image), locations };
    };
    const nodes = await Promise.all(
      releases.map(async (release) => ({
        version: release.version,
        builds: await Promise.all(
          release.builds.map(async (build) => ({ service: build.service, artifact: await artifact(build) })),
        ),
      })),
    );
    return { releases: { nodes } };
  },
};

const server = createServer((request, response) => {
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (chunk) => {
    text += chunk;
  });
  request.on("end", async () => {
    try {
      const { query, variables } = JSON.parse(text);
      const [, name] = /^query (\w+)/.exec(query);
      const body = JSON.stringify({ data: await questions[name](variables) });
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
      response.end(body);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
});
server.listen(0, "127.0.0.1", () =>
  process.stdout.write(`ready on http://127.0.0.1:${server.address().port}/graphql\n`),
);
