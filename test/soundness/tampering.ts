/**
 * Valid inputs with a few things changed at random: words, flags, accounts, paths. Whatever the
 * circuit still accepts must be a true statement: an entry that the plain check takes, too.
 */
import { FIELD_ORDER, toHex, wordsToBytes } from '#protocol/field'
import { witnessFor } from '#protocol/inputs'
import { checkEntry } from '#protocol/ledger-check'
import { accountAddress } from '#protocol/ledger-tree'
import type { Hex } from '#protocol/schema'
import { type Action, actionTypes, type Entry, type Table, unpackScope } from '#protocol/table'
import { ENTRY_WORDS, HEADER_WORDS, type Shape, tableWords } from '#protocol/words'
import type { CircuitInput } from '#prover-agent/circuits/witness'
import { Random } from '#simulations/random'
import { inputOf, withWords, wordsOf } from '#test/support/circuit-claims'
import { failures } from '#test/support/ledger-failures'
import { type Operation, operations, otherProgram, program } from '#test/support/ledger-sample'

export type TamperingResult = {
  /** Changed inputs that were accepted and are true. */
  readonly accepted: number
  /** Those that are not. */
  readonly untrue: readonly string[]
}

export async function runTampering({
  calls,
  seed,
  shape,
  ask,
  progress = () => {},
}: {
  readonly calls: number
  readonly seed: number
  readonly shape: Shape
  readonly ask: (input: CircuitInput) => Promise<string>
  readonly progress?: (line: string) => void
}): Promise<TamperingResult> {
  const random = new Random(seed)
  const all = [...operations(shape.depth), ...failures(shape.depth)]
  const untrue: string[] = []
  let accepted = 0
  for (let at = 0; at < calls; at++) {
    const operation = random.pick(all)
    const honest = inputOf(operation.table, [operation.witness], shape)
    const changes: string[] = []
    let input = honest
    const count = 1 + random.index(3)
    for (let step = 0; step < count; step++) input = tamper(random, input, changes)
    if ((await ask(input)) === 'accepted') {
      if (isTrue(operation, input, shape.depth)) accepted += 1
      else untrue.push(`${operation.name}: ${changes.join(', ')}`)
    }
    if ((at + 1) % 200 === 0) progress(`${at + 1} of ${calls} changes, ${untrue.length} untrue`)
  }
  return { accepted, untrue }
}

function otherValue(random: Random, old: bigint): bigint {
  const choices = [old + 1n, old - 1n, 0n, 1n, old ^ 1n, old * 2n, -old, BigInt(random.index(20))]
  return ((random.pick(choices) % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER
}

/** One more change. The digest is made to fit, so that it is never what refuses. */
function tamper(random: Random, input: CircuitInput, changes: string[]): CircuitInput {
  if (random.chance(0.5)) {
    const words = wordsOf(input)
    const at = random.index(words.length)
    changes.push(`word ${at}`)
    return withWords(input, words.with(at, otherValue(random, words[at]!)))
  }
  const names = Object.keys(input).filter((name) => !['p', 'x', 'y', 'words'].includes(name))
  const name = random.chance(0.4) ? 'flags' : random.pick(names)
  const entries = input[name] as (string | string[])[]
  const entry = random.index(entries.length)
  const old = entries[entry]!
  changes.push(`${name} of entry ${entry}`)
  if (typeof old === 'string') {
    return { ...input, [name]: entries.with(entry, String(otherValue(random, BigInt(old)))) }
  }
  const at = random.index(old.length)
  const value =
    name === 'flags' ? (old[at] === '1' ? 0n : 1n) : otherValue(random, BigInt(old[at]!))
  return { ...input, [name]: entries.with(entry, old.with(at, String(value))) }
}

const PROGRAM_WORDS = [HEADER_WORDS + 29, HEADER_WORDS + 36] as const

/** Whether the words say what the plain check takes, with the accounts that are really there. */
function isTrue({ table, witness }: Operation, input: CircuitInput, depth: number): boolean {
  const words = wordsOf(input)
  const honest = tableWords(table, program)
  // Words of an entry the table has not, or of others' programs, are somebody else's to prove.
  if (honest.every((word, at) => word === words[at])) return true
  const isOurs = PROGRAM_WORDS.map((at) => words[at] === words[HEADER_WORDS - 1])
  if (!isOurs.includes(true)) return true
  const entry = entryOf(words.slice(HEADER_WORDS, HEADER_WORDS + ENTRY_WORDS), table)
  // No table has these words, so no contract hands them to a verifier.
  if (entry === null) return true
  const header = { chainId: Number(words[0]), venue: accountAddress(words[1]!) }
  const programs = entry.deltas.map(({ rollupId }, at) => ({
    ...(isOurs[at] === true ? program : otherProgram),
    rollupId,
  }))
  const said: Table = { ...table, ...header, programs, entries: [entry] }
  return checkEntry(said, program, depth, 0, witnessFor(said, program, 0, witness)) === null
}

function entryOf(words: readonly bigint[], table: Table): Entry | null {
  const [action, next] = [actionOf(words.slice(0, 14)), actionOf(words.slice(14, 28))]
  if (action === null || next === null) return null
  const deltas = table.entries[0]!.deltas.map((_, at) => {
    const [rollupId, , rootBefore, rootAfter, ether, sent, received] = words.slice(28 + 7 * at)
    const etherDelta = ether! > FIELD_ORDER / 2n ? ether! - FIELD_ORDER : ether!
    const hashes = [rootBefore, rootAfter, sent, received].map((word) => wordHex(word!))
    const [before, after, out, into] = hashes as [Hex, Hex, Hex, Hex]
    return {
      ...{ rollupId: rollupId!, etherDelta, rootBefore: before, rootAfter: after },
      ...{ sent: out, received: into },
    }
  })
  return { action, next, deltas }
}

const wordHex = (word: bigint): Hex => toHex(wordsToBytes([word]))

/** The action with these words; null where there is none. */
function actionOf(words: readonly bigint[]): Action | null {
  const [type, rollupId, destination, value, failed, source, sourceRollup, scope] = words as [
    ...[bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint],
  ]
  const actionType = actionTypes[Number(type) - 1]
  const steps = unpackScope(scope)
  const data = dataOf(words.slice(8))
  if (actionType === undefined || steps === null || data === null || failed > 1n) return null
  if (destination >> 160n !== 0n || source >> 160n !== 0n) return null
  return {
    ...{ actionType, rollupId, destination: accountAddress(destination), value, data },
    ...{ failed: failed === 1n, sourceAddress: accountAddress(source), sourceRollup },
    scope: steps,
  }
}

/** Data with these words; of longer data any that has the length, for nobody looks at it. */
function dataOf(words: readonly bigint[]): Hex | null {
  const [length, head, first, second, third] = words as [bigint, bigint, bigint, bigint, bigint]
  if (length > 4_096n) return null
  const bytes = Number(length)
  if (bytes > 127) return `0x${'5a'.repeat(bytes)}`
  const text = [first, second, third].map((word) => word.toString(16).padStart(64, '0')).join('')
  const headBytes = bytes % 32
  const headText = headBytes === 0 ? '' : head.toString(16).padStart(headBytes * 2, '0')
  return `0x${headText}${text}`.slice(0, 2 + 2 * bytes) as Hex
}
