/**
 * Mutants that let nothing false through, and why: without the constraint the prover may choose
 * something that is its to choose anyway, or that other constraints fix all the same.
 */
import type { MutantHunt } from './mutants.ts'

const reasons: readonly (readonly [pattern: RegExp, reason: string])[] = []

/** Why a mutant need not be caught; null if it must be. */
export function reasonOf(knob: number, hunt: MutantHunt): string | null {
  const mutant = hunt.open.find((one) => one.knob === knob)
  if (mutant === undefined) return null
  const { file, text } = mutant
  return reasons.find(([pattern]) => pattern.test(`${file}: ${text}`))?.[1] ?? null
}
