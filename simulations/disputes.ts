/**
 * What accounts do on chain when a job did not end well, as `node/disputes.ts` does it: commit,
 * claim once the commitment is confirmed, slash when its time has come and see a challenge through.
 * Each may be asked for again and happens once.
 */
import type { Obligation } from '#protocol/effects'
import type { Address, Id, ProofRequest } from '#protocol/schema'
import type { Done } from './blocks.ts'
import type { Call, OwnBid } from './calls.ts'
import type { Reach } from './settling.ts'

type Claim = { readonly obligation: Obligation; readonly bid: OwnBid }
type Slash = {
  readonly obligation: Obligation
  readonly from: Address
  readonly isReceived: () => boolean
  /** Block time from which it may be sent; `null` while it is under way. Seconds. */
  atS: number | null
  /** The first call was a challenge. */
  isAgain: boolean
}

const keyOf = (requestId: Id, prover: Address): string => `${requestId}/${prover}`
const ofStart = ({ start }: Obligation): string =>
  keyOf(start.message.requestId, start.message.prover)

export class Disputes {
  readonly #reach: Reach
  readonly #commits = new Set<string>()
  readonly #claims = new Map<string, Claim>()
  /** Claims that were sent. */
  readonly #claimed = new Set<string>()
  readonly #slashes = new Map<string, Slash>()

  constructor(reach: Reach) {
    this.#reach = reach
  }

  commit(requestId: Id, prover: Address): void {
    const key = keyOf(requestId, prover)
    if (this.#commits.has(key) || this.#reach.settlement.commitmentOf(requestId, prover)) return
    this.#commits.add(key)
    this.#reach.blocks.send({ kind: 'commit', requestId, prover }, prover)
  }

  claim(obligation: Obligation, bid: OwnBid): void {
    const key = ofStart(obligation)
    if (this.#claimed.has(key)) return
    this.#claims.set(key, { obligation, bid })
    this.#tryClaim(key)
  }

  /** A commitment that a reorg takes back would show the proof for nothing. */
  #tryClaim(key: string): void {
    const { settlement, blocks, isUp, confirmations } = this.#reach
    const claim = this.#claims.get(key)
    if (!claim) return
    const { request, start } = claim.obligation
    const { requestId, prover } = start.message
    const commitment = settlement.commitmentOf(requestId, prover)
    const confirmed = blocks.at(blocks.head.number - confirmations + 1)
    const isIn = commitment && confirmed && commitment.minedAtS <= confirmed.atS
    if (!isIn) this.#giveUp(key, request)
    else if (isUp(prover)) {
      this.#claims.delete(key)
      this.#claimed.add(key)
      blocks.send({ kind: 'claim', ...claim }, prover)
    }
  }

  /** Long after every window: no commitment will come. */
  #giveUp(key: string, request: ProofRequest): void {
    const { settlement, blocks } = this.#reach
    const lastS = settlement.dueS(request) + 4 * settlement.params.claimWindowS
    if (blocks.head.atS > lastS) this.#claims.delete(key)
  }

  slash(obligation: Obligation, atS: number, isReceived: () => boolean, from: Address): void {
    const key = ofStart(obligation)
    if (this.#slashes.has(key)) return
    this.#slashes.set(key, { obligation, from, isReceived, atS, isAgain: false })
  }

  /** A block is there: claims whose commitment is confirmed, slashes whose time has come. */
  advance(): void {
    for (const key of [...this.#claims.keys()]) this.#tryClaim(key)
    const { blocks, isUp } = this.#reach
    for (const [key, slash] of this.#slashes) {
      const { obligation, from, atS, isAgain, isReceived } = slash
      if (atS === null || blocks.head.atS < atS || !isUp(from)) continue
      if (!isAgain && isReceived()) this.#slashes.delete(key)
      else {
        slash.atS = null
        blocks.send({ kind: 'slash', obligation }, from)
      }
    }
  }

  /** A call of ours was mined. */
  concluded(call: Call, { fate, deeds }: Done): void {
    // Refused, it may be asked for again.
    if (call.kind === 'commit' && fate === 'refused')
      this.#commits.delete(keyOf(call.requestId, call.prover))
    if (call.kind === 'claim' && fate === 'refused') this.#claimed.delete(ofStart(call.obligation))
    if (call.kind !== 'slash') return
    const slash = this.#slashes.get(ofStart(call.obligation))
    const challenged = deeds.find((deed) => deed.kind === 'challenged')
    if (slash && challenged) {
      // The prover may still claim in the last second itself.
      slash.atS = challenged.untilS + 1
      slash.isAgain = true
    } else this.#slashes.delete(ofStart(call.obligation))
  }
}
