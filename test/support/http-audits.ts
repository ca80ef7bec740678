/** How strong a sentence of the specification is. */
export type Level = "MUST" | "SHOULD" | "MAY";

/** One sentence of GraphQL over HTTP, as of its draft of August 2026, tried on a server. */
export interface HttpAudit {
  readonly level: Level;
  readonly name: string;
  /** What is wrong, as a sentence; null when the server does what the specification says. */
  readonly run: (send: Send) => Promise<string | null>;
}

/** What an audit sends: `body` as it is, or `json` printed, or `query` parameters by GET. */
export interface Sending {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly json?: unknown;
  readonly params?: Readonly<Record<string, string>>;
}

/** What came back. */
export interface Sent {
  readonly status: number;
  readonly header: (name: string) => string | null;
  readonly text: string;
}

export type Send = (sending: Sending) => Promise<Sent>;

const modern = "application/graphql-response+json";
const legacy = "application/json";
const hello = "{ __typename }";

interface Response {
  readonly data?: unknown;
  readonly errors?: readonly { readonly message: string }[];
}

function responseIn({ text }: Sent): Response | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

const post = (json: unknown, accept: string | null = modern, more: Readonly<Record<string, string>> = {}): Sending => ({
  method: "POST",
  headers: { "content-type": "application/json", ...(accept === null ? {} : { accept }), ...more },
  json,
});

const get = (params: Readonly<Record<string, string>>, accept = modern): Sending => ({ headers: { accept }, params });

function audit(level: Level, name: string, run: HttpAudit["run"]): HttpAudit {
  return { level, name, run };
}

/** The status is one of these. */
function status(level: Level, name: string, sending: Sending, ...allowed: readonly number[]): HttpAudit {
  return audit(level, name, async (send) => {
    const sent = await send(sending);
    return allowed.includes(sent.status) ? null : `the status is ${sent.status}`;
  });
}

/** Refused with a 4xx, and a response without data. */
function refused(level: Level, name: string, sending: Sending): HttpAudit {
  return audit(level, name, async (send) => {
    const sent = await send(sending);
    if (sent.status < 400 || sent.status > 499) return `the status is ${sent.status}`;
    const response = responseIn(sent);
    if (!response) return "the body is no GraphQL response";
    return "data" in response || !response.errors?.length ? "the response has data, or no errors" : null;
  });
}

/** Answered with data and no errors, in a type. */
function answered(level: Level, name: string, sending: Sending, type: string | null = null): HttpAudit {
  return audit(level, name, async (send) => {
    const sent = await send(sending);
    if (sent.status !== 200) return `the status is ${sent.status}`;
    const response = responseIn(sent);
    if (!response || response.errors || !response.data) return `the body is ${sent.text.slice(0, 100)}`;
    const told = sent.header("content-type") ?? "";
    return type === null || told.startsWith(`${type};`) ? null : `the type is ${told}`;
  });
}

const wrongTypes: readonly (readonly [parameter: string, value: unknown])[] = [
  ["query", { obj: "ect" }],
  ["query", 0],
  ["query", false],
  ["query", ["array"]],
  ["operationName", { obj: "ect" }],
  ["operationName", 0],
  ["operationName", false],
  ["operationName", ["array"]],
  ["variables", "string"],
  ["variables", 0],
  ["variables", false],
  ["variables", ["array"]],
  ["extensions", "string"],
  ["extensions", 0],
  ["extensions", false],
  ["extensions", ["array"]],
];

/** What a request can be refused for, with the status that SHOULD be used. */
const failures: readonly (readonly [what: string, sending: Sending, status: number])[] = [
  ["a body that is not JSON", { ...post(null), body: '{ "not a JSON' }, 400],
  ["a document that does not parse", post({ query: "{" }), 400],
  ["a request without query", post({ notquery: hello }), 422],
  ["a request whose variables are a list", post({ query: hello, variables: [7] }), 422],
  ["a document that is not valid", post({ query: "{ 8f31403dfe404bccbb0e835f2629c6a7 }" }), 400],
  ["a field that does not exist", post({ query: "{ nothing }" }), 422],
  ["an operation that is not there", post({ query: "query A { __typename }", operationName: "B" }), 422],
  [
    "one of several operations that is not named",
    post({ query: "query A { __typename } query B { __typename }" }),
    422,
  ],
  ["a variable that cannot be coerced", post({ query: "query ($id: ID!) { release(id: $id) { id } }" }), 422],
];

