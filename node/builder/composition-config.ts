/** The settings of `proofwire table write` and `proofwire table send`. */
import { resolve } from 'node:path'
import type { Address, Hex } from '#protocol/schema'
import { MAX_ENTRIES } from '#protocol/table'
import { expandHome, type Key, type Values } from '../config.ts'
import { address, flag, integer, path, text, url, wei } from '../keys.ts'

/** Ledger rollups that one program and one file of accounts speak for. */
export type LedgerConfig = {
  /** Ids, ascending. */
  readonly rollups: readonly bigint[]
  readonly verifier: Address
  readonly programId: Hex
  /** Most entries of one proof: a longer table is cut, where its verifier has circuits for it. */
  readonly entries: number
  /** Depth of the account trees. */
  readonly depth: number
  /** File of the accounts at the start. */
  readonly accounts: string
  /** File of the EdDSA secret that signs the rollups' own transactions; null for none. */
  readonly key: string | null
}

/** A rollup that runs the EVM and whose owner answers for its entries with its signature. */
export type EvmConfig = {
  readonly rollupId: bigint
  /** Verifier of the owner's signatures. */
  readonly verifier: Address
  /** File of the owner's key. */
  readonly keyFile: string
  /** File of the state at the start. */
  readonly genesis: string
}

const hexBytes = <F = never>(options: {
  readonly doc: string
  readonly fallback?: F | Hex
}): Key<Hex | F> => ({
  doc: options.doc,
  fallback: options.fallback,
  fromText: (given) => given,
  read: (value) => {
    if (typeof value !== 'string' || !/^0x([0-9a-fA-F]{2})*$/.test(value))
      throw new RangeError('0x and two hex digits a byte')
    return value.toLowerCase() as Hex
  },
})

/** A table of the file, read field by field. */
const readFields = <T>(
  value: unknown,
  folder: string,
  readers: { readonly [N in keyof T]: (value: unknown, folder: string) => T[N] },
): T => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RangeError(`a table with ${Object.keys(readers).join(', ')}`)
  const given = value as Readonly<Record<string, unknown>>
  const unknown = Object.keys(given).find((name) => !(name in readers))
  if (unknown !== undefined)
    throw new RangeError(`a table without ${unknown}; it has ${Object.keys(readers).join(', ')}`)
  const names = Object.keys(readers) as (keyof T & string)[]
  const read = names.map((name) => {
    try {
      return [name, readers[name](given[name], folder)]
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new RangeError(`a table whose ${name} is ${error.message}`)
    }
  })
  return Object.fromEntries(read) as T
}

const isRollupId = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) > 0
const readRollupId = (value: unknown): bigint => {
  if (!isRollupId(value)) throw new RangeError('the id of a rollup, from 1')
  return BigInt(value)
}
const readRollupIds = (value: unknown): readonly bigint[] => {
  const isList = Array.isArray(value) && value.length > 0 && value.every(isRollupId)
  if (!isList || new Set(value).size < value.length)
    throw new RangeError('a list of ids of rollups, each once, as [1, 2]')
  return value.map(BigInt).sort((a, b) => (a < b ? -1 : 1))
}
const readHex =
  (bytes: number) =>
  (value: unknown): Hex => {
    const isHex = typeof value === 'string' && /^0x[0-9a-fA-F]*$/.test(value)
    if (!isHex || value.length !== 2 + 2 * bytes)
      throw new RangeError(`0x and ${2 * bytes} hex digits`)
    return value.toLowerCase() as Hex
  }
const readPath = (value: unknown, folder: string): string => {
  if (typeof value !== 'string' || value === '') throw new RangeError('a path')
  return resolve(folder, expandHome(value))
}
const readInteger =
  (min: number, max: number) =>
  (value: unknown): number => {
    const isIn = Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
    if (!isIn) throw new RangeError(`a whole number from ${min} to ${max}`)
    return value as number
  }

const noText = (): never => {
  throw new RangeError('set in the file: it is a table')
}

const ledger: Key<LedgerConfig | null> = {
  doc:
    'Ledger rollups of one program: their ids, verifier and program, depth of their trees, the ' +
    'file of their accounts at the start and, for transactions of the rollups themselves, key: a ' +
    'file of the EdDSA secret that signs them (64 hex digits). entries: most entries of one ' +
    'proof; smaller proofs are made sooner, on more machines. Default: 64.',
  fallback: null,
  example:
    '{ rollups = [1, 2], verifier = "0x0000000000000000000000000000000000000000", programId = ' +
    `"0x${'0'.repeat(64)}", entries = 8, depth = 16, accounts = "accounts.json" }`,
  fromText: noText,
  read: (value, { folder }) =>
    readFields<LedgerConfig>(value, folder, {
      rollups: readRollupIds,
      verifier: readHex(20),
      programId: readHex(32),
      entries: (given) => (given === undefined ? MAX_ENTRIES : readInteger(1, MAX_ENTRIES)(given)),
      depth: readInteger(1, 32),
      accounts: readPath,
      key: (path, folder) => (path === undefined ? null : readPath(path, folder)),
    }),
}

const evm: Key<readonly EvmConfig[]> = {
  doc: 'Rollups that run the EVM: id, verifier, key of the owner, and the state at the start.',
  fallback: [],
  fromText: noText,
  read: (value, { folder }) => {
    if (!Array.isArray(value)) throw new RangeError('a list of tables, each as [[evm]]')
    return value.map((one) =>
      readFields<EvmConfig>(one, folder, {
        rollupId: readRollupId,
        verifier: readHex(20),
        keyFile: readPath,
        genesis: readPath,
      }),
    )
  },
}

