import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ownKey } from '#node/signer'
import type { Input, SignedAcceptance, SignedReceipt, Verdict } from '#protocol/effects'
import type { Hex } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import { settled } from '#test/support/hand-clock'
import { alice, award, DUE_AT, receipt, start } from '#test/support/messages'
import { awarded, bids, of } from '#test/support/prover-stage'
import {
  inputs,
  NOW,
  openProvingStage,
  type ProvingStage,
  path,
  proof,
  refused,
  unreachable,
  untilAborted,
  type World,
} from '#test/support/proving-stage'

const [inputsKey, pathKey, proofKey] = ['inputs', 'path', 'proof'].map((name) =>
  ownKey(of.id, name),
) as [string, string, string]

let folder: string
let { disk, clock, signer, steps, fed, did, count, done, proverIn } = {} as ProvingStage
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-proving-'))
  const stage = await openProvingStage(folder)
  ;({ disk, clock, signer, steps, fed, did, count, done, proverIn } = stage)
})
afterEach(async () => {
  await disk.close()
  await rm(folder, { recursive: true })
})

describe('fetching', () => {
  test('stores inputs and path with sync before it says fetched', async () => {
    const peers: unknown[] = []
    const proving = proverIn({
      exchange: {
        fetch: async (peer, requestId, inputBytes) => {
          peers.push(peer, requestId, inputBytes)
          return { path, inputs }
        },
      },
    })
    proving.fetch(of.id)
    await done('fed fetched')
    expect(peers).toEqual([of.message.builderPeer, of.id, 1_000])
    expect(steps).toEqual([`batch ${inputsKey},${pathKey} sync`, 'fed fetched'])
    expect(fed).toEqual([{ kind: 'fetched', requestId: of.id, ok: true }])
    expect(await disk.get(inputsKey)).toEqual(inputs)
    expect(await disk.getJson(pathKey)).toEqual(path)
  })

  test('asks an unreachable or busy builder again, ever more slowly, until the job is due', async () => {
    const times: number[] = []
    const fetch = () => {
      times.push(clock.now() - NOW)
      return times.length % 2 ? unreachable() : refused('BUSY')
    }
    proverIn({ exchange: { fetch } }).fetch(of.id)
    await clock.moveTo(DUE_AT + 5_000)
    expect(times.slice(0, 7)).toEqual([0, 100, 300, 700, 1_500, 2_500, 3_500])
    expect(NOW + times.at(-1)!).toBeLessThan(DUE_AT)
    expect(NOW + times.at(-1)!).toBeGreaterThanOrEqual(DUE_AT - 1_000)
    expect(fed).toEqual([{ kind: 'fetched', requestId: of.id, ok: false }])
    expect(clock.waiting).toBe(0)
  })

  test('finds a builder that came back', async () => {
    let tries = 0
    const fetch = async () => (++tries < 4 ? unreachable() : { path, inputs })
    proverIn({ exchange: { fetch } }).fetch(of.id)
    await clock.moveTo(NOW + 700)
    await done('fed fetched')
    expect(fed).toMatchObject([{ ok: true }])
  })

  test('stops at a final refusal', async () => {
    let tries = 0
    const fetch = () => {
      tries += 1
      return refused('JOB_ENDED')
    }
    proverIn({ exchange: { fetch } }).fetch(of.id)
    await done('fed fetched')
    expect([tries, clock.waiting]).toEqual([1, 0])
    expect(fed).toMatchObject([{ ok: false }])
  })

  const wrong: [string, World][] = [
    ['whose check fails', { role: { check: async () => 'other inputs' } }],
    [
      'whose path does not lead to bidsRoot',
      { exchange: { fetch: async () => ({ path: [of.id], inputs }) } },
    ],
    ['without a path', { exchange: { fetch: async () => ({ path: [], inputs }) } }],
    ['whose nonce the chain has resolved', { chain: { isResolved: async () => true } }],
    ['whose nonce the chain cannot tell of', { chain: { isResolved: () => unreachable() } }],
  ]
  test.each(wrong)('refuses inputs %s', async (_, world) => {
    proverIn(world).fetch(of.id)
    await done('fed fetched')
    expect(fed).toMatchObject([{ kind: 'fetched', ok: false }])
    expect(await disk.get(inputsKey)).toBeNull()
  })

  test('asks the chain about its own account and the request’s nonce, and checks the inputs', async () => {
    const calls: unknown[] = []
    proverIn({
      chain: { isResolved: async (...args) => void calls.push(args) as never },
      role: { check: (...args) => void calls.push(args) as never },
    }).fetch(of.id)
    await done('fed fetched')
    expect(calls).toEqual([
      [of.message.builder, signer.account, of.message.nonce],
      [inputs, of.message],
    ])
  })

  test('ends when the job is aborted, while asking and while pausing, and says nothing', async () => {
    const [proving, signals] = [asking(untilAborted), [] as AbortSignal[]]
    function asking(answer: (signal: AbortSignal) => Promise<never>) {
      return proverIn({
        exchange: {
          fetch: (_, __, ___, signal) => {
            signals.push(signal)
            did('asked')
            return answer(signal)
          },
        },
      })
    }
    proving.fetch(of.id)
    await done('asked')
    proving.abort(of.id)
    await settled()
    expect([signals[0]!.aborted, clock.waiting]).toEqual([true, 0])

    const pausing = asking(unreachable)
    pausing.fetch(of.id)
    await settled()
    expect(clock.waiting).toBe(1)
    pausing.stop()
    await settled()
    expect([signals.length, clock.waiting, fed]).toEqual([2, 0, []])
  })
})

