/** What the door does: one function a method, from checked parameters to plain data. */
import type { GossipKind } from '#protocol/effects'
import type { Market } from '#protocol/market'
import type { Params } from '#protocol/params'
import { MAX_BUNDLE, MAX_INPUT_BYTES } from '#protocol/rules'
import type { Address, Domain, Hex } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import type { Chain } from './chain.ts'
import type { Clock } from './clock.ts'
import { evidenceOf } from './door-evidence.ts'
import { type Call, RpcError, rpcCodes } from './door-rpc.ts'
import * as field from './door-schema.ts'
import { badParams, readParams } from './door-schema.ts'
import { jobView, wantedLine, wantedView } from './door-views.ts'
import type { Funds } from './funds.ts'
import type { Sent } from './intents.ts'
import type { Log } from './log.ts'
import { isRpcError, lineOf } from './rpc-errors.ts'
import type { WantedProofs } from './wanted.ts'
import type { WantedRecord } from './wanted-record.ts'
import { WantedRefused } from './wanted-refusal.ts'

/** What the door shows of the node's place in the network. */
export type Network = {
  readonly peerKey: Hex
  readonly addresses: readonly string[]
  readonly connectedPeers: number
  /** Peers subscribed to each topic. */
  readonly subscribers: Readonly<Record<GossipKind, number>>
  /** Median of peers' clocks less ours, ms, and of how many; `null` before the first. */
  readonly clockOffset: { readonly offsetMs: number; readonly peers: number } | null
}

export type MethodPorts = {
  readonly version: string
  readonly domain: Domain
  readonly params: Params
  readonly account: Address
  readonly market: Market
  readonly wanted: Pick<WantedProofs, 'ask' | 'askBundle' | 'get' | 'list' | 'proof' | 'wait'>
  readonly clock: Clock
  readonly log: Log
  readonly chain: Pick<Chain, 'moneyOf' | 'now' | 'health' | 'conservation'> & {
    readonly funds: Pick<Funds, 'depositStake' | 'depositEscrow'>
  }
  readonly network: () => Network
  /** Why this node cannot do its work just now, in words; empty when it can. */
  readonly problems: () => readonly string[]
}

/** Longest wait of one call: below what proxies and clients cut at. ms. */
export const MAX_WAIT_MS = 60_000
const DEFAULT_WAIT_MS = 30_000
/** Two days: no market's `maxJobMs` is near it, and every instant stays exact. ms. */
const MAX_DUE_MS = 172_800_000
const MAX_LIST = 200
const DEFAULT_LIST = 50
/** Longest text a caller names its asking by. Characters. */
const MAX_KEY = 128

/** The named parameters of a call, as they came. */
type Given = Readonly<Record<string, unknown>>
type Method = (params: Given, signal: AbortSignal) => unknown

const wantedId = field.text(32)
const waitMs = field.optional(field.integer(0, MAX_WAIT_MS), DEFAULT_WAIT_MS)

/** Every term that can cost money is the caller's to name; only time and lateness have defaults. */
const segmentTerms = {
  programId: field.word,
  publicInputsHash: field.word,
  work: field.unsigned(64),
  inputs: field.bytes(MAX_INPUT_BYTES),
}
const sharedTerms = {
  verifier: field.address,
  venue: field.address,
  tableDigest: field.word,
  reserveWei: field.wei(128),
  maxReserveWei: field.optional(field.wei(128), undefined),
  bondWei: field.wei(128),
  latenessWeiPerMs: field.optional(field.wei(96), 0n),
  softDueInMs: field.optional(field.integer(0, MAX_DUE_MS), undefined),
  dueInMs: field.integer(1, MAX_DUE_MS),
  backups: field.integer(0, 255),
  claimBaseFeeCapWei: field.wei(64),
  idempotencyKey: field.optional(field.text(MAX_KEY), undefined),
}
const terms = { ...sharedTerms, ...segmentTerms }
/** What is shared is of each segment: the reserve, the bond, the times. */
const bundleTerms = { ...sharedTerms, segments: field.list(2, MAX_BUNDLE, segmentTerms) }

