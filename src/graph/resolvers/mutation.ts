import type { Answer } from "../../backends/answers.ts";
import type { Backend, PackageReader, Remover } from "../../backends/backend.ts";
import type { Package, PackageRef, Version } from "../../model/package.ts";
import { type Failure, UpstreamError } from "../../upstream/errors.ts";
import { restrict } from "../access/access.ts";
import { provenValue } from "../artifact/outcome.ts";
import type { AuditEvent, Context } from "../context.ts";
import { badInput, toGraphQLError, UnansweredError } from "../errors.ts";
import type { DeletionOutcome, Resolvers } from "../generated/resolvers.ts";
import { coordinatesOf } from "../identity/opaque.ts";
import { backendNamed } from "./backend.ts";

/** Resolvers of schema/mutation.graphql: only where mutations are configured. */
export const mutationResolvers: Resolvers = {
  Mutation: {
    deletePackage: async (_root, { id, confirmName }, context) => {
      const { ref } = coordinatesOf(id, "Package");
      return remove<Package>(context, {
        action: "deletePackage",
        place: ref,
        version: null,
        confirmName,
        find: (reader) => reader.package(ref),
        toDelete: (remover, found) => remover.package(found.ref),
      });
    },
    deleteVersion: async (_root, { id, confirmName }, context) => {
      const { ref } = coordinatesOf(id, "Version");
      return remove<Version>(context, {
        action: "deleteVersion",
        place: ref.package,
        version: ref.version,
        confirmName,
        find: (reader) => reader.version(ref),
        toDelete: (remover, found) => remover.version(found.ref),
      });
    },
  },
  Deletion: {
    backend: ({ backend }, _args, context) => backendNamed(context, backend),
  },
};

/** What became of one request to delete. */
export interface DeletionParent {
  readonly outcome: DeletionOutcome;
  readonly backend: string;
  readonly repository: string;
  readonly name: string | null;
  readonly at: string;
}

interface Removal<T> {
  readonly action: AuditEvent["action"];
  readonly place: PackageRef;
  readonly version: string | null;
  readonly confirmName: string;
  readonly find: (reader: PackageReader) => Promise<Answer<T>>;
  /** Null when this backend has no way to delete such a thing. */
  readonly toDelete: (remover: Remover, found: T) => (() => Promise<void>) | null;
}

/** Deletes what has the name that was typed. Throws BACKEND_NOT_CONFIGURED for an id of another configuration. */
async function remove<T extends Package | Version>(context: Context, removal: Removal<T>): Promise<DeletionParent> {
  const { action, place, version, confirmName } = removal;
  const { caller, call } = context;
  const backend = context.estate.find(place.backend);
  if (!backend) throw badInput("BACKEND_NOT_CONFIGURED", "The backend of this id is not configured.");
  const write = (outcome: string) =>
    context.audit({ action, outcome, caller: caller.name, requestId: call.requestId, ...place, version });
  const done = (outcome: DeletionOutcome, name: string | null): DeletionParent => {
    write(outcome);
    return { outcome, backend: place.backend, repository: place.repository, name, at: new Date().toISOString() };
  };

  return inTurn(backend, place, async () => {
    let found: T | null;
    try {
      const reader = lookAgain(context, backend);
      found = reader && provenValue(backend.name, await removal.find(reader));
    } catch (error) {
      if (!(error instanceof UpstreamError || error instanceof UnansweredError)) throw error;
      context.report(toGraphQLError(error));
      return done("NOT_SENT", null);
    }
    if (!found) return done("ABSENT", null);
    if (found.name !== confirmName) return done("NAME_DIFFERS", found.name);
    const remove = backend.remover ? removal.toDelete(backend.remover(call), found) : null;
    if (!remove) return done("NOT_SUPPORTED", found.name);
    try {
      write("ASKED");
      await remove();
      return done("DELETED", found.name);
    } catch (error) {
      if (!(error instanceof UpstreamError)) {
        write("UNKNOWN");
        throw error;
      }
      context.report(toGraphQLError(error));
      return done(outcomes[error.circuitOpen ? "OVER_BUDGET" : error.failure], found.name);
    }
  });
}

const underWay = new WeakMap<Backend, Map<string, Promise<unknown>>>();

/** Runs after whatever is being deleted of the same package: what is looked for must not be on its way out. */
async function inTurn<R>(backend: Backend, { repository, key }: PackageRef, run: () => Promise<R>): Promise<R> {
  const here = underWay.get(backend) ?? new Map<string, Promise<unknown>>();
  underWay.set(backend, here);
  const name = JSON.stringify([repository, key]);
  const before = here.get(name) ?? Promise.resolve();
  const mine = before.then(run, run);
  here.set(name, mine);
  try {
    return await mine;
  } finally {
    if (here.get(name) === mine) here.delete(name);
  }
}

/**
 * A reader that remembers nothing: what was read before, by this operation or by a cache, says nothing of what is there
 * now. It is the caller's own: what they may not see they cannot delete.
 */
function lookAgain({ call, caller }: Context, backend: Backend): PackageReader | null {
  const readers = backend.during({ ...call, bypassCache: true, onBehalfOf: () => call });
  return restrict(backend, readers, caller.access).packages ?? null;
}

/** What a failed attempt means for the thing: after silence its state is unknown. */
const outcomes: Readonly<Record<Failure, DeletionOutcome>> = {
  NOT_FOUND: "ABSENT",
  DENIED: "REFUSED",
  REJECTED: "REFUSED",
  THROTTLED: "REFUSED",
  OVER_BUDGET: "NOT_SENT",
  TIMED_OUT: "UNKNOWN",
  UNAVAILABLE: "UNKNOWN",
  MALFORMED: "UNKNOWN",
};
