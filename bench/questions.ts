import { gitlabPackage, mavenPackage, releaseProject, releasesWanted } from "./estate.ts";

/** One question of the bench: what is sent for a key, and what must come back. */
export interface Question {
  readonly name: string;
  readonly title: string;
  /** Upstream calls it costs everybody. */
  readonly calls: number;
  /** The longest chain of calls that have to wait for each other. */
  readonly waves: number;
  readonly query: string;
  readonly variables: (key: number) => Readonly<Record<string, unknown>>;
  readonly data: (key: number) => unknown;
}

const packageByKey: Question = {
  name: "package",
  title: "one package by key with its latest version",
  calls: 2,
  waves: 1,
  query: `query PackageByKey($key: String!) {
  package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: $key }) {
    name
    versionCount
    latestVersion { name createdAt size }
  }
}`,
  variables: (key) => ({ key: mavenPackage(key).key }),
  data: (key) => {
    const { name, versions, version } = mavenPackage(key);
    const latest = version(0);
    return {
      package: {
        name,
        versionCount: versions,
        latestVersion: { name: latest.name, createdAt: latest.createdAt, size: latest.size },
      },
    };
  },
};

const versionsWithFiles: Question = {
  name: "versions",
  title: "20 GitLab versions with files",
  calls: 21,
  waves: 2,
  query: `query VersionsWithFiles($project: String!, $name: String!) {
  package(ref: { backend: "gitlab", repository: $project, name: $name, format: MAVEN }) {
    name
    versions(first: 20) {
      nodes {
        name
        createdAt
        publishedBy { status ref }
        files { nodes { name size digests } }
      }
    }
  }
}`,
  variables: (key) => {
    const { project, name } = gitlabPackage(key);
    return { project, name };
  },
  data: (key) => {
    const { name, versions, version, file } = gitlabPackage(key);
    const nodes = Array.from({ length: versions }, (_, index) => {
      const one = version(index);
      const files = [0, 1].map((number) => {
        const { name: fileName, size, sha256 } = file(index, number);
        return { name: fileName, size, digests: [`sha256:${sha256}`] };
      });
      return {
        name: one.name,
        createdAt: one.createdAt,
        publishedBy: { status: one.pipeline.status, ref: one.pipeline.ref },
        files: { nodes: files },
      };
    });
    return { package: { name, versions: { nodes } } };
  },
};

const releasesToVersions: Question = {
  name: "releases",
  title: "10 releases → builds → artifacts → versions in three backends",
  calls: 43,
  waves: 3,
  query: `query ReleasesToVersions($project: String!) {
  releases(filter: { backend: "zadig", project: $project }, first: ${releasesWanted}) {
    nodes {
      version
      builds {
        service
        artifact {
          digest
          name
          locations {
            backend { name }
            matchedBy
            version { name size }
          }
        }
      }
    }
  }
}`,
  variables: (key) => ({ project: releaseProject(key).project }),
  data: (key) => {
    const { release } = releaseProject(key);
    const nodes = Array.from({ length: releasesWanted }, (_, index) => {
      const { version, service, digest, tag, size } = release(index);
      const locations = ["swr", "bkrepo"].map((name) => ({
        backend: { name },
        matchedBy: "DIGEST",
        version: { name: tag, size },
      }));
      return { version, builds: [{ service, artifact: { digest, name: service, locations } }] };
    });
    return { releases: { nodes } };
  },
};

/** In the order of the table. */
export const questions: readonly Question[] = [packageByKey, versionsWithFiles, releasesToVersions];

/** The request body for one key. */
export function bodyOf({ query, variables }: Question, key: number): string {
  return JSON.stringify({ query, variables: variables(key) });
}
