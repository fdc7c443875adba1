/**
 * Bytes ↔ messages. A message is its fields as 32-byte ABI words (every field is static), so its
 * length is fixed by its kind. Decoding is strict: a word with anything in its padding is
 * malformed, hence encode(decode(bytes)) = bytes for all bytes that decode (rule M2).
 */
import { type Kind, type Message, schema } from './schema.ts'

const WORD_BYTES = 32
/** r(32) ‖ s(32) ‖ v(1). */
export const SIGNATURE_BYTES = 65

type Scalar =
  | { readonly kind: 'number'; readonly bytes: number }
  | { readonly kind: 'bigint'; readonly bytes: number }
  | { readonly kind: 'left'; readonly bytes: number }
  | { readonly kind: 'right'; readonly bytes: number }
type Field = { readonly name: string; readonly scalar: Scalar; readonly length: number | null }

/** Widest integer that is exact in a JS number; wider ones are bigint. Same line as abitype's. */
const NUMBER_BITS = 48

function scalarOf(type: string): Scalar {
  if (type === 'address') return { kind: 'right', bytes: 20 }
  const uint = /^uint(\d+)$/.exec(type)
  if (uint) {
    const bits = Number(uint[1])
    return { kind: bits <= NUMBER_BITS ? 'number' : 'bigint', bytes: bits / 8 }
  }
  const fixed = /^bytes(\d+)$/.exec(type)
  if (fixed) return { kind: 'left', bytes: Number(fixed[1]) }
  throw new Error(`schema: type ${type} is not static`)
}

function fieldOf({ name, type }: { readonly name: string; readonly type: string }): Field {
  const array = /^(.+)\[(\d+)\]$/.exec(type)
  return array
    ? { name, scalar: scalarOf(array[1]!), length: Number(array[2]) }
    : { name, scalar: scalarOf(type), length: null }
}

const fieldsOf = Object.fromEntries(
  Object.entries(schema).map(([kind, fields]) => [kind, fields.map(fieldOf)]),
) as unknown as Record<Kind, readonly Field[]>

/** Fields of a kind, as the codec and the digest read them. */
export const fields = (kind: Kind): readonly Field[] => fieldsOf[kind]

const wordsOf = (kind: Kind): number =>
  fieldsOf[kind].reduce((words, { length }) => words + (length ?? 1), 0)

/** Exact size of an encoded message, without its signature. Bytes. */
export const messageBytes = (kind: Kind): number => wordsOf(kind) * WORD_BYTES

/** Exact size of a signed message. Bytes. */
export const signedBytes = (kind: Kind): number => messageBytes(kind) + SIGNATURE_BYTES

function writeScalar(out: Buffer, at: number, scalar: Scalar, value: unknown): void {
  switch (scalar.kind) {
    case 'number':
      out.writeUIntBE(value as number, at + WORD_BYTES - 6, 6)
      return
    case 'bigint':
      out.write((value as bigint).toString(16).padStart(64, '0'), at, 'hex')
      return
    case 'left':
      out.write((value as string).slice(2), at, 'hex')
      return
    case 'right':
      out.write((value as string).slice(2), at + WORD_BYTES - scalar.bytes, 'hex')
      return
    default:
      scalar satisfies never
  }
}

/**
 * Encodes a message as its ABI words.
 * @param message A value of the schema's type: integers within their bits, hex of the exact length.
 */
export function encode<K extends Kind>(kind: K, message: Message<K>): Uint8Array {
  const out = Buffer.alloc(messageBytes(kind))
  let at = 0
  for (const { name, scalar, length } of fieldsOf[kind]) {
    const value = (message as Record<string, unknown>)[name]
    const elements = length === null ? [value] : (value as readonly unknown[])
    for (const element of elements) {
      writeScalar(out, at, scalar, element)
      at += WORD_BYTES
    }
  }
  return out
}

const isZero = (bytes: Buffer, from: number, to: number): boolean => {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false
  return true
}

/** Value of one word, or `undefined` if its padding is not zero. */
function readScalar(bytes: Buffer, at: number, scalar: Scalar): unknown {
  const end = at + WORD_BYTES
  if (scalar.kind === 'left') {
    if (!isZero(bytes, at + scalar.bytes, end)) return undefined
    return `0x${bytes.toString('hex', at, at + scalar.bytes)}`
  }
  if (!isZero(bytes, at, end - scalar.bytes)) return undefined
  if (scalar.kind === 'right') return `0x${bytes.toString('hex', end - scalar.bytes, end)}`
  if (scalar.kind === 'number') return bytes.readUIntBE(end - scalar.bytes, scalar.bytes)
  return BigInt(`0x${bytes.toString('hex', end - scalar.bytes, end)}`)
}

/**
 * Decodes the ABI words of a message; `null` if they are not exactly one message of this kind.
 * Never throws.
 */
export function decode<K extends Kind>(kind: K, data: Uint8Array): Message<K> | null {
  if (data.byteLength !== messageBytes(kind)) return null
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const message: Record<string, unknown> = {}
  let at = 0
  for (const { name, scalar, length } of fieldsOf[kind]) {
    const elements: unknown[] = []
    for (let i = 0; i < (length ?? 1); i++, at += WORD_BYTES) {
      const value = readScalar(bytes, at, scalar)
      if (value === undefined) return null
      elements.push(value)
    }
    message[name] = length === null ? elements[0] : elements
  }
  return message as Message<K>
}
