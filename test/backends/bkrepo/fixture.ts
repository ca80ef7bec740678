import { type BkrepoOptions, serveBkrepo } from "../../../demo/bkrepo.ts";
import type { DemoReply, DemoServer } from "../../../demo/server.ts";
import { credentials, hosts } from "../../../demo/story.ts";
import type { Backend, ImageReader, PackageReader, Readers } from "../../../src/backends/backend.ts";
import { bkrepo } from "../../../src/backends/bkrepo/index.ts";
import { foundIn, valueIn } from "../../support/answers.ts";
import { testCall } from "../../support/call.ts";

/** A demo bkrepo and an adapter connected to it. */
export interface Fixture {
  readonly server: DemoServer;
  readonly backend: Backend;
  /** A new request's readers, and their answers as they are. */
  readonly answers: (credential?: string) => Required<Pick<Readers, "packages" | "images">>;
  /** A new request's readers; what they answer is taken out of its answer. */
  readonly packages: (credential?: string) => ValueReader;
  readonly images: () => ImageValueReader;
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
  const answers = (credential?: string) => {
    const { packages, images } = backend.during(testCall(credential === undefined ? {} : { credential }));
    if (!packages || !images) throw new Error("no readers");
    return { packages, images };
  };
  return {
    server,
    backend,
    answers,
    packages: (credential) => valueReader(answers(credential).packages),
    images: () => imageValueReader(answers().images),
    calls: () => server.seen.map(({ method, url }) => `${method} ${url.split("?", 1)[0]}`),
    close: async () => {
      await backend.close();
      await server.close();
    },
  };
}

/** Null for what is proved to be absent; throws where nobody could say, and for a page of a place that is absent. */
export type ValueReader = ReturnType<typeof valueReader>;

export function valueReader(reader: PackageReader) {
  return {
    keyOf: reader.keyOf,
    package: async (...asked: Parameters<PackageReader["package"]>) => valueIn(await reader.package(...asked)),
    page: async (...asked: Parameters<PackageReader["page"]>) => foundIn(await reader.page(...asked)),
    version: async (...asked: Parameters<PackageReader["version"]>) => valueIn(await reader.version(...asked)),
    versions: async (...asked: Parameters<PackageReader["versions"]>) => foundIn(await reader.versions(...asked)),
    latest: async (...asked: Parameters<PackageReader["latest"]>) => valueIn(await reader.latest(...asked)),
    files: async (...asked: Parameters<PackageReader["files"]>) => foundIn(await reader.files(...asked)),
    byChecksum: async (...asked: Parameters<PackageReader["byChecksum"]>) =>
      valueIn(await reader.byChecksum(...asked)) ?? [],
    named: async (...asked: Parameters<PackageReader["named"]>) => valueIn(await reader.named(...asked)) ?? [],
    search: async (...asked: Parameters<PackageReader["search"]>) => foundIn(await reader.search(...asked)),
  };
}

export type ImageValueReader = ReturnType<typeof imageValueReader>;

function imageValueReader(reader: ImageReader) {
  return {
    image: async (...asked: Parameters<ImageReader["image"]>) => valueIn(await reader.image(...asked)),
    copies: async (...asked: Parameters<ImageReader["copies"]>) => valueIn(await reader.copies(...asked)) ?? [],
    byDigest: async (...asked: Parameters<ImageReader["byDigest"]>) => valueIn(await reader.byDigest(...asked)) ?? [],
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
