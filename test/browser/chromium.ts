import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packed, { inflate, setupLambdaEnvironment } from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";
import { vi } from "vitest";

/** A browser and the way to get rid of it. */
export interface TestBrowser {
  readonly browser: Browser;
  readonly close: () => Promise<void>;
}

// What Chromium does of its own accord (updates, sync, QUIC) would only disturb; root needs no-sandbox.
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Starts the Chromium that came with `npm ci`: no download and no system package is needed. The package packs the
 * browser, its shared libraries (NSS is on no bare Debian) and one font; it unpacks into the temporary folder, whose
 * files it would reuse whoever wrote them, so each run has a folder of its own. It holds Linux on x64 only: elsewhere
 * the Chrome of the machine is taken.
 */
export async function startBrowser(): Promise<TestBrowser> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    const browser = await chromium.launch({ channel: "chrome", args });
    return { browser, close: () => browser.close() };
  }
  const folder = await mkdtemp(join(tmpdir(), "delivery-graph-browser-"));
  vi.stubEnv("TMPDIR", folder);
  try {
    vi.stubEnv("FONTCONFIG_PATH", join(folder, "fonts"));
    vi.stubEnv("LD_LIBRARY_PATH", "");
    packed.setGraphicsMode = false;
    const libraries = new URL("../bin/al2023.tar.br", import.meta.resolve("@sparticuz/chromium"));
    const [executablePath] = await Promise.all([packed.executablePath(), inflate(libraries.pathname)]);
    // The pack's own settings look for the font in /tmp, wherever it was unpacked.
    await writeFile(
      join(folder, "fonts", "fonts.conf"),
      `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/fonts-cache</cachedir></fontconfig>`,
    );
    setupLambdaEnvironment(join(folder, "al2023", "lib"));
    const browser = await chromium.launch({ executablePath, args });
    return {
      browser,
      close: async () => {
        await browser.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  } finally {
    vi.unstubAllEnvs();
  }
}