describe('accepting', () => {
  const message = { requestId: of.id, awardId: awarded.id, prover: alice }
  const key = ownKey(of.id, 'Acceptance')

  test('signs and stores before it sends, and sends the same bytes until it is started', async () => {
    const sent: SignedAcceptance[] = []
    const accept = async (_: Hex, acceptance: SignedAcceptance) => {
      sent.push(acceptance)
      did('sent')
      return sent.length < 3 ? unreachable() : start(awarded)
    }
    proverIn({ exchange: { accept } }).accept(message)
    await done('sent')
    await clock.moveTo(NOW + 10_000)
    expect(steps).toEqual([
      `put ${key} sync`,
      ...['fed committed', 'stored', 'sent', 'sent', 'sent', 'fed Start'],
    ])
    expect(fed[0]).toEqual({ kind: 'committed', from: sent[0] })
    expect(sent).toEqual([sent[0], sent[0], sent[0]])
    expect(sent[0]!.message).toEqual(message)

    // As after a restart, with other words by mistake: what was signed is said again.
    proverIn({ exchange: { accept } }).accept({ ...message, awardId: of.id })
    await done('sent', 4)
    expect(sent[3]).toEqual(sent[0])
    expect(count(`put ${key} sync`)).toBe(1)
  })

  test('asks again when the market does not take the start, and ends at a final refusal', async () => {
    let tries = 0
    const accept = async () => (++tries < 3 ? start(awarded) : refused('NOT_YOUR_TURN'))
    const verdict = (input: Input): Verdict =>
      input.kind === 'message' ? { action: 'ignore', code: 'START_TIME' } : 'accept'
    proverIn({ exchange: { accept }, verdict }).accept(message)
    await done('fed Start')
    await clock.moveTo(DUE_AT)
    expect([tries, count('fed Start'), clock.waiting]).toEqual([3, 2, 0])
  })

  test('a start that gossip brought before is as good', async () => {
    const duplicate: Verdict = { action: 'ignore', code: 'DUPLICATE' }
    proverIn({ verdict: () => duplicate }).accept(message)
    await done('fed Start')
    await clock.moveTo(DUE_AT)
    expect(count('fed Start')).toBe(1)
  })
})

describe('proving', () => {
  beforeEach(() => disk.put(inputsKey, inputs))

  test('stores the proof with sync before it says proved', async () => {
    const calls: unknown[] = []
    const verify = async (...args: unknown[]) => calls.push(args) > 0
    const prove = async (job: unknown) => {
      calls.push(job)
      return proof
    }
    proverIn({ role: { prove }, verifier: { verify } }).prove(of.id)
    await done('fed proved')
    const { programId, publicInputsHash } = of.message
    expect(calls).toEqual([
      { request: of.message, inputs, payee: signer.account },
      [proof, programId, publicInputsHash, signer.account],
    ])
    expect(steps).toEqual([`put ${proofKey} sync`, 'fed proved'])
    expect(fed).toEqual([{ kind: 'proved', requestId: of.id, proofHash: keccak(proof) }])
    expect(await disk.get(proofKey)).toEqual(proof)
  })

  test('uses the proof stored earlier', async () => {
    await disk.put(proofKey, proof)
    let runs = 0
    proverIn({ role: { prove: async () => Uint8Array.of(++runs) } }).prove(of.id)
    await done('fed proved')
    expect(fed).toMatchObject([{ proofHash: keccak(proof) }])
    expect(runs).toBe(0)
  })

  const none: [string, World][] = [
    ['a proof that does not verify', { verifier: { verify: async () => false } }],
    ['no proof', { role: { prove: async () => null } }],
  ]
  test.each(none)('%s is none', async (_, world) => {
    proverIn(world).prove(of.id)
    await done('fed proved')
    expect(fed).toEqual([{ kind: 'proved', requestId: of.id, proofHash: null }])
    expect(await disk.get(proofKey)).toBeNull()
  })

  test('a proof that a busy verifier cannot check is not lost', async () => {
    proverIn({ verifier: { verify: async () => Promise.reject(new Error('busy')) } }).prove(of.id)
    await done('fed proved')
    expect(fed).toMatchObject([{ proofHash: keccak(proof) }])
  })

  test.each([
    ['throws', untilAborted],
    ['gives nothing', (signal: AbortSignal) => untilAborted(signal).catch(() => null)],
  ])('ends when the job is aborted, and says nothing, if the backend %s', async (_, work) => {
    const signals: AbortSignal[] = []
    const prove = (__: unknown, signal: AbortSignal) => {
      signals.push(signal)
      did('begun')
      return work(signal)
    }
    const proving = proverIn({ role: { prove } })
    proving.prove(of.id)
    await done('begun')
    proving.abort(of.id)
    await settled()
    expect(signals[0]!.aborted).toBe(true)
    expect(fed).toEqual([])
    // The job's next step is not aborted by the last one's end.
    proving.prove(of.id)
    await done('begun', 2)
    expect(signals[1]!.aborted).toBe(false)
    proving.stop()
  })
})

