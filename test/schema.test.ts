import { readFileSync } from "node:fs";
import {
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedDirective,
  isSpecifiedScalarType,
  parse,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DemoReply } from "../demo/server.ts";
import { bkrepoReference, commits, images, places, projects, sdk, swrReference } from "../demo/story.ts";
import { createSchema, printSchemaForm, type SchemaForm } from "../src/graph/schema/schema.ts";
import { coordinatesOf } from "./support/coordinates.ts";
import { seenIn, selectEverything } from "./support/everything.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

const forms = ["standalone", "subgraph"] as const satisfies readonly SchemaForm[];

/** The contract as it was agreed: a fixture, because it may never change with the schema. */
const contract = readFileSync(new URL("./support/contract-coordinates.txt", import.meta.url), "utf8")
  .trim()
  .split("\n");

describe("the contract", () => {
  test("is all there in the subgraph form: names, types, nullability, arguments, defaults, enum values and keys", () => {
    const ours = new Set(coordinatesOf(parse(printSchemaForm("subgraph"))));
    expect(contract.length).toBe(434);
    expect(
      contract.filter((line) => !ours.has(line)),
      "add to the contract, never rename or remove",
    ).toEqual([]);
  });

  test("is all there in the standalone form, which says nothing of federation and adds node and nodes", () => {
    const ours = new Set(coordinatesOf(parse(printSchemaForm("standalone"))));
    const plain = contract.filter((line) => !/ @(?:key|shareable)/.test(line));
    expect(plain.filter((line) => !ours.has(line))).toEqual([]);
    expect(ours).toContain("Query.node: Node");
    expect(ours).toContain("Query.node(id:): ID!");
    expect(ours).toContain("Query.nodes: [Node]!");
    expect(ours).toContain("Query.nodes(ids:): [ID!]!");
  });

  test("would be missed if a field, an argument, a default, a nullability or an enum value were gone", () => {
    const text = printSchemaForm("subgraph");
    for (const [from, to] of [
      ["  labels: [String!]!", "  tags: [String!]!"],
      ["  version: String!", "  version: String"],
      ["first: Int = 20", "first: Int = 25"],
      ["  TAG_MOVED\n", "  MOVED\n"],
      ["hint: PackageScope", "where: PackageScope"],
      [' @key(fields: "digest")', ""],
    ] as const) {
      const changed = text.replaceAll(from, to);
      expect(changed).not.toBe(text);
      const ours = new Set(coordinatesOf(parse(changed)));
      expect([from, contract.every((line) => ours.has(line))]).toEqual([from, false]);
    }
  });
});

describe.each(forms)("every part of the %s form", (form) => {
  test("says what it is", () => {
    expect(undescribed(createSchema(form)), "write a description in schema/").toEqual([]);
  });
});

/** Coordinates without a description, or with one that is no sentence. */
function undescribed(schema: GraphQLSchema): string[] {
  const parts: (readonly [coordinate: string, description: string | null | undefined])[] = [];
  for (const type of Object.values(schema.getTypeMap())) {
    if (isIntrospectionType(type) || isSpecifiedScalarType(type) || isMachinery(type.name)) continue;
    parts.push([type.name, type.description]);
    if (isEnumType(type))
      for (const { name, description } of type.getValues()) parts.push([`${type.name}.${name}`, description]);
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      if (isMachinery(field.name)) continue;
      parts.push([`${type.name}.${field.name}`, field.description]);
      if (!("args" in field)) continue;
      for (const { name, description } of field.args) parts.push([`${type.name}.${field.name}(${name}:)`, description]);
    }
  }
  for (const directive of schema.getDirectives()) {
    if (isSpecifiedDirective(directive)) continue;
    parts.push([`@${directive.name}`, directive.description]);
    for (const { name, description } of directive.args) parts.push([`@${directive.name}(${name}:)`, description]);
  }
  return parts.filter(([, description]) => (description?.trim().length ?? 0) < 8).map(([coordinate]) => coordinate);
}

/** What federation brings with it: its own specification describes that. */
function isMachinery(name: string): boolean {
  return name.startsWith("_") || name.startsWith("federation__") || name.startsWith("link__");
}

/** A tamper that rewrites the text of good JSON answers. */
function rewritten([from, to]: readonly [RegExp, string | ((whole: string, part: string) => string)]) {
  return (reply: DemoReply): DemoReply => {
    const text = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body ?? null);
    const changed = typeof to === "string" ? text.replace(from, to) : text.replace(from, to);
    return { ...reply, body: JSON.parse(changed) };
  };
}

