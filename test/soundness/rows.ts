/**
 * Every constraint and every wire of a circuit, over valid witnesses. A wire that is changed alone
 * by δ changes a row A·B − C by L·δ + Q·δ², where L and Q follow from the row's coefficients: so
 * which rows a wire can break, and whether any other value of it would do, is computed, not tried.
 */
import { FIELD_ORDER } from '#protocol/field'
// The reader of the key setup; GPL-3.0, like the circuit it reads.
import type { Constraint, R1cs, Terms } from '#prover-agent/circuits/binary-files'

const mod = (value: bigint) => {
  const rest = value % FIELD_ORDER
  return rest < 0n ? rest + FIELD_ORDER : rest
}

function inverse(value: bigint): bigint {
  let [a, b, x, y] = [value, FIELD_ORDER, 1n, 0n]
  while (a !== 0n) {
    const quotient = b / a
    ;[a, b] = [b - quotient * a, a]
    ;[x, y] = [y - quotient * x, x]
  }
  return mod(y)
}

const evaluate = (terms: Terms, wires: readonly bigint[]): bigint =>
  mod(terms.reduce((sum, [wire, coefficient]) => sum + coefficient * wires[wire]!, 0n))

/** The first row that does not hold, or null. */
export function brokenRow({ constraints }: R1cs, wires: readonly bigint[]): number | null {
  const at = constraints.findIndex(([a, b, c]) => {
    const product = evaluate(a, wires) * evaluate(b, wires)
    return mod(product - evaluate(c, wires)) !== 0n
  })
  return at < 0 ? null : at
}

/** What is known of a wire so far: undefined, it is free; a number, only that change would do. */
type Slack = undefined | bigint | 'pinned'

export type RowsResult = {
  /** Rows no wire of any of the witnesses breaks. */
  readonly unbroken: readonly number[]
  /** By witness: wires that can be anything; all in one row each, where they count zero times. */
  readonly hints: readonly number[]
  /** By witness: other wires that could have another value. */
  readonly loose: readonly (readonly number[])[]
  readonly rows: number
  readonly wires: number
}

/** Looks at some valid witnesses. @throws Error when one is not valid. */
export class RowsCheck {
  readonly #r1cs: R1cs
  readonly #unbroken: Set<number>
  readonly #hints: number[] = []
  readonly #loose: number[][] = []
  readonly #inverses = new Map<bigint, bigint>()

  constructor(r1cs: R1cs) {
    this.#r1cs = r1cs
    this.#unbroken = new Set(r1cs.constraints.keys())
  }

  add(wires: readonly bigint[]): void {
    const { constraints, wireCount } = this.#r1cs
    const slack = new Array<Slack>(wireCount).fill(undefined)
    const rowsOf = new Uint32Array(wireCount)
    for (const [at, row] of constraints.entries()) this.#look(at, row, wires, slack, rowsOf)
    let hints = 0
    const loose: number[] = []
    for (let wire = 1; wire < wireCount; wire++) {
      if (slack[wire] === 'pinned') continue
      if (slack[wire] === undefined && rowsOf[wire] === 1) hints += 1
      else loose.push(wire)
    }
    this.#hints.push(hints)
    this.#loose.push(loose)
  }

  #look(
    at: number,
    [a, b, c]: Constraint,
    wires: readonly bigint[],
    slack: Slack[],
    rowsOf: Uint32Array,
  ): void {
    const [left, right] = [evaluate(a, wires), evaluate(b, wires)]
    if (mod(left * right - evaluate(c, wires)) !== 0n) throw new Error(`row ${at} does not hold`)
    const parts = new Map<number, [bigint, bigint, bigint]>()
    for (const [part, terms] of [a, b, c].entries()) {
      for (const [wire, coefficient] of terms) {
        const of = parts.get(wire) ?? [0n, 0n, 0n]
        of[part] = coefficient
        parts.set(wire, of)
      }
    }
    for (const [wire, [inA, inB, inC]] of parts) {
      if (wire === 0) continue
      rowsOf[wire]! += 1
      const linear = mod(inA * right + inB * left - inC)
      const square = mod(inA * inB)
      if (linear === 0n && square === 0n) continue
      this.#unbroken.delete(at)
      slack[wire] = this.#narrow(slack[wire], linear, square)
    }
  }

  /** The change that the rows before and this one allow, if any. */
  #narrow(before: Slack, linear: bigint, square: bigint): Slack {
    if (before === 'pinned' || square === 0n || linear === 0n) return 'pinned'
    const inverted = this.#inverses.get(square) ?? inverse(square)
    this.#inverses.set(square, inverted)
    const change = mod(-linear * inverted)
    return before === undefined || before === change ? change : 'pinned'
  }

  result(): RowsResult {
    const { constraints, wireCount } = this.#r1cs
    return {
      unbroken: [...this.#unbroken],
      hints: this.#hints,
      loose: this.#loose,
      rows: constraints.length,
      wires: wireCount,
    }
  }
}
