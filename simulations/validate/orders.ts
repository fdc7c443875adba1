/** What the parent and the processes with the nodes say to each other. */
import type { GossipKind } from '#protocol/effects'
import type { Hex } from '#protocol/schema'
import type { Plan } from './plan.ts'

/** Where a node is reached, and how it is called. */
export type Door = { readonly port: number; readonly peerId: string; readonly peerKey: Hex }
export type NodeState = {
  readonly peers: readonly Hex[]
  readonly mesh: Readonly<Record<'ProofRequest' | 'Bid', number>>
}
export type Published = {
  readonly id: string
  readonly kind: GossipKind
  readonly node: number
  /** Real ms since the Unix epoch, with fractions. */
  readonly at: number
}
export type Received = {
  readonly id: string
  readonly node: number
  readonly firstAt: number
  /** Who sent the first. */
  readonly from: Hex
  readonly copies: number
}
/** What one process saw, and how busy it was since `begin`. */
export type Report = {
  readonly published: readonly Published[]
  readonly received: readonly Received[]
  /** Messages that were not accepted, and other mishaps, counted. */
  readonly refused: Readonly<Record<string, number>>
  /** Share of one core. */
  readonly cpuLoad: number
  /** How late the event loop was. ms. */
  readonly lagP50Ms: number
  readonly lagP99Ms: number
}

export type Order =
  /** Start this node; answered by its door. */
  | { readonly kind: 'start'; readonly plan: Plan; readonly node: number }
  /** Make this node's connections to those before it, given their doors. */
  | {
      readonly kind: 'join'
      readonly plan: Plan
      readonly node: number
      readonly doors: readonly Door[]
    }
  | { readonly kind: 'look' }
  /** From now on every sending takes as long as the plan says. */
  | { readonly kind: 'lengthen' }
  /** Measure from here; ask when the rounds come. Real ms since the Unix epoch. */
  | { readonly kind: 'begin'; readonly plan: Plan; readonly at: number }
  | { readonly kind: 'report' }
  | { readonly kind: 'stop' }

export type Answers = {
  readonly start: Door
  readonly join: null
  readonly look: Readonly<Record<number, NodeState>>
  readonly lengthen: null
  readonly begin: null
  readonly report: Report
  readonly stop: null
}

export type Asked = { readonly id: number; readonly order: Order }
export type Answered = { readonly id: number; readonly answer?: unknown; readonly error?: string }
