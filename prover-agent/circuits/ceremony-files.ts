// SPDX-License-Identifier: Apache-2.0
/**
 * What a ceremony's files say: `.r1cs` (the circuit), `.ptau` (phase 1) and `.zkey` (a key and the
 * chain of its contributions). All are sections after a magic word; little-endian; points affine,
 * in Montgomery form. Read strictly, by code of our own: snarkjs, which does the cryptography,
 * overlooks bytes that no formula reaches.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { COORDINATE_ORDER, FIELD_ORDER } from '#protocol/field'
import type { G1, G2, VerificationKey } from '#protocol/proof'

/** A file or a step of a ceremony is not what it must be. Says what was wrong and what to do. */
export class CeremonyError extends Error {
  override readonly name = 'CeremonyError'
  readonly code = 'CEREMONY'
}

/** Our circuits have the public signals p, x, y. */
export const PUBLIC_SIGNALS = 3
/** Sections in a file: a `.zkey` has 10, a prepared `.ptau` 11. */
const MAX_SECTIONS = 32
/** Most that is read of one section: a chain of some ten thousand contributions. Bytes. */
const MAX_READ_BYTES = 8 * 1024 * 1024
/** 2^N hashes of a beacon: snarkjs wants 10 at least; 2^30 take half an hour to check. */
export const BEACON_ITERATIONS = { least: 10, most: 30 } as const
/** Longest name of a contributor. UTF-16 units, as snarkjs counts. */
export const MAX_NAME_LENGTH = 64
/** What would change the terminal it is printed on. */
export const unprintable = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u

type Section = { readonly at: number; readonly length: number }
type Kind = 'zkey' | 'r1cs' | 'ptau'

/** A file of sections. Each kind of section occurs once, and nothing lies between or after them. */
class SectionFile {
  readonly path: string
  readonly #handle: FileHandle
  readonly #sections = new Map<number, Section>()
  constructor(path: string, handle: FileHandle) {
    this.path = path
    this.#handle = handle
  }

  /** @throws CeremonyError with the file's name. */
  fail(what: string): never {
    throw new CeremonyError(`${this.path} ${what}.`)
  }

  async scan(kind: Kind): Promise<void> {
    const { size } = await this.#handle.stat()
    const head = await this.#bytes(0, 12)
    if (head.toString('latin1', 0, 4) !== kind) this.fail(`is no .${kind} file`)
    if (head.readUInt32LE(4) !== 1) this.fail(`is a .${kind} of a version other than 1`)
    const count = head.readUInt32LE(8)
    if (count > MAX_SECTIONS) this.fail(`has ${count} sections; it is damaged`)
    let at = 12
    for (let index = 0; index < count; index++) {
      const frame = await this.#bytes(at, 12)
      const type = frame.readUInt32LE(0)
      const length = Number(frame.readBigUInt64LE(4))
      if (this.#sections.has(type)) this.fail(`has section ${type} twice; it is damaged`)
      this.#sections.set(type, { at: at + 12, length })
      at += 12 + length
      if (at > size) this.fail('is cut off; copy it again')
    }
    if (at !== size) this.fail('goes on after its end; it is damaged')
  }

  has(type: number): boolean {
    return this.#sections.has(type)
  }

  get types(): number[] {
    return [...this.#sections.keys()].sort((a, b) => a - b)
  }

  length(type: number): number {
    return this.#sections.get(type)?.length ?? this.fail(`lacks section ${type}; it is damaged`)
  }

  /** Bytes of a section, from its start. */
  async read(type: number, length = this.length(type)): Promise<Buffer> {
    if (length > this.length(type)) this.fail(`is too short in section ${type}; it is damaged`)
    if (length > MAX_READ_BYTES) this.fail(`has ${length} bytes in section ${type}: too many`)
    return this.#bytes(this.#sections.get(type)!.at, length)
  }

  async #bytes(at: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await this.#handle.read(bytes, 0, length, at)
    if (bytesRead !== length) this.fail('is cut off; copy it again')
    return bytes
  }
}

async function withFile<T>(path: string, kind: Kind, work: (file: SectionFile) => Promise<T>) {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new CeremonyError(`${path} cannot be read: ${(cause as Error).message}.`, { cause })
  })
  try {
    const file = new SectionFile(path, handle)
    await file.scan(kind)
    return await work(file)
  } finally {
    await handle.close()
  }
}

const littleEndian = (bytes: Buffer): bigint =>
  BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)

