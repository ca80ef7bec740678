import { channel } from "node:diagnostics_channel";

/** Something that happens on a lower floor and is told upwards; whoever tells does not know who listens. */
export interface Event<T> {
  /** Whether anybody listens: what is told costs nothing to leave out. */
  readonly isHeard: () => boolean;
  readonly tell: (message: T) => void;
  /** Listens until the function it hands back is called. Listeners run at once, in the order they came. */
  readonly listen: (listener: (message: T) => void) => () => void;
}

/** An event on the `node:diagnostics_channel` of that name. */
export function createEvent<T extends object>(name: string): Event<T> {
  const line = channel(name);
  // The channel is open to the whole process: only what was told here is believed to be a T.
  let telling: T | null = null;
  return {
    isHeard: () => line.hasSubscribers,
    tell: (message) => {
      if (!line.hasSubscribers) return;
      // Who listens may tell something itself.
      const before = telling;
      telling = message;
      line.publish(message);
      telling = before;
    },
    listen: (listener) => {
      const hear = (heard: unknown) => {
        if (telling !== null && heard === telling) listener(telling);
      };
      line.subscribe(hear);
      return () => void line.unsubscribe(hear);
    },
  };
}
