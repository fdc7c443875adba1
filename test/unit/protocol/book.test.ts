import { describe, expect, test } from 'vitest'
import { Accounts } from '#protocol/accounts'
import { JobBook } from '#protocol/book'
import { type Job, newJob, type Obligation } from '#protocol/job'
import { defaultParams } from '#protocol/params'
import type { ProofRequest } from '#protocol/schema'
import { Standing } from '#protocol/standing'
import {
  addressOf,
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  carol,
  DUE_AT,
  MILLI,
  receipt,
  request,
  start,
  T0,
  terms,
} from '#test/support/messages'

const params = { ...defaultParams, maxJobs: 3 }

function book(isBound = (_: string) => false) {
  const accounts = new Accounts()
  return { accounts, book: new JobBook(params, accounts, isBound) }
}

const job = (nonce: bigint, changes: Partial<Job> = {}): Job => ({
  ...newJob(request({ nonce })),
  ...changes,
})

function startedJob(nonce: bigint, provers = [alice]): Job {
  const of = job(nonce)
  const awarded = award(
    of.request,
    provers.map((prover) => bid(of.request, prover)),
  )
  const obligations = new Map(
    provers.map((prover): [typeof prover, Obligation] => [
      prover,
      { start: start(awarded, prover), notice: null, receipt: null, resolution: null },
    ]),
  )
  return { ...of, award: awarded, obligations }
}

describe('jobs', () => {
  test('are found by id, and by builder and nonce', () => {
    const { book: jobs } = book()
    const one = job(1n)
    jobs.add(one, T0)
    expect(jobs.get(one.id)).toBe(one)
    expect(jobs.byNonce(builder, 1n)).toBe(one.request)
    expect(jobs.byNonce(builder, 2n)).toBeUndefined()
    expect(jobs.byNonce(alice, 1n)).toBeUndefined()
    jobs.delete(one.id)
    expect([jobs.get(one.id), jobs.byNonce(builder, 1n), jobs.size]).toEqual([
      undefined,
      undefined,
      0,
    ])
    jobs.delete(one.id)
  })

  test('are not counted any more once they are delivered, though not settled', () => {
    const { book: jobs } = book()
    const of = startedJob(1n, [alice, bob])
    jobs.add(of, T0)
    jobs.update(of)
    expect(jobs.openRequests(builder)).toBe(1)
    of.obligations.get(bob)!.receipt = receipt(of.request, bob)
    jobs.update(of)
    expect(jobs.openRequests(builder)).toBe(0)
  })

  test('are counted per builder while they have no outcome', () => {
    const { book: jobs } = book()
    const [one, two] = [job(1n), job(2n)]
    for (const of of [one, two]) {
      jobs.add(of, T0)
      jobs.update(of)
      jobs.update(of)
    }
    expect(jobs.openRequests(builder)).toBe(2)
    const third = job(3n)
    jobs.add(third, T0)
    jobs.update(third)
    jobs.delete(third.id)
    expect(jobs.openRequests(builder)).toBe(2)
    one.outcome = 'void'
    jobs.update(one)
    expect(jobs.openRequests(builder)).toBe(1)
    jobs.delete(two.id)
    expect(jobs.openRequests(builder)).toBe(0)
  })
})

describe('a full book (rule H3)', () => {
  test('takes nothing while all its jobs are live', () => {
    const { book: jobs } = book()
    for (const nonce of [1n, 2n, 3n]) expect(jobs.add(job(nonce), T0)).toBeNull()
    expect(jobs.add(job(4n), T0)).toBe('full')
    expect(jobs.size).toBe(3)
  })

  test('gives up closed jobs first, then void ones, oldest first', () => {
    const { book: jobs } = book()
    const voided = { ...startedJob(1n), outcome: 'void' as const }
    const closed = { ...startedJob(2n), outcome: 'settled' as const }
    for (const obligation of closed.obligations.values())
      obligation.resolution = { kind: 'paid', payWei: 1n, transactionHash: '0x' }
    for (const of of [voided, closed, job(3n)]) jobs.add(of, T0)
    expect(jobs.add(job(4n), T0)).toBe(closed.id)
    jobs.delete(closed.id)
    expect(jobs.add(job(5n), T0)).toBe(voided.id)
  })

  test('never gives up a job whose money is open, nor one this node is bound in', () => {
    const bound = job(1n, { outcome: 'void' })
    const { book: jobs } = book((id) => id === bound.id)
    for (const of of [bound, { ...startedJob(2n), outcome: 'settled' as const }, job(3n)])
      jobs.add(of, T0)
    expect(jobs.add(job(4n), T0)).toBe('full')
  })
})

