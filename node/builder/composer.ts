/**
 * The whole way of a transaction that crosses chains: its table is written, proven by the market
 * and by owners who are here, posted and consumed in one transaction. A table that went stale
 * meanwhile is written anew. Every step is on disk before it is taken: a process that ended at any
 * point is followed by one that goes on.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { fromHex, toHex } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import type { Cut } from '#protocol/segments'
import { decodeTable, type Table, tableDigest } from '#protocol/table'
import { describeTable } from '#protocol/table-text'
import { type Call, type ProgramProof, postCall, proofDemands } from './batch.ts'
import type { ChainReader } from './chain-reader.ts'
import type { Composition } from './composition-config.ts'
import { type DoorClient, type Evidence, type MarketTerms, NoProof } from './door-client.ts'
import { RpcRefusal } from './json-rpc.ts'
import { type L1, L1Error } from './l1.ts'
import {
  askForProof,
  assembleProof,
  type ProofPlan,
  planProof,
  proversOf,
  TooLong,
} from './market-proof.ts'
import { payingPostCall } from './payment.ts'
import type { PendingFile, PendingSend } from './pending-send.ts'
import { findPosting } from './posting.ts'
import { programKey, type RollupSet } from './rollup-set.ts'
import { TableFailure, type WrittenTable, writeTable } from './writer.ts'

/** What happens, for whoever shows it. Amounts in wei. */
export type ComposerEvent =
  | { readonly event: 'entry'; readonly text: string }
  | {
      readonly event: 'table'
      readonly attempt: number
      readonly text: string
      readonly digest: Hex
      readonly entries: number
    }
  | {
      readonly event: 'requested'
      readonly wantedId: string
      readonly requestId: Hex
      /** Which of how many, from 1. */
      readonly segment: number
      readonly segments: number
    }
  | { readonly event: 'proof'; readonly bytes: number; readonly provers: readonly Address[] }
  | { readonly event: 'sending'; readonly transactionHash: Hex; readonly pays: boolean }
  | { readonly event: 'sent'; readonly transactionHash: Hex; readonly blockNumber: number }
  | { readonly event: 'stale'; readonly attempt: number; readonly reason: string }
  | { readonly event: 'resumed'; readonly digest: Hex; readonly from: string }
  | {
      readonly event: 'done'
      readonly transactionHash: Hex
      readonly blockNumber: number
      readonly digest: Hex
      /** What the call returned; null when the node gives no traces. */
      readonly answer: Hex | null
      readonly rollups: readonly RollupNow[]
    }

export type RollupNow = {
  readonly rollupId: bigint
  readonly stateRoot: Hex
  readonly balanceWei: bigint
}

type ComposerSettings = Pick<Composition, 'windowBlocks' | 'attempts' | 'settlement'> & MarketTerms

export type ComposerPorts = {
  readonly l1: L1
  readonly chain: ChainReader
  readonly door: DoorClient
  readonly rollups: RollupSet
  readonly pending: PendingFile
  /** Of the sender. */
  readonly privateKey: Hex
  readonly from: Address
  readonly call: Call
  readonly settings: ComposerSettings
  readonly onEvent: (event: ComposerEvent) => void
  readonly signal: AbortSignal
}

/** The transaction cannot be made. The message says why, and what to do. */
export class SendError extends Error {
  override readonly name = 'SendError'
  readonly code = 'TABLE_SEND'
}

/** Why a table cannot be used any more, though it was right when it was written. */
class Stale extends Error {
  override readonly name = 'Stale'
}

/** A table with its roots on L1, and the proof that was asked for. */
type Work = {
  readonly table: Table
  readonly canonical: Uint8Array
  readonly digest: Hex
  /** Roots its rollups had when it was written. */
  readonly roots: ReadonlyMap<bigint, Hex>
  /** What was asked of the market, one wanted proof for each segment; null for nothing. */
  readonly asked: { readonly plan: ProofPlan; readonly wantedIds: readonly string[] } | null
}

