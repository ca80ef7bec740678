// Runs Apollo's published subgraph compatibility tests against the subgraph at argv[2]; writes the results as JSON.
//
// The package drives them with containers and a downloaded router. Here its own two subgraphs are plain processes, the
// router is @apollo/gateway in this process, and its test files are copied with nothing changed but the router's address.
import { spawn } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { composeApollo } from "./composition.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const suite = join(here, "node_modules/@apollo/federation-subgraph-compatibility-tests");
const copy = join(here, ".cache/compatibility");
const [products, vitest] = process.argv.slice(2);
const children = [];

try {
  const [users, inventory] = await Promise.all(["users", "inventory"].map(serveBundled));
  const router = await serveRouter([
    { name: "products", url: products },
    { name: "users", url: users },
    { name: "inventory", url: inventory },
  ]);
  await copySuite(router.url);
  process.stdout.write(await runSuite());
  await router.stop();
} finally {
  for (const child of children) child.kill();
}

function serveBundled(name) {
  const child = spawn(process.execPath, ["--import", join(here, "free-port.mjs"), "index.js"], {
    cwd: join(suite, "dist/subgraphs", name),
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
    child.stdout.on("data", (text) => {
      const port = /listening on (\d+)/.exec(String(text))?.[1];
      if (port) resolve(`http://127.0.0.1:${port}/`);
    });
  });
}

async function serveRouter(subgraphs) {
  const published = await Promise.all(subgraphs.map(async (one) => ({ ...one, sdl: await sdlOf(one.url) })));
  const { supergraph, errors } = composeApollo(published);
  if (supergraph === null) throw new Error(errors.join("\n"));
  const gateway = new ApolloGateway({
    supergraphSdl: supergraph,
    buildService: ({ url }) => new RemoteGraphQLDataSource({ url }),
  });
  const server = new ApolloServer({ gateway });
  const { url } = await startStandaloneServer(server, { listen: { port: 0, host: "127.0.0.1" } });
  return { url, stop: () => server.stop() };
}

async function sdlOf(url) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: "{ _service { sdl } }" }),
  });
  return (await response.json()).data._service.sdl;
}

async function copySuite(router) {
  await rm(copy, { recursive: true, force: true });
  await mkdir(copy, { recursive: true });
  await cp(join(suite, "src"), join(copy, "src"), { recursive: true });
  await cp(join(suite, "products.graphql"), join(copy, "products.graphql"));
  const client = join(copy, "src/utils/client.ts");
  const text = await readFile(client, "utf8");
  const moved = text.replace("'http://localhost:4000/'", JSON.stringify(router));
  if (moved === text) throw new Error("the suite names its router in another way");
  await writeFile(client, moved);
  await writeFile(
    join(copy, "vitest.config.mjs"),
    'export default { test: { globals: true, include: ["src/tests/*.test.ts"], reporters: ["json"], outputFile: "results.json" } };\n',
  );
}

async function runSuite() {
  const child = spawn(process.execPath, [vitest, "run", "--root", copy, "--config", join(copy, "vitest.config.mjs")], {
    cwd: copy,
    env: { ...process.env, PRODUCTS_URL: products, VITEST: undefined, VITEST_POOL_ID: undefined, NODE_ENV: undefined },
    stdio: ["ignore", "ignore", "inherit"],
  });
  await new Promise((resolve) => child.on("exit", resolve));
  const { testResults } = JSON.parse(await readFile(join(copy, "results.json"), "utf8"));
  const cases = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ fullName, status, failureMessages }) => ({
      file: name.replace(/^.*\//, ""),
      name: fullName,
      status,
      failures: failureMessages,
    })),
  );
  return JSON.stringify(cases);
}
