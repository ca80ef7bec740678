/** Queries that show what the demo's backends tell together, best first. */
export const demoExamples = [
  {
    title: "The newest releases of pay, what was built for them, and from which commits",
    query: `query ReleasesOfPay {
  releases(filter: { project: "pay" }, first: 3) {
    nodes {
      version
      createdAt
      builds {
        service
        commits {
          sha
          message
          authorName
        }
      }
      images {
        target {
          raw
        }
        artifact {
          digest
          size
        }
      }
    }
  }
}`,
  },
  {
    title: "A Maven package in bkrepo, with its newest versions and their files",
    query: `query PackageInBkrepo {
  package(ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }) {
    name
    purl
    versionCount
    latestVersion {
      name
    }
    versions(first: 3) {
      nodes {
        name
        createdAt
        size
        files {
          nodes {
            name
            size
            digests
          }
        }
      }
    }
  }
}`,
  },
  {
    title: "The same package in GitLab: which pipeline and commit published each version",
    query: `query PackageInGitlab {
  package(ref: { backend: "gitlab", repository: "pay/api", name: "com/acme/pay/pay-sdk", format: MAVEN }) {
    name
    purl
    versions(first: 3) {
      nodes {
        name
        createdAt
        publishedBy {
          status
          user
          commit {
            sha
            message
            pullRequests
          }
        }
      }
    }
  }
}`,
  },
  {
    title: "Where one image comes from and where its bytes lie, traced through every backend",
    query: `query TraceOfAnImage {
  traceByImage(image: "swr.cn-north-4.myhuaweicloud.com/pay-core/api:20261102091500-117-main") {
    artifact {
      digest
      locations {
        backend {
          name
        }
        image {
          raw
        }
        matchedBy
      }
      builds {
        service
        commits {
          sha
          authorName
        }
      }
      releases(first: 2) {
        nodes {
          version
        }
      }
    }
    isComplete
    sources {
      backend {
        name
      }
      status
    }
  }
}`,
  },
] as const;
