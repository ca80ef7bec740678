import type { DroppedRow } from "../../model/backend.ts";
import { single } from "../batch.ts";
import { type Access, unanswered } from "./package-leg.ts";

/** Looking into a namespace costs a call or more: an account that sees more of them has to name those it means. */
export const mostNamespaces = 20;

/** The namespaces that searches look into. */
export interface Places {
  /** True where the configuration names them, so that no call is needed to know them. */
  readonly configured: boolean;
  /** True for those that the configuration names. */
  readonly names: (namespace: string) => boolean;
  /** Those named, else those that can be seen; null when these are too many to look into. */
  readonly look: () => Promise<Looked | null>;
  /** As `look`, but rejects where a row could not be read: what is not found might be there. */
  readonly all: () => Promise<readonly string[] | null>;
}

interface Looked {
  readonly namespaces: readonly string[];
  readonly dropped: readonly DroppedRow[];
}

/** Where one request looks: asked for at most once, and only where the configuration names no namespace. */
export function createPlaces({ backend, client, call }: Access, configured: readonly string[]): Places {
  const listed = single<"visible", Looked | null>(
    (which) => which,
    async () => {
      const { rows, dropped, count } = await client.listNamespaces(call);
      return count > mostNamespaces ? null : { namespaces: [...new Set(rows.map(({ name }) => name))], dropped };
    },
    { call, backend, operation: "swr.listNamespaces" },
  );
  const isConfigured = configured.length > 0;
  const look = async () => (isConfigured ? { namespaces: configured, dropped: [] } : listed.load("visible"));
  return {
    configured: isConfigured,
    names: (namespace) => configured.includes(namespace),
    look,
    all: async () => {
      const looked = await look();
      if (looked !== null && looked.dropped.length > 0) return unanswered(backend, "swr.listNamespaces");
      return looked?.namespaces ?? null;
    },
  };
}
