import { createHash } from "node:crypto";

// What the simulated backends hold, as pure functions of a key: bodies and expected answers are made of the same facts.

/** Keys that are asked for in turn, each client at another place: requests in flight hardly ever mean the same thing. */
export const keys = 512;

const at = Date.UTC(2026, 10, 2, 9, 15);
const day = 86_400_000;

/** Hex of so many digits, always the same for one text. */
export function hex(text: string, digits: number): string {
  return createHash("sha512").update(text).digest("hex").slice(0, digits);
}

/** A moment, `index` days before the newest. */
export function momentOf(index: number): string {
  return new Date(at - index * day).toISOString();
}

/** bkrepo: a Maven package and its versions, newest first. */
export function mavenPackage(key: number) {
  const artifact = `service-${key}`;
  return {
    key: `gav://com.acme.pay:${artifact}`,
    name: artifact,
    versions: 100,
    version: (index: number) => ({
      name: `2.${100 - index}.0`,
      size: 1_048_576 + key * 64 + index,
      createdAt: momentOf(index),
    }),
  };
}

/** GitLab: a package of one project, its versions newest first, two files each. */
export function gitlabPackage(key: number) {
  return {
    project: `pay/service-${key}`,
    name: `com/acme/pay/service-${key}`,
    versions: 20,
    version: (index: number) => ({
      id: 1_000_000 + key * 100 + index,
      name: `2.${20 - index}.0`,
      createdAt: momentOf(index),
      pipeline: { id: 5_000_000 + key * 100 + index, status: "success", ref: "main" },
    }),
    file: (index: number, file: number) => {
      const name = `service-${key}-2.${20 - index}.0.${file === 0 ? "jar" : "pom"}`;
      return {
        id: 9_000_000 + (key * 100 + index) * 4 + file,
        name,
        size: 524_288 + key + file,
        sha256: hex(name, 64),
      };
    },
  };
}

/** Which page of how many rows a list is asked for; all servers of the bench read the same ten releases. */
export const releasesWanted = 10;

/** Zadig, SWR and bkrepo: releases of one project, each with one image that lies in both registries. */
export function releaseProject(key: number) {
  const project = `pay-${key}`;
  return {
    project,
    releases: 100,
    release: (index: number) => {
      const service = `app-${key}-${index}`;
      const tag = `2026110209150${index}-${100 + index}-main`;
      const digest = `sha256:${hex(`${service}:${tag}`, 64)}`;
      return {
        version: `pay-1.${100 - index}.0`,
        service,
        image: `${swrHost}/${namespace}/${service}:${tag}`,
        tag,
        digest,
        createdAt: momentOf(index),
        size: 80_000_000 + key * 16 + index,
      };
    },
    /** Tags of the image in each registry; the first is the released one. */
    tags: 8,
  };
}

export const swrHost = "swr.cn-north-4.myhuaweicloud.com";
export const bkrepoHost = "docker.bkrepo.example.com";
export const namespace = "pay-core";
