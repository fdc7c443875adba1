// SPDX-License-Identifier: Apache-2.0
/** From a builder's inputs to the signals of the circuit, and back to a proof on the wire. */
import {
  decodeInputs,
  type InputsRefusal,
  type InputsTerms,
  checkInputs as shapeCheckInputs,
} from '#protocol/inputs'
import type { CallWitness } from '#protocol/ledger'
import { encodeProof, type G1, type G2, statementOf } from '#protocol/proof'
import type { Address, ProofRequest } from '#protocol/schema'
import { poseidonDigest, type Shape, tableWords } from '#protocol/table'
import { shapeOf, shapes } from './shapes.ts'

/**
 * Whether an agent with our circuits can prove what was requested from these inputs. Null if so.
 * Pure; see `protocol/inputs.ts`.
 */
export function checkInputs(
  bytes: Uint8Array,
  request: InputsTerms & Pick<ProofRequest, 'programId'>,
): InputsRefusal | 'unsupported-program' | null {
  const name = shapeOf(request.programId)
  return name === null ? 'unsupported-program' : shapeCheckInputs(bytes, request, shapes[name])
}

/**
 * Values of the circuit's input signals by name, as decimal strings: what circom's generated code
 * takes.
 */
export type CircuitInput = { readonly [signal: string]: Decimals }
type Decimals = string | readonly Decimals[]

/** A proof that lacks only its points. */
export type Statement = {
  readonly payee: Address
  readonly p: bigint
  readonly words: readonly bigint[]
  readonly input: CircuitInput
}

/**
 * What a padding entry is given: the circuit checks its points and ranges, and nothing else. (0, 1)
 * is the neutral point of Baby Jubjub.
 */
const padding = (depth: number): CallWitness => {
  const account = { key: [0n, 1n], balanceWei: 0n, nonce: 0n } as const
  const siblings = Array.from({ length: depth }, () => 0n)
  return {
    source: account,
    destination: account,
    sourceSiblings: siblings,
    destinationSiblings: siblings,
    signature: [0n, 1n, 0n],
  }
}

type Values = bigint | readonly Values[]
const decimal = (values: Values): Decimals =>
  typeof values === 'bigint' ? String(values) : values.map(decimal)

/**
 * The signals of a circuit of this shape, for a proof that pays `payee`. Null when the bytes are no
 * inputs or do not fit the shape. Whether they can be proven, only `checkInputs` or the circuit
 * says.
 */
export function prepareStatement(
  bytes: Uint8Array,
  payee: Address,
  shape: Shape,
): Statement | null {
  const inputs = decodeInputs(bytes)
  if (inputs === null || inputs.depth !== shape.depth) return null
  if (inputs.table.entries.length > shape.entries) return null
  const words = tableWords(inputs.table, shape.entries)
  const p = poseidonDigest(words)
  const [, x, y] = statementOf({ payee, p, words }).signals
  const witnesses = Array.from(
    { length: shape.entries },
    (_, index) => inputs.witnesses[index] ?? padding(shape.depth),
  )
  const signals: Record<string, Values> = {
    p,
    x,
    y,
    words,
    sourceKey: witnesses.map(({ source }) => source.key),
    sourceBalance: witnesses.map(({ source }) => source.balanceWei),
    sourceSiblings: witnesses.map(({ sourceSiblings }) => sourceSiblings),
    destinationKey: witnesses.map(({ destination }) => destination.key),
    destinationBalance: witnesses.map(({ destination }) => destination.balanceWei),
    destinationNonce: witnesses.map(({ destination }) => destination.nonce),
    destinationSiblings: witnesses.map(({ destinationSiblings }) => destinationSiblings),
    signature: witnesses.map(({ signature }) => signature),
  }
  const input = Object.fromEntries(
    Object.entries(signals).map(([name, value]) => [name, decimal(value)]),
  )
  return { payee, p, words, input }
}

/**
 * Groth16 points as snarkjs writes them: decimal strings, real parts first, with a third
 * coordinate.
 */
export type SnarkjsProof = {
  readonly pi_a: readonly string[]
  readonly pi_b: readonly (readonly string[])[]
  readonly pi_c: readonly string[]
}

/** The proof's bytes. @throws RangeError when the points are not decimal numbers below 2^256. */
export function finishProof({ payee, p, words }: Statement, points: SnarkjsProof): Uint8Array {
  const g1 = (point: readonly string[]): G1 => [BigInt(point[0] ?? ''), BigInt(point[1] ?? '')]
  const [[x0, x1] = [], [y0, y1] = []] = points.pi_b
  const b = [x1, x0, y1, y0].map((coordinate) => BigInt(coordinate ?? '')) as unknown as G2
  return encodeProof({ payee, p, a: g1(points.pi_a), b, c: g1(points.pi_c), words })
}
