import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { Kind, parse } from "graphql";
import { describe, expect, test } from "vitest";
import { demoBackends } from "../demo/names.ts";
import { backendTypes } from "../src/backends/index.ts";
import { backendKinds } from "../src/model/backend.ts";
import { filesBelow, importsOf, type SourceFile, withoutComments } from "./support/sources.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const sources = [...filesBelow("src", [".ts"]), ...filesBelow("demo", [".ts"])];
const schemas = filesBelow("schema", [".graphql"]).filter(({ path }) => !path.startsWith("schema/printed/"));

/** Every place that breaks a rule, each as `file: what`; the test's message says what to do about it. */
function offences(
  find: (file: SourceFile) => readonly string[],
  files: readonly SourceFile[] = sources,
): readonly string[] {
  return files.flatMap((file) => find(file).map((what) => `${file.path}: ${what}`));
}

/** Ground is 0. Configuration stands beside the graph: both are built on the backends. */
const floors: readonly (readonly [prefix: string, floor: number])[] = [
  ["src/model/", 0],
  ["src/upstream/", 1],
  ["src/backends/", 2],
  ["src/config/index.ts", 3],
  ["src/config/", 3],
  ["src/graph/", 3],
  ["src/server/", 4],
  ["src/cli/", 5],
  ["src/main.ts", 5],
];

function floorOf(path: string): number | null {
  return floors.find(([prefix]) => path.startsWith(prefix))?.[1] ?? null;
}

/** The kind whose folder a file is in; null for what the kinds share and for all else. */
function kindOf(path: string | null): string | null {
  return /^src\/backends\/(?!loading\/|paging\/)([^/]+)\//.exec(path ?? "")?.[1] ?? null;
}

const isDemo = (path: string) => path.startsWith("demo/");

describe("the reading of imports that these rules rest on", () => {
  test("finds every form of import, and none in comments or texts", () => {
    const text = [
      'import { a } from "./a.ts";',
      'import type { B } from "../b.ts";',
      'import "node:fs";',
      'import d, { type D } from "@scope/pack/sub";',
      'export { e } from "./e.ts";',
      'export * from "plain";',
      "import {",
      "  long,",
      '} from "./long.ts";',
      'const lazy = await import("./lazy.ts");',
      '// import { no } from "./no.ts";',
      '/* import { no } from "./no.ts"; */',
      'const said = "import it from elsewhere";',
    ].join("\n");
    const found = importsOf({ path: "src/x/file.ts", text });
    expect(found.map((one) => one.file ?? one.package ?? one.specifier)).toEqual([
      "src/x/a.ts",
      "src/b.ts",
      "node:fs",
      "@scope/pack",
      "src/x/e.ts",
      "plain",
      "src/x/long.ts",
      "src/x/lazy.ts",
    ]);
  });

  test("sees the whole house", () => {
    expect(sources.length).toBeGreaterThan(40);
    expect(sources.flatMap(importsOf).length).toBeGreaterThan(sources.length);
  });
});

