import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decode, encode, fields, messageBytes, SIGNATURE_BYTES, signedBytes } from '#protocol/codec'
import { type Kind, type Message, schema } from '#protocol/schema'
import { Random } from '#simulations/random'
import { anyMessage, kinds } from '#test/support/arbitraries'

describe('encode and decode', () => {
  test.each(kinds)('are each other’s inverse for %s (rule M2)', (kind) => {
    fc.assert(
      fc.property(anyMessage(kind), (message) => {
        const bytes = encode(kind, message)
        expect(bytes.length).toBe(messageBytes(kind))
        const back = decode(kind, bytes)
        expect(back).toEqual(message)
        expect(encode(kind, back!)).toEqual(bytes)
      }),
      { numRuns: 200 },
    )
  })

  test.each(kinds)('gives back the bytes of whatever it decodes, for %s', (kind) => {
    fc.assert(
      fc.property(wordsWithSomePadding(kind), (bytes) => {
        const message = decode(kind, bytes)
        if (message) expect(Buffer.from(encode(kind, message))).toEqual(Buffer.from(bytes))
      }),
      { numRuns: 200 },
    )
  })

  test('give every field one word, an array one word an element', () => {
    expect(messageBytes('ProofRequest')).toBe(24 * 32)
    expect(messageBytes('Bid')).toBe(6 * 32)
    expect(messageBytes('Award')).toBe(11 * 32)
    expect(messageBytes('Acceptance')).toBe(3 * 32)
    expect(signedBytes('Acceptance')).toBe(3 * 32 + SIGNATURE_BYTES)
    expect(fields('Award').at(-1)).toMatchObject({ name: 'backups', length: 3 })
  })

  test('refuse any padding that is not zero, one bit at a time', () => {
    const message = decode('Start', new Uint8Array(messageBytes('Start')))!
    const clean = encode('Start', { ...message, startedAt: 1, prover: `0x${'11'.repeat(20)}` })
    // Words: requestId, awardId, acceptanceId, prover (12 padding bytes), startedAt (26).
    for (const [word, padding] of [
      [3, 12],
      [4, 26],
    ] as const)
      for (let bit = 0; bit < padding * 8; bit++) {
        const dirty = Buffer.from(clean)
        dirty[word * 32 + (bit >> 3)]! ^= 1 << (bit & 7)
        expect(decode('Start', dirty)).toBeNull()
      }
  })

  test('decode nothing of another length', () => {
    for (const kind of kinds)
      for (const bytes of [0, 1, messageBytes(kind) - 1, messageBytes(kind) + 1])
        expect(decode(kind, new Uint8Array(bytes))).toBeNull()
  })

  test('read from the middle of a larger buffer', () => {
    const bytes = Buffer.concat([
      Buffer.alloc(7, 0xff),
      encode('Notice', sampleNotice),
      Buffer.alloc(9, 1),
    ])
    expect(decode('Notice', bytes.subarray(7, -9))).toEqual(sampleNotice)
  })

  test('never throw, whatever 100,000 random byte strings hold', () => {
    const random = new Random(1)
    for (let run = 0; run < 100_000; run++) {
      const kind = random.pick(kinds)
      const bytes = new Uint8Array(random.chance(0.5) ? messageBytes(kind) : random.index(900))
      const count = random.index(Math.min(bytes.length, 64) + 1)
      for (let i = 0; i < count; i++) bytes[random.index(bytes.length)] = random.index(256)
      const message = decode(kind, bytes)
      if (message && !Buffer.from(encode(kind, message)).equals(bytes)) expect.fail(`run ${run}`)
    }
  })
})

const sampleNotice: Message<'Notice'> = {
  requestId: `0x${'aa'.repeat(32)}`,
  prover: `0x${'bb'.repeat(20)}`,
  proofHash: `0x${'cc'.repeat(32)}`,
  readyAt: 2 ** 48 - 1,
}

/** Words of the right number, whose padding is mostly zero. */
function wordsWithSomePadding(kind: Kind): fc.Arbitrary<Uint8Array> {
  const width = (type: string): number => {
    const bits = /^uint(\d+)/.exec(type)?.[1]
    return type.startsWith('address') ? 20 : bits ? Number(bits) / 8 : 32
  }
  const words = schema[kind].flatMap(({ type }) => {
    const count = Number(/\[(\d)\]$/.exec(type)?.[1] ?? 1)
    return Array<number>(count).fill(width(type))
  })
  return fc
    .tuple(
      fc.uint8Array({ minLength: words.length * 32, maxLength: words.length * 32 }),
      fc.option(fc.nat({ max: words.length * 32 - 1 }), { freq: 2 }),
    )
    .map(([bytes, dirty]) => {
      const out = new Uint8Array(bytes.length)
      for (const [index, bytesUsed] of words.entries())
        out.set(
          bytes.subarray(index * 32 + 32 - bytesUsed, index * 32 + 32),
          index * 32 + 32 - bytesUsed,
        )
      if (dirty !== null) out[dirty] = bytes[dirty]!
      return out
    })
}
