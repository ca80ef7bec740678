import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  chunksByBytes,
  hostUrl,
  objectId,
  patternOfImages,
  patternOfSuffixes,
  safeUrl,
} from "../../../src/backends/zadig/keys.ts";
import { parseRun } from "../../../src/backends/zadig/mapper.ts";

const text = fc.oneof(
  fc.string({ minLength: 1 }),
  fc.string({ unit: fc.constantFrom(..."ab/.:+*?()[]{}|^$\\-"), minLength: 1 }),
);

describe("patterns", () => {
  it("match the texts they were made of and no other text", () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), text, (texts, other) => {
        const pattern = new RegExp(patternOfImages(texts));
        expect(texts.every((one) => pattern.test(one))).toBe(true);
        expect(pattern.test(other)).toBe(texts.includes(other));
      }),
    );
  });

  it("match the ends of references", () => {
    fc.assert(
      fc.property(text, text, (ending, before) => {
        const pattern = new RegExp(patternOfSuffixes([ending]));
        expect(pattern.test(`${before}/${ending}`)).toBe(true);
        expect(pattern.test(ending)).toBe(ending.includes(`/${ending}`));
      }),
    );
  });

  it("are cut into chunks that lose nothing, keep the order and stay below the limit", () => {
    fc.assert(
      fc.property(fc.array(text), fc.integer({ min: 1, max: 200 }), (texts, limit) => {
        const chunks = chunksByBytes(texts, (one) => one, limit);
        expect(chunks.flat()).toEqual(texts);
        for (const chunk of chunks) {
          expect(chunk.length === 1 || encodeURIComponent(patternOfImages(chunk)).length <= limit + 50).toBe(true);
        }
      }),
    );
  });
});

describe("addresses", () => {
  it("never contain user-info", () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true }), fc.stringMatching(/^[a-z0-9]{8,16}$/), (url, secret) => {
        const dressed = url.replace("://", `://user:${secret}@`);
        for (const clean of [safeUrl(dressed), hostUrl(dressed)]) {
          expect(clean).not.toBeNull();
          expect(new URL(clean ?? "").password).toBe("");
          expect(new URL(clean ?? "").username).toBe("");
        }
      }),
    );
  });

  it("of runs give back project, workflow and task, whatever is in the names", () => {
    const name = fc.string({ minLength: 1 }).filter((one) => one.trim() !== "" && !/[\ud800-\udfff]/.test(one));
    fc.assert(
      fc.property(
        name,
        name,
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.boolean(),
        (project, workflow, task, named) => {
          const path = `/v1/projects/detail/${encodeURIComponent(project)}/pipelines/custom/${encodeURIComponent(workflow)}/${task}`;
          const run = parseRun(path + (named ? "?display_name=x" : ""), "https://zadig.example.com/below");
          expect(run).toMatchObject({ project, workflow, taskId: task });
          expect(run.url?.startsWith("https://zadig.example.com/below/v1/projects/")).toBe(true);
        },
      ),
    );
  });

  it("that are no addresses give null", () => {
    for (const odd of [null, "", "ftp://host/x", "javascript:alert(1)", "host/path", "http://"]) {
      expect(safeUrl(odd)).toBeNull();
      expect(hostUrl(odd)).toBeNull();
    }
    expect(parseRun("/v1/projects/detail/a/pipelines/multi/b/not-a-number", "https://z")).toMatchObject({
      project: null,
      taskId: null,
    });
    expect(parseRun("//evil.example.com/x", "https://z.example.com").url).toBe(
      "https://z.example.com//evil.example.com/x",
    );
  });

  it("of objects: only 24 hex digits that are not all zero are an id", () => {
    fc.assert(
      fc.property(fc.string(), (odd) => {
        const id = objectId(odd);
        expect(id === null || /^[0-9a-f]{24}$/.test(id)).toBe(true);
      }),
    );
    expect(objectId("0".repeat(24))).toBeNull();
    expect(objectId("ABCDEF0123456789ABCDEF01")).toBe("abcdef0123456789abcdef01");
  });
});
