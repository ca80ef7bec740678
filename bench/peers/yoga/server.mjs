import { createServer } from "node:http";
import DataLoader from "dataloader";
import { createSchema, createYoga } from "graphql-yoga";
import { Pool } from "undici";
import { addresses, calls, everywhere, partsOf, shapes, typeDefs } from "../backends.mjs";

// graphql-yoga as its documentation shows it, with a DataLoader for whatever can be asked for together.

const pools = Object.fromEntries(
  Object.entries(addresses).map(([name, url]) => [name, new Pool(url, { connections: 64, pipelining: 1 })]),
);

async function ask({ backend, path, body }) {
  const answer = await pools[backend].request({
    path,
    method: body ? "POST" : "GET",
    headers: { accept: "application/json", authorization: "Bearer t", "content-type": "application/json" },
    body: body ? JSON.stringify(body) : null,
  });
  return answer.body.json();
}

const context = () => ({
  packages: new DataLoader((keys) =>
    Promise.all(keys.map(async (key) => shapes.package(await ask(calls.package(key))))),
  ),
  latest: new DataLoader((keys) =>
    Promise.all(keys.map(async (key) => shapes.latestVersion(await ask(calls.latestVersion(key))))),
  ),
  files: new DataLoader(
    (versions) =>
      Promise.all(versions.map(async ({ project, id }) => shapes.files(await ask(calls.files(project, id))))),
    { cacheKeyFn: ({ project, id }) => `${project} ${id}` },
  ),
  names: new DataLoader(async (images) => {
    const names = shapes.artifactNames(await ask(calls.artifacts(images)));
    return images.map((image) => names.get(image) ?? null);
  }),
  images: new DataLoader(async (names) => {
    const found = shapes.images(await ask(calls.images(names)));
    return names.map((name) => found.filter((image) => image.name === name));
  }),
});

const resolvers = {
  Query: {
    package: (_root, { ref }, { packages }) =>
      ref.key ? packages.load(ref.key) : { name: ref.name, project: ref.repository },
    releases: async (_root, { filter, first }) => ({
      nodes: shapes.releases(await ask(calls.releases(filter.project))).slice(0, first),
    }),
  },
  Package: {
    latestVersion: ({ key }, _args, { latest }) => latest.load(key),
    versions: async ({ name, project }) => ({
      nodes: shapes.versions(await ask(calls.versions(project, name))).map((version) => ({ ...version, project })),
    }),
  },
  Version: {
    files: async ({ project, id }, _args, { files }) => ({ nodes: await files.load({ project, id }) }),
  },
  BuildInfo: { artifact: ({ image, digest }) => ({ image, digest }) },
  Artifact: {
    name: ({ image }, _args, { names }) => names.load(image),
    locations: async ({ image, digest }, _args, { images }) => {
      const { repository, tag } = partsOf(image);
      const [held, copies, others] = await Promise.all([
        ask(calls.tag(repository, tag)),
        ask(calls.repositories(repository)).then((rows) =>
          Promise.all(rows.map(async (row) => shapes.tags(await ask(calls.tags(row.name)), digest))),
        ),
        images
          .load(repository)
          .then((found) =>
            Promise.all(
              found.map(async ({ key }) => shapes.imageVersions(await ask(calls.imageVersions(key, digest)))),
            ),
          ),
      ]);
      return everywhere(shapes.tag(held, digest), [...copies.flat(), ...others.flat()]);
    },
  },
};

const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), context, graphiql: false, logging: false });
const server = createServer(yoga);
server.listen(0, "127.0.0.1", () =>
  process.stdout.write(`ready on http://127.0.0.1:${server.address().port}/graphql\n`),
);
