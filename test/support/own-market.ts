/**
 * One builder's node without network and chain: the real market, engine, signer, disk and wanted
 * proofs, under a clock that the test moves. Provers are keys whose bids and acceptances the test
 * makes.
 */
import { createHash } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '#node/clock'
import { type Counter, Engine } from '#node/engine'
import { silentLog } from '#node/log'
import { createMetrics } from '#node/metrics'
import { createSigner, type Signer, sealOpening } from '#node/signer'
import { openStore, type Store } from '#node/store'
import { WantedProofs } from '#node/wanted'
import type { WantedTerms } from '#node/wanted-record'
import type { ChainEvent, Effect, Gossiped, MarketEvent } from '#protocol/effects'
import { openEnvelope, sealEnvelope } from '#protocol/envelope'
import { Market } from '#protocol/market'
import { defaultParams } from '#protocol/params'
import type { Hex, Id } from '#protocol/schema'
import { commitmentOf } from '#protocol/sealing'
import { keccak } from '#protocol/signature'

export const domain = { chainId: 31_337, settlement: `0x${'5e'.repeat(20)}` } as const
export const ETHER = 10n ** 18n
const NOON = 1_800_000_000_000

export const hash = (name: string): Hex => `0x${createHash('sha256').update(name).digest('hex')}`
const keyOf = (name: string): Uint8Array => createHash('sha256').update(`key ${name}`).digest()
export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'proofwire-own-'))

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  #now = NOON
  #alarms: { at: number; run: () => void }[] = []
  readonly now = (): number => this.#now
  readonly wake = (at: number, run: () => void): (() => void) => {
    const alarm = { at, run }
    this.#alarms.push(alarm)
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm)
    }
  }
  /** Moves on, stopping at every alarm on the way. */
  advanceTo(at: number): void {
    for (;;) {
      const next = this.#alarms.filter((alarm) => alarm.at <= at).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.#alarms = this.#alarms.filter((alarm) => alarm !== next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
    this.#now = Math.max(this.#now, at)
  }
  advance(ms: number): void {
    this.advanceTo(this.#now + ms)
  }
  /** As after a restart: the alarms were the process's. */
  forget(): void {
    this.#alarms = []
  }
}

export const terms: WantedTerms = {
  programId: hash('program'),
  verifier: `0x${'11'.repeat(20)}`,
  venue: `0x${'22'.repeat(20)}`,
  publicInputsHash: hash('public inputs'),
  tableDigest: hash('table'),
  inputs: new Uint8Array([1, 2, 3]),
  work: 1n,
  reserveWei: ETHER / 100n,
  bondWei: ETHER / 10n,
  latenessWeiPerMs: 0n,
  softDueInMs: 10_000,
  dueInMs: 20_000,
  backups: 0,
  claimBaseFeeCapWei: 10n ** 9n,
}

export type OwnMarketOptions = {
  readonly folder: string
  readonly clock: TestClock
  /** Stands before the disk, to fail or to stop. */
  readonly around?: (store: Store) => Store
  /** The builder's streams. Default: none. */
  readonly counter?: Counter
}

/** Whoever waits looks whenever anything happens. */
class Watch {
  readonly #looks = new Set<() => void>()
  readonly tell = (): void => {
    for (const look of this.#looks) look()
  }
  /** Resolves once `found` gives something. */
  readonly when = <T>(found: () => T | undefined | null | false): Promise<T> =>
    new Promise((resolve) => {
      const look = (): void => {
        const value = found()
        if (value === undefined || value === null || value === false) return
        this.#looks.delete(look)
        resolve(value)
      }
      this.#looks.add(look)
      look()
    })
}

const nothing = (): void => undefined
const fail = (error: unknown): void => {
  throw error
}

/** Opens and resumes. */
export async function startOwnMarket({
  folder,
  clock: shared,
  around = (store) => store,
  counter = { turn: nothing, dismiss: nothing, answer: nothing },
}: OwnMarketOptions) {
  const disk = await openStore(folder)
  const store = around(disk)
  let isKilled = false
  /** A killed process hears no alarm and sets none, whatever of its work still runs here. */
  const clock: Clock = {
    now: shared.now,
    wake: (at, run) => (isKilled ? nothing : shared.wake(at, run)),
  }
  const signer = createSigner(keyOf('builder'), domain, store)
  const market = new Market({ self: signer.account, params: defaultParams })
  const metrics = createMetrics()
  const events: MarketEvent[] = []
  const said: Gossiped[] = []
  const slashes: Effect[] = []
  const watch = new Watch()
  const engine: Engine = new Engine({
    ...{ market, store, signer, clock, log: silentLog, metrics, prover: null },
    publish: async (kind, data) => {
      const opened = openEnvelope(kind, data, signer.separator)
      if ('action' in opened) throw new Error(`said what nobody can read: ${opened.code}`)
      said.push(opened)
    },
    chain: {
      ...{ settle: nothing, commit: nothing, claim: nothing, report: nothing },
      ...{ reportMisaward: nothing, slash: (effect) => slashes.push(effect) },
    },
    counter,
    onEvent: (event) => {
      wanted.observe(event)
      events.push(event)
      watch.tell()
    },
    onFatal: fail,
  })
  const wanted: WantedProofs = await WantedProofs.open({
    ...{ market, store, signer, engine, clock, log: silentLog, metrics, params: defaultParams },
    builderPeer: hash('peer'),
    bidWindowMs: 400,
    onFatal: fail,
  })
  wanted.subscribe(watch.tell)
  await engine.restore()
  const chain = (event: ChainEvent): void => {
    engine.feed({ kind: 'chain', event })
  }
  const fund = (account: Hex, wei: bigint): void =>
    chain({ kind: 'account', account, bondWei: wei, stakeWei: wei, escrowWei: wei })
  fund(signer.account, ETHER)
  const provers = ['ann', 'bob', 'cas'].map((name) => createSigner(keyOf(name), domain, store))
  for (const prover of provers) fund(prover.account, ETHER)
  engine.resume()
  wanted.resume()

  return {
    ...{ wanted, market, engine, signer, store, metrics, events, said, slashes, provers, chain },
    fund,
    when: watch.when,
    stop: async (): Promise<void> => {
      await wanted.stop()
      await engine.stop()
      metrics.stop()
      await disk.close()
    },
    /** As after kill -9: nothing is waited for but the disk's own writes. */
    kill: async (): Promise<void> => {
      isKilled = true
      shared.forget()
      metrics.stop()
      await disk.close()
    },
  }
}
export type OwnMarket = Awaited<ReturnType<typeof startOwnMarket>>

/** The prover's bid, sealed and sent. Answers what the gossip validator says. */
export async function bid(
  { engine, market }: OwnMarket,
  prover: Signer,
  requestId: Id,
  priceWei: bigint,
): Promise<string> {
  const { auctionKey, closesAt } = market.job(requestId)!.request.message
  const opening = { priceWei, readyAt: closesAt + 3_000, salt: hash('salt').slice(0, 34) as Hex }
  const message = {
    requestId,
    prover: prover.account,
    commitment: commitmentOf(requestId, prover.account, opening),
    sealedOpening: await sealOpening(auctionKey, requestId, prover.account, opening),
  }
  const signed = prover.sign('Bid', message)
  return engine.validate('Bid', sealEnvelope(signed))
}

/** The prover accepts in its turn; resolves when it is started. */
export async function accept(own: OwnMarket, prover: Signer, requestId: Id): Promise<void> {
  const awardId = own.market.job(requestId)!.award!.id
  const message = { requestId, awardId, prover: prover.account }
  own.engine.feed({ kind: 'accepted', from: prover.sign('Acceptance', message) })
  await own.when(() => own.market.job(requestId)?.obligations.has(prover.account))
}

/** The prover's proof has come and verifies; resolves when its receipt is signed. */
export async function deliver(
  own: OwnMarket,
  prover: Signer,
  requestId: Id,
  proof: Uint8Array,
  deliveredAt: number,
): Promise<void> {
  const at = { requestId, prover: prover.account }
  await own.wanted.keepProof(requestId, prover.account, proof)
  own.engine.feed({ kind: 'delivered', ...at, proofHash: keccak(proof), deliveredAt })
  await own.when(() => own.market.job(requestId)?.obligations.get(prover.account)?.receipt)
}

/** The auction of a request ends; resolves when its award is out. */
export async function award(own: OwnMarket, clock: TestClock, requestId: Id): Promise<void> {
  clock.advanceTo(own.market.job(requestId)!.request.message.closesAt)
  await own.when(() => own.market.job(requestId)?.award)
}
