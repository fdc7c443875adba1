/**
 * What jobs were cleared at. Every award shows its winner's price and promise, so an agent knows
 * the score it has to beat next time. Bounded: the last awards of each sort of job, and the sorts
 * asked for last. Pure.
 */
import { scoreWei } from '#protocol/money'
import type { ProofRequest } from '#protocol/schema'
import { quantile } from './quantile.ts'

type Sort = Pick<ProofRequest, 'programId' | 'work'>
type Terms = Sort & Pick<ProofRequest, 'latenessWeiPerMs' | 'softDueAt' | 'dueAt'>

/** Awards of one sort that count: half an hour of a busy market. */
const WINDOW = 64
/**
 * Sorts remembered. A stranger can invent programs; the real ones come back with their next award.
 */
const MAX_SORTS = 256
/** Below this, prices say more about chance than about the market. */
const LEAST_AWARDS = 5

const nameOf = ({ programId, work }: Sort): string => `${programId}/${work}`

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

export class LearnedPrices {
  /** Winning scores by sort, oldest first, wei; sorts by their last award. */
  readonly #scores = new Map<string, readonly bigint[]>()

  /** Takes an award for this request. `readyAt`: ms since the Unix epoch. */
  learn(request: Terms, award: { readonly priceWei: bigint; readonly readyAt: number }): void {
    const name = nameOf(request)
    const scores = this.#scores.get(name) ?? []
    const score = scoreWei(request, award.priceWei, award.readyAt)
    this.#scores.delete(name)
    this.#scores.set(name, [...scores, score].slice(-WINDOW))
    if (this.#scores.size <= MAX_SORTS) return
    for (const oldest of this.#scores.keys()) {
      this.#scores.delete(oldest)
      break
    }
  }

  /**
   * The score that `percent` of the last jobs of this sort were won at or below (rule A1); null
   * while too few are known. wei.
   */
  scoreWei(sort: Sort, percent: number): bigint | null {
    const scores = this.#scores.get(nameOf(sort)) ?? []
    if (scores.length < LEAST_AWARDS) return null
    return quantile(scores.toSorted(ascending), percent)
  }

  /** Sorts of job that are remembered. */
  get size(): number {
    return this.#scores.size
  }
}
