import { describe, expect, test } from "vitest";
import {
  buildId,
  checkCursor,
  coordinatesOf,
  createSeal,
  type NodeType,
  packageId,
  parseCursor,
  parseId,
  printCursor,
  printId,
  releaseId,
  versionId,
} from "../../src/graph/identity/opaque.ts";
import { refusalOf } from "../support/refusals.ts";

const notAnId = ["BAD_ID", "This is not an id of this graph."];
const notACursor = ["BAD_CURSOR", "This is not a cursor of this graph."];
const otherList = ["BAD_CURSOR", "This cursor belongs to another list: its backend or filter differs."];
const base64 = (text: string) => Buffer.from(text).toString("base64url");

describe("the coordinates in an id", () => {
  const release = { backend: "z", project: "p", zadigId: null, version: "v" };
  const byNumber = { backend: "z", project: "p", zadigId: "7", version: null };
  const version = { package: { backend: "b", repository: "r", key: "k" }, version: "1", nativeId: "9" };

  test.each<readonly [NodeType, readonly (string | null)[], unknown]>([
    ["Release", ["z", "p", null, "v"], { ref: release }],
    ["Release", ["z", null, "7", null], { ref: { ...byNumber, project: null } }],
    ["BuildInfo", ["release", "z", "p", null, "v", "3"], { ref: { backend: "z", release, buildId: "3" } }],
    [
      "BuildInfo",
      ["artifact", "z", "7", null, "build"],
      { ref: { backend: "z", artifact: { backend: "z", zadigId: "7", image: null }, activity: "build" } },
    ],
    [
      "BuildInfo",
      ["artifact", "z", null, "i:1", "build"],
      { ref: { backend: "z", artifact: { backend: "z", zadigId: null, image: "i:1" }, activity: "build" } },
    ],
    ["Package", ["b", "r", "k"], { ref: version.package }],
    ["Version", ["b", "r", "k", "1", "9"], { ref: version }],
    ["Version", ["b", "r", "k", "", null], { ref: { ...version, version: "", nativeId: null } }],
    [
      "Artifact",
      ["d", "zadig", "z", "7", null],
      { digest: "d", coordinate: { by: "zadig", ref: { backend: "z", zadigId: "7", image: null } } },
    ],
    [
      "Artifact",
      [null, "zadig", "z", null, "i:1"],
      { digest: null, coordinate: { by: "zadig", ref: { backend: "z", zadigId: null, image: "i:1" } } },
    ],
    [
      "Artifact",
      [null, "image", null, "i:1"],
      { digest: null, coordinate: { by: "image", zadig: null, image: "i:1", asOf: null } },
    ],
    [
      "Artifact",
      ["d", "image", "z", "i:1", "2026"],
      { digest: "d", coordinate: { by: "image", zadig: "z", image: "i:1", asOf: "2026" } },
    ],
    ["Artifact", ["d", "trace", "i:1"], { digest: "d", coordinate: { by: "trace", image: "i:1" } }],
    [
      "Artifact",
      ["d", "file", "b", "r", "k", "1", "9", "a.jar"],
      { digest: "d", coordinate: { by: "file", version, path: "a.jar" } },
    ],
  ])("of type %s: %j", (type, parts, coordinates) => {
    const id = printId(type, parts);
    expect(coordinatesOf(id)).toEqual({ type, ...Object(coordinates) });
    expect(coordinatesOf(id, type)).toEqual(coordinatesOf(id));
    const other = type === "Package" ? "Version" : "Package";
    expect(refusalOf(() => coordinatesOf(id, other))).toEqual(["BAD_ID", `This is not the id of a ${other}.`]);
  });

  test.each<readonly [NodeType, readonly (string | null)[]]>([
    ["Release", []],
    ["Release", [null, "p", "7", "v"]],
    ["Release", ["", "p", "7", "v"]],
    ["Release", ["z", "p", null, null]],
    ["Release", ["z", null, null, "v"]],
    ["Release", ["z", "", "", ""]],
    ["Release", ["z", "p", "7"]],
    ["Release", ["z", "p", "7", "v", "x"]],
    ["BuildInfo", []],
    ["BuildInfo", ["release", null, "p", "7", null, "3"]],
    ["BuildInfo", ["release", "z", "p", "7", null]],
    ["BuildInfo", ["release", "z", "p", "7", null, null]],
    ["BuildInfo", ["release", "z", "p", "7", null, ""]],
    ["BuildInfo", ["release", "z", "p", null, null, "3"]],
    ["BuildInfo", ["release", "z", "7", null, "build"]],
    ["BuildInfo", ["release", "z", "p", "7", null, "3", "x"]],
    ["BuildInfo", ["artifact", "", "7", null, "build"]],
    ["BuildInfo", ["artifact", "z", null, null, "build"]],
    ["BuildInfo", ["artifact", "z", "7", null, null]],
    ["BuildInfo", ["artifact", "z", "7", null, "build", "x"]],
    ["BuildInfo", ["other", "z", "7", null, "build"]],
    ["BuildInfo", ["other", "z", "p", "7", null, "3"]],
    ["Package", ["b", "r"]],
    ["Package", ["b", "r", "k", "x"]],
    ["Package", [null, "r", "k"]],
    ["Package", ["b", null, "k"]],
    ["Package", ["b", "r", null]],
    ["Package", ["b", "r", ""]],
    ["Version", ["b", "r", "k", "1"]],
    ["Version", ["b", "r", "k", "1", null, "x"]],
    ["Version", ["", "r", "k", "1", null]],
    ["Version", ["b", "", "k", "1", null]],
    ["Version", ["b", "r", "", "1", null]],
    ["Version", ["b", "r", "k", null, null]],
    ["Artifact", []],
    ["Artifact", ["d", "zadig", "z", null, null]],
    ["Artifact", ["d", "zadig", null, "7", "i"]],
    ["Artifact", ["d", "zadig", "z", "7"]],
    ["Artifact", ["d", "zadig", "z", "7", "i", "x"]],
    ["Artifact", ["d", "image", "z"]],
    ["Artifact", ["d", "image", "z", null]],
    ["Artifact", ["d", "image", "z", "i", null]],
    ["Artifact", ["d", "image", "z", "i", "2026", "x"]],
    ["Artifact", ["d", "trace"]],
    ["Artifact", ["d", "trace", null]],
    ["Artifact", ["d", "trace", "i", "x"]],
    ["Artifact", ["d", "file", "b", "r", "k", "1", "9"]],
    ["Artifact", ["d", "file", "b", "r", "k", "1", "9", null]],
    ["Artifact", ["d", "file", "b", "r", "k", null, "9", "a.jar"]],
    ["Artifact", ["d", "file", "b", "r", "k", "1", "9", "a.jar", "x"]],
    ["Artifact", ["d", "other", "b", "r", "k", "1", "9", "a.jar"]],
    ["Artifact", ["d", "other", "i"]],
    ["Artifact", ["d", "other", "z", "7", "i"]],
    ["Artifact", ["d", "other", "z", "i"]],
  ])("are refused of type %s: %j", (type, parts) => {
    const id = printId(type, parts);
    expect(refusalOf(() => coordinatesOf(id))).toEqual(["BAD_ID", "This is not the id of a node."]);
    expect(refusalOf(() => coordinatesOf(id, type))).toEqual(["BAD_ID", `This is not the id of a ${type}.`]);
  });

  test("have one id: what Zadig numbers is known by its number alone", () => {
    expect(parseId(releaseId({ ...byNumber, version: "v" })).parts).toEqual(["z", "p", "7", null]);
    expect(parseId(releaseId(release)).parts).toEqual(["z", "p", null, "v"]);
    const build = (ref: typeof release | typeof byNumber) => buildId({ backend: "z", release: ref, buildId: "3" });
    expect(parseId(build({ ...byNumber, zadigId: "7" })).parts).toEqual(["release", "z", "p", "7", null, "3"]);
    expect(parseId(buildId({ backend: "z", release: { ...byNumber, version: "v" }, buildId: "3" })).parts).toEqual([
      "release",
      "z",
      "p",
      "7",
      null,
      "3",
    ]);
    expect(parseId(build(release)).parts).toEqual(["release", "z", "p", null, "v", "3"]);
    const artifact = { backend: "z", zadigId: "7", image: "i:1" };
    expect(parseId(buildId({ backend: "z", artifact, activity: "build" }))).toEqual({
      type: "BuildInfo",
      parts: ["artifact", "z", "7", "i:1", "build"],
    });
    expect(parseId(packageId(version.package))).toEqual({ type: "Package", parts: ["b", "r", "k"] });
    expect(parseId(versionId(version))).toEqual({ type: "Version", parts: ["b", "r", "k", "1", "9"] });
  });
});

