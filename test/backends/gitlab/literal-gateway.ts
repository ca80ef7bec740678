import { startWith } from "../../support/started.ts";
import { type LiteralOptions, serveLiteral } from "./literal.ts";

export interface GatewaySettings {
  /** Merged over the settings of the backend `gitlab`. */
  readonly backend?: Readonly<Record<string, unknown>>;
  /** More backends. */
  readonly others?: readonly Readonly<Record<string, unknown>>[];
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** An answer of the gateway. */
export interface Told {
  readonly data: unknown;
  readonly errors: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions: { readonly code: string };
  }[];
  readonly codes: readonly string[];
}

/** Every value under this key, wherever it stands in the data, in order. */
export function every(data: unknown, key: string): unknown[] {
  if (typeof data !== "object" || data === null) return [];
  return Object.entries(data).flatMap(([name, value]) => [...(name === key ? [value] : []), ...every(value, key)]);
}

/** The one value under this key that all of them are. */
export function theOne(data: unknown, key: string): unknown {
  const values = new Set(every(data, key));
  if (values.size !== 1) throw new Error(`expected one value of "${key}": ${JSON.stringify([...values])}`);
  return [...values][0];
}

/** The gateway over a literal GitLab, asked over a socket; `ask` forgets what was asked of GitLab before. */
export async function gatewayOver(
  options: LiteralOptions,
  { backend = {}, others = [], settings = {} }: GatewaySettings = {},
) {
  const gitlab = await serveLiteral(options);
  const base = { kind: "gitlab", name: "gitlab", url: gitlab.url, hosts: ["registry.test"], retries: 0 };
  const gateway = await startWith({ backends: [{ ...base, ...backend }, ...others], ...settings });
  return {
    gitlab,
    ask: async (query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<Told> => {
      gitlab.asked.length = 0;
      const response = await fetch(`${gateway.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors = [] }: Partial<Told> = await response.json();
      if (data === undefined) throw new Error(JSON.stringify(errors));
      return { data, errors, codes: errors.map(({ extensions }) => extensions.code) };
    },
    stop: async () => {
      await gateway.stop(0);
      await gitlab.stop();
    },
  };
}
