/**
 * The rules and terms of a devnet, written down once: every node, the contracts and the builder's
 * requests get theirs from here.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Params } from '#protocol/params'
import { BLOCK_S } from './chain.ts'

/**
 * What differs from the network's parameters: windows of seconds, so that a slash is seen soon
 * after its job.
 */
export const devnetParams = {
  /** Four blocks to claim in; a receipt needs one or two. */
  claimWindowS: 4,
  commitWindowS: 3,
  slotS: BLOCK_S,
  maxJobMs: 60_000,
} as const satisfies Partial<Params>

/**
 * The contract wants more than the longest job and four claim windows: a round number above.
 * Seconds.
 */
const EXIT_DELAY_S = 90

/** The contracts' windows, as `ISettlement.Windows` has them. */
export const windows = {
  claimWindowS: devnetParams.claimWindowS,
  commitWindowS: devnetParams.commitWindowS,
  slotS: devnetParams.slotS,
  maxJobS: devnetParams.maxJobMs / 1_000,
  exitDelayS: EXIT_DELAY_S,
} as const

/** From a job's due time until a slash is allowed, with two blocks to be mined and seen. ms. */
export const SLASH_AFTER_MS = (2 * devnetParams.claimWindowS + 3) * 1_000

const GWEI = 10n ** 9n
const ETHER = 10n ** 18n
/** What a builder asks on a devnet. wei and ms. */
export const terms = {
  reserveWei: ETHER / 100n,
  bondWei: ETHER / 20n,
  /** A proof sells for about 3e13 wei here: a second past the promise costs a thirtieth of it. */
  latenessWeiPerMs: GWEI / 10n,
  softDueInMs: 6_000,
  /**
   * Of the first job: room for a silent winner and a backup, and short enough to watch the
   * slash.
   */
  firstDueInMs: 24_000,
  /** Of the others: provers that were called as backups may have a proof to finish before. */
  dueInMs: 30_000,
  /** All agents share this machine's processor: more of them at work on one job make each late. */
  backups: 1,
  /** anvil starts at one gwei, and its empty blocks only lower that. */
  claimBaseFeeCapWei: 2n * GWEI,
} as const

/** What each role puts in. wei. The bad prover's bond covers one job, so that it can win one. */
export const deposits = {
  escrowWei: 5n * ETHER,
  stakeWei: 10n * ETHER,
  bondWei: 20n * terms.bondWei,
  badBondWei: terms.bondWei,
} as const

/** Writes the files that nodes and deployment read. */
export async function writeGenesis(folder: string) {
  const paramsFile = join(folder, 'params.json')
  const windowsFile = join(folder, 'windows.json')
  await writeFile(paramsFile, `${JSON.stringify(devnetParams, null, 2)}\n`)
  await writeFile(windowsFile, `${JSON.stringify(windows, null, 2)}\n`)
  return { paramsFile, windowsFile }
}
