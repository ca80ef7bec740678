import { readFileSync } from "node:fs";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** What a bill of materials and a lockfile have that is looked at here. */
interface Bill {
  readonly components: readonly { readonly "bom-ref": string; readonly name: string; readonly version: string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
  readonly metadata: { readonly component: { readonly "bom-ref": string; readonly name: string } };
}

interface Lock {
  readonly name: string;
  readonly packages: Readonly<
    Record<string, { readonly version?: string; readonly dev?: boolean; readonly devOptional?: boolean }>
  >;
}

/** The bill of what runs. npm's `--omit=dev` omits packages that a development tool needs as well. */
export function billOf<B extends Bill>(whole: B, { name, packages }: Lock): B {
  const running = new Set(
    Object.entries(packages).flatMap(([path, { version, dev, devOptional }]) =>
      path === "" || dev || devOptional ? [] : [`${path.replace(/^.*node_modules\//, "")}@${version}`],
    ),
  );
  const components = whole.components.filter((one) => running.has(`${one.name}@${one.version}`));
  const root = whole.metadata.component;
  const refs = new Set([root["bom-ref"], ...components.map((one) => one["bom-ref"])]);
  return {
    ...whole,
    // npm calls the product after the folder it stands in.
    metadata: { ...whole.metadata, component: { ...root, name } },
    components,
    dependencies: whole.dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) })),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const whole: Bill = JSON.parse(await text(process.stdin));
  const lock: Lock = JSON.parse(
    readFileSync(fileURLToPath(new URL("../../package-lock.json", import.meta.url)), "utf8"),
  );
  process.stdout.write(`${JSON.stringify(billOf(whole, lock), null, 2)}\n`);
}