describe("text that no id is:", () => {
  test.each([
    ["no text", ""],
    ["a space", "MTox "],
    ["a space in front", ` ${printId("Package", ["b", "r", "k"])}`],
    ["a plus", "MTox+"],
    ["no prefix", base64("Package")],
    ["no type", base64("1:1")],
    ["a null for a type", base64("1:1-")],
    ["an unknown type", base64("1:15:Query")],
    ["another format", base64("1:27:Package")],
    ["no format", base64("-7:Package")],
    ["a part that is too short", base64("1:17:Pack")],
    ["a length with a zero in front", base64("1:17:Package01:a")],
    ["a letter in front of a length", base64("1:17:Packagex2:a")],
    ["a length without digits", base64("1:17:Package:a")],
    ["a length of five digits", base64(`1:17:Package10000:${"a".repeat(10_000)}`)],
    ["a line feed in a part", base64("1:17:Package1:\n")],
    ["a delete in a part", base64("1:17:Package1:\x7f")],
    ["bytes that are no text", Buffer.from([0x31, 0x3a, 0x31, 0xff]).toString("base64url")],
    ["bits that are left", `${base64("1:17:Package1:ab").slice(0, -1)}`],
  ])("%s", (_what, text) => {
    expect(refusalOf(() => parseId(text))).toEqual(notAnId);
  });

  test("a part of 1024 letters is read, one of 1025 is none", () => {
    expect(parseId(printId("Package", ["a".repeat(1024)])).parts).toEqual(["a".repeat(1024)]);
    expect(refusalOf(() => parseId(printId("Package", ["a".repeat(1025)])))).toEqual(notAnId);
  });

  test("sixteen parts are read, seventeen are none", () => {
    const parts = Array.from({ length: 14 }, () => "a");
    expect(parseId(printId("Package", parts)).parts).toEqual(parts);
    expect(refusalOf(() => parseId(printId("Package", [...parts, "a"])))).toEqual(notAnId);
    expect(refusalOf(() => parseId(printId("Package", [...parts, null])))).toEqual(notAnId);
  });

  test("empty parts, spaces and letters of all kinds are parts", () => {
    const parts = ["", " ", "~", "ü", "漢字", null, "10:a-"];
    expect(parseId(printId("Package", parts)).parts).toEqual(parts);
  });
});

