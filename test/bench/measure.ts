/** What every bench measures with and says of the machine it ran on. */
import { availableParallelism, cpus, platform, totalmem } from 'node:os'
import { isNative } from '#protocol/signature'

/** Figures by name; the name ends in the unit. */
export type Metrics = Readonly<Record<string, number>>

/** The middle value: a machine that is busy for a moment moves a mean, not this. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export const machine = () => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: `${platform()}-${process.arch}`,
  node: process.version,
  nativeSecp256k1: isNative(),
})
