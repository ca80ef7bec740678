import { mavenPackage, releaseProject } from "./estate.ts";

/** Rows of a page, as many as a list may be asked for. */
export const pageRows = 100;

/** A page of the largest lists, with everything that its rows hold themselves. */
export interface Page {
  readonly title: string;
  readonly body: (key: number) => string;
}

const releases = `query Releases($project: String!) {
  releases(filter: { backend: "zadig", project: $project }, first: ${pageRows}) {
    nodes {
      id backend { name } zadigId version project workflow taskId type status description labels createdBy createdAt
      environment {
        name namespace production variableNames
        services { name type revision startOrder containers { name image { ...Image } } }
      }
      builds {
        id service image { ...Image } packageFile issues { key summary url } workflow taskId startedAt finishedAt
        commits { sha branch tag repository hostUrl webUrl pullRequests message authorName isPrimary }
      }
      deployments { service container image { ...Image } serviceOrder manifests startedAt finishedAt }
      tests { name tests passed failures }
      distributions { service type image { ...Image } file chartName chartVersion registry namespace }
      securityScans { image { ...Image } total high critical }
      images { service container source { ...Image } target { ...Image } status }
      sources { backend { name } status }
    }
  }
}
fragment Image on ImageRef { raw registry repository tag digest }`;

const versions = `query Versions($key: String!) {
  package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: $key }) {
    versions(first: ${pageRows}) {
      nodes {
        id backend { name } name purl status stages tags size fileCount downloads createdBy createdAt updatedAt
        metadata { key value isSystem } downloadUrl sources { backend { name } status }
      }
    }
  }
}`;

/** The largest types there are, each row with all that its backend's own list tells of it. */
export const pages: readonly Page[] = [
  {
    title: `${pageRows} Zadig releases with all their parts`,
    body: (key) => JSON.stringify({ query: releases, variables: { project: releaseProject(key).project } }),
  },
  {
    title: `${pageRows} bkrepo versions with all their fields`,
    body: (key) => JSON.stringify({ query: versions, variables: { key: mavenPackage(key).key } }),
  },
];

/** How many rows are in the answer to such a page. */
export function rowsIn(data: unknown): number {
  return [...JSON.stringify(data).matchAll(/"id":"[^"]+","backend":/g)].length;
}
