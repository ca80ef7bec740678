// Reads a federated trace from stdin, writes it as JSON.
import { text } from "node:stream/consumers";
import { readTrace } from "./trace.mjs";

process.stdout.write(JSON.stringify(readTrace(await text(process.stdin))));
