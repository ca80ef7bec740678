import { type Digest, isStrong } from "../../model/artifact.ts";
import type { ImageRecord } from "../../model/package.ts";
import type { ArtifactRecord } from "../../model/release.ts";
import type { PackagedFile } from "./seeds.ts";

/** The scalars of an artifact that several backends may claim. */
export type MergedField = "name" | "type" | "size" | "architecture" | "os" | "createdBy" | "createdAt";

/**
 * Who speaks: the CI that built the bytes, the registry that the reference names, a package repository that lists the
 * file, or a registry that holds the same bytes under another name. The last is believed last, and only where an
 * artifact is traced through every backend.
 */
export type Role = "ci" | "registry" | "repository" | "copy";

/** One backend's claims about one artifact. Null: it makes no claim about the field. */
export interface Claim {
  readonly backend: string;
  readonly role: Role;
  readonly observedAt: string;
  readonly digest: Digest | null;
  readonly values: Readonly<Record<MergedField, string | number | null>>;
}

export interface ObservationParent {
  readonly backend: string;
  readonly field: string;
  readonly value: unknown;
  readonly observedAt: string;
}

export interface ConflictParent {
  readonly field: string;
  readonly chosen: string;
  readonly rule: string;
  readonly observations: readonly ObservationParent[];
}

/** How one field is merged. */
interface MergeRule {
  /** Who is believed, first first. */
  readonly trust: readonly Role[];
  /** The rule's name, as `Conflict.rule` tells it. */
  readonly rule: string;
  /**
   * Whether every backend speaks of the same fact. What each calls it, who built and who pushed, when it was built and
   * when it was stored are different facts: they stand in for each other, but do not contradict each other.
   */
  readonly sameFact: boolean;
}

const ciFirst: readonly Role[] = ["ci", "registry", "repository"];
const ciThenFile: readonly Role[] = ["ci", "repository", "registry"];
const ciLast: readonly Role[] = ["registry", "repository", "ci"];

/**
 * The merge policy, the one table. Only records of equal bytes ever get here, so a disagreement is about the record,
 * not about the thing.
 */
export const mergeRules: Readonly<Record<MergedField, MergeRule>> = {
  name: { trust: ciThenFile, sameFact: false, rule: "name: the build's own name before where it is stored" },
  type: { trust: ciFirst, sameFact: true, rule: "type: the build's own word before where it is stored" },
  size: { trust: ciLast, sameFact: true, rule: "size: registry before CI" },
  architecture: { trust: ciFirst, sameFact: true, rule: "architecture: the build's record before where it is stored" },
  os: { trust: ciFirst, sameFact: true, rule: "os: the build's record before where it is stored" },
  createdBy: { trust: ciThenFile, sameFact: false, rule: "createdBy: who built it before who stored it" },
  createdAt: { trust: ciThenFile, sameFact: false, rule: "createdAt: when it was built before when it was stored" },
};

/** The merged value of one field with the claim it comes from; null without a claim. */
export function mergeField(
  field: MergedField,
  claims: readonly Claim[],
): { readonly value: string | number; readonly claim: Claim } | null {
  for (const role of [...mergeRules[field].trust, "copy"]) {
    for (const claim of claims) {
      const value = claim.values[field];
      if (claim.role === role && value !== null) return { value, claim };
    }
  }
  return null;
}

/** Every claim as it was made. */
export function observationsOf(claims: readonly Claim[]): ObservationParent[] {
  return unique(fields.flatMap((field) => claims.flatMap((claim) => observation(field, claim))));
}

/** Fields about which claims of equal bytes differ, with the rule that chose. Equal values never conflict. */
export function conflictsOf(claims: readonly Claim[]): ConflictParent[] {
  return fields.flatMap((field): ConflictParent[] => {
    const merged = mergeField(field, claims);
    const observations = mergeRules[field].sameFact ? unique(claims.flatMap((claim) => observation(field, claim))) : [];
    if (!merged || new Set(observations.map(({ value }) => value)).size < 2) return [];
    return [{ field, chosen: merged.claim.backend, rule: mergeRules[field].rule, observations }];
  });
}

/** Zadig's record as claims. */
export function claimOfRecord(record: ArtifactRecord): Claim {
  const { name, type, size, architecture, os, createdBy, createdAt } = record;
  return {
    backend: record.origin.backend,
    role: "ci",
    observedAt: record.origin.fetchedAt,
    digest: record.digest,
    // An unknown word contradicts no other.
    values: { name, type: type === "OTHER" ? null : type, size, architecture, os, createdBy, createdAt },
  };
}

/**
 * A registry's record as claims. The size of a multi-arch index is the size of a list, and its push is not the build:
 * neither is claimed for the artifact.
 */
export function claimOfImage(record: ImageRecord): Claim {
  const { architecture, os, createdBy } = record;
  return {
    backend: record.origin.backend,
    role: "registry",
    observedAt: record.origin.fetchedAt,
    digest: record.digest,
    values: {
      name: record.image.repository.split("/").at(-1) ?? null,
      type: "IMAGE",
      size: record.kind === "INDEX" ? null : record.size,
      architecture,
      os,
      createdBy,
      createdAt: record.createdAt ?? record.pushedAt,
    },
  };
}

/** The claims of a registry that holds a copy. */
export function claimOfCopy(record: ImageRecord): Claim {
  return { ...claimOfImage(record), role: "copy" };
}

/** A repository's file as claims. */
export function claimOfFile({ version, file, fetchedAt }: PackagedFile): Claim {
  return {
    backend: version.package.backend,
    role: "repository",
    observedAt: fetchedAt,
    digest: file.digests.find(isStrong) ?? null,
    values: {
      name: file.name,
      type: "FILE",
      size: file.size,
      architecture: null,
      os: null,
      createdBy: null,
      createdAt: file.createdAt,
    },
  };
}

const fields = Object.keys(mergeRules) as MergedField[];

/** A backend that says the same of two tags of one image says it once. */
function unique(observations: readonly ObservationParent[]): ObservationParent[] {
  const sources = new Map(observations.map((one) => [JSON.stringify([one.backend, one.field, one.value]), one]));
  return [...sources.values()];
}

function observation(field: MergedField, claim: Claim): ObservationParent[] {
  const value = claim.values[field];
  return value === null ? [] : [{ backend: claim.backend, field, value, observedAt: claim.observedAt }];
}
