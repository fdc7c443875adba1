/** An EVM rollup with Players, and the actions that reach it. */
import { artifact, buildContracts } from '#contracts/build'
import { proxyAddressOn } from '#node/builder/evm-gateway'
import { ownerProgramId } from '#node/builder/evm-owner'
import { createEvmRollup, type EvmRollup, type Genesis } from '#node/builder/evm-rollup'
import { isRefusedStep, type Step } from '#node/builder/state-transition'
import { fromHex } from '#protocol/field'
import { type Address, type Hex, ZERO_ADDRESS } from '#protocol/schema'
import { accountOf } from '#protocol/signature'
import type { Action, Entry, Table } from '#protocol/table'
import { ZERO_HASH } from '#protocol/table'
import { devKeys } from './anvil.ts'
import { playerCode } from './player.ts'
import { encodeScript, type Party, type Route, type Script } from './script.ts'

const address = (digit: string): Address => `0x${digit.repeat(40)}`

export const CHAIN_ID = 31_337
export const VENUE = address('5')
export const VERIFIER = address('6')
export const ownerKey = devKeys[0]!
/** Two Players of the rollup, one of L1, one of another rollup. */
export const ann: Party = { rollupId: 1n, address: address('a') }
export const bob: Party = { rollupId: 1n, address: address('b') }
export const onL1: Party = { rollupId: 0n, address: address('1') }
export const elsewhere: Party = { rollupId: 2n, address: address('2') }

buildContracts()
export const proxyCode = artifact('CrossChainProxy').bytecode
const code = playerCode().runtime

export const proxyOf = ({ address: original, rollupId }: Party): Address =>
  proxyAddressOn(proxyCode, { original, rollupId })
const route: Route = {
  registry: null,
  address: (from, to) => (from.rollupId === to.rollupId ? to.address : proxyOf(to)),
}

/** Rollup 1. */
export const startRollup = (more: Genesis['accounts'] = [], key?: Hex): Promise<EvmRollup> =>
  createEvmRollup({
    program: {
      rollupId: 1n,
      verifier: VERIFIER,
      programId: ownerProgramId(accountOf(fromHex(ownerKey))),
    },
    chainId: CHAIN_ID,
    venue: VENUE,
    proxyCode,
    genesis: {
      accounts: [{ address: ann.address, code }, { address: bob.address, code }, ...more],
      proxies: [onL1, elsewhere].map((one) => ({
        original: one.address,
        rollupId: one.rollupId,
      })),
    },
    ...(key === undefined ? {} : { ownerKey: key }),
  })

/** A call from L1. */
export const callOf = (to: Party, script: Script, value = 0n): Action => ({
  actionType: 'CALL',
  rollupId: to.rollupId,
  destination: to.address,
  value,
  data: encodeScript(to, script, route),
  failed: false,
  sourceAddress: onL1.address,
  sourceRollup: 0n,
  scope: [],
})

/** The answer to a call that went out. */
export const answerTo = (call: Action, data: Hex = '0x', failed = false): Action => ({
  ...call,
  actionType: 'RESULT',
  rollupId: call.sourceRollup,
  sourceRollup: call.rollupId,
  destination: ZERO_ADDRESS,
  sourceAddress: ZERO_ADDRESS,
  value: failed ? call.value : 0n,
  data,
  failed,
})

/** What L1 makes of a REVERT of the frame that a call with this value opened. */
export const continued = (revert: Action, value: bigint): Action => ({
  ...revert,
  actionType: 'REVERT_CONTINUE',
  failed: true,
  value,
})

export type Taken = { readonly entry: Entry; readonly root: Hex; readonly next: Action }

/** A step the rollup takes. @throws with its words when it refuses. */
export async function take(rollup: EvmRollup, root: Hex, action: Action): Promise<Taken> {
  const step = await rollup.step(root, action)
  if (isRefusedStep(step)) throw new Error(step.refused)
  const { deltas, next } = step as Step
  return { entry: { deltas, action, next }, root: deltas[0]!.rootAfter, next }
}

/** A table of what was taken. */
export const tableOf = (rollup: EvmRollup, taken: readonly Taken[]): Table => ({
  chainId: CHAIN_ID,
  venue: VENUE,
  executor: ZERO_ADDRESS,
  firstBlock: 1,
  lastBlock: 2,
  parentHash: ZERO_HASH,
  programs: [rollup.program],
  entries: taken.map(({ entry }) => entry),
})
