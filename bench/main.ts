import process from "node:process";
import { parseArgs } from "node:util";
import { growth, hotKeys, latency, memory, startUp, throughput } from "./chapters.ts";
import { install } from "./launch.ts";
import { writeReport } from "./report.ts";

// `npm run bench`: everything, about twelve minutes. `npm run bench -- --quick`: the same with short stretches and few
// rounds, below two minutes; it writes no file. `--only throughput` measures one chapter. `--minutes 10` is how long memory is
// watched under load.

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, only: { type: "string" }, minutes: { type: "string" } },
});
const pace = values.quick
  ? { rounds: 1, seconds: 1, warmSeconds: 0, soakSeconds: 3, draws: false }
  : { rounds: 5, seconds: 3, warmSeconds: 2, soakSeconds: Number(values.minutes ?? 1) * 60, draws: true };

install("bench");
const chapters = { throughput, hotKeys, latency, memory, startUp, growth };
const written: Record<string, string> = {};
for (const [name, chapter] of Object.entries(chapters)) {
  if (values.only !== undefined && values.only !== name) continue;
  const text = await chapter(pace);
  written[name] = text;
  process.stdout.write(`${text}\n\n`);
}
if (!values.quick) writeReport(written);
