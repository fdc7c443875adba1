/** A devnet of six jobs from its first line to its report. `.ci/run` plays three besides. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JobReport } from '#simulations/devnet/report'
import { proofwire } from '#test/support/devnet'

const amount = expect.stringMatching(/^\d+$/)
const address = expect.stringMatching(/^0x[0-9a-f]{40}$/)
const word = expect.stringMatching(/^0x[0-9a-f]{64}$/)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-long-'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('devnet', () => {
  test('six jobs: five settled or more, the silent prover slashed, no wei lost', async () => {
    const file = join(folder, 'report.json')
    const devnet = proofwire(['devnet', '--jobs', '6', '--report', file])
    expect(await devnet.exited, devnet.output()).toBe(0)
    const report = JSON.parse(await readFile(file, 'utf8'))

    expect(report.jobs).toHaveLength(6)
    const settled: JobReport[] = report.jobs.filter(
      ({ outcome }: JobReport) => outcome === 'settled',
    )
    expect(settled.length).toBeGreaterThanOrEqual(5)
    for (const job of settled) {
      expect(job).toEqual({
        requestId: word,
        bids: expect.any(Number),
        winner: address,
        priceWei: amount,
        requestToAwardMs: expect.any(Number),
        awardToAcceptanceMs: expect.any(Number),
        awardToProofMs: expect.any(Number),
        outcome: 'settled',
        slashed: expect.any(Array),
        transactionHash: word,
      })
    }
    // One bond covers one job: the silent prover wins one, and is never believed again.
    const bad = report.jobs.findIndex(({ slashed }: JobReport) => slashed.length > 0)
    const { winner, slashed } = report.jobs[bad]
    expect(slashed).toEqual([winner])
    for (const [index, job] of report.jobs.entries()) {
      if (index === bad) continue
      expect(job.winner).not.toBe(winner)
      expect(job.slashed).toEqual([])
    }

    // 400 ms of bidding; 600 leave room for a machine that proves on all its cores meanwhile.
    const awardsMs = settled.map(({ requestToAwardMs }) => requestToAwardMs!)
    expect(Math.max(...awardsMs)).toBeLessThanOrEqual(600)
    expect(Math.min(...awardsMs)).toBeGreaterThanOrEqual(400)

    const { conservation } = report
    expect(conservation.ok).toBe(true)
    const wei = (name: string): bigint => BigInt(conservation[name])
    const held = wei('escrowWei') + wei('bondsWei') + wei('creditsWei') + wei('burntWei')
    expect(held).toBe(wei('depositedWei') - wei('withdrawnWei'))
    expect(wei('burntWei')).toBeGreaterThan(0n)
    expect(wei('creditsWei')).toBeGreaterThan(0n)

    // What a person sees of it.
    const output = devnet.output()
    for (const sight of [/bids, sealed/, /wins at [\d.]+ ETH/, /is silent past its promise/]) {
      expect(output).toMatch(sight)
    }
    for (const sight of [/delivered \d+ ms after/, /is paid/, /is slashed/, /every wei is where/]) {
      expect(output).toMatch(sight)
    }
    // Every transaction's table as a person reads it, and its digest; the seed's example among
    // them.
    expect(output.match(/its table, digest 0x[0-9a-f]{64}/g)).toHaveLength(6)
    expect(output).toMatch(/Errand on L1 calls Errand's account on rollup 2/)
    expect(output).toMatch(/then Errand's account calls Till on L1: 0\.1 ether/)
    expect(output).toMatch(/sends its own transaction/)
    expect(output.match(/posted, consumed and paid for in 0x/g)!.length).toBeGreaterThanOrEqual(5)
    expect(output, 'colour without a terminal').not.toContain('\u001b')
    await devnet.gone(0)
  })
})
