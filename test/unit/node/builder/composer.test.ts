import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeFunctionData } from 'viem/utils'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { rollupsAbi } from '#contracts/abi'
import type { ComposerEvent } from '#node/builder/composer'
import { checkComposition, compositionKeys } from '#node/builder/composition-config'
import { ownerProgramId, signStatement } from '#node/builder/evm-owner'
import { createEvmRollup } from '#node/builder/evm-rollup'
import { openComposer } from '#node/builder/table-send'
import { readConfig } from '#node/config'
import { eddsaKey } from '#protocol/eddsa'
import { fromHex } from '#protocol/field'
import { encodeAnswer, encodeDeposit, encodeSend, encodeWithdraw } from '#protocol/ledger-calls'
import { accountAddress, createLedger, rootOf } from '#protocol/ledger-tree'
import type { Address, Hex, Id } from '#protocol/schema'
import { accountOf } from '#protocol/signature'
import { type OwnDoor, startOwnDoor } from '#test/support/own-door'
import { accept, award, bid, deliver, terms } from '#test/support/own-market'
import { TablesChain } from '#test/support/tables-chain'

const EVM_KEY: Hex = `0x${'0e'.repeat(32)}`
const HOLDER_SECRET: Hex = `0x${'1d'.repeat(32)}`
/** Stores 1 in slot 0 and returns 42. */
const CODE: Hex = '0x6001600055602a60005260206000f3'
const CONTRACT: Address = `0x${'c0'.repeat(20)}`

let chain: TablesChain
let folder: string
let owner: Awaited<ReturnType<TablesChain['owner']>>
let settings: Record<string, unknown>
let depositTo: Address
let evmTo: Address
let at: OwnDoor
let states = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-composer-'))
  chain = await TablesChain.start()
  owner = await chain.owner()
  const { verifier, programId } = owner
  const key = [BigInt(chain.user.address), 0n] as const
  const holder = eddsaKey(fromHex(HOLDER_SECRET))
  const places = [
    [1, { key, balanceWei: 0n, nonce: 0n }],
    [2, { key: holder, balanceWei: 0n, nonce: 0n }],
  ] as const
  const ledger = await chain.register({ verifier, programId }, ({ rollupId }) =>
    rootOf(createLedger(rollupId, 4, places)),
  )
  const evmOwner = accountOf(fromHex(EVM_KEY))
  const evmVerifier = await chain.deploy('SignatureVerifier', [evmOwner])
  const genesis = { accounts: [{ address: CONTRACT, code: CODE }] }
  const context = { chainId: chain.l1.chainId, venue: chain.l1.registry }
  const { proxyCode } = chain
  const evm = await chain.register(
    { verifier: evmVerifier, programId: ownerProgramId(evmOwner) },
    async (program) =>
      (await createEvmRollup({ ...context, program, proxyCode, genesis })).genesisRoot,
  )
  depositTo = await chain.makeProxy({ address: accountAddress(1), rollupId: ledger.rollupId })
  evmTo = await chain.makeProxy({ address: CONTRACT, rollupId: evm.rollupId })
  const accounts = [
    { index: 1, owner: chain.user.address, balanceWei: '0' },
    { index: 2, key: holder.map(String), balanceWei: '0' },
  ]
  const write = (name: string, content: unknown): Promise<void> =>
    writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  await write('accounts.json', { [`${ledger.rollupId}`]: accounts })
  await write('genesis.json', genesis)
  await write('user.key', chain.user.key)
  await write('evm.key', EVM_KEY)
  await write('holder.key', HOLDER_SECRET)
  settings = {
    ...{ rpcUrl: chain.anvil.rpcUrl, chainId: context.chainId, registry: context.venue },
    ...{ batchAccount: chain.batchAccount, keyFile: 'user.key', stateFolder: 'states' },
    ledger: {
      ...{ rollups: [Number(ledger.rollupId)], verifier, programId },
      ...{ entries: 1, depth: 4, accounts: 'accounts.json', key: 'holder.key' },
    },
    evm: [
      {
        ...{ rollupId: Number(evm.rollupId), verifier: evmVerifier },
        ...{ keyFile: 'evm.key', genesis: 'genesis.json' },
      },
    ],
    ...{ reserveWei: `${terms.reserveWei}`, bondWei: `${terms.bondWei}`, dueInMs: 20_000 },
  }
})
afterAll(async () => {
  await chain?.stop()
  await rm(folder, { recursive: true })
})

let snapshot: unknown
beforeEach(async () => {
  at = await startOwnDoor()
  snapshot = await chain.anvil.request('evm_snapshot')
  settings = { ...settings, stateFolder: `states-${++states}`, doorUrl: at.door.url }
})
afterEach(async () => {
  await chain.anvil.request('evm_revert', snapshot)
  await at.stop()
})

