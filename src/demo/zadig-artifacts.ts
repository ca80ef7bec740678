import { type EstateArtifact, type EstateCommit, hostOf } from "./zadig-estate.ts";
import { type Json, splitTag } from "./zadig-print.ts";

/** An artifact as aslan prints it. */
export function artifact(one: EstateArtifact): Json {
  const activities = one.runs.map((run) => ({
    artifact_id: one.id,
    type: run.type,
    content: run.type === "publish" ? "kubectl --token demo-secret-activity-content apply" : undefined,
    url: run.url,
    commits: run.commit ? [activityCommit(run.commit)] : undefined,
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
