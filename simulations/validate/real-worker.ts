/** A process with some of the nodes and the lines they dial through; started by `real.ts`. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { SIGNATURE_BYTES } from '#protocol/codec'
import type { GossipKind } from '#protocol/effects'
import type { Hex } from '#protocol/schema'
import { Random } from '#simulations/random'
import type { Answered, Asked, Door, Order, Published, Received, Report } from './orders.ts'
import { drawDelayMs, jitterHoldsMs, type Plan, roundMs } from './plan.ts'
import { DelayProxy } from './proxy.ts'
import { RealNode, type Watch } from './real-node.ts'

/** What the event loop's lag is sampled by. ms. */
const LAG_RESOLUTION_MS = 10

/** Lost connections that are told of. */
const MOST_TOLD = 5

/** All processes of a machine share this clock. Real ms since the Unix epoch, with fractions. */
const nowMs = (): number => performance.timeOrigin + performance.now()

/** A message is named by the start of its signature, which is the end of its bytes. */
const nameOf = (data: Uint8Array): string =>
  Buffer.from(data.subarray(data.length - SIGNATURE_BYTES))
    .subarray(0, 12)
    .toString('base64')

class Worker implements Watch {
  readonly #nodes: RealNode[] = []
  readonly #lines: DelayProxy[] = []
  readonly #published: Published[] = []
  readonly #received = new Map<string, Received & { copies: number }>()
  readonly #refused: Record<string, number> = {}
  readonly #lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  readonly #timers: NodeJS.Timeout[] = []
  #cpu = process.cpuUsage()
  #beganAt = 0
  #told = 0

  readonly onPublish = (node: number, kind: GossipKind, data: Uint8Array): void => {
    this.#published.push({ id: nameOf(data), kind, node, at: nowMs() })
  }

  readonly onCopy = (node: number, data: Uint8Array, from: Hex): void => {
    const firstAt = nowMs()
    const id = nameOf(data)
    const known = this.#received.get(`${id} ${node}`)
    if (known) known.copies += 1
    else this.#received.set(`${id} ${node}`, { id, node, firstAt, from, copies: 1 })
  }

  readonly onRefused = (_node: number, why: string): void => {
    this.#refused[why] = (this.#refused[why] ?? 0) + 1
  }

  async follow(order: Order): Promise<unknown> {
    switch (order.kind) {
      case 'start':
        return this.#start(order.plan, order.node)
      case 'join':
        return this.#join(order.plan, order.node, order.doors)
      case 'look':
        return this.#each((node) => ({
          peers: node.peers,
          mesh: { ProofRequest: node.meshSize('ProofRequest'), Bid: node.meshSize('Bid') },
        }))
      case 'lengthen':
        for (const line of this.#lines) line.isLong = true
        return null
      case 'begin':
        return this.#begin(order.plan, order.at)
      case 'report':
        return this.#report()
      case 'stop':
        return this.#stop()
      default:
        return order satisfies never
    }
  }

  #each<T>(read: (node: RealNode) => T): Record<number, T> {
    return Object.fromEntries(this.#nodes.map((node) => [node.index, read(node)]))
  }

  async #start(plan: Plan, index: number): Promise<Door> {
    const node = await RealNode.start(plan, index, this)
    this.#nodes.push(node)
    const { port, peerId, peerKey } = node
    return { port, peerId, peerKey }
  }

  async #join(plan: Plan, node: number, doors: readonly Door[]): Promise<null> {
    const own = new Map(this.#nodes.map((each) => [each.index, each]))
    const dial = async ([dialler, listener]: readonly [number, number]): Promise<void> => {
      const { port, peerId } = doors[listener]!
      const name = `connection of node ${dialler} to node ${listener}`
      const onEnd = (why: string): void => this.#tell(`${name}: ${why}`)
      const line = new DelayProxy({ port, ...delaysOf(plan, dialler, listener), onEnd })
      this.#lines.push(line)
      await own.get(dialler)?.dial(await line.listen(), peerId)
    }
    const isItsJoining = (pair: readonly [number, number]): boolean => Math.max(...pair) === node
    const mine = plan.dials.filter((pair) => isItsJoining(pair) && own.has(pair[0]))
    await Promise.all(mine.map(dial))
    return null
  }

  /** The first lost connections say why; the others follow from them. */
  #tell(text: string): void {
    this.#told += 1
    if (this.#told <= MOST_TOLD) process.stderr.write(`${text}\n`)
  }

  /** Each asks in its rounds; what was heard before is forgotten. */
  #begin(plan: Plan, at: number): null {
    this.#published.length = 0
    this.#received.clear()
    for (const [round, { builder }] of plan.rounds.entries()) {
      const node = this.#nodes.find(({ index }) => index === builder)
      const fail = (error: unknown): void => this.onRefused(builder, `ask: ${error}`)
      const ask = (): void => void node?.ask(round).catch(fail)
      if (node) this.#timers.push(setTimeout(ask, at + round * roundMs(plan) - nowMs()))
    }
    this.#lag.enable()
    this.#cpu = process.cpuUsage()
    this.#beganAt = nowMs()
    return null
  }

  #report(): Report {
    const { user, system } = process.cpuUsage(this.#cpu)
    const lagMs = (percent: number): number =>
      Math.max(0, this.#lag.percentile(percent) / 1e6 - LAG_RESOLUTION_MS)
    const received: readonly Received[] = [...this.#received.values()]
    return {
      published: this.#published,
      received,
      refused: this.#refused,
      cpuLoad: (user + system) / 1_000 / (nowMs() - this.#beganAt),
      lagP50Ms: lagMs(50),
      lagP99Ms: lagMs(99),
    }
  }

  async #stop(): Promise<null> {
    for (const timer of this.#timers) clearTimeout(timer)
    // First: with the lines cut, no node waits for another to say goodbye.
    for (const line of this.#lines) line.close()
    await Promise.all(this.#nodes.map((node) => node.stop()))
    return null
  }
}

/** Each direction of each line draws for itself. */
function delaysOf(plan: Plan, dialler: number, listener: number) {
  const random = new Random((plan.seed * 1_000 + dialler) * 1_000 + listener)
  const [out, back] = [random.fork(), random.fork()]
  return {
    holdsMs: jitterHoldsMs(plan),
    outMs: () => drawDelayMs(plan, dialler, listener, out),
    backMs: () => drawDelayMs(plan, listener, dialler, back),
  }
}

const worker = new Worker()
process.on('message', ({ id, order }: Asked) => {
  const answer = (answered: Omit<Answered, 'id'>): void => void process.send?.({ id, ...answered })
  worker.follow(order).then(
    (value) => answer({ answer: value }),
    (error: unknown) => answer({ error: error instanceof Error ? error.message : `${error}` }),
  )
})
// The parent is gone, however it went.
process.on('disconnect', () => process.exit(0))
// Ctrl-C reaches the whole group: the parent decides.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
