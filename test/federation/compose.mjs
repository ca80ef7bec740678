// Reads { sdl } from stdin, writes what the composers make of it together with the other team's subgraph.
import { json } from "node:stream/consumers";
import { annotationsSdl } from "./annotations.mjs";
import { composeEverywhere } from "./composition.mjs";

const { sdl } = await json(process.stdin);
const subgraphs = [
  { name: "delivery", url: "http://127.0.0.1:1/graphql", sdl },
  { name: "annotations", url: "http://127.0.0.1:2/graphql", sdl: annotationsSdl },
];
process.stdout.write(JSON.stringify(composeEverywhere(subgraphs)));
