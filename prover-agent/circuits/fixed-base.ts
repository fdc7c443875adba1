// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * Many multiples of one generator, by tables of its powers: 22 additions a scalar instead of 254
 * doublings. Uses the WebAssembly field arithmetic of ffjavascript (GPL-3.0), hence only ever in a
 * process of its own.
 */
import { createRequire } from 'node:module'
import { COORDINATE_ORDER } from '#protocol/field'
import { littleEndian, scalarBytes } from './binary-files.ts'

type Wasm = { readonly [name: string]: (...pointers: number[]) => void }
/** A WebAssembly.Memory; growing returns the old size. Pages have 65,536 bytes. */
type Memory = { readonly buffer: ArrayBuffer; grow(pages: number): number }
type Group = { readonly g: Uint8Array }
type Curve = {
  readonly G1: Group
  readonly G2: Group
  readonly tm: {
    readonly instance: { readonly exports: Wasm }
    readonly memory: Memory
  }
}

/** Bits a table covers. Wider ones take longer to fill than they save at 10^5 scalars. */
const WINDOW_BITS = 12
const WINDOWS = Math.ceil(254 / WINDOW_BITS)
/** Scalars a pass: bounds the memory for points not yet affine. */
const BATCH = 4096

/** Multiplies the generator by every scalar; affine points, Montgomery form, little-endian. */
export type Multiplier = (scalars: readonly bigint[]) => Buffer

export async function loadCurve(): Promise<Curve> {
  const { buildBn128 } = createRequire(import.meta.url)('ffjavascript') as {
    buildBn128(singleThread: boolean): Promise<Curve>
  }
  return buildBn128(true)
}

/** Undoes the Montgomery form: multiplies by 1/R mod q, R = 2^256. */
const UNMONTGOMERY = invert(1n << 256n)

/** Fermat's inverse mod q. */
function invert(value: bigint): bigint {
  let result = 1n
  let square = value % COORDINATE_ORDER
  for (let rest = COORDINATE_ORDER - 2n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % COORDINATE_ORDER
    square = (square * square) % COORDINATE_ORDER
  }
  return result
}

/**
 * The coordinates of affine points as plain integers: x, y in G1; x real, x imaginary, y … in G2.
 */
export const coordinates = (points: Buffer): bigint[] =>
  Array.from({ length: points.length / 32 }, (_, index) => {
    const bytes = points.subarray(32 * index, 32 * index + 32)
    return (littleEndian(bytes) * UNMONTGOMERY) % COORDINATE_ORDER
  })

export function fixedBase(curve: Curve, group: 'G1' | 'G2'): Multiplier {
  const { exports } = curve.tm.instance
  const { memory } = curve.tm
  const prefix = group === 'G1' ? 'g1m' : 'g2m'
  const add = exports[`${prefix}_addMixed`]!
  const setZero = exports[`${prefix}_zero`]!
  const toAffine = exports[`${prefix}_batchToAffine`]!
  const affineBytes = group === 'G1' ? 64 : 128
  const jacobianBytes = (affineBytes / 2) * 3
  const tableSize = 1 << WINDOW_BITS

  // Nothing else runs in this instance, so new pages at the end of its memory are ours.
  const needed =
    WINDOWS * tableSize * affineBytes + Math.max(tableSize + 1, BATCH) * jacobianBytes + affineBytes
  let free = memory.grow(Math.ceil(needed / 65_536)) * 65_536
  const allocate = (bytes: number) => {
    const at = free
    free += bytes
    return at
  }
  const tables = allocate(WINDOWS * tableSize * affineBytes)
  const points = allocate(Math.max(tableSize + 1, BATCH) * jacobianBytes)
  const base = allocate(affineBytes)
  // Growing detaches the old buffer, so views are made when needed.
  const view = (at: number, length: number) => new Uint8Array(memory.buffer, at, length)

  view(base, affineBytes).set(curve[group].g.subarray(0, affineBytes))
  for (let window = 0; window < WINDOWS; window++) {
    setZero(points)
    for (let digit = 1; digit <= tableSize; digit++) {
      add(points + (digit - 1) * jacobianBytes, base, points + digit * jacobianBytes)
    }
    toAffine(points, tableSize, tables + window * tableSize * affineBytes)
    // The next window's base is 2^12 times this one.
    toAffine(points + tableSize * jacobianBytes, 1, base)
  }

  const multiply = (scalar: bigint, sum: number) => {
    setZero(sum)
    const digits = scalarBytes(scalar)
    for (let window = 0; window < WINDOWS; window++) {
      const bit = window * WINDOW_BITS
      const at = bit >> 3
      const three = digits[at]! | ((digits[at + 1] ?? 0) << 8) | ((digits[at + 2] ?? 0) << 16)
      const digit = (three >>> (bit & 7)) & (tableSize - 1)
      if (digit > 0) add(sum, tables + (window * tableSize + digit) * affineBytes, sum)
    }
  }
  return (scalars) => {
    const result = Buffer.alloc(scalars.length * affineBytes)
    for (let start = 0; start < scalars.length; start += BATCH) {
      const batch = scalars.slice(start, start + BATCH)
      batch.forEach((scalar, index) => {
        multiply(scalar, points + index * jacobianBytes)
      })
      toAffine(points, batch.length, points)
      result.set(view(points, batch.length * affineBytes), start * affineBytes)
    }
    return result
  }
}
