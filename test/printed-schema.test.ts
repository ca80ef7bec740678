import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CriticalityLevel, diff } from "@graphql-inspector/core";
import { buildASTSchema, buildSchema, type GraphQLSchema, parse } from "graphql";
import { describe, expect, test } from "vitest";
import { printSchemaForm } from "../src/graph/schema/schema.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const forms = ["standalone", "subgraph"] as const;

describe("schema/printed", () => {
  test.each(forms)("%s.graphql is what the gateway serves", (form) => {
    const committed = readFileSync(join(root, `schema/printed/${form}.graphql`), "utf8");
    const option = form === "subgraph" ? " -- --subgraph" : "";
    expect(committed, `npm run schema${option} > schema/printed/${form}.graphql`).toBe(printSchemaForm(form));
  });

  test("standalone.graphql is a whole schema of its own, without a word of federation", () => {
    const text = printSchemaForm("standalone");
    const schema = buildSchema(text);
    expect(Object.keys(schema.getQueryType()?.getFields() ?? {})).toEqual(expect.arrayContaining(["node", "nodes"]));
    expect(schema.getDirectives().map(({ name }) => name)).toEqual(expect.arrayContaining(["cost", "listSize"]));
    expect(text).not.toMatch(/@key|@shareable|@link|federation__|link__/);
  });

  test("subgraph.graphql is for composition: keys, the link, no federation definitions, no node", () => {
    const text = printSchemaForm("subgraph");
    expect(text).toMatch(/extend schema @link\(url: "https:\/\/specs\.apollo\.dev\/federation\/v2\.9"/);
    expect(text).not.toMatch(/^directive |federation__|link__|_Entity|_Service|_Any/m);
    const query = schemaOf(text).getQueryType()?.getFields() ?? {};
    expect(query).not.toHaveProperty("node");
    expect(query).not.toHaveProperty("nodes");
    for (const [type, key] of [
      ["Release", "id"],
      ["Release", "zadigId"],
      ["BuildInfo", "id"],
      ["Artifact", "id"],
      ["Artifact", "digest"],
      ["Package", "id"],
      ["Version", "id"],
    ]) {
      expect(text).toMatch(new RegExp(`^type ${type} [^{]*@key\\(fields: "${key}"\\)`, "m"));
    }
  });
});

describe("the contract since the last tag", () => {
  test.each(forms)("has no breaking change in %s.graphql", async (form) => {
    const tag = lastTag();
    // Before the first tag nothing is promised but what is committed beside the code.
    const committed = readFileSync(join(root, `schema/printed/${form}.graphql`), "utf8");
    const before = tag === null ? committed : (at(tag, `schema/printed/${form}.graphql`) ?? committed);
    expect(await breaking(before, printSchemaForm(form)), "deprecate first, and say so in CHANGELOG.md").toEqual([]);
  });

  test.each([
    ["a field is gone", (text: string) => text.replace(/^ {2}labels: \[String!\]!\n/m, "  tags: [String!]!\n")],
    ["a field may now be null", (text: string) => text.replace("  version: String!", "  version: String")],
    ["an argument is new and required", (text: string) => text.replace("image: String!", "image: String!, in: ID!")],
    ["a value of an enum is gone", (text: string) => text.replace(/^ {2}TAG_MOVED\n/m, "  MOVED\n")],
  ])("would be noticed when %s", async (_what, change) => {
    for (const form of forms) {
      const text = printSchemaForm(form);
      expect(change(text)).not.toBe(text);
      expect(await breaking(text, change(text))).not.toEqual([]);
    }
  });

  test("may grow", async () => {
    const text = printSchemaForm("standalone");
    expect(await breaking(text, text.replace("  totalCount: Long", "  totalCount: Long\n  more: Long"))).toEqual([]);
  });
});

describe("npm run schema", () => {
  test.each([
    ["standalone", []],
    ["subgraph", ["--", "--subgraph"]],
  ] as const)("puts the %s form, and nothing else, into a file", (form, args) => {
    const folder = mkdtempSync(join(tmpdir(), "schema-"));
    const file = join(folder, "out.graphql");
    try {
      writeFileSync(file, "# what was there\n");
      const shell = (line: string) => execFileSync("sh", ["-c", line], { cwd: root, stdio: "pipe", encoding: "utf8" });
      shell(`npm run schema ${args.join(" ")} > "${file}"`);
      expect(readFileSync(file, "utf8")).toBe(printSchemaForm(form));
      writeFileSync(file, "# what was there\n");
      shell(`npm run schema ${args.join(" ")} >> "${file}"`);
      expect(readFileSync(file, "utf8")).toBe(`# what was there\n${printSchemaForm(form)}`);
      expect(shell(`npm run -s schema ${args.join(" ")} | cat`)).toBe(printSchemaForm(form));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

async function breaking(before: string, after: string): Promise<readonly string[]> {
  const changes = await diff(schemaOf(before), schemaOf(after));
  return changes
    .filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking)
    .map(({ message }) => message);
}

/** The subgraph form leaves the definitions of its directives to the composer. */
function schemaOf(text: string): GraphQLSchema {
  return buildASTSchema(parse(text), { assumeValid: true, assumeValidSDL: true });
}

function lastTag(): string | null {
  try {
    const options = { cwd: root, stdio: "pipe", encoding: "utf8" } as const;
    return execFileSync("git", ["describe", "--tags", "--abbrev=0"], options).trim() || null;
  } catch {
    return null;
  }
}

function at(tag: string, path: string): string | null {
  try {
    return execFileSync("git", ["show", `${tag}:${path}`], { cwd: root, stdio: "pipe", encoding: "utf8" });
  } catch {
    return null;
  }
}
