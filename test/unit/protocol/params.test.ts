import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { defaultParams as params } from '#protocol/params'
import { schema } from '#protocol/schema'

describe('parameters', () => {
  test('are positive', () => {
    for (const value of Object.values(params)) expect(Number(value)).toBeGreaterThan(0)
  })

  test('fit the messages that carry them', () => {
    const backups = schema.Award.find(({ name }) => name === 'backups')!
    expect(backups.type).toBe(`address[${params.maxBackups}]`)
    expect(params.maxBids).toBeLessThan(2 ** 16)
  })

  test('leave an award time to come, and a slash time to be avoided', () => {
    expect(params.minBidWindowMs).toBeLessThan(params.maxBidWindowMs)
    // What overtakes must be decided before the award's grace ends.
    expect(params.holdMs).toBeLessThan(params.awardGraceMs)
    expect(params.omissionMarginMs).toBeGreaterThan(params.clockSkewMs)
    expect(params.commitWindowS).toBeGreaterThanOrEqual(3 * params.slotS)
    expect(params.claimWindowS).toBeGreaterThan(10 * params.commitWindowS)
  })

  test('are the contracts’ constants where both have them', () => {
    const pricing = readFileSync('contracts/src/libraries/Pricing.sol', 'utf8')
    expect(pricing).toContain(`KAPPA = ${params.latenessFactor};`)
    const claims = readFileSync('contracts/src/settlement/Claims.sol', 'utf8')
    const [, claimGas] = /CLAIM_GAS = ([\d_]+);/.exec(claims)!
    expect(params.claimGas).toBe(BigInt(claimGas!.replaceAll('_', '')))
  })
})
