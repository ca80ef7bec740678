import { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, failed, joined, unknown } from "../answers.ts";

/** An answer, or the failure in its place: a call that fails takes nothing with it but itself. */
export type Settled<T> = Answer<T> | Error;

/** Waits for an answer; a failed call is handed out, anything else thrown is a bug and passes through. */
export function settled<T>(answer: Promise<T>): Promise<T | UpstreamError> {
  return answer.catch((error: unknown) => {
    if (error instanceof UpstreamError) return error;
    throw error;
  });
}

/**
 * What several places say as one answer: what one of them could not say is the gap of what the others found. A failure
 * where nothing was found and one of them failed.
 */
export function merged<T>(told: readonly Settled<readonly T[]>[]): Settled<readonly T[]> {
  const answers = told.map((one) => (one instanceof Error ? failed(one) : one));
  const all = joined<T>(answers, unknown("NOT_CONFIGURED"));
  return (all.kind === "UNKNOWN" && all.failure) || all;
}

/** As {@link merged}, of answers that are waited for; throws the failure. */
export async function mergedAnswers<T>(told: readonly Promise<Answer<readonly T[]>>[]): Promise<Answer<readonly T[]>> {
  const all = merged(await Promise.all(told.map(settled)));
  if (all instanceof Error) throw all;
  return all;
}

/** Runs `work` for some keys of a batch; when it fails, the keys it left unanswered get its error and no others do. */
export async function answering<V>(
  texts: readonly string[],
  answers: Map<string, V | Error>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    for (const text of texts) if (!answers.has(text)) answers.set(text, error);
  }
}
