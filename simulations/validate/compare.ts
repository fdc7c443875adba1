/** The two worlds side by side: how far the model is off, and whether that is within bounds. */
import type { Measured, Trace } from './measure.ts'
import { meanOneWayMs, type Plan } from './plan.ts'

/** How far the model may be off. Percent. */
const BOUNDS = { p50: 10, p95: 15, duplicates: 10 }

export type Comparison = {
  readonly name: string
  readonly unit: string
  readonly real: number
  readonly model: number
  /** Of the real value. Percent. */
  readonly offPercent: number
  readonly boundPercent: number
  readonly holds: boolean
}

/** Compares the three figures that auctions depend on. */
export function compare(real: Measured, model: Measured): Comparison[] {
  const row = (name: string, unit: string, values: [number, number], boundPercent: number) => {
    const offPercent = (100 * (values[1] - values[0])) / values[0]
    const holds = Math.abs(offPercent) <= boundPercent
    return { name, unit, real: values[0], model: values[1], offPercent, boundPercent, holds }
  }
  const { duplicatesPerDelivery } = real
  return [
    row('propagation p50', 'ms', [real.p50Ms, model.p50Ms], BOUNDS.p50),
    row('propagation p95', 'ms', [real.p95Ms, model.p95Ms], BOUNDS.p95),
    row(
      'duplicates',
      'a copy',
      [duplicatesPerDelivery, model.duplicatesPerDelivery],
      BOUNDS.duplicates,
    ),
  ]
}

/** A table for the terminal. */
export function tableOf(rows: readonly Comparison[]): string {
  const head = ['', 'real', 'model', 'off', 'allowed', '']
  const cells = rows.map(({ name, unit, real, model, offPercent, boundPercent, holds }) => [
    name,
    `${real.toFixed(2)} ${unit}`,
    `${model.toFixed(2)} ${unit}`,
    `${offPercent < 0 ? '' : '+'}${offPercent.toFixed(1)} %`,
    `${boundPercent} %`,
    holds ? 'holds' : 'MISSED',
  ])
  const lines = [head, ...cells]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** What one hop takes beyond its way: this machine's share in the real latencies. */
export type Overhead = { readonly hopMs: number; readonly overheadMs: number }

/**
 * From a node's first copy, or the publishing, to the first copy at the node it sent it to. Not of
 * first bids, which may be held on their way. ms of the modelled network.
 */
export function overheadOf(plan: Plan, traces: readonly Trace[]): Overhead {
  let [sumMs, wayMs, hops] = [0, 0, 0]
  for (const { kind, round, publisher, publishedAt, firstAt, firstFrom } of traces) {
    if (kind === 'Bid' && plan.rounds[round]?.bidders[0] === publisher) continue
    for (const [node, at] of firstAt.entries()) {
      const from = firstFrom[node]
      const began = from === publisher ? publishedAt : firstAt[from ?? -1]
      if (at === null || from === null || from === undefined || began == null) continue
      sumMs += at - began
      wayMs += meanOneWayMs(plan, from, node)
      hops += 1
    }
  }
  return { hopMs: sumMs / hops, overheadMs: (sumMs - wayMs) / hops }
}
