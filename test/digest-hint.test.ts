import { expect, test } from "vitest";
import { serveBkrepo } from "./backends/bkrepo/literal-server.ts";
import { digestOf } from "./backends/swr/literal.ts";
import { gatewayOver } from "./support/literal.ts";

const digest = digestOf("d");

test("bytes that are not where a hint points may be elsewhere in the same backend: nothing is complete", async () => {
  const server = await serveBkrepo({
    release: "new",
    repositories: ["docker-a", "docker-b"],
    packages: ["docker-a", "docker-b"].map((repoName) => ({
      ...{ repoName, key: "docker://api", name: "api", type: "DOCKER" },
      versions: [{ name: "1.0", metadata: { manifest_digest: repoName === "docker-b" ? digest : digestOf("e") } }],
    })),
    nodes: [{ repoName: "docker-b", fullPath: "/api/manifest/1.0/manifest.json", sha256: digest.slice(7) }],
  });
  const ask = await gatewayOver({
    ...{ kind: "bkrepo", name: "bkrepo", url: server.url, hosts: ["docker.test"], retries: 0 },
    repositories: ["acme/docker-a", "acme/docker-b"],
    credentials: { username: "reader", password: "secret" },
  });
  const by = (repository: string) =>
    `traceByDigest(digest: "${digest}", hint: { backend: "bkrepo", repository: "${repository}" })`;
  const { data, errors } = await ask(`{
    a: ${by("acme/docker-a")} { artifact { digest } isComplete sources { status } }
    b: ${by("acme/docker-b")} { artifact { digest } sources { status } }
  }`);
  await server.close();
  expect(errors).toEqual([]);
  expect(data).toEqual({
    a: { artifact: null, isComplete: false, sources: [{ status: "ABSENT" }] },
    b: { artifact: { digest }, sources: [{ status: "OK" }] },
  });
});
