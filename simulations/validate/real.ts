/**
 * The real side: starts the processes with the nodes, connects them as the plan says, waits until
 * gossip has settled, has the auctions played, and collects what every node saw.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Measured, summarise, type Trace } from './measure.ts'
import type { Answered, Answers, Door, NodeState, Order, Published, Report } from './orders.ts'
import { neighbours, type Plan, roundMs } from './plan.ts'

/** As many as a small machine has cores. */
const PROCESSES = 2
/** gossipsub keeps a mesh between these sizes where there are enough peers (`node/gossip.ts`). */
const [MESH_LEAST, MESH_MOST] = [6, 12]
/** Meshes form within a few heartbeats of a second. ms. */
const SETTLE_MS = 60_000
const LOOK_MS = 500
/** Time the processes need to hear of the beginning. ms. */
const LEAD_MS = 1_000
/** Nodes that are told of when many are connected otherwise than planned. */
const MOST_LINES = 5
/** A process that does not end by itself is killed after this. ms. */
const STOP_MS = 5_000
/** Number of the order to stop; the others count from 0. */
const STOP_ID = -1

export type RealOptions = {
  readonly signal: AbortSignal
  /** What is being done now, and how long it may still take. */
  readonly onProgress: (text: string) => void
}

/** What the real stack did, and how far this machine's slowness is in it. */
export type RealRun = {
  readonly measured: Measured
  readonly traces: readonly Trace[]
  /** Of each process: share of one core, and how late its event loop was. */
  readonly load: readonly Pick<Report, 'cpuLoad' | 'lagP50Ms' | 'lagP99Ms'>[]
  readonly refused: Readonly<Record<string, number>>
  /** Mesh sizes of requests and bids at the start and at the end, over all nodes, sorted. */
  readonly meshes: readonly (readonly number[])[]
}

/** Throws when a connection is missing or one too many, or when a process dies. */
export async function runReal(plan: Plan, { signal, onProgress }: RealOptions): Promise<RealRun> {
  const all = plan.places.map((_, node) => node)
  const workers = Array.from({ length: PROCESSES }, () => new WorkerProcess(signal))
  const order = <K extends Order['kind']>(of: Extract<Order, { kind: K }>): Promise<Answers[K][]> =>
    Promise.all(workers.map((worker) => worker.ask<K>(of)))
  const look = async (): Promise<NodeState[]> => inOrder(await order({ kind: 'look' }))
  try {
    const doors: Door[] = []
    for (const node of all) {
      const leftS = Math.ceil(((all.length - node) * plan.joinMs) / 1_000)
      if (node % 8 === 0) onProgress(`starting ${all.length - node} nodes, ${leftS} s left`)
      const pause = sleep(plan.joinMs, null, { signal })
      // Whatever fails before it is over is what counts.
      pause.catch(() => undefined)
      const home = workers[node % PROCESSES]!
      doors.push(await home.ask<'start'>({ kind: 'start', plan, node }))
      await order({ kind: 'join', plan, node, doors })
      await pause
    }
    onProgress('waiting for the meshes')
    const before = await settle(plan, doors, look, signal)
    await order({ kind: 'lengthen' })
    onProgress(`letting heartbeats pass (${plan.warmUpMs / 1_000} s)`)
    await sleep(plan.warmUpMs, null, { signal })
    const at = performance.timeOrigin + performance.now() + LEAD_MS
    await order({ kind: 'begin', plan, at })
    await watchRounds(plan, at, signal, onProgress)
    const after = await look()
    const reports = await order({ kind: 'report' })
    const wrong = wrongConnections(plan, doors, after)
    if (wrong.length > 0) throw new Error(`${shortened(wrong)}\n${adviceOn(reports)}`)
    return { ...merge(plan, doors, reports), meshes: [meshesOf(before), meshesOf(after)] }
  } catch (error) {
    // Whatever was waited for says only that it was aborted.
    throw signal.aborted ? signal.reason : error
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
  }
}

