// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * The two binary formats of the development setup: `.r1cs` as circom writes it, `.zkey` as snarkjs
 * reads it. Both are sections (type u32, length u64, bytes) after a magic word, a version and a
 * count; little-endian.
 */
import { COORDINATE_ORDER, FIELD_ORDER } from '#protocol/field'

/** Linear combinations A, B, C of one constraint A·B = C: pairs of wire and coefficient. */
export type Constraint = readonly [Terms, Terms, Terms]
export type Terms = readonly (readonly [wire: number, coefficient: bigint])[]

export type R1cs = {
  /** Wires, the constant one included. Wire 0 is the constant, then come the public signals. */
  readonly wireCount: number
  readonly publicCount: number
  readonly constraints: readonly Constraint[]
}

export const littleEndian = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)

/** @throws Error when the file is no R1CS over BN254. */
export function readR1cs(file: Buffer): R1cs {
  if (file.toString('latin1', 0, 4) !== 'r1cs') throw new Error('not an .r1cs file')
  const sections = new Map<number, Buffer>()
  for (let at = 12; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at + 4))
    sections.set(file.readUInt32LE(at), file.subarray(at + 12, at + 12 + length))
    at += 12 + length
  }
  const header = sections.get(1)
  const body = sections.get(2)
  if (header === undefined || body === undefined) throw new Error('the .r1cs file lacks a section')
  if (header.readUInt32LE(0) !== 32 || littleEndian(header.subarray(4, 36)) !== FIELD_ORDER) {
    throw new Error('the .r1cs file is not over the field of BN254')
  }
  let at = 0
  const terms = (): Terms => {
    const count = body.readUInt32LE(at)
    at += 4
    return Array.from({ length: count }, () => {
      const wire = body.readUInt32LE(at)
      const coefficient = littleEndian(body.subarray(at + 4, at + 36))
      at += 36
      return [wire, coefficient] as const
    })
  }
  const constraints = Array.from({ length: header.readUInt32LE(60) }, () => {
    return [terms(), terms(), terms()] as const
  })
  const publicCount = header.readUInt32LE(40) + header.readUInt32LE(44)
  return { wireCount: header.readUInt32LE(36), publicCount, constraints }
}

/** A field element as 32 little-endian bytes. */
export function scalarBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** The parts of a Groth16 proving key. Points are affine, Montgomery form, little-endian. */
export type ProvingKey = {
  readonly wireCount: number
  readonly publicCount: number
  readonly domainSize: number
  readonly alpha1: Buffer
  readonly beta1: Buffer
  readonly beta2: Buffer
  readonly gamma2: Buffer
  readonly delta1: Buffer
  readonly delta2: Buffer
  readonly ic: Buffer
  /** Entries of the matrices A (0) and B (1): row, wire, coefficient. */
  readonly coefficients: readonly (readonly [
    matrix: 0 | 1,
    row: number,
    wire: number,
    coefficient: bigint,
  ])[]
  readonly a: Buffer
  readonly b1: Buffer
  readonly b2: Buffer
  readonly c: Buffer
  readonly h: Buffer
}

/**
 * snarkjs keeps coefficients multiplied by R² (R = 2^256), to save one conversion while it proves.
 */
const R_SQUARED = (1n << 512n) % FIELD_ORDER

function coefficientSection(coefficients: ProvingKey['coefficients']): Buffer {
  const bytes = Buffer.alloc(4 + coefficients.length * 44)
  bytes.writeUInt32LE(coefficients.length)
  coefficients.forEach(([matrix, row, wire, coefficient], index) => {
    const at = 4 + index * 44
    bytes.writeUInt32LE(matrix, at)
    bytes.writeUInt32LE(row, at + 4)
    bytes.writeUInt32LE(wire, at + 8)
    scalarBytes((coefficient * R_SQUARED) % FIELD_ORDER).copy(bytes, at + 12)
  })
  return bytes
}

/** The bytes of a `.zkey` without any contribution. */
export function encodeZkey(key: ProvingKey): Buffer {
  const header = Buffer.concat([
    ...[u32(32), scalarBytes(COORDINATE_ORDER), u32(32), scalarBytes(FIELD_ORDER)],
    ...[u32(key.wireCount), u32(key.publicCount), u32(key.domainSize)],
    ...[key.alpha1, key.beta1, key.beta2, key.gamma2, key.delta1, key.delta2],
  ])
  const noContributions = Buffer.alloc(64 + 4)
  const sections = [
    ...[u32(1), header, key.ic, coefficientSection(key.coefficients), key.a, key.b1, key.b2],
    ...[key.c, key.h, noContributions],
  ]
  const framed = sections.flatMap((bytes, index) => {
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(bytes.length))
    return [u32(index + 1), length, bytes]
  })
  return Buffer.concat([Buffer.from('zkey'), u32(1), u32(sections.length), ...framed])
}