type MarketProof = { readonly proof: Hex; readonly evidence: Evidence | null }

/** `rpcCodes` of the door. */
const NOT_FOUND = -32_001
/** Between two looks at a transaction that a process before this one sent. ms. */
const LOOK_MS = 500

export class Composer {
  readonly #ports: ComposerPorts

  constructor(ports: ComposerPorts) {
    this.#ports = ports
  }

  /**
   * Writes the table of the transaction.
   * @throws TableFailure, StateError, L1Error, RpcRefusal, RpcUnreachable.
   */
  async write(attempt = 1): Promise<WrittenTable> {
    const { l1, rollups, from, call, settings, onEvent } = this.#ports
    const roots = await rollups.adopt(l1)
    const { number } = await l1.head()
    const [firstBlock, lastBlock] = [number + 1, number + settings.windowBlocks]
    const written = await writeTable(
      { from, calls: [call] },
      { firstBlock, lastBlock, executor: from },
      { l1, rollups: rollups.transitions },
      (text) => onEvent({ event: 'entry', text }),
    ).catch(async (error: unknown) => {
      // Somebody else's transaction between our look at the roots and the writer's.
      const moved = error instanceof TableFailure ? await this.#moved(roots) : null
      throw moved === null ? error : new Stale(moved)
    })
    const { table, digest } = written
    const entries = table.entries.length
    onEvent({ event: 'table', attempt, text: describeTable(table), digest, entries })
    return written
  }

  /** The whole way. @throws what `write` throws; SendError, NoProof. */
  async send(): Promise<void> {
    const { settings, onEvent } = this.#ports
    const begun = await this.#resume()
    if (begun === 'done') return
    for (let attempt = 1; ; attempt++) {
      try {
        const work = attempt === 1 && begun !== null ? begun : await this.#begin(attempt)
        return await this.#finish(work)
      } catch (error) {
        if (error instanceof Stale || error instanceof NoProof) await this.#ports.pending.clear()
        if (!(error instanceof Stale)) throw error
        onEvent({ event: 'stale', attempt, reason: error.message })
        if (attempt < settings.attempts) continue
        const what = `${attempt} tables went stale, the last one because ${error.message}`
        throw new SendError(`${what}. Raise attempts, or the time that a proof has.`)
      }
    }
  }

  /** Writes a table and asks for its proof. */
  async #begin(attempt: number): Promise<Work> {
    const { rollups, pending } = this.#ports
    const written = await this.write(attempt)
    const { table, canonical, digest } = written
    await rollups.keep(table)
    const plan = this.#plan(table)
    const asked = plan && { plan, wantedIds: await this.#request(written, plan) }
    const work = { table, canonical, digest, roots: firstRoots(table), asked }
    if (asked !== null) await pending.save(pendingOf(work, null))
    return work
  }

