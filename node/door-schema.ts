/**
 * Reads the parameters of a call at the door: strict, every bad field named at once, with what it
 * should have been. Amounts are text, decimal or 0x, because a JSON number cannot hold them.
 */
import type { Address, Hex } from '#protocol/schema'
import { RpcError, rpcCodes } from './door-rpc.ts'

/** What is wrong with one value, completing "reserveWei …". */
class Problem extends Error {}

type Field<T> = { readonly read: (value: unknown) => T; readonly fallback?: { readonly value: T } }
type Shape = Readonly<Record<string, Field<unknown>>>
/** What a shape reads. */
export type Read<S extends Shape> = {
  readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never
}

/** The field may be left out, and is then this. */
export const optional = <T, F>(field: Field<T>, value: F): Field<T | F> => ({
  read: field.read,
  fallback: { value },
})

/**
 * An unsigned integer of this many bits, as decimal or 0x text, or as a number that JSON keeps
 * exact.
 */
export const unsigned = (bits: number): Field<bigint> => ({
  read: (value) => {
    const isText = typeof value === 'string' && /^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/.test(value)
    if (!isText && !(Number.isSafeInteger(value) && (value as number) >= 0))
      throw new Problem('must be a whole number of at least 0')
    return below(BigInt(value as string | number), bits)
  },
})

/**
 * An amount of wei of this many bits. Numbers are refused: above 2^53 they would be another amount.
 */
export const wei = (bits: number): Field<bigint> => ({
  read: (value) => {
    if (typeof value !== 'string')
      throw new Problem('must be wei as text, such as "1000" or "0x3e8"')
    return unsigned(bits).read(value)
  },
})

function below(value: bigint, bits: number): bigint {
  if (value >> BigInt(bits) !== 0n) throw new Problem(`must be below 2^${bits}`)
  return value
}

export const integer = (least: number, most: number): Field<number> => ({
  read: (value) => {
    const fits = Number.isSafeInteger(value) && (value as number) >= least
    if (!fits || (value as number) > most)
      throw new Problem(`must be a whole number from ${least} to ${most}`)
    return value as number
  },
})

const fixed = (bytes: number): Field<Hex> => ({
  read: (value) => {
    const isHex =
      typeof value === 'string' && /^0x[0-9a-fA-F]*$/.test(value.slice(0, 2 * bytes + 3))
    if (!isHex || value.length !== 2 + 2 * bytes)
      throw new Problem(`must be 0x and ${2 * bytes} hexadecimal digits`)
    return value.toLowerCase() as Hex
  },
})
export const word: Field<Hex> = fixed(32)
export const address: Field<Address> = fixed(20)

/** One to `most` bytes. */
export const bytes = (most: number): Field<Uint8Array> => ({
  read: (value) => {
    if (typeof value !== 'string' || !value.startsWith('0x') || value.length % 2 !== 0)
      throw new Problem('must be 0x and two hexadecimal digits a byte')
    const length = value.length / 2 - 1
    if (length < 1 || length > most) throw new Problem(`must be 1 to ${most} bytes, not ${length}`)
    const read = Buffer.from(value.slice(2), 'hex')
    // The decoder stops at the first digit that is none.
    if (read.length !== length)
      throw new Problem(`has no hexadecimal digit at ${2 + 2 * read.length}`)
    return new Uint8Array(read)
  },
})

/** Text of printable ASCII. */
export const text = (most: number): Field<string> => ({
  read: (value) => {
    const fits = typeof value === 'string' && value.length >= 1 && value.length <= most
    if (!fits || !/^[ -~]*$/.test(value))
      throw new Problem(`must be 1 to ${most} printable ASCII characters`)
    return value
  },
})

export const choice = <T extends string>(...choices: readonly T[]): Field<T> => ({
  read: (value) => {
    const found = choices.find((each) => each === value)
    if (found === undefined) throw new Problem(`must be one of ${choices.join(', ')}`)
    return found
  },
})

/**
 * A list of this many objects, each of this shape; what is wrong in one is named by its place.
 */
export const list = <S extends Shape>(least: number, most: number, shape: S): Field<Read<S>[]> => ({
  read: (value) => {
    if (!Array.isArray(value) || value.length < least || value.length > most)
      throw new Problem(`must be a list of ${least} to ${most} objects`)
    return value.map((each: unknown, index) => {
      if (typeof each !== 'object' || each === null || Array.isArray(each))
        throw new Problem(`must hold objects only, which [${index}] is not`)
      const { read, problems } = readShape(each as Readonly<Record<string, unknown>>, shape)
      const [first] = problems
      if (first) throw new Problem(`[${index}].${first.field} ${first.problem}`)
      return read
    })
  },
})

/** How much of a stranger's name for a field is repeated to it. Characters. */
const MAX_NAME = 40
/** Fields named at most. */
const MAX_NAMED = 20

/**
 * Reads the one object of a call. @throws RpcError `INVALID_PARAMS` that names every field that is
 * wrong.
 */
export function readParams<S extends Shape>(params: Readonly<Record<string, unknown>>, shape: S) {
  const { read, problems } = readShape(params, shape)
  if (problems.length > 0) throw badParams(problems)
  return read
}

function readShape<S extends Shape>(params: Readonly<Record<string, unknown>>, shape: S) {
  const problems: { field: string; problem: string }[] = []
  const read: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(shape)) {
    try {
      if (Object.hasOwn(params, name)) read[name] = field.read(params[name])
      else if (field.fallback) read[name] = field.fallback.value
      else throw new Problem('is missing')
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problems.push({ field: name, problem: error.message })
    }
  }
  for (const name of Object.keys(params)) {
    if (problems.length >= MAX_NAMED) break
    if (Object.hasOwn(shape, name)) continue
    const known = Object.keys(shape).join(', ') || 'none'
    problems.push({ field: name.slice(0, MAX_NAME), problem: `is unknown; fields are: ${known}` })
  }
  return { read: read as Read<S>, problems }
}

export function badParams(problems: readonly { field: string; problem: string }[]): RpcError {
  const [first] = problems
  const message = `invalid params: ${first?.field} ${first?.problem}`
  return new RpcError(rpcCodes.invalidParams, message, { code: 'INVALID_PARAMS', fields: problems })
}
