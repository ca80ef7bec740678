import { backendTypes } from "../backends/index.ts";
import type { BackendKind } from "../model/backend.ts";
import type { Operation } from "../upstream/operation.ts";

const names: Readonly<Record<BackendKind, string>> = {
  ZADIG: "Zadig",
  BKREPO: "bkrepo",
  SWR: "Huawei SWR",
  GITLAB: "GitLab",
};

const head = `# Calls to the backends

Every call that the gateway can make, and so the list of what to allow it: the client sends nothing that is not declared here, and a
test holds every request that the demo backends see against this list. Those with \`POST\` are searches, or ask for a token. All calls
read, but for those that delete: they stand in tables of their own and are made only with \`mutations: true\`.
Paths stand below the configured \`url\`; each \`{part}\` goes out encoded as one segment.

*Printed from the declarations in \`src/backends\` by \`npm run docs\`; a test fails when it is stale.*
`;

/** docs/backends.md: a table for each kind of backend, in the order of the registry. */
export function printCallTable(): string {
  const sections = backendTypes.map(({ kind, operations, removals = [] }) =>
    [
      `## ${names[kind]}`,
      "",
      ...printTable(operations),
      ...(removals.length === 0 ? [] : ["Only with `mutations: true`:", "", ...printTable(removals)]),
    ].join("\n"),
  );
  return [head, ...sections].join("\n");
}

function printTable(operations: readonly Operation[]): string[] {
  return [
    "| call | request | what one call answers | vendor versions |",
    "| --- | --- | --- | --- |",
    ...operations.map(printRow),
    "",
  ];
}

function printRow({ name, method, path, answers, versions }: Operation): string {
  return `| ${[`\`${name}\``, `\`${method} ${path}\``, answers, versions].map(cell).join(" | ")} |`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replace(/\s+/g, " ");
}
