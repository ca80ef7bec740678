// Writes everything that is generated: types for operations.ts, and Relay's artifacts with their manifest.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const cwd = fileURLToPath(new URL(".", import.meta.url));

const commands = [
  ["node_modules/@graphql-codegen/cli/cjs/bin.js", "--config", "codegen.ts", "--silent"],
  ["node_modules/relay-compiler/cli.js", "relay.config.json"],
];
if (!commands.every(([file]) => existsSync(`${cwd}${file}`))) {
  process.stderr.write("The generators are not installed: npm ci\n");
  process.exit(1);
}

// The compiler adds to its manifest what has changed, and takes nothing away: a clean start is the only whole one.
rmSync(`${cwd}relay/__generated__`, { recursive: true, force: true });
mkdirSync(`${cwd}relay/__generated__`);
writeFileSync(`${cwd}relay/persisted.json`, "{}\n");

for (const command of commands) {
  const { status } = spawnSync(process.execPath, command, { cwd, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
