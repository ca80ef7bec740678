import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { isAbsolute } from "node:path";
import { z } from "zod";
import type { TlsSettings } from "../upstream/connections.ts";
import { readProxyAddress } from "../upstream/connections.ts";

/** `proxy` of a backend: the address of one, or false for none whatever the environment says. */
export const proxySetting = z
  .union([z.literal(false), z.string()], { error: "must be false, or the address of a proxy as a text" })
  .transform((given, context): string | false => {
    // A variable is always a text.
    if (given === false || given === "false") return false;
    const address = readProxyAddress(given);
    if (address !== null) return address;
    const message = "must be false, or the http or https address of a proxy, such as http://proxy.example.com:3128";
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

const pemText = z.string().min(1).optional();

/** `tls` of a backend: each text is PEM, or the path of a file that holds it. Read and checked when it is parsed. */
export const tlsSetting = z
  .strictObject({
    ca: pemText.meta({
      description: "Authorities that alone are trusted; default those of Node, with NODE_EXTRA_CA_CERTS.",
    }),
    cert: pemText.meta({ description: "Certificate that the gateway shows, with its chain." }),
    key: pemText.meta({ description: "Private key of cert, without a passphrase." }),
    serverName: z
      .string()
      .regex(/^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/i, "must be a host name, such as gitlab.example.com")
      .refine((name) => isIP(name) === 0, "must be a host name, for an IP address cannot be asked for by name")
      .optional()
      .meta({
        description: "Name that is asked for and that the server's certificate must have; default the host of url.",
      }),
  })
  .transform(({ serverName, ...given }, context): TlsSettings => {
    const say = (name: string, message: string) => context.addIssue({ code: "custom", path: [name], message });
    const textOf = (name: "ca" | "cert" | "key"): string | undefined => {
      const value = given[name];
      if (value === undefined) return undefined;
      const read = readPem(value);
      if ("text" in read) return read.text;
      say(name, read.problem);
      return undefined;
    };
    const certificatesOf = (name: "ca" | "cert", text: string | undefined): X509Certificate | null => {
      const read = text === undefined ? null : readCertificates(text);
      if (read === null || "first" in read) return read?.first ?? null;
      say(name, read.problem);
      return null;
    };
    const [ca, cert, key] = [textOf("ca"), textOf("cert"), textOf("key")];
    certificatesOf("ca", ca);
    const certificate = certificatesOf("cert", cert);
    const secret = key === undefined ? null : readKey(key);
    if (secret !== null && "problem" in secret) say("key", secret.problem);
    if (given.cert !== undefined && given.key === undefined) say("key", "is missing: cert needs its private key");
    if (given.key !== undefined && given.cert === undefined) say("cert", "is missing: key needs its certificate");
    if (certificate && secret && "key" in secret && !certificate.checkPrivateKey(secret.key)) {
      say("key", "is not the private key of cert: the two must be a pair");
    }
    return { ca, cert, key, serverName };
  });

/** The most bytes of a PEM file: the authorities of a whole system are a quarter of it. */
const largestFile = 1_048_576;

function readPem(value: string): { readonly text: string } | { readonly problem: string } {
  if (value.includes("-----BEGIN ")) return { text: value };
  // It may be a key that has lost its first line: its text is never shown.
  if (value.includes("\n") || !isAbsolute(value)) {
    return { problem: "must be the path of a PEM file from the root, or its text, such as ${file:/run/secrets/name}" };
  }
  try {
    const text = readFileSync(value, "utf8");
    if (text.length > largestFile) return { problem: `names a file that is larger than ${largestFile} bytes` };
    if (!text.includes("-----BEGIN ")) return { problem: "names a file that is not in PEM form (-----BEGIN …)" };
    return { text };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    const reason = code === "ENOENT" ? "does not exist" : code === "EACCES" ? "may not be read" : "cannot be read";
    return { problem: `names a file that ${reason}` };
  }
}

function readCertificates(text: string): { readonly first: X509Certificate } | { readonly problem: string } {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    const [first] = blocks.map((block) => new X509Certificate(block));
    return first ? { first } : { problem: "must hold a certificate in PEM form (-----BEGIN CERTIFICATE-----)" };
  } catch {
    return { problem: "holds a certificate that cannot be read: it must be an X.509 certificate in PEM form" };
  }
}

function readKey(text: string): { readonly key: KeyObject } | { readonly problem: string } {
  if (/-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    return { problem: "has a passphrase: the key must be without one" };
  }
  try {
    return { key: createPrivateKey(text) };
  } catch {
    return { problem: "must hold a private key in PEM form (-----BEGIN PRIVATE KEY-----)" };
  }
}
