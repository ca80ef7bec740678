import type { GitlabRepository, GitlabTag } from "./gitlab-records.ts";
import { before, checksum, hosts, images } from "./story.ts";

/** Where the demo's registry says its images are pulled from. */
export const registryHost = hosts.gitlab;

/** The images of `pay/web`: the released one under three tags, and a storybook of every merge request. */
export function webRepositories(): GitlabRepository[] {
  const released = images.web;
  const older = ["2.2.0", "2.3.0", "2.3.1"].map(
    (name, index): GitlabTag => ({
      name,
      digest: `sha256:${checksum("sha256", `gitlab pay/web ${name}`)}`,
      revision: checksum("sha256", `gitlab pay/web config ${name}`),
      size: 46_000_000 + index * 311_000,
      at: before(60 - index * 18),
    }),
  );
  // An index has no configuration, so GitLab knows neither revision nor date.
  const index = { digest: released.digest, revision: "", size: released.size, at: null };
  return [
    {
      id: 301,
      name: "",
      at: before(300),
      tags: [
        ...older,
        { name: "2.4.0", ...index },
        { name: released.tag, ...index },
        { name: "buildcache", digest: null, revision: "", size: 0, at: null },
        { name: "latest", ...index },
      ],
    },
    {
      id: 302,
      name: "storybook",
      at: before(200),
      tags: Array.from({ length: 120 }, (_, pr) => ({
        name: `pr-${String(101 + pr)}`,
        digest: `sha256:${checksum("sha256", `gitlab storybook ${pr}`)}`,
        revision: checksum("sha256", `gitlab storybook config ${pr}`),
        size: 21_000_000 + pr * 1024,
        at: before(130 - pr),
      })),
    },
  ];
}

/**
 * The image of a project with an old name: a release and its signature, pushed seconds later, and an index that the
 * registry lists and knows no details of.
 */
export function playerRepositories(): GitlabRepository[] {
  const tag = (name: string, at: number): GitlabTag => ({
    name,
    digest: `sha256:${checksum("sha256", `gitlab player ${name}`)}`,
    revision: checksum("sha256", `gitlab player config ${name}`),
    size: 33_000_000,
    at,
  });
  const release = tag("1.4.0", before(7));
  const signature = tag(`sha256-${checksum("sha256", "gitlab player 1.4.0")}.sig`, before(7) + 5000);
  const bundle: GitlabTag = { name: "2.0.1", digest: null, revision: "", size: 0, at: null, refused: 404 };
  return [
    { id: 361, name: "", at: before(90), tags: [tag("1.3.0", before(40)), release, signature] },
    { id: 362, name: "bundle", at: before(80), tags: [bundle] },
  ];
}

/** The base image that the jobs of `infra/tools` run in. */
export function toolRepositories(): GitlabRepository[] {
  return [
    {
      id: 340,
      name: "ci-base",
      at: before(500),
      tags: ["22.04", "24.04", "26.04"].map((name, index) => ({
        name,
        digest: `sha256:${checksum("sha256", `gitlab ci-base ${name}`)}`,
        revision: checksum("sha256", `gitlab ci-base config ${name}`),
        size: 188_000_000 + index * 5_000_000,
        at: before(400 - index * 150),
      })),
    },
  ];
}
