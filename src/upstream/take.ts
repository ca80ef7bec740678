import type { Dispatcher } from "undici";
import type { Ending } from "./ending.ts";
import { MisshapenAnswer } from "./errors.ts";

/** Headers of an answer by lower-case name, as they came. */
export type Said = Readonly<Record<string, string | string[] | undefined>>;

/**
 * One request and the whole answer to it, without a stream in between: bodies are read to their end anyway. Ends with
 * the socket when it is told to stop, and with MisshapenAnswer when the body is larger than the limit; what announces
 * itself as larger is not read.
 */
export class Taking implements Dispatcher.DispatchHandler {
  /** 0 until there is one. */
  status = 0;
  headers: Said = {};
  /** Bytes of the body that have come. */
  length = 0;
  readonly #stop: Ending;
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | null = null;
  #resolve: (body: Buffer) => void = nobody;
  #reject: (error: unknown) => void = nobody;

  constructor(stop: Ending, limit: number) {
    this.#stop = stop;
    this.#limit = limit;
  }

  /** Sends; the body of the answer. Rejects with what undici says, or with MisshapenAnswer. */
  from(dispatcher: Dispatcher, request: Dispatcher.DispatchOptions): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#stop.listen(this.#end);
      dispatcher.dispatch(request, this);
    });
  }

  // What is still in the queue of a connection has no controller yet: it ends when it gets one.
  readonly #end = (): void => {
    this.#controller?.abort(ended);
    this.#reject(ended);
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#stop.isOver) controller.abort(ended);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, said: Said): void {
    // Interim answers (103 and their like) come before the one that counts.
    if (status < 200) return;
    this.status = status;
    this.headers = said;
    if (Number(said["content-length"]) > this.#limit) this.#refuse(controller);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.length += chunk.length;
    if (this.length > this.#limit) this.#refuse(controller);
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#stop.unlisten(this.#end);
    const [only] = this.#chunks;
    this.#resolve(this.#chunks.length === 1 && only ? only : Buffer.concat(this.#chunks));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: unknown): void {
    this.#stop.unlisten(this.#end);
    this.#reject(error);
  }

  #refuse(controller: Dispatcher.DispatchController): void {
    const error = new MisshapenAnswer(`more than ${this.#limit} bytes`);
    this.#stop.unlisten(this.#end);
    this.#reject(error);
    controller.abort(error);
  }
}

function nobody(): void {}

/** Made once, since an error with its stack is dear and nobody reads this one. */
const ended = new Error("the request was ended");
