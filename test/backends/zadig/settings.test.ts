import { describe, expect, it } from "vitest";
import { zadig } from "../../../src/backends/zadig/index.ts";
import { surfaceOf, zadigSettings } from "../../../src/backends/zadig/settings.ts";

const base = { kind: "zadig", name: "zadig", url: "https://zadig.example.com" };
const token = { credentials: { token: "t" } };

describe("settings of a Zadig", () => {
  it("need credentials, in exactly one form, unless the caller's are used", () => {
    expect(zadigSettings.safeParse({ ...base, ...token }).success).toBe(true);
    expect(zadigSettings.safeParse({ ...base, credentials: { apiKey: "k" } }).success).toBe(true);
    expect(zadigSettings.safeParse({ ...base, forward: "caller" }).success).toBe(true);
    expect(zadigSettings.safeParse(base).error?.issues).toMatchObject([
      { path: ["credentials"], message: expect.stringContaining("forward: caller") },
    ]);
    expect(zadigSettings.safeParse({ ...base, credentials: { token: "t", apiKey: "k" } }).success).toBe(false);
    expect(zadigSettings.safeParse({ ...base, credentials: { token: "two words" } }).success).toBe(false);
    expect(zadigSettings.safeParse({ kind: "zadig", name: "zadig", ...token }).success).toBe(false);
  });

  it("refuse unknown keys, kinds and generations, and a surface that does not speak the generation", () => {
    for (const wrong of [
      { projekts: [] },
      { kind: "gitlab" },
      { generation: "r3" },
      { generation: "o1", surface: "aslan" },
      { generation: "r2", surface: "openapi" },
    ]) {
      expect(zadigSettings.safeParse({ ...base, ...token, ...wrong }).success).toBe(false);
    }
  });

  it("choose the surface: as configured, else by generation, else by the age of the credential", () => {
    const surface = (given: object) => surfaceOf(zadigSettings.parse({ ...base, ...token, ...given }));
    expect(surface({})).toBe("aslan");
    expect(surface({ generation: "o2" })).toBe("openapi");
    expect(surface({ generation: "r2" })).toBe("aslan");
    expect(surface({ credentials: { apiKey: "k" } })).toBe("directory");
    expect(surface({ surface: "openapi" })).toBe("openapi");
    expect(surface({ credentials: { apiKey: "k" }, surface: "aslan" })).toBe("aslan");
  });

  it("tell what the kind can do", () => {
    const settings = zadigSettings.parse({ ...base, ...token });
    expect(zadig.capabilities(settings)).toEqual(["RELEASES", "ARTIFACTS"]);
    expect(zadig.kind).toBe("ZADIG");
  });
});
