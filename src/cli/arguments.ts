import { parseArgs } from "node:util";
import type { Fault } from "../../demo/server.ts";
import { nearest } from "../config/problems.ts";

/** What the process was asked to do. */
export type Command =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "config-schema" }
  | { readonly kind: "check"; readonly file: string; readonly connect: boolean }
  /** `found`: the file was not named, but is in the working folder. */
  | { readonly kind: "serve"; readonly file: string; readonly found: boolean }
  | { readonly kind: "demo"; readonly faults: ReadonlyMap<string, Fault> };

/** A refusal to start: one sentence for the person who started the process. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** The configuration that is used where none is named, from the working folder. */
export const usualFile = "gateway.yaml";

/** A demo backend as `--fault` may call it. */
export interface Faultable {
  readonly name: string;
  readonly kind: string;
}

const options = {
  config: { type: "string" },
  check: { type: "boolean" },
  connect: { type: "boolean" },
  demo: { type: "boolean" },
  fault: { type: "string", multiple: true },
  "config-schema": { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

/** Text of `--help`. */
export const usage = `delivery-graph: one GraphQL graph over delivery systems, registries and code hosts

  npm start                                   serve the gateway.yaml of this folder; where there is none, the demo:
                                              four made-up backends on this machine, no network needed
  npm start -- --config /etc/gateway.yaml     serve the backends of another configuration
  npm start -- --check --config gateway.yaml  say ok, or everything that is wrong with it; opens no socket
  npm start -- --check --connect --config …   ask each backend and each configured place once, and say what was found
  npm start -- --demo --fault <name>=down     the demo with a fault; may be given once for each backend

Installed as a package, the command is delivery-graph instead of npm start --

Options
  --config <file>         configuration to serve or to check; default gateway.yaml in this folder, if it is there
  --check                 check the configuration and leave
  --connect               with --check: also ask the backends; exit code 1 where one, or a place in it, cannot be read
  --demo                  the demo, whatever else is there; without it, NODE_ENV=production never starts the demo
  --fault <name>=<fault>  by name or kind of a demo backend; faults are down, slow:<ms>, throttle, html,
                          malformed, flaky:<percent> and empty
  --config-schema         print the JSON Schema of the configuration file
  --help, -h              print this text
  --version, -v           print the version

PORT and HOST override server.port and server.host.
`;

/**
 * Reads the command line. `production`: `NODE_ENV` forbids made-up data; `hasFile`: the working folder has a
 * `gateway.yaml`. Throws a {@link Refusal} that says what to write instead.
 */
export function readArguments(
  given: readonly string[],
  demoBackends: readonly Faultable[],
  { production, hasFile }: { readonly production: boolean; readonly hasFile: boolean },
): Command {
  const { values, tokens } = parseArgs({ args: [...given], options, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional") throw new Refusal(`There is no place for "${token.value}". See --help.`);
    if (token.kind === "option") checkOption(token.name, token.rawName, token.value);
  }
  if (values.help) return { kind: "help" };
  if (values.version) return { kind: "version" };
  if (values["config-schema"]) return { kind: "config-schema" };

  const named = typeof values.config === "string" ? values.config : null;
  const file = named ?? (hasFile && !values.demo ? usualFile : null);
  const faults = (values.fault ?? []).filter((fault) => typeof fault === "string");
  if (values.demo && named !== null)
    throw new Refusal("--demo and --config exclude each other: the demo has its own configuration.");
  if (values.check) {
    if (file === null) throw new Refusal("--check needs --config <file>: it checks that file.");
    if (faults.length > 0) throw new Refusal("--fault needs the demo: leave out --check.");
    return { kind: "check", file, connect: values.connect === true };
  }
  if (values.connect) throw new Refusal("--connect needs --check: it asks what the configuration names, and leaves.");
  if (file === null) {
    if (production && !values.demo) throw new Refusal(noDemo);
    return { kind: "demo", faults: readFaults(faults, demoBackends) };
  }
  if (faults.length > 0) {
    const way = named === null ? `add --demo, since this folder has a ${usualFile}` : "leave out --config";
    throw new Refusal(`--fault needs the demo: ${way}.`);
  }
  return { kind: "serve", file, found: named === null };
}

const noDemo =
  `There is no configuration: give --config <file>, or start where a ${usualFile} is. ` +
  "With NODE_ENV=production the demo and its made-up data start only with --demo.";

function checkOption(name: string, written: string, value: string | undefined): void {
  const known = Object.entries(options).find(([option]) => option === name)?.[1];
  if (known === undefined) {
    const near = nearest(name, Object.keys(options));
    throw new Refusal(`There is no option ${written}${near === null ? "" : `; did you mean --${near}`}. See --help.`);
  }
  if (known.type === "boolean" && value !== undefined) throw new Refusal(`${written} takes no value.`);
  if (known.type === "string" && !value) throw new Refusal(`${written} needs a value. See --help.`);
}

function readFaults(given: readonly string[], backends: readonly Faultable[]): ReadonlyMap<string, Fault> {
  const faults = new Map<string, Fault>();
  for (const text of given) {
    const cut = text.indexOf("=");
    const who = cut < 0 ? text : text.slice(0, cut);
    const backend = backends.find(({ name }) => name === who) ?? backends.find(({ kind }) => kind === who);
    if (backend === undefined) {
      throw new Refusal(
        `--fault ${text}: "${who}" is no demo backend; there are ${backends.map(({ name }) => name).join(", ")}.`,
      );
    }
    const fault = cut < 0 ? null : readFault(text.slice(cut + 1));
    if (fault === null) {
      throw new Refusal(
        `--fault ${text}: write ${who}=<fault>, where a fault is down, slow:<ms>, throttle, html, malformed, ` +
          "flaky:<percent> or empty.",
      );
    }
    if (faults.has(backend.name)) throw new Refusal(`--fault: ${backend.name} can have one fault at a time.`);
    faults.set(backend.name, fault);
  }
  return faults;
}

const longestMs = 600_000;

/** Reads `down`, `slow:<ms>`, `throttle`, `html`, `malformed`, `flaky:<percent>` or `empty`; null for anything else. */
function readFault(text: string): Fault | null {
  const [, word, number] = /^([a-z]+)(?::(\d{1,6}))?$/.exec(text) ?? [];
  if (number !== undefined) {
    const amount = Number(number);
    if (word === "slow" && amount <= longestMs) return { kind: "slow", ms: amount };
    if (word === "flaky" && amount <= 100) return { kind: "flaky", percent: amount };
    return null;
  }
  const isKind = word === "down" || word === "throttle" || word === "html" || word === "malformed" || word === "empty";
  return isKind ? { kind: word } : null;
}
