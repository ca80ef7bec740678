import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";

/** Sent with every answer of the demo, and with none of a gateway that serves a configuration. */
export const demoHeader = { name: "x-delivery-graph", value: "demo" } as const;

/** Sets the security headers of every answer; pages replace the content policy by a wider one of their own. */
export function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("referrer-policy", "no-referrer");
  response.setHeader("x-frame-options", "DENY");
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("content-security-policy", closedPolicy);
}

/** A Content-Security-Policy that allows what is named and nothing else. */
export function contentPolicy(allowed: Readonly<Record<string, string>>): string {
  const directives = {
    "default-src": "'none'",
    ...allowed,
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
  };
  return Object.entries(directives)
    .map(([name, value]) => `${name} ${value}`)
    .join("; ");
}

/** A source that allows exactly one inline script or style: the text between its tags. */
export function hashSource(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

const closedPolicy = contentPolicy({});
