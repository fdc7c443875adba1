/**
 * Brings the bond up to what the operator wants. A deposit asked for twice is paid twice, and after
 * a crash the chain's outbox finishes the first one: so each is noted in a file before it is asked
 * for, and while the note is there no other is made.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Chain } from '#node/chain'
import type { Log } from '#node/log'
import { readJson, writeAtomically } from './atomic-file.ts'

export type BondPorts = {
  readonly chain: {
    readonly account: Chain['account']
    readonly moneyOf: Chain['moneyOf']
    readonly funds: Pick<Chain['funds'], 'depositStake'>
  }
  readonly dataFolder: string
  readonly log: Log
}

/**
 * Deposits what is missing of `bondWei`, and resolves when it is mined.
 * @returns The active bond before, wei.
 * @throws what chain and disk throw.
 */
export async function topUpBond(
  { chain, dataFolder, log }: BondPorts,
  bondWei: bigint,
): Promise<bigint> {
  const note = join(dataFolder, 'bond-deposit.json')
  const { bond } = await chain.moneyOf(chain.account)
  const missingWei = bondWei - bond.activeWei
  if (missingWei <= 0n) {
    await rm(note, { force: true })
    log.info('bond', { bondWei: bond.activeWei })
    return bond.activeWei
  }
  if ((await readJson(note)) !== undefined) {
    const advice = `if it never comes, delete ${note} and start again`
    log.warn(`an earlier deposit may still be under way; ${advice}`, { bondWei: bond.activeWei })
    return bond.activeWei
  }
  log.info('depositing bond', { haveWei: bond.activeWei, wantWei: bondWei, missingWei })
  await writeAtomically(note, `${JSON.stringify({ missingWei: String(missingWei) })}\n`)
  const sent = await chain.funds.depositStake(chain.account, 'prover', missingWei)
  if (sent.kind === 'mined') log.info('bond deposited', { missingWei, transaction: sent.hash })
  else log.error('the bond was not deposited; is there enough ether on the account?', { ...sent })
  // Closed before it was mined: the outbox goes on with it at the next start.
  if (sent.kind === 'mined' || sent.reason !== 'closed') await rm(note, { force: true })
  return bond.activeWei
}