/** 1/R mod q for R = 2^256, by Fermat: undoes the Montgomery form. */
const UNMONTGOMERY = ((): bigint => {
  let result = 1n
  let square = (1n << 256n) % COORDINATE_ORDER
  for (let rest = COORDINATE_ORDER - 2n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % COORDINATE_ORDER
    square = (square * square) % COORDINATE_ORDER
  }
  return result
})()

/** Reads numbers and points one after the other. */
class Cursor {
  readonly #file: SectionFile
  readonly #bytes: Buffer
  #at = 0
  constructor(file: SectionFile, bytes: Buffer) {
    this.#file = file
    this.#bytes = bytes
  }
  get left(): number {
    return this.#bytes.length - this.#at
  }
  bytes(length: number): Buffer {
    if (length > this.left) this.#file.fail('ends within a field; it is damaged')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
  byte(): number {
    return this.bytes(1)[0]!
  }
  u32(): number {
    return this.bytes(4).readUInt32LE()
  }
  /** A 32-byte number after its length, which must be this one. */
  prime(order: bigint): void {
    if (this.u32() !== 32 || littleEndian(this.bytes(32)) !== order) {
      this.#file.fail('is not over the curve BN254 (bn128), the only one the contracts know')
    }
  }
  #coordinate(): bigint {
    const value = littleEndian(this.bytes(32))
    if (value >= COORDINATE_ORDER) this.#file.fail('has a point that is none; it is damaged')
    return (value * UNMONTGOMERY) % COORDINATE_ORDER
  }
  #point(coordinates: number): bigint[] {
    const point = Array.from({ length: coordinates }, () => this.#coordinate())
    if (point.every((coordinate) => coordinate === 0n)) {
      this.#file.fail('has the point at infinity where a key has none; it is damaged')
    }
    return point
  }
  g1(): G1 {
    return this.#point(2) as unknown as G1
  }
  g2(): G2 {
    const [x0, x1, y0, y1] = this.#point(4) as [bigint, bigint, bigint, bigint]
    return [x1, x0, y1, y0]
  }
  end(): void {
    if (this.left !== 0) this.#file.fail(`has ${this.left} bytes too many in a section`)
  }
}

export type Circuit = {
  readonly wireCount: number
  readonly publicCount: number
  readonly constraintCount: number
  /** The domain has 2^power places, and the phase-1 file must have at least this power. */
  readonly power: number
}

/** @throws CeremonyError when it is no circuit over BN254 with our three public signals. */
export const readCircuit = (path: string): Promise<Circuit> =>
  withFile(path, 'r1cs', async (file) => {
    const cursor = new Cursor(file, await file.read(1))
    cursor.prime(FIELD_ORDER)
    const wireCount = cursor.u32()
    const publicCount = cursor.u32() + cursor.u32()
    cursor.bytes(4 + 8)
    const constraintCount = cursor.u32()
    cursor.end()
    if (publicCount !== PUBLIC_SIGNALS) {
      file.fail(`has ${publicCount} public signals; ours have three: p, x, y`)
    }
    const power = Math.ceil(Math.log2(constraintCount + publicCount + 1))
    return { wireCount, publicCount, constraintCount, power }
  })

export type PhaseOne = {
  readonly power: number
  /** Whether it holds its powers as Lagrange polynomials too, which phase 2 starts from. */
  readonly isPrepared: boolean
  readonly alpha: G1
  readonly beta: G2
}

/** What `powersoftau prepare phase2` adds. */
const PREPARED_SECTIONS = [12, 13, 14, 15]

/** @throws CeremonyError when it is no phase-1 file over BN254. */
export const readPhaseOne = (path: string): Promise<PhaseOne> =>
  withFile(path, 'ptau', async (file) => {
    const cursor = new Cursor(file, await file.read(1))
    cursor.prime(COORDINATE_ORDER)
    const power = cursor.u32()
    return {
      power,
      isPrepared: PREPARED_SECTIONS.every((type) => file.has(type)),
      alpha: new Cursor(file, await file.read(4, 64)).g1(),
      beta: new Cursor(file, await file.read(6, 128)).g2(),
    }
  })

export type Contribution = {
  readonly kind: 'contribution' | 'beacon'
  /** What the contributor called itself; '' for nothing. */
  readonly name: string
  /** BLAKE2b-512 of the contribution's public key, hex: what the contributor publishes. */
  readonly hash: string
  /** Only of a beacon: the bytes that were hashed, 2^iterations times. */
  readonly beacon: Buffer
  readonly iterations: number
}

export type CeremonyKey = Omit<VerificationKey, 'wordCount'> & {
  readonly wireCount: number
  readonly domainSize: number
  /** BLAKE2b-512, hex: of the circuit's initial key, the same along the whole chain. */
  readonly circuitHash: string
  readonly contributions: readonly Contribution[]
}

