import type { Call } from "../../upstream/call.ts";
import type { Answer } from "../answers.ts";
import type { SwrClient } from "./client.ts";
import type { Region } from "./region.ts";

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

/**
 * What an empty list of a namespace means. The server answers `[]` for one that may not be seen and for one that there is
 * none of, as for one that is empty: the namespace itself is asked for, unless it was seen to hold something of late.
 */
export interface Namespaces {
  /**
   * What it means that nothing was found in these: `whenThere` where one of them is there; else what is known of them.
   * Only paid where nothing was found.
   */
  readonly emptied: <T>(namespaces: readonly string[], whenThere: Answer<T>) => Promise<Answer<T>>;
  /** Notes that a list of the namespace had rows. */
  readonly seen: (namespace: string) => void;
}
