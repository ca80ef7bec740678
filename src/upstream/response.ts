import type { Dispatcher } from "undici";
import { createAdmissionControl } from "../model/queue.ts";
import type { CancelToken } from "./cancel.ts";
import { AnswerTooLarge, MisshapenAnswer } from "./errors.ts";

/** Headers of a response by lower-case name, as undici reports them. */
export type RawHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Responses from this length on are read by {@link admitLargeRead}. */
const largeBytes = 65_536;
/** Bytes that are read in one tick of the event loop, of all backends together; or one response that has more. */
const admitLargeRead = createAdmissionControl(262_144);

/** Chunks of one response: a server that writes row by row sends some thousands. */
const maxChunks = 100_000;
const maxInterim = 16;
/** Chunks that are stored as they come: a usual response has no more. */
const chunksAsTheyCome = 16;
/** Later chunks below this are copied: each is a view of all that the socket delivered with it, which it retains. */
const minStoredBytes = 4096;
const blockBytes = 65_536;

/** What is made of a response, or of there being none. */
export interface ResponseReceiver<T> {
  /** Throws the error to reject with for a response that cannot be used. */
  readonly onComplete: (body: Buffer, handler: ResponseHandler<T>) => T;
  /** The error to reject with, for an error of undici or a MisshapenAnswer. */
  readonly onError: (error: unknown, handler: ResponseHandler<T>) => unknown;
}

/**
 * One request and the whole response to it, without a stream in between: bodies are read to their end anyway. Destroys
 * the socket when it is cancelled. Fails with AnswerTooLarge when the body is larger than the limit (a longer
 * content-length is not read), and with MisshapenAnswer for endless chunks or interim responses.
 */
export class ResponseHandler<T> implements Dispatcher.DispatchHandler {
  status = 0;
  headers: RawHeaders = {};
  length = 0;
  readonly #cancelToken: CancelToken;
  readonly #maxBytes: number;
  readonly #receiver: ResponseReceiver<T>;
  readonly #result = Promise.withResolvers<T>();
  #isSettled = false;
  #chunks: Buffer[] = [];
  #chunkCount = 0;
  #interimCount = 0;
  /** The block to which small chunks are copied; its filled part is the last of the chunks. */
  #block: Buffer | null = null;
  #blockLength = 0;
  #controller: Dispatcher.DispatchController | null = null;

  constructor(cancelToken: CancelToken, maxBytes: number, receiver: ResponseReceiver<T>) {
    this.#cancelToken = cancelToken;
    this.#maxBytes = maxBytes;
    this.#receiver = receiver;
  }

  get isSent(): boolean {
    return this.#controller !== null;
  }

  dispatch(dispatcher: Dispatcher, request: Dispatcher.DispatchOptions): Promise<T> {
    this.#cancelToken.onCancel(this.#cancel);
    dispatcher.dispatch(request, this);
    return this.#result.promise;
  }

  // A request in the queue of a connection has no controller yet: it is aborted when it gets one.
  readonly #cancel = (): void => {
    this.#fail(cancelled);
    this.#controller?.abort(cancelled);
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cancelToken.cancelled) controller.abort(cancelled);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: RawHeaders): void {
    if (status < 200) {
      this.#interimCount += 1;
      if (this.#interimCount > maxInterim) {
        this.#refuse(controller, new MisshapenAnswer(`more than ${maxInterim} interim answers`));
      }
      return;
    }
    this.status = status;
    this.headers = headers;
    if (Number(headers["content-length"]) > this.#maxBytes) this.#refuse(controller, this.#tooLarge());
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSettled) return;
    this.length += chunk.length;
    this.#chunkCount += 1;
    if (this.length > this.#maxBytes) this.#refuse(controller, this.#tooLarge());
    else if (this.#chunkCount > maxChunks) {
      this.#refuse(controller, new MisshapenAnswer(`more than ${maxChunks} pieces`));
    } else this.#store(chunk);
  }

  #store(chunk: Buffer): void {
    if (this.#chunkCount <= chunksAsTheyCome || chunk.length >= minStoredBytes) {
      this.#chunks.push(chunk);
      this.#block = null;
      return;
    }
    if (this.#block !== null && this.#blockLength + chunk.length <= blockBytes) this.#chunks.pop();
    else {
      this.#block = Buffer.allocUnsafe(blockBytes);
      this.#blockLength = 0;
    }
    this.#blockLength += chunk.copy(this.#block, this.#blockLength);
    this.#chunks.push(this.#block.subarray(0, this.#blockLength));
  }

  onResponseEnd(): void {
    // Several large responses can be complete in one tick of the event loop: it is not blocked for all of them.
    const admitted = this.length < largeBytes ? null : admitLargeRead(this.length);
    if (admitted === null) this.#complete();
    else void admitted.then(() => this.#complete());
  }

  #complete(): void {
    const chunks = this.#chunks;
    const [only] = chunks;
    if (!this.#settle()) return;
    try {
      const body = chunks.length === 1 && only ? only : Buffer.concat(chunks);
      this.#result.resolve(this.#receiver.onComplete(body, this));
    } catch (error) {
      this.#result.reject(error);
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: unknown): void {
    this.#fail(error);
  }

  #tooLarge(): AnswerTooLarge {
    return new AnswerTooLarge(`more than ${this.#maxBytes} bytes`);
  }

  #refuse(controller: Dispatcher.DispatchController, error: MisshapenAnswer): void {
    this.#fail(error);
    controller.abort(error);
  }

  #fail(error: unknown): void {
    if (this.#settle()) this.#result.reject(this.#receiver.onError(error, this));
  }

  /** True the first time: a cancelled request is reported as a broken connection as well. */
  #settle(): boolean {
    const isFirst = !this.#isSettled;
    this.#isSettled = true;
    // The connection may retain its last handler for a while.
    this.#chunks = [];
    this.#block = null;
    this.#cancelToken.offCancel(this.#cancel);
    return isFirst;
  }
}

