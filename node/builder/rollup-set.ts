/**
 * The rollups a composer writes tables for, with their states: taken from the state folder at the
 * roots L1 names, or from the files of the start, and written there before anything is sent.
 */
import { readFile } from 'node:fs/promises'
import type { Ledger } from '#protocol/ledger-tree'
import type { Address, Hex } from '#protocol/schema'
import type { CircuitKey, Segment } from '#protocol/segments'
import type { Program, Table } from '#protocol/table'
import type { ProgramName } from '#protocol/words'
import { loadAccount } from '../keyfile.ts'
import type { ProgramProof } from './batch.ts'
import type { EvmConfig, LedgerConfig } from './composition-config.ts'
import type { EvmRollup } from './evm-rollup.ts'
import type { L1 } from './l1.ts'
import type { LedgerRollups } from './ledger-rollup.ts'
import { StateError, type StateFolder } from './state-folder.ts'
import type { StateTransition, Step } from './state-transition.ts'

/** One rollup's states, whatever they are made of. */
type Kept = {
  readonly transition: StateTransition
  /** Whether the state of a root is at hand. */
  readonly has: (root: Hex) => boolean
  /** Takes what `textOf` gave. @throws when it is not the state of this root. */
  readonly take: (text: string, root: Hex) => Promise<void>
  readonly textOf: (root: Hex) => Promise<string>
  /** The owner's proof, where the owner is here; null where the market proves. */
  readonly prove: ((table: Table) => Promise<Hex>) | null
}

/** The program that the market proves for the ledgers. */
export type LedgerProgram = ProgramName & {
  /** The verifier's circuits; null where it takes proofs of whole tables. */
  readonly keys: readonly CircuitKey[] | null
  /** Of one proof. */
  readonly mostEntries: number
}

export type RollupSet = {
  /** By id: for the writer. */
  readonly transitions: ReadonlyMap<bigint, StateTransition>
  /** What the market proves; null without ledger rollups. */
  readonly ledger: LedgerProgram | null
  /**
   * Takes up the states L1 names. @returns their roots.
   * @throws StateError when nobody here has one, or a program is not the registry's.
   */
  readonly adopt: (l1: L1) => Promise<Map<bigint, Hex>>
  /** Keeps every state a table leads to. @throws StateError */
  readonly keep: (table: Table) => Promise<void>
  /** What the market's prover of one segment needs. */
  readonly proofInputs: (
    table: Table,
    steps: readonly Step[],
    segments: readonly Segment[],
    index: number,
  ) => Uint8Array
  /** Proofs by owners who are here, by verifier and program. @throws StateError */
  readonly ownerProofs: (table: Table) => Promise<Map<string, Pick<ProgramProof, 'proof'>>>
}

export const programKey = ({ verifier, programId }: ProgramName): string =>
  `${verifier}${programId}`.toLowerCase()

type Place = { readonly chainId: number; readonly venue: Address }

/**
 * Loads the rollups of a composition.
 * @param keysOf The circuits of a verifier; null where it has none.
 * @throws StateError, KeyfileError: a file cannot be used.
 */
export async function openRollups(
  { ledger, evm }: { readonly ledger: LedgerConfig | null; readonly evm: readonly EvmConfig[] },
  place: Place,
  states: StateFolder,
  keysOf: (verifier: Address) => Promise<readonly CircuitKey[] | null>,
): Promise<RollupSet> {
  const kept = new Map<bigint, Kept>()
  let ledgers: LedgerRollups | null = null
  if (ledger !== null) {
    ledgers = await openLedgers(ledger, place)
    for (const rollupId of ledger.rollups) kept.set(rollupId, await keptLedger(ledgers, rollupId))
  }
  for (const one of evm) kept.set(one.rollupId, keptEvm(await openEvm(one, place)))
  return {
    transitions: new Map([...kept].map(([id, { transition }]) => [id, transition])),
    ledger: ledger === null ? null : await programOf(ledger, keysOf),
    adopt: (l1) => adoptAll(kept, l1, states),
    keep: (table) => keepAll(kept, table, states),
    proofInputs: (table, steps, segments, index) =>
      ledgers!.proofInputs(table, steps, ledger!, segments, index),
    ownerProofs: (table) => ownerProofs(kept, table),
  }
}

async function programOf(
  { verifier, programId, entries }: LedgerConfig,
  keysOf: (verifier: Address) => Promise<readonly CircuitKey[] | null>,
): Promise<LedgerProgram> {
  return { verifier, programId, keys: await keysOf(verifier), mostEntries: entries }
}

async function openLedgers(config: LedgerConfig, context: Place): Promise<LedgerRollups> {
  const [{ createLedgerRollups }, { readLedgers }, { signerOf }] = await Promise.all([
    import('./ledger-rollup.ts'),
    import('./ledger-file.ts'),
    import('./ledger-signer.ts'),
  ])
  const { rollups, verifier, programId, depth, accounts, key } = config
  const programs = rollups.map((rollupId): Program => ({ rollupId, verifier, programId }))
  const ledgers = await readLedgers(accounts, rollups, depth)
  /** Where L1 has them: an account signs its next transaction from there. */
  const live = new Map<bigint, Ledger | null>()
  const signatureOf = key === null ? null : signerOf(await readSecret(key), context, live)
  const made = createLedgerRollups({
    ...{ context, programs, depth, ledgers: [...ledgers.values()] },
    ...(signatureOf === null ? {} : { signatureOf }),
  })
  const adopt = (rollupId: bigint, root: Hex): void => {
    made.adopt(rollupId, root)
    live.set(rollupId, made.ledgerAt(rollupId, root))
  }
  return { ...made, adopt }
}

