import Fastify from "fastify";
import mercurius from "mercurius";
import { Pool } from "undici";
import { addresses, calls, everywhere, partsOf, shapes, typeDefs } from "../backends.mjs";

// mercurius with its JIT from the first repetition on, and its own loaders.

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

const each = (load) => (queries) => Promise.all(queries.map(({ obj }) => load(obj)));

const resolvers = {
  Query: {
    package: async (_root, { ref }) =>
      ref.key ? shapes.package(await ask(calls.package(ref.key))) : { name: ref.name, project: ref.repository },
    releases: async (_root, { filter, first }) => ({
      nodes: shapes.releases(await ask(calls.releases(filter.project))).slice(0, first),
    }),
  },
  Package: {
    versions: async ({ name, project }) => ({
      nodes: shapes.versions(await ask(calls.versions(project, name))).map((version) => ({ ...version, project })),
    }),
  },
  BuildInfo: { artifact: ({ image, digest }) => ({ image, digest }) },
};

const loaders = {
  Package: { latestVersion: each(async ({ key }) => shapes.latestVersion(await ask(calls.latestVersion(key)))) },
  Version: { files: each(async ({ project, id }) => ({ nodes: shapes.files(await ask(calls.files(project, id))) })) },
  Artifact: {
    name: async (queries) => {
      const names = shapes.artifactNames(await ask(calls.artifacts(queries.map(({ obj }) => obj.image))));
      return queries.map(({ obj }) => names.get(obj.image) ?? null);
    },
    locations: async (queries) => {
      const wanted = queries.map(({ obj }) => ({ ...obj, ...partsOf(obj.image) }));
      const searched = ask(calls.images(wanted.map(({ repository }) => repository))).then(shapes.images);
      return Promise.all(
        wanted.map(async ({ repository, tag, digest }) => {
          const [held, copies, others] = await Promise.all([
            ask(calls.tag(repository, tag)),
            ask(calls.repositories(repository)).then((rows) =>
              Promise.all(rows.map(async (row) => shapes.tags(await ask(calls.tags(row.name)), digest))),
            ),
            searched.then((found) =>
              Promise.all(
                found
                  .filter(({ name }) => name === repository)
                  .map(async ({ key }) => shapes.imageVersions(await ask(calls.imageVersions(key, digest)))),
              ),
            ),
          ]);
          return everywhere(shapes.tag(held, digest), [...copies.flat(), ...others.flat()]);
        }),
      );
    },
  },
};

const app = Fastify();
await app.register(mercurius, { schema: typeDefs, resolvers, loaders, jit: 1 });
const address = await app.listen({ port: 0, host: "127.0.0.1" });
process.stdout.write(`ready on ${address}/graphql\n`);
