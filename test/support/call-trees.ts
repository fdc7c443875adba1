/**
 * Random trees of calls between Players of L1 and of rollups. The same seed gives the same tree.
 *
 * A tree is what one Player of L1 does; it tries whatever it calls, so the transaction itself
 * passes, and notes the hash of everything it was answered.
 */
import type { CallStep, Party, Script, ScriptStep } from './script.ts'

/** Slots scripts write to, and the one the whole tree's hash is noted in. */
export const SLOTS = [0, 1, 2, 3] as const
export const NOTE_SLOT = 9

/** Calls from the outermost Player to the innermost. */
const MAX_DEPTH = 5
const MAX_CALLS = 14
const MIN_CALLS = 3
/** More than anybody has. Wei. */
const TOO_MUCH_WEI = 10n ** 24n

/** Numbers below a bound, the same for the same seed (mulberry32). */
function createDice(seed: number): (bound: number) => number {
  let state = seed >>> 0
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

/**
 * A tree of calls.
 *
 * @param parties All Players; the first is the outermost, of L1, and some are of rollups.
 * @returns The first Player's script.
 */
export function callTree(seed: number, parties: readonly Party[]): Script {
  return new Grower(seed, parties).tree()
}

class Grower {
  readonly #roll: (bound: number) => number
  readonly #parties: readonly Party[]
  #callsLeft: number

  constructor(seed: number, parties: readonly Party[]) {
    this.#roll = createDice(seed)
    this.#parties = parties
    this.#callsLeft = MIN_CALLS + this.#roll(MAX_CALLS - MIN_CALLS + 1)
  }

  tree(): Script {
    const [first] = this.#parties as [Party, ...Party[]]
    const rollups = this.#parties.filter(({ rollupId }) => rollupId !== 0n)
    const steps: ScriptStep[] = [{ ...this.#call(first, this.#pick(rollups), 1), valueWei: 1n }]
    while (this.#callsLeft > 0 && steps.length < 4)
      steps.push(this.#call(first, this.#other(first), 1))
    // The outermost Player goes on whatever happens.
    const tried = steps.map((step) =>
      step.kind === 'call' ? { ...step, kind: 'try' as const } : step,
    )
    const safe = tried.filter(({ kind }) => kind !== 'static')
    return [...safe, { kind: 'note', slot: NOTE_SLOT }]
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#roll(from.length)]!
  }

  #isOneIn(times: number): boolean {
    return this.#roll(times) === 0
  }

  #other(self: Party): Party {
    return this.#pick(this.#parties.filter((party) => party !== self))
  }

  #script(self: Party, depth: number): Script {
    const steps: ScriptStep[] = []
    const count = 1 + this.#roll(4)
    for (let at = 0; at < count; at++) {
      const goesOn = depth < MAX_DEPTH && this.#callsLeft > 0 && this.#roll(100) < 60
      steps.push(goesOn ? this.#call(self, this.#other(self), depth + 1) : this.#plain())
    }
    if (this.#roll(100) < 28) steps.push({ kind: 'revert' })
    return steps
  }

  #plain(): ScriptStep {
    const slot = this.#pick(SLOTS)
    if (this.#isOneIn(3)) return { kind: 'write', slot, word: BigInt(this.#roll(1 << 16)) }
    if (this.#isOneIn(3)) return { kind: 'note', slot }
    return this.#look()
  }

  #look(): ScriptStep {
    return this.#isOneIn(2) ? { kind: 'read', slot: this.#pick(SLOTS) } : { kind: 'balance' }
  }

  #call(self: Party, to: Party, depth: number): CallStep {
    this.#callsLeft -= 1
    if (depth > 1 && this.#isOneIn(8)) {
      return { kind: 'static', to, valueWei: 0n, script: this.#reading(to) }
    }
    const isTry = this.#isOneIn(2)
    const isTryCall = isTry && self.rollupId === 0n && to.rollupId !== 0n && this.#isOneIn(2)
    const kind = isTryCall ? 'tryCall' : isTry ? 'try' : 'call'
    const valueWei = this.#value(isTryCall)
    return { kind, to, valueWei, script: this.#script(to, depth) }
  }

  #value(isTryCall: boolean): bigint {
    if (this.#isOneIn(3)) return 0n
    // A `tryCall` that cannot be paid is no call: the registry is not reached.
    if (!isTryCall && this.#isOneIn(20)) return TOO_MUCH_WEI
    return BigInt(1 + this.#roll(20))
  }

  /** What a static call asks for: looks, at home only. */
  #reading(self: Party): Script {
    const steps: ScriptStep[] = [this.#look()]
    const peers = this.#parties.filter((one) => one !== self && one.rollupId === self.rollupId)
    if (peers.length > 0 && this.#isOneIn(3)) {
      const to = this.#pick(peers)
      steps.push({ kind: 'static', to, valueWei: 0n, script: [this.#look()] })
    }
    if (this.#isOneIn(4)) steps.push({ kind: 'revert' })
    return steps
  }
}
