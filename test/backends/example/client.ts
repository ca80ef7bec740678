import { readOne, readRows } from "../../../src/backends/loading/decode.ts";
import type { PackageRef } from "../../../src/model/package.ts";
import type { Upstream } from "../../../src/upstream/client.ts";
import type { Call } from "../../../src/upstream/operation.ts";
import * as operations from "./operations.ts";
import { packageRow, versionRow } from "./payload.ts";

/** The calls of one request; all reject with an UpstreamError. */
export class ExampleClient {
  readonly #upstream: Upstream;
  readonly call: Call;

  constructor(upstream: Upstream, call: Call) {
    this.#upstream = upstream;
    this.call = call;
  }

  getPackage({ repository, key }: PackageRef) {
    return this.#upstream.call(
      operations.getPackage,
      { parts: { repository, name: key }, decode: ({ body }) => readOne(packageRow, body) },
      this.call,
    );
  }

  listVersions({ repository, key }: PackageRef) {
    return this.#upstream.call(
      operations.listVersions,
      {
        parts: { repository, name: key },
        decode: ({ body }, operation) => readRows(versionRow, body, operation),
      },
      this.call,
    );
  }
}
