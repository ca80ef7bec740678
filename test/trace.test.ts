import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bkrepoReference, commits, images, release, sdk, swrReference } from "../demo/story.ts";
import { layersAlone, rebuilt } from "../demo/zadig-estate.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

const traced = /* GraphQL */ `
  fragment Traced on ArtifactTrace {
    isComplete
    sources { backend { name } status }
    candidates { digest name }
    artifact {
      id digest name purl
      locations { backend { name } image { repository tag } path matchedBy }
      builds { service workflow taskId commits { sha repository packages { name package { name } } } }
      releases(first: 5) { nodes { version project } }
    }
  }
`;

interface Traced {
  readonly isComplete: boolean;
  readonly sources: readonly { readonly backend: { readonly name: string }; readonly status: string }[];
  readonly candidates: readonly { readonly digest: string | null; readonly name: string }[];
  readonly artifact: {
    readonly id: string;
    readonly digest: string | null;
    readonly name: string;
    readonly purl: string | null;
    readonly locations: readonly {
      readonly backend: { readonly name: string };
      readonly image: { readonly repository: string; readonly tag: string | null } | null;
      readonly path: string | null;
      readonly matchedBy: string;
    }[];
    readonly builds:
      | readonly {
          readonly service: string;
          readonly workflow: string;
          readonly taskId: number;
          readonly commits: readonly {
            readonly sha: string;
            readonly packages: readonly { readonly name: string }[] | null;
          }[];
        }[]
      | null;
    readonly releases: { readonly nodes: readonly { readonly version: string; readonly project: string }[] } | null;
  } | null;
}

