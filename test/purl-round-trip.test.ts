import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { places, projects } from "../demo/story.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

interface Row {
  readonly repository: string;
  readonly versions: {
    readonly nodes: readonly {
      readonly id: string;
      readonly purl: string | null;
      readonly artifact: object | null;
    }[];
  };
}

interface Trace {
  readonly artifact: Located | null;
  readonly candidates: readonly Located[];
}

interface Located {
  readonly locations: readonly { readonly version: { readonly id: string } | null }[];
}

const { bkrepoProject, bkrepoDocker, bkrepoMaven, bkrepoNpm, bkrepoHelm, bkrepoPypi, swrNamespace } = places;
const scopes: readonly (readonly [backend: string, scope: string, format: string])[] = [
  ...[bkrepoMaven, bkrepoNpm, bkrepoHelm, bkrepoPypi, bkrepoDocker].map(
    (name) => ["bkrepo", `repository: "${bkrepoProject}/${name}"`, ""] as const,
  ),
  ["swr-north4", `repository: "${swrNamespace}"`, ""],
  ["gitlab", `group: "${places.gitlabGroup}"`, ""],
  ["gitlab", `group: "${places.gitlabGroup}"`, "DOCKER"],
  ["gitlab", `repository: "${projects.tools.path}"`, ""],
];

describe("the package URL that is printed for a version", () => {
  let gateway: DemoGateway;

  beforeAll(async () => {
    gateway = await startDemoGateway({ settings: { limits: { cost: 1_000_000, upstreamCalls: 10_000 } } });
  });
  afterAll(() => gateway.stop());

  test.each(scopes)("finds that version, with a hint and without: %s { %s } %s", async (backend, scope, format) => {
    const filter = format === "" ? "" : `, filter: { format: ${format} }`;
    const { body } = await gateway.ask(`{ packages(scope: { backend: "${backend}", ${scope} }${filter}, first: 30) {
      nodes { repository versions(first: 2) { nodes { id purl artifact { digest } } } } } }`);
    const { nodes } = (body.data as { packages: { nodes: readonly Row[] } }).packages;
    expect(nodes.length).toBeGreaterThan(0);
    const printed = nodes.flatMap(({ repository, versions }) =>
      versions.nodes.flatMap(({ id, purl, artifact }) => (purl && artifact ? [{ id, purl, repository }] : [])),
    );
    for (const { id, purl, repository } of printed) {
      const { body: traced } = await gateway.ask(
        `query ($purl: PURL!, $hint: PackageScope!) {
          alone: traceByPurl(purl: $purl) { ...Found }
          hinted: traceByPurl(purl: $purl, hint: $hint) { ...Found }
        }
        fragment Found on ArtifactTrace {
          artifact { locations { version { id } } } candidates { locations { version { id } } }
        }`,
        { variables: { purl, hint: { backend, repository } } },
      );
      for (const way of ["alone", "hinted"]) {
        const { artifact, candidates } = Object(traced.data)[way] as Trace;
        const found = [...(artifact ? [artifact] : []), ...candidates].flatMap(({ locations }) => locations);
        expect([way, purl, found.map(({ version }) => version?.id)]).toEqual([way, purl, expect.arrayContaining([id])]);
      }
    }
  });
});
