import { orNull, UpstreamError } from "../../upstream/errors.ts";
import { type Single, single } from "../batch.ts";
import { printRepository, type Repository } from "./repository.ts";
import type { View } from "./view.ts";

/** Tells a missing repository from one that may be read; rejects (DENIED …) where neither can be said. */
export type RepositoryProbe = Single<Repository, "READABLE" | "MISSING">;

/** Searches pass over what may not be read, or refuse what is not there: this asks the repository itself, once. */
export function repositoryProbe({ client, call }: View): RepositoryProbe {
  return single(printRepository, async (repository: Repository) =>
    (await orNull(client.probeRepository(repository, call))) === null ? "MISSING" : "READABLE",
  );
}

/** Whether a search was refused by its rules' repositories, as opposed to by the credentials. */
export function isForbidden(error: unknown): boolean {
  return error instanceof UpstreamError && error.failure === "DENIED" && error.status === 403;
}

/** Runs a search of one repository by name; `none` stands for the refusal of one that is not there. */
export async function unlessMissing<T>(
  probe: RepositoryProbe,
  repository: Repository,
  search: () => Promise<T>,
  none: () => T,
): Promise<T> {
  try {
    return await search();
  } catch (error) {
    if (isForbidden(error) && (await probe.load(repository)) === "MISSING") return none();
    throw error;
  }
}
