/**
 * The ledger's circuit with a knob for every constraint its own sources state. With all knobs at
 * zero it is the circuit; with one of them turned it is the circuit without that constraint, so all
 * mutants are compiled once:
 *
 *     A === B             gap <-- A - B; gap * (1 - knob) === 0      the knob 1: it may be anything
 *     Part()(x, …);       Part()(x * (1 - knob), …)                  the knob 1: nothing is asked
 *     x <== e             x <-- e + knob                             the knob is what x is off by
 *     x <== Part()(e)     x <== Part()(e + knob)                     and here what its input is
 *
 * In a loop the last two are off in one turn only.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '#prover-agent/circuits/shapes'

export type Mutant = {
  readonly knob: number
  readonly file: string
  /** In that file, from 1. */
  readonly line: number
  readonly kind: 'check' | 'call' | 'value' | 'input'
  readonly text: string
  /** Of a check: the signal that says by how much it is missed; with its turns in a loop. */
  readonly gap: string | null
}

const FOLDER = join(ROOT, 'prover-agent', 'circuits')
const files = ['ledger-parts.circom', 'ledger-entry.circom', 'table.circom'] as const

/** Our templates, which have knobs, and how a part asks nothing: by argument, what stands in. */
const own = ['AccountLeaf', 'LeafUpdate', 'Differ', 'DifferInOne', 'Authorisation', 'Above']
const idle: Readonly<Record<string, (args: string[], off: string) => string[]>> = {
  Num2Bits: ([value], off) => [`(${value}) * ${off}`],
  BabyCheck: ([x, y], off) => [`(${x}) * ${off}`, `((${y}) - 1) * ${off} + 1`],
  EdDSAPoseidonVerifier: ([enabled, ...rest], off) => [`(${enabled}) * ${off}`, ...rest],
  Differ: ([asked, ...rest], off) => [`(${asked}) * ${off}`, ...rest],
  DifferInOne: ([asked, ...rest], off) => [`(${asked}) * ${off}`, ...rest],
  Above: (args, off) => args.map((one) => `(${one}) * ${off}`),
  Authorisation: ([signed, ...rest], off) => [`(${signed}) * ${off}`, ...rest],
}

