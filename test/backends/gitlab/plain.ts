import type { Answer } from "../../../src/backends/answers.ts";
import type { CommitReader, ImageReader, PackageReader } from "../../../src/backends/backend.ts";
import type { Page } from "../../../src/model/page.ts";
import { foundIn, valueIn } from "../../support/answers.ts";

type Plain<M> = M extends (...args: infer A) => Promise<Answer<infer V>>
  ? (...args: A) => Promise<V extends Page<unknown> ? V : V | null>
  : M;

/** A reader as tests of values ask it: pages must be found, what is absent is null, what nobody could say is thrown. */
export type PlainReader<R> = { readonly [K in keyof R]: Plain<R[K]> };

const always = <V>(answer: Promise<Answer<V>>): Promise<V> => answer.then(foundIn);
const maybe = <V>(answer: Promise<Answer<V>>): Promise<V | null> => answer.then(valueIn);

/** See {@link PlainReader}. */
export function plainPackages(reader: PackageReader): PlainReader<PackageReader> {
  return {
    keyOf: reader.keyOf,
    parseKey: reader.parseKey,
    package: (...args) => maybe(reader.package(...args)),
    page: (...args) => always(reader.page(...args)),
    version: (...args) => maybe(reader.version(...args)),
    versions: (...args) => always(reader.versions(...args)),
    latest: (...args) => maybe(reader.latest(...args)),
    files: (...args) => always(reader.files(...args)),
    byChecksum: (...args) => maybe(reader.byChecksum(...args)),
    named: (...args) => maybe(reader.named(...args)),
    byPurl: (...args) => maybe(reader.byPurl(...args)),
    search: (...args) => always(reader.search(...args)),
  };
}

/** See {@link PlainReader}. */
export function plainImages(reader: ImageReader): PlainReader<ImageReader> {
  return {
    ...reader,
    image: (...args) => maybe(reader.image(...args)),
    copies: (...args) => maybe(reader.copies(...args)),
    byDigest: (...args) => maybe(reader.byDigest(...args)),
  };
}

/** See {@link PlainReader}. */
export function plainCommits(reader: CommitReader): PlainReader<CommitReader> {
  return {
    projectOf: reader.projectOf,
    commit: (...args) => maybe(reader.commit(...args)),
    mergeRequests: (...args) => maybe(reader.mergeRequests(...args)),
    publishedFrom: (...args) => maybe(reader.publishedFrom(...args)),
    pipelines: (...args) => maybe(reader.pipelines(...args)),
  };
}
