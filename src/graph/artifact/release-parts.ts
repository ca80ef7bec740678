import { setImmediate as nextTurn } from "node:timers/promises";
import type { GraphQLResolveInfo } from "graphql";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  parseAllDocuments,
  stringify,
} from "yaml";
import { unknown } from "../../backends/answers.ts";
import type { Digest, ImageRef } from "../../model/artifact.ts";
import type { PipelineRun, Version } from "../../model/package.ts";
import type {
  BuildInfo,
  Commit,
  Container,
  Deployment,
  Distribution,
  Environment,
  EnvironmentService,
  Release,
  ReleaseImage,
  ReleaseParts,
  SecurityScan,
} from "../../model/release.ts";
import { backendsWith, type Context, readerOf } from "../context.ts";
import { badInput, noAnswer } from "../errors.ts";
import { reportDropped } from "../resolvers/connection.ts";
import { selects } from "../resolvers/selection.ts";
import { type ArtifactNode, createArtifact, imageSeed } from "./artifact.ts";
import { lookUp, outcomeOf, reportHere, type SourceParent, sourceFrom } from "./outcome.ts";

/** A release; marked where its lists will be asked for although the answer that it was read from has none. */
export type ReleaseParent = Release & { readonly wantsParts?: true };
/** A part of a release that remembers whose release it is: the Zadig to ask for its artifact, and as of when. */
export type InRelease<T> = T & { readonly zadig: string; readonly asOf: string | null };
/** A build, with its release where it was met inside one: asked for once, not again a row. */
export type BuildParent = BuildInfo & { readonly within?: Release };
export type DeploymentParent = InRelease<Deployment>;
export type DistributionParent = InRelease<Distribution>;
export type SecurityScanParent = InRelease<SecurityScan>;
export type ReleaseImageParent = InRelease<ReleaseImage>;
export type ContainerParent = InRelease<Container>;
export type EnvironmentServiceParent = InRelease<EnvironmentService>;
export type EnvironmentParent = InRelease<Environment>;

/** Names the Zadig that parts belong to, and when their release was made. */
export function inRelease<T extends object>(parts: readonly T[], zadig: string, asOf: string | null): InRelease<T>[] {
  return parts.map((part) => ({ ...part, zadig, asOf }));
}

/** The embedded lists: at hand, or asked for where the list was brief. Throws when the release is gone meanwhile. */
async function partsOf(context: Context, info: GraphQLResolveInfo, release: Release): Promise<ReleaseParts> {
  if (release.parts) return release.parts;
  const { backend } = release.ref;
  const reader = readerOf(context, "releases", backend);
  const whole = reader && (await lookUp(context, info, backend, reader.release(release.ref)));
  if (!whole?.parts) throw noAnswer(backend, unknown("DETAIL_MISSING"));
  return whole.parts;
}

/**
 * The answer of Zadig about a release: PARTIAL where rows could not be read, or where this Zadig keeps one of the lists
 * not at all. Lists that are not selected are not read for it.
 */
export async function sourceOfRelease(
  context: Context,
  info: GraphQLResolveInfo,
  release: ReleaseParent,
): Promise<SourceParent> {
  // The lists themselves report a failure.
  const parts = release.parts ?? (release.wantsParts ? await partsOf(context, info, release).catch(() => null) : null);
  return sourceFrom(release.origin, parts === null || isWhole(parts) ? "OK" : "PARTIAL");
}

// Builds that are not embedded are put together from artifacts.
function isWhole({ dropped, deployments, tests, distributions, securityScans }: ReleaseParts): boolean {
  return dropped.length === 0 && [deployments, tests, distributions, securityScans].every((list) => list !== null);
}

/** One embedded list, its unreadable rows reported. */
export async function part<K extends Exclude<keyof ReleaseParts, "dropped">>(
  context: Context,
  info: GraphQLResolveInfo,
  release: Release,
  name: K,
): Promise<ReleaseParts[K]> {
  const parts = await partsOf(context, info, release);
  const own = parts.dropped.filter(({ part: of }) => of === name);
  reportDropped(context, info, release.ref.backend, own);
  return parts[name];
}

/** The artifact behind an image that a release names; null where it names none. */
export function artifactOf(
  context: Context,
  { zadig, asOf }: InRelease<object>,
  image: ImageRef | null,
  digest: Digest | null = null,
): ArtifactNode | null {
  return image === null ? null : createArtifact(context, { ...imageSeed(image, zadig, digest), asOf });
}

