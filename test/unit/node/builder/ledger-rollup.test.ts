import { describe, expect, test } from 'vitest'
import { createLedgerRollups } from '#node/builder/ledger-rollup'
import { isRefusedStep, type Step } from '#node/builder/state-transition'
import { checkInputs } from '#protocol/inputs'
import { encodeDeposit, encodeSend } from '#protocol/ledger-calls'
import { accountAddress, accountOf, rootOf } from '#protocol/ledger-tree'
import type { Hex } from '#protocol/schema'
import { digestSegments, statementHash } from '#protocol/segments'
import { type Action, encodeTable, type Table, tableDigest } from '#protocol/table'
import { publicInputsHash, tableWords } from '#protocol/words'
import { context, owner, program, sampleLedgers } from '#test/support/ledger-sample'
import { actionOf } from '#test/support/table-sample'

const DEPTH = 4
const ledgers = sampleLedgers(DEPTH)
const programs = [1n, 2n].map((rollupId) => ({ rollupId, ...program }))
const start = () =>
  createLedgerRollups({ context, programs, depth: DEPTH, ledgers: [...ledgers.values()] })
const rootsNow = (): Map<bigint, Hex> =>
  new Map([...ledgers].map(([rollupId, ledger]) => [rollupId, rootOf(ledger)]))
const call = (rollupId: bigint, data: Hex, fields: Partial<Action> = {}): Action =>
  actionOf('CALL', {
    ...{ rollupId, destination: accountAddress(1), data, sourceAddress: owner },
    ...fields,
  })
async function stepOf(
  made: ReturnType<typeof start>,
  action: Action,
  roots = rootsNow(),
): Promise<Step> {
  const { rollupId } = action
  const step = await made.rollups.get(rollupId)!.step(roots.get(rollupId)!, action, roots)
  if (isRefusedStep(step)) throw new Error(step.refused)
  return step
}

describe('ledger rollups', () => {
  test('keep every state by its root, so a step can start from an earlier one', async () => {
    const made = start()
    const deposit = call(1n, encodeDeposit(), { value: 5n })
    const first = await stepOf(made, deposit)
    const after = first.deltas[0]!.rootAfter
    const second = await stepOf(made, deposit, rootsNow().set(1n, after))
    expect(await stepOf(made, deposit)).toEqual(first)
    const places = [rootsNow().get(1n)!, after, second.deltas[0]!.rootAfter]
    const balances = places.map((root) => accountOf(made.ledgerAt(1n, root)!, 1)!.balanceWei)
    expect(balances).toEqual([1_000n, 1_005n, 1_010n])
  })

  test('pay each other from where the others stand', async () => {
    const made = start()
    const send = call(1n, encodeSend(2n, 0, 100n))
    const first = await stepOf(made, send)
    const roots = new Map(first.deltas.map(({ rollupId, rootAfter }) => [rollupId, rootAfter]))
    const second = await stepOf(made, send, roots)
    expect(second.deltas[1]!.rootBefore).toBe(roots.get(2n))
    const unknown = rootsNow().set(2n, `0x${'01'.repeat(32)}`)
    await expect(stepOf(made, send, unknown)).rejects.toThrow('a ledger rollup that is not here')
  })

  test('refuse with words', async () => {
    const made = start()
    const deposit = call(1n, encodeDeposit())
    const unknown = rootsNow().set(1n, `0x${'01'.repeat(32)}`)
    await expect(stepOf(made, deposit, unknown)).rejects.toThrow('no state with the root 0x0101')
    const unsigned = actionOf('L2TX', {
      ...{ rollupId: 1n, destination: accountAddress(1), data: encodeSend(2n, 0, 1n) },
    })
    await expect(stepOf(made, unsigned)).rejects.toThrow('did not sign')
  })

  test('answer a call that fails, say why, and stay where they are', async () => {
    const made = start()
    const step = await stepOf(made, call(1n, '0x12345678', { value: 5n }))
    const root = rootsNow().get(1n)!
    expect(step.deltas).toMatchObject([{ rootBefore: root, rootAfter: root, etherDelta: 0n }])
    expect(step.next).toMatchObject({ actionType: 'RESULT', failed: true, value: 5n, data: '0x' })
    expect(step.failure).toBe('an account has no such function')
    expect((await stepOf(made, call(1n, encodeDeposit()))).failure).toBeUndefined()
  })

  test('forget what did not happen, once L1 says where they stand', async () => {
    const made = start()
    const { deltas } = await stepOf(made, call(1n, encodeDeposit(), { value: 5n }))
    const { rootBefore, rootAfter } = deltas[0]!
    made.adopt(1n, rootAfter)
    expect(made.ledgerAt(1n, rootBefore)).toBeNull()
    expect(() => made.adopt(1n, rootBefore)).toThrow('not known here')
    expect(made.ledgerAt(1n, rootAfter)).not.toBeNull()
  })

  test.each([
    ['a payment', call(1n, encodeSend(2n, 0, 100n))],
    ['a call that fails', call(1n, encodeSend(1n, 2, 100n))],
  ])('give their prover inputs that keep their promises: %s', async (_, action) => {
    const made = start()
    const step = await stepOf(made, action)
    const { deltas, next } = step
    const table: Table = { ...context, programs, entries: [{ deltas, action, next }] }
    const keyId: Hex = `0x${'0a'.repeat(32)}`
    const words = tableWords(table, program)
    const segments = digestSegments(words, [{ keyId, entries: 1 }], [{ keyId, room: 2 }])
    const inputs = made.proofInputs(table, [step], program, segments, 0)
    const { verifier, programId } = program
    const terms = {
      verifier,
      programId: keyId,
      inputBytes: inputs.length,
      venue: context.venue,
      tableDigest: tableDigest(encodeTable(table)),
      publicInputsHash: statementHash(publicInputsHash(words), programId, segments, 0),
    }
    expect(checkInputs(inputs, terms, { entries: 2, depth: DEPTH })).toBeNull()
  })
})
