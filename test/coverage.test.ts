import {
  type FieldNode,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isIntrospectionType,
  isObjectType,
  Kind,
  parse,
  print,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DemoReply } from "../demo/server.ts";
import { bkrepoReference, images, places, projects, sdk, swrReference } from "../demo/story.ts";
import { serveZadig, type ZadigGeneration } from "../demo/zadig.ts";
import { estateReleases } from "../demo/zadig-estate.ts";
import { backendTypes } from "../src/backends/index.ts";
import { createSchema } from "../src/graph/schema/schema.ts";
import { corpus } from "./support/corpus.ts";
import { selectEverything } from "./support/everything.ts";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

/** `Type.field KIND`: a field, or an enum's value, of which the description names that kind of backend. */
type Promised = string;

/** What descriptions call each kind of backend: the last word of its name. */
const names = backendTypes.map(
  ({ displayName, kind }) => [new RegExp(`\\b${displayName.split(" ").at(-1)}\\b`), kind] as const,
);
/** Sentences that tell of what is not there. */
const denial =
  /^(?:Null|Empty|Absent|Not |Where the backend has no word|False|false)|\bhave none\b|\bhas none\b|\bno such\b|cannot be asked|\bsee `|\bnever does\b/;

/** What the descriptions promise: for each field and value of an enum, the kinds of backend that its sentences name. */
function promisedBy(schema: GraphQLSchema): Promised[] {
  const kindsIn = (description: string | null | undefined) => {
    const told = (description ?? "").split(/(?<=[.;:])\s+/).filter((sentence) => !denial.test(sentence.trim()));
    return names.filter(([name]) => told.some((sentence) => name.test(sentence))).map(([, kind]) => kind);
  };
  return Object.values(schema.getTypeMap()).flatMap((type) => {
    if (isIntrospectionType(type) || type.name === "Query" || type.name === "Backend") return [];
    if (isEnumType(type) && type.name === "PackageFormat")
      return type
        .getValues()
        .flatMap(({ name, description }) => kindsIn(description).map((kind) => `${type.name}.${name} ${kind}`));
    if (!isObjectType(type)) return [];
    return Object.values(type.getFields()).flatMap(({ name, description }) =>
      kindsIn(description).map((kind) => `${type.name}.${name} ${kind}`),
    );
  });
}

/** The question with the type of every object, and the backend of every object that has one. */
function withOrigins(schema: GraphQLSchema, query: string): string {
  const info = new TypeInfo(schema);
  const field = (name: string, ...inner: string[]): FieldNode => ({
    kind: Kind.FIELD,
    name: { kind: Kind.NAME, value: name },
    ...(inner.length > 0
      ? { selectionSet: { kind: Kind.SELECTION_SET, selections: inner.map((one) => field(one)) } }
      : {}),
  });
  const asked = visit(
    parse(query),
    visitWithTypeInfo(info, {
      SelectionSet: {
        leave: (set) => {
          const type = info.getParentType();
          const more = [field("__typename")];
          if (isObjectType(type) && type.name !== "Query" && type.getFields()["backend"])
            more.push(field("backend", "__typename", "kind"));
          if (isObjectType(type) && type.name === "Artifact")
            more.push({
              ...field("observations", "__typename", "field"),
              selectionSet: {
                kind: Kind.SELECTION_SET,
                selections: [
                  field("__typename"),
                  field("field"),
                  field("value"),
                  field("backend", "__typename", "kind"),
                ],
              },
            });
          return { ...set, selections: [...set.selections, ...more] };
        },
      },
    }),
  );
  return print(asked);
}

/** Notes every value of an answer by the field that holds it and the kind of backend whose object it stands in. */
function note(schema: GraphQLSchema, answer: unknown, home: string | null, seen: Set<Promised>): void {
  if (Array.isArray(answer)) for (const row of answer) note(schema, row, home, seen);
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) return;
  const fields = new Map<string, unknown>(Object.entries(answer));
  const typename = String(fields.get("__typename"));
  const type = schema.getType(typename);
  const own = kindOf(fields.get("backend"));
  // The fields of an artifact are everybody's: who claims one is told by the observations.
  for (const claim of asList(fields.get("observations"))) {
    const { field, backend } = Object(claim) as { field?: string; backend?: unknown };
    if (typename === "Artifact") seen.add(`Artifact.${field} ${kindOf(backend)}`);
  }
  const homes = own
    ? [own]
    : typename === "Artifact"
      ? [...asList(fields.get("locations")), ...asList(fields.get("sources")).filter(isWell)].flatMap(
          (one) => kindOf(Object(one).backend) ?? [],
        )
      : home
        ? [home]
        : asList(fields.get("sources")).flatMap((source) => kindOf(Object(source).backend) ?? []);
  for (const [name, value] of fields) {
    const isEmpty = value === null || (Array.isArray(value) && value.length === 0);
    if (!isEmpty) for (const kind of homes) seen.add(`${typename}.${name} ${kind}`);
    // What another backend's objects stand in was told by that one.
    for (const one of asList(value))
      if (kindOf(Object(one).backend)) seen.add(`${typename}.${name} ${kindOf(Object(one).backend)}`);
    const of = isObjectType(type) ? getNamedType(type.getFields()[name]?.type ?? null) : undefined;
    if (isEnumType(of)) for (const kind of homes) seen.add(`${of.name}.${String(value)} ${kind}`);
    note(schema, value, homes[0] ?? home, seen);
  }
}

function isWell(source: unknown): boolean {
  return Object(source).status === "OK";
}

function kindOf(backend: unknown): string | null {
  const kind: unknown = Object(backend).kind;
  return typeof kind === "string" ? kind : null;
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A tamper that rewrites the text of good JSON answers. */
function rewritten(from: RegExp, to: string) {
  return (reply: DemoReply): DemoReply => {
    const text = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body ?? null);
    return { ...reply, body: JSON.parse(text.replace(from, to)) };
  };
}

/** Promises that no question of this file is answered by, each with the reason why that is no lie. */
const silent: Readonly<Record<Promised, string>> = {};

describe("what a description says that a kind of backend tells", () => {
  const schema = createSchema();
  const seen = new Set<Promised>();
  const limits = {
    answerBytes: 268_435_456,
    depth: 100,
    cost: 10_000_000,
    aliases: 10_000,
    tokens: 1_000_000,
    upstreamCalls: 100_000,
    deadlineMs: 60_000,
  };
  let gateway: DemoGateway;

  beforeAll(async () => {
    gateway = await startDemoGateway({ settings: { limits } });
  });
  afterAll(() => gateway.stop());

  async function ask(of: DemoGateway, query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const { body } = await of.ask(withOrigins(schema, query), { variables });
    expect(body.data, JSON.stringify(body.errors)).toBeTruthy();
    note(schema, body.data, null, seen);
  }

  test.each(corpus.filter(({ query }) => !query.includes("health")))(
    "is told by $name",
    async ({ query, variables }) => {
      await ask(gateway, query, variables);
    },
  );

  const { bkrepoProject, bkrepoDocker, bkrepoMaven, bkrepoNpm, bkrepoHelm, bkrepoPypi, swrNamespace } = places;
  const scopes = [
    ...[bkrepoDocker, bkrepoMaven, bkrepoNpm, bkrepoHelm, bkrepoPypi].map(
      (name) => `backend: "bkrepo", repository: "${bkrepoProject}/${name}"`,
    ),
    `backend: "swr-north4", repository: "${swrNamespace}"`,
    'backend: "swr-north4", repository: "hwstaff_pub_swrpaas"',
    `backend: "gitlab", group: "${places.gitlabGroup}"`,
    `backend: "gitlab", repository: "${projects.tools.path}"`,
  ];
  const latest = { "Package.version": 'name: "2.4.0"' };
  test.each(scopes)("is in the packages of { %s }", async (scope) => {
    await ask(
      gateway,
      `{ packages(scope: { ${scope} }, first: 20) ${selectEverything(schema, "PackageConnection", 2, latest)} }`,
    );
  });
  test.each(["DOCKER", "TERRAFORM_MODULE"])("is in GitLab's packages of format %s", async (format) => {
    const scope = `backend: "gitlab", group: "${places.gitlabGroup}"`;
    await ask(
      gateway,
      `{ packages(scope: { ${scope} }, filter: { format: ${format} }, first: 20) ${selectEverything(schema, "PackageConnection", 2, latest)} }`,
    );
  });

  const packages = [
    `backend: "bkrepo", repository: "${bkrepoProject}/${bkrepoMaven}", key: "gav://${sdk.maven.group}:${sdk.maven.artifact}"`,
    `backend: "bkrepo", repository: "${bkrepoProject}/${bkrepoNpm}", key: "npm://${sdk.npm.name}"`,
    `backend: "bkrepo", repository: "${bkrepoProject}/${bkrepoDocker}", key: "docker://api"`,
    `backend: "swr-north4", repository: "${swrNamespace}", name: "api", format: DOCKER`,
    'backend: "swr-north4", repository: "hwstaff_pub_swrpaas", key: "hello%20hello"',
    `backend: "gitlab", repository: "${projects.api.path}", name: "${sdk.maven.gitlabName}", format: MAVEN`,
    `backend: "gitlab", repository: "${projects.api.path}", name: "${sdk.npm.name}", format: NPM`,
    `backend: "gitlab", repository: "${projects.web.path}", key: "image:${projects.web.path}"`,
  ];
  test.each(packages)("is in the package { %s }", async (ref) => {
    await ask(gateway, `{ package(ref: { ${ref} }) ${selectEverything(schema, "Package", 4, latest)} }`);
  });

  test.each([swrReference(images.api), bkrepoReference(images.web), swrReference(images.worker)])(
    "is told by the trace of %s",
    async (image) => {
      await ask(gateway, `{ traceByImage(image: "${image}") ${selectEverything(schema, "ArtifactTrace", 4, latest)} }`);
    },
  );
  test("is in the trace of a package URL", async () => {
    const purl = `pkg:maven/${sdk.maven.group}/${sdk.maven.artifact}@2.4.0`;
    await ask(gateway, `{ traceByPurl(purl: "${purl}") ${selectEverything(schema, "ArtifactTrace", 3, latest)} }`);
  });
  test("is in artifacts", async () => {
    await ask(gateway, `{ artifacts(first: 50) ${selectEverything(schema, "ArtifactConnection", 3, latest)} }`);
    await ask(
      gateway,
      `{ artifacts(filter: { type: FILE }) ${selectEverything(schema, "ArtifactConnection", 2, latest)} }`,
    );
  });

  test("is in the answers of a backend that has more than the story", async () => {
    const { zadig } = gateway.estate.servers;
    zadig.setTamper(rewritten(/"type":"build"/g, '"type":"build","env_name":"live","namespace":"live-1"'));
    await ask(gateway, `{ artifacts(first: 2) ${selectEverything(schema, "ArtifactConnection", 2, latest)} }`);
    zadig.setTamper(rewritten(/"branch":/g, '"tag":"v2.4.0","branch":'));
    await ask(gateway, "{ releases(first: 1) { nodes { builds { commits { tag } } } } }");
    zadig.setTamper(null);
    const scope = `backend: "swr-north4", repository: "${swrNamespace}"`;
    await ask(
      gateway,
      `{ packages(scope: { ${scope} }, filter: { format: DOCKER }) { totalCount sources { status } } }`,
    );
    const { gitlab } = gateway.estate.servers;
    gitlab.setTamper(rewritten(/"file_name":"/g, '"file_name":"docs%2F'));
    const file = `backend: "gitlab", repository: "${projects.api.path}", name: "${sdk.maven.gitlabName}", format: MAVEN`;
    await ask(gateway, `{ package(ref: { ${file} }) { version(name: "2.4.0") { files { nodes { path } } } } }`);
    gitlab.setTamper(null);
    const tools = `backend: "gitlab", repository: "${projects.tools.path}"`;
    await ask(gateway, `{ packages(scope: { ${tools} }, filter: { format: TERRAFORM_MODULE }) { nodes { format } } }`);
  });

  const words = {
    bkrepo: {
      OCI: "oci",
      COMPOSER: "composer",
      RPM: "rpm",
      NUGET: "nuget",
      CONAN: "conan",
      CARGO: "cargo",
      RDS: "rds",
    },
    gitlab: ["rpm", "conan", "cargo", "golang", "debian", "rubygems", "ml_model"],
  };
  test.each(Object.entries(words.bkrepo))("is told by a package of bkrepo's type %s", async (type, prefix) => {
    const { bkrepo } = gateway.estate.servers;
    bkrepo.setTamper((reply) => {
      const text = JSON.stringify(reply.body ?? null).replaceAll('"NPM"', `"${type}"`);
      return { ...reply, body: JSON.parse(text.replaceAll("npm://", `${prefix}://`)) };
    });
    const scope = `backend: "bkrepo", repository: "${bkrepoProject}/${bkrepoNpm}"`;
    await ask(gateway, `{ packages(scope: { ${scope} }) { nodes { format formatName } } }`);
    bkrepo.setTamper(null);
  });
  test.each(words.gitlab)("is in a package of GitLab's type %s", async (type) => {
    const { gitlab } = gateway.estate.servers;
    gitlab.setTamper(rewritten(/"package_type":"\w+"/g, `"package_type":"${type}"`));
    const scope = `backend: "gitlab", repository: "${projects.api.path}"`;
    await ask(gateway, `{ packages(scope: { ${scope} }) { nodes { format formatName } } }`);
    gitlab.setTamper(null);
  });

  test("is in the answers of backends that refuse", async () => {
    const { zadig, bkrepo, swr } = gateway.estate.servers;
    zadig.setTamper(() => ({ status: 400, body: { code: 6001, message: "no" } }));
    bkrepo.setTamper(() => ({ status: 400, body: { code: 250105, message: "no", data: null, traceId: "t" } }));
    swr.setTamper(() => ({ status: 403, body: { errors: [{ errorCode: "SVCSTG.SWR.4030000", errorMessage: "no" }] } }));
    await ask(gateway, '{ searchPackages(name: "api") { sources { status upstreamCode traceId } } }');
    await ask(
      gateway,
      `{ traceByImage(image: "${swrReference(images.api)}") { sources { status upstreamCode traceId } } }`,
    );
    for (const server of [zadig, bkrepo, swr]) server.setTamper(null);
  });

  const open = { projects: [...new Set(estateReleases.map(({ project }) => project))] };
  const generations: readonly (readonly [ZadigGeneration, Readonly<Record<string, unknown>>])[] = [
    ["r1", { generation: "r1" }],
    ["r2-4.1", { generation: "r2" }],
    ["r2", { generation: "r2" }],
    ["o1", { generation: "o1", ...open }],
    ["o2", { generation: "o2", ...open }],
  ];
  test.each(generations)("is in the releases of a Zadig of the form %s", async (generation, settings) => {
    const zadig = await serveZadig({ generation });
    const of = await startDemoGateway({ settings: { limits }, backends: { zadig: { url: zadig.url, ...settings } } });
    await ask(
      of,
      `{ releases(filter: { project: "pay" }, first: 20) ${selectEverything(schema, "ReleaseConnection", 4, latest)} }`,
    );
    await of.stop();
    await zadig.close();
  });

  test("is shown, or has its reason", () => {
    const promised = promisedBy(schema);
    expect(promised.length).toBeGreaterThan(200);
    const missing = promised.filter((one) => !seen.has(one));
    expect(missing.filter((one) => !Object.hasOwn(silent, one))).toEqual([]);
    expect(
      Object.keys(silent).filter((one) => !missing.includes(one)),
      "take it off the list: it is shown",
    ).toEqual([]);
  });
});
