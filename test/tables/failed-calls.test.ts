/** Contracts on L1 that call accounts of a ledger in vain, and go on. */
import { concatHex, encodeAbiParameters, keccak256 } from 'viem/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeBalance, encodeSend } from '#protocol/ledger-calls'
import { accountAddress } from '#protocol/ledger-tree'
import type { Hex } from '#protocol/schema'
import type { CallStep, Party } from '#test/support/script'
import type { TablesChain } from '#test/support/tables-chain'
import {
  FIRST,
  KEYED,
  OWNED,
  startTablesStage,
  type TablesStage,
  write,
} from '#test/support/tables-stage'

let stage: TablesStage
let chain: TablesChain
/** A player on L1. */
let p: Party
beforeAll(async () => {
  stage = await startTablesStage()
  ;({ chain, p } = stage)
})
afterAll(() => chain?.stop())

const ledgerAccount = (place: number): Party => ({
  rollupId: FIRST,
  address: accountAddress(place),
})
const asking = (kind: CallStep['kind'], place: number, data: Hex, valueWei = 0n): CallStep => ({
  ...{ kind, to: ledgerAccount(place), valueWei },
  script: [{ kind: 'data', data }],
})
const wordOfP = (slot: bigint): Promise<Hex> =>
  chain.anvil.request<Hex>('eth_getStorageAt', p.address, `0x${slot.toString(16)}`, 'latest')
/** The player's hash once it saw this value and, after it, this answer. */
const seen = (valueWei: bigint, answer: Hex): Hex => {
  const before = keccak256(encodeAbiParameters([{ type: 'uint256' }], [valueWei]))
  return keccak256(concatHex([before, answer]))
}
const okAndBytes = [{ type: 'bool' }, { type: 'bytes' }] as const
const inVain = encodeAbiParameters(okAndBytes, [false, '0x'])
const note = { kind: 'note', slot: 3 } as const

describe('a contract on L1 that calls a ledger in vain', () => {
  test('goes on after TRY_CALL of an account it does not own', async () => {
    const theft = asking('tryCall', KEYED, encodeSend(FIRST, OWNED, 1n))
    const before = await chain.l1.rollupOf(FIRST)
    const { sent, table, steps } = await chain.run([stage.playing([theft, note, write(4, 7n)])])
    expect(sent.succeeded).toBe(true)
    expect(table.entries).toMatchObject([
      {
        action: { actionType: 'TRY_CALL', sourceAddress: p.address },
        next: { actionType: 'RESULT', failed: true, data: '0x' },
      },
    ])
    expect(steps[0]!.failure).toBe('the caller does not own the account')
    expect(await wordOfP(3n)).toBe(seen(0n, inVain))
    expect(BigInt(await wordOfP(4n))).toBe(7n)
    expect(await chain.l1.rollupOf(FIRST)).toEqual(before)
  })

  test('has the value back that it sent along', async () => {
    const paid = asking('tryCall', OWNED, encodeBalance(), 5n)
    const lost = asking('tryCall', 9, '0x', 6n)
    const before = await chain.l1.rollupOf(FIRST)
    const weiBefore = BigInt(await chain.anvil.request<Hex>('eth_getBalance', p.address, 'latest'))
    const { sent, table } = await chain.run([stage.playing([paid, lost], 6n)])
    expect(sent.succeeded).toBe(true)
    expect(table.entries.map(({ next }) => [next.failed, next.value])).toEqual([
      [true, 5n],
      [true, 6n],
    ])
    const weiAfter = BigInt(await chain.anvil.request<Hex>('eth_getBalance', p.address, 'latest'))
    expect(weiAfter - weiBefore).toBe(6n)
    expect(await chain.l1.rollupOf(FIRST)).toEqual(before)
  })

  test('catches a CALL that fails, and what comes after it counts', async () => {
    const strange = asking('try', OWNED, '0x12345678', 3n)
    const deposit = asking('call', OWNED, '0x', 8n)
    const before = await stage.balanceOn(FIRST, OWNED)
    const { sent, table } = await chain.run([stage.playing([strange, note, deposit], 11n)])
    expect(sent.succeeded).toBe(true)
    expect(table.entries.map(({ action, next }) => [action.actionType, next.failed])).toEqual([
      ['CALL', true],
      ['CALL', false],
    ])
    expect(await wordOfP(3n)).toBe(seen(11n, inVain))
    expect(await stage.balanceOn(FIRST, OWNED)).toBe(before + 8n)
  })
})