  /** How the ledger's part is proven; null when there is none. @throws SendError */
  #plan(table: Table, cuts?: readonly Cut[]): ProofPlan | null {
    const { ledger } = this.#ports.rollups
    const isNamed = table.programs.some((one) => ledger && programKey(one) === programKey(ledger))
    if (ledger === null || !isNamed) return null
    try {
      return planProof(table, ledger, ledger.keys, ledger.mostEntries, cuts)
    } catch (error) {
      throw error instanceof TooLong ? new SendError(error.message) : error
    }
  }

  /** Asks the market for the ledger's part. @returns what was asked for. */
  async #request({ table, digest, steps }: WrittenTable, plan: ProofPlan): Promise<string[]> {
    const { rollups, door, settings, onEvent } = this.#ports
    const { reserveWei, maxReserveWei, bondWei, latenessWeiPerMs } = settings
    const { softDueInMs, dueInMs, backups, claimBaseFeeCapWei } = settings
    const asked = await askForProof(
      door,
      plan,
      {
        ...{ venue: table.venue, tableDigest: digest },
        ...{ reserveWei, maxReserveWei, bondWei, latenessWeiPerMs },
        ...{ softDueInMs, dueInMs, backups, claimBaseFeeCapWei },
      },
      (index) => rollups.proofInputs(table, steps, plan.segments, index),
      // Not the digest alone: a table may be written again, byte for byte, after a failed request.
      `${digest}/${randomUUID()}`,
    )
    const segments = asked.length
    for (const [index, one] of asked.entries())
      onEvent({ event: 'requested', ...one, segment: index + 1, segments })
    return asked.map(({ wantedId }) => wantedId)
  }

  /** Waits for the proofs and sends. @throws Stale */
  async #finish(work: Work): Promise<void> {
    const { rollups, settings } = this.#ports
    const { table, canonical } = work
    const owners = await rollups.ownerProofs(table)
    const market = await this.#marketProof(work)
    const evidence = market?.evidence ?? null
    await this.#requireFresh(work)
    const proofs = proofDemands(table).map((demand): ProgramProof => {
      const proof = owners.get(programKey(demand))?.proof ?? market?.proof
      if (proof !== undefined) return { ...demand, proof }
      throw new SendError(`nobody here proves ${demand.programId} at ${demand.verifier}`)
    })
    const index = proofs.findIndex(({ proof }) => proof === market?.proof)
    const post =
      evidence === null || settings.settlement === null
        ? postCall(table.venue, canonical, proofs)
        : payingPostCall(settings.settlement, canonical, proofs, index, evidence)
    await this.#transact(work, post, evidence !== null)
  }

  /** The ledger's proof, put together, with what pays the first segment's prover. */
  async #marketProof({ asked }: Work): Promise<MarketProof | null> {
    const { door, settings, onEvent } = this.#ports
    if (asked === null) return null
    const { plan, wantedIds } = asked
    const proofs = await Promise.all(wantedIds.map((wantedId) => this.#proofOf(wantedId)))
    const proof = assembleProof(plan, proofs)
    // The others settle the receipts they have: the same table is posted only once.
    const evidence = settings.settlement === null ? null : await door.evidence(wantedIds[0]!)
    const provers = proversOf(plan, proofs)
    const named = provers.length > 0 ? provers : evidence ? [evidence.start.prover] : []
    onEvent({ event: 'proof', bytes: (proof.length - 2) / 2, provers: named })
    return { proof, evidence }
  }

  async #proofOf(wantedId: string): Promise<Hex> {
    return this.#ports.door.proof(wantedId).catch((error: unknown) => {
      const isForgotten = error instanceof RpcRefusal && error.rpcCode === NOT_FOUND
      throw isForgotten ? new Stale(`the door knows nothing of ${wantedId}`) : error
    })
  }

  async #transact(work: Work, post: Call, pays: boolean): Promise<void> {
    const { l1, pending, privateKey, call, onEvent } = this.#ports
    const onSigned = async (transactionHash: Hex): Promise<void> => {
      await pending.save(pendingOf(work, transactionHash))
      onEvent({ event: 'sending', transactionHash, pays })
    }
    const sent = await l1.send(privateKey, [post, call], { onSigned }).catch(async (error) => {
      // What the node refuses to estimate never left.
      if (error instanceof L1Error) await this.#requireFresh(work)
      throw error
    })
    const { transactionHash, blockNumber } = sent
    if (sent.succeeded) {
      onEvent({ event: 'sent', transactionHash, blockNumber })
      return this.#done(work, transactionHash, blockNumber)
    }
    await this.#requireFresh(work, blockNumber)
    await pending.clear()
    const what = `the transaction ${transactionHash} reverted in block ${blockNumber}`
    throw new SendError(`${what}, though its table fits: L1 went another way than simulated`)
  }

  /** @param at Block it was to be posted in; default the next. @throws Stale */
  async #requireFresh({ table, roots }: Work, at?: number): Promise<void> {
    const { l1 } = this.#ports
    const moved = await this.#moved(roots)
    if (moved !== null) throw new Stale(moved)
    const next = at ?? (await l1.head()).number + 1
    if (next > table.lastBlock)
      throw new Stale(`its last block, ${table.lastBlock}, is over: the next one is ${next}`)
  }

  /** Which rollup is not where it was. */
  async #moved(roots: ReadonlyMap<bigint, Hex>): Promise<string | null> {
    for (const [rollupId, root] of roots) {
      const { stateRoot } = await this.#ports.l1.rollupOf(rollupId)
      if (stateRoot !== root) return `rollup ${rollupId} has moved from ${root} to ${stateRoot}`
    }
    return null
  }

  async #done(
    { table, digest }: Pick<Work, 'table' | 'digest'>,
    transactionHash: Hex,
    blockNumber: number,
  ): Promise<void> {
    const { l1, chain, pending, onEvent } = this.#ports
    const answer = await chain.answer(transactionHash)
    const rollups: RollupNow[] = []
    for (const { rollupId } of table.programs) {
      const { stateRoot, balanceWei } = await l1.rollupOf(rollupId)
      rollups.push({ rollupId, stateRoot, balanceWei })
    }
    await pending.clear()
    onEvent({ event: 'done', transactionHash, blockNumber, digest, answer, rollups })
  }

  /** Takes up what a process before this one began; null when there is nothing to go on with. */
  async #resume(): Promise<Work | 'done' | null> {
    const { pending, rollups, l1, onEvent } = this.#ports
    const saved = await pending.load()
    const canonical = saved && fromHex(saved.canonical)
    const table = canonical && decodeTable(canonical)
    if (saved === null || !table || !canonical) return null
    const digest = tableDigest(canonical)
    if (await this.#landed(saved, table, digest)) return 'done'
    const roots = await rollups.adopt(l1)
    const begun = firstRoots(table)
    const isThere = [...begun].every(([rollupId, root]) => roots.get(rollupId) === root)
    const plan = this.#plan(table, saved.cuts)
    if (!isThere || saved.wantedIds === null || plan === null) return null
    const { wantedIds } = saved
    onEvent({ event: 'resumed', digest, from: `the proof ${wantedIds.join(', ')}` })
    return { table, canonical, digest, roots: begun, asked: { plan, wantedIds } }
  }

  /** Waits for what may be under way; whether it was done. */
  async #landed({ transactionHash }: PendingSend, table: Table, digest: Hex): Promise<boolean> {
    const { chain, signal, onEvent } = this.#ports
    if (transactionHash === null) return false
    onEvent({ event: 'resumed', digest, from: `the transaction ${transactionHash}` })
    for (;;) {
      const head = await chain.head()
      const range = { from: table.firstBlock, to: Math.min(head, table.lastBlock) }
      const found = await findPosting(chain, { digest, emitter: table.venue }, range)
      if (found !== null) {
        await this.#done({ table, digest }, found.transactionHash, found.blockNumber)
        return true
      }
      // Over, reverted, or never left: it does nothing any more.
      const isOver = head >= table.lastBlock || (await chain.receipt(transactionHash)) !== null
      if (isOver || (await chain.input(transactionHash)) === null) return false
      await pause(LOOK_MS, undefined, { signal })
    }
  }
}

/** What a process after this one goes on from. */
const pendingOf = ({ canonical, asked }: Work, transactionHash: Hex | null): PendingSend => ({
  canonical: toHex(canonical),
  wantedIds: asked?.wantedIds ?? null,
  cuts: asked?.plan.segments.map(({ keyId, entries }) => ({ keyId, entries })) ?? [],
  transactionHash,
})

/** Where a table finds each of its rollups. */
function firstRoots({ entries }: Table): Map<bigint, Hex> {
  const roots = new Map<bigint, Hex>()
  for (const { rollupId, rootBefore } of entries.flatMap(({ deltas }) => deltas))
    if (!roots.has(rollupId)) roots.set(rollupId, rootBefore)
  return roots
}
