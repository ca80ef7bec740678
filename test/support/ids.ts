import type { DemoGateway } from "./gateway.ts";

/** Every string of this field in an answer, in order, each once. */
function textsOf(value: unknown, name: string, found: Set<string> = new Set()): string[] {
  if (Array.isArray(value)) for (const one of value) textsOf(one, name, found);
  else if (typeof value === "object" && value !== null)
    for (const [key, one] of Object.entries(value)) {
      if (key === name && typeof one === "string") found.add(one);
      else textsOf(one, name, found);
    }
  return [...found];
}

/** The ids that a query leads to; fails when it did not answer in full. What it cost is forgotten. */
export async function idsFrom(gateway: DemoGateway, query: string, most: number): Promise<string[]> {
  const { body } = await gateway.ask(query);
  if (body.errors) throw new Error(JSON.stringify(body.errors));
  gateway.forget();
  return textsOf(body.data, "id").slice(0, most);
}
