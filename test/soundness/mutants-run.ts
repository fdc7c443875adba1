/** The hunt for mutants from beginning to end, which goes on where it stopped. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KnobCircuit } from './knobs.ts'
import type { Mutant } from './mutable-circuit.ts'
import {
  honestInputs,
  lies,
  MutantHunt,
  type Named,
  SHAPE,
  spoil,
  underAnotherTag,
} from './mutants.ts'
import { reasonOf } from './preserved.ts'

/** Where a value is off, another thing may have to be so, too: the other way round. */
const OFF = [1n, -1n]

export async function runMutants({
  lines,
  kinds,
  isFresh,
  isDeep,
  say,
}: {
  /** `file:from-to`: only mutants of these lines. */
  readonly lines: string | null
  /** How many kinds of entry are spoiled. */
  readonly kinds: number
  /** Forgets what an earlier run caught. */
  readonly isFresh: boolean
  /** Also values that are off in spoiled inputs: hours. */
  readonly isDeep: boolean
  readonly say: (line: string) => void
}): Promise<string[]> {
  say('compiling the circuit with knobs ...')
  const circuit = new KnobCircuit(SHAPE.depth)
  const state = join(circuit.folder, 'caught.json')
  if (isFresh) rmSync(state, { force: true })
  const read = (): Record<string, string> =>
    existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')) : {}
  const before = read()
  const wanted = circuit.mutants.filter((mutant) => isIn(mutant, lines))
  const hunt = new MutantHunt(circuit, wanted)
  for (const mutant of wanted) if (mutant.knob in before) hunt.take(mutant, before[mutant.knob]!)
  say(`${wanted.length} mutants, ${hunt.caught.size} caught before`)
  const save = (): void => {
    const caught = [...hunt.caught].map(([knob, { by }]) => [knob, by])
    // Another run may ask about other lines.
    writeFileSync(state, JSON.stringify({ ...read(), ...Object.fromEntries(caught) }, null, 1))
  }
  const told = (what: string): void => {
    save()
    say(`${what}: ${hunt.open.length} of ${wanted.length} left`)
  }
  const all = honestInputs()
  const rank = ({ name }: Named) =>
    (telling.indexOf(name) + telling.length + 1) % (telling.length + 1)
  const honest = all.toSorted((a, b) => rank(a) - rank(b)).slice(0, kinds)
  await hunting(hunt, honest, isDeep, told)
  circuit.close()
  return summary(hunt, say)
}

const isIn = ({ file, line }: Mutant, lines: string | null): boolean => {
  if (lines === null) return true
  const [name, range = ''] = lines.split(':')
  const [from, to = from] = range.split('-').map(Number)
  return file === name && (range === '' || (line >= from! && line <= to!))
}

/** Kinds that between them use everything. They come first, and alone where it takes long. */
const telling: readonly string[] = [
  ...['a signed withdrawal', 'a send of the owner to another rollup', 'an answer'],
  ...['a signed send to another rollup', 'not-owner with too little', 'no-account'],
  ...['what a rollup of another program sends', 'no-payee', 'a withdrawal', 'no-place'],
  ...['a send of the owner', 'not-owner', 'a failure', 'a deposit'],
]

async function hunting(
  hunt: MutantHunt,
  honest: readonly Named[],
  isDeep: boolean,
  told: (what: string) => void,
) {
  const hasOpen = (...kinds: Mutant['kind'][]) => hunt.open.some(({ kind }) => kinds.includes(kind))
  for (const each of honest) {
    const off = hunt.open.filter(({ kind, knob }) => isOff(kind) && reasonOf(knob, hunt) === null)
    if (off.length === 0) break
    for (const mutant of off) {
      for (const by of OFF) await hunt.tryOff(mutant, { ...each, frozen: null }, by)
    }
    told(`values off in ${each.name}`)
  }
  if (hasOpen('check', 'call')) {
    for (const lie of lies()) await hunt.trySpoiled({ ...lie, frozen: null })
    for (const lie of nearLies()) await hunt.tryLie(lie)
    told('lies')
  }
  for (const each of honest) {
    if (!hasOpen('check', 'call')) break
    for (const spoiled of spoil(each)) await hunt.trySpoiled(spoiled)
    told(`spoiled ${each.name}`)
  }
  for (const mutant of hunt.open.filter(({ kind }) => isOff(kind))) {
    await hunt.tryOff(mutant, { ...underAnotherTag(), frozen: 'none' }, 1n)
  }
  if (!isDeep) return
  for (const each of honest.filter(({ name }) => telling.slice(0, DEEP_KINDS).includes(name))) {
    for (const spoiled of spoil(each)) {
      const off = hunt.open.filter(({ kind }) => isOff(kind))
      for (const mutant of off.filter(({ text }) => mayHelp(text, spoiled.name))) {
        for (const by of OFF) await hunt.tryOff(mutant, spoiled, by)
      }
    }
    told(`values off in ${each.name}, spoiled`)
  }
}

/** Of the telling ones. */
const DEEP_KINDS = 5

/** Whether a value that is off may want this spoiled as well. */
function mayHelp(text: string, name: string): boolean {
  if (/IsEqual|words\[7\]/.test(text)) return name.endsWith('no flags')
  return /<== flags/.test(text) === /: (no flags|flag|kind|reason)/.test(name)
}

/** Lies that are nearly true: a call fails for the reason its neighbour does. */
const nearLies = (): Named[] =>
  lies().filter(({ name }) => {
    const [failing, reason] = name.split(', mended, as ')
    return reason !== undefined && failing!.startsWith(reason)
  })

const isOff = (kind: Mutant['kind']): boolean => kind === 'value' || kind === 'input'

function summary(hunt: MutantHunt, say: (line: string) => void): string[] {
  const found: string[] = []
  let preserved = 0
  for (const mutant of hunt.open) {
    const { file, line, kind, text } = mutant
    const reason = reasonOf(mutant.knob, hunt)
    const what = `${file}:${line} (${kind}) ${text}`
    if (reason === null) found.push(`not caught: ${what}`)
    else {
      preserved += 1
      say(`needs no catching: ${what}: ${reason}`)
    }
  }
  say(`${hunt.caught.size} mutants caught, ${preserved} preserve soundness, ${found.length} open`)
  return found
}
