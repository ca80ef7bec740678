import type { GraphQLResolveInfo } from "graphql";
import { type Answer, found, type Unknown, unknown } from "../../backends/answers.ts";
import type { PackageReader } from "../../backends/backend.ts";
import type { Origin, Position } from "../../model/backend.ts";
import type { PackageFile, Version, VersionRef } from "../../model/package.ts";
import { type PurlParts, parsePurl } from "../../model/purl.ts";
import type { Context } from "../context.ts";
import { ArtifactNode } from "./artifact.ts";
import { lookUp, outcomeFrom } from "./outcome.ts";
import { atHand, fileSeed, imageSeed } from "./seeds.ts";

/** The file that a package URL means among those of one version. */
export interface MeantFile {
  /** Null where the version has no such file, or several that could be meant. */
  readonly file: PackageFile | null;
  /**
   * Without a file, those that could be meant: several that fit the rule of the type, else every file where the package
   * URL names no file by its qualifiers. Empty beside a file.
   */
  readonly candidates: readonly PackageFile[];
}

/** As {@link MeantFile}, and when the list of files was read. */
export interface MainFile extends MeantFile {
  readonly origin: Origin;
}

/** Files read of one version to find the one that is meant. */
const mostFiles = 1000;

/**
 * Reads the files of a version, and chooses the one that its package URL means. Absent where the version is; unknown
 * where the file may be one that could not be read.
 */
export async function findMainFile(
  reader: Pick<PackageReader, "files">,
  version: VersionRef,
  purl: PurlParts | null,
): Promise<Answer<MainFile>> {
  const files: PackageFile[] = [];
  let gap: Unknown | null = null;
  for (let after: Position | null = null; ; ) {
    const answer: Awaited<ReturnType<PackageReader["files"]>> = await reader.files(version, { first: 100, after });
    if (answer.kind !== "FOUND") return answer;
    const { rows, hasNext, dropped, origin } = answer.value;
    for (const { value } of rows) files.push(value);
    gap ??= answer.gap ?? (dropped.length > 0 ? unknown("LOST_ROWS") : null);
    after = rows.at(-1)?.position ?? null;
    if (hasNext && after !== null && files.length < mostFiles) continue;
    if (hasNext) gap ??= unknown("UNREAD");
    const meant = meantFile(files, purl);
    const isNone = meant.file === null && meant.candidates.length === 0;
    // What is not among the files that were read may be among the others; so may a better one.
    return isNone && gap ? gap : found({ ...meant, origin }, gap);
  }
}

/**
 * The file that a package URL means, selected by its name and its type, whatever the order of the files: by the
 * qualifier
 * `file_name`; else by the rule of the package's type, narrowed by the qualifiers `type`, `extension`, `classifier`,
 * `arch` and `platform`; else, for types without a rule (and for null), the only file that is no companion of another.
 * Null where it is not there, and where several could be meant.
 */
export function mainFileOf(files: readonly PackageFile[], purl: PurlParts | null): PackageFile | null {
  return meantFile(files, purl).file;
}

function meantFile(files: readonly PackageFile[], purl: PurlParts | null): MeantFile {
  const { file_name: fileName, filename = fileName, extension, type = extension } = purl?.qualifiers ?? {};
  if (filename !== undefined) return newestOf(files.filter((file) => nameOf(file) === filename));
  const rule = purl && Object.hasOwn(rules, purl.type) ? rules[purl.type] : undefined;
  if (!purl || !rule) return newestOf(files.filter((file) => !companion.test(nameOf(file)) && isOfType(file, type)));
  const able = rule.knowsType ? files : files.filter((file) => isOfType(file, type));
  for (const pattern of rule.patterns(purl)) {
    const named = able.filter((file) => pattern.test(nameOf(file)));
    if (named.length === 0) continue;
    return rule.isEachAnother && named.length > 1 ? { file: null, candidates: named } : newestOf(named);
  }
  // Files that are called otherwise than the tool of the type calls them are the version's all the same.
  const isNarrowed = narrowing.some(
    (qualifier) => purl.qualifiers[qualifier] !== undefined && !rule.ofVersion?.[qualifier],
  );
  return { file: null, candidates: isNarrowed ? [] : files };
}

/** Qualifiers that tell one file of a version from the others. */
const narrowing = ["type", "extension", "classifier", "arch", "platform"] as const;

/** What a version's file is called. */
interface NamingRule {
  /** In the order of preference; the first one that any file fits decides. */
  readonly patterns: (purl: PurlParts) => readonly RegExp[];
  /** True where the patterns themselves obey the qualifiers `type` and `extension`. */
  readonly knowsType?: true;
  /** Qualifiers that the version itself has: all of its files have them. */
  readonly ofVersion?: Readonly<Partial<Record<(typeof narrowing)[number], true>>>;
  /** True where files of one name are different things, not uploads of one. */
  readonly isEachAnother?: true;
}

