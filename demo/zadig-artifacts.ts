import { type EstateArtifact, type EstateCommit, hostOf } from "./zadig-estate.ts";
import { type Json, splitTag } from "./zadig-print.ts";

/** An artifact as aslan prints it. */
export function artifact(one: EstateArtifact): Json {
  const activities = one.runs.map((run) => ({
    artifact_id: one.id,
    type: run.type,
    content: run.type === "publish" ? "kubectl --token demo-secret-activity-content apply" : undefined,
    url: run.url,
    commits: run.commit ? [activityCommit(run.commit), ...depot(one)] : undefined,
    issues:
      run.type === "build" && one.name === "api"
        ? ["https://jira-bot:demo-secret-password@jira.acme.example/browse/PAY-1482"]
        : undefined,
    start_time: run.startedAt,
    end_time: run.finishedAt,
    created_by: one.createdBy,
    created_time: run.finishedAt + (run.type === "publish" ? 6 : 2),
  }));
  const isImage = one.type === "image";
  const tag = isImage ? splitTag(one.image)[1] : one.image;
  const known = isImage && !one.multiArch;
  return {
    id: one.id,
    name: one.name,
    type: one.type,
    source: "workflow",
    image: one.image,
    image_tag: tag,
    ...(known
      ? {
          image_digest: one.digest,
          image_size: one.size,
          architecture: "amd64",
          os: "linux",
          docker_file: "FROM node:22\nARG NPM_TOKEN=demo-secret-docker-arg\nCOPY . /app\n",
          layers: [
            {
              media_type: "/bin/sh -c npm ci --//registry/:_authToken=demo-secret-docker-arg",
              size: 0,
              digest: "<missing>",
              urls: ["https://obs.example.com/layer?Signature=demo-secret-layer-signature"],
            },
          ],
        }
      : {}),
    ...(isImage
      ? {}
      : {
          package_file_location: "releases",
          package_storage_uri: "https://uploader:demo-secret-storage-login@obs/acme",
        }),
    created_by: one.createdBy,
    created_time: one.at,
    activities,
    sortedActivities: { build: activities.filter(({ type }) => type === "build") },
  };
}

/** What the oldest service is built from beside its repository: Perforce tells revisions by numbers of change lists. */
function depot({ name }: EstateArtifact): Json[] {
  if (name !== "legacy") return [];
  return [
    {
      address: "",
      source: "perforce",
      repo_owner: "",
      repo_name: "ledger-rules",
      branch: "",
      commit_id: "1048576",
      commit_message: "Rules of 2024",
      author_name: "Jonas Weber",
    },
  ];
}

function activityCommit(commit: EstateCommit): Json {
  return {
    address: hostOf(commit),
    source: "gitlab",
    repo_owner: commit.owner,
    repo_name: commit.name,
    branch: commit.branch,
    pr: commit.pr,
    prs: [commit.pr],
    commit_id: commit.sha,
    commit_message: commit.message,
    author_name: commit.author,
  };
}
