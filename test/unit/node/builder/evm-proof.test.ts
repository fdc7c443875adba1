import { beforeAll, expect, test } from 'vitest'
import type { EvmRollup } from '#node/builder/evm-rollup'
import type { Entry, Table } from '#protocol/table'
import { publicInputsHash, tableWords } from '#protocol/words'
import { devKeys } from '#test/support/anvil'
import {
  ann,
  answerTo,
  bob,
  callOf,
  continued,
  onL1,
  ownerKey,
  startRollup,
  type Taken,
  tableOf,
  take,
} from '#test/support/evm-stage'
import type { Script } from '#test/support/script'

/** A call, a frame that fails after a call out of it, and the answer. */
const script: Script = [
  {
    kind: 'try',
    to: bob,
    valueWei: 3n,
    script: [{ kind: 'call', to: onL1, valueWei: 2n, script: [] }, { kind: 'revert' }],
  },
  { kind: 'write', slot: 0, word: 1n },
]

let rollup: EvmRollup
let taken: readonly Taken[]
let table: Table
beforeAll(async () => {
  rollup = await startRollup([], ownerKey)
  const out = await take(rollup, rollup.genesisRoot, callOf(ann, script, 10n))
  const reverted = await take(rollup, out.root, answerTo(out.next))
  const done = await take(rollup, out.root, continued(reverted.next, 2n))
  taken = [out, reverted, done]
  table = tableOf(rollup, taken)
})

test('the owner signs what its rollup does, and the signature is about that table', async () => {
  const proof = await rollup.prove(table)
  if ('refused' in proof) throw new Error(proof.refused)
  expect(proof.publicInputsHash).toBe(publicInputsHash(tableWords(table, rollup.program)))
  expect(rollup.verifyLocally(proof)).toBe(true)
  const other = publicInputsHash(tableWords({ ...table, lastBlock: 3 }, rollup.program))
  expect(rollup.verifyLocally({ ...proof, publicInputsHash: other })).toBe(false)
  expect(rollup.verifyLocally({ ...proof, proof: '0x' })).toBe(false)
})

const word = (digits: string) => `0x${digits.padStart(64, '0')}` as const

test.each<[string, (entry: Entry) => Entry, string]>([
  [
    'another root after',
    (entry) => ({ ...entry, deltas: [{ ...entry.deltas[0]!, rootAfter: word('7') }] }),
    'it ends at the root',
  ],
  [
    'other ether',
    (entry) => ({ ...entry, deltas: [{ ...entry.deltas[0]!, etherDelta: 1n }] }),
    'its ether',
  ],
  [
    'another next action',
    (entry) => ({ ...entry, next: { ...entry.next, data: '0x99' } }),
    'what follows is',
  ],
  [
    'a root nobody knows',
    (entry) => ({ ...entry, deltas: [{ ...entry.deltas[0]!, rootBefore: word('7') }] }),
    'the root 0x0+7',
  ],
  [
    'a message',
    (entry) => ({ ...entry, deltas: [{ ...entry.deltas[0]!, sent: word('7') }] }),
    'an EVM rollup sends no message',
  ],
  [
    'an action from elsewhere',
    (entry) => ({ ...entry, action: { ...entry.action, data: '0x07' } }),
    '',
  ],
])('the owner does not sign an entry with %s', async (_, change, words) => {
  for (const [at, entry] of table.entries.entries()) {
    const entries = table.entries.with(at, change(entry))
    const proof = await rollup.prove({ ...table, entries })
    const pattern = new RegExp(`^entry ${at}: .*${words}`)
    expect(proof).toMatchObject({ refused: expect.stringMatching(pattern) })
  }
})

test('the owner signs for its own registry and its own rollup alone', async () => {
  for (const other of [{ chainId: 1 }, { venue: ann.address }]) {
    expect(await rollup.prove({ ...table, ...other })).toHaveProperty('refused')
  }
  const programs = [...table.programs, { ...rollup.program, rollupId: 2n }]
  expect(await rollup.prove({ ...table, programs })).toMatchObject({
    refused: expect.stringContaining('alone'),
  })
  const keyless = await startRollup()
  expect(await keyless.prove(table)).toMatchObject({ refused: expect.stringContaining('no owner') })
  await expect(startRollup([], devKeys[1]!)).rejects.toThrow('owner key')
})

test('another machine takes the state over and goes on from it', async () => {
  const { root } = taken.at(-1)!
  const text = await rollup.exportState(root)
  const other = await startRollup()
  expect(await other.importState(text)).toBe(root)
  const next = callOf(ann, [{ kind: 'read', slot: 0 }, { kind: 'balance' }])
  expect(await other.step(root, next)).toEqual(await rollup.step(root, next))
})

test('a state that was changed or cut is not taken', async () => {
  const text = await rollup.exportState(taken.at(-1)!.root)
  const { nodes, ...rest } = JSON.parse(text)
  const keys = Object.keys(nodes)
  const fresh = await startRollup([{ address: onL1.address }])
  const write = (changed: object) => JSON.stringify({ ...rest, nodes: changed })
  const wrong = { ...nodes, [keys[0]!]: nodes[keys[1]!] }
  await expect(fresh.importState(write(wrong))).rejects.toThrow('another hash')
  const { [keys[0]!]: _, ...cut } = nodes
  await expect(fresh.importState(write(cut))).rejects.toThrow('lacks')
  await expect(fresh.importState('{"version":2}')).rejects.toThrow('no exported state')
})

test('what L1 did not do is forgotten', async () => {
  const own = await startRollup()
  const out = await take(own, own.genesisRoot, callOf(ann, script, 10n))
  expect(() => own.adopt(out.root)).toThrow('at rest')
  own.adopt(own.genesisRoot)
  await expect(take(own, out.root, answerTo(out.next))).rejects.toThrow('no state')
  expect((await take(own, own.genesisRoot, callOf(ann, script, 10n))).root).toBe(out.root)
})
