import type { FoundFile } from "../backends/backend.ts";
import { isStrong, parseDigest } from "../model/digest.ts";
import { parseImageRef } from "../model/image-ref.ts";
import type { PackageFile } from "../model/package.ts";
import { type PurlParts, parsePurl } from "../model/purl.ts";
import { nameOfPurl } from "../model/purl-format.ts";
import { UpstreamError } from "../upstream/errors.ts";
import { type Hint, searched } from "./asking.ts";
import { type Context, having, type Reading } from "./context.ts";
import { badInput } from "./errors.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { type TraceParent, type TraceWants, traceReference } from "./trace.ts";
import { assembleFiles, traceByDigest } from "./trace-digest.ts";

/**
 * From a package URL. An image's purl holds its digest and often its repository: it goes on as a trace by image or by
 * digest. Any other names a version: every package backend is asked for it at the same time, and the file that the
 * purl means is the artifact.
 */
export async function traceByPurl(
  context: Context,
  text: string,
  hint: Hint | null,
  wants: TraceWants,
): Promise<TraceParent> {
  const purl = parsePurl(text);
  if (!purl) throw badInput("BAD_USER_INPUT", "This is not a package URL.");
  if (purl.type === "oci" || purl.type === "docker") return traceImagePurl(context, purl, hint, wants);
  const named = nameOfPurl(purl);
  const { version } = purl;
  if (!named || version === null) {
    throw badInput(
      "BAD_USER_INPUT",
      "Only a package URL with a version, of a type that a backend stores, can be traced.",
    );
  }
  const able = having(context, "packages").filter(({ reader }) => reader.keyOf(named.name, named.format) !== null);
  const files = await Promise.all(
    able.map((reading) => findFiles(reading, named.name, named.format, version, purl, hint)),
  );
  const told = files.flatMap(({ value }) => value ?? []);
  const digests = new Set(told.flatMap(({ file }) => file.digests.find(isStrong) ?? []));
  const hinted = told.find(
    ({
      version: {
        package: { backend, repository },
      },
    }) => backend === hint?.backend && repository === hint.repository,
  );
  // A package URL names a name: where the repositories hold different bytes under it, only a hint can tell which are meant.
  const digest = hinted?.file.digests.find(isStrong) ?? (digests.size === 1 ? [...digests][0] : null) ?? null;
  return assembleFiles(context, digest, [], files);
}

async function traceImagePurl(
  context: Context,
  purl: PurlParts,
  hint: Hint | null,
  wants: TraceWants,
): Promise<TraceParent> {
  const digest = parseDigest(purl.version);
  const place = purl.qualifiers["repository_url"];
  const path = purl.namespace === null ? purl.name : `${purl.namespace}/${purl.name}`;
  const tag = purl.qualifiers["tag"] ?? (digest === null ? purl.version : null);
  if (place !== undefined) {
    const repository = place === path || place.endsWith(`/${path}`) ? place : `${place}/${path}`;
    const image = parseImageRef(`${repository}${tag === null ? "" : `:${tag}`}${digest === null ? "" : `@${digest}`}`);
    if (image) return traceReference(context, image, wants);
  }
  if (digest === null)
    throw badInput("BAD_USER_INPUT", "The package URL of an image needs a digest or a repository_url.");
  return traceByDigest(context, digest, hint === null ? [] : [hint], wants);
}

async function findFiles(
  { backend, reader }: Reading<"packages">,
  name: string,
  format: Parameters<typeof reader.named>[1],
  version: string,
  purl: PurlParts,
  hint: Hint | null,
): Promise<Outcome<readonly FoundFile[]>> {
  const found = async (): Promise<readonly FoundFile[] | null> => {
    const key = reader.keyOf(name, format);
    const scope = hint?.backend === backend.name ? hint.repository : null;
    // A hint names the repository: the version can be asked for at once.
    const refs =
      scope !== null && key !== null
        ? [{ backend: backend.name, repository: scope, key }]
        : (await reader.named(name, format))?.map(({ ref }) => ref);
    if (!refs) return null;
    const versions = await Promise.all(refs.map((ref) => reader.version({ package: ref, version, nativeId: null })));
    const pages = await Promise.all(
      versions.flatMap((one) =>
        one ? [reader.files(one.ref, { first: 100, after: null }).then((page) => ({ ref: one.ref, page }))] : [],
      ),
    );
    return pages.flatMap(({ ref, page }) => {
      const file = mainFile(
        page.rows.map(({ value }) => value),
        purl,
      );
      const [lost] = page.dropped;
      // The file that is meant may be the one that could not be read: then "none" is not known.
      if (!file && lost) {
        const { operation, reason } = lost;
        throw new UpstreamError("MALFORMED", { backend: backend.name, operation, reason });
      }
      return file ? [{ version: ref, file, origin: page.origin }] : [];
    });
  };
  return searched(backend.name, await outcomeOf(backend.name, found(), (all) => all[0]?.origin ?? null));
}

const auxiliary = /\.(?:pom|xml|asc|sig|md5|sha1|sha256|sha512|module|json)$/i;

/** The file a purl means: by its `type` or `file_name` qualifier, else the only one that is no companion of another. */
function mainFile(files: readonly PackageFile[], purl: PurlParts): PackageFile | null {
  const { file_name: wanted, type, classifier } = purl.qualifiers;
  if (wanted !== undefined) return files.find(({ name }) => name === wanted) ?? null;
  const main = files.filter(({ name }) => (type === undefined ? !auxiliary.test(name) : name.endsWith(`.${type}`)));
  if (main.length <= 1) return main[0] ?? files.find((_, __, all) => all.length === 1) ?? null;
  const suffix = `${purl.name}-${purl.version}${classifier === undefined ? "" : `-${classifier}`}.`;
  return main.find(({ name }) => name.startsWith(suffix)) ?? null;
}