/** Files that go along with another: signatures, checksums, descriptions. */
const companions = "asc|sig|sigstore|md5|sha1|sha256|sha512|prov|pom|module|xml|json|mod|info|gemspec|nuspec|snupkg";
const companion = new RegExp(`\\.(?:${companions})$`, "i");
const archive = "(?:tgz|tar\\.gz|tar\\.bz2|tar\\.xz|zip)";

/**
 * The naming rules, by the type in the package URL: how each packaging tool calls what it uploads. Sources of the
 * rules: Maven's repository layout, PEP 427 and 625, npm pack, helm package, cargo package, gem build, the module proxy
 * protocol of Go, the package names of RPM and Debian, and Conan's fixed names.
 */
const rules: Readonly<Record<string, NamingRule>> = {
  maven: { patterns: mavenPatterns, knowsType: true },
  npm: {
    patterns: ({ namespace, name, version }) => {
      // `npm pack` writes the scope in front; what is published has it as a folder.
      const scope = namespace === null ? "" : `(?:${quoted(namespace.replace(/^@/, ""))}-)?`;
      return [exactly(`${scope}${quoted(name)}-${versionIn(version)}\\.(?:tgz|tar\\.gz)`)];
    },
  },
  pypi: {
    // A source distribution is one thing; of wheels there may be one for each platform.
    patterns: ({ name, version }) => {
      const stem = `${name
        .split(/[-_.]+/)
        .map(quoted)
        .join("[-_.]+")}-${versionIn(version)}`;
      return [
        exactly(`${stem}\\.${archive}`),
        exactly(`${stem}(?:-\\d[^-]*)?-[^-]+-none-any\\.whl`),
        exactly(`${stem}-.+\\.whl`),
        exactly(`${stem}.*\\.(?:egg|exe)`),
      ];
    },
  },
  helm: { patterns: ({ name, version }) => [exactly(`${quoted(name)}-${versionIn(version)}\\.(?:tgz|tar\\.gz)`)] },
  composer: {
    patterns: ({ name, version }) => [
      exactly(`(?:.*[-_])?${quoted(name)}-v?${versionIn(version)}\\.(?:${archive}|tar)`),
      exactly(`.+\\.(?:${archive}|tar)`),
    ],
  },
  nuget: {
    patterns: ({ name, version }) => [
      exactly(`${quoted(name)}\\.${versionIn(version)}\\.nupkg`),
      exactly(`${quoted(name)}\\.\\d.*(?<!\\.symbols)\\.nupkg`),
    ],
  },
  cargo: { patterns: ({ name, version }) => [exactly(`${quoted(name)}-${versionIn(version)}\\.crate`)] },
  golang: { patterns: ({ version }) => [exactly(`(?:.*@)?${versionIn(version)}\\.zip`)] },
  gem: {
    patterns: ({ name, version, qualifiers: { platform } }) => {
      const suffix = platform === undefined || platform === "ruby" ? "" : `-${quoted(platform)}`;
      return [exactly(`${quoted(name)}-${versionIn(version)}${suffix}\\.gem`)];
    },
  },
  rpm: {
    patterns: ({ name, version, qualifiers: { arch } }) => {
      const suffix = arch === undefined ? "(?:\\.(?!src\\b|nosrc\\b)\\w+)?" : `(?:\\.${quoted(arch)})?`;
      return [exactly(`${quoted(name)}-(?:\\d+:)?${versionIn(withoutEpoch(version))}${suffix}\\.rpm`)];
    },
    ofVersion: { arch: true },
  },
  deb: {
    patterns: ({ name, version, qualifiers: { arch } }) => {
      const stem = `${quoted(name)}_${versionIn(withoutEpoch(version))}`;
      if (arch === "source") return [exactly(`${stem}\\.dsc`)];
      return [exactly(`${stem}_${arch === undefined ? "[^_]+" : quoted(arch)}\\.deb`)];
    },
  },
  conan: {
    // A recipe without binaries and exports is its description.
    patterns: () => [
      ...["conan_package", "conan_export"].map((stem) => exactly(`${stem}\\.(?:tgz|txz|tzst)`)),
      exactly("conanfile\\.py"),
    ],
    isEachAnother: true,
  },
  terraform: { patterns: () => [exactly(`.+\\.${archive}`)] },
};

/** Maven's types that say another extension or classifier than their own word (the default artifact handlers). */
const mavenTypes: Readonly<Record<string, { readonly extension: string; readonly classifier?: string }>> = {
  "maven-plugin": { extension: "jar" },
  bundle: { extension: "jar" },
  ejb: { extension: "jar" },
  "ejb-client": { extension: "jar", classifier: "client" },
  "test-jar": { extension: "jar", classifier: "tests" },
  "java-source": { extension: "jar", classifier: "sources" },
  javadoc: { extension: "jar", classifier: "javadoc" },
};