async function readSecret(file: string): Promise<Uint8Array> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new StateError(`ledger.key: cannot read ${file}: ${cause.message}.`, { cause })
  })
  const digits = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text.trim())?.[1]
  if (digits === undefined)
    throw new StateError(`ledger.key: ${file} is not an EdDSA secret of 64 hex digits.`)
  return new Uint8Array(Buffer.from(digits, 'hex'))
}

async function keptLedger(ledgers: LedgerRollups, rollupId: bigint): Promise<Kept> {
  const { ledgerText, parseLedger } = await import('./ledger-file.ts')
  return {
    transition: ledgers.rollups.get(rollupId)!,
    has: (root) => {
      if (ledgers.ledgerAt(rollupId, root) === null) return false
      ledgers.adopt(rollupId, root)
      return true
    },
    take: async (text, root) => ledgers.keep(parseLedger(text, root)),
    textOf: async (root) => ledgerText(ledgers.ledgerAt(rollupId, root)!),
    prove: null,
  }
}

async function openEvm(config: EvmConfig, { chainId, venue }: Place): Promise<EvmRollup> {
  const [{ createEvmRollup }, { readGenesis }, { ownerProgramId }, { artifact, buildContracts }] =
    await Promise.all([
      import('./evm-rollup.ts'),
      import('./genesis-file.ts'),
      import('./evm-owner.ts'),
      import('#contracts/build'),
    ])
  const { rollupId, verifier, keyFile, genesis } = config
  const owner = await loadAccount(keyFile)
  buildContracts()
  return createEvmRollup({
    program: { rollupId, verifier, programId: ownerProgramId(owner.address) },
    ...{ chainId, venue, proxyCode: artifact('CrossChainProxy').bytecode },
    genesis: await readGenesis(genesis),
    ownerKey: `0x${Buffer.from(owner.privateKey).toString('hex')}`,
  })
}

function keptEvm(rollup: EvmRollup): Kept {
  return {
    transition: rollup,
    has: (root) => {
      try {
        rollup.adopt(root)
        return true
      } catch {
        return false
      }
    },
    take: async (text, root) => {
      const taken = await rollup.importState(text)
      if (taken !== root) throw new StateError(`the kept state ${root} has the root ${taken}.`)
    },
    textOf: (root) => rollup.exportState(root),
    prove: async (table) => {
      const proof = await rollup.prove(table)
      if (!('refused' in proof)) return proof.proof
      const what = `the owner of rollup ${rollup.program.rollupId} does not sign the table`
      throw new StateError(`${what}: ${proof.refused}.`)
    },
  }
}

async function adoptAll(
  kept: ReadonlyMap<bigint, Kept>,
  l1: L1,
  states: StateFolder,
): Promise<Map<bigint, Hex>> {
  const roots = new Map<bigint, Hex>()
  for (const [rollupId, one] of kept) {
    const { stateRoot: root, verifier, programId } = await l1.rollupOf(rollupId)
    const { program } = one.transition
    if (programKey(program) !== programKey({ verifier, programId })) {
      const what = `rollup ${rollupId} is proven by ${programId} at ${verifier} in the registry`
      throw new StateError(`${what}; the settings say ${program.programId} at ${program.verifier}.`)
    }
    if (!one.has(root)) {
      const text = await states.load(rollupId, root)
      if (text === null) {
        const what = `rollup ${rollupId} is at ${root} on L1, a state nobody has here`
        const advice = 'Set stateFolder to the folder of who moved it, or mend its start file'
        throw new StateError(`${what}. ${advice}.`)
      }
      await one.take(text, root)
      one.has(root)
    }
    roots.set(rollupId, root)
  }
  return roots
}

/** Roots a table leads its rollups to. */
const lastRoots = ({ entries }: Table): Map<bigint, Hex> =>
  new Map(
    entries.flatMap(({ deltas }) =>
      deltas.map(({ rollupId, rootAfter }) => [rollupId, rootAfter] as const),
    ),
  )

async function keepAll(
  kept: ReadonlyMap<bigint, Kept>,
  table: Table,
  states: StateFolder,
): Promise<void> {
  for (const [rollupId, root] of lastRoots(table)) {
    await states.save(rollupId, root, await kept.get(rollupId)!.textOf(root))
    await states.prune(rollupId)
  }
}

async function ownerProofs(kept: ReadonlyMap<bigint, Kept>, table: Table) {
  const proofs = new Map<string, Pick<ProgramProof, 'proof'>>()
  for (const program of table.programs) {
    const prove = kept.get(program.rollupId)?.prove
    if (prove) proofs.set(programKey(program), { proof: await prove(table) })
  }
  return proofs
}
