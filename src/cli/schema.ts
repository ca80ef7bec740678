import { fstatSync, ftruncateSync, readFileSync, writeSync } from "node:fs";
import process from "node:process";
import { printSchemaForm } from "../graph/schema/schema.ts";

const stdout = 1;
const given = process.argv.slice(2);

if (given.some((argument) => argument !== "--subgraph")) {
  process.stderr.write("npm run schema prints the schema; --subgraph prints its federated form.\n");
  process.exitCode = 1;
} else {
  const text = printSchemaForm(given.length > 0 ? "subgraph" : "standalone");
  const start = withoutBanner();
  if (start === null) process.stdout.write(text);
  else writeSync(stdout, text, start);
}

/** Removes the two lines of `npm run` from a file: the place to write at, or null where there are none. */
function withoutBanner(): number | null {
  if (!fstatSync(stdout).isFile()) return null;
  try {
    const printed = readFileSync("/dev/stdout", "utf8");
    const banner = /\n> [^\n]+ schema\n> [^\n]+\n\n$/.exec(printed);
    if (!banner) return null;
    const start = Buffer.byteLength(printed.slice(0, banner.index));
    ftruncateSync(stdout, start);
    return start;
  } catch {
    // Not every system lets a process read what it writes to; `npm run -s` leaves the lines out everywhere.
    return null;
  }
}
