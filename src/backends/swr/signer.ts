import { createHash, createHmac } from "node:crypto";
import { decodeOnce } from "./names.ts";

const algorithm = "SDK-HMAC-SHA256";

/** What a signature covers. */
export interface Signable {
  readonly method: string;
  /** Path and query exactly as they go over the wire. */
  readonly path: string;
  /** Headers to sign by lower-case name; `host` and `x-sdk-date` must be among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null for none. */
  readonly body: string | null;
}

/**
 * The text whose hash is signed (Huawei Cloud API signature guide, "construct a canonical request"): each path segment
 * decoded once and encoded again, a closing slash that the request itself does not have, sorted query and headers.
 */
export function canonicalRequest({ method, path, headers, body }: Signable): string {
  const cut = path.indexOf("?");
  const names = Object.keys(headers).sort();
  return [
    method,
    canonicalPath(cut < 0 ? path : path.slice(0, cut)),
    cut < 0 ? "" : canonicalQuery(path.slice(cut + 1)),
    ...names.map((name) => `${name}:${headers[name]?.trim()}`),
    "",
    names.join(";"),
    sha256(body ?? ""),
  ].join("\n");
}

/** The `Authorization` header for a request that also carries the signed headers. */
export function authorization(signable: Signable, accessKey: string, secretKey: string): string {
  const text = [algorithm, signable.headers["x-sdk-date"], sha256(canonicalRequest(signable))].join("\n");
  const signature = createHmac("sha256", secretKey).update(text).digest("hex");
  const signed = Object.keys(signable.headers).sort().join(";");
  return `${algorithm} Access=${accessKey}, SignedHeaders=${signed}, Signature=${signature}`;
}

/** A moment as `X-Sdk-Date` spells it, `YYYYMMDDTHHMMSSZ`; the gateway allows 15 minutes of difference. */
export function sdkDate(millis: number): string {
  return new Date(millis).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

function canonicalPath(path: string): string {
  const encoded = path
    .split("/")
    .map((segment) => encode(decodeOnce(segment)))
    .join("/");
  return encoded.endsWith("/") ? encoded : `${encoded}/`;
}

function canonicalQuery(query: string): string {
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const [name = "", ...value] = pair.split("=");
      return [decodeOnce(name), decodeOnce(value.join("="))] as const;
    })
    .sort(([name, value], [otherName, otherValue]) => byBytes(name, otherName) || byBytes(value, otherValue))
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join("&");
}

// encodeURIComponent leaves five characters more than the guide's unreserved set.
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
