/**
 * gossipsub as production configures it (`node/gossip.ts`), for thousands of nodes: messages go
 * along the mesh once they are accepted, IDONTWANT spares large ones, heartbeats mend the mesh and
 * offer what was heard lately to peers outside of it, and rejected messages cost their sender its
 * place.
 *
 * A copy that can only come second is counted when it is sent and is no event: of seven copies a
 * node gets, one or two are simulated to their end.
 */
import type { Decision, Gossiped, Verdict } from '#protocol/effects'
import { envelopeBytes, gossipKinds } from '#protocol/envelope'
import type { Address, Id } from '#protocol/schema'
import type { Links } from './links.ts'
import { Mesh, type MeshLimits } from './mesh.ts'
import { awaitedBy, type Message, MessageStore, State } from './messages.ts'
import type { Listener, Network } from './network.ts'
import type { Random } from './random.ts'
import type { Place } from './regions.ts'
import type { Relays } from './relays.ts'
import { type Simulator, START_AT } from './simulator.ts'
import type { Graph } from './topology.ts'
import type { Traffic } from './traffic.ts'

export type GossipOptions = {
  readonly mesh: MeshLimits
  /** Whether a prover sends its bid to all its peers, its builder among them, or to its mesh. */
  readonly floodsBids: boolean
  /** Judging one new message, and looking at one more copy of it. ms of the node's one core. */
  readonly validationMs: number
  readonly copyMs: number
  /** How long a relay holds what overtook the message it names. ms. */
  readonly holdMs: number
}
/** Opening an envelope costs 50 µs of recovery, the rest is libp2p's (FACTS "Speeds"). */
export const defaultGossipCosts = { validationMs: 0.15, copyMs: 0.02 }

export type GossipParts = {
  readonly simulator: Simulator
  readonly random: Random
  readonly graph: Graph
  readonly places: readonly Place[]
  readonly links: Links
  readonly traffic: Traffic
  readonly options: GossipOptions
}

const HEARTBEAT_MS = 1_000
/** gossipsub offers what it heard in its last three heartbeats. ms. */
const OFFERED_MS = 3_000
/** To how many peers outside of the mesh, and to which share of them. */
const LAZY_PEERS = 6
const LAZY_SHARE = 0.25
/** IDONTWANT is sent for messages from this size on. Bytes. */
const IDONTWANT_BYTES = 512
/** A message is followed until nobody offers it any more. ms. */
const LIFE_MS = 8_000
/** Heartbeats stop this long after the last message: nothing would happen at them. ms. */
const QUIET_MS = 10_000
/**
 * Three rejected messages and a peer is not heard (10 × 3² = 90, above 80). Production takes half
 * of it back in a minute; whoever sends such messages goes on, so that is not modelled.
 */
const REJECTED_MOST = 2
const topicOf = new Map(gossipKinds.map((kind, topic) => [kind, topic]))

export class GossipNetwork implements Network {
  readonly #parts: GossipParts
  readonly mesh: Mesh
  readonly #messages: MessageStore
  readonly #listeners: (Listener | undefined)[]
  readonly #nodeOf = new Map<Address, number>()
  readonly #rejected: Uint8Array
  readonly #cpuFree: Float64Array
  readonly #phase: Float64Array
  readonly #isBeating: Uint8Array
  readonly #kinds: Readonly<
    Record<'deliver' | 'judge' | 'offer' | 'want' | 'beat' | 'expire', number>
  >
  #activeUntil = 0
  #relays: Relays | null = null
  /** How far each relay's clock is ahead. ms. */
  readonly clockOffsets: Int32Array
  /** Whether a node keeps a message to itself, whatever it thinks of it. */
  drops: ((node: number, from: Gossiped) => boolean) | null = null

