import { describe, expect, test } from 'vitest'
import { Accounts } from '#protocol/accounts'
import { alice, bob, builder, stranger } from '#test/support/messages'

const funded = (bondWei: bigint, stakeWei = 0n, escrowWei = 0n): Accounts => {
  const accounts = new Accounts()
  accounts.observe({ kind: 'account', account: alice, bondWei, stakeWei, escrowWei })
  return accounts
}

describe('bonds (rule G3)', () => {
  test('are what the chain last said, less what open starts hold', () => {
    const accounts = funded(100n)
    accounts.bonds.set('job 1', alice, 30n)
    accounts.bonds.set('job 2', alice, 40n)
    expect(accounts.freeBondWei(alice)).toBe(30n)
    accounts.bonds.delete('job 1')
    expect(accounts.freeBondWei(alice)).toBe(60n)
    accounts.bonds.set('job 2', alice, 0n)
    expect(accounts.freeBondWei(alice)).toBe(100n)
  })

  test('named twice are held once', () => {
    const accounts = funded(100n)
    accounts.bonds.set('job', alice, 30n)
    accounts.bonds.set('job', alice, 30n)
    expect(accounts.freeBondWei(alice)).toBe(70n)
    accounts.bonds.set('job', bob, 30n)
    expect([accounts.freeBondWei(alice), accounts.freeBondWei(bob)]).toEqual([100n, -30n])
  })

  test('are negative when the chain took what a start still holds', () => {
    const accounts = funded(100n)
    accounts.bonds.set('job', alice, 100n)
    accounts.observe({ kind: 'account', account: alice, bondWei: 0n, stakeWei: 0n, escrowWei: 0n })
    expect(accounts.freeBondWei(alice)).toBe(-100n)
    expect(accounts.hasFunds(alice)).toBe(false)
  })

  test('of nobody are nothing', () => {
    expect(new Accounts().freeBondWei(stranger)).toBe(0n)
    expect(new Accounts().hasFunds(stranger)).toBe(false)
    expect(funded(1n).hasFunds(alice)).toBe(true)
  })
})

test('cover is the lesser of escrow and half the stake, less what open jobs hold (rule G4)', () => {
  const accounts = funded(0n, 100n, 80n)
  expect(accounts.freeCoverWei(alice)).toBe(50n)
  accounts.cover.set('job', alice, 20n)
  expect(accounts.freeCoverWei(alice)).toBe(30n)
})

describe('who may speak for an account (rule M4)', () => {
  test('is itself, and the signer it registered until that is removed', () => {
    const accounts = new Accounts()
    expect(accounts.speaksFor(builder, builder)).toBe(true)
    expect(accounts.speaksFor(builder, stranger)).toBe(false)
    accounts.observe({ kind: 'signer', account: builder, signer: stranger })
    expect(accounts.speaksFor(builder, stranger)).toBe(true)
    expect(accounts.speaksFor(stranger, builder)).toBe(false)
    accounts.observe({ kind: 'signer', account: builder, signer: null })
    expect(accounts.speaksFor(builder, stranger)).toBe(false)
  })
})

test('nothing is kept of accounts without money or holds', () => {
  const accounts = funded(5n)
  accounts.bonds.set('job', alice, 5n)
  accounts.bonds.delete('job')
  accounts.bonds.delete('job')
  accounts.observe({ kind: 'account', account: alice, bondWei: 0n, stakeWei: 0n, escrowWei: 0n })
  expect(accounts.sizes).toEqual({ balances: 0, signers: 0, bonds: 0, cover: 0 })
})
