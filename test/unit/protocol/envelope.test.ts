import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encode, signedBytes } from '#protocol/codec'
import type { Gossiped, Signed } from '#protocol/effects'
import {
  encodeSigned,
  envelopeBytes,
  gossipKinds,
  isRefusal,
  openEnvelope,
  openSigned,
  sealEnvelope,
} from '#protocol/envelope'
import type { Kind, Message } from '#protocol/schema'
import { accountOf, digestOfWords, domainSeparator, signDigest } from '#protocol/signature'
import { Random } from '#simulations/random'
import { kinds } from '#test/support/arbitraries'
import { sample, vectorDomain, vectorKey } from '#test/vectors/write'

const separator = domainSeparator(vectorDomain)
const account = accountOf(vectorKey)
const opening = { priceWei: 5n, readyAt: 1_800_000_000_000, salt: `0x${'ab'.repeat(16)}` } as const

function signed<K extends Kind>(
  kind: K,
  message: Message<K> = sample(kind),
): Signed<K, Message<K>> {
  const hash = digestOfWords(kind, encode(kind, message), separator)
  const signature = signDigest(hash, vectorKey)
  return { kind, id: `0x${Buffer.from(hash).toString('hex')}`, signer: account, message, signature }
}

function gossiped(kind: Gossiped['kind']): Gossiped {
  if (kind === 'Award') return { ...signed('Award'), bid: signed('Bid'), opening }
  if (kind === 'Start') return { ...signed('Start'), acceptance: signed('Acceptance') }
  return signed(kind) as Gossiped
}

const refusalOf = (value: object): string =>
  isRefusal(value) ? `${value.action} ${value.code}` : 'opened'

describe('an envelope', () => {
  test.each(gossipKinds)('of %s opens to what was sealed, and seals to the same bytes', (kind) => {
    const bytes = sealEnvelope(gossiped(kind))
    expect(bytes.length).toBe(envelopeBytes[kind])
    const opened = openEnvelope(kind, bytes, separator)
    expect(opened).toEqual(gossiped(kind))
    expect(sealEnvelope(opened as Gossiped)).toEqual(bytes)
  })

  test('has the sizes of protocol/README.md', () => {
    expect(envelopeBytes).toEqual({
      ProofRequest: 833,
      Bid: 257,
      Award: 722,
      Start: 386,
      Notice: 193,
      Receipt: 289,
    })
  })

  test('keeps a signature of its own: the buffer it came in may be used again', () => {
    const bytes = Buffer.from(sealEnvelope(gossiped('Bid')))
    const opened = openEnvelope('Bid', bytes, separator) as Gossiped
    bytes.fill(0)
    expect(opened.signature).toEqual(signed('Bid').signature)
  })

  test('[REJECT] MALFORMED: an envelope has exactly its length', () => {
    for (const kind of gossipKinds) {
      const bytes = sealEnvelope(gossiped(kind))
      for (const other of [
        bytes.subarray(1),
        Buffer.concat([bytes, Buffer.alloc(1)]),
        Buffer.alloc(0),
      ])
        expect(refusalOf(openEnvelope(kind, other, separator))).toBe('reject MALFORMED')
    }
  })

  test('[REJECT] MALFORMED: an opening ends in zeros', () => {
    const bytes = Buffer.from(sealEnvelope(gossiped('Award')))
    bytes[bytes.length - 1] = 1
    expect(refusalOf(openEnvelope('Award', bytes, separator))).toBe('reject MALFORMED')
    // Lanes, which no signature on the envelope covers.
    bytes[bytes.length - 1] = 0
    bytes[bytes.length - 10] = 1
    expect(refusalOf(openEnvelope('Award', bytes, separator))).toBe('reject MALFORMED')
  })

  test('of an award says nothing of its bid’s lanes: whoever opens that learns them', () => {
    const award = gossiped('Award')
    if (award.kind !== 'Award') return expect.fail('no award')
    const { opening } = award
    expect(sealEnvelope({ ...award, opening: { ...opening, lanes: 3 } })).toEqual(
      sealEnvelope(award),
    )
  })

  test('[REJECT] MALFORMED: a message is exactly its words, with nothing in their padding, and a signature', () => {
    for (const kind of kinds) {
      const { message, signature } = signed(kind)
      const bytes = encodeSigned(kind, message, signature)
      expect(refusalOf(openSigned(kind, bytes, separator))).toBe('opened')
      expect(refusalOf(openSigned(kind, bytes.subarray(0, -1), separator))).toBe('reject MALFORMED')
    }
    const { message, signature } = signed('Notice')
    const dirty = Buffer.from(encodeSigned('Notice', message, signature))
    dirty[32] = 1
    expect(refusalOf(openSigned('Notice', dirty, separator))).toBe('reject MALFORMED')
  })

  test('[REJECT] SIGNATURE_INVALID: somebody signed it, with low s and v of 27 or 28', () => {
    for (const kind of gossipKinds) {
      const bytes = Buffer.from(sealEnvelope(gossiped(kind)))
      // Start: the acceptance's signature; elsewhere the message's own.
      const vAt = signedBytes(kind === 'Start' ? 'Acceptance' : kind) - 1
      bytes[vAt] = 0
      expect(refusalOf(openEnvelope(kind, bytes, separator))).toBe('reject SIGNATURE_INVALID')
      bytes[vAt] = 27
      bytes.fill(0xff, vAt - 32, vAt)
      expect(refusalOf(openEnvelope(kind, bytes, separator))).toBe('reject SIGNATURE_INVALID')
    }
  })

  test('of another market names another signer', () => {
    const other = domainSeparator({ ...vectorDomain, chainId: 1 })
    const opened = openEnvelope('Bid', sealEnvelope(gossiped('Bid')), other)
    if (!isRefusal(opened)) expect(opened.signer).not.toBe(account)
  })

  test('with any bit changed is refused or names another signer or opening', () => {
    for (const kind of gossipKinds) {
      const honest = gossiped(kind)
      const bytes = sealEnvelope(honest)
      fc.assert(
        fc.property(fc.nat({ max: bytes.length * 8 - 1 }), (bit) => {
          const changed = Buffer.from(bytes)
          changed[bit >> 3]! ^= 1 << (bit & 7)
          const opened = openEnvelope(kind, changed, separator)
          if (!isRefusal(opened)) expect(signersOf(opened)).not.toEqual(signersOf(honest))
        }),
        { numRuns: 150 },
      )
    }
  })

  test('never throws on 100,000 random byte strings', () => {
    const random = new Random(6)
    const valid = Object.fromEntries(
      gossipKinds.map((kind) => [kind, sealEnvelope(gossiped(kind))]),
    )
    for (let run = 0; run < 100_000; run++) {
      const kind = random.pick(gossipKinds)
      const bytes = random.chance(0.1)
        ? Uint8Array.from(valid[kind]!)
        : new Uint8Array(random.chance(0.9) ? envelopeBytes[kind] : random.index(1_000))
      const changes = Math.min(bytes.length, 1 + random.index(40))
      for (let i = 0; i < changes; i++) bytes[random.index(bytes.length)] = random.index(256)
      openEnvelope(kind, bytes, separator)
    }
  })
})

/** All that an envelope says beyond its words. */
function signersOf(from: Gossiped): unknown {
  if (from.kind === 'Award') return [from.signer, from.bid.signer, from.opening]
  return from.kind === 'Start' ? [from.signer, from.acceptance.signer] : [from.signer]
}