/** Made once: nothing reads it, and an error with its stack is expensive. */
const cancelled = new Error("the request was cancelled");

/** How a body is read; `exact-json` yields whole numbers that a JavaScript number cannot represent as their text. */
export type Media = "json" | "exact-json" | "text";

/**
 * Reads JSON whatever the content type is (Zadig's facade labels it text/plain), but no HTML: a page with status 200 is
 * a login form. Error responses that are not JSON have no body for the dialect. Throws MisshapenAnswer.
 */
export function parseBody(bytes: Buffer, media: Media, contentType: string | null, status: number): unknown {
  const whole = bytes.toString("utf8");
  const text = whole.startsWith("\uFEFF") ? whole.slice(1) : whole;
  const isError = status >= 300;
  const isPage = /html/i.test(contentType ?? "") || text.trimStart().startsWith("<");
  if (isPage && !isError) throw new MisshapenAnswer("a web page instead of data");
  if (text.trim() === "") return undefined;
  if (media === "text" && !isError) return text;
  try {
    if (bytes.length >= minCheckedBytes || mayBeDeep(text)) checkShape(bytes);
    return media === "exact-json" && longNumber.test(text) ? parseExactly(text) : JSON.parse(text);
  } catch (error) {
    if (isError) return undefined;
    throw error instanceof MisshapenAnswer ? error : new MisshapenAnswer("not JSON");
  }
}

// Outside of strings: digests contain runs of digits as well.
const longNumber = /(?:^|[:,[])\s*-?\d{16}/;

function parseExactly(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source;
    const isLossy = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
    return isLossy && source !== undefined && /^-?\d+$/.test(source) ? source : value;
  });
}

/** Several times what any of the vendors sends; code that walks a value recursively must not overflow the stack. */
const maxDepth = 64;
/** Lists, objects and their members. An empty list is two bytes of JSON and dozens in memory. */
const maxParts = 1_000_000;
/** Members of one object: in a very large one each takes a microsecond or two to add, a hundred times a list's. */
const maxMembers = 10_000;
const minCheckedBytes = 4 * maxMembers;

/** Whether there are brackets enough: a page of short lists never has them, and counting them costs next to nothing. */
function mayBeDeep(json: string): boolean {
  let left = maxDepth;
  for (const bracket of ["{", "["]) {
    for (let at = json.indexOf(bracket); at >= 0; at = json.indexOf(bracket, at + 1)) {
      left -= 1;
      if (left < 0) return true;
    }
  }
  return false;
}

const [quote, backslash, comma, openList, closeList, openObject, closeObject] = Buffer.from('"\\,[]{}');

/** Throws MisshapenAnswer for JSON of more levels or parts than an honest response has, before it is parsed. */
function checkShape(json: Uint8Array): void {
  let depth = 0;
  let parts = 0;
  /** Commas of the enclosing lists and objects, by depth; a list counts from below zero and is never too long. */
  const members = new Int32Array(maxDepth + 2);
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) {
      // To the end of the string; a character behind a backslash does not end it.
      for (at++; at < json.length && json[at] !== quote; at++) if (json[at] === backslash) at++;
    } else if (byte === openList || byte === openObject) {
      parts++;
      depth++;
      if (depth > maxDepth) throw new MisshapenAnswer(`nested deeper than ${maxDepth} levels`);
      members[depth] = byte === openObject ? 1 : -maxParts;
    } else if (byte === closeList || byte === closeObject) {
      // The parser refuses brackets that close nothing.
      if (depth > 0) depth--;
    } else if (byte === comma) {
      parts++;
      members[depth] = (members[depth] ?? 0) + 1;
      if ((members[depth] ?? 0) > maxMembers) throw new AnswerTooLarge(`an object of more than ${maxMembers} members`);
      if (parts > maxParts) break;
    }
  }
  if (parts > maxParts) throw new AnswerTooLarge(`more than ${maxParts} parts`);
}
