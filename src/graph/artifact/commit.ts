import type { GraphQLResolveInfo } from "graphql";
import type { PipelineRun, Version } from "../../model/package.ts";
import type { Commit } from "../../model/release.ts";
import { type Context, having, readerOf } from "../context.ts";
import { badInput } from "../errors.ts";
import { selects } from "../resolvers/selection.ts";
import { lookUp, reportHere } from "./look-up.ts";
import { outcomeOf } from "./outcome.ts";

/** A commit as the graph shows it, whichever backend told of it. */
export type CommitParent = Commit;

/**
 * The revision of a pipeline. What the pipeline row says is used as it is; the code host is asked only when the
 * selection wants more (message, author, merge requests), and for both at once.
 */
export async function commitOfPipeline(
  context: Context,
  run: PipelineRun,
  info: GraphQLResolveInfo,
): Promise<CommitParent | null> {
  const reader = readerOf(context, "commits", run.backend);
  const project = run.projectId ?? run.projectPath;
  if (run.sha === null || project === null) return null;
  const wantsCommit = run.projectPath === null || selects(info, "message", "authorName", "webUrl");
  const [hosted, mergeRequests] = await Promise.all([
    wantsCommit && reader ? lookUp(context, info, run.backend, reader.commit(project, run.sha)) : null,
    selects(info, "pullRequests") && reader
      ? outcomeOf(run.backend, reader.mergeRequests(project, run.sha), () => null)
      : null,
  ]);
  // The commit is known without them.
  if (mergeRequests?.error) reportHere(context, info, mergeRequests.error);
  const repository = run.projectPath ?? hosted?.repository;
  if (repository === undefined) return null;
  return {
    sha: run.sha,
    branch: run.ref,
    tag: null,
    repository,
    hostUrl: hosted?.hostUrl ?? run.hostUrl,
    webUrl: hosted?.webUrl ?? null,
    pullRequests: mergeRequests?.value ?? [],
    message: hosted?.message ?? null,
    authorName: hosted?.authorName ?? null,
    isPrimary: false,
  };
}

/**
 * Versions that a pipeline of this very revision published, from the code host the commit's address names. Throws where
 * nobody can be asked: no configured backend is that host, or the commit has no revision.
 */
export async function packagesOf(
  context: Context,
  commit: CommitParent,
  info: GraphQLResolveInfo,
): Promise<readonly Version[]> {
  for (const { backend, reader } of having(context, "commits")) {
    const project = reader.projectOf(commit.hostUrl, commit.repository);
    if (project === null || commit.sha === null) continue;
    return (await lookUp(context, info, backend.name, reader.publishedFrom(project, commit.sha))) ?? [];
  }
  throw badInput(
    "BACKEND_NOT_CONFIGURED",
    "No configured backend is the code host of this commit: it cannot be told what was published from it.",
  );
}
