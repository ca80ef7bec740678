import { readFileSync } from "node:fs";
import autocannon from "autocannon";

// One measured stretch: `node load.mjs <url> <file of bodies> <connections> <seconds>`; the result as JSON on stdout.
const [url, file, connections, seconds] = process.argv.slice(2);
const bodies = JSON.parse(readFileSync(file, "utf8"));
const headers = { "content-type": "application/json" };
let client = 0;

const instance = autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  method: "POST",
  headers,
  body: bodies[0],
  // Each client begins elsewhere in the list, so that they do not ask the same at the same time.
  setupClient: (one) => {
    const start = Math.floor((client++ * bodies.length) / Number(connections));
    one.setRequests(
      [...bodies.slice(start), ...bodies.slice(0, start)].map((body) => ({ method: "POST", headers, body })),
    );
  },
});
const result = await instance;
const { p50, p99, average } = result.latency;
process.stdout.write(
  JSON.stringify({
    perSecond: result.requests.total / result.duration,
    p50,
    p99,
    average,
    failed: result.errors + result.timeouts + result.non2xx,
    cpuMs: (process.cpuUsage().user + process.cpuUsage().system) / 1000,
  }),
);