/** Parts of a text at commas that are in no bracket. */
function split(text: string): string[] {
  const parts = ['']
  let depth = 0
  for (const char of text) {
    if ('([{'.includes(char)) depth += 1
    if (')]}'.includes(char)) depth -= 1
    if (char === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += char
  }
  return parts.map((part) => part.trim())
}

type PartCall = { readonly name: string; readonly sizes: string; readonly args: string[] }

/** `Part(sizes)(arguments)`, or null for any other text. */
function readPart(text: string): PartCall | null {
  const found = /^([A-Z]\w*)\(([^()]*)\)\(([\s\S]*)\)$/.exec(text.trim())
  return found === null ? null : { name: found[1]!, sizes: found[2]!, args: split(found[3]!) }
}

type Loop = {
  readonly variable: string
  readonly turns: string
  /** Signals that are needed before it, one for each turn. */
  readonly gaps: string[]
  /** What stands for their declarations until all are known. */
  readonly mark: string
}

class Rewriter {
  readonly mutants: Mutant[] = []
  hints = 0
  #file = ''
  #line = 0
  #loops: (Loop | null)[] = []
  readonly #all: Loop[] = []

  /** The file with knobs. `COUNT` stands for how many there are. */
  rewrite(file: string, source: string): string {
    this.#file = file
    const text = source.replace(/\/\/[^\n]*/g, '')
    const written: string[] = []
    let start = 0
    for (let at = 0; at < text.length; at++) {
      const char = text[at]!
      if (char === ';' && !/^\s*for \(/.test(text.slice(start, at))) {
        written.push(`${this.#statement(text, start, at)};\n`)
        start = at + 1
      } else if (char === '{' || char === '}') {
        written.push(this.#block(text.slice(start, at).trim(), char))
        start = at + 1
      }
    }
    const declared = ({ gaps, turns }: Loop) =>
      gaps.map((gap) => `signal ${gap}[${turns}];\n`).join('')
    return this.#all.reduce((all, loop) => all.replace(loop.mark, declared(loop)), written.join(''))
  }

  #block(head: string, brace: string): string {
    if (brace === '}') {
      this.#loops.pop()
      return `${head}}\n`
    }
    if (head.startsWith('template')) {
      this.#loops.push(null)
      return `${head} {\nsignal input knobs[COUNT];\n`
    }
    const loop = /^for \(var (\w+) = ([^;]+); \w+ ([<>]=?) ([^;]+); \w+(\+\+|--)\)$/.exec(head)
    if (loop === null) {
      this.#loops.push(null)
      return `${head} {\n`
    }
    const [, variable, from, , until, step] = loop as unknown as string[]
    const last = step === '++' ? `${until} - 1` : '0'
    const turns = step === '++' ? until! : `${from} + 1`
    const mark = `/*loop ${this.#all.length}*/`
    const made = { variable: variable!, turns, gaps: [], mark }
    this.#loops.push(made)
    this.#all.push(made)
    return `${mark}${head} {\nvar last_${variable} = ${variable} == ${last} ? 1 : 0;\n`
  }

  #statement(text: string, start: number, end: number): string {
    const raw = text.slice(start, end)
    const lead = raw.length - raw.trimStart().length
    this.#line = text.slice(0, start + lead).split('\n').length
    const statement = raw.trim()
    if (statement.startsWith('var ') || statement.startsWith('include')) return statement
    if (statement.startsWith('pragma') || statement.startsWith('component')) return statement
    if (statement.includes('===')) return this.#check(statement)
    const bare = readPart(statement.replace(/^_ <== /, ''))
    if (bare !== null) return this.#call(bare, statement.startsWith('_ ') ? '_ <== ' : '')
    if (statement.includes('<==')) return this.#assignment(statement)
    return statement.includes('<--') ? this.#hint(statement) : statement
  }

  #mutant(kind: Mutant['kind'], text: string, gap: string | null = null): string {
    const knob = this.mutants.length
    const at = { file: this.#file, line: this.#line, text: text.replace(/\s+/g, ' ') }
    this.mutants.push({ knob, ...at, kind, gap })
    return `knobs[${knob}]`
  }

  /** Knobs of hints come behind all others. */
  #hint(statement: string): string {
    const [left, right] = statement.split('<--') as [string, string]
    return `${left}<-- (${right}) + knobs[HINT_${this.hints++}]`
  }

  #check(statement: string): string {
    const [left, right] = statement.split('===') as [string, string]
    const name = `gap${this.mutants.length}`
    const loop = this.#loops.findLast((one) => one !== null)
    const knob = this.#mutant('check', statement, name)
    const place = loop === undefined || loop === null ? name : `${name}[${loop.variable}]`
    const declared = place === name ? `signal ${name};\n` : ''
    if (place !== name) loop!.gaps.push(name)
    return `${declared}${place} <-- (${left}) - (${right});\n${place} * (1 - ${knob}) === 0`
  }

  #call({ name, sizes, args }: PartCall, before: string): string {
    const knob = this.#mutant('call', `${before}${name}(${sizes})(${args.join(', ')})`)
    const changed = idle[name]!(args, `(1 - ${knob})`)
    const all = own.includes(name) ? ['knobs', ...changed] : changed
    return `${before}${name}(${sizes})(${all.join(', ')})`
  }

  #off(knob: string): string {
    const loop = this.#loops.findLast((one) => one !== null)
    return loop === undefined || loop === null ? knob : `${knob} * last_${loop.variable}`
  }

  #assignment(statement: string): string {
    const at = statement.indexOf('<==')
    const [left, right] = [statement.slice(0, at).trim(), statement.slice(at + 3).trim()]
    const part = readPart(right)
    if (part !== null) return `${left} <== ${this.#part(part)}`
    // Whole arrays are handed on as they are: what the prover is free to choose anyway.
    if (/^entry\[i\]\.(flags|key|signature|siblings|creditedKey|creditedSiblings)$/.test(left)) {
      return statement
    }
    return `${left} <-- (${right}) + ${this.#off(this.#mutant('value', statement))}`
  }

  #part({ name, sizes, args }: PartCall): string {
    const changed = args.map((one) => this.#argument(name, one))
    const all = own.includes(name) ? ['knobs', ...changed] : changed
    return `${name}(${sizes})(${all.join(', ')})`
  }

  #argument(name: string, text: string): string {
    const nested = readPart(text)
    if (nested !== null) return this.#part(nested)
    if (text.startsWith('[')) {
      const elements = split(text.slice(1, -1))
      return `[${elements.map((one) => this.#argument(name, one)).join(', ')}]`
    }
    if (/^(siblings|key|creditedKey|creditedSiblings|data|signature|0)$/.test(text)) return text
    return `${text} + ${this.#off(this.#mutant('input', `${name}: ${text}`))}`
  }
}

/** The circuit with knobs, for one entry, as files; and what each knob is. */
export function mutableCircuit(depth: number): {
  readonly sources: ReadonlyMap<string, string>
  readonly mutants: readonly Mutant[]
  readonly hints: readonly number[]
} {
  const rewriter = new Rewriter()
  const sources = new Map<string, string>()
  for (const file of files) {
    sources.set(file, rewriter.rewrite(file, readFileSync(join(FOLDER, file), 'utf8')))
  }
  const { mutants } = rewriter
  const hints = Array.from({ length: rewriter.hints }, (_, at) => mutants.length + at)
  const count = String(mutants.length + hints.length)
  const main = `pragma circom 2.1.6;
include "table.circom";
component main {public [p, x, y]} = LedgerTable(1, ${depth});
`
  const handOn = 'entry[i] = LedgerEntry(depth);'
  for (const [file, text] of sources) {
    const whole = text
      .replaceAll('COUNT', count)
      .replace(/HINT_(\d+)/g, (_, at) => String(hints[Number(at)]))
    sources.set(file, whole.replace(handOn, `${handOn}\nentry[i].knobs <== knobs;`))
  }
  return { sources: sources.set('circuit.circom', main), mutants, hints }
}
