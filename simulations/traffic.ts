/** What was seen of messages on their way: how fast they spread, how many copies, how far. */
import { Histogram } from './histogram.ts'

/** Delays up to eight seconds, to a quarter of a ms. */
const delays = (): Histogram => new Histogram(0.25, 32_768)

export class Traffic {
  /** From publishing to a node's first copy, of all messages and nodes. ms. */
  readonly propagation = delays()
  readonly byRegion: readonly Histogram[]
  /** First copies of each node, and copies beyond the first. */
  readonly firsts: Float64Array
  readonly copies: Float64Array
  /** Of each message that is over: which share of the nodes that were up heard it. */
  readonly reach = new Histogram(0.0005, 2_001)
  /** Messages that were not passed on where they came first, by refusal code. */
  readonly refused = new Map<string, number>()

  constructor(nodes: number, regions: number) {
    this.firsts = new Float64Array(nodes)
    this.copies = new Float64Array(nodes)
    this.byRegion = Array.from({ length: regions }, delays)
  }

  /** A node got its first copy of a message, so long after it was published. */
  heard(node: number, region: number, delayMs: number): void {
    this.firsts[node]! += 1
    this.propagation.add(delayMs)
    this.byRegion[region]!.add(delayMs)
  }

  refuse(code: string): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1)
  }

  /** Copies beyond the first, for each first one. */
  get duplicatesPerDelivery(): number {
    const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0)
    const firsts = sum(this.firsts)
    return firsts === 0 ? 0 : sum(this.copies) / firsts
  }
}