describe('what a job holds', () => {
  test('is its reserve and claim cost, then its price, then what its starts may cost (rules G3, G4)', () => {
    const { book: jobs, accounts } = book()
    accounts.observe({
      kind: 'account',
      account: builder,
      bondWei: 0n,
      stakeWei: 0n,
      escrowWei: 0n,
    })
    const of = startedJob(1n)
    const claimWei = params.claimGas * terms().claimBaseFeeCapWei
    const bare = newJob(of.request)
    jobs.add(bare, T0)
    jobs.update(bare)
    expect(accounts.cover.total(builder)).toBe(terms().reserveWei + claimWei)
    bare.award = of.award
    jobs.update(bare)
    expect(accounts.cover.total(builder)).toBe(MILLI + claimWei)
    bare.obligations.set(alice, of.obligations.get(alice)!)
    jobs.update(bare)
    expect(accounts.bonds.total(alice)).toBe(terms().bondWei)
    bare.obligations.get(alice)!.resolution = { kind: 'paid', payWei: 1n, transactionHash: '0x' }
    jobs.update(bare)
    expect([accounts.bonds.size, accounts.cover.size]).toEqual([0, 0])
  })

  test('is let go when it is forgotten', () => {
    const { book: jobs, accounts } = book()
    const of = startedJob(1n)
    jobs.add(of, T0)
    jobs.update(of)
    expect([accounts.bonds.size, accounts.cover.size]).toEqual([1, 1])
    jobs.delete(of.id)
    expect([accounts.bonds.size, accounts.cover.size]).toEqual([0, 0])
  })
})

describe('an ended job is forgotten', () => {
  test('half a minute after its close when it was never awarded, after its due time when it was', () => {
    const { book: jobs } = book()
    expect(jobs.forgetAt(job(1n, { outcome: 'void' }))).toBe(CLOSES_AT + 30_000)
    const awarded = { ...startedJob(1n), obligations: new Map() }
    expect(jobs.forgetAt(awarded)).toBe(DUE_AT + 30_000)
  })

  test('after every window, when the money of a start is still open', () => {
    const { book: jobs } = book()
    const dueS = Math.ceil(DUE_AT / 1_000)
    expect(jobs.forgetAt(startedJob(1n))).toBe((dueS + 4 * params.claimWindowS) * 1_000)
  })
})

describe('a start says', () => {
  const builders = ['b1', 'b2', 'b3'].map(addressOf)

  test('that those named before it left their turn unanswered (rule S1)', () => {
    const { book: jobs } = book()
    const standing = new Standing(defaultParams)
    for (const of of builders) {
      const signed = request({ builder: of })
      const awarded = award(
        signed,
        [alice, bob, carol].map((prover) => bid(signed, prover)),
      )
      const started = { ...newJob(signed), award: awarded }
      started.obligations.set(carol, {} as Obligation)
      jobs.recordTurns(started, carol, standing, T0)
    }
    expect([alice, bob, carol].map((prover) => standing.isUnresponsive(prover, T0))).toEqual([
      true,
      true,
      false,
    ])
  })

  test('nothing of those before the last start, who were started or counted before', () => {
    const { book: jobs } = book()
    const standing = new Standing({ ...defaultParams, turnsRemembered: 1, unansweredBuilders: 1 })
    const of = startedJob(1n, [alice, bob, carol])
    of.obligations.delete(alice)
    standing.recordTurn(alice, builder, true, T0)
    jobs.recordTurns(of, carol, standing, T0)
    expect(standing.isUnresponsive(alice, T0)).toBe(false)
    expect(standing.isUnresponsive(bob, T0)).toBe(false)
  })
})

describe('bundles', () => {
  const part = (nonce: bigint, bundleIndex: number, changes: Partial<ProofRequest> = {}): Job => {
    const place = { bundleId: `0x${'b0'.repeat(32)}` as const, bundleIndex, bundleSize: 2 }
    return newJob(request({ nonce, ...place, ...changes }))
  }

  test('are found by any of their requests, in order of index, each builder’s for itself', () => {
    const { book: jobs } = book()
    const [second, first, other] = [part(1n, 1), part(2n, 0), part(1n, 0, { builder: alice })]
    for (const each of [second, first, other]) jobs.add(each, T0)
    expect(jobs.bundle(second.request.message)).toEqual([first, second])
    expect(jobs.bundle(other.request.message)).toEqual([other])
    expect(jobs.bundle(job(9n).request.message)).toEqual([])
    expect(jobs.bundles).toBe(2)
    for (const { id } of [second, first]) jobs.delete(id)
    expect([jobs.bundle(first.request.message), jobs.bundles]).toEqual([[], 1])
  })

  test('are judged once', () => {
    const { book: jobs } = book()
    const { message } = part(1n, 0).request
    expect(jobs.isFirstJudgement(message)).toBe(false)
    jobs.add(part(1n, 0), T0)
    expect([1, 2].map(() => jobs.isFirstJudgement(message))).toEqual([true, false])
    expect(jobs.isFirstJudgement(job(9n).request.message)).toBe(false)
  })
})
