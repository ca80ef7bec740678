/** The text without slashes at its end. A pattern would look at each run of slashes once for every slash in it. */
export function trimEndSlashes(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === "/") end -= 1;
  return text.slice(0, end);
}

/** The text without slashes at either end. */
export function trimSlashes(text: string): string {
  let start = 0;
  while (text[start] === "/") start += 1;
  return trimEndSlashes(text.slice(start));
}