/** Without a type the artifact is what is installed; its descriptor only where the type says `pom`. */
const mavenExtensions = ["jar", "war", "ear", "aar", "rar", "hpi", "jpi", "nbm", "kar", "apk"];

/** `name-version[-classifier].extension`; each build of a snapshot has its own moment in place of `SNAPSHOT`. */
function mavenPatterns({ name, version, qualifiers }: PurlParts): readonly RegExp[] {
  const { type = qualifiers["extension"] } = qualifiers;
  const known = type !== undefined && Object.hasOwn(mavenTypes, type) ? mavenTypes[type] : undefined;
  const classifier = qualifiers["classifier"] ?? known?.classifier;
  const snapshot = /^(.*)-SNAPSHOT$/.exec(version ?? "")?.[1];
  const printed =
    snapshot === undefined ? quoted(version ?? "") : `${quoted(snapshot)}-(?:SNAPSHOT|\\d{8}\\.\\d{6}-\\d+)`;
  const stem = `${quoted(name)}-${printed}${classifier === undefined ? "" : `-${quoted(classifier)}`}`;
  if (type !== undefined) return [new RegExp(`^${stem}\\.${quoted(known?.extension ?? type)}$`)];
  return [
    ...mavenExtensions.map((extension) => new RegExp(`^${stem}\\.${extension}$`)),
    new RegExp(`^${stem}\\.${archive}$`),
    new RegExp(`^${stem}\\.(?!(?:${companions})$)[A-Za-z]\\w*$`),
  ];
}

/** A version in a file name, where some tools write `_` for a `+`. */
function versionIn(version: string | null): string {
  return quoted(version ?? "").replaceAll("\\+", "[+_]");
}

function withoutEpoch(version: string | null): string | null {
  return version?.replace(/^\d+:/, "") ?? null;
}

function exactly(pattern: string): RegExp {
  return new RegExp(`^${pattern}$`, "i");
}

function quoted(text: string): string {
  return text.replace(/[\\^$.|?+*()[\]{}]/g, "\\$&");
}

function isOfType(file: PackageFile, type: string | undefined): boolean {
  return type === undefined || nameOf(file).toLowerCase().endsWith(`.${type.toLowerCase()}`);
}

/** The name without folders: npm's scoped files and GitLab's may carry them. */
function nameOf({ name }: PackageFile): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/**
 * The newest, where all of these are uploads or builds of one file. No file where they are different things, such as
 * wheels for several platforms: then all of them are candidates.
 */
function newestOf(files: readonly PackageFile[]): MeantFile {
  const things = new Set(files.map((file) => nameOf(file).replace(snapshotBuild, "-SNAPSHOT")));
  if (things.size !== 1) return { file: null, candidates: files };
  return { file: files.toSorted((a, b) => compareTexts(orderOf(b), orderOf(a)))[0] ?? null, candidates: [] };
}

/**
 * Grows with time: the moment and number of a snapshot's build, else when it was uploaded; equal only for equal files.
 */
function orderOf(file: PackageFile): string {
  const [, moment = "", build = ""] = snapshotBuild.exec(nameOf(file)) ?? [];
  return [moment, build.padStart(12), file.createdAt ?? "", nameOf(file), file.path ?? "", ...file.digests].join("\n");
}

const snapshotBuild = /-(\d{8}\.\d{6})-(\d+)(?=[-.])/;

function compareTexts(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/**
 * What a version is made of: its image, or the file that its package URL means. Null when it has no such file, or
 * several that could be meant.
 */
export async function artifactOfVersion(
  context: Context,
  version: Version,
  info: GraphQLResolveInfo,
): Promise<ArtifactNode | null> {
  if (version.image) {
    const { origin, image, digest } = version;
    const record = {
      origin,
      image,
      digest,
      kind: null,
      size: version.size,
      architecture: null,
      os: null,
      createdBy: version.createdBy,
      createdAt: version.createdAt,
      pushedAt: version.updatedAt,
      webUrl: null,
      archived: false,
      version: version.ref,
    };
    return new ArtifactNode(context, {
      ...imageSeed(image, null, digest),
      registryRecords: digest === null ? null : atHand([outcomeFrom(origin, record)]),
    });
  }
  const { backend } = version.ref.package;
  const purl = version.purl === null ? null : parsePurl(version.purl);
  const search = (reader: PackageReader) => findMainFile(reader, version.ref, purl);
  const main = await lookUp(context, info, "packages", backend, search);
  if (!main?.file) return null;
  const { file, origin } = main;
  return new ArtifactNode(context, fileSeed(context, { ...file, version: version.ref, fetchedAt: origin.fetchedAt }));
}
