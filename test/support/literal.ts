import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { startWith } from "./started.ts";

/** What a literal server answers. A body that is text goes out as it is. */
export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A request as a literal server reads it. */
export interface Asked {
  readonly method: string;
  /** As sent, still encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
}

/** A server that answers what its handler says; ends with the test. */
export interface Literal {
  readonly url: string;
  /** Paths with queries as they were sent, in order. */
  readonly asked: string[];
  /** Bytes of the bodies that were sent. */
  readonly sent: { bytes: number };
}

/** Serves JSON on a free port. */
export async function serveJson(answer: (asked: Asked) => Reply | Promise<Reply>): Promise<Literal> {
  const asked: string[] = [];
  const sent = { bytes: 0 };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://literal.test");
    asked.push(request.url ?? "");
    const { method = "GET", headers } = request;
    request.resume();
    request.on("end", async () => {
      const {
        status = 200,
        headers: own,
        body,
      } = await answer({
        method,
        path: url.pathname,
        query: url.searchParams,
        headers,
      });
      const isText = typeof body === "string";
      const text = isText ? body : JSON.stringify(body);
      sent.bytes += text.length;
      response.writeHead(status, { "content-type": isText ? "text/plain" : "application/json", ...own });
      response.end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, asked, sent };
}

/** An answer of the gateway. */
export interface Told {
  // Tests read answers of many shapes; each expectation checks what it reads.
  readonly data: Record<string, unknown> | null;
  readonly errors: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions: { readonly code: string };
  }[];
}

/** The nodes of a list at the top of the data; fails where there is no list. */
export function nodesIn<N>(data: Told["data"], field: string): readonly N[] {
  const list = data?.[field];
  if (typeof list !== "object" || list === null || !("nodes" in list) || !Array.isArray(list.nodes)) {
    throw new Error(`no list: ${JSON.stringify(data)}`);
  }
  return list.nodes;
}

/** A gateway over these backends, asked by GraphQL over a socket; ends with the test. */
export async function gatewayOver(...backends: readonly Readonly<Record<string, unknown>>[]) {
  const gateway = await startWith({ backends });
  onTestFinished(() => gateway.stop(0));
  return askerOf(gateway);
}

/** Asks a gateway by GraphQL over a socket. */
export function askerOf({ url }: { readonly url: string }) {
  return async (query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<Told> => {
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query, variables }),
    });
    const { data = null, errors = [] }: Partial<Told> = await response.json();
    return { data, errors };
  };
}
