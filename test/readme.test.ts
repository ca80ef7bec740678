import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

/** A graphql block of a document, with the answer printed under it, if one is. */
interface Shown {
  readonly place: string;
  readonly query: string;
  readonly answer: string | null;
}

const root = new URL("../", import.meta.url);
const documents = ["README.md", "ARCHITECTURE.md", ...pagesOf("docs/")];

function pagesOf(folder: string): string[] {
  return readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}${name}`);
}

function blocksOf(document: string): Shown[] {
  const text = readFileSync(new URL(document, root), "utf8");
  return [
    ...text.matchAll(/```graphql\n(.*?)```(?:\s*(?:<details><summary>[^<]*<\/summary>\s*)?```json\n(.*?)```)?/gs),
  ].map((match) => ({
    place: `${document}:${text.slice(0, match.index).split("\n").length}`,
    query: match[1] ?? "",
    answer: match[2] ?? null,
  }));
}

describe("what the documents show is what the demo answers", () => {
  let gateway: DemoGateway;
  beforeAll(async () => {
    gateway = await startDemoGateway();
  });
  afterAll(() => gateway.stop());

  const blocks = documents.flatMap(blocksOf);

  it("the README shows at least three queries with their answers", () => {
    expect(
      blocks.filter(({ place, answer }) => place.startsWith("README.md") && answer !== null).length,
    ).toBeGreaterThanOrEqual(3);
  });

  it.each(blocks)("$place", async ({ query, answer }) => {
    const { status, body } = await gateway.ask(query);
    expect(status).toBe(200);
    expect(body.errors).toBeUndefined();
    if (answer !== null) expect(body).toEqual(JSON.parse(answer));
  });
});
