/** The committed proof of the sample table: `test/vectors/table-proof.json`. */
import { readFileSync } from 'node:fs'
import type { G1, VerificationKey } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'

type KeyJson = Readonly<Record<'alpha' | 'beta' | 'gamma' | 'delta' | 'ic', readonly string[]>> & {
  readonly wordCount: number
}

/** A key as vectors have it: points as flat lists. */
export function keyOf({ wordCount, ic, ...points }: KeyJson): VerificationKey {
  const numbers = Object.entries(points).map(([name, list]) => [name, list.map(BigInt)])
  const pairs = [0, 2, 4, 6].map((at) => ic.slice(at, at + 2).map(BigInt) as unknown as G1)
  return { ...Object.fromEntries(numbers), ic: pairs, wordCount } as VerificationKey
}

/** The same back. */
export const keyJson = (key: VerificationKey): KeyJson => {
  const hex = (word: bigint) => `0x${word.toString(16).padStart(64, '0')}`
  const { wordCount, alpha, beta, gamma, delta, ic } = key
  const points = { alpha, beta, gamma, delta, ic: ic.flat() }
  const texts = Object.entries(points).map(([name, list]) => [name, list.map(hex)])
  return { wordCount, ...Object.fromEntries(texts) }
}

type Vector = {
  readonly key: KeyJson
  readonly keyId: Hex
  readonly programId: Hex
  readonly table: Hex
  readonly publicInputsHash: Hex
  readonly segmentHash: Hex
  readonly payee: Address
  readonly segmentProof: Hex
  readonly tableProof: Hex
}

const text = readFileSync(new URL('../vectors/table-proof.json', import.meta.url), 'utf8')
export const sampleProof: Vector = JSON.parse(text)
export const sampleKey: VerificationKey = keyOf(sampleProof.key)
