import type { IncomingMessage, ServerResponse } from "node:http";
import { type Coding, codingFor, compress, worthIt } from "./delivery.ts";

/** An answer as text, measured and packed once, however many get it. */
export interface Written {
  readonly text: string;
  /** In bytes. */
  readonly length: number;
  /** Packs it, or has it packed already. */
  readonly packed: (coding: Coding) => Promise<Buffer>;
}

/** Measures a text; packs it when somebody takes that. */
export function write(text: string): Written {
  const packed: { [C in Coding]?: Promise<Buffer> } = {};
  return {
    text,
    length: Buffer.byteLength(text),
    packed: (coding) => {
      packed[coding] ??= compress[coding](Buffer.from(text));
      return packed[coding];
    },
  };
}

/** Sends it as the answer of the graph that it is: live, and for nobody to keep. */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  answer: Written,
): Promise<void> {
  const before = response.getHeader("vary");
  const vary = "accept, accept-encoding, authorization";
  const headers = {
    "content-type": `${type}; charset=utf-8`,
    vary: typeof before === "string" && before !== "" ? `${before}, ${vary}` : vary,
    "cache-control": "no-store",
  };
  const accepted = request.headers["accept-encoding"] ?? null;
  const coding = accepted === null || answer.length < worthIt ? null : codingFor(accepted);
  if (coding === null) {
    response.writeHead(200, { ...headers, "content-length": answer.length }).end(answer.text);
    return;
  }
  const packed = await answer.packed(coding);
  response.writeHead(200, { ...headers, "content-encoding": coding, "content-length": packed.length }).end(packed);
}