describe("a cursor", () => {
  test.each<readonly [string, readonly (string | number)[]]>([
    ["nothing", []],
    ["a number", [0]],
    ["minus one", [-1]],
    ["texts", ["a", "", 7]],
    ["twelve parts", Array.from({ length: 12 }, (_, index) => index)],
  ])("holds %s", (_what, position) => {
    const cursor = printCursor("b", { q: 1 }, position);
    expect(() => checkCursor(cursor)).not.toThrow();
    expect(parseCursor(cursor, "b", { q: 1 })).toEqual(position);
  });

  test("of another backend or filter is not of this list", () => {
    const cursor = printCursor("b", { q: 1 }, [1]);
    expect(refusalOf(() => parseCursor(cursor, "c", { q: 1 }))).toEqual(otherList);
    expect(refusalOf(() => parseCursor(cursor, "b", { q: 2 }))).toEqual(otherList);
  });

  const hash = "x".repeat(12);
  const packed = (...parts: readonly (string | null)[]) =>
    base64(parts.map((part) => (part === null ? "-" : `${part.length}:${part}`)).join(""));

  test.each([
    ["no text", ""],
    ["no position", packed("1", "b", hash)],
    ["a null for a position", packed("1", "b", hash, null)],
    ["another format", packed("2", "b", hash, "[1]")],
    ["a part too many", packed("1", "b", hash, "[1]", "x")],
    ["no JSON", packed("1", "b", hash, "[1")],
    ["no list", packed("1", "b", hash, "{}")],
    ["a fraction", packed("1", "b", hash, "[1.5]")],
    ["a number below minus one", packed("1", "b", hash, "[-2]")],
    ["a number that is not safe", packed("1", "b", hash, "[9007199254740992]")],
    ["a truth value", packed("1", "b", hash, "[true]")],
    ["a null among the parts", packed("1", "b", hash, "[null]")],
    ["thirteen parts", packed("1", "b", hash, "[1,1,1,1,1,1,1,1,1,1,1,1,1]")],
    ["a seal that is too short", packed("1", "b", hash, "a".repeat(37))],
    ["a seal of other letters", packed("1", "b", hash, `${"a".repeat(38)}+`)],
    ["a seal with a letter in front", packed("1", "b", hash, `+${"a".repeat(38)}`)],
    ["another seal of other letters", packed("1", "b", hash, "+".repeat(40))],
  ])("is not %s", (_what, cursor) => {
    expect(refusalOf(() => checkCursor(cursor))).toEqual(notACursor);
  });

  test("may be sealed, which is known without the seal", () => {
    expect(refusalOf(() => checkCursor(packed("1", "b", hash, "a".repeat(38))))).toBeNull();
  });
});

