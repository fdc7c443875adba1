/**
 * Scripts for `test/contracts/Player.sol`: what a Player does when it is called, as data. The same
 * script can be written for any place the Players stand: a route says how one reaches another.
 */
import { concatHex, numberToHex, size } from 'viem/utils'
import type { Address, Hex } from '#protocol/schema'

/** A Player, by where it is at home. Rollup 0 is L1. */
export type Party = { readonly rollupId: bigint; readonly address: Address }

export type CallStep = {
  /** `call` and `static` revert as the callee does; `try` and `tryCall` go on either way. */
  readonly kind: 'call' | 'try' | 'static' | 'tryCall'
  readonly to: Party
  readonly valueWei: bigint
  readonly script: Script
}
export type ScriptStep =
  | CallStep
  | { readonly kind: 'write'; readonly slot: number; readonly word: bigint }
  | { readonly kind: 'read' | 'note'; readonly slot: number }
  | { readonly kind: 'balance' | 'revert' }
  /** Call data of what is no Player. */
  | { readonly kind: 'data'; readonly data: Hex }
export type Script = readonly ScriptStep[]

/** How Players reach each other. */
export type Route = {
  /** What `from` calls to call `to`. */
  readonly address: (from: Party, to: Party) => Address
  /** Where `tryCall` is; null: there is none, and a `tryCall` is a `try`. */
  readonly registry: Address | null
}

const opcodes = {
  write: 1,
  read: 2,
  call: 3,
  try: 4,
  static: 5,
  tryCall: 6,
  revert: 7,
  note: 8,
  balance: 9,
} as const

/** The call data of a script that `self` is to run. @throws when a part does not fit its size. */
export const encodeScript = (self: Party, script: Script, route: Route): Hex =>
  concatHex(script.map((step) => encodeStep(self, step, route)))

const bytes = (value: number | bigint, width: number): Hex => numberToHex(value, { size: width })
const opcode = (kind: keyof typeof opcodes): Hex => bytes(opcodes[kind], 1)

function encodeStep(self: Party, step: ScriptStep, route: Route): Hex {
  switch (step.kind) {
    case 'write':
      return concatHex([opcode('write'), bytes(step.slot, 1), bytes(step.word, 32)])
    case 'read':
    case 'note':
      return concatHex([opcode(step.kind), bytes(step.slot, 1)])
    case 'balance':
    case 'revert':
      return opcode(step.kind)
    case 'data':
      return step.data
    default:
      return encodeCall(self, step, route)
  }
}

function encodeCall(self: Party, { kind, to, valueWei, script }: CallStep, route: Route): Hex {
  const inner = encodeScript(to, script, route)
  const end = [bytes(size(inner), 2), inner]
  if (kind === 'static') {
    return concatHex([opcode('static'), route.address(self, to), ...end])
  }
  const value = bytes(valueWei, 16)
  if (kind === 'tryCall' && route.registry !== null) {
    const { rollupId, address } = to
    const callee = [bytes(rollupId, 8), address]
    return concatHex([opcode('tryCall'), route.registry, ...callee, value, ...end])
  }
  const name = kind === 'call' ? 'call' : 'try'
  return concatHex([opcode(name), route.address(self, to), value, ...end])
}