async function watchRounds(
  plan: Plan,
  at: number,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<void> {
  const count = plan.rounds.length
  for (let round = 0; round < count; round++) {
    const leftS = Math.ceil(((count - round) * roundMs(plan)) / 1_000)
    onProgress(`auction ${round + 1} of ${count}, ${leftS} s left`)
    const endsAt = at + (round + 1) * roundMs(plan)
    const leftMs = endsAt - performance.timeOrigin - performance.now()
    await sleep(Math.max(0, leftMs), null, { signal })
  }
}

/** Waits until all are connected, and every mesh has a size that gossipsub leaves alone. */
async function settle(
  plan: Plan,
  doors: readonly Door[],
  look: () => Promise<NodeState[]>,
  signal: AbortSignal,
): Promise<NodeState[]> {
  const degrees = neighbours(plan).map(({ size }) => size)
  const isSettled = ({ mesh }: NodeState, node: number): boolean =>
    Object.values(mesh).every(
      (size) => size >= Math.min(MESH_LEAST, degrees[node]!) && size <= MESH_MOST,
    )
  const until = performance.now() + SETTLE_MS
  for (;;) {
    const states = await look()
    const wrong = wrongConnections(plan, doors, states)
    if (wrong.length === 0 && states.every(isSettled)) return states
    if (performance.now() > until) {
      if (wrong.length > 0) throw new Error(shortened(wrong))
      const sizes = states.map(({ mesh }) => `${mesh.ProofRequest}/${mesh.Bid}`).join(' ')
      throw new Error(`meshes did not form within ${SETTLE_MS / 1_000} s: ${sizes}`)
    }
    await sleep(LOOK_MS, null, { signal })
  }
}

/** Nodes whose peers are not exactly those of the plan: something found a way past the lines. */
export function wrongConnections(
  plan: Plan,
  doors: readonly Pick<Door, 'peerKey'>[],
  states: readonly Pick<NodeState, 'peers'>[],
): string[] {
  return [...neighbours(plan).entries()].flatMap(([node, wanted]) => {
    const found = new Set(states[node]!.peers)
    const missing = [...wanted].filter((peer) => !found.has(doors[peer]!.peerKey))
    const extra = found.size + missing.length - wanted.size
    if (missing.length === 0 && extra === 0) return []
    const lacks = missing.length > 0 ? `no connection to ${missing.join(', ')}, ` : ''
    return [`Node ${node} is not connected as planned: ${lacks}${extra} too many.`]
  })
}

/** The first few of what may be one line a node. */
function shortened(lines: readonly string[]): string {
  const more = lines.length - MOST_LINES
  return [...lines.slice(0, MOST_LINES), ...(more > 0 ? [`And ${more} more.`] : [])].join('\n')
}

/** libp2p gives up connections over which a ping takes too long. */
function adviceOn(reports: readonly Report[]): string {
  const lagMs = Math.ceil(Math.max(...reports.map(({ lagP99Ms }) => lagP99Ms)))
  const late = `One turn in a hundred of the event loop came ${lagMs} ms late`
  return `${late}: close other programs, or take fewer --nodes or a lower --stretch.`
}

const meshesOf = (states: readonly NodeState[]): number[] =>
  states.flatMap(({ mesh }) => Object.values(mesh)).sort((a, b) => a - b)

/** Answers by node, of all processes, as one list. */
const inOrder = <T>(answers: readonly Readonly<Record<number, T>>[]): T[] => {
  const list: T[] = []
  for (const answer of answers)
    for (const [node, value] of Object.entries(answer)) list[Number(node)] = value
  return list
}

function merge(
  plan: Plan,
  doors: readonly Door[],
  reports: readonly Report[],
): Omit<RealRun, 'meshes'> {
  const nodeOf = new Map(doors.map(({ peerKey }, node) => [peerKey, node]))
  const begun = Math.min(...reports.flatMap(({ published }) => published.map(({ at }) => at)))
  const modelled = (at: number): number => (at - begun) / plan.stretch
  const open = ({ kind, node, at }: Published) => ({
    kind,
    publisher: node,
    round: Math.floor((at - begun + LEAD_MS) / roundMs(plan)),
    publishedAt: modelled(at),
    firstAt: plan.places.map((): number | null => null),
    firstFrom: plan.places.map((): number | null => null),
    copies: plan.places.map(() => 0),
  })
  const published = reports.flatMap((report) => report.published)
  const traces = new Map(published.map((each) => [each.id, open(each)]))
  const refused: Record<string, number> = {}
  for (const report of reports) {
    for (const { id, node, firstAt, from, copies } of report.received) {
      const trace = traces.get(id)
      if (!trace) continue
      trace.firstAt[node] = modelled(firstAt)
      trace.firstFrom[node] = nodeOf.get(from) ?? null
      trace.copies[node] = copies
    }
    for (const [why, count] of Object.entries(report.refused))
      refused[why] = (refused[why] ?? 0) + count
  }
  const list = [...traces.values()].sort((a, b) => a.publishedAt - b.publishedAt)
  const load = reports.map(({ cpuLoad, lagP50Ms, lagP99Ms }) => ({ cpuLoad, lagP50Ms, lagP99Ms }))
  return { measured: summarise(list), traces: list, load, refused }
}

/** One process with nodes: orders go in, answers come out. */
class WorkerProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #gone: Promise<void>
  #sequence = 0
  #dead: Error | null = null

  constructor(signal: AbortSignal) {
    const path = fileURLToPath(new URL('./real-worker.ts', import.meta.url))
    this.#child = fork(path, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    this.#gone = new Promise((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.once('exit', (code) => this.#fail(new Error(`a node process ended (${code})`)))
    this.#child.on('message', ({ id, answer, error }: Answered) => {
      const asked = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) asked?.resolve(answer)
      else asked?.reject(new Error(error))
    })
    signal.addEventListener('abort', () => this.#fail(signal.reason), { once: true })
    if (signal.aborted) this.#fail(signal.reason)
  }

  #fail(error: Error): void {
    this.#dead ??= error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  ask<K extends Order['kind']>(order: Extract<Order, { kind: K }>): Promise<Answers[K]> {
    if (this.#dead) return Promise.reject(this.#dead)
    const id = this.#sequence++
    const asked = Promise.withResolvers<unknown>()
    this.#waiting.set(id, asked)
    this.#child.send({ id, order })
    return asked.promise as Promise<Answers[K]>
  }

  /** Has it stop its nodes, also when the run was broken off, and waits until it is gone. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    if (this.#child.connected) {
      this.#child.on('message', ({ id }: Answered) => {
        if (id === STOP_ID) this.#child.disconnect()
      })
      this.#child.send({ id: STOP_ID, order: { kind: 'stop' } })
    }
    await this.#gone
    clearTimeout(timer)
  }
}
