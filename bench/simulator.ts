import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { type Answering, bkrepo, gitlab, swr, zadig } from "./bodies.ts";

// Four backends in one process, one port each. A body is made when it is asked for first and served from memory after.
// `node simulator.ts [latencyMs]`; the first line on stdout says where everything is.

const latencyMs = Number(process.argv[2] ?? 0);
const vendors: Readonly<Record<string, Answering>> = { zadig, bkrepo, swr, gitlab };

interface Ready {
  readonly headers: string[];
  readonly body: Buffer;
}

const counts: Record<string, number> = {};

function open(name: string, answering: Answering): Promise<number> {
  const known = new Map<string, Ready>();
  counts[name] = 0;

  const answer = (key: string, url: string, body: string, response: ServerResponse) => {
    counts[name] = (counts[name] ?? 0) + 1;
    let ready = known.get(key);
    if (!ready) {
      const { pathname, searchParams } = new URL(url, "http://simulator");
      const made = answering(pathname, searchParams, body);
      if (made === null) {
        process.stderr.write(`${name}: nothing to answer to ${url} ${body}\n`);
        response.writeHead(404).end("{}");
        return;
      }
      const bytes = Buffer.from(made.text);
      const headers = Object.entries({ ...made.headers, "content-length": String(bytes.length) }).flat();
      ready = { headers, body: bytes };
      known.set(key, ready);
    }
    const { headers, body: bytes } = ready;
    if (latencyMs === 0) response.writeHead(200, headers).end(bytes);
    else setTimeout(() => response.writeHead(200, headers).end(bytes), latencyMs);
  };

  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    const url = request.url ?? "/";
    if (request.method === "GET") return answer(url, url, "", response);
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => answer(`${url} ${body}`, url, body, response));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(portOf(server.address())));
  });
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

const ports: Record<string, number> = {};
for (const [name, answering] of Object.entries(vendors)) ports[name] = await open(name, answering);

// What was asked since the last time, by backend, and the processor time that serving it took.
const control = createServer((_request, response) => {
  const { user, system } = process.cpuUsage();
  response.end(JSON.stringify({ counts, cpuMs: (user + system) / 1000 }));
  for (const name of Object.keys(counts)) counts[name] = 0;
});
control.listen(0, "127.0.0.1", () => {
  ports["control"] = portOf(control.address());
  process.stdout.write(`${JSON.stringify(ports)}\n`);
});
