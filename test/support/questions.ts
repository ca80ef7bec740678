import fc from "fast-check";

// Questions that are made up, odd ones among them: documents that hardly ask a backend, and everything around them.

/** The parameters of a request as a client might put them into JSON, right or wrong. */
export interface MadeUpQuestion {
  readonly query?: unknown;
  readonly operationName?: unknown;
  readonly variables?: unknown;
  readonly extensions?: unknown;
  readonly [more: string]: unknown;
}

/** What is sent: a question, or a body that is none. */
export interface MadeUpRequest {
  readonly question: MadeUpQuestion | null;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

const declarations: Readonly<Record<string, string>> = {
  $b: "Boolean = true",
  $c: "Boolean!",
  $i: 'ID = "x"',
  $n: "Int = 3",
  $s: "String",
};

/** `weight` to 1: what is usual, and what is not. */
function mostly<T>(weight: number, usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

const directive = mostly(
  60,
  mostly(
    4,
    fc.constant(""),
    fc.constantFrom(
      " @skip(if: $b)",
      " @include(if: $b)",
      " @include(if: $c)",
      " @skip(if: true)",
      " @include(if: false)",
      " @include(if: true) @skip(if: $c)",
    ),
  ),
  fc.constantFrom(" @include", " @nope", " @skip(if: 1)"),
);

const backendField = fc
  .tuple(
    mostly(
      80,
      fc.constantFrom("name", "kind", "capabilities", "__typename", "n: name", "n: kind", "...G", "... { name kind }"),
      fc.constantFrom("nothing", "...H", "... on Package { name }", "name { x }", "__type"),
    ),
    directive,
  )
  .map(([field, end]) => (field.includes("{") && end !== "" ? field : field + end));

const backendFields = fc.array(backendField, { minLength: 1, maxLength: 4 }).map((fields) => fields.join(" "));

const known = 'ref: { backend: "bkrepo", repository: "pay/maven-local", key: "gav://com.acme.pay:pay-sdk" }';

const leaf = fc.oneof(
  {
    weight: 120,
    arbitrary: fc.constantFrom(
      "__typename",
      "a: __typename",
      "toString: __typename",
      "__proto__: __typename",
      "release(id: $i) { id }",
      'r: release(id: "x") { id version }',
      'node(id: "x") { id __typename ... on Package { name } }',
      'nodes(ids: [$i, "y"]) { id }',
      '__type(name: "Query") { name kind }',
      "__schema { queryType { name } }",
      'traceByImage(image: "::") { isComplete }',
      'p: package(ref: { backend: $s, repository: "a/b", key: "k" }) { name }',
      'package(ref: { backend: "nobody", repository: "a/b", key: "k" }) { name }',
      'packages(scope: { backend: "nobody" }, first: $n) { totalCount }',
      "artifacts(first: 0) { totalCount }",
    ),
  },
  { weight: 3, arbitrary: fc.constantFrom("nothing", "release { id }", 'release(id: "x")', "release(id: [1]) { id }") },
  { weight: 3, arbitrary: fc.constant(`k: package(${known}) { name key }`) },
);

const { fields } = fc.letrec<{ fields: string; field: string }>((tie) => ({
  field: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 6, arbitrary: fc.tuple(leaf, directive).map(([one, end]) => (one.includes("{") ? one : one + end)) },
    { weight: 6, arbitrary: backendFields.map((inner) => `backends { ${inner} }`) },
    { weight: 2, arbitrary: fc.tuple(directive, tie("fields")).map(([end, inner]) => `...${end} { ${inner} }`) },
    { weight: 2, arbitrary: tie("fields").map((inner) => `... on Query { ${inner} }`) },
    { weight: 1, arbitrary: tie("fields").map((inner) => `... @defer { ${inner} }`) },
    { weight: 2, arbitrary: fc.constant("...F") },
  ),
  fields: fc.array(tie("field"), { minLength: 1, maxLength: 3 }).map((all) => all.join(" ")),
}));

const strayDocuments = fc.constantFrom(
  "",
  " ",
  "{",
  "}",
  "{ }",
  "# only a comment",
  "query",
  "\ufeff{ __typename }",
  "{ __typename }\u0000",
  '{ release(id: "\\ud800") { id } }',
  '{ release(id: "\ud800") { id } }',
  '{ release(id: """block "quoted" é""") { id } }',
  "fragment F on Query { ...F } { ...F }",
  "fragment F on Query { __typename }",
  "subscription { __typename }",
  "mutation { __typename }",
  "type T { a: Int }",
  `{ ${"... { ".repeat(300)} __typename ${"} ".repeat(300)} }`,
  `{ release(id: ${"[".repeat(300)}1${"]".repeat(300)}) { id } }`,
  `{ ${"a: __typename ".repeat(900)} }`,
  `{ ${Array.from({ length: 40 }, (_, index) => `a${index}: __typename`).join(" ")} }`,
);

/** A document, and the name of the operation that is meant. */
interface MadeUpDocument {
  readonly text: string;
  readonly name: string | undefined;
}

