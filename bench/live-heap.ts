import { ServerResponse } from "node:http";
import process from "node:process";
import { readConfig } from "../src/config/index.ts";
import { startGateway } from "../src/server/gateway.ts";
import { configuration } from "./servers.ts";

// The gateway in a process that looks at its heap: `node --expose-gc live-heap.ts <addresses as JSON>`. For each answer one
// line on stdout: the bytes that were alive for it, at the moment when they were most.

const { gc } = globalThis;
if (gc === undefined) throw new Error("start with --expose-gc");

function alive(): number {
  gc?.({ type: "major", execution: "sync" });
  // What buffers held is counted off when the next collection begins.
  gc?.({ type: "major", execution: "sync" });
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

let before = 0;
let highest = 0;
const look = () => {
  highest = Math.max(highest, alive());
};
const begin = () => {
  before = alive();
  highest = before;
};

// Much is held when an upstream answer has come, when a batch has been read, when the answer is written down, and when it
// goes to the socket.
JSON.stringify = new Proxy(JSON.stringify, {
  apply: (target, self, given: Parameters<typeof JSON.stringify>) => {
    const [value]: unknown[] = given;
    if (typeof value === "object" && value !== null && "data" in value) look();
    return Reflect.apply(target, self, given);
  },
});
ServerResponse.prototype.end = new Proxy(ServerResponse.prototype.end, {
  apply: (target, self, given) => {
    look();
    process.stdout.write(`${highest - before} bytes\n`);
    return Reflect.apply(target, self, given);
  },
});

const addresses: Readonly<Record<string, string>> = JSON.parse(process.argv[2] ?? "{}");
const settings = "auth: { anonymousScopes: [read, release:manifests] }\nlimits: { cost: 100000 }";
const reading = readConfig(configuration(addresses, settings), {});
if ("problems" in reading) throw new Error(JSON.stringify(reading.problems));
const silent = () => undefined;
const { url } = await startGateway({
  config: reading.config,
  log: { info: silent, warn: silent, error: silent },
  version: "bench",
  observers: [{ started: begin, exchanged: look, loaded: look }],
});
process.stdout.write(`ready on ${url}\n`);
