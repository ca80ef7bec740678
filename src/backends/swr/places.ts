import type { DroppedRow } from "../../model/backend.ts";
import { type Answer, absent, absentIfNotFound, firstGap, found, unknown } from "../answers.ts";
import { single } from "../batch.ts";
import type { Access, Namespaces } from "./access.ts";
import { getNamespace, listNamespaces } from "./client.ts";

/** Looking into a namespace costs a call or more: an account that sees more of them has to name those it means. */
export const mostNamespaces = 20;

/** The namespaces that searches look into. */
export interface Places {
  /** True where the configuration names them, so that no call is needed to know them. */
  readonly configured: boolean;
  /** True for those that the configuration names. */
  readonly names: (namespace: string) => boolean;
  /** Those named, else those that can be seen; unknown when these are too many to look into. */
  readonly look: () => Promise<Answer<Looked>>;
}

export interface Looked {
  readonly namespaces: readonly string[];
  /** Rows that could not be read: what is not found might be in one of these. */
  readonly dropped: readonly DroppedRow[];
}

/** Where one request looks: asked for at most once, and only where the configuration names no namespace. */
export function createPlaces({ backend, client, call }: Access, configured: readonly string[]): Places {
  const listed = single<"visible", Answer<Looked>>(
    (which) => which,
    async () => {
      const { rows, dropped, count } = await client.listNamespaces(call);
      if (count > mostNamespaces) return unknown("NOT_CONFIGURED");
      if (count === 0) return absent(listNamespaces, "WHOLE_LIST");
      return found(
        { namespaces: [...new Set(rows.map(({ name }) => name))], dropped },
        dropped.length > 0 ? unknown("LOST_ROWS") : null,
      );
    },
    { call, backend, operation: listNamespaces.name },
  );
  const isConfigured = configured.length > 0;
  return {
    configured: isConfigured,
    names: (namespace) => configured.includes(namespace),
    look: async () => (isConfigured ? found({ namespaces: configured, dropped: [] }) : listed.load("visible")),
  };
}

/** The namespaces of one request; equal questions are one call. */
export function createNamespaces({ backend, client, region, call }: Omit<Access, "namespaces">): Namespaces {
  const asked = single<string, Answer<true>>(
    (namespace) => namespace,
    (namespace) =>
      absentIfNotFound(
        client.getNamespace(namespace, call).then((): Answer<true> => {
          region.seen(namespace);
          return found(true);
        }),
        absent(getNamespace, "KEYED_READ"),
      ),
    { call, backend, operation: getNamespace.name },
  );
  const isThere = async (namespace: string): Promise<Answer<true>> =>
    region.isSeen(namespace) ? found(true) : asked.load(namespace);
  return {
    emptied: async (all, whenThere) => {
      const places = await Promise.all(all.map(isThere));
      const gap = firstGap(places);
      if (gap !== null) return gap;
      const [missing] = places.filter(({ kind }) => kind === "ABSENT");
      return missing?.kind === "ABSENT" && !places.some(({ kind }) => kind === "FOUND") ? missing : whenThere;
    },
    seen: region.seen,
  };
}
