/** A usable object id in lower case; null for the 24 zeros and the empty text that Zadig prints for "no id". */
export function objectId(text: string | null | undefined): string | null {
  const id = text?.toLowerCase() ?? "";
  return /^[0-9a-f]{24}$/.test(id) && !/^0+$/.test(id) ? id : null;
}
