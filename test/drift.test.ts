import { describe, expect, it } from "vitest";
import { images } from "../demo/story.ts";
import { driftOf } from "../src/graph/artifact/release-parts.ts";
import { createContext, createEstate } from "../src/graph/context.ts";
import { imageOf, openSwr } from "./backends/swr/setup.ts";
import { testCall } from "./support/call.ts";
import { bareRelease } from "./support/records.ts";

const release = bareRelease({
  ref: { backend: "zadig", project: "pay", zadigId: null, version: "v1" },
  origin: { backend: "zadig", fetchedAt: "2026-11-20T08:00:00.000Z", stale: false, traceId: null },
  zadigId: null,
  version: "v1",
  project: "pay",
});

describe("drift of a reference that names a digest", () => {
  async function verdictOn(text: string) {
    const { backend } = await openSwr();
    const caller = { name: "test", scopes: new Set<never>(), access: null };
    const context = createContext(createEstate([backend]), testCall(), caller, [], () => {});
    const target = imageOf(text);
    return driftOf(context, release, {
      service: null,
      container: null,
      source: null,
      target,
      digest: null,
      status: null,
    });
  }

  it("asks for the digest where there is no tag, and not for latest", async () => {
    const { digest } = images.api;
    expect(await verdictOn(`pay-core/api@${digest}`)).toMatchObject({ verdict: "MATCHES", released: digest });
    expect(await verdictOn(`pay-core/api@sha256:${"0".repeat(64)}`)).toMatchObject({ verdict: "MISSING" });
  });

  it("asks what the tag points at where there are both", async () => {
    const { digest, now, tag } = images.worker;
    expect(await verdictOn(`pay-core/worker:${tag}@${digest}`)).toMatchObject({
      verdict: "TAG_MOVED",
      released: digest,
      current: now,
    });
  });
});
