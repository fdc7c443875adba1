/**
 * Mutants that let nothing false through, and why: without the constraint the prover may choose
 * something that is its to choose anyway, or that other constraints fix all the same.
 */
import type { MutantHunt } from './mutants.ts'

const reasons: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /signed \* \(1 - send - withdraw\) ===|signed \* fails ===/,
    'the source would have to be the key and zero at once, and (0, 0) is off the curve',
  ],
  [
    /: BabyCheck\(/,
    'circomlib’s verifier is made for points on the curve; off it no forgery is known',
  ],
  [
    /: within \* receives ===/,
    'a send within one rollup has a second delta of zeros, and no program word is zero',
  ],
  [
    /Poseidon: data\[[01]\]/,
    'length and selector are fixed by the kind, and a signature fits only where both do',
  ],
  [
    /entry\[i\]\.(index|balance|nonce|pending|amount|credited\w+|from|to|paid) <==/,
    'the prover chooses it anyway: a private input, handed on',
  ],
]

/** Why a mutant need not be caught; null if it must be. */
export function reasonOf(knob: number, hunt: MutantHunt): string | null {
  const mutant = hunt.open.find((one) => one.knob === knob)
  if (mutant === undefined) return null
  const { file, text } = mutant
  return reasons.find(([pattern]) => pattern.test(`${file}: ${text}`))?.[1] ?? null
}
