import type { Dispatcher } from "undici";
import type { CancelToken } from "./cancel.ts";
import { AnswerTooLarge, MisshapenAnswer } from "./errors.ts";
import { createTurns } from "./turns.ts";

/** Headers of an answer by lower-case name, as they came. */
export type Said = Readonly<Record<string, string | string[] | undefined>>;

/** Answers from this length on are read in turns. */
const leastTurned = 65_536;
/** Bytes that are read in one turn of the event loop, by all backends together; or one answer that has more. */
const readings = createTurns(262_144);

/** Pieces of one answer: a server that writes row by row has some thousands. */
const mostPieces = 100_000;
/** Interim answers (103 and their like) before the one that counts. */
const mostInterim = 16;
/** Pieces of an answer that are kept as they come: a usual answer has no more. */
const piecesAsTheyCome = 16;
/** Smaller pieces behind these are copied: each is a view of all that came off the socket with it, and would keep that. */
const leastKept = 4096;
const blockBytes = 65_536;

/** What is made of an answer, or of there being none. */
export interface Receiver<T> {
  /** Throws what {@link broken} would say of an answer that cannot be used. */
  readonly arrived: (body: Buffer, taking: Taking<T>) => T;
  /** The error to reject with, for what undici or MisshapenAnswer says. */
  readonly broken: (error: unknown, taking: Taking<T>) => unknown;
}

/**
 * One request and the whole answer to it, without a stream in between: bodies are read to their end anyway. Ends with
 * the socket when it is told to stop, and with AnswerTooLarge when the body is larger than the limit; what announces
 * itself as larger is not read; with MisshapenAnswer when it comes in pieces, or behind interim answers, without end.
 */
export class Taking<T> implements Dispatcher.DispatchHandler {
  /** 0 until there is one. */
  status = 0;
  headers: Said = {};
  /** Bytes of the body that have come. */
  length = 0;
  readonly #stop: CancelToken;
  readonly #limit: number;
  readonly #receiver: Receiver<T>;
  #isOver = false;
  #chunks: Buffer[] = [];
  #pieces = 0;
  #interim = 0;
  /** The block that small pieces are copied to, as far as it is filled: the last of the chunks. */
  #block: Buffer | null = null;
  #filled = 0;
  #controller: Dispatcher.DispatchController | null = null;
  readonly #taken = Promise.withResolvers<T>();

  constructor(stop: CancelToken, limit: number, receiver: Receiver<T>) {
    this.#stop = stop;
    this.#limit = limit;
    this.#receiver = receiver;
  }

  /** Whether a connection has taken the request. */
  get isSent(): boolean {
    return this.#controller !== null;
  }

  /** Sends; what the receiver makes of the answer. */
  from(dispatcher: Dispatcher, request: Dispatcher.DispatchOptions): Promise<T> {
    this.#stop.onCancel(this.#end);
    dispatcher.dispatch(request, this);
    return this.#taken.promise;
  }

  // What is still in the queue of a connection has no controller yet: it ends when it gets one.
  readonly #end = (): void => {
    this.#fail(ended);
    this.#controller?.abort(ended);
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#stop.cancelled) controller.abort(ended);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, said: Said): void {
    // Interim answers (103 and their like) come before the one that counts.
    if (status < 200) {
      if (++this.#interim > mostInterim) this.#refuse(controller, `more than ${mostInterim} interim answers`);
      return;
    }
    this.status = status;
    this.headers = said;
    if (Number(said["content-length"]) > this.#limit) this.#refuse(controller, this.#tooLarge());
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    this.length += chunk.length;
    if (this.length > this.#limit) this.#refuse(controller, this.#tooLarge());
    else if (++this.#pieces > mostPieces) this.#refuse(controller, `more than ${mostPieces} pieces`);
    else this.#keep(chunk);
  }

  #keep(chunk: Buffer): void {
    if (this.#pieces <= piecesAsTheyCome || chunk.length >= leastKept) {
      this.#chunks.push(chunk);
      this.#block = null;
      return;
    }
    if (this.#block !== null && this.#filled + chunk.length <= blockBytes) this.#chunks.pop();
    else {
      this.#block = Buffer.allocUnsafe(blockBytes);
      this.#filled = 0;
    }
    this.#filled += chunk.copy(this.#block, this.#filled);
    this.#chunks.push(this.#block.subarray(0, this.#filled));
  }

  onResponseEnd(): void {
    const turn = this.length < leastTurned ? null : readings.take(this.length);
    if (turn === null) this.#arrive();
    else void turn.then(() => this.#arrive());
  }

  /** Several large answers can have come in one turn of the event loop: it is not held for all of them. */
  #arrive(): void {
    const chunks = this.#chunks;
    const [only] = chunks;
    if (!this.#close()) return;
    try {
      const body = chunks.length === 1 && only ? only : Buffer.concat(chunks);
      this.#taken.resolve(this.#receiver.arrived(body, this));
    } catch (error) {
      this.#taken.reject(error);
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: unknown): void {
    this.#fail(error);
  }

  #tooLarge(): AnswerTooLarge {
    return new AnswerTooLarge(`more than ${this.#limit} bytes`);
  }

  #refuse(controller: Dispatcher.DispatchController, why: AnswerTooLarge | string): void {
    const error = typeof why === "string" ? new MisshapenAnswer(why) : why;
    this.#fail(error);
    controller.abort(error);
  }

  #fail(error: unknown): void {
    if (this.#close()) this.#taken.reject(this.#receiver.broken(error, this));
  }

  /** The first end counts: who is told to stop hears of the broken connection as well. */
  #close(): boolean {
    const isFirst = !this.#isOver;
    this.#isOver = true;
    // The connection may hold on to its last handler for a while.
    this.#chunks = [];
    this.#block = null;
    this.#stop.offCancel(this.#end);
    return isFirst;
  }
}

/** Made once, since an error with its stack is dear and nobody reads this one. */
const ended = new Error("the request was ended");
