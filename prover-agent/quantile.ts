/**
 * The smallest value that at least `percent` of a hundred are not above (nearest rank).
 *
 * @param sorted Ascending, at least one value.
 * @param percent 0 to 100.
 */
export function quantile<T>(sorted: readonly T[], percent: number): T {
  const rank = Math.ceil((percent * sorted.length) / 100)
  return sorted[Math.max(0, Math.min(sorted.length, rank) - 1)]!
}
