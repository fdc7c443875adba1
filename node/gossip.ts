/**
 * Messages to everyone: home of gossipsub. It carries bytes and asks `validate` about each; nothing
 * here knows what they say. Peers do not sign what they relay (StrictNoSign): our messages carry
 * their own signatures.
 *
 * Before any of that, every peer has an allowance of messages and bytes a second, and the number of
 * validations at once is bounded. What is dropped there is dropped before gossipsub remembers its
 * id, so a flooding peer cannot keep a message of somebody else from us by sending it first.
 */
import { hash } from 'node:crypto'
import {
  type GossipSub,
  gossipsub,
  StrictNoSign,
  TopicValidatorResult,
} from '@chainsafe/libp2p-gossipsub'
import { createTopicScoreParams } from '@chainsafe/libp2p-gossipsub/score'
import type { PeerId } from '@libp2p/interface'
import type { GossipKind } from '#protocol/effects'
import type { Hex } from '#protocol/schema'
import { peerKeyOf, peerKeyToPeerId } from './host.ts'
import type { Log } from './log.ts'
import type { HostService } from './peers.ts'

export type GossipVerdict = 'accept' | 'ignore' | 'reject'

export type GossipLimits = {
  /**
   * What one peer may send, on average and in one go. A peer relays everyone's messages, so this is
   * the network's rate.
   */
  readonly messagesPerSecond: number
  readonly messagesAtOnce: number
  readonly bytesPerSecond: number
  readonly bytesAtOnce: number
  /**
   * Messages being validated at once, of all peers and of one; more than the market holds, or held
   * ones would stop the rest.
   */
  readonly maxValidating: number
  readonly maxValidatingPerPeer: number
  /** An undecided message is ignored after this. ms. */
  readonly validationMs: number
}

/**
 * Reasons: one process handles about 2,000 deliveries a second (FACTS); an auction of 1,000 bids is
 * 1,000 messages of 500 bytes within 400 ms, from each of 8 peers. The market holds at most 2,048.
 */
export const defaultGossipLimits: GossipLimits = {
  messagesPerSecond: 2_000,
  messagesAtOnce: 4_000,
  bytesPerSecond: 2 * 1024 * 1024,
  bytesAtOnce: 4 * 1024 * 1024,
  maxValidating: 4_096,
  maxValidatingPerPeer: 1_024,
  validationMs: 1_000,
}

/** Why a message was dropped before `validate`, or instead of its verdict. */
export type DropReason = 'rate' | 'overload' | 'slow'

export type GossipOptions = {
  readonly topics: Readonly<Record<GossipKind, string>>
  /** Longest message of each kind; longer ones are rejected unread. Bytes. */
  readonly maxBytes: Readonly<Record<GossipKind, number>>
  /**
   * Judges a message of a peer, once. `accept` passes it on, `ignore` and `reject` do not, `reject`
   * costs the peer score. A throw is a bug: logged, and the message is ignored.
   */
  readonly validate: (
    kind: GossipKind,
    data: Uint8Array,
    fromPeerKey: Hex,
  ) => Promise<GossipVerdict>
  readonly limits?: Partial<GossipLimits>
  readonly onDropped?: (kind: GossipKind, reason: DropReason, fromPeerKey: Hex) => void
  /**
   * Told of every copy of every message that arrives, before anything is done with it: for
   * measuring when the first one came, and how many were sent in vain.
   */
  readonly onCopy?: (kind: GossipKind, data: Uint8Array, fromPeerKey: Hex) => void
  /** Peers whose word on further peers counts from the start: the bootstrap peers. */
  readonly trusted?: readonly Hex[]
  readonly log: Log
}

