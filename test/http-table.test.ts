import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DemoGateway, startDemoGateway } from "./support/gateway.ts";

// The tables of docs/http.md: each row is sent as it stands there, and what comes back is held against it.

interface Row {
  readonly section: string;
  readonly sent: string;
  readonly headers: readonly string[];
  readonly isWithoutType: boolean;
  /** Null for no body at all. */
  readonly body: Buffer | null;
  readonly status: number;
  readonly answer: readonly string[];
  /** Headers that must not be there. */
  readonly absent: readonly string[];
}

const document = readFileSync(new URL("../docs/http.md", import.meta.url), "utf8");

function rowsOf(text: string): readonly Row[] {
  let section = "";
  return text.split("\n").flatMap((line) => {
    if (line.startsWith("## ")) section = line.slice(3);
    if (!line.startsWith("| `")) return [];
    const [sent = "", headers = "", body = "", status = "", answer = ""] = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    return [
      {
        section,
        sent: expanded(codesIn(sent)[0] ?? ""),
        headers: codesIn(headers.replace(/no `content-type`/, "")),
        isWithoutType: headers.includes("no `content-type`"),
        body: bodyOf(body),
        status: Number(status),
        answer: codesIn(answer.replace(/no `[^`]*`/g, "")),
        absent: codesIn((answer.match(/no `[^`]*`/g) ?? []).join(" ")),
      },
    ];
  });
}

const codesIn = (cell: string) => [...cell.matchAll(/`([^`]*)`/g)].map(([, code]) => code ?? "");

/** `[… 500 deep]` is that many brackets, `… 500 characters` that many letters. */
function expanded(code: string): string {
  return code
    .replace(/\[… ([\d,]+) deep\]/g, (_, count: string) => nested("[", "]", count))
    .replace(/\{"a": \{… ([\d,]+) deep\}\}/g, (_, count: string) => nested('{"a":', "}", count, "1"))
    .replace(/\{… ([\d,]+) deep\}/g, (_, count: string) => nested("{a", "}", count))
    .replace(/… ([\d,]+) characters/g, (_, count: string) => "x".repeat(numberIn(count)));
}

const numberIn = (count: string) => Number(count.replaceAll(",", ""));

function nested(open: string, close: string, count: string, middle = ""): string {
  return open.repeat(numberIn(count)) + middle + close.repeat(numberIn(count));
}

const encodings: Readonly<Record<string, (text: string) => Buffer>> = {
  "": (text) => Buffer.from(text),
  "gzip of": gzipSync,
  "deflate of": deflateSync,
  "br of": brotliCompressSync,
  "zstd of": zstdCompressSync,
  "byte order mark, then": (text) => Buffer.from(`\ufeff${text}`),
  "in UTF-16,": (text) => Buffer.from(`\ufeff${text}`, "utf16le"),
  "in ISO 8859-1,": (text) => Buffer.from(text, "latin1"),
};

function bodyOf(cell: string): Buffer | null {
  if (cell === "" || cell === "nothing") return null;
  const [, words = "", code = ""] = /^([^`]*?)\s*`([^`]*)`$/.exec(cell) ?? [];
  const encode = encodings[words];
  if (!encode) throw new Error(`docs/http.md: "${words}" is no way of writing a body that the test knows`);
  return encode(expanded(code));
}

interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** The bytes of the row, and what the server said until it closed the connection. */
function send(gateway: DemoGateway, { sent, headers, isWithoutType, body }: Row): Promise<Answer> {
  const isPost = sent.startsWith("POST") || sent.startsWith("PUT");
  const hasType = headers.some((header) => header.startsWith("content-type:"));
  const lines = [
    `${sent.replace(/"/g, "%22")} HTTP/1.1`,
    "host: localhost",
    "connection: close",
    "x-request-id: table",
    ...(isPost && !hasType && !isWithoutType ? ["content-type: application/json"] : []),
    ...headers,
    ...(isPost || body ? [`content-length: ${body?.length ?? 0}`] : []),
  ];
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(answerIn(Buffer.concat(chunks).toString("utf8"))));
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    if (body) socket.write(body);
  });
}

function answerIn(text: string): Answer {
  const end = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(first.split(" ")[1]), headers: new Map(headers), body: text.slice(end + 4) };
}

let gateways: readonly DemoGateway[] = [];
beforeAll(async () => {
  const settings = {
    server: { graphiql: false, cors: { origins: ["https://portal.example.com"], headers: ["X-Team"] } },
    persisted: { manifest: "operations.json" },
  };
  const operations = new Map([["kinds", "query Kinds { __typename }"]]);
  const plain = await startDemoGateway({ settings, operations });
  const reference = await startDemoGateway({ settings, operations, estate: plain.estate, fastPath: false });
  gateways = [plain, reference];
});
afterAll(async () => {
  for (const gateway of gateways.toReversed()) await gateway.stop();
});

const rows = rowsOf(document);

test("every section has its table, and every row could be read", () => {
  expect(new Set(rows.map(({ section }) => section)).size).toBe(document.match(/^## /gm)?.length);
  expect(rows.length).toBe(document.match(/^\| `/gm)?.length);
  expect(rows.filter(({ status, answer, absent }) => !(status > 99) || answer.length + absent.length === 0)).toEqual(
    [],
  );
});

describe.each([...new Set(rows.map(({ section }) => section))])("%s", (name) => {
  const own = rows.filter(({ section }) => section === name);
  const titled = own.map(
    (row) =>
      [`${row.sent.slice(0, 80)} ${row.headers.join(" ")} ${row.body?.toString("utf8").slice(0, 120)}`, row] as const,
  );

  test.each(titled)("%s", async (_title, row) => {
    const told: Answer[] = [];
    for (const gateway of gateways) {
      gateway.forget();
      const before = gateway.log.length;
      const answer = await send(gateway, row);
      told.push(answer);
      expect(answer.status).toBe(row.status);
      for (const header of row.absent) expect(answer.headers.has(header)).toBe(false);
      for (const expected of row.answer) check(answer, expected);
      const isRefused = row.answer.some((one) => /^[A-Z_]+$/.test(one));
      const outcomes = gateway.log.slice(before).map(({ level, facts }) => [level, Object(facts).outcome]);
      if (isRefused) {
        expect(new Set(outcomes.map(String))).toEqual(new Set(["info,refused"]));
        expect(gateway.calls()).toEqual({});
      } else expect(outcomes.filter(([level]) => level !== "info")).toEqual([]);
    }
    const [first, second] = told;
    expect(second?.body).toBe(first?.body);
    const unlike = (answer: Answer | undefined) => [...(answer?.headers ?? [])].filter(([header]) => header !== "date");
    expect(unlike(second)).toEqual(unlike(first));
  });
});

function check({ headers, body }: Answer, expected: string): void {
  if (/^[[{]/.test(expected)) expect(JSON.parse(body)).toEqual(JSON.parse(expected));
  else if (/^[A-Z_]+$/.test(expected)) {
    const value: unknown = JSON.parse(body);
    for (const one of Array.isArray(value) ? value : [value]) {
      expect(one.data).toBeUndefined();
      for (const { message, extensions } of one.errors) {
        expect(message).toMatch(/\w/);
        expect(extensions).toEqual({ code: expected, retryable: expected === "PERSISTED_QUERY_NOT_FOUND" });
      }
    }
  } else {
    const colon = expected.indexOf(":");
    expect(`${expected.slice(0, colon)}: ${headers.get(expected.slice(0, colon))}`).toContain(expected);
  }
}
