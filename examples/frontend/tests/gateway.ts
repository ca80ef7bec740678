/** The gateway under test. */
export const url = `${process.env["GATEWAY_URL"]}/graphql`;

/** Asks the gateway without any client, to know what the right answer is. */
export async function ask<T>(query: string): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  const { data } = await response.json();
  return data;
}

export const place = { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" };

/** Versions of the demo's releases and of its best-known package, as lists without pages tell them. */
export async function expected(): Promise<{
  readonly releases: readonly string[];
  readonly versions: readonly string[];
}> {
  const { releases, package: found } = await ask<{
    releases: { nodes: { version: string }[] };
    package: { versions: { nodes: { name: string }[] } };
  }>(`{
    releases(filter: { project: "pay" }, first: 100) { nodes { version } }
    package(ref: { backend: "${place.backend}", repository: "${place.repository}", key: "${place.key}" }) {
      versions(first: 100) { nodes { name } }
    }
  }`);
  return {
    releases: releases.nodes.map(({ version }) => version),
    versions: found.versions.nodes.map(({ name }) => name),
  };
}
