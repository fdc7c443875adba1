import { encodeFunctionData, parseAbi } from 'viem'
import { describe, expect, test } from 'vitest'
import { eddsaKey, verifyEddsa } from '#protocol/eddsa'
import { FIELD_ORDER, fromHex, poseidon } from '#protocol/field'
import {
  encodeAnswer,
  encodeBalance,
  encodeDeposit,
  encodeSend,
  encodeWithdraw,
  outcomeOf,
  readCall,
  signTransaction,
} from '#protocol/ledger-calls'
import { dataWords } from '#protocol/words'
import { call, context, owner, secret, till } from '#test/support/ledger-sample'

const abi = parseAbi([
  'function deposit()',
  'function balance()',
  'function send(uint64,uint256,uint256)',
  'function withdraw(address,uint256)',
])

describe('call data', () => {
  test('is what Solidity makes of the same call', () => {
    expect(encodeDeposit()).toBe(encodeFunctionData({ abi, functionName: 'deposit' }))
    expect(encodeBalance()).toBe(encodeFunctionData({ abi, functionName: 'balance' }))
    const send = encodeFunctionData({ abi, functionName: 'send', args: [2n, 5n, 7n] })
    expect(encodeSend(2n, 5, 7n)).toBe(send)
    const withdraw = encodeFunctionData({ abi, functionName: 'withdraw', args: [till, 7n] })
    expect(encodeWithdraw(till, 7n)).toBe(withdraw)
  })

  test('is read back, and nothing else is', () => {
    expect(readCall('0x')).toEqual({ name: 'deposit' })
    expect(readCall(encodeDeposit())).toEqual({ name: 'deposit' })
    expect(readCall(encodeBalance())).toEqual({ name: 'balance' })
    expect(readCall(encodeSend(2n, 5, 7n))).toEqual({ name: 'send', rollup: 2n, to: 5n, wei: 7n })
    expect(readCall(encodeWithdraw(till, 7n))).toEqual({
      name: 'withdraw',
      to: BigInt(till),
      wei: 7n,
    })
    expect(readCall('0x00')).toBeNull()
    expect(readCall('0x00000000')).toBeNull()
    expect(readCall(`${encodeBalance()}${'00'.repeat(32)}`)).toBeNull()
    expect(readCall(encodeSend(2n, 5, 7n).slice(0, -64) as `0x${string}`)).toBeNull()
    expect(readCall(encodeSend(2n, 5, FIELD_ORDER))).toBeNull()
  })
})

describe('signTransaction', () => {
  test('signs chain, venue, rollup, account, data and nonce', () => {
    const transaction = { rollup: 1n, account: 3, data: encodeSend(2n, 5, 7n), nonce: 4n }
    const signature = signTransaction(secret(1), context, transaction)
    const tag = BigInt(`0x${Buffer.from('proofwire/l2tx/1').toString('hex')}`)
    const [length, head, ...rest] = dataWords(fromHex(transaction.data))
    const words = [length!, head!, ...rest.slice(0, 3), 4n]
    const where = [BigInt(context.chainId), BigInt(context.venue), 1n, 3n]
    const message = poseidon([tag, ...where, ...words])
    expect(verifyEddsa(eddsaKey(secret(1)), message, signature)).toBe(true)
  })
})

describe('outcomeOf', () => {
  const account = { key: [BigInt(owner), 0n] as const, balanceWei: 10n, nonce: 0n }
  const actor = { index: 1, account, amountWei: 0n, signature: null }

  test('says what an action makes of an account, and what follows', () => {
    expect(outcomeOf(context, call(encodeSend(1n, 3, 7n)), actor)).toMatchObject({
      after: { balanceWei: 3n },
      etherDelta: 0n,
      transfer: { rollup: 1n, to: 3n },
      next: { actionType: 'RESULT', data: encodeAnswer(3n) },
    })
    expect(outcomeOf(context, call(encodeSend(1n, 3, 11n)), actor)).toBe('insufficient-balance')
  })

  test('refuses an account that cannot be', () => {
    const of = (change: Partial<typeof account>) =>
      outcomeOf(context, call('0x'), { ...actor, account: { ...account, ...change } })
    expect(of({})).toHaveProperty('next')
    expect(of({ balanceWei: 1n << 96n })).toBe('out-of-range')
    expect(of({ nonce: 1n << 64n })).toBe('out-of-range')
  })
})
