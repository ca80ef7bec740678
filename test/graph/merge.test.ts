import { describe, expect, test } from "vitest";
import {
  type Claim,
  claimOfCopy,
  claimOfFile,
  claimOfImage,
  claimOfRecord,
  conflictsOf,
  type MergedField,
  mergeField,
  observationsOf,
  type Role,
} from "../../src/graph/artifact/merge.ts";
import { digestOf } from "../../src/model/artifact.ts";
import type { ImageRecord } from "../../src/model/package.ts";
import type { ArtifactRecord } from "../../src/model/release.ts";

const none: Claim["values"] = {
  name: null,
  type: null,
  size: null,
  architecture: null,
  os: null,
  createdBy: null,
  createdAt: null,
};
const at = "2026-11-20T08:00:00.000Z";

function claim(role: Role, values: Partial<Claim["values"]>, backend: string = role): Claim {
  return { backend, role, observedAt: at, digest: null, values: { ...none, ...values } };
}

// The published policy: who is believed before whom, and whether claims can contradict each other.
const policy: readonly (readonly [MergedField, readonly Role[], string | null])[] = [
  ["name", ["ci", "repository", "registry", "copy"], null],
  ["type", ["ci", "registry", "repository", "copy"], "type: the build's own word before where it is stored"],
  ["size", ["registry", "repository", "ci", "copy"], "size: registry before CI"],
  [
    "architecture",
    ["ci", "registry", "repository", "copy"],
    "architecture: the build's record before where it is stored",
  ],
  ["os", ["ci", "registry", "repository", "copy"], "os: the build's record before where it is stored"],
  ["createdBy", ["ci", "repository", "registry", "copy"], null],
  ["createdAt", ["ci", "repository", "registry", "copy"], null],
];

describe.each(policy)("%s", (field, trust, rule) => {
  test("is believed in the order of trust, in whatever order the claims come", () => {
    const claims = trust.map((role) => claim(role, { [field]: `by ${role}` })).reverse();
    for (const [index, role] of trust.entries()) {
      const left = claims.filter((one) => !trust.slice(0, index).includes(one.role));
      expect(mergeField(field, left)).toEqual({ value: `by ${role}`, claim: claim(role, { [field]: `by ${role}` }) });
    }
    expect(mergeField(field, [claim("ci", {})])).toBeNull();
    expect(mergeField(field, [])).toBeNull();
  });

  test(
    rule === null ? "never conflicts" : "conflicts where values differ, and says by which rule it was chosen",
    () => {
      const claims = trust.map((role) => claim(role, { [field]: `by ${role}` }));
      const observations = trust.map((role) => ({ backend: role, field, value: `by ${role}`, observedAt: at }));
      const conflict = { field, chosen: trust[0], rule, observations };
      expect(conflictsOf(claims)).toEqual(rule === null ? [] : [conflict]);
      expect(conflictsOf([claim("ci", { [field]: "same" }), claim("registry", { [field]: "same" })])).toEqual([]);
      expect(conflictsOf([claim("ci", { [field]: "alone" }), claim("registry", {})])).toEqual([]);
    },
  );
});

test("claims of one role are believed in their order", () => {
  const claims = [claim("registry", { size: 1 }, "first"), claim("registry", { size: 2 }, "second")];
  expect(mergeField("size", claims)?.claim.backend).toBe("first");
});

test("two values are enough for a conflict", () => {
  const claims = [claim("registry", { size: 1 }), claim("ci", { size: 2 })];
  expect(conflictsOf(claims)).toMatchObject([{ field: "size", chosen: "registry" }]);
});

test("observations go by field, then by claim, and one that is repeated is told once", () => {
  const claims = [
    claim("registry", { size: 1, os: "linux" }),
    claim("registry", { size: 1, os: "windows" }),
    claim("ci", { name: "shop", size: 0 }),
  ];
  expect(observationsOf(claims).map(({ backend, field, value }) => [backend, field, value])).toEqual([
    ["ci", "name", "shop"],
    ["registry", "size", 1],
    ["ci", "size", 0],
    ["registry", "os", "linux"],
    ["registry", "os", "windows"],
  ]);
});

const origin = { backend: "store", fetchedAt: at, stale: false, traceId: null };

const record: ArtifactRecord = {
  ref: { backend: "store", zadigId: "1", image: null },
  origin,
  name: "shop",
  type: "FILE",
  image: null,
  file: "shop.jar",
  digest: null,
  size: 7,
  architecture: "amd64",
  os: "linux",
  createdBy: "ann",
  createdAt: null,
  activities: null,
};

const image: ImageRecord = {
  origin,
  image: {
    raw: "r.example/team/group/shop:1",
    registry: "r.example",
    repository: "team/group/shop",
    tag: "1",
    digest: null,
  },
  digest: null,
  kind: "MANIFEST",
  size: 9,
  architecture: "arm64",
  os: "linux",
  createdBy: "bob",
  createdAt: null,
  pushedAt: null,
  webUrl: null,
  archived: false,
  version: null,
};

describe("a record as claims", () => {
  test("of the CI, whose OTHER is no claim", () => {
    expect(claimOfRecord(record)).toEqual({
      backend: "store",
      role: "ci",
      observedAt: at,
      digest: null,
      values: {
        name: "shop",
        type: "FILE",
        size: 7,
        architecture: "amd64",
        os: "linux",
        createdBy: "ann",
        createdAt: null,
      },
    });
    expect(claimOfRecord({ ...record, type: "OTHER" }).values.type).toBeNull();
  });

  test("of a registry: the last part of the path is the name", () => {
    expect(claimOfImage(image)).toEqual({
      backend: "store",
      role: "registry",
      observedAt: at,
      digest: null,
      values: {
        name: "shop",
        type: "IMAGE",
        size: 9,
        architecture: "arm64",
        os: "linux",
        createdBy: "bob",
        createdAt: null,
      },
    });
  });

  test("of an index: its size is the size of a list", () => {
    expect(claimOfImage({ ...image, kind: "INDEX" }).values.size).toBeNull();
    expect(claimOfImage({ ...image, kind: null }).values.size).toBe(9);
  });

  test("dates a build before a push", () => {
    const [built, pushed] = ["2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z"];
    expect(claimOfImage({ ...image, createdAt: built, pushedAt: pushed }).values.createdAt).toBe(built);
    expect(claimOfImage({ ...image, pushedAt: pushed }).values.createdAt).toBe(pushed);
  });

  test("of a repository's file: its first strong digest", () => {
    const [weak, strong] = [digestOf("md5", "d".repeat(32)), digestOf("sha256", "a".repeat(64))];
    if (weak === null || strong === null) throw new Error("no digest");
    const file = { name: "shop.jar", path: null, size: 7, digests: [weak, strong], createdAt: at, downloadUrl: null };
    const ref = { package: { backend: "store", repository: "r", key: "k" }, version: "1", nativeId: null };
    const claimed = claimOfFile({ version: ref, file, fetchedAt: at });
    expect(claimed).toEqual({
      ...claim("repository", { name: "shop.jar", type: "FILE", size: 7, createdAt: at }, "store"),
      digest: strong,
    });
    expect(claimOfFile({ version: ref, file: { ...file, digests: [weak] }, fetchedAt: at }).digest).toBeNull();
  });

  test("of a copy, which is believed last", () => {
    expect(claimOfCopy(image)).toEqual({ ...claimOfImage(image), role: "copy" });
  });
});