  constructor(parts: GossipParts) {
    const { simulator, graph, random, links, options } = parts
    this.#parts = parts
    this.#rejected = new Uint8Array(graph.edges)
    const isUsable = (edge: number): boolean =>
      links.isOpen(edge) && this.#rejected[edge]! <= REJECTED_MOST
    this.mesh = new Mesh(graph, gossipKinds.length, random.fork(), options.mesh, isUsable)
    this.#messages = new MessageStore(graph.nodes)
    this.#listeners = Array.from({ length: graph.nodes })
    this.#cpuFree = new Float64Array(graph.nodes)
    this.#isBeating = new Uint8Array(graph.nodes)
    this.clockOffsets = new Int32Array(graph.nodes)
    this.#phase = Float64Array.from({ length: graph.nodes }, () => random.between(0, HEARTBEAT_MS))
    this.#kinds = {
      deliver: simulator.handle((message, edge) => this.#deliver(message, edge)),
      judge: simulator.handle((message, edge) => this.#judge(message, edge)),
      offer: simulator.handle((message, edge) => this.#offered(message, edge)),
      want: simulator.handle((message, edge) => this.#wanted(message, edge)),
      beat: simulator.handle((node) => this.#beat(node)),
      expire: simulator.handle((message) => this.#expire(message)),
    }
  }

  /** Grafts until every mesh is as heartbeats leave it: the network has been up for a while. */
  settleMeshes(rounds = 4): void {
    const { graph, random } = this.#parts
    const nodes = Array.from({ length: graph.nodes }, (_, node) => node)
    for (let round = 0; round < rounds; round++)
      for (const node of random.sample(nodes, nodes.length)) this.#mend(node)
    this.mesh.forget(Number.POSITIVE_INFINITY)
  }

  /** Nodes without an actor judge by these. */
  relayBy(relays: Relays): void {
    this.#relays = relays
  }

  /** Puts an account's actor on a node; it joins afterwards. */
  place(account: Address, node: number): void {
    this.#nodeOf.set(account, node)
  }

  nodeOf(account: Address): number {
    const node = this.#nodeOf.get(account)
    if (node === undefined) throw new Error(`${account} has no node`)
    return node
  }

  join(account: Address, listener: Listener): void {
    this.#listeners[this.nodeOf(account)] = listener
  }

  /** Lets a node go, or come back: with empty meshes, which fill at once. */
  setUp(node: number, isUp: boolean): void {
    this.#parts.links.isUp[node] = isUp ? 1 : 0
    if (isUp) this.#mend(node)
    this.#wake()
  }

  /** Parts the network in two that do not reach each other, until it is parted otherwise. */
  split(isOther: (node: number) => boolean): void {
    const { side } = this.#parts.links
    for (let node = 0; node < side.length; node++) side[node] = isOther(node) ? 1 : 0
    this.#wake()
  }

  /** @param bytes Another length than such a message has, which nobody takes. */
  publish(publisher: Address, from: Gossiped, bytes = envelopeBytes[from.kind]): void {
    const { simulator, links } = this.#parts
    const node = this.nodeOf(publisher)
    if (links.isUp[node] === 0) return
    const topic = topicOf.get(from.kind)!
    const now = simulator.elapsedMs
    const found = this.#messages.find(from)
    // gossipsub does not publish what it has seen, and whoever gets it again says nothing of it.
    const isKnown = found ? found.state[node] !== State.unheard : this.#messages.wasSeen(from, now)
    if (isKnown) return
    const message = found ?? this.#begin(from, topic, bytes, node)
    simulator.mark(message.index, node, 0)
    message.state[node] = State.taken
    message.arrival[node] = now
    this.#wake()
    const { mesh, floodsBids } = this.#parts.options
    const peers = this.mesh.peers(topic, node)
    for (const edge of peers) this.#send(message, edge, now)
    const isFlooded = floodsBids && from.kind === 'Bid'
    const more = isFlooded ? Number.POSITIVE_INFINITY : mesh.degree - peers.length
    if (more <= 0) return
    for (const edge of this.mesh.others(topic, node).slice(0, more)) this.#send(message, edge, now)
  }

  #begin(from: Gossiped, topic: number, bytes: number, node: number): Message {
    const { simulator } = this.#parts
    const now = simulator.elapsedMs
    const message = this.#messages.add({ from, topic, bytes, node, publishedAt: now })
    simulator.post(now + LIFE_MS, this.#kinds.expire, message.index, 0)
    return message
  }

  decide(account: Address, id: Id, verdict: Decision): void {
    const message = this.#messages.byName(id)
    const node = this.nodeOf(account)
    if (message?.state[node] !== State.held) return
    this.#settle(message, node, verdict, this.#parts.simulator.elapsedMs)
  }

  carry(from: Address, to: Address, bytes: number, run: () => void): boolean {
    const { links, simulator } = this.#parts
    const now = simulator.elapsedMs
    const arrival = links.sendDirectly(this.nodeOf(from), this.nodeOf(to), bytes, now)
    if (arrival !== null) simulator.schedule(START_AT + arrival, run)
    return arrival !== null
  }

  /** Sends one copy. Only one that may come first becomes an event. */
  #send(message: Message, edge: number, at: number): void {
    const { graph, links, traffic, options, simulator } = this.#parts
    const back = graph.reverse[edge]!
    if (!links.isOpen(edge) || this.#rejected[back]! > REJECTED_MOST) return
    const to = graph.to[edge]!
    const isHeard = message.state[to]! >= State.heard
    const saysNo = message.bytes >= IDONTWANT_BYTES && isHeard
    if (saysNo && message.arrival[to]! + links.oneWay(back) <= at) return
    const arrival = links.send(edge, message.bytes, at)
    const isFirst = !isHeard && arrival < message.arrival[to]!
    // Either this copy or the one it overtakes comes second.
    if (!isFirst || message.state[to] === State.sent) {
      traffic.copies[to]! += 1
      this.#cpuFree[to]! += options.copyMs
    }
    if (!isFirst) return
    message.state[to] = State.sent
    message.arrival[to] = arrival
    message.first[to] = edge
    simulator.post(arrival, this.#kinds.deliver, message.index, edge)
  }

  #deliver(index: number, edge: number): void {
    const { simulator, graph, links, places, traffic, options } = this.#parts
    const message = this.#messages.at(index)
    const node = graph.to[edge]!
    if (message?.state[node] !== State.sent || message.first[node] !== edge) return
    if (links.isUp[node] === 0) {
      message.state[node] = State.unheard
      message.arrival[node] = Number.POSITIVE_INFINITY
      return
    }
    const now = simulator.elapsedMs
    simulator.mark(index, edge, 1)
    message.state[node] = State.heard
    message.heardBy += 1
    const { region } = places[node]!
    traffic.heard(node, region, now - message.publishedAt)
    const done = Math.max(now, this.#cpuFree[node]!) + options.validationMs
    this.#cpuFree[node] = done
    if (message.bytes !== envelopeBytes[message.from.kind])
      this.#settle(message, node, { action: 'reject', code: 'MALFORMED' }, done)
    else if (this.#listeners[node]) simulator.post(done, this.#kinds.judge, index, edge)
    else this.#relay(message, node, done)
  }

  #judge(index: number, edge: number): void {
    const message = this.#messages.at(index)
    const node = this.#parts.graph.to[edge]!
    if (!message || this.#parts.links.isUp[node] === 0) return
    const verdict = this.#listeners[node]!(message.from)
    this.#settle(message, node, verdict, this.#parts.simulator.elapsedMs)
  }

  /** A relay's verdict at once: its turn on the node's core is `at`, ms since the start. */
  #relay(message: Message, node: number, at: number): void {
    const awaited = this.#awaited(message)
    if (awaited === 'unknown' || (awaited && awaited.state[node] !== State.taken)) {
      message.state[node] = State.held
      this.#messages.hold(message, node, at)
      return
    }
    const { rivals } = message
    if (rivals.some((rival) => rival !== message && rival.state[node] === State.taken)) {
      this.#settle(message, node, { action: 'ignore', code: 'EQUIVOCATION' }, at)
      return
    }
    const localNow = Math.floor(START_AT + at) + this.clockOffsets[node]!
    const isSecond = message.original !== null && !message.original.isOver
    const verdict = this.#relays?.judge(message.from, isSecond, localNow) ?? 'accept'
    this.#settle(message, node, verdict, at)
  }

  /** The message that this one names; `null`: none, or one that everybody has had for long. */
  #awaited(message: Message): Message | 'unknown' | null {
    if (message.awaited) return message.awaited.isOver ? null : message.awaited
    const name = awaitedBy(message.from)
    if (name === null || this.#messages.isPast(name)) return null
    message.awaited = this.#messages.byName(name) ?? null
    return message.awaited ?? 'unknown'
  }

  /** A verdict was reached `at`, ms since the start. */
  #settle(message: Message, node: number, verdict: Verdict, at: number): void {
    if (verdict === 'accept') {
      message.state[node] = State.taken
      this.#forward(message, node, at)
      for (const held of this.#messages.release(message, node))
        if (at - held.since <= this.#parts.options.holdMs) this.#relay(held.message, node, at)
      return
    }
    if (verdict.action === 'hold') {
      message.state[node] = State.held
      return
    }
    message.state[node] = State.refused
    this.#parts.traffic.refuse(verdict.code)
    if (verdict.action === 'reject') this.#blame(message, node)
  }

  #blame(message: Message, node: number): void {
    const back = this.#parts.graph.reverse[message.first[node]!]!
    if (this.#rejected[back]! < 255) this.#rejected[back]! += 1
  }

  #forward(message: Message, node: number, at: number): void {
    if (this.drops?.(node, message.from)) return
    const source = this.#parts.graph.reverse[message.first[node]!]
    for (const edge of this.mesh.peers(message.topic, node))
      if (edge !== source) this.#send(message, edge, at)
  }

  /** Somebody outside of the mesh said that it has the message: asked for, it comes. */
  #offered(index: number, edge: number): void {
    const message = this.#messages.at(index)
    const { graph, links, simulator } = this.#parts
    if (!message || message.state[graph.to[edge]!]! >= State.heard) return
    const askedAt = simulator.elapsedMs + links.oneWay(graph.reverse[edge]!)
    simulator.post(askedAt, this.#kinds.want, index, edge)
  }

  #wanted(index: number, edge: number): void {
    const message = this.#messages.at(index)
    if (message) this.#send(message, edge, this.#parts.simulator.elapsedMs)
  }

  #wake(): void {
    const now = this.#parts.simulator.elapsedMs
    const isIdle = this.#activeUntil <= now
    this.#activeUntil = now + QUIET_MS
    if (!isIdle) return
    for (let node = 0; node < this.#parts.graph.nodes; node++) {
      if (this.#isBeating[node] === 1) continue
      this.#isBeating[node] = 1
      const beats = Math.ceil((now - this.#phase[node]!) / HEARTBEAT_MS)
      this.#parts.simulator.post(
        this.#phase[node]! + beats * HEARTBEAT_MS,
        this.#kinds.beat,
        node,
        0,
      )
    }
  }

  #beat(node: number): void {
    const { simulator, links } = this.#parts
    const now = simulator.elapsedMs
    if (now > this.#activeUntil) {
      this.#isBeating[node] = 0
      return
    }
    simulator.post(now + HEARTBEAT_MS, this.#kinds.beat, node, 0)
    if (links.isUp[node] === 0) return
    this.#mend(node)
    for (let topic = 0; topic < gossipKinds.length; topic++) this.#gossip(topic, node, now)
  }

  #mend(node: number): void {
    const now = this.#parts.simulator.elapsedMs
    for (let topic = 0; topic < gossipKinds.length; topic++)
      if (!this.mesh.isFine(topic, node)) this.mesh.heartbeat(topic, node, now)
  }

  /** IHAVE: offers what it took lately to some outside of the mesh. */
  #gossip(topic: number, node: number, now: number): void {
    const { graph, links, simulator } = this.#parts
    const recent = this.#messages
      .recent(topic, now - OFFERED_MS)
      .filter(({ heardBy }) => heardBy < graph.nodes)
    if (recent.length === 0) return
    const others = this.mesh.others(topic, node)
    const count = Math.max(LAZY_PEERS, Math.floor(LAZY_SHARE * others.length))
    for (const edge of others.slice(0, count))
      for (const message of recent) {
        const isTaken = message.state[node] === State.taken
        if (!isTaken || message.arrival[node]! < now - OFFERED_MS) continue
        if (message.state[graph.to[edge]!]! >= State.heard) continue
        if (this.drops?.(node, message.from)) continue
        simulator.post(now + links.oneWay(edge), this.#kinds.offer, message.index, edge)
      }
  }

  #expire(index: number): void {
    const message = this.#messages.at(index)
    if (!message) return
    let [heard, up] = [0, 0]
    for (let node = 0; node < this.#parts.graph.nodes; node++) {
      if (this.#parts.links.isUp[node] === 0) continue
      up += 1
      if (message.state[node]! >= State.heard) heard += 1
    }
    this.#parts.traffic.reach.add(up === 0 ? 0 : heard / up)
    this.#relays?.forget(message.from)
    this.#messages.remove(message)
  }
}
