import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { backendTypes } from "../backends/index.ts";
import type { Operation, Proof } from "../upstream/operation.ts";

const head = `# Calls to the backends

Every call that the gateway can make, and so the list of what to allow it: the client sends nothing that is missing
here, and a test holds every request that the demo backends see against this list. Those with \`POST\` are searches,
or ask for a token. All calls read, but for those that delete: they stand in tables of their own and are made only
with \`mutations: true\`. Paths stand below the configured \`url\`; each \`{part}\` goes out encoded as one segment.

The last column says what a call's silence proves, and so what the graph may call \`ABSENT\` because of it. *Its key*:
the call reads exactly one key under the plain right to read, and "no such thing" means this very key. *Its whole
list*: the call lists a place under the plain right to read, and what is not in the list, walked to its end with its
count met and no row lost, is not in the place. *Its filter*: the call's filter answers at least all that matches, in
every supported version by the vendor's own source, so that what is missing from its rows, compared again, is not
there. *Nothing*: the call sees less than may be read, or spells names otherwise: after its silence another call is
made, or the graph answers that no backend could tell.

*Printed from the declarations in \`src/backends\` by \`npm run docs\`; a test fails when it is stale.*
`;

/** docs/backends.md: a table for each kind of backend, in the order of the registry. */
export function printCallTable(): string {
  const sections = backendTypes.map(({ displayName, operations, removals = [] }) =>
    [
      `## ${displayName}`,
      "",
      ...printTable(operations),
      ...(removals.length === 0 ? [] : ["Only with `mutations: true`:", "", ...printTable(removals)]),
    ].join("\n"),
  );
  return [head, ...sections].join("\n");
}

function printTable(operations: readonly Operation[]): string[] {
  return [
    "| call | request | what one call answers | vendor versions | what its silence proves |",
    "| --- | --- | --- | --- | --- |",
    ...operations.map(printRow),
    "",
  ];
}

function printRow({ name, method, path, answers, versions, proves }: Operation): string {
  const silence = proves.length === 0 ? "nothing" : proves.map((proof) => proofNames[proof]).join(", ");
  return `| ${[`\`${name}\``, `\`${method} ${path}\``, answers, versions, silence].map(cell).join(" | ")} |`;
}

const proofNames: Readonly<Record<Proof, string>> = {
  KEYED_READ: "its key",
  WHOLE_LIST: "its whole list",
  COMPLETE_FILTER: "its filter",
};

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replace(/\s+/g, " ");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(new URL("../../docs/backends.md", import.meta.url), printCallTable());
}