export const compositionKeys = {
  rpcUrl: url({
    doc:
      'JSON-RPC of an execution node of L1. debug_traceCall makes writing exact where contracts ' +
      'swallow errors; without it, eth_call is used.',
    schemes: ['http', 'https'],
    example: '"http://127.0.0.1:8545"',
  }),
  chainId: integer({
    doc: 'The chain that rpcUrl must serve.',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    example: '1',
  }),
  registry: address({
    doc: 'Address of the Rollups contract the table is posted to.',
    example: '"0x0000000000000000000000000000000000000000"',
  }),
  batchAccount: address({
    doc: 'Address of the BatchAccount the sender delegates to for its transaction (EIP-7702).',
    example: '"0x0000000000000000000000000000000000000000"',
  }),
  settlement: address({
    doc:
      'Address of the market’s Settlement: the transaction that posts the table pays its prover. ' +
      'Without it the prover settles the builder’s receipt.',
    fallback: null,
    example: '"0x0000000000000000000000000000000000000000"',
  }),
  doorUrl: url({
    doc: 'JSON-RPC door of a builder’s node, which asks the market for the ledger’s proof.',
    schemes: ['http', 'https'],
    fallback: 'http://127.0.0.1:4780',
  }),
  doorToken: text({
    doc: 'Token of the door, if it asks for one.',
    fallback: null,
    secret: true,
    example: '"0123456789abcdef0123456789abcdef"',
  }),
  keyFile: path({
    doc: 'Key of the sender: a Web3 keystore (version 3) or a file of 64 hex digits.',
    example: '"account.json"',
  }),
  passwordFile: path({
    doc: 'File whose first line is the password of keyFile. PROOFWIRE_PASSWORD does it too.',
    fallback: null,
    example: '"password.txt"',
  }),
  password: text({ doc: 'Password of keyFile.', fallback: null, secret: true, envOnly: true }),
  stateFolder: path({
    doc: 'Folder of the rollups’ states. One process at a time.',
    fallback: '~/.proofwire/rollups',
  }),
  ledger,
  evm,
  to: address({
    doc: 'Whom the transaction calls.',
    example: '"0x0000000000000000000000000000000000000000"',
  }),
  data: hexBytes({ doc: 'Call data of the transaction.', fallback: '0x' }),
  value: wei({ doc: 'Wei the transaction sends along.', fallback: 0n }),
  windowBlocks: integer({
    doc: 'For how many blocks from the next on the table can be posted: time to prove it.',
    fallback: 24,
    min: 1,
    max: 100_000,
  }),
  attempts: integer({
    doc: 'How often a fresh table is written when one went stale while it was proven.',
    fallback: 3,
    min: 1,
    max: 100,
  }),
  reserveWei: wei({
    doc: 'Most that is paid for a proof, wei; of a table in segments, for each of them.',
    fallback: 10_000_000_000_000_000n,
  }),
  maxReserveWei: wei({
    doc: 'Up to this the reserve is raised when nobody bids, wei. Default: it is not raised.',
    fallback: null,
    example: '"20000000000000000"',
  }),
  bondWei: wei({
    doc: 'Bond a prover puts behind its promise, wei; for each segment.',
    fallback: 100_000_000_000_000_000n,
  }),
  latenessWeiPerMs: wei({
    doc: 'What each ms after softDueInMs costs the prover, wei.',
    fallback: 0n,
  }),
  softDueInMs: integer({
    doc: 'From then on lateness costs the prover, ms from the request. Default: dueInMs.',
    fallback: null,
    min: 1,
    max: 172_800_000,
    example: '10000',
  }),
  dueInMs: integer({
    doc: 'When a proof is worth nothing any more, ms from the request.',
    fallback: 30_000,
    min: 1,
    max: 172_800_000,
  }),
  backups: integer({
    doc: 'Provers that stand in for the winner.',
    fallback: 1,
    min: 0,
    max: 3,
  }),
  claimBaseFeeCapWei: wei({
    doc: 'Base fee up to which a prover’s claim is refunded, wei.',
    fallback: 1_000_000_000n,
  }),
  output: path({
    doc: 'File the table’s canonical bytes are kept in.',
    fallback: null,
    example: '"transfer.table"',
  }),
  json: flag({ doc: 'Whether events are printed as JSON lines.', fallback: false }),
} as const

export type Composition = Values<typeof compositionKeys>

/** What is wrong with settings that each alone are right; for `readConfig`. */
export function checkComposition(
  values: Pick<Composition, 'ledger' | 'evm' | 'softDueInMs' | 'dueInMs'>,
): readonly string[] {
  const { ledger, evm, softDueInMs, dueInMs } = values
  const problems: string[] = []
  const ids = [...(ledger?.rollups ?? []), ...evm.map(({ rollupId }) => rollupId)]
  const twice = ids.find((id, index) => ids.indexOf(id) < index)
  if (ids.length === 0) problems.push('No rollup is named: set ledger, evm, or both in the file.')
  if (twice !== undefined) problems.push(`Rollup ${twice} is named twice: one of them must go.`)
  if (softDueInMs !== null && softDueInMs > dueInMs)
    problems.push(`softDueInMs ${softDueInMs} must be at most dueInMs ${dueInMs}.`)
  return problems
}
