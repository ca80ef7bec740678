import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { authorization, canonicalRequest, sdkDate } from "../../../src/backends/swr/signer.ts";

// The key pair of the vendor's public guide.
const accessKey = "QTWAOYTTINDUT2QVKYUC";
const secretKey = "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc";
const date = "20191115T033655Z";
const swrHost = "swr-api.cn-north-4.myhuaweicloud.com";

const usual = (host: string) => ({ "content-type": "application/json", host, "x-sdk-date": date });

const vectors = [
  {
    name: "V1, the vendor's own",
    path: "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
    headers: usual("service.region.example.com"),
    uri: "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs/",
    query: "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
    hash: "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a",
    signature: "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe",
  },
  {
    name: "V2, a name in wire form",
    path: "/v2/manage/namespaces/pay-core/packages/hello%20hello/versions",
    headers: usual(swrHost),
    uri: "/v2/manage/namespaces/pay-core/packages/hello%20hello/versions/",
    query: "",
    hash: "2ea51e7228763c481fd2f7678a1b4aedc4167e813f8e7dc620d010623998d4a4",
    signature: "1ba8059ae0f1687747936fbbfa82c35a4ddc87d8cc36eeec10f5d312228c563b",
  },
  {
    name: "V3, a dollar and a raw filter",
    path: "/v2/manage/namespaces/pay-core/repos/team$svc/tags?filter=limit::10|offset::0",
    headers: usual(swrHost),
    uri: "/v2/manage/namespaces/pay-core/repos/team%24svc/tags/",
    query: "filter=limit%3A%3A10%7Coffset%3A%3A0",
    hash: "aad76f1fa5641bfef0f057de359d6a4db401a43cc4defd067a2a44c0016c4fb8",
    signature: "f9963f8e2f76bc1c184044250e1eaf24d7cfe7e5e1ed5953a8b05f39b3d3c8ab",
  },
  {
    name: "V4, temporary keys and a project, no content type",
    path: "/v2/manage/repos?offset=0&limit=100&namespace=pay-core",
    headers: {
      host: swrHost,
      "x-sdk-date": date,
      "x-security-token": "EXAMPLETOKEN",
      "x-project-id": "0605767a7a00d5762f54c011a6ad0000",
    },
    uri: "/v2/manage/repos/",
    query: "limit=100&namespace=pay-core&offset=0",
    hash: "767dc8ffda6aa791ca1c3d7e99596f7d6f12aede18aa2fb08440a8c4604ae11e",
    signature: "2e7993a7dff1ed140d3b9b0ab014df995d7929b8a0af8746d5adb1a1e6c0079f",
  },
  {
    name: "V5, a part that is encoded twice",
    path: "/v2/0605767a7a00d5762f54c011a6ad0000/instances/a9e4-ee/namespaces/pay/repositories/team%252Fsvc/artifacts?limit=100&offset=0",
    headers: usual(swrHost),
    uri: "/v2/0605767a7a00d5762f54c011a6ad0000/instances/a9e4-ee/namespaces/pay/repositories/team%252Fsvc/artifacts/",
    query: "limit=100&offset=0",
    hash: "a18eacd390717e4ca51c1c025d498139fbc9e586643e4ff3c9bdfad5b964dc1e",
    signature: "b4d261e9ed75bb1d0690b48ec146981ab00fe5bf5280db466b92401374c7f77d",
  },
  {
    name: "V6, a name outside ASCII",
    path: "/v2/manage/namespaces/pay-core/packages/%E6%94%AF%E4%BB%98%20sdk/versions/V1.0/file_paths",
    headers: usual(swrHost),
    uri: "/v2/manage/namespaces/pay-core/packages/%E6%94%AF%E4%BB%98%20sdk/versions/V1.0/file_paths/",
    query: "",
    hash: "5c188596fd455bb0fe34102a5a5b5ea6bec160fceeea2a3cde7e07667bad543a",
    signature: "884281735fbc81c03997f15ee721ffecd27a702c5ffd4b7d6eca20dd85ce7326",
  },
];

describe("signing with AK/SK", () => {
  it.each(vectors)("gives the known values for $name", ({ path, headers, uri, query, hash, signature }) => {
    const signable = { method: "GET", path, headers, body: null };
    const canonical = canonicalRequest(signable);
    expect(canonical.split("\n").slice(0, 3)).toEqual(["GET", uri, query]);
    expect(createHash("sha256").update(canonical).digest("hex")).toBe(hash);
    expect(authorization(signable, accessKey, secretKey)).toBe(
      `SDK-HMAC-SHA256 Access=${accessKey}, SignedHeaders=${Object.keys(headers).sort().join(";")}, Signature=${signature}`,
    );
  });

  it("spells dates as the header wants them", () => {
    expect(sdkDate(Date.UTC(2019, 10, 15, 3, 36, 55, 999))).toBe(date);
  });

  it("does not depend on the order of the query or on the case of the percent-encoding", () => {
    const headers = usual(swrHost);
    const pairs = fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), fc.string()), { selector: ([name]) => name });
    fc.assert(
      fc.property(pairs, fc.infiniteStream(fc.nat()), (query, ranks) => {
        const text = (some: readonly (readonly [string, string])[]) =>
          `/v2/x?${some.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&")}`;
        const shuffled = query
          .map((pair) => [ranks.next().value ?? 0, pair] as const)
          .sort(([one], [other]) => one - other)
          .map(([, pair]) => pair);
        const sign = (path: string) =>
          authorization({ method: "GET", path, headers, body: null }, accessKey, secretKey);
        const lowerCase = text(shuffled).replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
        expect(sign(lowerCase)).toBe(sign(text(query)));
      }),
    );
  });

  it("signs a segment by what it means: decoded once, then encoded in the narrowest alphabet", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (name) => {
        const path = `/v2/${encodeURIComponent(name)}/x`;
        const [, uri = ""] = canonicalRequest({ method: "GET", path, headers: usual(swrHost), body: null }).split("\n");
        const segment = uri.split("/")[2] ?? "";
        expect(decodeURIComponent(segment)).toBe(name);
        expect(segment).toMatch(/^(?:[\w.~-]|%[0-9A-F]{2})+$/);
        expect(uri.endsWith("/x/")).toBe(true);
      }),
    );
  });
});
