import type { Dispatcher } from "undici";
import type { Ending } from "./ending.ts";
import { MisshapenAnswer } from "./errors.ts";

/** An answer as it came, body and all. */
export interface Taken {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * Sends one request and takes the whole answer, without a stream in between: bodies are read to their end anyway. Ends
 * with the socket when it is told to stop, and with MisshapenAnswer when the body is larger than the limit; what
 * announces itself as larger is not read. `onStatus` is told as soon as there is one.
 */
export function take(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  stop: Ending,
  limit: number,
  onStatus: (status: number) => void,
): Promise<Taken> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let status = 0;
    let headers: Taken["headers"] = {};
    let controller: Dispatcher.DispatchController | null = null;
    // What is still in the queue of a connection has no controller yet: it ends when it gets one.
    const end = () => {
      controller?.abort(ended);
      reject(ended);
    };
    const over = () => stop.unlisten(end);
    stop.listen(end);
    const fail = (error: unknown) => {
      over();
      reject(error);
    };
    const tooLarge = (its: Dispatcher.DispatchController) => {
      const error = new MisshapenAnswer(`more than ${limit} bytes`);
      fail(error);
      its.abort(error);
    };
    dispatcher.dispatch(request, {
      onRequestStart: (its) => {
        controller = its;
        if (stop.isOver) its.abort(ended);
      },
      onResponseStart: (its, code, said) => {
        // Interim answers (103 and their like) come before the one that counts.
        if (code < 200) return;
        status = code;
        headers = said;
        onStatus(code);
        if (Number(said["content-length"]) > limit) tooLarge(its);
      },
      onResponseData: (its, chunk) => {
        bytes += chunk.length;
        if (bytes > limit) tooLarge(its);
        else chunks.push(chunk);
      },
      onResponseEnd: () => {
        over();
        const [only] = chunks;
        resolve({ status, headers, body: chunks.length === 1 && only ? only : Buffer.concat(chunks) });
      },
      onResponseError: (_its, error) => fail(error),
    });
  });
}

/** Made once, since an error with its stack is dear and nobody reads this one. */
const ended = new Error("the request was ended");
