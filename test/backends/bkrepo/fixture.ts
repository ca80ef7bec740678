import type { Backend, Readers } from "../../../src/backends/backend.ts";
import { bkrepo } from "../../../src/backends/bkrepo/index.ts";
import { type BkrepoOptions, serveBkrepo } from "../../../src/demo/bkrepo.ts";
import type { DemoReply, DemoServer } from "../../../src/demo/server.ts";
import { credentials, hosts } from "../../../src/demo/story.ts";
import { testCall } from "../../support/call.ts";

/** A demo bkrepo and an adapter connected to it. */
export interface Fixture {
  readonly server: DemoServer;
  readonly backend: Backend;
  /** A new request's readers. */
  readonly packages: (credential?: string) => NonNullable<Readers["packages"]>;
  readonly images: () => NonNullable<Readers["images"]>;
  /** What the demo saw since the last `forget`, as `METHOD /path`. */
  readonly calls: () => string[];
  readonly close: () => Promise<void>;
}

const allRepositories = [
  "pay/docker-local",
  "pay/maven-local",
  "pay/npm-local",
  "pay/helm-local",
  "pay/pypi-local",
  "pay/oci-local",
];

/** Settings of the demo's user; `more` overrides. */
export function settingsFor(url: string, more: Record<string, unknown> = {}) {
  const { username, password } = credentials.bkrepo;
  return bkrepo.settings.parse({
    kind: "bkrepo",
    name: "bkrepo",
    url,
    credentials: { username, password },
    repositories: allRepositories,
    hosts: [hosts.bkrepo],
    retries: 0,
    ...more,
  });
}

export async function openBkrepo(options: BkrepoOptions = {}, more: Record<string, unknown> = {}): Promise<Fixture> {
  const server = await serveBkrepo(options);
  const backend = bkrepo.connect(settingsFor(server.url, more));
  return {
    server,
    backend,
    packages: (credential) => {
      const { packages } = backend.during(testCall(credential === undefined ? {} : { credential }));
      if (!packages) throw new Error("no packages");
      return packages;
    },
    images: () => {
      const { images } = backend.during(testCall());
      if (!images) throw new Error("no images");
      return images;
    },
    calls: () => server.seen.map(({ method, url }) => `${method} ${url.split("?", 1)[0]}`),
    close: async () => {
      await backend.close();
      await server.close();
    },
  };
}

export const ref = (repository: string, key: string) => ({ backend: "bkrepo", repository, key });

export const versionRef = (repository: string, key: string, version: string) => ({
  package: ref(repository, key),
  version,
  nativeId: null,
});

/** Rewrites the records of a page, totals untouched unless told. */
export function withRecords(reply: DemoReply, change: (records: unknown[]) => unknown[], total?: number): DemoReply {
  const { body } = reply;
  if (!isObject(body) || !isObject(body["data"]) || !Array.isArray(body["data"]["records"])) return reply;
  const data = {
    ...body["data"],
    records: change(body["data"]["records"]),
    ...(total === undefined ? {} : { totalRecords: total, count: total }),
  };
  return { ...reply, body: { ...body, data } };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The JSON body of a call that the demo saw. */
export function bodyOf(seen: { readonly body: string } | undefined): Record<string, unknown> {
  const body: unknown = JSON.parse(seen?.body ?? "null");
  if (!isObject(body)) throw new Error("no JSON object was sent");
  return body;
}
