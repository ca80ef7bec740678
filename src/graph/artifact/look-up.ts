import type { GraphQLResolveInfo } from "graphql";
import type { Answer } from "../../backends/answers.ts";
import type { Context } from "../context.ts";
import { type NoAnswer, noAnswer, toGraphQLError } from "../errors.ts";
import { pathOf } from "../resolvers/selection.ts";
import { errorsIn, type Outcome } from "./outcome.ts";

/**
 * What a nullable look-up field answers: null only where the absence was proved. What may be missing from a value is
 * reported at the field's place. Throws where nobody could say.
 */
export async function lookUp<T>(
  context: Context,
  info: GraphQLResolveInfo,
  backend: string,
  asked: Promise<Answer<T>>,
): Promise<T | null> {
  const answer = await asked;
  if (answer.kind === "UNKNOWN") throw noAnswer(backend, answer);
  if (answer.kind === "ABSENT") return null;
  if (answer.gap) reportHere(context, info, noAnswer(backend, answer.gap));
  return answer.value;
}

/**
 * What several backends know, together; empty where all who were asked have proved that they have none. What others could
 * not say is reported at the field's place. Throws where none of them could say.
 */
export function gather<T>(
  context: Context,
  info: GraphQLResolveInfo,
  outcomes: readonly Outcome<readonly T[]>[],
): readonly T[] {
  const failures = errorsIn(outcomes);
  const first = failures[0] ?? outcomes[0]?.error;
  if (first && !outcomes.some(({ value, source }) => value !== null || source.status === "ABSENT")) throw first;
  for (const failure of failures) reportHere(context, info, failure);
  return outcomes.flatMap(({ value }) => value ?? []);
}

/** Tells in `errors`, at the field that is being resolved, what could not be said; nulls nothing. */
export function reportHere(context: Context, info: GraphQLResolveInfo, error: NoAnswer): void {
  context.report(toGraphQLError(error, pathOf(info)));
}