/** A commit as the graph shows it, from any backend. */
export type CommitParent = Commit;

/**
 * The revision of a pipeline. What the pipeline row says is used as it is; the code host is asked only when the
 * selection wants more (message, author, merge requests), and for both at once.
 */
export async function commitOfPipeline(
  context: Context,
  run: PipelineRun,
  info: GraphQLResolveInfo,
): Promise<CommitParent | null> {
  const reader = readerOf(context, "commits", run.backend);
  const project = run.projectId ?? run.projectPath;
  if (run.sha === null || project === null) return null;
  const wantsCommit = run.projectPath === null || selects(info, "message", "authorName", "webUrl");
  const [hosted, mergeRequests] = await Promise.all([
    wantsCommit && reader ? lookUp(context, info, run.backend, reader.commit(project, run.sha)) : null,
    selects(info, "pullRequests") && reader
      ? outcomeOf(run.backend, reader.mergeRequests(project, run.sha), () => null)
      : null,
  ]);
  // The commit is known without them.
  if (mergeRequests?.error) reportHere(context, info, mergeRequests.error);
  const repository = run.projectPath ?? hosted?.repository;
  if (repository === undefined) return null;
  return {
    sha: run.sha,
    branch: run.ref,
    tag: null,
    repository,
    hostUrl: hosted?.hostUrl ?? run.hostUrl,
    webUrl: hosted?.webUrl ?? null,
    pullRequests: mergeRequests?.value ?? [],
    message: hosted?.message ?? null,
    authorName: hosted?.authorName ?? null,
    isPrimary: false,
  };
}

/**
 * Versions that a pipeline of this very revision published, from the code host the commit's address names. Throws where
 * no backend can be asked: no configured backend is that host, or the commit has no revision.
 */
export async function packagesOf(
  context: Context,
  commit: CommitParent,
  info: GraphQLResolveInfo,
): Promise<readonly Version[]> {
  for (const { backend, reader } of backendsWith(context, "commits")) {
    const project = reader.projectOf(commit.hostUrl, commit.repository);
    if (project === null || commit.sha === null) continue;
    return (await lookUp(context, info, backend.name, reader.publishedFrom(project, commit.sha))) ?? [];
  }
  throw badInput(
    "BACKEND_NOT_CONFIGURED",
    "No configured backend is the code host of this commit: what was published from it is unknown.",
  );
}

/** Manifests beyond this many characters are left out whole, one by one: a page of them must stay a page. */
const mostCharacters = 262_144;

/** What all manifests of one deployment may have together, shown or not; those past it are not read. */
const mostTogether = 1_048_576;

/** Words and marks of one manifest: reading it takes as long as there are of these. */
const mostLexemes = 30_000;

/** The same for all manifests of one deployment. */
const mostLexemesTogether = 120_000;

/** How often anchors may be repeated: a few lines can otherwise stand for gigabytes. */
const mostAliases = 100;

/** Values and 32 characters each of one document, anchors put in the place of their aliases. */
const mostExpanded = 60_000;

const redacted = "(redacted)";

/** Names of variables and keys whose literal value is likely a credential. */
const telling =
  /pass(?:word|wd|phrase)?|secret|token|credential|private|(?:api|access|auth|encryption|signing)[_.-]?key/i;

/** What only a Secret has: a patch or a part of one need not say its kind. */
const secretData = /^stringdata$/i;

/** Annotations in which tools keep the whole object once more, Secret data included. */
const copies = /last-applied|original-configuration/i;

/**
 * Kubernetes manifests fit to be shown. They are read as data and written again, so that comments go and anchors are
 * resolved before anything is judged: a `Secret` keeps only what identifies it, at whatever depth it stands; literal
 * variables that are named like a credential and annotations that repeat an object lose their value. Text that is no
 * plain YAML (a template, a key given twice) is left out, because what cannot be read cannot be redacted.
 */
export function redactManifests(manifests: readonly string[]): string[] {
  return [...redactEach(manifests)].flat();
}

/** The same, each manifest in a task of its own, so that the event loop is never blocked for long. */
export async function redactInTasks(manifests: readonly string[]): Promise<string[]> {
  const shown: string[] = [];
  for (const part of redactEach(manifests)) {
    for (const text of part) shown.push(text);
    await nextTurn();
  }
  return shown;
}

