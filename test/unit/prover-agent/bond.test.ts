import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Sent } from '#node/intents'
import { createLog } from '#node/log'
import { topUpBond } from '#prover-agent/bond'
import { hashOf } from '#simulations/pretence'
import { alice, ETHER } from '#test/support/messages'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-bond-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A chain where `activeWei` is bonded, and deposits end as told. */
function ports(activeWei: bigint, sent: Promise<Sent> = Promise.resolve(mined)) {
  const deposits: unknown[][] = []
  const lines: string[] = []
  const nothing = { activeWei: 0n, leavingWei: 0n, readyAtS: 0 }
  const chain = {
    account: alice,
    moneyOf: async () => ({
      bond: { ...nothing, activeWei },
      stake: nothing,
      escrow: nothing,
      creditWei: 0n,
    }),
    funds: {
      depositStake: (...args: unknown[]) => {
        deposits.push(args)
        return sent
      },
    },
  }
  const log = createLog({ level: 'info', format: 'human', write: (line) => lines.push(line) })
  return { chain, dataFolder: folder, log, deposits, lines }
}
const mined: Sent = { kind: 'mined', hash: hashOf('deposit') }
const closed: Sent = { kind: 'dropped', reason: 'closed', detail: '' }

describe('topping up the bond', () => {
  test('deposits what is missing, and says so', async () => {
    const { deposits, lines, ...given } = ports(ETHER / 4n)
    expect(await topUpBond(given, ETHER)).toBe(ETHER / 4n)
    expect(deposits).toEqual([[alice, 'prover', (ETHER * 3n) / 4n]])
    expect(lines.join()).toContain('bond deposited')
    expect(await readdir(folder)).toEqual([])
  })

  test('deposits nothing when enough is bonded', async () => {
    const { deposits, ...given } = ports(ETHER)
    await topUpBond(given, ETHER)
    expect(deposits).toEqual([])
  })

  test('a deposit that a restart interrupted is not made twice', async () => {
    await topUpBond(ports(0n, Promise.resolve(closed)), ETHER)
    const again = ports(0n)
    await topUpBond(again, ETHER)
    expect(again.deposits).toEqual([])
    expect(again.lines.join()).toContain('may still be under way')
    // The outbox has finished it by now.
    await topUpBond(ports(ETHER), ETHER)
    const later = ports(ETHER / 2n)
    await topUpBond(later, ETHER)
    expect(later.deposits).toEqual([[alice, 'prover', ETHER / 2n]])
  })

  test('a deposit the chain refused can be tried again', async () => {
    const refused: Sent = { kind: 'dropped', reason: 'reverted', detail: 'no money' }
    const { lines, ...given } = ports(0n, Promise.resolve(refused))
    await topUpBond(given, ETHER)
    expect(lines.join()).toContain('the bond was not deposited')
    expect(await readdir(folder)).toEqual([])
  })
})
