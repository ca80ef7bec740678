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

/**
 * `npm run` says two lines about itself on stdout before it starts a script. In a file they would make the schema
 * unreadable, so there they are taken back: the place to go on from, or null where stdout is no file or they are
 * absent.
 */
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