/**
 * Fields that the demo's story has no value for, each with the reason. Whatever else is null everywhere is a resolver
 * that is missing; whatever is listed here and shows a value does not belong here.
 */
const silent: Readonly<Record<string, string>> = {
  "ArtifactLocation.webUrl": "no registry names a page of an image",
  "ReleaseConnection.totalCount": "told from Zadig 2.3 on: test/generations.test.ts",
  "ReleaseImage.status": "told from Zadig 4.1 on: test/generations.test.ts",
};

describe("every field", () => {
  let gateway: DemoGateway;
  const schema = createSchema();
  const seen = new Set<string>();

  beforeAll(async () => {
    gateway = await startDemoGateway({
      settings: {
        limits: {
          depth: 100,
          cost: 10_000_000,
          aliases: 10_000,
          tokens: 1_000_000,
          upstreamCalls: 100_000,
          deadlineMs: 60_000,
        },
      },
    });
  });
  afterAll(() => gateway.stop());

  const { bkrepoProject, bkrepoDocker, bkrepoMaven, bkrepoHelm, swrNamespace } = places;
  const maven = `${sdk.maven.group}:${sdk.maven.artifact}`;
  const known = { "Package.version": `name: "2.4.0"` };
  const image = { "Package.version": `name: "${images.api.tag}"` };
  const ref = (backend: string, repository: string, rest: string) =>
    `package(ref: { backend: "${backend}", repository: "${repository}", ${rest} })`;
  const traced = (text: string) => `traceByImage(image: "${text}")`;

  const questions: readonly (readonly [field: string, type: string, depth: number, known: Record<string, string>])[] = [
    ["backends", "Backend", 2, known],
    [`releases(filter: { project: "${places.zadigProject}" }, first: 2)`, "ReleaseConnection", 5, known],
    ["releases(first: 100)", "ReleaseConnection", 2, known],
    ["artifacts(first: 2)", "ArtifactConnection", 3, known],
    [`artifacts(filter: { type: FILE }, first: 2)`, "ArtifactConnection", 2, known],
    [ref("bkrepo", `${bkrepoProject}/${bkrepoMaven}`, `name: "${maven}", format: MAVEN`), "Package", 3, known],
    [ref("bkrepo", `${bkrepoProject}/${bkrepoDocker}`, `name: "api", format: DOCKER`), "Package", 4, image],
    [ref("bkrepo", `${bkrepoProject}/${bkrepoHelm}`, `name: "pay-api", format: HELM`), "Package", 3, known],
    [ref("swr-north4", swrNamespace, `name: "api", format: DOCKER`), "Package", 3, image],
    [ref("swr-north4", "hwstaff_pub_swrpaas", `key: "hello%20hello"`), "Package", 3, known],
    [ref("gitlab", projects.api.path, `name: "${sdk.maven.gitlabName}", format: MAVEN`), "Package", 4, known],
    [`packages(scope: { backend: "gitlab", group: "${places.gitlabGroup}" }, first: 2)`, "PackageConnection", 2, known],
    [`searchPackages(name: "${sdk.npm.name}", format: NPM)`, "PackageSearch", 3, known],
    [traced(swrReference(images.api)), "ArtifactTrace", 4, known],
    [traced(swrReference(images.worker)), "ArtifactTrace", 3, known],
    [traced(bkrepoReference(images.web)), "ArtifactTrace", 3, known],
    [
      `traceByDigest(digest: "${images.api.digest}", hint: { backend: "bkrepo", repository: "${bkrepoProject}/${bkrepoDocker}" })`,
      "ArtifactTrace",
      3,
      known,
    ],
    [`traceByPurl(purl: "pkg:maven/${sdk.maven.group}/${sdk.maven.artifact}@2.4.0")`, "ArtifactTrace", 3, known],
  ];

  test.each(questions)("of the answer to %s has a value without an error", async (field, type, depth, given) => {
    const { status, body } = await gateway.ask(
      `{ __typename ${field} ${selectEverything(schema, type, depth, given)} }`,
    );
    expect(body.errors).toBeUndefined();
    expect(status).toBe(200);
    seenIn(body.data, seen);
  });

  test("by id has a value as well", async () => {
    const { body } = await gateway.ask(
      `{ releases(first: 1) { nodes { id zadigId builds { id } } } artifacts(first: 1) { nodes { id } } }`,
    );
    const ids = [...JSON.stringify(body.data).matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id);
    expect(ids.length).toBeGreaterThanOrEqual(3);
    const [id] = ids;
    const answer = await gateway.ask(
      `query ($ids: [ID!]!, $id: ID!) {
        __typename
        node(id: $id) { __typename id }
        nodes(ids: $ids) { __typename id ... on BuildInfo { release { __typename id } } }
        release(id: $id) { __typename id }
      }`,
      { variables: { ids, id } },
    );
    expect(answer.body.errors).toBeUndefined();
    seenIn(answer.body.data, seen);
  });

  test("that leads back to its own type has a value as well", async () => {
    const { body } = await gateway.ask(
      `{ ${ref("gitlab", projects.api.path, `name: "${sdk.maven.gitlabName}", format: MAVEN`)} {
        namesakes { __typename package { __typename name } } } }`,
    );
    expect(body.errors).toBeUndefined();
    seenIn(body.data, seen);
  });

  test("that the story lacks has a value when a backend has it", async () => {
    const { zadig, swr } = gateway.estate.servers;
    zadig.setTamper(rewritten([/"type":"build"/g, `"type":"build","env_name":"live","namespace":"live-1"`]));
    swr.setTamper(rewritten([/"size":(\d+)/g, (_whole, size) => `"size":${Number(size) + 1}`]));
    const { body } = await gateway.ask(
      `{ artifacts(first: 2) ${selectEverything(schema, "ArtifactConnection", 3, known)}
         ${traced(swrReference(images.api))} ${selectEverything(schema, "ArtifactTrace", 3, known)} }`,
    );
    zadig.setTamper(rewritten([/"branch":/g, `"tag":"v2.4.0","branch":`]));
    const tagged = await gateway.ask("{ releases(first: 1) { nodes { builds { commits { __typename tag } } } } }");
    zadig.setTamper(null);
    swr.setTamper(null);
    for (const answer of [body, tagged.body]) {
      expect(answer.errors).toBeUndefined();
      seenIn(answer.data, seen);
    }
    expect(JSON.stringify(body.data)).toContain('"field":"size"');
  });

  test("about failures has a value while there are some", async () => {
    const { bkrepo, swr } = gateway.estate.servers;
    await bkrepo.setFault({ kind: "throttle", retryAfter: "3600" });
    swr.setTamper(() => ({ status: 403, body: { errors: [{ errorCode: "SVCSTG.SWR.4030000", errorMessage: "no" }] } }));
    const { body } = await gateway.ask(
      `{ ${traced(swrReference(images.api))} ${selectEverything(schema, "ArtifactTrace", 2, known)}
         releases(filter: { project: "pay" }, first: 1) { nodes { drift { __typename reason } } } }`,
    );
    await bkrepo.setFault(null);
    swr.setTamper(null);
    expect(body.errors?.length).toBeGreaterThan(0);
    seenIn(body.data, seen);
  });

  test("of the schema has shown a value: nothing is left for later", () => {
    const fields = Object.values(schema.getTypeMap()).flatMap((type) =>
      isObjectType(type) && !isIntrospectionType(type)
        ? Object.keys(type.getFields()).map((name) => `${type.name}.${name}`)
        : [],
    );
    expect(fields.length).toBeGreaterThan(200);
    expect(fields.filter((field) => !seen.has(field) && !Object.hasOwn(silent, field)).toSorted()).toEqual([]);
    expect(
      Object.keys(silent).filter((field) => seen.has(field)),
      "take it off the list: it speaks",
    ).toEqual([]);
  });

  test.each([
    "Release.drift",
    "Artifact.conflicts",
    "Artifact.observations",
    "Package.namesakes",
    "Query.traceByImage",
    "Query.traceByDigest",
    "Query.traceByPurl",
    "Query.searchPackages",
    "Commit.packages",
    "Backend.health",
  ])("%s, which came late, is one of them", (field) => {
    expect(seen).toContain(field);
    expect(silent).not.toHaveProperty([field]);
  });

  test("asked for is a real one: the commit of the story is found in the packages it published", async () => {
    const { body } = await gateway.ask(
      `{ ${ref("gitlab", projects.api.path, `name: "${sdk.maven.gitlabName}", format: MAVEN`)} { version(name: "2.4.0") {
        publishedBy { commit { sha packages { name package { name } } } } } } }`,
    );
    const text = JSON.stringify(body.data);
    expect(text).toContain(commits.api.sha);
    expect(text).toContain(sdk.maven.gitlabName);
  });
});
