import { describe, expect, test, vi } from "vitest";
import { type Asked, gatewayOver, type Literal, type Reply, serveJson } from "./support/literal.ts";

interface Source {
  readonly backend: { readonly name: string };
  readonly status: string;
}

/** A server; where it answers null, there is no such thing, in its vendor's words. */
function serve(reply: (asked: Asked) => Reply | null, nothing: Reply): Promise<Literal> {
  return serveJson((asked) => reply(asked) ?? nothing);
}

/** A GitLab of one project without packages, whose only image has these tags, or none. */
function gitlab(path: string, tags: Readonly<Record<string, string>>): Promise<Literal> {
  const project = "/api/v4/projects/";
  const reply = ({ path: asked }: Asked): Reply | null => {
    const at = decodeURIComponent(asked);
    const repository = { id: 3, name: "", path, project_id: 1, location: `registry.test/${path}` };
    if (at === `${project}${path}` || at === `${project}1`) return { body: { id: 1, path_with_namespace: path } };
    if (/\/groups\/[^/]+\/registry\/repositories$/.test(at) || at === `${project}${path}/registry/repositories`)
      return { body: [repository] };
    if (at.endsWith("/registry/repositories/3/tags"))
      return { body: Object.keys(tags).map((name) => ({ name, path: `${path}:${name}` })) };
    const name = at.split("/registry/repositories/3/tags/")[1];
    const digest = name === undefined ? undefined : tags[name];
    if (digest) return { body: { name, path: `${path}:${name}`, digest, total_size: 1 } };
    if (at.endsWith("/packages")) return { body: [] };
    return null;
  };
  return serve(reply, { status: 404, body: { message: "404 Not found" } });
}

/** A Zadig that knows nothing. */
function emptyZadig(): Promise<Literal> {
  return serve(({ path: pathname }) => (/\/delivery\/artifacts$/.test(pathname) ? { body: [] } : null), {
    status: 400,
    body: { code: 6662, message: "failed to find artifact" },
  });
}

const asBackend = (kind: string, name: string, { url }: Literal, more: object = {}) => ({
  retries: 0,
  kind,
  name,
  url,
  ...(kind === "zadig" ? { credentials: { token: "t" } } : {}),
  ...more,
});

const statuses = (sources: readonly Source[]) =>
  Object.fromEntries(sources.map((one) => [one.backend.name, one.status]));

describe("a tag that its own registry denies", () => {
  const query = `{ traceByImage(image: "registry.test/acme/web:gone") {
    isComplete artifact { digest } candidates { digest } sources { backend { name } status }
  } }`;

  async function estate(tags: Readonly<Record<string, string>>) {
    const [own, other, zadig] = await Promise.all([gitlab("acme/web", tags), gitlab("mirror/web", {}), emptyZadig()]);
    const ask = await gatewayOver(
      asBackend("zadig", "zadig", zadig),
      asBackend("gitlab", "own", own, { hosts: ["registry.test"], groups: ["acme"] }),
      asBackend("gitlab", "other", other, { hosts: ["mirror.test"], groups: ["mirror"] }),
    );
    return { ask, own, other, zadig };
  }

  test("is ABSENT there, and unknown bytes are searched nowhere", async () => {
    const { ask, own, other } = await estate({ "1.0": `sha256:${"a".repeat(64)}` });
    const { data, errors } = await ask(query);
    const trace = data?.["traceByImage"] as unknown as { sources: Source[]; isComplete: boolean; artifact: null };
    expect(errors).toEqual([]);
    expect(trace.artifact).toBeNull();
    expect(statuses(trace.sources)).toEqual({ zadig: "ABSENT", own: "ABSENT", other: "NOT_SEARCHABLE" });
    // Nobody who could know of it is left.
    expect(trace.isComplete).toBe(true);
    // Places of copies are looked for beside a registry that takes its time, and not where it denies at once.
    await vi.waitFor(
      async () => {
        own.asked.length = 0;
        other.asked.length = 0;
        await ask(query);
        expect(other.asked).toEqual([]);
        expect(own.asked.filter((path) => path.includes("/groups/"))).toEqual([]);
      },
      { timeout: 5000, interval: 5 },
    );
  });

  test("and one that it has is searched in the others by its digest", async () => {
    const { ask, other } = await estate({ gone: `sha256:${"a".repeat(64)}` });
    const { data } = await ask(query);
    const trace = data?.["traceByImage"] as unknown as { sources: Source[]; artifact: { digest: string } };
    expect(trace.artifact.digest).toBe(`sha256:${"a".repeat(64)}`);
    expect(statuses(trace.sources)).toMatchObject({ zadig: "ABSENT", own: "OK", other: "ABSENT" });
    expect(other.asked.length).toBeGreaterThan(0);
  });
});

