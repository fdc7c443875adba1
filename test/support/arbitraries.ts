/** Random values of the protocol's types, for property tests. */
import fc from 'fast-check'
import { type Hex, type Kind, type Message, schema } from '#protocol/schema'

export const kinds = Object.keys(schema) as Kind[]

/** Hex of exactly so many bytes. */
export const hexOf = (bytes: number): fc.Arbitrary<Hex> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((value) => `0x${Buffer.from(value).toString('hex')}` as Hex)

function anyScalar(type: string): fc.Arbitrary<unknown> {
  if (type === 'address') return hexOf(20)
  const bits = /^uint(\d+)$/.exec(type)?.[1]
  if (!bits) return hexOf(Number(type.slice('bytes'.length)))
  const max = 2n ** BigInt(bits) - 1n
  return Number(bits) <= 48 ? fc.nat({ max: Number(max) }) : fc.bigInt({ min: 0n, max })
}

/** Any message of a kind, each field anywhere in its range. */
export function anyMessage<K extends Kind>(kind: K): fc.Arbitrary<Message<K>> {
  const members = schema[kind].map(({ name, type }) => {
    const array = /^(.+)\[(\d+)\]$/.exec(type)
    const count = Number(array?.[2])
    const value = array
      ? fc.array(anyScalar(array[1]!), { minLength: count, maxLength: count })
      : anyScalar(type)
    return [name, value] as const
  })
  return fc.record(Object.fromEntries(members)) as unknown as fc.Arbitrary<Message<K>>
}
