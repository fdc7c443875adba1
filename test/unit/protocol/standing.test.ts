import { describe, expect, test } from 'vitest'
import { defaultParams } from '#protocol/params'
import { Standing } from '#protocol/standing'
import { addressOf, alice, builder, T0 } from '#test/support/messages'

const [b1, b2, b3] = [addressOf('b1'), addressOf('b2'), addressOf('b3')]

describe('a prover’s turns', () => {
  test('left unanswered for three builders silence it (rule S2)', () => {
    const standing = new Standing(defaultParams)
    standing.recordTurn(alice, b1, false, T0)
    standing.recordTurn(alice, b2, false, T0 + 1)
    expect(standing.isUnresponsive(alice, T0 + 1)).toBe(false)
    standing.recordTurn(alice, b3, false, T0 + 2)
    expect(standing.isUnresponsive(alice, T0 + 2)).toBe(true)
  })

  test('left unanswered for one builder ever so often do not: it could lie', () => {
    const standing = new Standing(defaultParams)
    for (let turn = 0; turn < 20; turn++) standing.recordTurn(alice, builder, false, T0)
    expect(standing.isUnresponsive(alice, T0)).toBe(false)
  })

  test('are forgiven ten minutes after the last one missed', () => {
    const standing = new Standing(defaultParams)
    for (const [index, of] of [b1, b2, b3].entries())
      standing.recordTurn(alice, of, false, T0 + index)
    const until = T0 + 2 + defaultParams.unansweredPenaltyMs
    expect(standing.isUnresponsive(alice, until - 1)).toBe(true)
    expect(standing.isUnresponsive(alice, until)).toBe(false)
  })

  test('count among its last twenty only', () => {
    const standing = new Standing(defaultParams)
    for (const of of [b1, b2, b3]) standing.recordTurn(alice, of, false, T0)
    for (let turn = 0; turn < 17; turn++) standing.recordTurn(alice, builder, true, T0)
    expect(standing.isUnresponsive(alice, T0)).toBe(true)
    standing.recordTurn(alice, builder, true, T0)
    expect(standing.isUnresponsive(alice, T0)).toBe(false)
  })
})

describe('what is remembered', () => {
  test('of builders is counted', () => {
    const standing = new Standing(defaultParams)
    standing.recordBuilder(builder, 'awards')
    standing.recordBuilder(builder, 'awards')
    standing.recordBuilder(builder, 'unawarded')
    standing.recordBuilder(builder, 'omissions')
    expect(standing.builder(builder)).toEqual({ awards: 2, unawarded: 1, omissions: 1 })
    expect(standing.builder(alice)).toEqual({ awards: 0, unawarded: 0, omissions: 0 })
  })

  test('is bounded: the one longest silent is forgotten first', () => {
    const standing = new Standing(defaultParams)
    for (let index = 0; index < 10_050; index++) {
      standing.recordBuilder(`0x${index.toString(16).padStart(40, '0')}`, 'awards')
      standing.recordBuilder(builder, 'awards')
      standing.recordTurn(`0x${index.toString(16).padStart(40, '0')}`, builder, true, T0)
    }
    expect(standing.sizes).toEqual({ provers: 10_000, builders: 10_000 })
    expect(standing.builder(builder).awards).toBe(10_050)
    expect(standing.builder(`0x${'00'.repeat(20)}`).awards).toBe(0)
  })
})
