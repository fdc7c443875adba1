/**
 * What the node counts, for Prometheus: home of prom-client. Every node has a registry of its own,
 * so that several in one process do not add up. Labels are literals of ours (kinds, verdicts,
 * refusal codes), never a peer's text: each new label value costs memory for ever.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

export type Metrics = {
  /** A gossip message was judged; `code` is the refusal's, or '' for none. */
  readonly countMessage: (kind: string, verdict: string, code: string) => void
  /** An own auction ended: `awarded`, `no-bid`, `void`. */
  readonly countAuction: (result: string) => void
  /** A job of ours ended, as builder or prover. */
  readonly countJob: (role: string, outcome: string) => void
  /** Messages dropped before validation: `rate`, `overload`, `slow`. */
  readonly countDropped: (kind: string, reason: string) => void
  /** A stream request was answered: `ok`, `busy` or a refusal code. */
  readonly countStream: (protocol: string, answer: string) => void
  /** How long the check of one message took, in microseconds. */
  readonly observeValidation: (kind: string, micros: number) => void
  readonly setGossipPeers: (kind: string, peers: number) => void
  readonly setQueueLength: (queue: string, length: number) => void
  /** Peers' clocks less ours, ms. */
  readonly setClockOffset: (offsetMs: number) => void
  /**
   * Text exposition format 0.0.4; also closes the interval the event loop's lag is measured over.
   */
  readonly render: () => Promise<string>
  readonly contentType: string
  readonly stop: () => void
}

/** From the native signature check (50 µs) to a validator that stalls its peers. Microseconds. */
const VALIDATION_BUCKETS = [
  50, 100, 150, 250, 500, 1_000, 2_500, 10_000, 50_000, 300_000, 1_000_000,
]
/** How often the event loop is sampled: finer costs CPU, coarser misses stalls. ms. */
const LAG_RESOLUTION_MS = 20

/** `labels` are added to every line, for example the node's name in a farm. */
export function createMetrics(labels: Readonly<Record<string, string>> = {}): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels(labels)
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name: `proofwire_${name}`, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge({ name: `proofwire_${name}`, help, labelNames, registers })

  const messages = counter('messages_total', 'Gossip messages judged', ['kind', 'verdict', 'code'])
  const auctions = counter('auctions_total', 'Own auctions ended', ['result'])
  const jobs = counter('jobs_total', 'Jobs of this node ended', ['role', 'outcome'])
  const dropped = counter('dropped_total', 'Messages dropped unread', ['kind', 'reason'])
  const streams = counter('streams_total', 'Stream requests answered', ['protocol', 'answer'])
  const validation = new Histogram({
    name: 'proofwire_validation_microseconds',
    help: 'Time to judge one message',
    labelNames: ['kind'],
    buckets: VALIDATION_BUCKETS,
    registers,
  })
  const peers = gauge('gossip_peers', 'Peers subscribed to a topic', ['kind'])
  const queues = gauge('queue_length', 'Items waiting in a bounded queue', ['queue'])
  const offset = gauge('clock_offset_ms', 'Median of peers’ clocks less ours', [])
  const lag = gauge('event_loop_lag_ms', 'Event loop delay since the last reading', ['quantile'])
  const loop = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  loop.enable()

  return {
    countMessage: (kind, verdict, code) => messages.inc({ kind, verdict, code }),
    countAuction: (result) => auctions.inc({ result }),
    countJob: (role, outcome) => jobs.inc({ role, outcome }),
    countDropped: (kind, reason) => dropped.inc({ kind, reason }),
    countStream: (protocol, answer) => streams.inc({ protocol, answer }),
    observeValidation: (kind, micros) => validation.observe({ kind }, micros),
    setGossipPeers: (kind, count) => peers.set({ kind }, count),
    setQueueLength: (queue, length) => queues.set({ queue }, length),
    setClockOffset: (offsetMs) => offset.set(offsetMs),
    render: () => {
      const readings = { '0.5': loop.percentile(50), '0.99': loop.percentile(99), '1': loop.max }
      for (const [quantile, delayNs] of Object.entries(readings)) {
        // The histogram counts from the sampling interval on; only what is above it is lag.
        lag.set({ quantile }, Math.max(0, delayNs / 1e6 - LAG_RESOLUTION_MS))
      }
      loop.reset()
      return registry.metrics()
    },
    contentType: registry.contentType,
    stop: () => {
      loop.disable()
      registry.clear()
    },
  }
}
