/** Runs the function at its first call and hands the same promise to all. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}

/**
 * Puts what a getter has made in the place of the getter, and hands it back: it is made once, however often it is read.
 */
export function keep<T>(target: object, name: string, value: T): T {
  Object.defineProperty(target, name, { value, enumerable: true });
  return value;
}
