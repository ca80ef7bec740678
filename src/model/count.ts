/** Where GraphQL's Int ends. */
const largestInt = 2_147_483_647;

/**
 * A count or a size as a backend told it. Null for what is no whole number from 0 on, and past 2^53, where a JSON
 * number has already lost its last digits: no number is better than a wrong one.
 */
export function toCount(value: number | null | undefined): number | null {
  return value !== null && value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** The same for what the graph tells as an Int. */
export function toInt(value: number | null | undefined): number | null {
  const count = toCount(value);
  return count !== null && count <= largestInt ? count : null;
}
