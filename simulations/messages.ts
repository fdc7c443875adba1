/** Messages that are under way in the simulated network, and how far each has come at each node. */
import type { Gossiped } from '#protocol/effects'
import { startKey } from '#protocol/judge'
import type { Id } from '#protocol/schema'

/** What names the message that this one waits for; `null` for a request. */
export function awaitedBy(from: Gossiped): string | null {
  switch (from.kind) {
    case 'ProofRequest':
      return null
    case 'Bid':
    case 'Award':
      return from.message.requestId
    case 'Start':
      return from.message.awardId
    case 'Notice':
    case 'Receipt':
      return startKey(from.message)
    default:
      return from satisfies never
  }
}

/** What its signer may say one thing in. */
export function identityOf(from: Gossiped): string {
  switch (from.kind) {
    case 'ProofRequest':
      return `${from.kind}/${from.message.builder}/${from.message.nonce}`
    case 'Award':
      return `${from.kind}/${from.message.requestId}`
    default:
      return `${from.kind}/${from.message.requestId}/${from.message.prover}`
  }
}

/** How far a message has come at one node. */
export const State = {
  unheard: 0,
  /** A copy is on its way. */
  sent: 1,
  heard: 2,
  /** It waits for the message that it names. */
  held: 3,
  refused: 4,
  /** Accepted, and passed on. */
  taken: 5,
} as const

export type Message = {
  readonly index: number
  readonly from: Gossiped
  readonly topic: number
  readonly bytes: number
  /** Where it was published, and when. ms since the start. */
  readonly node: number
  readonly publishedAt: number
  /** By node, one of `State`. */
  readonly state: Uint8Array
  /** By node: when the first copy came, or will, as far as is known. ms since the start. */
  readonly arrival: Float64Array
  /** By node: the edge it came along. */
  readonly first: Int32Array
  /** All of its identity that are under way, itself among them, in order of their publishing. */
  readonly rivals: readonly Message[]
  /** The first of its identity, if that was still under way when this one was published. */
  readonly original: Message | null
  /** The one that it names, once that is known. */
  awaited: Message | null
  /** How many nodes have it. */
  heardBy: number
  /** Forgotten: its arrays are another's by now. */
  isOver: boolean
}

type Arrays = Pick<Message, 'state' | 'arrival' | 'first'>
type Held = { readonly message: Message; readonly since: number }

/** gossipsub knows a message again for two minutes. ms. */
const SEEN_MS = 120_000

export class MessageStore {
  readonly #nodes: number
  readonly #all: (Message | null)[] = []
  readonly #byName = new Map<string, Message>()
  readonly #byIdentity = new Map<string, Message[]>()
  readonly #byTopic = new Map<number, Message[]>()
  /** What waits for a message of this name, by node. */
  readonly #held = new Map<string, Map<number, Held[]>>()
  /** Messages that are over, and when they were published. ms since the start. */
  readonly #gone = new Map<Id, number>()
  /** Names of messages that are over and that others may name still: a few for each job. */
  readonly #past = new Set<string>()
  /** Arrays of messages that are over. */
  readonly #spare: Arrays[] = []

  constructor(nodes: number) {
    this.#nodes = nodes
  }

  at(index: number): Message | null {
    return this.#all[index] ?? null
  }

  find(from: Gossiped): Message | undefined {
    return this.#byName.get(from.id)
  }

  byName(name: string): Message | undefined {
    return this.#byName.get(name)
  }

  add(what: Pick<Message, 'from' | 'topic' | 'bytes' | 'node' | 'publishedAt'>): Message {
    const { state, arrival, first } = this.#spare.pop() ?? {
      state: new Uint8Array(this.#nodes),
      arrival: new Float64Array(this.#nodes),
      first: new Int32Array(this.#nodes),
    }
    state.fill(State.unheard)
    arrival.fill(Number.POSITIVE_INFINITY)
    first.fill(-1)
    const index = this.#all.length
    const identity = identityOf(what.from)
    const rivals = this.#byIdentity.get(identity) ?? []
    this.#byIdentity.set(identity, rivals)
    const original = rivals[0]?.original ?? rivals[0] ?? null
    const message: Message = {
      ...what,
      ...{ index, state, arrival, first, rivals, original },
      ...{ awaited: null, heardBy: 1, isOver: false },
    }
    this.#all.push(message)
    rivals.push(message)
    // An earlier one keeps its name.
    for (const name of namesOf(what.from))
      if (!this.#byName.has(name)) this.#byName.set(name, message)
    const ofTopic = this.#byTopic.get(what.topic)
    if (ofTopic) ofTopic.push(message)
    else this.#byTopic.set(what.topic, [message])
    return message
  }

  /** Forgets a message, but that it was there. */
  remove(message: Message): void {
    const { from, index, state, arrival, first, topic, publishedAt } = message
    this.#all[index] = null
    message.isOver = true
    for (const name of namesOf(from)) {
      if (this.#byName.get(name) === message) this.#byName.delete(name)
      this.#held.delete(name)
      if (isNamed(from)) this.#past.add(name)
    }
    const identity = identityOf(from)
    const rivals = this.#byIdentity.get(identity) ?? []
    rivals.splice(rivals.indexOf(message), 1)
    if (rivals.length === 0) this.#byIdentity.delete(identity)
    const ofTopic = this.#byTopic.get(topic)!
    ofTopic.splice(ofTopic.indexOf(message), 1)
    this.#spare.push({ state, arrival, first })
    this.#gone.set(from.id, publishedAt)
  }

  /** Whether a message of this name went round, and is over. */
  isPast(name: string): boolean {
    return this.#past.has(name)
  }

  /** Whether a message that is over is still known by its id. `now`: ms since the start. */
  wasSeen(from: Gossiped, now: number): boolean {
    for (const [id, publishedAt] of this.#gone) {
      if (publishedAt >= now - SEEN_MS) break
      this.#gone.delete(id)
    }
    return this.#gone.has(from.id)
  }

  /** Of a topic, those published since. ms since the start. */
  recent(topic: number, since: number): readonly Message[] {
    return (this.#byTopic.get(topic) ?? []).filter(({ publishedAt }) => publishedAt >= since)
  }

  hold(message: Message, node: number, since: number): void {
    const name = awaitedBy(message.from)
    if (name === null) return
    const byNode = this.#held.get(name) ?? new Map<number, Held[]>()
    this.#held.set(name, byNode)
    byNode.set(node, [...(byNode.get(node) ?? []), { message, since }])
  }

  /** Takes out what waited at a node for this message. */
  release(message: Message, node: number): readonly Held[] {
    if (this.#held.size === 0) return []
    return namesOf(message.from).flatMap((name) => {
      const byNode = this.#held.get(name)
      const held = byNode?.get(node) ?? []
      byNode?.delete(node)
      return held.filter(({ message: { state } }) => state[node] === State.held)
    })
  }
}

/** Whether others name it. */
const isNamed = ({ kind }: Gossiped): boolean =>
  kind === 'ProofRequest' || kind === 'Award' || kind === 'Start'

const namesOf = (from: Gossiped): string[] =>
  from.kind === 'Start' ? [from.id, startKey(from.message)] : [from.id]
