import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readCircuitKeys } from '#node/builder/circuit-keys'
import type { ComposerEvent } from '#node/builder/composer'
import { checkComposition, compositionKeys } from '#node/builder/composition-config'
import { openComposer } from '#node/builder/table-send'
import { readConfig } from '#node/config'
import { ownKey } from '#node/signer'
import { encodeWithdraw } from '#protocol/ledger-calls'
import { accountAddress, createLedger, rootOf } from '#protocol/ledger-tree'
import { programId, verifierConstructorArgs } from '#protocol/proof'
import type { Address, Id } from '#protocol/schema'
import { programOfKeys } from '#protocol/segments'
import { forgedKey, forgedSegmentProof } from '#test/support/forged-proof'
import { type OwnDoor, startOwnDoor } from '#test/support/own-door'
import { accept, award, bid, deliver, terms } from '#test/support/own-market'
import { TablesChain } from '#test/support/tables-chain'

/** Circuits with room for one entry and for four, whose trapdoor is known here. */
const keys = [forgedKey(1), forgedKey(4)]
const NOBODY: Address = `0x${'d0'.repeat(20)}`

let chain: TablesChain
let folder: string
let verifier: Address
let settings: Record<string, unknown>
let withdrawal: Record<string, unknown>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-segments-'))
  chain = await TablesChain.start()
  verifier = await chain.deploy('BatchVerifier', verifierConstructorArgs(keys))
  const program = programOfKeys(keys.map(programId))
  const key = [BigInt(chain.user.address), 0n] as const
  const places = [[1, { key, balanceWei: 0n, nonce: 0n }]] as const
  const { rollupId } = await chain.register({ verifier, programId: program }, (one) =>
    rootOf(createLedger(one.rollupId, 4, places)),
  )
  const to = await chain.makeProxy({ address: accountAddress(1), rollupId })
  withdrawal = { to, data: encodeWithdraw(NOBODY, 0n) }
  const accounts = [{ index: 1, owner: chain.user.address, balanceWei: '0' }]
  await writeFile(join(folder, 'accounts.json'), JSON.stringify({ [`${rollupId}`]: accounts }))
  await writeFile(join(folder, 'user.key'), chain.user.key)
  const rollups = [Number(rollupId)]
  settings = {
    ...{ rpcUrl: chain.anvil.rpcUrl, chainId: chain.l1.chainId, registry: chain.l1.registry },
    ...{ batchAccount: chain.batchAccount, keyFile: 'user.key', stateFolder: 'states' },
    ledger: { rollups, verifier, programId: program, depth: 4, accounts: 'accounts.json' },
    ...{ reserveWei: `${terms.reserveWei}`, bondWei: `${terms.bondWei}`, dueInMs: 20_000 },
  }
})
afterAll(async () => {
  await chain?.stop()
  await rm(folder, { recursive: true })
})

let at: OwnDoor
let snapshot: unknown
let states = 0
beforeEach(async () => {
  at = await startOwnDoor()
  snapshot = await chain.anvil.request('evm_snapshot')
})
afterEach(async () => {
  await chain.anvil.request('evm_revert', snapshot)
  await at.stop()
})

/** A composer as a new process opens it, with what it tells. */
async function open(ledger: object, onEvent: (event: ComposerEvent) => void) {
  const file = join(folder, 'send.json')
  const all = { ...(settings.ledger as object), ...ledger }
  const more = { ledger: all, doorUrl: at.door.url, stateFolder: `states-${states}` }
  await writeFile(file, JSON.stringify({ ...settings, ...withdrawal, ...more }))
  const sources = { argv: ['--config', file], env: {}, defaultFile: 'none', folder }
  const { values } = readConfig(compositionKeys, sources, checkComposition)
  const events: ComposerEvent[] = []
  const ending = new AbortController()
  const hear = (event: ComposerEvent): void => {
    events.push(event)
    onEvent(event)
  }
  const { composer } = await openComposer(values, hear, ending.signal)
  return { composer, events, ending }
}

