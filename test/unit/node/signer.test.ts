import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSigner, ownKey, type Signer, sealOpening } from '#node/signer'
import { openStore, type Store, type WriteOptions } from '#node/store'
import { encodeSigned, openSigned } from '#protocol/envelope'
import type { Hex, Notice } from '#protocol/schema'
import { auctionKeyOf, commitmentOf, openBid, parseSecret } from '#protocol/sealing'
import { accountOf } from '#protocol/signature'

const domain = { chainId: 31_337, settlement: `0x${'5e'.repeat(20)}` } as const
const hash = (name: string): Hex => `0x${createHash('sha256').update(name).digest('hex')}`
const keyOf = (name: string): Uint8Array => createHash('sha256').update(`key ${name}`).digest()
const requestId = hash('request')
const secret = hash('auction secret')
const auctionKey = auctionKeyOf(secret)

let folder: string
let store: Store
let signer: Signer
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-signer-'))
  store = await openStore(folder)
  signer = createSigner(keyOf('ann'), domain, store)
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

/** As after a restart of the node. */
async function reopen(): Promise<void> {
  await store.close()
  store = await openStore(folder)
  signer = createSigner(keyOf('ann'), domain, store)
}
const notice = (proof: string): Notice => ({
  requestId,
  prover: signer.account,
  proofHash: hash(proof),
  readyAt: 1_800_000_000_000,
})
const once = (proof: string) => signer.signOnce('Notice', requestId, 'Notice', notice(proof))

describe('a signature', () => {
  test('names the account of its key and is good in its own market only', () => {
    const { kind, id, message, signature } = signer.sign('Notice', notice('proof'))
    const bytes = encodeSigned(kind, message, signature)
    expect(signer.account).toBe(accountOf(keyOf('ann')))
    expect(openSigned('Notice', bytes, signer.separator)).toMatchObject({
      id,
      signer: signer.account,
      message,
    })
    for (const other of [
      { ...domain, chainId: 1 },
      { ...domain, settlement: `0x${'5f'.repeat(20)}` as const },
    ]) {
      const { separator } = createSigner(keyOf('ann'), other, store)
      expect(openSigned('Notice', bytes, separator)).not.toMatchObject({ signer: signer.account })
    }
  })

  test('is not made with what is no key', () => {
    expect(() => createSigner(new Uint8Array(32), domain, store)).toThrow()
  })
})

describe('a message of one identity', () => {
  test('is signed once: other content gets the earlier bytes', async () => {
    const first = await once('proof')
    expect(await once('another proof')).toEqual(first)
    expect(first.message.proofHash).toBe(hash('proof'))
  })

  test('is signed once across a restart', async () => {
    const first = await once('proof')
    await reopen()
    expect(await once('another proof')).toEqual(first)
  })

  test('is signed once for two who ask at the same time', async () => {
    const both = await Promise.all([once('proof'), once('another proof')])
    expect(both[1]).toEqual(both[0])
    expect(await store.get(ownKey(requestId, 'Notice'))).toEqual(
      encodeSigned('Notice', both[0].message, both[0].signature),
    )
  })

  test('is on the disk, by fsync, before anybody sees it', async () => {
    const gate = Promise.withResolvers<void>()
    const puts: (WriteOptions | undefined)[] = []
    const slow: Store = {
      ...store,
      put: async (key, value, options) => {
        puts.push(options)
        await gate.promise
        await store.put(key, value, options)
      },
    }
    const seen: string[] = []
    const signing = createSigner(keyOf('ann'), domain, slow)
      .signOnce('Notice', requestId, 'Notice', notice('proof'))
      .then(() => seen.push('signed'))
    // Another key's round to the disk and back takes longer than the signature would.
    await store.put('other', new Uint8Array(1), { sync: true })
    await store.get('other')
    seen.push('stored')
    gate.resolve()
    await signing
    expect(seen).toEqual(['stored', 'signed'])
    expect(puts).toEqual([{ sync: true }])
  })

  test('is signed again after its write failed', async () => {
    let isFull = true
    const flaky: Store = {
      ...store,
      put: async (...of) => (isFull ? Promise.reject(new Error('disk full')) : store.put(...of)),
    }
    const own = createSigner(keyOf('ann'), domain, flaky)
    const ask = (proof: string) => own.signOnce('Notice', requestId, 'Notice', notice(proof))
    await expect(ask('proof')).rejects.toThrow('disk full')
    isFull = false
    expect((await ask('another proof')).message.proofHash).toBe(hash('another proof'))
  })

  test('is apart from those of other requests and other names', async () => {
    const first = await once('proof')
    const named = await signer.signOnce('Notice', requestId, 'Notice/other', notice('other'))
    const ofOther = { ...notice('third'), requestId: hash('other request') }
    const third = await signer.signOnce('Notice', ofOther.requestId, 'Notice', ofOther)
    expect(new Set([first.id, named.id, third.id]).size).toBe(3)
  })

  test('is refused when what is stored is of another account or market, with what to do', async () => {
    await once('proof')
    const bob = createSigner(keyOf('bob'), domain, store)
    const elsewhere = createSigner(keyOf('ann'), { ...domain, chainId: 1 }, store)
    for (const other of [bob, elsewhere])
      await expect(other.signOnce('Notice', requestId, 'Notice', notice('proof'))).rejects.toThrow(
        /another account's or market's message; use a fresh data folder/,
      )
    await store.put(ownKey(requestId, 'Notice'), new Uint8Array(7))
    await expect(once('proof')).rejects.toThrow('use a fresh data folder')
  })
})

