import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { billOf } from "../../src/cli/bill.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): unknown => JSON.parse(readFileSync(root + path, "utf8"));

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

interface Bill extends WholeBill {
  readonly bomFormat: string;
  readonly components: readonly {
    readonly "bom-ref": string;
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly hashes?: readonly { readonly alg: string }[];
    readonly licenses?: readonly { readonly license?: { readonly id?: string }; readonly expression?: string }[];
  }[];
}

const manifest = read("package.json") as Manifest;
const lock = read("package-lock.json") as {
  readonly name: string;
  readonly packages: Readonly<Record<string, Locked>>;
};
const locked = Object.entries(lock.packages).filter(([path]) => path !== "");

type WholeBill = Parameters<typeof billOf>[0];

describe("what the gateway is made of", () => {
  test("is named by exact version, each of it", () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
    expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))).toEqual([]);
  });

  test("is locked by hash, and runs nothing when it is installed", () => {
    expect(locked.length).toBeGreaterThan(100);
    const unsafe = locked.filter(
      ([, one]) =>
        !one.integrity?.startsWith("sha512-") ||
        one.hasInstallScript ||
        one.link ||
        /^(?:git|http|file)/.test(one.resolved ?? ""),
    );
    expect(unsafe.map(([path]) => path)).toEqual([]);
  });

  test("is few packages, all of them free to use, and all in the bill of materials", () => {
    const args = ["sbom", "--package-lock-only", "--sbom-format=cyclonedx", "--sbom-type=application", "--offline"];
    const whole: Bill = JSON.parse(execFileSync("npm", args, { cwd: root, encoding: "utf8", maxBuffer: 33_554_432 }));
    const bill = billOf(whole, lock);
    expect(bill.bomFormat).toBe("CycloneDX");
    const names = new Set(bill.components.map(({ name }) => name));
    expect(Object.keys(manifest.dependencies).filter((name) => !names.has(name))).toEqual([]);
    // A package that tests use may be a peer of one that runs.
    const peers = Object.keys(manifest.dependencies).flatMap((name) =>
      Object.keys(lock.packages[`node_modules/${name}`]?.peerDependencies ?? {}),
    );
    const shipped = Object.keys(manifest.devDependencies).filter((name) => names.has(name) && !peers.includes(name));
    expect(shipped).toEqual([]);
    expect(bill.components.length).toBeLessThan(80);
    const licenses = new Set(
      bill.components.flatMap((one) =>
        (one.licenses ?? [{}]).map(({ license, expression }) => license?.id ?? expression ?? `none: ${one.name}`),
      ),
    );
    const free = new Set(["MIT", "Apache-2.0", "ISC", "BSD-3-Clause", "BSD-2-Clause", "0BSD"]);
    expect([...licenses].filter((id) => !free.has(id))).toEqual([]);
    for (const { purl, hashes } of bill.components) {
      expect(purl).toMatch(/^pkg:npm\//);
      expect(
        hashes?.map(({ alg }) => alg),
        purl,
      ).toEqual(["SHA-512"]);
    }
  });

  test("has no two packages for signing or reading tokens", () => {
    expect(locked.filter(([path]) => /\/(?:jsonwebtoken|jws|jwa|jwks-rsa|node-jose)$/.test(path))).toEqual([]);
  });
});