/** The door's methods by name. Each call of one is refused with an `RpcError`, or succeeds. */
export function createMethods(ports: MethodPorts): Call {
  const methods = new Map<string, Method>(
    Object.entries({
      prove: (params: Given) => prove(ports, params),
      proveBundle: (params: Given) => proveBundle(ports, params),
      wanted: (params: Given) => wantedView(wantedOf(ports, readParams(params, { wantedId }))),
      wantedList: (params: Given) => wantedList(ports, params),
      proof: (params: Given) => proofOf(ports, wantedOf(ports, readParams(params, { wantedId }))),
      waitProof: (params: Given, signal: AbortSignal) => waitProof(ports, params, signal),
      evidence: (params: Given) => evidence(ports, params),
      job: (params: Given) => job(ports, params),
      status: without(() => status(ports)),
      deposit: (params: Given, signal: AbortSignal) => deposit(ports, params, signal),
      conservation: without(sharedConservation(ports)),
      params: without(() => rulesOf(ports)),
    }).map(([name, method]) => [`proofwire_${name}`, method]),
  )
  return async (name, params, signal) => {
    const method = methods.get(name)
    if (!method) {
      const message = `no method has this name; there are ${[...methods.keys()].join(', ')}`
      throw new RpcError(rpcCodes.unknownMethod, message, { code: 'UNKNOWN_METHOD' })
    }
    try {
      return await method(params, signal)
    } catch (error) {
      throw answerable(error, name, ports.log)
    }
  }
}

/** What the caller is told of an error. A bug of ours is for the log. */
function answerable(error: unknown, method: string, log: Log): RpcError {
  if (error instanceof RpcError) return error
  if (error instanceof WantedRefused)
    return new RpcError(rpcCodes.refused, error.message, { code: error.code })
  if (isRpcError(error)) {
    const message = `the chain did not answer: ${lineOf(error)}; try again, or see proofwire_status`
    return new RpcError(rpcCodes.chain, message, { code: 'CHAIN_UNREACHABLE' })
  }
  log.error('a call at the door failed', { method, error })
  const message = 'the call failed inside the node; its log says more'
  return new RpcError(rpcCodes.internal, message, { code: 'INTERNAL' })
}

async function prove({ wanted }: MethodPorts, params: Given) {
  const { programId, publicInputsHash, work, inputs, ...shared } = readParams(params, terms)
  return wanted.ask({ programId, publicInputsHash, work, inputs, ...consistent(shared) })
}

async function proveBundle({ wanted }: MethodPorts, params: Given) {
  const { segments, ...shared } = readParams(params, bundleTerms)
  return wanted.askBundle({ segments, ...consistent(shared) })
}

