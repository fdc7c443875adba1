/**
 * Ledger rollups for the table writer. Their states are kept by root, and shared: a payment from
 * one to another moves both.
 */
import type { EddsaSignature } from '#protocol/eddsa'
import { encodeInputs, witnessFor } from '#protocol/inputs'
import { applyAction, type EntryWitness } from '#protocol/ledger'
import type { LedgerContext, LedgerRefusal } from '#protocol/ledger-calls'
import type { CallFailure } from '#protocol/ledger-failures'
import { type Ledger, rootOf } from '#protocol/ledger-tree'
import type { Hex } from '#protocol/schema'
import { boundaries, type Segment } from '#protocol/segments'
import type { Action, Program, Table } from '#protocol/table'
import type { ProgramName } from '#protocol/words'
import type { StateTransition, Step, StepRefusal } from './state-transition.ts'

export type LedgerRollupsOptions = {
  /** Chain and registry, which signatures are bound to. */
  readonly context: LedgerContext
  /** One for each ledger. */
  readonly programs: readonly Program[]
  /** Of every ledger's tree. */
  readonly depth: number
  /** Where the ledgers stand. */
  readonly ledgers: readonly Ledger[]
  /** The signature of a rollup's own transaction (L2TX); null when there is none. */
  readonly signatureOf?: (action: Action) => EddsaSignature | null
}

/** States of ledgers, by rollup and root. Nothing in it is ever changed in place. */
export type LedgerRollups = {
  /** By rollup: for the writer. */
  readonly rollups: ReadonlyMap<bigint, StateTransition>
  /** The state of a root; null when it is not known. */
  readonly ledgerAt: (rollupId: bigint, root: Hex) => Ledger | null
  /** Takes a state up, from a file for example. @throws RangeError when its depth is another. */
  readonly keep: (ledger: Ledger) => void
  /**
   * L1 is at this root: forgets the rollup's other states.
   * @throws RangeError when the root is not known; then nothing is forgotten.
   */
  readonly adopt: (rollupId: bigint, root: Hex) => void
  /**
   * What the prover of one segment needs for the part of a table that a program answers for.
   * @param steps As the writer gives them, one for each entry.
   * @param index Of the segment.
   */
  readonly proofInputs: (
    table: Table,
    steps: readonly Step[],
    program: ProgramName,
    segments: readonly Segment[],
    index: number,
  ) => Uint8Array
}

const NO_WITNESS: EntryWitness = { acting: null, credited: null }

/** @throws RangeError when a ledger has no program or another depth. */
export function createLedgerRollups(options: LedgerRollupsOptions): LedgerRollups {
  const { programs, depth, ledgers, signatureOf = () => null } = options
  const states = new Map<bigint, Map<Hex, Ledger>>(
    programs.map(({ rollupId }) => [rollupId, new Map()]),
  )
  const ledgerAt = (rollupId: bigint, root: Hex) => states.get(rollupId)?.get(root) ?? null
  const keep = (ledger: Ledger): void => {
    const known = states.get(ledger.rollup)
    if (known === undefined) throw new RangeError(`rollup ${ledger.rollup} has no program`)
    if (ledger.depth !== depth) {
      const what = `the ledger of rollup ${ledger.rollup} has depth ${ledger.depth}`
      throw new RangeError(`${what}, not ${depth}`)
    }
    known.set(rootOf(ledger), ledger)
  }
  for (const ledger of ledgers) keep(ledger)

  /** The ledgers as the writer sees them: those at roots that are not known are left out. */
  const ledgersAt = (roots: ReadonlyMap<bigint, Hex>): Map<bigint, Ledger> => {
    const found = new Map<bigint, Ledger>()
    for (const [rollupId, root] of roots) {
      const ledger = ledgerAt(rollupId, root)
      if (ledger !== null) found.set(rollupId, ledger)
    }
    return found
  }
  const step = (
    rollupId: bigint,
    root: Hex,
    action: Action,
    liveRoots: ReadonlyMap<bigint, Hex>,
  ): Step | StepRefusal => {
    const own = ledgerAt(rollupId, root)
    if (own === null) return { refused: `it knows no state with the root ${root}` }
    const before = ledgersAt(liveRoots).set(rollupId, own)
    const signature = action.actionType === 'L2TX' ? signatureOf(action) : null
    const after = applyAction(before, options.context, action, signature)
    if (typeof after === 'string') return { refused: reasons[after] ?? after }
    for (const { rollupId: moved } of after.deltas) keep(after.ledgers.get(moved)!)
    const { deltas, next, witness, failure } = after
    return { deltas, next, witness, ...(failure === null ? {} : { failure: failures[failure] }) }
  }
  return {
    rollups: new Map(
      programs.map((program) => [
        program.rollupId,
        {
          program,
          step: async (root, action, liveRoots) => step(program.rollupId, root, action, liveRoots),
        },
      ]),
    ),
    ledgerAt,
    keep,
    adopt: (rollupId, root) => {
      const ledger = ledgerAt(rollupId, root)
      if (ledger === null) {
        throw new RangeError(`rollup ${rollupId} is at ${root}, a state that is not known here`)
      }
      states.set(rollupId, new Map([[root, ledger]]))
    },
    proofInputs: (table, steps, program, segments, index) => {
      const [from, to] = boundaries(segments).slice(index) as [number, number]
      const witnesses = steps
        .slice(from, to)
        .map(({ witness }, at) => witnessFor(table, program, from + at, witness ?? NO_WITNESS))
      const { programId } = program
      return encodeInputs({ programId, table, segments, index, depth, witnesses })
    },
  }
}

/** For people; what is left out says itself. */
const reasons: Partial<Record<LedgerRefusal, string>> = {
  'unknown-rollup': 'it pays to a ledger rollup that is not here',
  'unknown-account': 'there is no such account',
  'unknown-function': 'a key can sign no such transaction',
  'wrong-signature': 'the account’s key did not sign this transaction, with this nonce',
  'wrong-action': 'a ledger takes no such action',
  'same-account': 'an account cannot pay itself',
  'insufficient-balance': 'the account has too little money',
  'balance-overflow': 'the account would have too much money',
  'nothing-pending': 'it waits for no answer',
  'out-of-range': 'an amount is out of range',
}

/** For people: what an entry answers that its call failed. */
const failures: Readonly<Record<CallFailure, string>> = {
  'no-function': 'an account has no such function',
  'no-place': 'its address is none of this ledger',
  'no-account': 'there is no account at its address',
  'not-payable': 'the function takes no ether',
  'not-from-l1': 'only a call from L1 can withdraw',
  'not-owner': 'the caller does not own the account',
  'insufficient-balance': 'the account has too little money',
  'balance-overflow': 'the account would have too much money',
  'no-address': 'it withdraws to what is no address',
  'same-account': 'an account cannot pay itself',
  'no-payee-place': 'it pays to an address that is none of this ledger',
  'no-payee': 'it pays to where there is no account',
  'payee-overflow': 'the account it pays would have too much money',
}