export type Gossip = {
  /** For `createHost`, which starts and stops it. */
  readonly service: HostService
  /**
   * Sends to the topic's mesh, a bid to every peer that listens; resolves with how many there were,
   * none among them. Throws when the message is longer than allowed.
   */
  readonly publish: (kind: GossipKind, data: Uint8Array) => Promise<number>
  /** Connected peers that listen to the topic. */
  readonly subscribers: (kind: GossipKind) => number
  /** Peers the topic's messages are exchanged with. */
  readonly meshSize: (kind: GossipKind) => number
  /** Resolves once `count` peers listen to the topic; rejects when the signal aborts. */
  readonly waitForPeers: (kind: GossipKind, count: number, signal: AbortSignal) => Promise<void>
  /** gossipsub's score of a peer; negative ones leave the mesh, below −80 they are not heard. */
  readonly score: (peerKey: Hex) => number
}

/** Mesh degree: reach 99.8 % with half the nodes silent, against 94.4 % with 4 (FACTS). */
const DEGREE = { D: 8, Dlo: 6, Dhi: 12, Dscore: 6, Dout: 3 }
/**
 * A rejected message costs 10 × its square, half of it forgotten in 69 s: three and the peer is not
 * heard.
 */
const REJECTED_WEIGHT = -10
const REJECTED_DECAY = 0.99
/**
 * Time in the mesh earns up to 3 a topic within five minutes: enough to tell old peers from new.
 */
const MESH_SECONDS = 300
const MESH_WEIGHT = 0.01
/**
 * A trusted peer's score from the start, and what a peer needs for its peer exchange to be
 * followed.
 */
const TRUSTED_SCORE = 5
const EXCHANGE_SCORE = 1

/** Makes gossip ready; it runs once a host with its `service` has started. */
export function createGossip(options: GossipOptions): Gossip {
  const { topics, log } = options
  const limits = { ...defaultGossipLimits, ...options.limits }
  const kinds = new Map(Object.entries(topics).map(([kind, topic]) => [topic, kind as GossipKind]))
  const waiting = new Set<() => void>()
  let router: Router | null = null
  const running = (): Router => {
    if (router === null) throw new Error('gossip runs only once its host has started')
    return router
  }

  const service = (components: Parameters<ReturnType<typeof gossipsub>>[0]) => {
    const made = gossipsub(settings(options, [...kinds.keys()]))(components) as unknown as Router
    router = made
    const judge = new Judge(options, limits)
    admitFirst(made, new Admission(limits, kinds, options.onDropped ?? (() => undefined)))
    if (options.onCopy) tellFirst(made, kinds, options.onCopy)
    for (const [topic, kind] of kinds) {
      made.topicValidators.set(topic, (peerId, { data }) => judge.judge(kind, data, peerId))
    }
    made.addEventListener('subscription-change', () => {
      for (const look of waiting) look()
    })
    return {
      start: async () => {
        await made.start()
        for (const topic of kinds.keys()) made.subscribe(topic)
      },
      stop: () => made.stop(),
    }
  }

  const subscribers = (kind: GossipKind): number => running().getSubscribers(topics[kind]).length
  return {
    service,
    publish: async (kind, data) => {
      if (data.length > options.maxBytes[kind]) {
        throw new RangeError(`a ${kind} of ${data.length} bytes is longer than any may be`)
      }
      // A prover is connected to the builders it bids for: so its bid takes one way, not four. In
      // simulations 98 % of bids arrive in 400 ms along the mesh, and all of them like this.
      const floodPublish = kind === 'Bid'
      const { recipients } = await running().publish(topics[kind], data, { floodPublish })
      if (recipients.length === 0) log.debug('published to nobody', { kind })
      return recipients.length
    },
    subscribers,
    meshSize: (kind) => running().getMeshPeers(topics[kind]).length,
    waitForPeers: (kind, count, signal) =>
      new Promise((resolve, reject) => {
        const end = (): void => {
          waiting.delete(look)
          signal.removeEventListener('abort', abort)
        }
        const abort = (): void => {
          end()
          const found = `${subscribers(kind)} of ${count} peers listen to ${topics[kind]}`
          reject(new Error(found, { cause: signal.reason }))
        }
        const look = (): void => {
          if (subscribers(kind) < count) return
          end()
          resolve()
        }
        waiting.add(look)
        signal.addEventListener('abort', abort, { once: true })
        if (signal.aborted) abort()
        else look()
      }),
    score: (peerKey) => running().getScore(`${peerKeyToPeerId(peerKey)}`),
  }
}

