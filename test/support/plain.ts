import type { Answer } from "../../src/backends/answers.ts";
import type { Page } from "../../src/model/backend.ts";
import { foundIn, valueIn } from "./answers.ts";

/**
 * A reader whose answers are their values: null where an absence was proved (an empty list where a list was asked for), an
 * error where nobody could say. Lists by pages are values only where their place is there.
 */
export type Plain<R> = {
  readonly [K in keyof R]: R[K] extends (...given: infer G) => Promise<Answer<infer T>>
    ? (...given: G) => Promise<T extends Page<unknown> | readonly unknown[] ? T : T | null>
    : R[K];
};

/** Reads a reader for tests that are about values; those about proofs ask the reader itself. */
export function plain<R extends object>(reader: R): Plain<R> {
  return new Proxy(reader, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        const answer: unknown = Reflect.apply(member, target, given);
        if (!(answer instanceof Promise)) return answer;
        const take = pages.includes(name) ? foundIn : valueIn;
        const none = lists.includes(name) ? [] : null;
        return answer.then((value: unknown) => (isAnswer(value) ? (take(value) ?? none) : value));
      };
    },
  }) as unknown as Plain<R>;
}

function isAnswer(value: unknown): value is Answer<unknown> {
  return typeof value === "object" && value !== null && "kind" in value && answers.includes(value.kind);
}

const pages: readonly (string | symbol)[] = ["page", "versions", "files", "search", "containing"];
const lists: readonly (string | symbol)[] = [
  ...["byImage", "byNameAndTag", "byCommit", "builds"],
  ...["copies", "byDigest", "named", "byPurl", "byChecksum"],
];
const answers: readonly unknown[] = ["FOUND", "ABSENT", "UNKNOWN"];
