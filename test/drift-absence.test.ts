import { afterEach, describe, expect, test } from "vitest";
import { gatewayOver } from "./backends/gitlab/literal-gateway.ts";
import { imageRow, serveZadig, settingsOf } from "./backends/zadig/literal.ts";

const released = `sha256:${"a".repeat(64)}`;
const other = `sha256:${"b".repeat(64)}`;
const at = "2026-01-01T00:00:00.000Z";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** The drift of one release with one image for each tag that it was released with. */
async function driftOf(tags: readonly string[], registry: Readonly<Record<string, { digest: string } | 404 | 500>>) {
  const images = tags.map((tag) => `registry.test/acme/web:${tag}`);
  const zadig = await serveZadig({
    generation: "r1",
    releases: [
      {
        id: "a".repeat(24),
        version: "v1",
        project: "acme",
        at: 1_790_000_100,
        services: Object.fromEntries(tags.map((tag, index) => [`web-${tag}`, images[index] ?? ""])),
      },
    ],
    artifacts: images.map((image, index) => imageRow(index + 1, "web", image, { image_digest: released })),
  });
  const { ask, stop } = await gatewayOver(
    {
      projects: [
        {
          id: 7,
          path: "acme/web",
          repositories: [
            {
              id: 70,
              name: "",
              tags: Object.fromEntries(
                Object.entries(registry).map(([tag, one]) => [
                  tag,
                  typeof one === "number" ? one : { digest: one.digest, created_at: at },
                ]),
              ),
            },
          ],
        },
      ],
    },
    { others: [settingsOf(zadig.url)] },
  );
  closing.push(stop);
  const { data, errors } = await ask(
    '{ releases(filter: { project: "acme" }) { nodes { drift { image { tag } verdict released current reason } } } }',
  );
  const { releases } = data as { releases: { nodes: { drift: { image: { tag: string } }[] }[] } };
  return { drift: releases.nodes.flatMap((node) => node.drift), errors };
}

describe("drift", () => {
  test("is MISSING only where the registry has proved that the tag is gone", async () => {
    const { drift, errors } = await driftOf(["same", "moved", "gone", "index", "broken"], {
      same: { digest: released },
      moved: { digest: other },
      index: 404,
      broken: 500,
    });
    expect(errors).toEqual([]);
    const byTag = Object.fromEntries(drift.map(({ image, ...rest }) => [image.tag, rest]));
    expect(byTag).toMatchObject({
      same: { verdict: "MATCHES", released, current: released },
      moved: { verdict: "TAG_MOVED", released, current: other },
      gone: { verdict: "MISSING", released, current: null },
      // The list of tags names it, and its detail is 404: it is there.
      index: { verdict: "UNVERIFIABLE", released, current: null },
      broken: { verdict: "UNVERIFIABLE", released, current: null },
    });
    for (const tag of ["index", "broken"]) expect(byTag[tag]).toMatchObject({ reason: expect.stringMatching(/\w/) });
  });
});