/** What else must hold between the terms. @throws RpcError */
function consistent(read: field.Read<typeof sharedTerms>) {
  const { maxReserveWei, idempotencyKey, softDueInMs, ...rest } = read
  const problems = []
  if (softDueInMs !== undefined && softDueInMs > rest.dueInMs)
    problems.push({ field: 'softDueInMs', problem: 'must be at most dueInMs' })
  if (maxReserveWei !== undefined && maxReserveWei < rest.reserveWei)
    problems.push({ field: 'maxReserveWei', problem: 'must be at least reserveWei' })
  if (problems.length > 0) throw badParams(problems)
  return {
    ...rest,
    softDueInMs: softDueInMs ?? rest.dueInMs,
    ...(maxReserveWei === undefined ? {} : { maxReserveWei }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  }
}

function wantedOf({ wanted }: MethodPorts, of: { readonly wantedId: string }): WantedRecord {
  const record = wanted.get(of.wantedId)
  if (record) return record
  const message = `no wanted proof ${of.wantedId} is remembered here; proofwire_wantedList shows those that are`
  throw new RpcError(rpcCodes.notFound, message, { code: 'UNKNOWN_WANTED' })
}

function wantedList({ wanted }: MethodPorts, params: Given) {
  const { limit, status } = readParams(params, {
    limit: field.optional(field.integer(1, MAX_LIST), DEFAULT_LIST),
    status: field.optional(field.choice('open', 'delivered', 'failed'), undefined),
  })
  const all = wanted.list().filter((record) => status === undefined || record.status === status)
  return { total: all.length, wanted: all.slice(0, limit).map(wantedLine) }
}

/** The delivery of a wanted proof. @throws RpcError when there is none. */
function deliveryOf({ wantedId, status, failure, delivery, terms }: WantedRecord) {
  if (status === 'failed') {
    const message = failure?.message ?? 'there will be no proof'
    throw new RpcError(rpcCodes.failed, message, { code: failure?.code ?? 'FAILED', wantedId })
  }
  if (delivery) return delivery
  const message = `not ready: ${wantedId} is due at ${terms.dueAt} (ms since the Unix epoch)`
  throw new RpcError(rpcCodes.notReady, message, { code: 'NOT_READY', wantedId })
}

async function proofOf({ wanted }: MethodPorts, record: WantedRecord) {
  const { wantedId } = record
  const delivery = deliveryOf(record)
  const proof = await wanted.proof(wantedId)
  // Stored with sync before its receipt is signed; only a damaged or pruned folder lacks it.
  if (!proof) throw new Error(`the proof of ${wantedId} is missing from the store`)
  const request = record.requests.find(({ requestId }) => requestId === delivery.requestId)
  return {
    wantedId,
    ...delivery,
    priceWei: request?.priceWei ?? null,
    proofHash: keccak(proof),
    proof,
  }
}

async function waitProof(ports: MethodPorts, params: Given, signal: AbortSignal) {
  const { timeoutMs, ...of } = readParams(params, { wantedId, timeoutMs: waitMs })
  const record = wantedOf(ports, of)
  await ports.wanted.wait(record.wantedId, timeoutMs, signal)
  return proofOf(ports, record)
}

/** What `Settlement` takes to pay for the proof in the transaction that uses it. */
async function evidence(ports: MethodPorts, params: Given) {
  const record = wantedOf(ports, readParams(params, { wantedId }))
  const signed = evidenceOf(ports.market, record, deliveryOf(record))
  return { wantedId: record.wantedId, ...signed, proof: (await proofOf(ports, record)).proof }
}

function job({ market }: MethodPorts, params: Given) {
  const { requestId } = readParams(params, { requestId: field.word })
  const known = market.job(requestId)
  if (known) return jobView(known)
  const message = `no job ${requestId} is known here: never heard of, or forgotten after its end`
  throw new RpcError(rpcCodes.notFound, message, { code: 'UNKNOWN_REQUEST' })
}

/** What every node of this market must have alike. */
const rulesOf = ({ domain, params }: MethodPorts) => ({ ...domain, params })

async function status(ports: MethodPorts) {
  const { version, domain, account, market, wanted, chain, clock, log } = ports
  const open = wanted.list().filter((record) => record.status === 'open').length
  const problems = [...ports.problems()]
  const money = await chain.moneyOf(account).catch((error: unknown) => {
    log.debug('status without balances', { error })
    problems.push('the chain does not tell this account’s balances; check the RPC')
    return null
  })
  return {
    version,
    ...domain,
    account,
    now: clock.now(),
    ...ports.network(),
    chain: { ...chain.now(), ...chain.health() },
    /** `null` when the chain does not answer. */
    money,
    free: {
      coverWei: market.accounts.freeCoverWei(account),
      bondWei: market.accounts.freeBondWei(account),
    },
    jobs: { remembered: market.book.size, open: market.book.openRequests(account), wanted: open },
    problems,
  }
}

/**
 * Adds money to this account. Asking twice pays twice, so an answer is given before a client gives
 * up.
 */
async function deposit({ chain, account, clock }: MethodPorts, params: Given, signal: AbortSignal) {
  const { kind, wei, timeoutMs } = readParams(params, {
    kind: field.choice('escrow', 'stake', 'bond'),
    wei: field.wei(128),
    timeoutMs: waitMs,
  })
  if (wei === 0n) throw badParams([{ field: 'wei', problem: 'must be above 0' }])
  const sending =
    kind === 'escrow'
      ? chain.funds.depositEscrow(account, wei)
      : chain.funds.depositStake(account, kind === 'bond' ? 'prover' : 'builder', wei)
  const sent = await before(sending, clock, timeoutMs, signal)
  if (sent === null) {
    const advice = 'it goes on; watch proofwire_status, and do not ask again: that would pay twice'
    return { state: 'pending', kind, wei, advice }
  }
  if (sent.kind === 'mined') return { state: 'confirmed', kind, wei, transactionHash: sent.hash }
  const message = `the deposit was not made: ${sent.reason} ${sent.detail}`.trim()
  throw new RpcError(rpcCodes.chain, message, { code: 'DEPOSIT_DROPPED', reason: sent.reason })
}

/** What it resolves with, or `null` when `limitMs` pass or the caller leaves before. */
function before(
  sending: Promise<Sent>,
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
): Promise<Sent | null> {
  return new Promise((resolve, reject) => {
    const late = (): void => resolve(null)
    const cancel = clock.wake(clock.now() + limitMs, late)
    signal.addEventListener('abort', late, { once: true })
    const done = (): void => {
      cancel()
      signal.removeEventListener('abort', late)
    }
    sending.then(resolve, reject).finally(done)
  })
}

/** It reads every log since the deployment, so all who ask meanwhile share one reading. */
function sharedConservation({ chain }: MethodPorts) {
  let reading: ReturnType<Chain['conservation']> | null = null
  return () => {
    reading ??= chain.conservation().finally(() => {
      reading = null
    })
    return reading
  }
}

/** A method that takes no parameters. */
const without =
  (run: () => unknown): Method =>
  (params) => {
    readParams(params, {})
    return run()
  }