describe("a trace", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    gateway = await startDemoGateway();
  });
  afterAll(() => gateway.stop());

  async function trace(field: string): Promise<Traced> {
    const { status, body } = await gateway.ask(`${traced} { trace: ${field} { ...Traced } }`);
    // Some builds are of a code host that nobody configured: what was published from their commits nobody can say.
    const foreign = /code host of this commit/;
    expect((body.errors ?? []).filter(({ message }) => !foreign.test(message))).toEqual([]);
    expect(status).toBe(200);
    return body.data?.["trace"] as Traced;
  }

  const places = ({ artifact }: Traced) =>
    (artifact?.locations ?? []).map(({ backend, matchedBy }) => `${backend.name} ${matchedBy}`).sort();

  const api = images.api;

  it.each([
    ["as built, in SWR", `traceByImage(image: "${swrReference(api)}")`],
    ["as copied, in bkrepo", `traceByImage(image: "${bkrepoReference(api)}")`],
    [
      "with scheme, upper-case host and digest",
      `traceByImage(image: "https://${swrReference(api).replace("swr.", "SWR.")}@${api.digest}")`,
    ],
    [
      "pinned by digest, without a tag",
      `traceByImage(image: "${swrReference(api).replace(/:[^:]*$/, "")}@${api.digest}")`,
    ],
    [
      "by digest alone in bkrepo",
      `traceByDigest(digest: "${api.digest}", hint: { backend: "bkrepo", repository: "pay/docker-local" })`,
    ],
    [
      "by bare hex digest",
      `traceByDigest(digest: "${api.digest.slice(7)}", hint: { backend: "swr-north4", repository: "pay-core" })`,
    ],
    [
      "by package URL",
      `traceByPurl(purl: "pkg:oci/api@${api.digest}?repository_url=${encodeURIComponent(swrReference(api).split(":")[0] ?? "")}&tag=${api.tag}")`,
    ],
  ])("finds the released image and everything about it: %s", async (_spelling, field) => {
    const found = await trace(field);
    expect(found.artifact?.digest).toBe(api.digest);
    expect(places(found)).toEqual(["bkrepo DIGEST", "bkrepo DIGEST", "swr-north4 DIGEST"]);
    expect(found.artifact?.builds?.map(({ service, workflow, taskId }) => ({ service, workflow, taskId }))).toEqual([
      { service: "api", workflow: "pay-release", taskId: release.taskId },
    ]);
    expect(found.artifact?.releases?.nodes).toEqual([{ version: release.version, project: "pay" }]);
    const commit = found.artifact?.builds?.[0]?.commits[0];
    expect(commit?.sha).toBe(commits.api.sha);
    expect(commit?.packages?.map(({ name }) => name)).toContain(sdk.versions.at(-1));
    // In a whole namespace there is an image that tells no digest: whether it is these bytes nobody can say.
    expect(found.isComplete).toBe(!field.includes('"swr-north4", repository: "pay-core"'));
    expect(found.candidates).toEqual([]);
  });

  const nginx = "sha256:47b3acc3426fe07850974e63f16d11b02ffbf3bce8737e865608cea70937b762";
  const tag = "20190722170829-53-master";

  it.each([
    ["buildInfo", `regist/customerdockernamespace/nginx:${tag}`, []],
    [
      "deployInfo and the environment",
      `docker-registy.example.com/customerdockernamespace/nginx:${tag}`,
      ["zadig DECLARED"],
    ],
    ["distributeInfo", `docker-registy.example.com/customer-service-prod/nginx:${tag}`, ["zadig DECLARED"]],
  ])("joins the spellings of one image in one release: %s", async (_part, image, expected) => {
    const found = await trace(`traceByImage(image: "${image}")`);
    expect(found.artifact?.digest).toBe(nginx);
    expect(places(found)).toEqual(expected);
    expect(found.artifact?.releases?.nodes).toEqual([{ version: "v0.1.4", project: "koderover-sample" }]);
  });

  it("does not join a reference of equal name and tag that nothing connects", async () => {
    const found = await trace(`traceByImage(image: "docker-registy.example.com/elsewhere/nginx:${tag}")`);
    expect(found.artifact).toBeNull();
    expect(found.candidates).toEqual([{ digest: nginx, name: "nginx" }]);
  });

  it("does not join a tag that was pushed over with what was built under it", async () => {
    const found = await trace(`traceByImage(image: "${swrReference(images.worker)}")`);
    expect(found.artifact?.digest).toBe(images.worker.now);
    expect(found.artifact?.builds).toBeNull();
    expect(found.candidates.map(({ digest }) => digest)).toEqual([images.worker.digest]);
  });

  it("joins by digest what is left of a deleted image", async () => {
    const found = await trace(`traceByImage(image: "${swrReference(images.legacy)}")`);
    expect(found.artifact?.digest).toBe(images.legacy.digest);
    expect(places(found)).toEqual([]);
    expect(found.sources.find(({ backend }) => backend.name === "swr-north4")?.status).toBe("ABSENT");
  });

  it("finds a package file by its package URL in both repositories, by equal bytes", async () => {
    const found = await trace(`traceByPurl(purl: "pkg:maven/com.acme.pay/pay-sdk@2.4.0")`);
    expect(places(found)).toEqual(["bkrepo DIGEST", "gitlab DIGEST"]);
    expect(found.isComplete).toBe(true);
    expect(found.candidates).toEqual([]);
  });

  it("says that no backend can be searched by a digest alone", async () => {
    const found = await trace(`traceByDigest(digest: "${api.digest}")`);
    expect(found.artifact).toBeNull();
    expect(found.isComplete).toBe(false);
    expect(new Set(found.sources.map(({ status }) => status))).toEqual(new Set(["NOT_SEARCHABLE"]));
  });

  it("finds a package file's equals by checksum: one question for all versions and repositories of a project", async () => {
    gateway.forget();
    const { body } = await gateway.ask(`{
      package(ref: { backend: "gitlab", repository: "pay/api", name: "@acme/pay-client", format: NPM }) {
        versions(first: 3) { nodes { name artifact { locations { backend { name } path matchedBy version { name } } sources { backend { name } status } isComplete } } }
      }
    }`);
    expect(body.errors).toBeUndefined();
    const { package: found } = body.data as {
      package: {
        versions: {
          nodes: { name: string; artifact: { locations: unknown[]; sources: unknown[]; isComplete: boolean } }[];
        };
      };
    };
    for (const { name, artifact } of found.versions.nodes) {
      expect(artifact.locations).toEqual([
        expect.objectContaining({ backend: { name: "gitlab" }, version: { name } }),
        expect.objectContaining({ backend: { name: "bkrepo" }, matchedBy: "DIGEST", version: { name } }),
      ]);
      expect(artifact.sources).toContainEqual({ backend: { name: "bkrepo" }, status: "OK" });
      expect(artifact.sources).toContainEqual({ backend: { name: "swr-north4" }, status: "NOT_SEARCHABLE" });
      expect(artifact.isComplete).toBe(false);
    }
    const searches = gateway.estate.servers.bkrepo.seen.filter(({ url }) => url.includes("queryWithoutCount"));
    expect(searches.length).toBe(1);
  });

  it("makes only candidates of equal weak checksums", async () => {
    const { body } = await gateway.ask(
      `{ package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }) { latestVersion { files { nodes { name digests } } } } }`,
    );
    const text = JSON.stringify(body.data);
    const md5 = /md5:[0-9a-f]{32}/.exec(text)?.[0];
    const found = await trace(
      `traceByDigest(digest: "${md5}", hint: { backend: "bkrepo", repository: "pay/maven-local" })`,
    );
    expect(found.artifact).toBeNull();
    expect(found.candidates.length).toBeGreaterThan(0);
  });

  it("says that no backend has it, and that the answer is complete", async () => {
    const found = await trace(`traceByImage(image: "${swrReference(api).replace("/api:", "/no-such-image:")}")`);
    expect(found.artifact).toBeNull();
    expect(found.candidates).toEqual([]);
    expect(found.sources.find(({ backend }) => backend.name === "zadig")?.status).toBe("ABSENT");
  });

  it("shows where backends disagree about the same bytes, and whose word it takes", async () => {
    const { body } = await gateway.ask(`{
      web: traceByImage(image: "${layersAlone.image}") { artifact { ...Told } }
      api: traceByImage(image: "${swrReference(api)}") { artifact { ...Told } }
    }
    fragment Told on Artifact {
      name type size architecture os createdBy createdAt
      observations { field value backend { name } }
      conflicts { field rule chosen { name } observations { field value backend { name } } }
    }`);
    expect(body.errors).toBeUndefined();
    const said = (backend: string, value: number) => ({ field: "size", value, backend: { name: backend } });
    const { size } = layersAlone;
    expect(body.data?.["web"]).toMatchObject({
      artifact: {
        size,
        conflicts: [
          {
            field: "size",
            rule: "size: registry before CI",
            chosen: { name: "swr-north4" },
            observations: [said("zadig", size - layersAlone.less), said("swr-north4", size), said("bkrepo", size)],
          },
        ],
      },
    });
    expect(body.data?.["api"]).toMatchObject({ artifact: { conflicts: [] } });
    for (const { artifact } of Object.values(body.data ?? {}) as { artifact: Record<string, unknown> }[]) {
      const observations = artifact["observations"] as { field: string; value: unknown }[];
      for (const field of ["name", "type", "size", "architecture", "os", "createdBy", "createdAt"])
        expect(observations).toContainEqual(expect.objectContaining({ field, value: artifact[field] }));
    }
  });

  it("says of a single file that no backend was asked for copies", async () => {
    const { body } = await gateway.ask(`{
      package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }) {
        latestVersion { files(first: 1) { nodes { artifact { id digest isComplete sources { backend { name } status } } } } }
      }
      traceByPurl(purl: "pkg:maven/com.acme.pay/pay-sdk@2.4.0") {
        artifact { isComplete sources { backend { name } status } }
      }
    }`);
    expect(body.errors).toBeUndefined();
    const of = (name: string, status: string) => ({ backend: { name }, status });
    const file = (body.data as { package: { latestVersion: { files: { nodes: { artifact: { id: string } }[] } } } })
      .package.latestVersion.files.nodes[0]?.artifact;
    expect(file).toMatchObject({
      isComplete: false,
      sources: [
        of("bkrepo", "OK"),
        of("swr-north4", "NOT_SEARCHABLE"),
        of("gitlab", "NOT_SEARCHABLE"),
        of("zadig", "NOT_SEARCHABLE"),
      ],
    });
    expect(body.data?.["traceByPurl"]).toEqual({
      artifact: { isComplete: true, sources: [of("bkrepo", "OK"), of("gitlab", "OK"), of("zadig", "NOT_SEARCHABLE")] },
    });
    const again = await gateway.ask(`query Again($id: ID!) { node(id: $id) { ... on Artifact { id digest } } }`, {
      variables: { id: file?.id },
    });
    expect(again.body.data?.["node"]).toEqual({ id: file?.id, digest: expect.stringMatching(/^sha256:/) });
  });

  it("leads back to nothing where other bytes have taken the place", async () => {
    const { body } = await gateway.ask(
      `{ artifacts(filter: { image: "${rebuilt.image}" }, first: 1) { nodes { id digest } } }`,
    );
    const { artifacts } = body.data as { artifacts: { nodes: { id: string; digest: string }[] } };
    const [now] = artifacts.nodes;
    const plain = Buffer.from(now?.id ?? "", "base64url").toString("utf8");
    const then = Buffer.from(plain.replace(now?.digest ?? "", rebuilt.first)).toString("base64url");
    const { body: both } = await gateway.ask(`query Both($ids: [ID!]!) { nodes(ids: $ids) { id } }`, {
      variables: { ids: [now?.id, then] },
    });
    expect(now?.digest).toBe(rebuilt.second);
    expect(both.data?.["nodes"]).toEqual([{ id: now?.id }, null]);
  });

  it("leads back to the same artifact through its id", async () => {
    const found = await trace(`traceByImage(image: "${bkrepoReference(api)}")`);
    const { body } = await gateway.ask(
      `query Again($id: ID!) { node(id: $id) { id ... on Artifact { digest builds { service } releases(first: 1) { nodes { version } } } } }`,
      { variables: { id: found.artifact?.id } },
    );
    expect(body.errors).toBeUndefined();
    expect(body.data?.["node"]).toEqual({
      id: found.artifact?.id,
      digest: api.digest,
      builds: [{ service: "api" }],
      releases: { nodes: [{ version: release.version }] },
    });
  });

  it("starts from a commit: the packages its pipeline published", async () => {
    const { body } = await gateway.ask(
      `{ releases(filter: { project: "pay" }, first: 1) { nodes { builds { service commits { sha packages { name purl publishedBy { commit { sha } } } } } } } }`,
    );
    expect(body.errors).toBeUndefined();
    const text = JSON.stringify(body.data);
    expect(text).toContain(`pkg:maven/com.acme.pay/pay-sdk@${sdk.versions.at(-1)}`);
    expect(text).toContain(commits.api.sha);
  });

  it("starts from a package version: the build that made its image, the bytes of its file", async () => {
    const { body } = await gateway.ask(`{
      image: package(ref: { backend: "bkrepo", repository: "pay/docker-local", key: "docker://api" }) {
        version(name: "${api.tag}") { artifact { digest locations { backend { name } } } builds { service taskId } }
      }
      file: package(ref: { backend: "gitlab", repository: "pay/api", name: "@acme/pay-client", format: NPM }) {
        latestVersion { artifact { digest type } builds { service workflow } }
      }
    }`);
    expect(body.errors).toBeUndefined();
    expect(body.data?.["image"]).toEqual({
      version: {
        artifact: {
          digest: api.digest,
          locations: expect.arrayContaining([{ backend: { name: "bkrepo" } }, { backend: { name: "swr-north4" } }]),
        },
        builds: [{ service: "api", taskId: release.taskId }],
      },
    });
    expect(body.data?.["file"]).toEqual({
      latestVersion: {
        artifact: { digest: expect.stringMatching(/^sha256:/), type: "FILE" },
        builds: expect.arrayContaining([{ service: "api", workflow: "pay-release" }]),
      },
    });
  });
});

