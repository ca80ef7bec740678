import { UpstreamError } from "../../upstream/errors.ts";
import { type Answer, failed, joined, unknown } from "../answers.ts";

/** Waits for an answer; resolves with the failure of a call, and rejects with anything else, which is a bug. */
export function settled<T>(answer: Promise<T>): Promise<T | UpstreamError> {
  return answer.catch((error: unknown) => {
    if (error instanceof UpstreamError) return error;
    throw error;
  });
}

/**
 * Joins the answers of several lists: what one of them could not answer is the gap of what the others found. Rejects with
 * a failure where nothing was found and one of them failed.
 */
export async function mergedAnswers<T>(
  answers: readonly Promise<Answer<readonly T[]>>[],
): Promise<Answer<readonly T[]>> {
  const all = joined(await Promise.all(answers.map((answer) => answer.catch(failed))), unknown("NOT_CONFIGURED"));
  if (all.kind === "UNKNOWN" && all.failure) throw all.failure;
  return all;
}

/** Runs `work` for some keys of a batch; when it fails, the keys without an answer get its error. */
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