function* redactEach(manifests: readonly string[]): Generator<string[]> {
  let characters = mostTogether;
  let lexemes = mostLexemesTogether;
  for (const text of manifests) {
    if (text.length > mostCharacters || text.trim() === "") continue;
    // What is read counts, whether or not anything comes of it.
    characters -= text.length;
    if (characters < 0) return;
    const count = lexemesIn(text, Math.min(mostLexemes, lexemes));
    lexemes -= count;
    if (lexemes < 0) return;
    if (count <= mostLexemes) yield redactText(text);
  }
}

/** Lexemes of a text, counted to one more than `most`. */
function lexemesIn(text: string, most: number): number {
  let count = 0;
  for (const _ of new Lexer().lex(text)) {
    count += 1;
    if (count > most) break;
  }
  return count;
}

function redactText(text: string): string[] {
  try {
    // The library compares each key with each; here keys are looked up.
    return parseAllDocuments(text, { logLevel: "silent", merge: true, uniqueKeys: false }).flatMap((document) => {
      if (document.errors.length > 0 || !isPlain(document)) throw new SyntaxError("not plain YAML");
      const data: unknown = document.toJS({ maxAliasCount: mostAliases });
      return data === null || data === undefined
        ? []
        : [stringify(redact(data), { lineWidth: 0, aliasDuplicateObjects: false })];
    });
  } catch {
    return [];
  }
}

/** Whether no map has a key twice, and the whole is small with each alias in full. */
function isPlain({ contents }: Document.Parsed): boolean {
  const anchors = new Map<string, number>();
  let isFine = true;
  // Sizes of what is anchored are known before it can be repeated.
  const sizeOf = (node: unknown): number => {
    if (!isFine) return 0;
    if (isPair(node)) return sizeOf(node.key) + sizeOf(node.value);
    let size = 1;
    if (isAlias(node)) return anchors.get(node.source) ?? 1;
    if (isScalar(node)) size += typeof node.value === "string" ? node.value.length / 32 : 0;
    else if (isMap(node) || isSeq(node)) {
      const keys = new Set<unknown>();
      for (const item of node.items) {
        if (isPair(item) && isScalar(item.key)) {
          if (keys.has(item.key.value)) isFine = false;
          keys.add(item.key.value);
        }
        size += sizeOf(item);
        if (size > mostExpanded) isFine = false;
      }
    }
    if (isNode(node) && "anchor" in node && typeof node.anchor === "string") anchors.set(node.anchor, size);
    return size;
  };
  return sizeOf(contents) <= mostExpanded && isFine;
}

function redact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redact);
  if (value instanceof Map) return redact(Object.fromEntries(value));
  if (typeof value !== "object" || value === null) return value;
  const map: Readonly<Record<string, unknown>> = { ...value };
  if (isSecret(map)) return bareSecret(map);
  const isTelling = typeof map["name"] === "string" && telling.test(map["name"]);
  return Object.fromEntries(
    Object.entries(map).flatMap(([key, inner]) => {
      if (secretData.test(key)) return [];
      if (copies.test(key) || (isTelling && key === "value")) return [[key, redacted]];
      // A map of a telling name, such as `secretKeyRef`, only says where the value is.
      return [[key, telling.test(key) && typeof inner === "string" && !refers(key) ? redacted : redact(inner)]];
    }),
  );
}

// Names of things, as in `secretName: db`, are what manifests are read for.
function refers(key: string): boolean {
  return /(?:name|ref|path|policy|type|class)$/i.test(key);
}

// The items of a `SecretList`, as the API server writes them, do not say again what they are. Old servers took keys in
// any case.
function isSecret(map: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(map).some(
    ([key, kind]) => /^kind$/i.test(key) && typeof kind === "string" && /^secret(?:list)?$/i.test(kind.trim()),
  );
}

function bareSecret({ apiVersion, kind, type, metadata }: Readonly<Record<string, unknown>>): unknown {
  const { name, namespace } =
    typeof metadata === "object" && metadata !== null ? { name: null, namespace: null, ...metadata } : {};
  const facts = { apiVersion, kind, type, metadata: textsOf({ name, namespace }) };
  return { ...textsOf(facts), metadata: facts.metadata };
}

function textsOf(facts: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(facts).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])),
  );
}