/** A point as it is hashed: big-endian coordinates, imaginary parts first. */
const uncompressed = (point: readonly bigint[]): Buffer =>
  Buffer.from(point.map((part) => part.toString(16).padStart(64, '0')).join(''), 'hex')

function readContribution(file: SectionFile, cursor: Cursor): Contribution {
  const hash = createHash('blake2b512')
  for (let point = 0; point < 3; point++) hash.update(uncompressed(cursor.g1()))
  hash.update(uncompressed(cursor.g2()))
  hash.update(cursor.bytes(64))
  const type = cursor.u32()
  if (type > 1) file.fail(`has a contribution of the unknown kind ${type}`)
  const parameters = new Cursor(file, cursor.bytes(cursor.u32()))
  // Every parameter in its place and no other: nothing else vouches for these bytes.
  let [name, iterations, beacon] = ['', 0, Buffer.alloc(0)]
  let next = parameters.left > 0 ? parameters.byte() : 0
  if (next === 1) {
    name = readName(file, parameters.bytes(parameters.byte()))
    next = parameters.left > 0 ? parameters.byte() : 0
  }
  if (type === 1) {
    iterations = next === 2 ? parameters.byte() : 0
    const { least, most } = BEACON_ITERATIONS
    if (iterations < least || iterations > most || parameters.byte() !== 3) {
      file.fail(`has a beacon of other than 2^${least} to 2^${most} hashes`)
    }
    beacon = Buffer.from(parameters.bytes(parameters.byte()))
    next = 0
  }
  if (next !== 0) file.fail('has a contribution with something unknown in it')
  parameters.end()
  const kind = type === 1 ? 'beacon' : 'contribution'
  return { kind, name, hash: hash.digest('hex'), beacon, iterations }
}

function readName(file: SectionFile, bytes: Buffer): string {
  const name = bytes.toString('utf8')
  if (name === '' || unprintable.test(name) || !Buffer.from(name).equals(bytes)) {
    file.fail('has a contributor whose name is no printable text')
  }
  return name
}

/**
 * Reads a key of any stage. Whether its points are the circuit's only `verifyKey` says.
 *
 * @throws CeremonyError for anything but a Groth16 key over BN254 with three public signals, whole
 *   and with nothing in it that has no meaning.
 */
export const readKey = (path: string): Promise<CeremonyKey> =>
  withFile(path, 'zkey', async (file) => {
    const known = Array.from({ length: 10 }, (_, index) => index + 1)
    if (file.types.join() !== known.join()) file.fail('has not the sections of a key')
    const protocol = await file.read(1, 4)
    if (file.length(1) !== 4 || protocol.readUInt32LE() !== 1) file.fail('is no Groth16 key')
    const header = new Cursor(file, await file.read(2))
    header.prime(COORDINATE_ORDER)
    header.prime(FIELD_ORDER)
    const wireCount = header.u32()
    const publicCount = header.u32()
    const domainSize = header.u32()
    if (publicCount !== PUBLIC_SIGNALS) {
      file.fail(`is of a circuit with ${publicCount} public signals; ours have three: p, x, y`)
    }
    const [alpha] = [header.g1(), header.g1()]
    const [beta, gamma] = [header.g2(), header.g2()]
    header.g1()
    const delta = header.g2()
    header.end()
    await checkLengths(file, wireCount, domainSize)
    const points = new Cursor(file, await file.read(3))
    const ic = [points.g1(), points.g1(), points.g1(), points.g1()] as const
    const chain = new Cursor(file, await file.read(10))
    const circuitHash = chain.bytes(64).toString('hex')
    const contributions: Contribution[] = []
    for (let count = chain.u32(); count > 0; count--) {
      contributions.push(readContribution(file, chain))
    }
    chain.end()
    return { alpha, beta, gamma, delta, ic, wireCount, domainSize, circuitHash, contributions }
  })

async function checkLengths(file: SectionFile, wireCount: number, domainSize: number) {
  const coefficientCount = (await file.read(4, 4)).readUInt32LE()
  const lengths: Readonly<Record<number, number>> = {
    3: 64 * (PUBLIC_SIGNALS + 1),
    4: 4 + 44 * coefficientCount,
    5: 64 * wireCount,
    6: 64 * wireCount,
    7: 128 * wireCount,
    8: 64 * (wireCount - PUBLIC_SIGNALS - 1),
    9: 64 * domainSize,
  }
  for (const [type, length] of Object.entries(lengths)) {
    if (file.length(Number(type)) !== length) file.fail(`has a section ${type} of a wrong length`)
  }
}
