import { describe, expect, test } from 'vitest'
import { Holding, voucherOf } from '#protocol/holding'
import {
  alice,
  award,
  bid,
  bob,
  builder,
  notice,
  receipt,
  request,
  start,
  stranger,
} from '#test/support/messages'

const of = request()
const bids = Array.from({ length: 40 }, (_, index) => bid(of, alice, BigInt(index)).bid)

describe('held messages (rule H1)', () => {
  test('come out in order of arrival when what they wait for comes', () => {
    const holding = new Holding(64)
    for (const held of bids.slice(0, 3)) expect(holding.add(of.id, alice, held)).toBe(true)
    expect(holding.add('another', alice, bids[3]!)).toBe(true)
    expect(holding.release(of.id).map(({ holdId }) => holdId)).toEqual(
      bids.slice(0, 3).map(({ id }) => id),
    )
    expect(holding.release(of.id)).toEqual([])
    expect(holding.size).toBe(1)
  })

  test('can be taken out once', () => {
    const holding = new Holding(64)
    holding.add(of.id, alice, bids[0]!)
    expect(holding.has(bids[0]!.id)).toBe(true)
    expect(holding.take(bids[0]!.id)?.from).toBe(bids[0])
    expect(holding.take(bids[0]!.id)).toBeNull()
    expect(holding.release(of.id)).toEqual([])
  })

  test('are never more than the limit, nor one voucher’s more than a sixteenth of it (rule H2)', () => {
    const holding = new Holding(32)
    expect(bids.slice(0, 3).map((held) => holding.add(of.id, alice, held))).toEqual([
      true,
      true,
      false,
    ])
    let accepted = 2
    for (const [index, held] of bids.slice(3).entries())
      if (holding.add(of.id, `0x${index.toString(16).padStart(40, '0')}`, held)) accepted += 1
    expect([accepted, holding.size]).toEqual([32, 32])
    holding.take(bids[0]!.id)
    expect(holding.add(of.id, alice, bids[0]!)).toBe(true)
    expect(holding.add(of.id, bob, bids[2]!)).toBe(false)
  })

  test('have at least one place a voucher, however small the room', () => {
    expect(new Holding(1).add(of.id, alice, bids[0]!)).toBe(true)
  })
})

test('who vouches for a message is who signed it, or the part of it that can be checked alone', () => {
  const opened = bid(of, alice)
  const awarded = award(of, [opened], {}, stranger)
  expect(voucherOf(opened.bid)).toEqual({ account: alice, signer: alice })
  expect(voucherOf(awarded)).toEqual({ account: alice, signer: alice })
  expect(voucherOf(start(awarded))).toEqual({ account: alice, signer: alice })
  expect(voucherOf(notice(of, alice))).toEqual({ account: alice, signer: alice })
  expect(voucherOf(receipt(of, alice))).toEqual({ account: builder, signer: builder })
  expect(voucherOf(of)).toEqual({ account: builder, signer: builder })
})
