import { onTestFinished } from "vitest";
import { credentials, hosts } from "../../../demo/story.ts";
import { type SwrDemo, type SwrDemoOptions, serveSwr } from "../../../demo/swr.ts";
import type { Backend, ImageReader, PackageReader } from "../../../src/backends/backend.ts";
import { connectSwr, swr } from "../../../src/backends/swr/index.ts";
import { type ImageRef, parseImageRef } from "../../../src/model/artifact.ts";
import type { PackageRef, VersionRef } from "../../../src/model/package.ts";
import { UpstreamError } from "../../../src/upstream/errors.ts";
import type { Call } from "../../../src/upstream/operation.ts";
import { testCall } from "../../support/call.ts";
import { type Plain, plain } from "../../support/plain.ts";

/** A demo SWR with an adapter on it; both end with the test. */
export interface Rig {
  readonly demo: SwrDemo;
  readonly backend: Backend;
  /** Readers of a fresh request. */
  readonly packages: (call?: Call) => Plain<PackageReader>;
  readonly images: (call?: Call) => Plain<ImageReader>;
  /** The same readers, whose answers tell what was proved. */
  readonly answering: (call?: Call) => { readonly packages: PackageReader; readonly images: ImageReader };
  /** Paths and queries of the calls since the last `forget`. */
  readonly calls: () => readonly string[];
}

export interface RigOptions {
  readonly demo?: SwrDemoOptions;
  /** Added to, or put over, the usual settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly now?: () => number;
}

export const root = "/v2/manage";
export const here = `${root}/namespaces/pay-core`;

export async function openSwr({ demo: behaviour, settings, now }: RigOptions = {}): Promise<Rig> {
  const demo = await serveSwr({ ...(now ? { now } : {}), ...behaviour });
  const parsed = swr.settings.parse({
    kind: "swr",
    name: "swr-north4",
    url: demo.url,
    credentials: { token: credentials.swr.token },
    namespaces: ["pay-core"],
    hosts: [hosts.swr],
    retries: 0,
    ...settings,
  });
  const backend = connectSwr(parsed, now);
  onTestFinished(async () => {
    await backend.close();
    await demo.close();
  });
  return {
    demo,
    backend,
    packages: (call = testCall()) => plain(present(backend.during(call).packages)),
    images: (call = testCall()) => plain(present(backend.during(call).images)),
    answering: (call = testCall()) => {
      const { packages, images } = backend.during(call);
      return { packages: present(packages), images: present(images) };
    },
    calls: () => demo.seen.map(({ url }) => url),
  };
}

export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("expected a value");
  return value;
}

export function packageRef(key: string, repository = "pay-core"): PackageRef {
  return { backend: "swr-north4", repository, key };
}

export function versionRef(key: string, version: string, repository = "pay-core"): VersionRef {
  return { package: packageRef(key, repository), version, nativeId: null };
}

export function imageOf(text: string): ImageRef {
  return present(parseImageRef(`${hosts.swr}/${text}`));
}

/** The error that a read ends with; fails where it ends well or with a bug. */
export async function failureOf(read: Promise<unknown>): Promise<UpstreamError> {
  const outcome = await read.then(
    () => null,
    (error: unknown) => error,
  );
  if (outcome instanceof UpstreamError) return outcome;
  throw new Error("expected an UpstreamError", { cause: outcome });
}

/** All that an error could give away when somebody prints it. */
export function printed(error: UpstreamError): string {
  return `${error.stack} ${JSON.stringify(error)} ${JSON.stringify(Object.getOwnPropertyDescriptors(error))}`;
}

export const everything = { name: null, match: "CONTAINS", format: null } as const;
export const newestFirst = { prefix: null, stage: null, direction: "DESC" } as const;
export const within = (repository: string) => ({ repository, group: null });
