import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";

// Requests at an even rate, answered or not: `node paced.mjs <url> <file of bodies> <connections> <seconds> <rate>`; the
// result as JSON on stdout. Time counts from the moment when a request was due, so that waiting for a connection shows.
// autocannon is no help here: with a rate it sends the whole second's share of each client at once.
const [url, file, connections, seconds, rate] = process.argv.slice(2);
const bodies = JSON.parse(readFileSync(file, "utf8"));
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) });
const total = Math.max(1, Math.round(Number(rate) * Number(seconds)));
const every = 1000 / Number(rate);
const times = [];
let failed = 0;
let sent = 0;

const startedAt = performance.now();
await new Promise((resolve) => {
  const settle = (due, isGood) => {
    times.push(performance.now() - due);
    if (!isGood) failed++;
    if (times.length === total) resolve();
  };
  const send = (body, due) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sending = request(url, { agent, method: "POST", headers }, (response) => {
      response.resume();
      response.on("end", () => settle(due, response.statusCode === 200));
    });
    sending.on("error", () => settle(due, false));
    sending.end(body);
  };
  const pace = setInterval(() => {
    const now = performance.now();
    for (; sent < total && startedAt + sent * every <= now; sent++) {
      // Neighbours in time ask for keys that lie far apart.
      send(bodies[(sent * 37) % bodies.length], startedAt + sent * every);
    }
    if (sent === total) clearInterval(pace);
  }, 1);
});
agent.destroy();

times.sort((a, b) => a - b);
const quantile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
const perSecond = (total * 1000) / (performance.now() - startedAt);
process.stdout.write(JSON.stringify({ perSecond, p50: quantile(0.5), p99: quantile(0.99), failed }));
