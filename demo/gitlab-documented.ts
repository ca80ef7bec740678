import {
  type GitlabFile,
  type GitlabPackage,
  type GitlabPipeline,
  type GitlabProject,
  type GitlabUser,
  project,
} from "./gitlab-records.ts";

const administrator: GitlabUser = { id: 1, username: "root", name: "Administrator" };

const documentedPipeline = (id: number, run: number): GitlabPipeline => ({
  id,
  iid: run,
  projectId: 9,
  projectPath: "foo/bar",
  sha: "a91957a858320c0e17f3a0eca7cfacbff50ea29a",
  ref: "new-pipeline",
  status: "pending",
  at: Date.parse("2016-08-11T11:28:34.085Z"),
  user: administrator,
  page: `https://example.com/foo/bar/pipelines/${run}`,
});

/** The project of the vendor's documentation, with the values printed there. */
export function documented(): GitlabProject {
  const row = (
    id: number,
    name: string,
    version: string,
    type: string,
    at: string,
    rest: Partial<GitlabPackage> = {},
  ) => ({
    id,
    name,
    version,
    type,
    at: Date.parse(at),
    channel: null,
    status: "default",
    downloadedAt: null,
    tags: [],
    pipelines: [documentedPipeline(123, 47)],
    files: [],
    ...rest,
  });
  const file = (id: number, name: string, size: number, at: string, md5: string, sha1: string): GitlabFile => ({
    id,
    name,
    size,
    at: Date.parse(at),
    md5,
    sha1,
    sha256: null,
  });
  return project(
    { id: 1, path: "namespace1/project1" },
    {
      visibility: "public",
      packages: [
        row(1, "com/mycompany/my-app", "1.0-SNAPSHOT", "maven", "2019-11-27T03:37:38.711Z"),
        row(2, "@foo/bar", "1.0.3", "npm", "2019-11-27T03:37:38.711Z"),
        row(3, "com/mycompany/my-app", "2.0-SNAPSHOT", "maven", "2020-04-28T04:42:11.573Z", {
          pipelines: [documentedPipeline(234, 58)],
        }),
        row(4, "com/mycompany/my-app", "1.5-SNAPSHOT", "maven", "2018-11-07T15:25:52.199Z", {
          files: [
            file(
              25,
              "my-app-1.5-20181107.152550-1.jar",
              2421,
              "2018-11-07T15:25:52.199Z",
              "58e6a45a629910c6ff99145a688971ac",
              "ebd193463d3915d7e22219f52740056dfd26cbfe",
            ),
            file(
              26,
              "my-app-1.5-20181107.152550-1.pom",
              1122,
              "2018-11-07T15:25:56.776Z",
              "d90f11d851e17c5513586b4a7e98f1b2",
              "9608d068fe88aff85781811a42f32d97feb440b5",
            ),
            file(
              27,
              "maven-metadata.xml",
              767,
              "2018-11-07T15:26:00.556Z",
              "6dfd0cce1203145a927fef5e3a1c650c",
              "d25932de56052d320a8ac156f745ece73f6a8cd2",
            ),
          ],
        }),
      ],
    },
  );
}