describe('a bid', () => {
  test('seals an opening that opens to its commitment, for the auction only', async () => {
    const { kind, signer: account, message } = await signer.bid(requestId, auctionKey, 5n, 9_000)
    const opening = openBid(parseSecret(secret), message)
    expect([kind, account]).toEqual(['Bid', signer.account])
    expect(opening).toMatchObject({ priceWei: 5n, readyAt: 9_000 })
    expect(message.commitment).toBe(commitmentOf(requestId, signer.account, opening!))
    expect(openBid(parseSecret(hash('another secret')), message)).toBeNull()
    // A rival cannot say it as its own, nor for another request.
    const rival = accountOf(keyOf('bob'))
    expect(openBid(parseSecret(secret), { ...message, prover: rival })).toBeNull()
    expect(openBid(parseSecret(secret), { ...message, requestId: hash('other') })).toBeNull()
  })

  test('is signed once, at its first price, also across a restart', async () => {
    const [first, second] = await Promise.all([
      signer.bid(requestId, auctionKey, 5n, 9_000),
      signer.bid(requestId, auctionKey, 6n, 9_000),
    ])
    await reopen()
    const third = await signer.bid(requestId, auctionKey, 4n, 8_000)
    expect([second, third]).toEqual([first, first])
    expect(openBid(parseSecret(secret), third.message)).toMatchObject({ priceWei: 5n })
  })

  test('of the same price and promise looks different in another auction', async () => {
    const first = await signer.bid(requestId, auctionKey, 5n, 9_000)
    const second = await signer.bid(hash('other request'), auctionKey, 5n, 9_000)
    const salts = [first, second].map(({ message }) => openBid(parseSecret(secret), message)?.salt)
    expect(new Set(salts).size).toBe(2)
  })

  test('is refused for an auction key that nothing can be sealed to', async () => {
    await expect(signer.bid(requestId, `0x${'00'.repeat(32)}`, 5n, 9_000)).rejects.toThrow()
    expect(await store.get(ownKey(requestId, 'Bid'))).toBeNull()
  })

  test('any opening that is sealed opens again', async () => {
    const hex = (bytes: number) =>
      fc
        .uint8Array({ minLength: bytes, maxLength: bytes })
        .map((value): Hex => `0x${Buffer.from(value).toString('hex')}`)
    const openings = fc.record({
      priceWei: fc.bigInt(0n, 2n ** 128n - 1n),
      readyAt: fc.nat(2 ** 31),
      salt: hex(16),
    })
    await fc.assert(
      fc.asyncProperty(openings, hex(32), hex(20), async (opening, id, prover) => {
        const sealedOpening = await sealOpening(auctionKey, id, prover, opening)
        const commitment = commitmentOf(id, prover, opening)
        const bid = { requestId: id, prover, commitment, sealedOpening }
        expect(openBid(parseSecret(secret), bid)).toEqual(opening)
      }),
      { numRuns: 50 },
    )
  })
})

describe('a peer claim', () => {
  test('says for an hour that this account speaks through this peer', () => {
    const { message, signature } = signer.peerClaim(hash('peer'), 1_000)
    expect(message).toEqual({
      peer: hash('peer'),
      account: signer.account,
      expiresAt: 1_000 + 3_600_000,
    })
    const bytes = encodeSigned('PeerClaim', message, signature)
    expect(openSigned('PeerClaim', bytes, signer.separator)).toMatchObject({
      signer: signer.account,
    })
  })
})