/** All segments are bid for by everybody, awarded together, and each is proven by its winner. */
async function serve(requestIds: readonly Id[]): Promise<Address[]> {
  const { own, clock } = at
  for (const requestId of requestIds)
    for (const [place, prover] of own.provers.entries())
      await bid(own, prover, requestId, BigInt(5 + place))
  await award(own, clock, requestIds[0]!)
  const winners: Address[] = []
  for (const requestId of requestIds) {
    await own.when(() => own.market.job(requestId)?.award)
    const winner = own.market.job(requestId)!.award!.message.prover
    const prover = own.provers.find(({ account }) => account === winner)!
    const inputs = await own.store.get(ownKey(requestId, 'inputs'))
    await accept(own, prover, requestId)
    const proof = forgedSegmentProof(inputs!, verifier, prover.account)
    await deliver(own, prover, requestId, proof, clock.now())
    winners.push(prover.account)
  }
  return winners
}

/** Serves once everything was asked for. */
function serving(onDone: (winners: Address[]) => void = () => undefined) {
  const asked: Id[] = []
  return (event: ComposerEvent): void => {
    if (event.event !== 'requested') return
    asked.push(event.requestId)
    if (asked.length === event.segments) void serve(asked).then(onDone)
  }
}

describe('a table in segments', () => {
  beforeEach(() => {
    states++
  })

  test('the verifier tells its circuits, and another contract that it has none', async () => {
    const { rpcUrl } = chain.anvil
    const { signal } = new AbortController()
    expect(await readCircuitKeys(rpcUrl, verifier, signal)).toEqual([
      { keyId: programId(keys[0]!), room: 1 },
      { keyId: programId(keys[1]!), room: 4 },
    ])
    expect(await readCircuitKeys(rpcUrl, chain.l1.registry, signal)).toBeNull()
    expect(await readCircuitKeys(rpcUrl, NOBODY, signal)).toBeNull()
  })

  test('is proven whole where a circuit has room for it', async () => {
    const { composer, events } = await open({}, serving())
    await composer.send()
    const asked = events.filter(({ event }) => event === 'requested')
    expect(asked).toMatchObject([{ segment: 1, segments: 1 }])
    expect(events.at(-1)!.event).toBe('done')
    const [wanted] = at.own.wanted.list()
    const { programId: asks, work } = at.own.market.job(wanted!.requests[0]!.requestId)!.request
      .message
    expect([asks, work]).toEqual([programId(keys[1]!), 4n])
  })

  test('is asked for as one bundle, proven by several, and posted with all of them', async () => {
    let winners: Address[] = []
    const { composer, events } = await open(
      { entries: 1 },
      serving((all) => {
        winners = all
      }),
    )
    await composer.send()
    const asked = events.filter(({ event }) => event === 'requested')
    expect(asked).toMatchObject([
      { segment: 1, segments: 2 },
      { segment: 2, segments: 2 },
    ])
    expect(new Set(winners).size).toBe(2)
    expect(events.find(({ event }) => event === 'proof')).toMatchObject({ provers: winners })
    expect(events.at(-1)!.event).toBe('done')
  })

  test('is gone on with by the next process, which asks nobody again', async () => {
    const asked: Id[] = []
    const first = await open({ entries: 1 }, (event) => {
      if (event.event !== 'requested') return
      asked.push(event.requestId)
      if (asked.length === 2) first.ending.abort(new Error('killed'))
    })
    await expect(first.composer.send()).rejects.toThrow(/killed/)
    await serve(asked)
    // Other settings do not change how it was cut.
    const second = await open({}, () => undefined)
    await second.composer.send()
    expect(second.events.map(({ event }) => event)).toEqual([
      ...['resumed', 'proof', 'sending', 'sent', 'done'],
    ])
    expect(at.own.wanted.list()).toHaveLength(2)
  })
})
