import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin } from "graphql-yoga";
import { hasCopy } from "./page.ts";

/** Bytes of an answer below which headers and the work cost more than is saved. */
export const worthIt = 1024;

/**
 * How an answer of the graph goes out. All of it is live and may be meant for one caller alone, so nobody may keep it,
 * but for questions by GET that were answered without an error: those a browser may keep for itself, and has to ask
 * again each time whether they still hold. That costs the question and saves the bytes.
 */
export function delivering(): Plugin<object, { readonly req: IncomingMessage; readonly res: ServerResponse }> {
  const faultless = new WeakSet<Request>();
  return {
    onResultProcess: ({ request, result }) => {
      const whole = !Array.isArray(result) && !(Symbol.asyncIterator in result);
      if (whole && (result.errors ?? []).length === 0) faultless.add(request);
    },
    onResponse: async ({ request, response, setResponse, fetchAPI, serverContext }) => {
      const headers = new fetchAPI.Headers(response.headers);
      headers.set("vary", varyOf(serverContext?.res));
      headers.set("cache-control", "no-store");
      const isJson = /[/+]json\b/.test(headers.get("content-type") ?? "");
      if (!isJson) return setResponse(new fetchAPI.Response(response.body, { status: response.status, headers }));
      const plain = Buffer.from(await response.arrayBuffer());
      const coding = plain.length < worthIt ? null : codingFor(request.headers.get("accept-encoding"));
      if (request.method === "GET" && response.status === 200 && faultless.has(request)) {
        const etag = `"${createHash("sha256").update(plain).digest("base64url").slice(0, 27)}${coding ? `-${coding}` : ""}"`;
        headers.set("cache-control", "private, no-cache");
        headers.set("etag", etag);
        if (hasCopy(request.headers.get("if-none-match") ?? undefined, etag)) {
          const kept = ["etag", "cache-control", "vary"].map((name): [string, string] => [
            name,
            headers.get(name) ?? "",
          ]);
          return setResponse(new fetchAPI.Response(null, { status: 304, headers: kept }));
        }
      }
      const body = coding === null ? plain : await compress[coding](plain);
      if (coding !== null) headers.set("content-encoding", coding);
      headers.set("content-length", String(body.length));
      setResponse(new fetchAPI.Response(new Uint8Array(body), { status: response.status, headers }));
    },
  };
}

/** What an answer can be packed with. */
export type Coding = "br" | "gzip";

/** Packs an answer. */
export const compress: Readonly<Record<Coding, (plain: Buffer) => Promise<Buffer>>> = {
  // Made for each answer anew: quality 4 is where brotli is as fast as gzip and still smaller.
  br: (plain) =>
    promisify(brotliCompress)(plain, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length },
    }),
  gzip: (plain) => promisify(gzip)(plain),
};

/** The best coding a client takes: br before gzip, unless it says that it likes gzip better; null for neither. */
export function codingFor(accepted: string | null): Coding | null {
  const weights = new Map<string, number>();
  for (const entry of (accepted ?? "").toLowerCase().split(",")) {
    const [name = "", ...parameters] = entry.split(";").map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1";
    weights.set(name, /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(weight) ? Number(weight) : 0);
  }
  const of = (name: Coding) => weights.get(name) ?? weights.get("*") ?? 0;
  if (of("br") === 0 && of("gzip") === 0) return null;
  return of("br") >= of("gzip") ? "br" : "gzip";
}

/** What the answer depends on beside the address; `origin` stands there already where pages of others may ask. */
function varyOf(response: ServerResponse | undefined): string {
  const before = response?.getHeader("vary");
  const own = "accept, accept-encoding, authorization";
  return typeof before === "string" && before !== "" ? `${before}, ${own}` : own;
}
