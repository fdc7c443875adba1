/** Transactions that no table makes pass: the writer says what is in the way, and ends. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StateTransition } from '#node/builder/state-transition'
import { writeTable } from '#node/builder/writer'
import { toHex } from '#protocol/field'
import { encodeSend } from '#protocol/ledger-calls'
import type { Party, ScriptStep } from '#test/support/script'
import type { TablesChain } from '#test/support/tables-chain'
import {
  a,
  calling,
  FIRST,
  KEYED,
  OWNED,
  SECOND,
  SECRET,
  startTablesStage,
  type TablesStage,
  write,
} from '#test/support/tables-stage'

let stage: TablesStage
let chain: TablesChain
/** A player on L1. */
let q: Party
beforeAll(async () => {
  stage = await startTablesStage()
  ;({ chain, q } = stage)
})
afterAll(() => chain?.stop())

const playing: TablesStage['playing'] = (...of) => stage.playing(...of)
const onLedger: TablesStage['onLedger'] = (...of) => stage.onLedger(...of)

describe('a transaction no table makes pass', () => {
  test('ends with the call that failed', async () => {
    const call = playing([calling(a, [write(1, 9n)]), calling(q, [{ kind: 'revert' }])])
    const failure = await chain.write([call]).catch((error) => error)
    expect(failure).toMatchObject({
      code: 'CALL_FAILED',
      call: { to: q.address, reason: expect.stringMatching(/^reverted with 0x/) },
    })
    expect(failure.message).toContain(`the call of ${q.address}`)
  })

  test('ends with what the rollup refuses', async () => {
    const lost = onLedger(FIRST, OWNED, encodeSend(SECOND, 9, 0n))
    await expect(chain.write([lost])).rejects.toMatchObject({
      code: 'STEP_REFUSED',
      message: expect.stringContaining('there is no such account'),
    })
  })

  test('ends with why a ledger lets a call fail that nobody catches', async () => {
    const theft = onLedger(FIRST, KEYED, encodeSend(SECOND, OWNED, 1n))
    await expect(chain.write([theft])).rejects.toMatchObject({
      code: 'CALL_FAILED',
      message: expect.stringMatching(/on rollup 3 .*: the caller does not own the account\)$/),
    })
  })

  test('ends where a static call would change a rollup', async () => {
    const step: ScriptStep = { kind: 'static', to: a, valueWei: 0n, script: [write(1, 99n)] }
    await expect(chain.write([playing([step])])).rejects.toMatchObject({
      code: 'NO_PROGRESS',
      message: expect.stringContaining('entry 1 does not answer CALL'),
    })
  })

  test('ends before it begins where its table would be for somebody else', async () => {
    const context = await chain.context(chain.stranger.address)
    const call = playing([calling(a, [write(1, 9n)])])
    await expect(chain.write([call], { context })).rejects.toMatchObject({
      code: 'WRONG_CONTEXT',
      message: expect.stringContaining(`is for ${chain.stranger.address}, but`),
    })
  })

  test('ends when it calls no rollup', async () => {
    await expect(chain.write([playing([calling(q)])])).rejects.toMatchObject({ code: 'NO_ENTRIES' })
  })

  test('ends when it calls a rollup nobody here knows', async () => {
    const nobody = await chain.register({ verifier: q.address, programId: toHex(SECRET) }, () =>
      toHex(SECRET),
    )
    const proxy = await chain.makeProxy({ rollupId: nobody.rollupId, address: a.address })
    await expect(chain.write([{ to: proxy, data: '0x', valueWei: 0n }])).rejects.toMatchObject({
      code: 'UNKNOWN_ROLLUP',
    })
  })

  test('ends at the 64th entry', async () => {
    const many = Array.from({ length: 65 }, () => onLedger(FIRST, OWNED, '0x', 1n))
    const failure = chain.write(many)
    await expect(failure).rejects.toMatchObject({ code: 'TOO_MANY_ENTRIES' })
  })

  test('ends where a rollup pays to where another one does not stand', async () => {
    const honest = chain.rollups.get(FIRST)!
    const second = chain.rollups.get(SECOND)!
    const { stateRoot } = await chain.l1.rollupOf(SECOND)
    const stubborn: StateTransition = {
      program: honest.program,
      step: (root, action) => honest.step(root, action, new Map([[SECOND, stateRoot]])),
    }
    const rollups = new Map<bigint, StateTransition>([
      [FIRST, stubborn],
      [SECOND, second],
    ])
    const calls = [
      onLedger(FIRST, OWNED, '0x', 5n),
      onLedger(SECOND, OWNED, '0x', 5n),
      onLedger(FIRST, OWNED, encodeSend(SECOND, OWNED, 1n)),
    ]
    const { l1, user } = chain
    const lines: string[] = []
    const writing = writeTable(
      { from: user.address, calls },
      await chain.context(),
      { l1, rollups },
      (line) => lines.push(line),
    )
    await expect(writing).rejects.toMatchObject({
      code: 'NO_PROGRESS',
      message: expect.stringContaining('entry 3 expects another root of rollup 4'),
    })
    expect(lines).toHaveLength(4)
    expect(lines[0]).toMatch(
      /^entry {2}1 {2}CALL 0x0+1 on rollup 3 5 wei {2}→ {2}RESULT of rollup 3 to L1 0x0+5 {2}\(\d+ ms\)$/,
    )
  })

  test('names the entry and the rule where a rollup’s answer breaks one', async () => {
    const honest = chain.rollups.get(FIRST)!
    const call = onLedger(FIRST, OWNED, '0x', 5n)
    const greedy: StateTransition = {
      program: honest.program,
      step: async (...of) => {
        const step = await honest.step(...of)
        if ('refused' in step) return step
        return { ...step, deltas: step.deltas.map((one) => ({ ...one, etherDelta: 6n })) }
      },
    }
    const rollups = new Map([[FIRST, greedy]])
    const { l1, user } = chain
    const context = await chain.context()
    await expect(
      writeTable({ from: user.address, calls: [call] }, context, { l1, rollups }),
    ).rejects.toMatchObject({ code: 'BROKEN_RULE', fault: { entry: 0, rule: 'E7' } })
  })
})