describe("a sealed cursor", () => {
  const seal = createSeal("a secret");
  const cursor = printCursor("b", { q: 1 }, [5, "row"], seal);

  test("shows nothing of its position, and is read by those who have the secret", () => {
    expect(Buffer.from(cursor, "base64url").toString()).not.toContain("row");
    expect(() => checkCursor(cursor)).not.toThrow();
    expect(parseCursor(cursor, "b", { q: 1 }, createSeal("a secret"))).toEqual([5, "row"]);
  });

  test("is the same for the same position, and another for every other", () => {
    expect(printCursor("b", { q: 1 }, [5, "row"], seal)).toBe(cursor);
    const nonce = (text: string) => text.slice(0, 16);
    const sealed = [seal.close("x", "p"), seal.close("y", "p"), seal.close("x", "q")];
    expect(new Set(sealed.map(nonce)).size).toBe(3);
  });

  test("is none for others, in another place, changed, cut or without its seal", () => {
    expect(refusalOf(() => parseCursor(cursor, "b", { q: 1 }, createSeal("another")))).toEqual(notACursor);
    expect(refusalOf(() => parseCursor(cursor, "b", { q: 1 }))).toEqual(notACursor);
    expect(refusalOf(() => parseCursor(printCursor("b", { q: 1 }, [5]), "b", { q: 1 }, seal))).toEqual(notACursor);
    expect(refusalOf(() => parseCursor(cursor, "c", { q: 1 }, seal))).toEqual(otherList);
    const closed = seal.close("text", "place");
    expect(seal.open(closed, "place")).toBe("text");
    expect(seal.open(closed, "other")).toBeNull();
    expect(seal.open(`${closed}=`, "place")).toBeNull();
    expect(seal.open(closed.slice(0, 20), "place")).toBeNull();
    expect(seal.open(`${closed.slice(0, -2)}AA`, "place")).toBeNull();
    expect(seal.open("", "place")).toBeNull();
    expect(seal.open(seal.close("", "place"), "place")).toBe("");
    expect(seal.open(seal.close("ü漢", "place"), "place")).toBe("ü漢");
  });
});
