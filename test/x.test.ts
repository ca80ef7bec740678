import { test } from "vitest";
import { startDemoGateway } from "./support/gateway.ts";
import { images } from "../src/demo/story.ts";
test("x", async () => {
  const g = await startDemoGateway();
  const q = async (t: string) => console.log(JSON.stringify((await g.ask(t)).body, null, 1));
  await q(`{ traceByDigest(digest: "${images.api.digest}", hint: {backend: "bkrepo", repository: "pay/docker-local"}) { isComplete sources { backend { name } status } artifact { isComplete sources { backend { name } status } } } }`);
  await g.stop();
  const s = await startDemoGateway({ settings: { server: { subgraph: true } } });
  console.log(JSON.stringify((await s.ask(`{ _entities(representations: [{__typename: "Artifact", digest: "sha256:${"0".repeat(64)}"}]) { __typename } }`)).body));
  await s.stop();
});