describe("imports", () => {
  test("every file stands on a floor", () => {
    const lost = offences(({ path }) => (floorOf(path) === null && !isDemo(path) ? ["stands on no floor"] : []));
    expect(
      lost,
      "move the file to the floor it belongs to, or add its folder to `floors` with a decision record",
    ).toEqual([]);
  });

  test("go down only", () => {
    const upwards = offences((file) => {
      const floor = floorOf(file.path);
      return importsOf(file).flatMap(({ file: target }) => {
        const other = target === null ? null : floorOf(target);
        return floor !== null && other !== null && other > floor
          ? [`imports ${target}, ${other - floor} floors up`]
          : [];
      });
    });
    expect(upwards, "hand the thing in as an argument from above, or move what both need to the lower floor").toEqual(
      [],
    );
  });

  test("make no circles", () => {
    const graph = new Map(
      sources.map((file) => [file.path, importsOf(file).flatMap(({ file: to }) => (to ? [to] : []))]),
    );
    expect(circlesOf(graph), "take the part that both need out into a file of its own").toEqual([]);
  });

  test("of one backend never reach into another", () => {
    const nosy = offences((file) => {
      const own = kindOf(file.path);
      return importsOf(file).flatMap(({ file: target }) => {
        const other = kindOf(target);
        return own !== null && other !== null && other !== own ? [`imports ${target}`] : [];
      });
    });
    expect(nosy, "what two backends share belongs to src/backends itself, to upstream or to model").toEqual([]);
  });

  test("of the fast path go through its entry, so that one switch turns all of it off", () => {
    const inside = /^src\/server\/fast-path\/(?!index\.ts$)/;
    const around = offences((file) =>
      importsOf(file).flatMap(({ file: target }) =>
        !file.path.startsWith("src/server/fast-path/") && inside.test(target ?? "") ? [`imports ${target}`] : [],
      ),
    );
    expect(around, "use what src/server/fast-path/index.ts offers: it is null where the fast path is off").toEqual([]);
  });

  test("of a backend from above go through the registry", () => {
    const around = offences((file) =>
      importsOf(file).flatMap(({ file: target }) =>
        !file.path.startsWith("src/backends/") && kindOf(target) !== null ? [`imports ${target}`] : [],
      ),
    );
    expect(around, "ask through the contract in src/backends/backend.ts: nobody above knows the four by name").toEqual(
      [],
    );
  });

  test("of the demo stay inside the demo, and only the roof starts it", () => {
    const leaving = offences((file) =>
      importsOf(file).flatMap(({ file: target }) => {
        if (target === null) return [];
        if (isDemo(file.path)) return isDemo(target) ? [] : [`imports ${target}`];
        return isDemo(target) && floorOf(file.path) !== 5 ? [`imports ${target}`] : [];
      }),
    );
    expect(
      leaving,
      "the demo speaks to the gateway over HTTP like the real systems: write down what it needs once more",
    ).toEqual([]);
  });
});

/** Where each foreign package may be spoken; `@scope/*` stands for a whole scope. */
const homes: Readonly<Record<string, readonly string[]>> = {
  undici: ["src/upstream/"],
  dataloader: ["src/backends/"],
  zod: ["src/backends/", "src/config/"],
  yaml: ["src/config/", "src/graph/"],
  graphql: ["src/graph/", "src/server/"],
  "@graphql-tools/*": ["src/graph/", "src/server/graphql/"],
  "content-type": ["src/server/http/"],
  "@graphql-yoga/*": ["src/server/"],
  pino: ["src/server/"],
  "prom-client": ["src/server/"],
  "@opentelemetry/*": ["src/server/"],
  jose: ["src/server/"],
  "packageurl-js": ["src/model/"],
  semver: ["src/model/"],
};

describe("foreign packages", () => {
  test("stay in their homes", () => {
    const astray = offences((file) =>
      importsOf(file).flatMap(({ package: name }) => {
        if (name === null) return [];
        const home = homes[name] ?? homes[`${name.split("/")[0]}/*`];
        return home?.some((folder) => file.path.startsWith(folder)) ? [] : [`speaks ${name}`];
      }),
    );
    expect(
      astray,
      "call the floor that wraps the package; a new package needs a home in `homes` and a decision record",
    ).toEqual([]);
  });

  test("are all declared, and each home is lived in", () => {
    const declared: unknown = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
    const used = new Set(sources.flatMap(importsOf).flatMap(({ package: name }) => (name === null ? [] : [name])));
    expect(declared).toMatchObject({
      dependencies: Object.fromEntries([...used].map((name) => [name, expect.any(String)])),
    });
    const empty = Object.keys(homes).filter(
      (home) => ![...used].some((name) => name === home || home === `${name.split("/")[0]}/*`),
    );
    expect(empty, "take the home away with the last import of its package").toEqual([]);
  });

  test("for the running gateway each have a reason in the list of decisions", () => {
    const list = readFileSync(`${root}docs/decisions/0030-each-dependency-has-a-reason.md`, "utf8");
    const listed = [...list.matchAll(/^\| `([^`]+)` \| \S/gm)].map(([, name]) => name);
    const { dependencies }: { dependencies: object } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
    expect(listed.toSorted(), "say why it is not written here, or make it a development dependency").toEqual(
      Object.keys(dependencies).toSorted(),
    );
  });

  test("of Node that open sockets are used where sockets are allowed", () => {
    const talkers = offences((file) =>
      importsOf(file).flatMap(({ specifier }) =>
        /^node:(?:http|https|http2|net|tls|dgram|dns)$/.test(specifier) &&
        !/^(?:src\/server|demo)\//.test(file.path) &&
        !(specifier === "node:net" && /\bimport \{ (?:BlockList, )?isIP \} from "node:net"/.test(file.text))
          ? [`imports ${specifier}`]
          : [],
      ),
    );
    expect(talkers, "sockets stop at the first floor: call out through src/upstream").toEqual([]);
    const fetching = offences(({ path, text }) =>
      !isDemo(path) && /(?<![.\w])fetch\(\s*(?:["'`]|new URL|new Request|url\b)|globalThis\.fetch/.test(code(text))
        ? ["calls fetch"]
        : [],
    );
    expect(fetching, "call out through src/upstream: fetch has no breaker, no budget and no deadline").toEqual([]);
  });
});

