/** The circuit with knobs, compiled, and what it says of an input when some are turned. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { FIELD_ORDER } from '#protocol/field'
import { HEADER_WORDS } from '#protocol/words'
import { ROOT } from '#prover-agent/circuits/shapes'
import type { CircuitInput } from '#prover-agent/circuits/witness'
import { Circuit } from '#test/support/circuit-process'
import { type Mutant, mutableCircuit } from './mutable-circuit.ts'

const resolve = createRequire(import.meta.url).resolve
const compiler = join(dirname(resolve('circom2/package.json')), 'cli.js')
const library = join(dirname(resolve('circomlib/package.json')), 'circuits')

export const mod = (value: bigint): bigint => ((value % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER

/** By how much each check is missed, where it is; or where the circuit gave up. */
export type Looked = { readonly gaps: readonly Gap[] } | { readonly error: string }
export type Gap = {
  readonly mutant: Mutant
  /** In a loop. */
  readonly turn: number
  readonly by: bigint
}

type Probe = { readonly mutant: Mutant; readonly turn: number; readonly wire: number }

export class KnobCircuit {
  readonly mutants: readonly Mutant[]
  /** Of its files: another one for other sources. */
  readonly folder: string
  /** Knobs of what is told to the circuit and checked by it: by how much that is another thing. */
  readonly hints: readonly number[]
  readonly #count: number
  readonly #circuit: Circuit
  readonly #probes: readonly Probe[]

  /** Compiles it, unless that was done. About ten seconds. */
  constructor(depth: number) {
    const { sources, mutants, hints } = mutableCircuit(depth)
    const name = createHash('sha256')
      .update(JSON.stringify([...sources]))
      .digest('hex')
    const folder = join(ROOT, 'build', 'soundness', name.slice(0, 16))
    if (!existsSync(join(folder, 'done'))) compile(folder, sources)
    this.mutants = mutants
    this.hints = hints
    this.#count = mutants.length + hints.length
    this.folder = folder
    this.#circuit = new Circuit(join(folder, 'circuit_js', 'circuit.wasm'))
    this.#probes = probesOf(readFileSync(join(folder, 'circuit.sym'), 'utf8'), mutants)
  }

  close(): void {
    this.#circuit.close()
  }

  /** Whether a mutant takes an input: the knobs not given are at zero. */
  async accepts(input: CircuitInput, knobs: ReadonlyMap<number, bigint>): Promise<boolean> {
    return (await this.#circuit.ask(this.#with(input, knobs))) === 'accepted'
  }

  /** What every check says, with none in the way of another. */
  async look(input: CircuitInput, knobs: ReadonlyMap<number, bigint> = new Map()): Promise<Looked> {
    const all = new Map(knobs)
    for (const { knob, kind } of this.mutants) {
      if (kind === 'check' || kind === 'call') all.set(knob, 1n)
    }
    try {
      const wires = this.#probes.map(({ wire }) => wire)
      const values = await this.#circuit.wires(this.#with(input, all), wires)
      const gaps = this.#probes.map(({ mutant, turn }, at) => ({ mutant, turn, by: values[at]! }))
      return { gaps: gaps.filter(({ by }) => by !== 0n) }
    } catch (error) {
      return { error: String(error) }
    }
  }

  #with(input: CircuitInput, knobs: ReadonlyMap<number, bigint>): CircuitInput {
    const values = Array.from({ length: this.#count }, (_, knob) =>
      String(mod(knobs.get(knob) ?? 0n)),
    )
    return { ...input, knobs: values }
  }
}

function compile(folder: string, sources: ReadonlyMap<string, string>): void {
  mkdirSync(folder, { recursive: true })
  for (const [file, text] of sources) writeFileSync(join(folder, file), text)
  // Not simplified: every signal has a wire of its own.
  const options = ['--wasm', '--sym', '--O0', '-l', library, '-l', folder, '-o', folder]
  const args = [compiler, join(folder, 'circuit.circom'), ...options]
  const done = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`the circuit with knobs does not compile:\n${done.stdout}`)
  writeFileSync(join(folder, 'done'), '')
}

/** Checks of a template that is used many times count as one; each has its wires. */
function probesOf(sym: string, mutants: readonly Mutant[]): Probe[] {
  const byGap = new Map(mutants.map((mutant) => [mutant.gap, mutant]))
  return [...sym.matchAll(/^\d+,(\d+),\d+,.*\.(gap\d+)(?:\[(\d+)\])?$/gm)].map((found) => ({
    mutant: byGap.get(found[2]!)!,
    turn: Number(found[3] ?? 0),
    wire: Number(found[1]),
  }))
}

/** Where the parts of an entry begin among its words, and the names of places in them. */
const parts: Readonly<Record<string, number>> = { action: 0, next: 14, first: 28, second: 35 }
const actionPlaces = {
  ...{ TYPE: 0, ROLLUP: 1, DESTINATION: 2, VALUE: 3, FAILED: 4, SOURCE: 5, SOURCE_ROLLUP: 6 },
  ...{ SCOPE: 7, LENGTH: 8, HEAD: 9, DATA: 10, HASH: 13 },
}
const deltaPlaces = {
  ...{ ROLLUP: 1, PROGRAM: 1, BEFORE: 2, AFTER: 3, ETHER: 4, SENT: 5, RECEIVED: 6 },
}

/** The word a check is first about: `words` and its place, `p` or `y`; null for none. */
export function subjectOf({ mutant, turn }: Gap): { name: string; at: number } | null {
  const { text } = mutant
  const alone = /^(p|y) ===/.exec(text)
  if (alone !== null) return { name: alone[1]!, at: 0 }
  const found = /\b(action|next|first|second)\[([^\]]+)\]/.exec(text)
  if (found === null) return null
  const [, part, place] = found as unknown as [string, string, string]
  const isDelta = part === 'first' || part === 'second'
  const names: Readonly<Record<string, number>> = isDelta ? deltaPlaces : actionPlaces
  const at = place
    .split(/(?=[+-])/)
    .map((term) => term.replace(/\s/g, ''))
    .reduce((sum, term) => {
      const sign = term.startsWith('-') ? -1 : 1
      const name = term.replace(/^[+-]/, '')
      return sum + sign * (name === 'i' ? turn : (names[name] ?? Number(name)))
    }, 0)
  return { name: 'words', at: HEADER_WORDS + parts[part]! + at }
}
