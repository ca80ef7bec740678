import { writeFileSync } from "node:fs";
import { printCallTable } from "./call-table.ts";

writeFileSync(new URL("../../docs/backends.md", import.meta.url), printCallTable());
