import { expect, test } from "vitest";
import { releasesQuery, versionsQuery } from "../operations.ts";
import { createUrqlClient } from "../urql/client.ts";
import { expected, place, url } from "./gateway.ts";

test("relayPagination gathers the pages of a list, in order and each row once", async () => {
  const client = createUrqlClient(url);
  let { data, error } = await client.query(releasesQuery, { project: "pay", first: 3 }).toPromise();
  for (let page = 0; page < 20 && data?.releases?.pageInfo.hasNextPage; page++) {
    const after = data.releases.pageInfo.endCursor;
    ({ data, error } = await client.query(releasesQuery, { project: "pay", first: 3, after }).toPromise());
  }
  expect(error).toBeUndefined();
  expect(data?.releases?.edges.map(({ node }) => node.version)).toEqual((await expected()).releases);
});

test("a list of a node as well", async () => {
  const client = createUrqlClient(url);
  let { data } = await client.query(versionsQuery, { ...place, first: 10 }).toPromise();
  for (let page = 0; page < 20 && data?.package?.versions?.pageInfo.hasNextPage; page++) {
    const after = data.package.versions.pageInfo.endCursor;
    ({ data } = await client.query(versionsQuery, { ...place, first: 10, after }).toPromise());
  }
  expect(data?.package?.versions?.edges.map(({ node }) => node.name)).toEqual((await expected()).versions);
});

test("a question asked before is answered from the cache", async () => {
  const client = createUrqlClient(url);
  const first = await client.query(releasesQuery, { project: "pay", first: 2 }).toPromise();
  const again = await client
    .query(releasesQuery, { project: "pay", first: 2 }, { requestPolicy: "cache-only" })
    .toPromise();
  expect(again.data).toEqual(first.data);
});

test("a refusal keeps its code", async () => {
  const { error } = await createUrqlClient(url).query(releasesQuery, { first: 1000 }).toPromise();
  expect(error?.graphQLErrors[0]?.extensions).toMatchObject({ code: "BAD_USER_INPUT" });
});