/** What gossipsub's object has and its type lacks. */
type Router = Omit<GossipSub, 'publish'> & {
  publish: (
    topic: string,
    data: Uint8Array,
    options: { readonly floodPublish: boolean },
  ) => Promise<{ readonly recipients: readonly PeerId[] }>
  start: () => Promise<void>
  stop: () => Promise<void>
  getMeshPeers: (topic: string) => string[]
  getScore: (peerId: string) => number
  handleReceivedMessage: (from: PeerId, message: ReceivedMessage) => Promise<void>
}
type Settings = NonNullable<Parameters<typeof gossipsub>[0]>
type ReceivedMessage = { readonly topic: string; readonly data?: Uint8Array }

function settings(options: GossipOptions, topics: readonly string[]): Settings {
  const trusted = new Set((options.trusted ?? []).map((key) => `${peerKeyToPeerId(key)}`))
  // Quiet topics are no fault: only what was rejected counts against a peer.
  const topicScore = createTopicScoreParams({
    topicWeight: 1,
    timeInMeshQuantum: 1_000,
    timeInMeshCap: MESH_SECONDS,
    timeInMeshWeight: MESH_WEIGHT,
    firstMessageDeliveriesWeight: 0,
    meshMessageDeliveriesWeight: 0,
    meshFailurePenaltyWeight: 0,
    invalidMessageDeliveriesWeight: REJECTED_WEIGHT,
    invalidMessageDeliveriesDecay: REJECTED_DECAY,
  })
  return {
    globalSignaturePolicy: StrictNoSign,
    allowedTopics: [...topics],
    fallbackToFloodsub: false,
    // D peers, not all: a request must not cost a home link hundreds of copies.
    floodPublish: false,
    ...DEGREE,
    doPX: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    // The topic is part of the id: else a message sent to a wrong topic first would count as seen.
    msgIdFn: ({ topic, data }) =>
      hash('sha256', Buffer.concat([Buffer.from(topic), data]), 'buffer').subarray(0, 20),
    scoreParams: {
      // Farms and devnets are many peers behind one address.
      IPColocationFactorWeight: 0,
      appSpecificScore: (peerId: string) => (trusted.has(peerId) ? TRUSTED_SCORE : 0),
      appSpecificWeight: 1,
      // What we drop ourselves looks like a broken promise: a few of those are no fault.
      behaviourPenaltyThreshold: 6,
      topics: Object.fromEntries(topics.map((topic) => [topic, topicScore])),
    },
    scoreThresholds: { acceptPXThreshold: EXCHANGE_SCORE },
  }
}

/** Puts the admission before everything gossipsub does with a message. */
function admitFirst(router: Router, admission: Admission): void {
  const handle = router.handleReceivedMessage?.bind(router)
  if (handle === undefined) throw new Error('gossipsub has changed: no handleReceivedMessage')
  router.handleReceivedMessage = async (from, message) => {
    const leave = admission.admit(from, message)
    if (leave === null) return
    try {
      await handle(from, message)
    } finally {
      leave()
    }
  }
}

/** Tells of every copy, dropped or not. */
function tellFirst(
  router: Router,
  kinds: ReadonlyMap<string, GossipKind>,
  onCopy: NonNullable<GossipOptions['onCopy']>,
): void {
  const handle = router.handleReceivedMessage
  router.handleReceivedMessage = (from, message) => {
    const kind = kinds.get(message.topic)
    const peerKey = peerKeyOf(from)
    if (kind && message.data && peerKey) onCopy(kind, message.data, peerKey)
    return handle(from, message)
  }
}

type Account = { messages: number; bytes: number; at: number; validating: number }

/**
 * Above this many accounts, those of peers that have been quiet are forgotten: they would be full
 * again.
 */
const MAX_ACCOUNTS = 1_024

