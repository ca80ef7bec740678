import type { Question } from "../../backends/prices.ts";
import { parseImageRef } from "../../model/artifact.ts";
import { mergeRules } from "../artifact/merge.ts";
import { coordinatesOf, type NodeCoordinates } from "../identity/opaque.ts";
import type { Demand, Frame, Place } from "./walk.ts";

/** Reads the things behind ids, each with the one backend its id names. */
const nodes: Demand = ({ args, ask }) => {
  const found = idsIn(args).flatMap((id) => coordinatesIn(id) ?? []);
  const homes = new Set<string>();
  for (const node of found) {
    const [question, home] = readingOf(node);
    homes.add(home);
    ask(question, { of: [home], keys: 1 });
  }
  return { homes: [...homes], known: new Set(["parts", "records"]) };
};

/** A text inside an argument; null when it is not there, or is none. */
function textIn(input: unknown, name: string): string | null {
  if (typeof input !== "object" || input === null) return null;
  const value: unknown = Object.getOwnPropertyDescriptor(input, name)?.value;
  return typeof value === "string" ? value : null;
}

/** The ids in the arguments `id`, `ids` and `representations`, whichever the field has. */
function idsIn({ id, ids, representations }: Readonly<Record<string, unknown>>): readonly string[] {
  const all = [id, ...(Array.isArray(ids) ? ids : [])];
  const ofEntities = Array.isArray(representations) ? representations.map((one: unknown) => textIn(one, "id")) : [];
  return [...all, ...ofEntities].flatMap((one) => (typeof one === "string" ? [one] : []));
}

function coordinatesIn(id: string): NodeCoordinates | null {
  try {
    return coordinatesOf(id);
  } catch {
    // A bad id is refused in its own place, without a call.
    return null;
  }
}

function readingOf(node: NodeCoordinates): readonly [Question, string] {
  switch (node.type) {
    case "Release":
      return ["release", node.ref.backend];
    case "BuildInfo":
      return ["release" in node.ref ? "release" : "artifact", node.ref.backend];
    case "Package":
      return ["package", node.ref.backend];
    case "Version":
      return ["version", node.ref.package.backend];
    case "Artifact": {
      const { coordinate } = node;
      if (coordinate.by === "file") return ["files", coordinate.version.package.backend];
      if (coordinate.by === "zadig") return ["artifact", coordinate.ref.backend];
      return ["byImage", coordinate.by === "image" ? (coordinate.zadig ?? "") : ""];
    }
  }
}

/** Images that a release names, as `@listSize` says of its parts. */
const imagesARelease = 10;
/** Artifacts whose record lacks something, so that another backend has to be asked: one in so many. */
const oneInSoMany = 10;
/** Packages of one name that a search may find. */
const namesakes = 3;
/** Everything that can be asked about an artifact; where it is at hand, nothing is. */
const allOfIt = ["records", "registries", "copies"] as const;

const parts: Demand = ({ frame, ask }) => {
  if (!frame.known.has("parts")) ask("releaseParts");
  frame.known.add("parts");
};

/** Asks once for what all fields of one artifact share. */
function artifact(...wanted: readonly ("records" | "record's gaps" | "registries" | "copies")[]): Demand {
  return ({ frame, times, ask, able }) => {
    const needs = (need: string) => wanted.some((one) => one === need) && !frame.known.has(need);
    if (needs("records")) ask("byImage");
    if (needs("registries")) ask("image", { of: able("image") });
    else if (needs("record's gaps") && !frame.known.has("registries")) {
      ask("image", { of: able("image"), keys: times / oneInSoMany });
    }
    if (needs("copies")) ask("copies", { of: able("copies") });
    for (const one of wanted) frame.known.add(one);
  };
}

/** Everything that can be asked about an artifact, a package file's equals by checksum included. */
const wholly: Demand = (place) => {
  everywhere(place);
  const { frame, times, ask, able, context } = place;
  if (!frame.known.has("file") || frame.known.has("sameFiles")) return undefined;
  for (const name of able("byChecksum")) {
    const placeCount = context.estate.find(name)?.places.length ?? 0;
    ask("byChecksum", { of: [name], keys: times * Math.max(1, placeCount) });
  }
  frame.known.add("sameFiles");
};

const byRecord = artifact("records", "record's gaps");
const byRegistry = artifact("records", "registries");
const everywhere = artifact("records", "registries", "copies");

/** The digest stands where the artifact is named: that costs no call. */
function unlessKnown(demand: Demand): Demand {
  return (place) => (place.frame.known.has("digest") ? undefined : demand(place));
}