describe('delivering', () => {
  test('hands over the stored proof until the market takes the receipt', async () => {
    await disk.put(proofKey, proof)
    const sent: unknown[] = []
    const deliver = async (peer: Hex, requestId: Hex, bytes: Uint8Array) => {
      sent.push([peer, requestId, bytes])
      did('sent')
      return sent.length < 3 ? unreachable() : (receipt(of, alice) as SignedReceipt)
    }
    proverIn({ exchange: { deliver } }).deliver(of.id)
    await done('sent')
    await clock.moveTo(DUE_AT)
    expect(sent).toEqual(Array(3).fill([of.message.builderPeer, of.id, proof]))
    expect(fed).toEqual([{ kind: 'message', from: receipt(of, alice) }])
  })

  test('ends at PROOF_INVALID', async () => {
    await disk.put(proofKey, proof)
    const deliver = () => {
      did('sent')
      return refused('PROOF_INVALID')
    }
    proverIn({ exchange: { deliver } }).deliver(of.id)
    await done('sent')
    await clock.moveTo(DUE_AT)
    expect([count('sent'), fed.length, clock.waiting]).toEqual([1, 0, 0])
  })
})

describe('an effect repeated', () => {
  test.each(['fetch', 'accept', 'prove', 'deliver'] as const)(
    'does not run twice: %s',
    async (step) => {
      await disk.put(inputsKey, inputs)
      await disk.put(proofKey, proof)
      if (step === 'prove') await disk.del(proofKey)
      const work = (signal: AbortSignal) => {
        did('begun')
        return untilAborted(signal)
      }
      const proving = proverIn({
        exchange: {
          fetch: (_, __, ___, signal) => work(signal),
          accept: (_, __, signal) => work(signal),
          deliver: (_, __, ___, signal) => work(signal),
        },
        role: { prove: (_, signal) => work(signal) },
      })
      const begin = () =>
        step === 'accept'
          ? proving.accept({ requestId: of.id, awardId: awarded.id, prover: alice })
          : proving[step](of.id)
      begin()
      begin()
      await done('begun')
      begin()
      await clock.moveTo(NOW + 2_000)
      expect(count('begun')).toBe(1)
      proving.stop()
      await settled()
      begin()
      await done('begun', 2)
      proving.stop()
    },
  )

  test('of a job that nobody knows does nothing', async () => {
    const proving = proverIn()
    proving.fetch(award(of, bids, { priceWei: 1n }).id)
    await settled()
    expect([steps, clock.waiting]).toEqual([[], 0])
  })
})

describe('approaching builders', () => {
  test('keeps the last 32 of them connected', () => {
    const kept = new Set<Hex>()
    const dialled: string[] = []
    const peers = Array.from({ length: 40 }, (_, i): Hex => `0x${String(i).padStart(64, '0')}`)
    const proving = proverIn({
      host: {
        protect: (peer) => kept.add(peer),
        unprotect: (peer) => kept.delete(peer),
        connect: (peer) => {
          dialled.push(peer)
          return unreachable()
        },
      },
    })
    for (const peer of peers.slice(0, 32)) proving.approach(peer)
    expect(kept.size).toBe(32)
    proving.approach(peers[0]!)
    for (const peer of peers.slice(32)) proving.approach(peer)
    expect([...kept].sort()).toEqual([peers[0]!, ...peers.slice(9)])
    expect(dialled).toHaveLength(41)
  })
})
