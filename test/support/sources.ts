import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** One file of the repository as text, by its path from the top. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What a file imports: another file of ours by its path from the top, or a package. */
export interface Import {
  readonly specifier: string;
  /** Path from the top, null for packages and Node's own modules. */
  readonly file: string | null;
  /** Name of the package with its scope, null for files and Node's own modules. */
  readonly package: string | null;
}

/** The files below a folder whose names end so, sorted by path; generated and installed ones left out. */
export function filesBelow(folder: string, endings: readonly string[]): readonly SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).replaceAll("\\", "/"))
    .filter((path) => !/(?:^|\/)(?:node_modules|generated|dist|\.git)\//.test(path))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

/** Every import of a file: of values, of types, for effect, as re-export and as a call. */
export function importsOf({ path, text }: SourceFile): readonly Import[] {
  const code = withoutComments(text);
  const statements = /(?:^|[;\n])\s*(?:import|export)\s(?:[^;"'`]*?\sfrom\s*)?["']([^"']+)["']/g;
  const calls = /\bimport\s*\(\s*["']([^"']+)["']/g;
  return [...code.matchAll(statements), ...code.matchAll(calls)].map(([, specifier = ""]) => {
    const file = specifier.startsWith(".") ? posix.join(dirname(path), specifier) : null;
    const own = file !== null || specifier.startsWith("node:");
    const parts = specifier.split("/");
    return {
      specifier,
      file,
      package: own ? null : parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/"),
    };
  });
}

/** The code of a file: what is only said about it must not count. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<=^|[\s;{}(),])\/\/[^\n]*/g, "");
}