/** A composer as a new process opens it, with what it tells. */
async function open(
  more: Record<string, unknown>,
  onEvent: (event: ComposerEvent) => void = () => undefined,
) {
  const file = join(folder, 'send.json')
  await writeFile(file, JSON.stringify({ ...settings, ...more }))
  const sources = { argv: ['--config', file], env: {}, defaultFile: 'none', folder }
  const { values } = readConfig(compositionKeys, sources, checkComposition)
  const events: ComposerEvent[] = []
  const ending = new AbortController()
  const hear = (event: ComposerEvent): void => {
    events.push(event)
    onEvent(event)
  }
  const { composer } = await openComposer(values, hear, ending.signal)
  return { composer, events, ending, kinds: () => events.map(({ event }) => event) }
}

/** A deposit of this much into the ledger. */
const deposit = (wei: number) => ({ to: depositTo, data: encodeDeposit(), value: `${wei}` })

/** The market proves what a request asks for. */
async function prove(requestId: Id, { own, clock } = at): Promise<void> {
  const { publicInputsHash } = own.market.job(requestId)!.request.message
  const statement = { chainId: chain.l1.chainId, verifier: owner.verifier, publicInputsHash }
  const proof = fromHex(signStatement(statement, owner.key))
  const ann = own.provers[0]!
  await bid(own, ann, requestId, 5n)
  await award(own, clock, requestId)
  await accept(own, ann, requestId)
  await deliver(own, ann, requestId, proof, clock.now())
}
const proving = (event: ComposerEvent): void => {
  if (event.event === 'requested') void prove(event.requestId)
}
const ledgerBalance = async (): Promise<bigint> => (await chain.l1.rollupOf(1n)).balanceWei
const nonce = () =>
  chain.anvil.request<Hex>('eth_getTransactionCount', chain.user.address, 'latest')

