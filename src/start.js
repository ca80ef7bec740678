import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// JavaScript, because Node would load what strips types, 20 MB, to read this very file. From the second start on nothing
// else needs it either: stripped and compiled code is found where the first one left it. The folder belongs to whoever
// owns the code (in a shared one, others could leave code for us); where it cannot be written to, every start is a first.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/delivery-graph", import.meta.url)));

await import("./main.ts");
