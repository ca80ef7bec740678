/**
 * Reads a base path: `/`, or plain segments such as `/delivery`, without a slash at the end. Null for anything else: a dot
 * segment would be resolved by the browser, and two slashes at the beginning name another host.
 */
export function readBasePath(text: string): string | null {
  if (text === "/") return text;
  const isPlain = /^(?:\/[\w.~-]+)+\/?$/.test(text) && !/\/\.{1,2}(?:\/|$)/.test(text);
  return isPlain ? text.replace(/\/$/, "") : null;
}