/** Each peer's allowance, refilled by time, and the count of messages in work. */
class Admission {
  readonly #limits: GossipLimits
  readonly #kinds: ReadonlyMap<string, GossipKind>
  readonly #onDropped: NonNullable<GossipOptions['onDropped']>
  readonly #accounts = new Map<Hex, Account>()
  #validating = 0

  constructor(
    limits: GossipLimits,
    kinds: ReadonlyMap<string, GossipKind>,
    onDropped: NonNullable<GossipOptions['onDropped']>,
  ) {
    this.#limits = limits
    this.#kinds = kinds
    this.#onDropped = onDropped
  }

  /** Admits the message, and returns what to call when it is dealt with; `null` drops it. */
  admit(from: PeerId, message: ReceivedMessage): (() => void) | null {
    const peerKey = peerKeyOf(from)
    const kind = this.#kinds.get(message.topic)
    if (peerKey === null || kind === undefined) return null
    const account = this.#account(peerKey)
    const bytes = message.data?.length ?? 0
    if (account.messages < 1 || account.bytes < bytes) {
      this.#onDropped(kind, 'rate', peerKey)
      return null
    }
    const { maxValidating, maxValidatingPerPeer } = this.#limits
    if (this.#validating >= maxValidating || account.validating >= maxValidatingPerPeer) {
      this.#onDropped(kind, 'overload', peerKey)
      return null
    }
    account.messages -= 1
    account.bytes -= bytes
    account.validating += 1
    this.#validating += 1
    return () => {
      account.validating -= 1
      this.#validating -= 1
    }
  }

  #account(peerKey: Hex): Account {
    const { messagesPerSecond, messagesAtOnce, bytesPerSecond, bytesAtOnce } = this.#limits
    const now = performance.now()
    let account = this.#accounts.get(peerKey)
    if (account === undefined) {
      if (this.#accounts.size >= MAX_ACCOUNTS) this.#forget(now)
      account = { messages: messagesAtOnce, bytes: bytesAtOnce, at: now, validating: 0 }
      this.#accounts.set(peerKey, account)
    }
    const seconds = (now - account.at) / 1_000
    account.messages = Math.min(messagesAtOnce, account.messages + seconds * messagesPerSecond)
    account.bytes = Math.min(bytesAtOnce, account.bytes + seconds * bytesPerSecond)
    account.at = now
    return account
  }

  #forget(now: number): void {
    const { messagesPerSecond, messagesAtOnce, bytesPerSecond, bytesAtOnce } = this.#limits
    const fullS = Math.max(messagesAtOnce / messagesPerSecond, bytesAtOnce / bytesPerSecond)
    for (const [peerKey, { at, validating }] of this.#accounts) {
      if (validating === 0 && now - at > fullS * 1_000) this.#accounts.delete(peerKey)
    }
  }
}

/** Asks `validate`, within bounds of size and time. */
class Judge {
  readonly #options: GossipOptions
  readonly #validationMs: number

  constructor(options: GossipOptions, { validationMs }: GossipLimits) {
    this.#options = options
    this.#validationMs = validationMs
  }

  async judge(kind: GossipKind, data: Uint8Array, peerId: PeerId): Promise<TopicValidatorResult> {
    const { maxBytes, validate, onDropped, log } = this.#options
    const peerKey = peerKeyOf(peerId)
    if (peerKey === null) return TopicValidatorResult.Ignore
    if (data.length > maxBytes[kind]) return TopicValidatorResult.Reject
    const { promise: slow, resolve } = Promise.withResolvers<GossipVerdict>()
    const timer = setTimeout(() => {
      onDropped?.(kind, 'slow', peerKey)
      resolve('ignore')
    }, this.#validationMs)
    try {
      // A copy: the bytes are a view of all that came with them.
      return results[await Promise.race([validate(kind, new Uint8Array(data), peerKey), slow])]
    } catch (error) {
      log.error('validation failed', { kind, peerKey, error })
      return TopicValidatorResult.Ignore
    } finally {
      clearTimeout(timer)
    }
  }
}

const results = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const