describe("the process", () => {
  test("reads its environment in main.ts and config.ts only", () => {
    const readers = offences(({ path, text }) =>
      /\bprocess\s*(?:\.\s*env\b|\[)|\benv\b[^;]*from "node:process"/.test(code(text)) &&
      !/^src\/(?:main\.ts|config\/)/.test(path)
        ? ["reads the environment"]
        : [],
    );
    expect(readers, "take the value from Config: what is configured in one place can be checked in one place").toEqual(
      [],
    );
  });

  test("speaks on stdout and stderr from the roof only", () => {
    const talkers = offences(({ path, text }) =>
      /\bconsole\s*\.|\bprocess\s*\.\s*std(?:out|err)\b/.test(code(text)) && floorOf(path) !== 5
        ? ["writes to the terminal"]
        : [],
    );
    expect(talkers, "stdout holds the ready line and nothing else: use the log").toEqual([]);
  });
});

describe("the schema", () => {
  test("has resolvers for each file, and a file for all resolvers", () => {
    const nouns = schemas.flatMap(({ path }) => /^schema\/([^/]+)\.graphql$/.exec(path)?.[1] ?? []);
    const resolvers = sources.flatMap(({ path }) => /^src\/graph\/resolvers\/([^/]+)\.ts$/.exec(path)?.[1] ?? []);
    // The federation machinery resolves itself: there is nothing of ours in it. The others are what resolvers share.
    const shared = new Set(["index", "connection", "selection"]);
    expect(
      resolvers.filter((name) => !shared.has(name)),
      "schema/X.graphql and src/graph/resolvers/X.ts come in pairs: write the one that is missing",
    ).toEqual(nouns.filter((noun) => noun !== "federation").toSorted());
  });

  test("names the same kinds of backend as the model, the registry and the demo", () => {
    const definitions = schemas.flatMap(({ text }) => parse(text).definitions);
    const kinds = definitions.flatMap((node) =>
      node.kind === Kind.ENUM_TYPE_DEFINITION && node.name.value === "BackendKind"
        ? (node.values ?? []).map(({ name }) => name.value)
        : [],
    );
    expect(kinds.toSorted(), "a new kind is a value in schema/backend.graphql and in src/model/backend.ts").toEqual(
      backendKinds.toSorted(),
    );
    expect(backendTypes.map(({ kind }) => kind).toSorted(), "a new kind is a line in src/backends/index.ts").toEqual(
      backendKinds.toSorted(),
    );
    expect(
      [...new Set(demoBackends.map(({ kind }) => kind.toUpperCase()))].toSorted(),
      "a new kind is a fake in demo/<kind>.ts, which demo/names.ts and demo/estate.ts name",
    ).toEqual(backendKinds.toSorted());
  });
});

/**
 * Words of vendors that are published: the field `zadigId`, and the first word of the id of an artifact that was met as a
 * record. `zadig` in src/graph/artifact is the backend that keeps such records.
 */
const publishedWords = /\b(?:zadigId|releaseByZadigId|zadigs?|askZadig\w*)\b/g;

describe("the kinds of backend", () => {
  const words = backendTypes.flatMap(({ kind, displayName }) => [kind, ...displayName.split(" ")]);

  test("are named by nothing above their folders", () => {
    const namers = offences(({ path, text }) => {
      if ((floorOf(path) ?? 0) <= 2 || path.startsWith("src/graph/generated/")) return [];
      const checked = code(text).replace(publishedWords, "");
      const named = words.filter((word) => new RegExp(`(?<![a-z])${word}`, "i").test(checked));
      return [...new Set(named.map((word) => `names ${word.toLowerCase()}`))];
    });
    expect(namers, "declare what differs in `BackendType`, and read it from `backend.type`").toEqual([]);
  });
});

describe("the operations", () => {
  const operations = backendTypes.flatMap(({ kind, operations }) =>
    operations.map((operation) => ({ kind, ...operation })),
  );

  test("of each kind are many, have unlike names, and are named after their kind", () => {
    for (const kind of backendKinds) expect(operations.filter((one) => one.kind === kind)).not.toEqual([]);
    const names = operations.map(({ name }) => name);
    expect(
      names.filter((name, index) => names.indexOf(name) !== index),
      "two calls of one name cannot be told apart",
    ).toEqual([]);
    const strange = operations.filter(
      ({ kind, name }) => !new RegExp(`^${kind.toLowerCase()}\\.[a-z][A-Za-z]+$`).test(name),
    );
    expect(strange, "name a call <kind>.<verb>, such as swr.listTags").toEqual([]);
  });
});

describe("names", () => {
  test("of files are kebab-case nouns that say what is inside", () => {
    const vague = offences(({ path }) => {
      const name = path.replace(/^.*\//, "").replace(/\.ts$/, "");
      if (!/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name)) return ["is not kebab-case"];
      const vagueWord = /^(?:utils?|helpers?|common|services?|managers?|misc|shared|lib)$/;
      return path.split(/[/.]/).some((part) => vagueWord.test(part)) ? ["says nothing about what is inside"] : [];
    });
    expect(vague, "name the file after the one thought it holds").toEqual([]);
  });
});

describe("the repository", () => {
  test("knows no machine it was written on", () => {
    const places = [root, `${homedir()}/`].filter((place) => place.length > 3);
    const registry = process.env["npm_config_registry"];
    const registryHost =
      registry !== undefined && URL.canParse(registry) ? new URL(registry).host : "registry.npmjs.org";
    const tell = [...places, ...(registryHost === "registry.npmjs.org" ? [] : [registryHost])];
    const found = trackedFiles().flatMap((path) => {
      const text = readFileSync(`${root}${path}`, "utf8");
      return tell.filter((word) => text.includes(word)).map((word) => `${path}: ${word}`);
    });
    expect(found, "write paths from the top of the repository, and no addresses of package registries").toEqual([]);
  });

  test("locks packages by hash and not by address", () => {
    for (const folder of ["", "test/federation/", "examples/frontend/"]) {
      expect(readFileSync(`${root}${folder}package-lock.json`, "utf8")).not.toContain('"resolved": "http');
    }
  });
});

function code(text: string): string {
  return withoutComments(text);
}

/** The shortest circle through each file that lies on one, printed once. */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const circles = new Set<string>();
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      const circle = trail.slice(start);
      const first = circle.toSorted()[0] ?? path;
      const turned = [...circle.slice(circle.indexOf(first)), ...circle.slice(0, circle.indexOf(first)), first];
      circles.add(turned.join(" → "));
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return [...circles].toSorted();
}

/** What git would commit; where there is no git, everything that was written by hand. */
function trackedFiles(): readonly string[] {
  const text = /\.(?:ts|js|mjs|json|jsonc|md|yaml|yml|graphql|sh|txt)$|(?:^|\/)(?:run|LICENSE|\.[a-z]+)$/;
  try {
    const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    // A file may be deleted and not yet committed.
    return listed.split("\n").filter((path) => text.test(path) && existsSync(`${root}${path}`));
  } catch {
    return ["src", "test", "schema", "docs"]
      .flatMap((folder) => filesBelow(folder, [".ts", ".json", ".md", ".graphql"]))
      .map(({ path }) => path);
  }
}