describe('the composer', () => {
  test('writes, has proven, posts and calls, and the next send goes on from there', async () => {
    const { composer, events, kinds } = await open(deposit(7), proving)
    await composer.send()
    expect(kinds()).toEqual(['entry', 'table', 'requested', 'proof', 'sending', 'sent', 'done'])
    const balance = `0x${7n.toString(16).padStart(64, '0')}`
    const { stateRoot } = await chain.l1.rollupOf(1n)
    expect(events.at(-1)).toMatchObject({
      ...{ answer: balance, rollups: [{ rollupId: 1n, stateRoot, balanceWei: 7n }] },
    })
    const next = await open(deposit(5), proving)
    await next.composer.send()
    expect(next.events.at(-1)).toMatchObject({ rollups: [{ balanceWei: 12n }] })
  })

  test('a table that owners prove alone needs no market', async () => {
    const { composer, events, kinds } = await open({ to: evmTo, data: '0x' })
    await composer.send()
    expect(kinds()).toEqual(['entry', 'table', 'sending', 'sent', 'done'])
    expect(events.at(-1)).toMatchObject({ answer: `0x${'00'.repeat(31)}2a` })
    expect(at.own.wanted.list()).toEqual([])
    const again = await open({ to: evmTo, data: '0x' })
    await again.composer.send()
    expect(again.kinds().at(-1)).toBe('done')
  })

  test('a rollup’s own transactions are signed by its key, one after the other', async () => {
    const args = [1n, accountAddress(2), encodeSend(1n, 1, 0n)] as const
    const data = encodeFunctionData({ abi: rollupsAbi, functionName: 'executeL2TX', args })
    for (const _ of [1, 2]) {
      const { composer, events } = await open({ to: chain.l1.registry, data }, proving)
      await composer.send()
      const answer = events.flatMap((one) => (one.event === 'done' ? [one.answer] : []))
      expect(answer[0]).toContain(encodeAnswer(0n).slice(2))
    }
  })

  test('write shows the table and asks for nothing', async () => {
    const { composer, kinds } = await open(deposit(7))
    const { table } = await composer.write()
    expect(table.executor).toBe(chain.user.address)
    expect(kinds()).toEqual(['entry', 'table'])
    expect(at.own.wanted.list()).toEqual([])
  })

  test('a process that ended after it asked is followed by one that asks nobody again', async () => {
    const first = await open(deposit(7), (event) => {
      if (event.event === 'requested') first.ending.abort(new Error('killed'))
    })
    await expect(first.composer.send()).rejects.toThrow(/killed/)
    const [wanted] = at.own.wanted.list()
    const second = await open(deposit(7))
    await prove(wanted!.requests[0]!.requestId)
    await second.composer.send()
    expect(second.kinds()).toEqual(['resumed', 'proof', 'sending', 'sent', 'done'])
    expect(at.own.wanted.list().length).toBe(1)
    expect(await ledgerBalance()).toBe(7n)
  })

  test('a process that ended after it sent is followed by one that sends nothing', async () => {
    const first = await open(deposit(7), (event) => {
      proving(event)
      if (event.event === 'sent') throw new Error('killed')
    })
    await expect(first.composer.send()).rejects.toThrow(/killed/)
    const before = await nonce()
    const second = await open(deposit(7))
    await second.composer.send()
    expect(second.kinds()).toEqual(['resumed', 'done'])
    expect(await nonce()).toBe(before)
    expect(await ledgerBalance()).toBe(7n)
    const third = await open(deposit(7), proving)
    await third.composer.send()
    expect(await ledgerBalance()).toBe(14n)
  })

  test('a transaction that was signed and never left is made anew', async () => {
    const first = await open(deposit(7), (event) => {
      proving(event)
      if (event.event === 'sending') throw new Error('killed')
    })
    await expect(first.composer.send()).rejects.toThrow(/killed/)
    const second = await open(deposit(7))
    await second.composer.send()
    expect(second.kinds().at(0)).toBe('resumed')
    expect(second.kinds().at(-1)).toBe('done')
    expect(await ledgerBalance()).toBe(7n)
  })

  test('a root that moved while the table was proven makes a fresh table', async () => {
    const door = await startOwnDoor()
    const other = await open({ ...deposit(100), doorUrl: door.door.url }, (event) => {
      if (event.event === 'requested') void prove(event.requestId, door)
    })
    let isFirst = true
    const { composer, events, kinds } = await open(deposit(7), (event) => {
      if (event.event !== 'requested') return
      const moving = isFirst ? other.composer.send() : Promise.resolve()
      isFirst = false
      void moving.then(() => prove(event.requestId))
    })
    await composer.send()
    const asked = ['entry', 'table', 'requested', 'proof']
    expect(kinds()).toEqual([...asked, 'stale', ...asked, 'sending', 'sent', 'done'])
    expect(events.find(({ event }) => event === 'stale')).toMatchObject({
      reason: expect.stringMatching(/^rollup 1 has moved from 0x\S+ to 0x/),
    })
    expect(await ledgerBalance()).toBe(107n)
    await door.stop()
  })

  test('tables whose blocks are over are written anew only so often', async () => {
    const { composer, kinds } = await open(
      { ...deposit(7), windowBlocks: 1, attempts: 2 },
      (event) => {
        if (event.event !== 'requested') return
        void chain.anvil.request('anvil_mine', '0x2').then(() => prove(event.requestId))
      },
    )
    await expect(composer.send()).rejects.toThrow(/2 tables went stale.*its last block.*is over/)
    expect(kinds().filter((kind) => kind === 'stale').length).toBe(2)
    expect(await ledgerBalance()).toBe(0n)
  })

  test('a proof that will not come ends it, and the next start asks afresh', async () => {
    const { composer } = await open(deposit(7), (event) => {
      if (event.event !== 'requested') return
      at.clock.advance(1_300)
      at.clock.advance(300)
    })
    await expect(composer.send()).rejects.toThrow(/nobody bid/)
    const again = await open(deposit(7), proving)
    await again.composer.send()
    expect(again.kinds().at(0)).toBe('entry')
    expect(await ledgerBalance()).toBe(7n)
  })

  test('a table with more entries than the circuit has room for asks for nothing', async () => {
    const nobody: Address = `0x${'d0'.repeat(20)}`
    const { composer, kinds } = await open({ to: depositTo, data: encodeWithdraw(nobody, 0n) })
    await expect(composer.send()).rejects.toThrow(
      /has 2 entries, and the ledger's circuit room for 1/,
    )
    expect(kinds()).toEqual(['entry', 'entry', 'table'])
    expect(at.own.wanted.list()).toEqual([])
  })

  test('a root whose state nobody has is named, with what to do', async () => {
    const { composer } = await open(deposit(7), proving)
    await composer.send()
    const elsewhere = await open({ ...deposit(7), stateFolder: 'nowhere' })
    await expect(elsewhere.composer.send()).rejects.toThrow(
      /rollup 1 is at 0x\S+ on L1, a state nobody has here\. Set stateFolder/,
    )
  })

  test('what does not fit the chain is named', async () => {
    await expect(open({ ...deposit(7), chainId: 1 })).rejects.toThrow(/serves chain 31337, not 1/)
    await expect(open({ ...deposit(7), rpcUrl: 'http://127.0.0.1:9' })).rejects.toThrow(
      /127\.0\.0\.1:9 does not answer/,
    )
    const programId = `0x00${'11'.repeat(31)}`
    const ledger = { ...(settings.ledger as object), programId }
    const other = await open({ ...deposit(7), ledger })
    await expect(other.composer.write()).rejects.toThrow(
      /rollup 1 is proven by .*settings say 0x0011/,
    )
    const plain = await open({ to: chain.stranger.address, data: '0x' })
    await expect(plain.composer.send()).rejects.toThrow(/needs no table/)
    const doorless = await open({ ...deposit(7), doorUrl: 'http://127.0.0.1:9' })
    await expect(doorless.composer.send()).rejects.toThrow(/does not answer proofwire_prove/)
  })
})
