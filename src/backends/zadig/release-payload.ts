import { z } from "zod";
import { MisshapenAnswer } from "../../upstream/errors.ts";
import type { Operation } from "../../upstream/operation.ts";
import { readLeniently, readOne } from "../decode.ts";
import {
  type BuildPayload,
  buildInfo,
  type DeployPayload,
  deployInfo,
  distributeInfo,
  type OpenItemPayload,
  o1Deploy,
  o1Distribute,
  o1Release,
  openItem,
  type R1Payload,
  type R2Payload,
  type R2ServicePayload,
  r1Release,
  r2Release,
  r2Service,
  type SecurityPayload,
  securityStats,
  type TestPayload,
  testInfo,
} from "./payload.ts";
import type { Generation } from "./settings.ts";
import { type DroppedParts, mapSlots, readPart, readSlots, type Slots } from "./slots.ts";

/** The five lists of an R1 release; each null where it was not readable at all. */
export interface R1Parts {
  readonly builds: readonly BuildPayload[] | null;
  readonly deployments: readonly DeployPayload[] | null;
  readonly tests: readonly TestPayload[] | null;
  readonly distributions: readonly z.output<typeof distributeInfo>[] | null;
  readonly security: readonly SecurityPayload[] | null;
  readonly dropped: DroppedParts;
}

/** A release in whichever of the four shapes it was answered. */
export type ReleasePayload =
  | { readonly shape: "r1"; readonly info: R1Payload["versionInfo"]; readonly parts: R1Parts | null }
  | {
      readonly shape: "r2";
      readonly row: R2Payload;
      /** Null when the list left them out: not loaded, which is not "none". */
      readonly services: readonly R2ServicePayload[] | null;
      readonly dropped: DroppedParts;
    }
  | { readonly shape: "open"; readonly item: OpenItemPayload }
  | {
      readonly shape: "o1";
      readonly item: OpenItemPayload;
      readonly deployments: readonly z.output<typeof o1Deploy>[] | null;
      readonly distributions: readonly z.output<typeof o1Distribute>[] | null;
      readonly dropped: DroppedParts;
    };

/** What an answer was asked for, which decides what its silences mean. */
export interface Expectation {
  /** The configured shape, which beats what the answer looks like; null reads it off the answer. */
  readonly generation: Generation | null;
  /** The shape that this server is known to speak, by configuration or an earlier answer; null when nobody knows yet. */
  readonly known: Generation | null;
  /** Whether the parts were asked for: then an absent list is an empty one. */
  readonly detailed: boolean;
}

/** A page of releases and, where any row showed it, the generation that answered. */
export interface ReleaseSlots extends Slots<ReleasePayload> {
  readonly generation: Generation | null;
}

/** Reads a list of R1 or R2 releases. */
export function readReleases(
  body: unknown,
  expected: Expectation,
  operation: Operation,
  total: number | null,
): ReleaseSlots {
  const generation = expected.generation ?? sniff(body);
  if (generation === null && Array.isArray(body) && body.length > 0) {
    throw new MisshapenAnswer("expected releases: none of the known shapes");
  }
  const read =
    generation === "r2"
      ? mapSlots(readSlots(r2Release, body, operation, total), (row) => fromR2(row, false, operation))
      : mapSlots(readSlots(r1Release, body, operation, total), (row) => fromR1(row, expected.detailed, operation));
  return { ...read, generation };
}

/** Reads one R1 or R2 release; null for the literal null of a handler that had nothing. */
export function readRelease(
  body: unknown,
  expected: Expectation,
  operation: Operation,
): { readonly payload: ReleasePayload; readonly generation: Generation } | null {
  if (body === null) return null;
  const generation = expected.generation ?? sniff([body]);
  if (generation === null) throw new MisshapenAnswer("expected a release: none of the known shapes");
  const payload =
    generation === "r1"
      ? fromR1(readLeniently(r1Release, body, operation), true, operation)
      : fromR2(readLeniently(r2Release, body, operation), true, operation);
  return { payload, generation };
}

/** Reads a page of the OpenAPI list. */
export function readOpenReleases(body: unknown, expected: Expectation, operation: Operation): ReleaseSlots {
  const page = readOne(z.object({ list: z.unknown(), total: z.int().nullish() }), body);
  const slots = readSlots(openItem, page.list ?? null, operation, page.total ?? null);
  return {
    ...mapSlots(slots, (item): ReleasePayload => ({ shape: "open", item })),
    generation: expected.generation ?? sniffOpen(page.list),
  };
}

/** Reads the detail of O1; null for the literal null. */
export function readO1Release(body: unknown, operation: Operation): ReleasePayload | null {
  if (body === null) return null;
  const row = readLeniently(o1Release, body, operation);
  const deployments = readPart("deployments", "deploy_infos", o1Deploy, row.deploy_infos, operation);
  const distributions = readPart("distributions", "distribute_infos", o1Distribute, row.distribute_infos, operation);
  return {
    shape: "o1",
    item: row.version_info,
    deployments: deployments.rows,
    distributions: distributions.rows,
    dropped: [...deployments.dropped, ...distributions.dropped],
  };
}

function fromR1(row: R1Payload, detailed: boolean, operation: Operation): ReleasePayload {
  const lists = [row.buildInfo, row.deployInfo, row.testInfo, row.distributeInfo, row.securityStatsInfo];
  // Up to 1.7 `verbosity` is unknown and everything comes anyway; from 1.8 on an empty list has no key at all.
  const carriesParts = detailed || lists.some((value) => value !== undefined);
  return { shape: "r1", info: row.versionInfo, parts: carriesParts ? readParts(row, operation) : null };
}

function fromR2(row: R2Payload, isDetail: boolean, operation: Operation): ReleasePayload {
  const services = readPart("images", "services", r2Service, row.services, operation);
  const none = services.rows?.length === 0 && services.dropped.length === 0;
  // Lists of 4.2 and later always say `services: []`: that is "not loaded". Only a detail can say "none".
  return { shape: "r2", row, services: none && !isDetail ? null : services.rows, dropped: services.dropped };
}

function readParts(row: R1Payload, operation: Operation): R1Parts {
  const builds = readPart("builds", "buildInfo", buildInfo, row.buildInfo, operation);
  const deployments = readPart("deployments", "deployInfo", deployInfo, row.deployInfo, operation);
  const tests = readPart("tests", "testInfo", testInfo, row.testInfo, operation);
  const distributions = readPart("distributions", "distributeInfo", distributeInfo, row.distributeInfo, operation);
  const security = readPart("securityScans", "securityStatsInfo", securityStats, row.securityStatsInfo, operation);
  return {
    builds: builds.rows,
    deployments: deployments.rows,
    tests: tests.rows,
    distributions: distributions.rows,
    security: security.rows,
    dropped: [builds, deployments, tests, distributions, security].flatMap(({ dropped }) => dropped),
  };
}

// The first row that shows a shape decides; an empty list decides nothing.
function sniff(body: unknown): Generation | null {
  for (const row of Array.isArray(body) ? body : []) {
    if (typeof row !== "object" || row === null) continue;
    if ("versionInfo" in row) return "r1";
    if ("project_name" in row) return "r2";
  }
  return null;
}

function sniffOpen(rows: unknown): Generation | null {
  for (const row of Array.isArray(rows) ? rows : []) {
    if (typeof row === "object" && row !== null) return "source" in row ? "o2" : "o1";
  }
  return null;
}