/** Whatever a document makes use of is declared: nearly always. */
const documents = mostly<MadeUpDocument>(
  25,
  fc
    .record({
      inner: fields,
      shared: fields,
      backend: backendFields,
      form: fc.constantFrom("plain", "named", "two", "twice"),
      forgets: mostly(40, fc.constant(false), fc.constant(true)),
    })
    .map(({ inner, shared, backend, form, forgets }) => {
      const fragments = new Map([
        ["F", `fragment F on Query { ${shared.replaceAll("...F", "__typename")} }`],
        ["G", `fragment G on Backend { ${backend.replaceAll("...G", "name")} }`],
      ]);
      let text = inner;
      for (const [name, fragment] of fragments) if (text.includes(`...${name}`) && !forgets) text += ` ${fragment}`;
      const used = Object.entries(declarations).filter(([name]) => text.includes(name) && !forgets);
      const variables = used.length === 0 ? "" : `(${used.map(([name, type]) => `${name}: ${type}`).join(", ")})`;
      const rest = text.slice(inner.length);
      switch (form) {
        case "plain":
          return { text: `${variables === "" ? "" : `query ${variables} `}{ ${inner} }${rest}`, name: undefined };
        case "named":
          return { text: `query A${variables} { ${inner} }${rest}`, name: undefined };
        case "two":
          return { text: `query A${variables} { ${inner} } query B { b: __typename }${rest}`, name: "A" };
        default:
          return { text: `query A${variables} { ${inner} ${inner} }${rest}`, name: "A" };
      }
    }),
  strayDocuments.map((text) => ({ text, name: undefined })),
);

const oddValues = fc.constantFrom<unknown>(
  null,
  true,
  false,
  "x",
  "",
  5,
  1.5,
  -1,
  [],
  [null],
  {},
  "\ud800",
  "é",
  "nobody",
);

const variables = mostly(
  20,
  fc.record(
    {
      b: mostly(8, fc.boolean(), oddValues),
      c: mostly(15, fc.boolean(), oddValues),
      i: mostly(10, fc.constantFrom<unknown>("x", "MTox"), oddValues),
      n: mostly(10, fc.integer({ min: -1, max: 101 }), oddValues),
      s: mostly(10, fc.constantFrom<unknown>("nobody", "bkrepo"), oddValues),
      __proto__: oddValues,
    },
    { requiredKeys: ["c"] },
  ),
  fc.constantFrom<unknown>(null, undefined, {}, "{}", [], 5, { c: true, deep: nested(150) }, { c: true, "\ud800": 1 }),
);

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

/** What takes the place of the name that is meant, if anything does. */
const otherNames = mostly<unknown>(15, fc.constant("meant"), fc.constantFrom<unknown>(null, "", "A", "B", "C", 5, []));

const questions: fc.Arbitrary<MadeUpQuestion> = mostly<MadeUpQuestion>(
  30,
  fc
    .record(
      {
        document: documents,
        other: otherNames,
        variables,
        extensions: mostly<unknown>(
          25,
          fc.constantFrom<unknown>(null, undefined, {}),
          fc.constantFrom<unknown>([], "x", { a: 1 }),
        ),
        onError: fc.constant("NULL"),
        more: oddValues,
      },
      { requiredKeys: ["document", "other", "variables"] },
    )
    .map(({ document: { text, name }, other, ...rest }) => ({
      query: text,
      operationName: other === "meant" ? name : other,
      ...rest,
    })),
  fc.record({ query: fc.constantFrom<unknown>(null, 5, {}, ["{ __typename }"]) }, { requiredKeys: [] }),
);

const strayBodies = fc.constantFrom(
  "",
  " ",
  "null",
  "5",
  '"x"',
  "[]",
  "[1]",
  "[[]]",
  "{",
  '{"query": "{ __typename }"}x',
  '{"query": "{ a: __typename }", "query": "{ b: __typename }"}',
  "[".repeat(20_000),
  `{"query": "{ __typename }", "variables": ${'{"a":'.repeat(2000)}1${"}".repeat(2000)}}`,
  '[{"query": "{ a: __typename }"}, {"query": 5}, {"query": "{ nothing }"}]',
  '[{"query": "{ backends { name } }"}, {"query": "{ b: __typename }"}]',
);

const headers = fc.record(
  {
    accept: mostly(
      3,
      fc.constantFrom(
        "*/*",
        "application/json",
        "application/graphql-response+json",
        "application/graphql-response+json, application/json;q=0.9",
      ),
      fc.constantFrom(
        "",
        "text/html, */*;q=0.1",
        "application/json;q=0, */*",
        "APPLICATION/JSON",
        "multipart/mixed;deferSpec=20220824, application/json",
        "multipart/mixed;incrementalSpec=v0.2, application/json",
        "multipart/mixed",
        "text/event-stream",
        "image/png",
        "*/*;q=0",
      ),
    ),
    "content-type": mostly(
      20,
      fc.constantFrom("application/json", "application/json; charset=utf-8", "Application/JSON;Charset=UTF-8"),
      fc.constantFrom("application/graphql+json", "text/plain", "application/json; charset=latin1", ""),
    ),
    "accept-encoding": fc.constantFrom("identity", "gzip", "br", "gzip;q=0.5, br;q=0.1"),
    "x-explain": mostly(30, fc.constant("plan"), fc.constantFrom("all", "")),
  },
  { requiredKeys: ["content-type"] },
);

/** Requests, most of them answered, some of them odd in one way or in several. */
export const madeUpRequests: fc.Arbitrary<MadeUpRequest> = fc
  .record({
    question: mostly<MadeUpQuestion | string>(25, questions, strayBodies),
    sent: headers,
    explains: mostly(30, fc.constant(false), fc.constant(true)),
  })
  .map(({ question, sent, explains }) => {
    const { "x-explain": explain, ...rest } = sent;
    const told = explains && explain !== undefined ? { ...rest, "x-explain": explain } : rest;
    return typeof question === "string"
      ? { question: null, body: question, headers: told }
      : { question, body: JSON.stringify(question), headers: told };
  });