describe("drift of a release", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    const bare = { retries: 0 };
    gateway = await startDemoGateway({ backends: { "swr-north4": bare, bkrepo: bare } });
  });
  afterAll(() => gateway.stop());

  const query = `{ releases(filter: { project: "pay" }, first: 1) { nodes { drift { image { registry repository } verdict released current reason checkedIn { name } } } } }`;
  interface Drift {
    readonly image: { readonly registry: string; readonly repository: string };
    readonly verdict: string;
    readonly released: string | null;
    readonly current: string | null;
    readonly reason: string | null;
    readonly checkedIn: { readonly name: string } | null;
  }
  async function drifts(): Promise<readonly Drift[]> {
    const { body } = await gateway.ask(query);
    const { releases } = body.data as { releases: { nodes: { drift: Drift[] }[] } };
    return releases.nodes[0]?.drift ?? [];
  }

  it("tells a match, a moved tag with both digests, and a missing image", async () => {
    const found = await drifts();
    const inSwr = Object.fromEntries(
      found
        .filter(({ checkedIn }) => checkedIn?.name === "swr-north4")
        .map((one) => [one.image.repository.split("/")[1], one]),
    );
    expect(inSwr["api"]).toMatchObject({ verdict: "MATCHES", released: api(), current: api(), reason: null });
    expect(inSwr["worker"]).toMatchObject({
      verdict: "TAG_MOVED",
      released: images.worker.digest,
      current: images.worker.now,
    });
    expect(inSwr["legacy"]).toMatchObject({ verdict: "MISSING", released: images.legacy.digest, current: null });
    expect(
      found.find(({ image, checkedIn }) => checkedIn?.name === "bkrepo" && image.repository.endsWith("/worker")),
    ).toMatchObject({
      verdict: "MATCHES",
      current: images.worker.digest,
    });
  });

  it("does not take a later build of the same tag for what was released", async () => {
    const { body } = await gateway.ask(`{ releases(filter: { project: "pay" }, first: 10) { nodes {
      images { source { raw } artifact { id digest builds { workflow } } }
      builds { image { raw } artifact { digest } }
      drift { image { raw } verdict released }
    } } }`);
    expect(body.errors).toBeUndefined();
    interface Named {
      readonly image: { readonly raw: string } | null;
      readonly source: { readonly raw: string } | null;
      readonly artifact: { readonly id: string; readonly digest: string };
    }
    const { releases } = body.data as { releases: { nodes: Record<"images" | "builds" | "drift", Named[]>[] } };
    const of = (part: "images" | "builds" | "drift") =>
      releases.nodes
        .flatMap((node) => node[part])
        .filter(({ image, source }) => [image?.raw, source?.raw].includes(rebuilt.image));
    expect(of("drift")).toEqual([{ image: { raw: rebuilt.image }, verdict: "MATCHES", released: rebuilt.first }]);
    expect(of("builds").map(({ artifact }) => artifact.digest)).toEqual([rebuilt.first]);
    const [image] = of("images");
    expect(image?.artifact).toMatchObject({ digest: rebuilt.first, builds: [{ workflow: "pay-release" }] });
    const again = await gateway.ask(`query Again($id: ID!) { node(id: $id) { ... on Artifact { id digest } } }`, {
      variables: { id: image?.artifact.id },
    });
    expect(again.body.data?.["node"]).toEqual({ id: image?.artifact.id, digest: rebuilt.first });
  });

  it("tells what lies in cold storage", async () => {
    const { body } = await gateway.ask(
      `{ releases(filter: { project: "pay" }, first: 30) { nodes { version drift { verdict current checkedIn { name } } } } }`,
    );
    const { releases } = body.data as { releases: { nodes: { version: string; drift: Drift[] }[] } };
    const old = releases.nodes.find(({ version }) => version === "v2.1.5")?.drift ?? [];
    const inBkrepo = old.filter(({ checkedIn }) => checkedIn?.name === "bkrepo");
    expect(inBkrepo.map(({ verdict }) => verdict)).toEqual(["ARCHIVED", "ARCHIVED", "ARCHIVED"]);
    expect(old.filter(({ checkedIn }) => checkedIn?.name === "swr-north4").map(({ verdict }) => verdict)).toEqual([
      "MATCHES",
      "MATCHES",
      "MATCHES",
    ]);
  });

  it("never calls missing what a registry did not answer for", async () => {
    await gateway.estate.servers.swr.setFault({ kind: "down" });
    const found = await drifts();
    await gateway.estate.servers.swr.setFault(null);
    const swr = found.filter(({ checkedIn }) => checkedIn?.name === "swr-north4");
    expect(swr.length).toBeGreaterThan(0);
    for (const one of swr)
      expect(one).toMatchObject({ verdict: "UNVERIFIABLE", current: null, reason: expect.stringContaining("DOWN") });
    expect(found.filter(({ checkedIn }) => checkedIn?.name === "bkrepo").map(({ verdict }) => verdict)).not.toContain(
      "UNVERIFIABLE",
    );
  });

  const api = () => images.api.digest;
});
