import { z } from "zod";
import type { BackendTraits, Capability } from "../model/backend.ts";
import type { EnvironmentProxies, NetworkSettings } from "../upstream/connections.ts";
import type { Operation } from "../upstream/operation.ts";
import type { Backend, BackendType, Permission } from "./backend.ts";
import { bkrepo } from "./bkrepo/index.ts";
import { gitlab } from "./gitlab/index.ts";
import { swr } from "./swr/index.ts";
import { zadig } from "./zadig/index.ts";

/** One entry under `backends:`, checked and ready to be opened; its settings, and so its credentials, stay inside. */
export interface ConfiguredBackend {
  readonly name: string;
  readonly type: BackendTraits;
  readonly capabilities: readonly Capability[];
  /** Every call it can make. */
  readonly operations: readonly Operation[];
  /** Opens the backend for the life of the process; sends nothing. `proxies` apply where its settings name none. */
  readonly connect: (permission?: Permission, proxies?: EnvironmentProxies) => Backend;
}

// A new kind of backend is one line here, and one of the imports above.
const kinds = [configurable(zadig), configurable(bkrepo), configurable(swr), configurable(gitlab)] as const;

/** One entry under `backends:`; its `kind` decides which kind of backend it is. */
export const configuredBackend = z.union(kinds.map(({ schema }) => schema));

/** Every kind of backend, with the calls it can make. */
export const backendTypes: readonly (BackendTraits & Pick<BackendType<never>, "operations" | "removals">)[] = kinds.map(
  ({ type }) => type,
);

/** A kind of backend beside the schema that reads an entry of that kind. */
export function configurable<S extends NetworkSettings & { readonly name: string; readonly url: string }>(
  type: BackendType<S>,
) {
  const { kind, displayName, access } = type;
  const schema = type.settings.transform((settings, context): ConfiguredBackend => {
    if (settings.tls && settings.url.startsWith("http:")) {
      context.addIssue({ code: "custom", path: ["tls"], message: "is only looked at with an https url" });
    }
    return {
      name: settings.name,
      // Not the whole type: the configuration is frozen to its depth, which schemas do not survive.
      type: { kind, displayName, access },
      capabilities: type.capabilities(settings),
      operations: type.operations,
      connect: (permission, proxies) => type.connect({ ...settings, proxy: settings.proxy ?? proxies }, permission),
    };
  });
  return { type, schema };
}
