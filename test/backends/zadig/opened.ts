import { onTestFinished } from "vitest";
import type { DemoServer } from "../../../demo/server.ts";
import { credentials } from "../../../demo/story.ts";
import { serveZadig, type ZadigGeneration, type ZadigOptions } from "../../../demo/zadig.ts";
import type { ArtifactReader, Backend, ReleaseQuery, ReleaseReader } from "../../../src/backends/backend.ts";
import { zadig } from "../../../src/backends/zadig/index.ts";
import type { Page, PageRequest, Position } from "../../../src/model/backend.ts";
import { UpstreamError } from "../../../src/upstream/errors.ts";
import { testCall } from "../../support/call.ts";
import { type Plain, plain } from "../../support/plain.ts";

/** A demo Zadig and a backend configured for it; both are closed when the test ends. */
export interface Opened {
  readonly server: DemoServer;
  readonly backend: Backend;
  /** A new request's view. */
  readonly readers: (call?: Parameters<typeof testCall>[0]) => {
    readonly releases: Plain<ReleaseReader>;
    readonly artifacts: Plain<ArtifactReader>;
  };
  /** The same, with answers that tell what was proved. */
  readonly answering: (call?: Parameters<typeof testCall>[0]) => {
    readonly releases: ReleaseReader;
    readonly artifacts: ArtifactReader;
  };
  /** Paths that the server was asked for, oldest first. */
  readonly paths: () => readonly string[];
}

export const releasesPath = "/api/aslan/delivery/releases";
export const artifactsPath = "/api/aslan/delivery/artifacts";

/** Starts a demo Zadig of one generation and opens it with these settings. */
export async function open(
  options: ZadigGeneration | ZadigOptions = "r1",
  settings: Record<string, unknown> = {},
): Promise<Opened> {
  const server = await serveZadig(typeof options === "string" ? { generation: options } : options);
  const backend = zadig.connect(
    zadig.settings.parse({
      kind: "zadig",
      name: "zadig",
      url: server.url,
      credentials: { token: credentials.zadig.token },
      retries: 0,
      ...settings,
    }),
  );
  onTestFinished(async () => {
    await backend.close();
    await server.close();
  });
  const answering: Opened["answering"] = (call) => {
    const { releases, artifacts } = backend.during(testCall(call));
    if (!releases || !artifacts) throw new Error("Zadig offers releases and artifacts");
    return { releases, artifacts };
  };
  return {
    server,
    backend,
    answering,
    readers: (call) => {
      const { releases, artifacts } = answering(call);
      return { releases: plain(releases), artifacts: plain(artifacts) };
    },
    paths: () => server.seen.map(({ url }) => url.split("?")[0] ?? ""),
  };
}

/** The query parameters of one request that the server saw. */
export function query(server: DemoServer, index: number): URLSearchParams {
  return new URL(server.seen[index]?.url ?? "", server.url).searchParams;
}

/** No filter at all, or those given. */
export function filter(given: Partial<ReleaseQuery> = {}): ReleaseQuery {
  return { project: null, workflow: null, taskId: null, service: null, label: null, ...given };
}

/** The values of a page. */
export function values<T>(page: Page<T>): T[] {
  return page.rows.map(({ value }) => value);
}

/** Follows a list to its end, `first` rows at a time; fails after 200 windows. */
export async function walk<T>(
  read: (request: PageRequest) => Promise<Page<T>>,
  first: number,
  between: (window: number) => void = () => undefined,
): Promise<T[]> {
  const all: T[] = [];
  let after: Position | null = null;
  for (let window = 0; window < 200; window++) {
    const page: Page<T> = await read({ first, after });
    all.push(...values(page));
    after = page.rows.at(-1)?.position ?? after;
    if (!page.hasNext) return all;
    between(window);
  }
  throw new Error("the walk does not end");
}

/** The UpstreamError that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<UpstreamError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof UpstreamError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

/** A copy of an answer's body with one row of its list changed. */
export function changeRow(body: unknown, index: number, change: (row: Record<string, unknown>) => unknown): unknown {
  return Array.isArray(body) ? body.map((row, place) => (place === index ? change({ ...row }) : row)) : body;
}