/** An artifact named by its parent: nothing is known of it but the Zadig that named it. */
const named: Demand = () => undefined;

const atHand = (...known: readonly string[]): Partial<Frame> => ({ known: new Set(known) });

const trace: Demand = ({ args, context, ask, able }) => {
  const image = typeof args["image"] === "string" ? parseImageRef(args["image"]) : null;
  const owner = image && context.estate.ownerOf(image.registry);
  const owners = image ? (owner ? [owner.name] : []) : able("image");
  // The reference itself, its other spellings, and those it was found under later.
  ask("byNameAndTag", { of: able("byNameAndTag"), keys: 2 });
  ask("byImage", { of: able("byImage"), keys: 1 });
  ask("image", { of: owners, keys: 1 });
  ask("copies", { of: able("copies"), keys: 1 });
  return { homes: able("byImage"), images: true };
};

const byDigest: Demand = (place) => {
  place.ask("byDigest", { of: place.able("byDigest"), keys: 1 });
  place.ask("byChecksum", { of: place.able("byChecksum"), keys: 1 });
  return trace(place);
};

const byPurl: Demand = (place) => {
  const { args, ask, able } = place;
  if (/^pkg:(?:oci|docker)\//.test(String(args["purl"]))) return byDigest(place);
  ask("named", { of: able("named"), keys: 1 });
  ask("version", { of: able("version"), keys: namesakes });
  ask("files", { of: able("files"), keys: namesakes });
  return { homes: able("byImage"), images: false };
};

const ofPackage =
  (question: Question, ofImage: Question): Demand =>
  ({ frame, ask }) => {
    ask(frame.images ? ofImage : question);
    return { images: frame.images, known: new Set(["package"]) };
  };

/** Connections tell nothing new of their rows. */
const rows: Demand = ({ frame }) => ({ known: new Set(frame.known), images: frame.images });

/**
 * What each field costs, by its coordinate. Null: one call for each parent and unit of its `@cost`, in every backend
 * that the parent may be from; that needs no price. Fields that are not here cost nothing.
 */
export const demands: Readonly<Record<string, Demand | null>> = {
  "Query.release": nodes,
  "Query.releases": ({ args, ask, able }) => {
    const homes = homesOf(args["filter"], able("releases"));
    const isFiltered = textIn(args["filter"], "service") !== null || textIn(args["filter"], "label") !== null;
    ask(isFiltered ? "filteredReleases" : "releases", { of: homes, keys: 1 });
    return { homes };
  },
  "Query.artifacts": ({ args, ask, able }) => {
    const homes = homesOf(args["filter"], able("artifacts"));
    const isFiltered = textIn(args["filter"], "repository") !== null || textIn(args["filter"], "branch") !== null;
    ask(isFiltered ? "filteredArtifacts" : "artifacts", { of: homes, keys: 1 });
    return { homes, known: new Set(["records"]) };
  },
  "Query.package": ({ args, context, ask, able }) => {
    const homes = homesOf(args["ref"], able("package"));
    ask("package", { of: homes, keys: 1 });
    const [home] = homes;
    const backend = home === undefined ? null : context.estate.find(home);
    const key = textIn(args["ref"], "key");
    const format = textIn(args["ref"], "format");
    const parsed = key === null || !backend ? null : context.readers(backend).packages?.parseKey(key);
    return { homes, images: isImages(parsed?.format ?? format) };
  },
  "Query.packages": ({ args, ask, able }) => {
    const homes = homesOf(args["scope"], able("packages"));
    ask("packages", { of: homes, keys: 1 });
    return { homes, images: isImages(textIn(args["filter"], "format")) };
  },
  "Query.searchPackages": ({ args, ask, able }) => {
    const homes = able("search");
    ask("search", { of: homes, keys: 1 });
    return { homes, images: isImages(textIn(args, "format")) };
  },
  "PackageSearch.groups": ({ frame, times, below }) => ({ share: times / below, images: frame.images }),
  "PackageSearchGroup.packages": rows,
  "Query.traceByImage": trace,
  "Query.traceByDigest": byDigest,
  "Query.traceByPurl": byPurl,
  "ArtifactTrace.artifact": () => atHand(...allOfIt),
  // Of a file, what its repository says is all there is.
  "ArtifactTrace.candidates": ({ frame }) => (frame.images ? {} : atHand(...allOfIt)),
  "Query.node": nodes,
  "Query.nodes": nodes,
  "Query.backends": ({ below }) => ({ share: 1 / below }),
  "Query._entities": nodes,

  "Backend.health": ({ ask }) => ask("ping"),

  "Release.builds": (place) => {
    parts(place);
    place.ask("assembledBuilds", { keys: place.times * imagesARelease });
  },
  "Release.deployments": parts,
  "Release.tests": parts,
  "Release.distributions": parts,
  "Release.securityScans": parts,
  "Release.images": parts,
  "Release.drift": (place) => {
    parts(place);
    place.ask("byImage", { keys: place.below });
    place.ask("image", { of: place.able("image"), keys: place.below });
  },
  "BuildInfo.release": ({ ask }) => {
    ask("release");
    return atHand("parts");
  },
  "Commit.packages": ({ ask, able }) => {
    const homes = able("publishedFrom");
    ask("publishedFrom", { of: homes });
    return { homes, share: 1 };
  },
  "Container.artifact": named,
  "BuildInfo.artifact": named,
  "Deployment.artifact": named,
  "Distribution.artifact": named,
  "SecurityScan.artifact": named,
  "ReleaseImage.artifact": named,

  "Artifact.id": byRecord,
  "Artifact.digest": unlessKnown(byRecord),
  "Artifact.otherDigests": unlessKnown(byRecord),
  "Artifact.purl": unlessKnown(byRecord),
  // Where a value is looked for first is the merge's to say.
  ...Object.fromEntries(
    Object.entries(mergeRules).map(([field, { trust }]) => [
      `Artifact.${field}`,
      trust[0] === "ci" ? byRecord : byRegistry,
    ]),
  ),
  "Artifact.observations": byRegistry,
  "Artifact.conflicts": byRegistry,
  "Artifact.locations": (place) => {
    wholly(place);
    return { homes: place.able("image") };
  },
  "Artifact.isComplete": wholly,
  "Artifact.sources": wholly,
  "Artifact.activities": (place) => {
    byRecord(place);
    place.ask("artifact", { keys: place.times / oneInSoMany });
  },
  "Artifact.builds": byRecord,
  "Artifact.releases": (place) => {
    byRecord(place);
    place.ask("containing");
    return atHand("parts");
  },
  "ArtifactLocation.version": ({ ask }) => {
    ask("tag");
    return { images: true };
  },

  "Package.latestVersion": (place) => {
    if (place.args["by"] === "SEMVER") place.ask("latestBySemver");
    else ofPackage("latest", "latestTag")(place);
    return { images: place.frame.images, known: new Set(["package"]) };
  },
  "Package.version": ofPackage("version", "tag"),
  "Package.versions": ofPackage("versions", "tags"),
  "Package.namesakes": ({ ask, able, frame }) => {
    const homes = able("named");
    ask("named", { of: homes });
    return { homes, share: 1, images: frame.images };
  },
  "PackageLink.package": rows,
  "Version.package": ({ ask, frame }) => {
    ask("package");
    return { images: frame.images };
  },
  // Where the package keeps them, it has to be read, unless the versions were reached through it.
  "Version.tags": ({ ask, frame }) => {
    if (!frame.images && !frame.known.has("package")) ask("floatingTags");
    frame.known.add("package");
  },
  "Version.files": ({ ask, frame }) => {
    if (!frame.images) ask("files");
    return { images: frame.images };
  },
  "Version.artifact": ({ ask, able, frame }) => {
    // An image is named by its version; of anything else it has to be seen that it is one file.
    if (!frame.images) ask("files");
    return {
      homes: able("byImage"),
      share: 1,
      ...(frame.images ? atHand("registries", "digest") : atHand(...allOfIt, "file")),
    };
  },
  "Version.builds": ({ ask, able, frame }) => {
    const homes = able("byCommit");
    if (frame.images !== false) ask("byNameAndTag", { of: homes });
    if (!frame.images) ask("byCommit", { of: homes });
    return { homes, share: 1 };
  },
  "PackageFile.artifact": () => atHand(...allOfIt, "file"),
  "PipelineRun.commit": ({ ask }) => {
    ask("commit");
    ask("mergeRequests");
  },

  ...Object.fromEntries(
    ["Release", "Artifact", "Package", "Version", "PackageFile"].flatMap((type) => [
      [`${type}Connection.totalCount`, ({ ask }: Place) => ask("total")],
      [`${type}Connection.nodes`, rows],
      [`${type}Connection.edges`, rows],
      [`${type}Edge.node`, rows],
    ]),
  ),
};

function homesOf(input: unknown, able: readonly string[]): readonly string[] {
  const name = textIn(input, "backend");
  // Left out, it means the only one there is; should there be several, nothing will be asked.
  return name === null ? able : able.filter((one) => one === name);
}

function isImages(format: string | null | undefined): boolean | null {
  return format === null || format === undefined ? null : format === "DOCKER" || format === "OCI";
}
