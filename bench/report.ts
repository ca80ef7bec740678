import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import process from "node:process";
import { root } from "./launch.ts";

const file = `${root}docs/performance.md`;

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A number with as many digits as say something. */
export function figure(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Puts each chapter between its own two marks in docs/performance.md. */
export function writeReport(chapters: Readonly<Record<string, string>>): void {
  if (!existsSync(file)) throw new Error("docs/performance.md is not there");
  let text = readFileSync(file, "utf8");
  for (const [name, chapter] of Object.entries({ ...chapters, machine: machine() })) {
    const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/performance.md has no place for ${name}`);
    text = `${text.slice(0, from + begin.length)}\n\n${chapter}\n\n${text.slice(to)}`;
  }
  writeFileSync(file, text);
}

function machine(): string {
  const [cpu] = cpus();
  return `Measured on ${cpus().length} cores (${cpu?.model.trim() ?? "unknown"}), Node ${process.version}, ${new Date().toISOString().slice(0, 10)}.`;
}
