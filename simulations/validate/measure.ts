/** What a world saw of each message, and the figures that follow: the same sums for both worlds. */
import type { GossipKind } from '#protocol/effects'

/** One message: when it was published, and what came of it at each node. */
export type Trace = {
  readonly kind: GossipKind
  readonly round: number
  readonly publisher: number
  /** ms of the modelled network, from any instant that all of a run share. */
  readonly publishedAt: number
  /** By node: when its first copy came, `null` for none, and how many came in all. */
  readonly firstAt: readonly (number | null)[]
  /** By node: who sent that first copy. */
  readonly firstFrom: readonly (number | null)[]
  readonly copies: readonly number[]
}

export type Measured = {
  readonly messages: number
  /** First copies: one for each message and node that got it, but its publisher. */
  readonly deliveries: number
  /** Nodes that should have got a message and did not. */
  readonly missed: number
  /** From publishing to a first copy, sorted. ms of the modelled network. */
  readonly latenciesMs: readonly number[]
  readonly p50Ms: number
  readonly p95Ms: number
  /** Copies beyond the first, per first copy; all that come back to the publisher are beyond. */
  readonly duplicatesPerDelivery: number
}

/** The smallest value that this share of `sorted` does not exceed; `NaN` of nothing. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN

/** The figures of all first copies and the number of those that came after them. */
export function summary(
  seen: Pick<Measured, 'messages' | 'missed' | 'latenciesMs'> & { readonly duplicates: number },
): Measured {
  const { messages, missed, duplicates } = seen
  const latenciesMs = [...seen.latenciesMs].sort((a, b) => a - b)
  const deliveries = latenciesMs.length
  return {
    messages,
    deliveries,
    missed,
    latenciesMs,
    p50Ms: quantile(latenciesMs, 0.5),
    p95Ms: quantile(latenciesMs, 0.95),
    duplicatesPerDelivery: duplicates / deliveries,
  }
}

/** The figures of messages that were traced one by one. */
export function summarise(traces: readonly Trace[]): Measured {
  const latenciesMs: number[] = []
  let [copies, missed] = [0, 0]
  for (const { publisher, publishedAt, firstAt, copies: counts } of traces) {
    for (const [node, at] of firstAt.entries()) {
      copies += counts[node]!
      if (node === publisher) continue
      if (at === null) missed += 1
      else latenciesMs.push(at - publishedAt)
    }
  }
  const duplicates = copies - latenciesMs.length
  return summary({ messages: traces.length, missed, latenciesMs, duplicates })
}
