import { describe, expect, test } from "vitest";
import {
  type Coding,
  codingFor,
  deferSpec,
  namesHtml,
  negotiate,
  requestTypeProblem,
} from "../src/server/http/negotiation.ts";

const [json, graphql] = ["application/json", "application/graphql-response+json"] as const;
const [mixed, events] = ["multipart/mixed", "text/event-stream"] as const;

describe("the type of an answer", () => {
  test.each([
    // What the client sends, then the type of a whole answer, of a deferred one, and of a batch.
    [undefined, json, json, json],
    ["", json, json, json],
    [" , ,", json, json, json],
    ["*/*", json, json, json],
    ["application/*", json, json, json],
    ["application/json", json, json, json],
    ["APPLICATION/JSON", json, json, json],
    ["application/json; charset=utf-8", json, json, json],
    ["application/json; charset=UTF-8", json, json, json],
    [graphql, graphql, graphql, graphql],
    [`${graphql}, ${json}`, graphql, graphql, graphql],
    [`${json}, ${graphql}`, json, json, json],
    [`${graphql}, ${json};q=0.9`, graphql, graphql, graphql],
    [`${json};q=0.5, ${graphql};q=0.9`, graphql, graphql, graphql],
    [`*/*, ${graphql}`, graphql, graphql, graphql],
    [`application/*, ${graphql}`, graphql, graphql, graphql],
    [`*/*;q=0.1, ${json};q=0`, graphql, graphql, graphql],
    [`*/*;q=0.8, application/*;q=0.1, ${mixed};q=0`, events, json, json],
    [`${mixed};incrementalSpec=v0.2`, json, json, json],
    [`${mixed};incrementalSpec=v0.2, ${graphql}`, graphql, graphql, graphql],
    [`${json};incrementalSpec=v0.2, ${events}`, events, events, null],
    [`${json};q=0, */*`, graphql, graphql, graphql],
    [`${json};q=0.1, ${json}, ${graphql};q=0.5`, graphql, graphql, graphql],
    [`${graphql};charset=utf-8`, graphql, graphql, graphql],
    [`${events};charset=utf-8`, events, events, null],
    [mixed, mixed, mixed, null],
    [events, events, events, null],
    [`${mixed}, ${json}`, json, mixed, json],
    [`${json}, ${mixed}`, json, mixed, json],
    [`${mixed};q=0.5, ${json}`, json, json, json],
    [`${mixed}, ${json};q=0.5`, mixed, mixed, json],
    [`${events}, ${mixed}`, events, events, null],
    [`${mixed}, ${events}`, mixed, mixed, null],
    [`${mixed};deferSpec=20220824, ${events}`, mixed, mixed, null],
    [`${events}, ${mixed};deferSpec=20220824`, mixed, mixed, null],
    [`${mixed};boundary=x, ${json}`, json, mixed, json],
    [`*/*, ${mixed}`, json, mixed, json],
    ["multipart/*", mixed, mixed, null],
    [`multipart/*, ${json};q=0.1`, mixed, json, json],
    ["text/*", events, events, null],
    [`${json};q=nonsense, ${mixed}`, mixed, mixed, null],
    [`${json};q=-1, ${mixed}`, mixed, mixed, null],
    [`${json};q=7, ${graphql}`, json, json, json],
    [`${graphql}, ${json};q=7`, graphql, graphql, graphql],
  ])("%s", (accept, whole, deferred, batch) => {
    // Asked twice: the second answer is remembered.
    for (let round = 0; round < 2; round++) expect(negotiate(accept)).toMatchObject({ whole, deferred, json: batch });
  });

  test.each([
    "text/html",
    `${json};q=0`,
    `${json}, ${json};charset=utf-8;q=0`,
    "*/*;q=0",
    `${json};charset=latin1`,
    `${mixed};deferSpec=1`,
    "application",
  ])("none fits %s", (accept) => {
    for (let round = 0; round < 2; round++) expect(negotiate(accept)).toBeNull();
  });

  test.each([
    [`${mixed};deferSpec=${deferSpec}, ${json}`, true],
    [`${mixed};deferSpec=1, ${json}`, true],
    [`${mixed}, ${json}`, false],
    [`${json};deferSpec=${deferSpec}, ${json}`, false],
  ])("repeats the form of its parts where it is named: %s", (accept, names) => {
    expect(negotiate(accept)?.namesDeferSpec).toBe(names);
  });

  test("the form of parts is the one that clients ask for", () => {
    expect(deferSpec).toBe("20220824");
  });
});

describe("the coding of an answer", () => {
  test.each<readonly [string, readonly Coding[], Coding | null]>([
    ["", ["br", "gzip"], null],
    ["gzip", ["br", "gzip"], "gzip"],
    ["br", ["br", "gzip"], "br"],
    ["gzip, br", ["br", "gzip"], "br"],
    ["gzip, br", ["gzip", "br"], "gzip"],
    ["gzip, br;q=0.9", ["br", "gzip"], "gzip"],
    ["gzip;q=0.8, br;q=0.9", ["gzip", "br"], "br"],
    ["zstd, gzip", ["br", "gzip"], "gzip"],
    ["zstd", ["br", "gzip"], null],
    ["zstd;q=0.5, gzip;q=0.4", ["gzip", "zstd"], "zstd"],
    ["*", ["zstd", "br"], "zstd"],
    ["*;q=0.5, gzip", ["br", "gzip"], "gzip"],
    ["br;q=0, *", ["br", "gzip"], "gzip"],
    ["br;q=0, gzip;q=0", ["br", "gzip"], null],
    ["identity", ["br", "gzip"], null],
    ["identity, gzip", ["br", "gzip"], "gzip"],
    ["identity, gzip;q=0.5", ["br", "gzip"], null],
    ["identity;q=0.5, gzip;q=0.5", ["br", "gzip"], "gzip"],
    ["identity;q=0.5, gzip;q=0.6", ["br", "gzip"], "gzip"],
    ["deflate", ["br", "gzip"], null],
    ["gzip;q=nonsense", ["br", "gzip"], null],
    ["gzip;q=-1", ["br", "gzip"], null],
    ["gzip", [], null],
  ])("%s of %j: %s", (accepted, offered, coding) => {
    expect(codingFor(accepted, offered)).toBe(coding);
  });
});

describe("a browser that opens a page", () => {
  test.each([
    ["text/html,application/xhtml+xml,*/*;q=0.8", true],
    ["*/*", false],
    ["application/json", false],
    ["text/html;q=0", false],
    [undefined, false],
  ])("%s: %s", (accept, is) => {
    expect(namesHtml(accept)).toBe(is);
  });
});

describe("the type of a question", () => {
  const notJson = "Send the question as JSON, with content-type: application/json.";
  const notUtf8 = "Send the question in UTF-8: no other charset is read.";

  test.each([
    ["application/json", null],
    ["Application/JSON ; Charset=UTF-8", null],
    ["application/json; charset=utf8", null],
    ["application/graphql+json", null],
    ["application/graphql-response+json", null],
    ["application/json; charset=latin1", notUtf8],
    ["text/plain", notJson],
    ["text/plain; charset=utf-8", notJson],
    ["", notJson],
    [undefined, notJson],
  ])("%s", (header, problem) => {
    expect(requestTypeProblem(header)).toBe(problem);
  });
});