describe("builds of a version", () => {
  const query = `{ package(ref: { backend: "own", repository: "acme/web", key: "image:acme/web" }) {
    version(name: "1.0") { name builds { service } sources { backend { name } status } }
  } }`;
  const tags = { "1.0": `sha256:${"a".repeat(64)}` };
  const versionIn = (data: unknown) =>
    (data as { package: { version: { builds: unknown[] | null; sources: Source[] } } }).package.version;

  test("are null with an error where no Zadig is configured", async () => {
    const ask = await gatewayOver(asBackend("gitlab", "own", await gitlab("acme/web", tags)));
    const { data, errors } = await ask(query);
    expect(versionIn(data).builds).toBeNull();
    expect(errors).toEqual([
      expect.objectContaining({
        path: ["package", "version", "builds"],
        extensions: expect.objectContaining({ code: "BACKEND_NOT_CONFIGURED" }),
      }),
    ]);
  });

  test("are none where a Zadig was asked and knows none", async () => {
    const [own, zadig] = await Promise.all([gitlab("acme/web", tags), emptyZadig()]);
    const ask = await gatewayOver(asBackend("zadig", "zadig", zadig), asBackend("gitlab", "own", own));
    const { data, errors } = await ask(query);
    expect([versionIn(data).builds, errors]).toEqual([[], []]);
    expect(zadig.asked.length).toBeGreaterThan(0);
  });

  test("are null beside a source that says that it was not asked, where it cannot be", async () => {
    const swr = await serve(
      ({ path: pathname }) => {
        const name = pathname.split("/").at(-1);
        if (pathname.endsWith("/packages")) return { body: [{ namespace: "acme", package: "tool", num_versions: 1 }] };
        if (pathname.endsWith("/versions")) return { body: [{ namespace: "acme", package: "tool", version: "1.0" }] };
        if (name === "1.0") return { body: { namespace: "acme", package: "tool", version: "1.0", num_files: 1 } };
        return null;
      },
      { status: 404, body: { errors: [{ errorCode: "SVCSTG.SWR.4001000", errorMessage: "not found" }] } },
    );
    const zadig = await emptyZadig();
    const ask = await gatewayOver(
      asBackend("zadig", "zadig", zadig),
      asBackend("swr", "swr", swr, { credentials: { token: "t" }, namespaces: ["acme"] }),
    );
    const { data, errors } = await ask(`{ package(ref: { backend: "swr", repository: "acme", key: "tool" }) {
      version(name: "1.0") { name builds { service } sources { backend { name } status } } } }`);
    expect(errors).toEqual([]);
    expect(versionIn(data).builds).toBeNull();
    expect(statuses(versionIn(data).sources)).toEqual({ swr: "OK", zadig: "NOT_SEARCHABLE" });
    expect(zadig.asked).toEqual([]);
  });
});

describe("the highest version", () => {
  /** A GitLab whose one package has so many versions, 1.0.0 on, newest first. */
  function versions(count: number): Promise<Literal> {
    const rows = Array.from({ length: count }, (_, index) => ({
      id: count - index,
      name: "tool",
      version: `1.0.${count - index}`,
      package_type: "npm",
      created_at: new Date(1_700_000_000_000 - index * 60_000).toISOString(),
    }));
    const reply = ({ path, query }: Asked): Reply | null => {
      if (/projects\/[^/]+$/.test(path)) return { body: { id: 1, path_with_namespace: "acme/tool" } };
      if (!path.endsWith("/packages")) return null;
      const [page, size] = [Number(query.get("page") ?? 1), Number(query.get("per_page") ?? 20)];
      const next = page * size < count ? String(page + 1) : "";
      const headers = {
        "x-total": String(count),
        "x-next-page": next,
        "x-page": String(page),
        "x-per-page": String(size),
      };
      return { headers, body: rows.slice((page - 1) * size, page * size) };
    };
    return serve(reply, { status: 404, body: { message: "404 Not found" } });
  }
  const query = `{ package(ref: { backend: "own", repository: "acme/tool", key: "npm:tool" }) {
    name latestVersion(by: SEMVER) { name } } }`;

  test("is the highest of all where all are read", async () => {
    const ask = await gatewayOver(asBackend("gitlab", "own", await versions(120)));
    expect(await ask(query)).toEqual({
      data: { package: { name: "tool", latestVersion: { name: "1.0.120" } } },
      errors: [],
    });
  });

  test("is null with its reason where there are more than are read", async () => {
    const ask = await gatewayOver(asBackend("gitlab", "own", await versions(1001)));
    const { data, errors } = await ask(query);
    expect(data).toEqual({ package: { name: "tool", latestVersion: null } });
    expect(errors).toEqual([
      expect.objectContaining({
        path: ["package", "latestVersion"],
        message: expect.stringContaining("has more rows than are read for one answer"),
        extensions: { code: "UPSTREAM_BUDGET_EXCEEDED", backend: "own", retryable: false },
      }),
    ]);
  });
});
