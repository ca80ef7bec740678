import { expect, test } from "vitest";
import { serveBkrepo } from "./backends/bkrepo/literal-server.ts";
import { serveLiteral as serveGitlab } from "./backends/gitlab/literal.ts";
import { day, digestOf, serveSwr, settingsOf as swrSettings } from "./backends/swr/literal.ts";
import { gatewayOver } from "./support/literal.ts";

const digest = digestOf("a");
const traced = `query ($image: String!) {
  traceByImage(image: $image) { artifact { digest } isComplete sources { backend { name } status } }
}`;

test("a reference without tag and digest names `latest`, in every registry", async () => {
  const swr = await serveSwr({ repositories: { pay: { api: { latest: { digest, updated: day(1) } } } } });
  const bkrepo = await serveBkrepo({
    release: "new",
    repositories: ["docker-local"],
    packages: [
      {
        ...{ repoName: "docker-local", key: "docker://api", name: "api", type: "DOCKER" },
        versions: [{ name: "latest", metadata: { manifest_digest: digest } }],
      },
    ],
  });
  const gitlab = await serveGitlab({
    projects: [
      {
        ...{ id: 1, path: "pay/api" },
        repositories: [{ id: 10, name: "", tags: { latest: { digest, created_at: day(1) } } }],
      },
    ],
  });
  const common = { retries: 0, credentials: { username: "reader", password: "secret" } };
  const ask = await gatewayOver(
    swrSettings(swr.url),
    { kind: "bkrepo", name: "bkrepo", url: bkrepo.url, hosts: ["docker.test"], ...common },
    { kind: "gitlab", name: "gitlab", url: gitlab.url, hosts: ["registry.test"], retries: 0 },
  );
  for (const [backend, image] of [
    ["swr", "swr.test/pay/api"],
    ["bkrepo", "docker.test/acme/docker-local/api"],
    ["gitlab", "registry.test/pay/api"],
  ]) {
    const { data } = await ask(traced, { image });
    expect(data?.["traceByImage"], image).toMatchObject({
      artifact: { digest },
      sources: expect.arrayContaining([{ backend: { name: backend }, status: expect.stringMatching(/OK|PARTIAL/) }]),
    });
  }
  await bkrepo.close();
  await gitlab.stop();
});
