import type { DroppedRow } from "../../model/backend.ts";
import type { Call } from "../../upstream/call.ts";
import { type Answer, absent, absentIfNotFound, firstGap, found, unknown } from "../answers.ts";
import { type Single, single } from "../batch.ts";
import type { SwrClient } from "./client.ts";
import type { Region } from "./dialect.ts";
import { getNamespace, listNamespaces } from "./operations.ts";
import { mostNamespaces } from "./prices.ts";

/** What a request's readers work with. */
export interface Access {
  /** Configured name of the backend. */
  readonly backend: string;
  /** Address of the API. */
  readonly base: string;
  readonly hosts: readonly string[];
  readonly client: SwrClient;
  readonly region: Region;
  readonly namespaces: Namespaces;
  readonly call: Call;
}

/** The namespaces that a search looks into. */
export interface Searched {
  readonly namespaces: readonly string[];
  /** Rows that could not be read: a thing that is not found may be in one of these. */
  readonly dropped: readonly DroppedRow[];
}

/** The namespaces of one request; equal reads are one call. */
export class Namespaces {
  /** Those that the configuration names. */
  readonly configured: readonly string[];
  readonly #region: Region;
  readonly #visible: Single<null, Answer<Searched>>;
  readonly #existing: Single<string, Answer<true>>;

  constructor({ backend, client, region, call }: Omit<Access, "namespaces">, configured: readonly string[]) {
    this.configured = configured;
    this.#region = region;
    this.#visible = single<null, Answer<Searched>>(
      () => "",
      async () => {
        const { rows, dropped, count } = await client.listNamespaces();
        if (count > mostNamespaces) return unknown("NOT_CONFIGURED");
        if (count === 0) return absent(listNamespaces, "WHOLE_LIST");
        const namespaces = [...new Set(rows.map(({ name }) => name))];
        return found({ namespaces, dropped }, dropped.length > 0 ? unknown("LOST_ROWS") : null);
      },
      { call, backend, operation: listNamespaces.name },
    );
    this.#existing = single(
      (namespace) => namespace,
      (namespace) => {
        const read = client.getNamespace(namespace).then((): Answer<true> => {
          region.setNonEmpty(namespace);
          return found(true);
        });
        return absentIfNotFound(read, absent(getNamespace, "KEYED_READ"));
      },
      { call, backend, operation: getNamespace.name },
    );
  }

  /** The one that a search is limited to, else those configured, else those visible; unknown where these are too many. */
  async searched(scope: string | null = null): Promise<Answer<Searched>> {
    if (scope !== null) return found({ namespaces: [scope], dropped: [] });
    return this.configured.length > 0 ? found({ namespaces: this.configured, dropped: [] }) : this.#visible.load(null);
  }

  /**
   * What it means that nothing was found in these namespaces: `whenThere` where one of them exists, else that none does.
   * The server answers `[]` for a namespace that is missing or forbidden as for an empty one, so each namespace is read
   * unless one of its lists had rows of late.
   */
  async emptied<T>(namespaces: readonly string[], whenThere: Answer<T>): Promise<Answer<T>> {
    const answers = await Promise.all(
      namespaces.map(async (one): Promise<Answer<true>> => {
        return this.#region.isNonEmpty(one) ? found(true) : this.#existing.load(one);
      }),
    );
    const gap = firstGap(answers);
    if (gap !== null) return gap;
    const missing = answers.find((answer) => answer.kind === "ABSENT");
    return missing && answers.every(({ kind }) => kind === "ABSENT") ? missing : whenThere;
  }
}
