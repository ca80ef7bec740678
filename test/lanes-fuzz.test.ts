import { createHash } from "node:crypto";
import { Agent, request as httpRequest } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";
import { type MadeUpQuestion, type MadeUpRequest, madeUpRequests } from "./support/questions.ts";

// One question has one answer: whichever way it runs, and whichever way it comes in.

const rounds = 400;
/** Requests that are sent at the same time. */
const together = 25;

let plain: DemoGateway;
let reference: DemoGateway;
const agent = new Agent({ keepAlive: true, maxSockets: 16 });

beforeAll(async () => {
  // A browser that asks with GET is shown a page elsewhere.
  const settings = { server: { graphiql: false } };
  plain = await startDemoGateway({ settings });
  reference = await startDemoGateway({ settings, estate: plain.estate, fastPath: false });
});
afterAll(async () => {
  agent.destroy();
  await reference.stop();
  await plain.stop();
});

interface Told {
  readonly status: number;
  /** Without the date. */
  readonly headers: readonly string[];
  readonly body: string;
  readonly type: string;
}

function send(
  gateway: DemoGateway,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | null,
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      gateway.url + path,
      { method, agent, headers: { ...headers, "x-request-id": "made-up" } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const told = Object.entries(response.headers).filter(([name]) => name !== "date");
          resolve({
            status: response.statusCode ?? 0,
            headers: told.map(([name, value]) => `${name}: ${value}`),
            body: Buffer.concat(chunks).toString("latin1"),
            type: response.headers["content-type"] ?? "",
          });
        });
      },
    );
    request.on("error", reject);
    request.end(body ?? undefined);
  });
}

const post = (gateway: DemoGateway, headers: MadeUpRequest["headers"], body: string) =>
  send(gateway, "POST", "/graphql", headers, body);

/** Headers of a request whose answer is compared as text, in another form of the same question. */
const uncompressed = (headers: MadeUpRequest["headers"]) => ({ ...headers, "accept-encoding": "identity" });

/** The same by GET; null for what an address cannot say. */
function addressOf({ query, operationName, variables, extensions }: MadeUpQuestion): string | null {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries({ query, operationName })) {
    if (value === undefined || value === null) continue;
    if (typeof value !== "string" || !value.isWellFormed() || value.includes("\ufeff")) return null;
    params.set(name, value);
  }
  for (const [name, value] of Object.entries({ variables, extensions })) {
    if (value !== undefined && value !== null) params.set(name, JSON.stringify(value));
  }
  const address = `/graphql?${params}`;
  return address.length > 8000 || /\bmutation\b/.test(String(query)) ? null : address;
}

/** The same by the hash of its text, which is registered first; null where there is no text to register. */
function persistedOf(question: MadeUpQuestion): readonly [first: string, then: string] | null {
  const { query, extensions, ...rest } = question;
  if (typeof query !== "string" || query === "" || !query.isWellFormed()) return null;
  if (extensions !== undefined && extensions !== null && JSON.stringify(extensions) !== "{}") return null;
  const sha256Hash = createHash("sha256").update(query).digest("hex");
  const persisted = { ...rest, extensions: { persistedQuery: { version: 1, sha256Hash } } };
  return [JSON.stringify({ ...persisted, query }), JSON.stringify(persisted)];
}

const core = ({ status, body, type }: Told) => ({ status, body, type });

async function check({ question, body, headers }: MadeUpRequest): Promise<Told> {
  const [one, other] = await Promise.all([post(plain, headers, body), post(reference, headers, body)]);
  expect(other).toEqual(one);
  expect([200, 400, 403, 406, 413, 415]).toContain(one.status);
  expect(one.body).not.toContain("INTERNAL_SERVER_ERROR");
  const isJson = /[/+]json; charset=utf-8$/.test(one.type);
  if (one.status !== 200) {
    expect(isJson).toBe(true);
    expect(one.body).toMatch(/"code":"[A-Z_]+","retryable":(?:true|false)/);
  }
  if (question === null || !isJson || one.status === 415 || one.status === 406) return one;

  const told = uncompressed(headers);
  const whole = one.headers.some((header) => header.startsWith("content-encoding"))
    ? await post(plain, told, body)
    : one;
  // Several answers at once are JSON or nothing. In a batch deferred fields are merged with equal ones beside them, and an
  // error names the places of all; alone, for a client that takes parts, it names those of the first part.
  const accept = headers["accept"] ?? "";
  const isDeferred = String(question.query).includes("@defer") && /multipart|event-stream/i.test(accept);
  if (accept !== "multipart/mixed" && accept !== "text/event-stream" && !isDeferred) {
    const batch = await post(plain, told, `[${body}]`);
    expect(core(batch)).toEqual({ ...core(whole), body: `[${whole.body}]` });
  }
  const address = addressOf(question);
  if (address !== null) {
    const rest = Object.fromEntries(Object.entries(told).filter(([name]) => name !== "content-type"));
    expect(core(await send(plain, "GET", address, rest, null))).toEqual(core(whole));
  }
  const persisted = persistedOf(question);
  for (const form of persisted ?? []) expect(core(await post(plain, told, form))).toEqual(core(whole));
  return one;
}

/** The same requests in every run, so that a change is what makes a difference; `FUZZ_SEED` asks for others. */
const seed = Number(process.env["FUZZ_SEED"] ?? 20_261_128);

test("one question has one answer", { timeout: 600_000 }, async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(madeUpRequests, { minLength: together, maxLength: together }), async (requests) => {
      for (const { status, type, body } of await Promise.all(requests.map(check))) {
        const errors = body.includes('"errors"') ? " with errors" : "";
        const kind = status === 200 ? `200 ${type.split(";", 1)[0]}${errors}` : String(status);
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      }
    }),
    { numRuns: rounds, seed },
  );
  // A comparison of nothing but refusals, or of nothing but answers, would say little.
  const all = [...seen.values()].reduce((sum, count) => sum + count, 0);
  expect(seen.get("200 application/json") ?? 0).toBeGreaterThan(all / 20);
  expect(seen.get("400") ?? 0).toBeGreaterThan(all / 20);
  for (const kind of ["200 multipart/mixed", "200 text/event-stream", "406", "415"])
    expect(seen.get(kind) ?? 0).toBeGreaterThan(0);
  expect(plain.log.filter(({ level }) => level === "error")).toEqual([]);
  const outcomes = new Set(plain.log.map(({ facts }) => Object(facts).outcome));
  expect([outcomes.has("left"), outcomes.has("bug")]).toEqual([false, false]);
});
