import { z } from "zod";
import type { BackendKind, Capability } from "../model/backend.ts";
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
  readonly kind: BackendKind;
  readonly capabilities: readonly Capability[];
  /** Every call it can make. */
  readonly operations: readonly Operation[];
  /** Opens the backend for the life of the process; sends nothing. `proxies` count where its settings name none. */
  readonly connect: (permission?: Permission, proxies?: EnvironmentProxies) => Backend;
}

/** One entry under `backends:`, told apart by its `kind`. A new kind of backend is one line here. */
export const configuredBackend = z.union([entry(zadig), entry(bkrepo), entry(swr), entry(gitlab)]);

/** Every kind of backend, with the calls it can make. */
export const backendTypes: readonly Pick<BackendType<never>, "kind" | "operations" | "removals">[] = [
  zadig,
  bkrepo,
  swr,
  gitlab,
];

function entry<S extends NetworkSettings & { readonly name: string; readonly url: string }>(type: BackendType<S>) {
  return type.settings.transform((settings, context): ConfiguredBackend => {
    if (settings.tls && settings.url.startsWith("http:")) {
      context.addIssue({ code: "custom", path: ["tls"], message: "is only looked at with an https url" });
    }
    return {
      name: settings.name,
      kind: type.kind,
      capabilities: type.capabilities(settings),
      operations: type.operations,
      connect: (permission, proxies) => type.connect({ ...settings, proxy: settings.proxy ?? proxies }, permission),
    };
  });
}
