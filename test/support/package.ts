import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A package of its own below `test/`, whose dependencies must not meet the gateway's. */
export interface TestPackage {
  /** Runs a script of it with this very Node: `input` as JSON on stdin, the answer as JSON from stdout. */
  readonly run: (script: string, input: unknown, args?: readonly string[]) => Promise<unknown>;
  /** Absolute path of a file in it. */
  readonly path: (name: string) => string;
}

/** Installs what its lockfile names, once: again only when the lockfile has changed. */
export async function testPackage(folder: string): Promise<TestPackage> {
  const path = (name: string) => join(root, folder, name);
  const hash = createHash("sha256")
    .update(readFileSync(path("package-lock.json")))
    .digest("hex");
  const mark = path("node_modules/.lockfile-hash");
  if (!existsSync(mark) || readFileSync(mark, "utf8") !== hash) {
    await finished("npm", ["ci", "--ignore-scripts", "--prefix", path("")], "");
    writeFileSync(mark, hash);
  }
  return {
    path,
    run: async (script, input, args = []) =>
      JSON.parse(await finished(process.execPath, [path(script), ...args], JSON.stringify(input))),
  };
}

function finished(command: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["pipe", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said.stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(said.stdout);
      else reject(new Error(`${command} ${args[0]} ended with ${code}: ${said.stderr}${said.stdout.slice(-2000)}`));
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
