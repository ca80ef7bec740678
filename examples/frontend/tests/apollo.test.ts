import { createHash } from "node:crypto";
import { ApolloLink, HttpLink } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { expect, test } from "vitest";
import { createApolloClient } from "../apollo/client.ts";
import { releasesQuery, traceQuery, versionsQuery } from "../operations.ts";
import { ask, expected, place, url } from "./gateway.ts";

test("relayStylePagination gathers the pages of a list, in order and each row once", async () => {
  const client = createApolloClient(url);
  const asked = { query: releasesQuery, variables: { project: "pay", first: 3 } };
  let { data } = await client.query(asked);
  const list = client.watchQuery(asked);
  const subscription = list.subscribe({});
  for (let page = 0; page < 20 && data?.releases?.pageInfo.hasNextPage; page++) {
    await list.fetchMore({ variables: { after: data.releases.pageInfo.endCursor } });
    data = (await client.query({ ...asked, fetchPolicy: "cache-only" })).data;
  }
  subscription.unsubscribe();
  expect(data?.releases?.edges.map(({ node }) => node.version)).toEqual((await expected()).releases);
});

test("a list of a node as well", async () => {
  const client = createApolloClient(url);
  const asked = { query: versionsQuery, variables: { ...place, first: 10 } };
  let { data } = await client.query(asked);
  const list = client.watchQuery(asked);
  const subscription = list.subscribe({});
  for (let page = 0; page < 20 && data?.package?.versions?.pageInfo.hasNextPage; page++) {
    await list.fetchMore({ variables: { after: data.package.versions.pageInfo.endCursor } });
    data = (await client.query({ ...asked, fetchPolicy: "cache-only" })).data;
  }
  subscription.unsubscribe();
  expect(data?.package?.versions?.edges.map(({ node }) => node.name)).toEqual((await expected()).versions);
});

test("objects are one in the cache by their id, wherever they were met", async () => {
  const client = createApolloClient(url);
  await client.query({ query: releasesQuery, variables: { project: "pay", first: 2 } });
  const keys = Object.keys(client.cache.extract() as object);
  expect(keys.filter((key) => key.startsWith("Release:"))).toHaveLength(2);
  expect(keys.some((key) => key.startsWith("Artifact:"))).toBe(true);
});

test("@defer: the trace comes first, its releases after it", async () => {
  const { releases } = await ask<{ releases: { nodes: { images: { source: { raw: string } }[] }[] } }>(
    '{ releases(filter: { project: "pay" }, first: 1) { nodes { images { source { raw } } } } }',
  );
  const image = releases.nodes[0]?.images[0]?.source.raw ?? "";
  const client = createApolloClient(url);
  const seen: boolean[] = [];
  await new Promise<void>((resolve, reject) => {
    client.watchQuery({ query: traceQuery, variables: { image } }).subscribe({
      error: reject,
      next: ({ data, dataState }) => {
        if (dataState === "empty") return;
        const artifact = data?.traceByImage?.artifact;
        seen.push(artifact !== null && artifact !== undefined && "releases" in artifact);
        if (dataState === "complete") resolve();
      },
    });
  });
  expect(seen[0]).toBe(false);
  expect(seen.at(-1)).toBe(true);
});

test("automatic persisted queries: the second client sends a hash and no text", async () => {
  const sent: string[] = [];
  const http = new HttpLink({
    uri: url,
    fetch: (input, init) => {
      sent.push(String(init?.body));
      return fetch(input, init);
    },
  });
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const answers = [];
  for (let client = 0; client < 2; client++) {
    const fresh = createApolloClient(url);
    fresh.setLink(ApolloLink.from([new PersistedQueryLink({ sha256 }), http]));
    answers.push(await fresh.query({ query: releasesQuery, variables: { project: "pay", first: 1 } }));
  }
  expect(sent.map((body) => "query" in JSON.parse(body))).toEqual([false, true, false]);
  expect(answers[1]?.data).toEqual(answers[0]?.data);
});
