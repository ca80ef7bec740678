import { styleText } from "node:util";

const levels: Readonly<Record<number, readonly [name: string, colour: "cyan" | "yellow" | "red"]>> = {
  30: ["INFO ", "cyan"],
  40: ["WARN ", "yellow"],
  50: ["ERROR", "red"],
};

/** A JSON line of pino as text for people: time of day, level, message, facts. Anything else stays as it is. */
export function prettyLine(json: string, { colours }: { readonly colours: boolean }): string {
  const line = recordOf(json);
  if (line === null) return json;
  const { time, level, msg, err, ...facts } = line;
  const paint = (colour: "cyan" | "yellow" | "red" | "gray", text: string) =>
    colours ? styleText(colour, text, { validateStream: false }) : text;
  const [name, colour] = levels[Number(level)] ?? [String(level), "cyan"];
  const words = Object.entries(facts).map(([key, value]) => paint("gray", `${key}=${textOf(value)}`));
  const [date, clock = date] = String(time).replace(/Z$/, "").split("T");
  return `${[paint("gray", String(clock)), paint(colour, name), String(msg), ...words].join(" ")}\n${errorOf(err)}`;
}

/** The stack below its line, where there is one. */
function errorOf(err: unknown): string {
  const { message, stack } = isRecord(err) ? err : {};
  const lines = Array.isArray(stack) ? stack.map(String) : String(stack ?? message ?? "").split("\n");
  return lines.map((text) => (text === "" ? "" : `    ${harmless(text.trim())}\n`)).join("");
}

function textOf(value: unknown): string {
  return typeof value === "string" && /^[\w.:/@()-]+$/.test(value) ? value : harmless(JSON.stringify(value));
}

/** Without what a terminal obeys: JSON escapes the rest of it. */
function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function recordOf(json: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