/** The audits; `oversize` is a body that is larger than the server's limit. */
export function httpAudits(oversize: string): readonly HttpAudit[] {
  return [
    answered("MUST", "accept POST requests", post({ query: hello })),
    answered("MUST", "support application/json in UTF-8", post({ query: hello }, modern, charset("utf-8"))),
    answered("MUST", "assume UTF-8 where no charset is named", post({ query: `# Ѭ\n${hello}` })),
    answered("MUST", "support application/graphql-response+json", post({ query: hello }), modern),
    answered("MUST", "answer a legacy client in application/json", post({ query: hello }, legacy), legacy),
    answered(
      "MUST",
      "use the heaviest of the types that are accepted",
      post({ query: hello }, `${legacy};q=0.5, ${modern};q=0.9`),
      modern,
    ),
    answered("MUST", "use no type that weighs 0", post({ query: hello }, `${modern};q=0, */*;q=0.1`), legacy),
    answered("MUST", "read types without regard to case", post({ query: hello }, modern.toUpperCase()), modern),
    answered(
      "SHOULD",
      "answer the headers that a client should send",
      post({ query: hello }, `${modern}, ${legacy};q=0.9`),
      modern,
    ),
    answered("MAY", "answer application/json where anything is accepted", post({ query: hello }, "*/*"), legacy),
    answered("MAY", "answer where no Accept is sent", post({ query: hello }, null)),
    audit("SHOULD", "name the encoding in Content-Type", async (send) => {
      const told = (await send(post({ query: hello }))).header("content-type");
      return told === `${modern}; charset=utf-8` ? null : `the type is ${told}`;
    }),
    status("SHOULD", "answer 406 where nothing is acceptable", post({ query: hello }, "image/png"), 406),
    refused("SHOULD", "refuse a POST without Content-Type", {
      method: "POST",
      headers: { accept: modern },
      body: JSON.stringify({ query: hello }),
    }),
    status(
      "SHOULD",
      "answer 415 to another Content-Type",
      { ...post(null), headers: { accept: modern, "content-type": "text/csv" }, body: "a,b" },
      415,
    ),
    status(
      "SHOULD",
      "answer 405 to another method",
      { method: "PUT", headers: post(null).headers ?? {}, json: { query: hello } },
      405,
    ),
    audit("MUST", "name the methods with 405", async (send) => {
      const sent = await send({ method: "DELETE", headers: { accept: modern } });
      return sent.header("allow") === null ? "there is no Allow header" : null;
    }),
    status(
      "SHOULD",
      "answer 414 to an address that is too long",
      get({ query: `${hello} # ${"x".repeat(9000)}` }),
      414,
    ),
    status(
      "SHOULD",
      "answer 431 to headers that are too large",
      post({ query: hello }, modern, { "x-large": "x".repeat(40_000) }),
      431,
    ),
    status("SHOULD", "answer 413 to a body that is too large", { ...post(null), body: oversize }, 413),

    answered("MAY", "answer GET", get({ query: hello })),
    answered(
      "MUST",
      "take empty parameters for none",
      get({ query: hello, operationName: "", variables: "", extensions: "" }),
    ),
    answered(
      "MUST",
      "read variables as JSON in an address",
      get({ query: "query T($if: Boolean!) { __typename @skip(if: $if) a: __typename }", variables: '{"if":true}' }),
    ),
    answered(
      "MUST",
      "take operationName=null for a name",
      get({ query: "query null { __typename } query B { b: __typename }", operationName: "null" }),
    ),
    refused("MUST", "run no mutation by GET", get({ query: "mutation { __typename }" })),

    ...["operationName", "variables", "extensions"].map((name) =>
      answered("MUST", `take null for no ${name}`, post({ query: hello, [name]: null })),
    ),
    answered(
      "MUST",
      "run the operation that is named",
      post({ query: "query A { __typename } query B { b: __typename }", operationName: "B" }),
    ),
    answered(
      "MUST",
      "take a map of variables",
      post({ query: "query T($if: Boolean!) { __typename @skip(if: $if) a: __typename }", variables: { if: true } }),
    ),
    answered("MUST", "take a map of extensions", post({ query: hello, extensions: { some: "value" } })),
    answered(
      "MUST",
      "ignore properties that it does not know",
      post({ query: hello, onError: "NULL", more: { a: [1] } }),
    ),

    ...wrongTypes.map(([name, value]) =>
      refused("MUST", `refuse ${name}: ${JSON.stringify(value)}`, post({ query: hello, [name]: value })),
    ),
    ...failures.map(([what, sending]) => refused("MUST", `refuse ${what}`, sending)),
    ...failures.map(([what, sending, expected]) =>
      status("SHOULD", `answer ${expected} to ${what}`, sending, expected),
    ),
    ...failures.map(([what, sending]) =>
      audit("SHOULD", `answer a legacy client with the same status to ${what}`, async (send) => {
        const [one, other] = [
          await send(sending),
          await send({ ...sending, headers: { ...sending.headers, accept: legacy } }),
        ];
        return one.status === other.status
          ? null
          : `the status is ${one.status} for ${modern} and ${other.status} for ${legacy}`;
      }),
    ),
    audit("MUST", "answer 2xx where data is not null, though there are errors", async (send) => {
      const sent = await send(post({ query: '{ __typename release(id: "x") { id } }' }));
      const response = responseIn(sent);
      if (!response?.data || !response.errors) return `the body is ${sent.text.slice(0, 100)}`;
      return sent.status >= 200 && sent.status <= 299 ? null : `the status is ${sent.status}`;
    }),
    status(
      "SHOULD",
      "answer 294 where there are data and errors",
      post({ query: '{ __typename release(id: "x") { id } }' }),
      294,
    ),
  ];
}

function charset(name: string): Readonly<Record<string, string>> {
  return { "content-type": `application/json; charset=${name}` };
}
