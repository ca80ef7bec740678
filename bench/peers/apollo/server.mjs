import { RESTDataSource } from "@apollo/datasource-rest";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import DataLoader from "dataloader";
import { addresses, calls, everywhere, partsOf, shapes, typeDefs } from "../backends.mjs";

// Apollo Server as its documentation shows it: a RESTDataSource for each backend, DataLoader for what can be batched.

class Backend extends RESTDataSource {
  constructor(name) {
    super();
    this.baseURL = addresses[name];
  }

  willSendRequest(_path, request) {
    request.headers["authorization"] = "Bearer t";
  }

  ask({ path, body }) {
    return body ? this.post(path, { body }) : this.get(path);
  }
}

function createContext() {
  const sources = Object.fromEntries(Object.keys(addresses).map((name) => [name, new Backend(name)]));
  const ask = (call) => sources[call.backend].ask(call);
  return {
    ask,
    names: new DataLoader(async (images) => {
      const names = shapes.artifactNames(await ask(calls.artifacts(images)));
      return images.map((image) => names.get(image) ?? null);
    }),
    images: new DataLoader(async (names) => {
      const found = shapes.images(await ask(calls.images(names)));
      return names.map((name) => found.filter((image) => image.name === name));
    }),
  };
}

const resolvers = {
  Query: {
    package: async (_root, { ref }, { ask }) =>
      ref.key ? shapes.package(await ask(calls.package(ref.key))) : { name: ref.name, project: ref.repository },
    releases: async (_root, { filter, first }, { ask }) => ({
      nodes: shapes.releases(await ask(calls.releases(filter.project))).slice(0, first),
    }),
  },
  Package: {
    latestVersion: async ({ key }, _args, { ask }) => shapes.latestVersion(await ask(calls.latestVersion(key))),
    versions: async ({ name, project }, _args, { ask }) => ({
      nodes: shapes.versions(await ask(calls.versions(project, name))).map((version) => ({ ...version, project })),
    }),
  },
  Version: {
    files: async ({ project, id }, _args, { ask }) => ({ nodes: shapes.files(await ask(calls.files(project, id))) }),
  },
  BuildInfo: { artifact: ({ image, digest }) => ({ image, digest }) },
  Artifact: {
    name: ({ image }, _args, { names }) => names.load(image),
    locations: async ({ image, digest }, _args, { ask, images }) => {
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

const server = new ApolloServer({ typeDefs, resolvers });
const { url } = await startStandaloneServer(server, {
  listen: { port: 0, host: "127.0.0.1" },
  context: async () => createContext(),
});
process.stdout.write(`ready on ${url}\n`);
