/**
 * Calls of ledgers drawn from a seed: half of them good, the others wrong in every way there is.
 */
import { type EddsaSignature, eddsaKey } from '#protocol/eddsa'
import { FIELD_ORDER } from '#protocol/field'
import {
  encodeBalance,
  encodeDeposit,
  encodeSend,
  encodeWithdraw,
  signTransaction,
} from '#protocol/ledger-calls'
import {
  type Account,
  accountAddress,
  accountOf,
  BALANCE_LIMIT,
  createLedger,
  type Ledger,
  type Ledgers,
} from '#protocol/ledger-tree'
import { type Address, type Hex, ZERO_ADDRESS } from '#protocol/schema'
import { type Action, L1 } from '#protocol/table'
import type { Random } from '#simulations/random'
import { answer, call, context, owner, secret, till } from '#test/support/ledger-sample'

const PLACES = 16
const HIGH = BALANCE_LIMIT - 300n

/** Two ledgers of depth 4: places owned on L1, on the other rollup, by keys, and empty ones. */
export function randomLedgers(random: Random): Ledgers {
  const of = (rollup: bigint) => {
    const accounts: [number, Account][] = []
    for (let index = 0; index < PLACES; index++) {
      if (random.chance(0.25)) continue
      const balanceWei = random.chance(0.05) ? HIGH : BigInt(random.index(1_500))
      accounts.push([index, { key: keyFor(random, rollup, index), balanceWei, nonce: 0n }])
    }
    return createLedger(rollup, 4, accounts)
  }
  return new Map([
    [1n, of(1n)],
    [2n, of(2n)],
  ])
}

const secretOf = (rollup: bigint, index: number) => secret(Number(rollup) * PLACES + index + 1)

function keyFor(random: Random, rollup: bigint, index: number): Account['key'] {
  if (random.chance(0.4)) return eddsaKey(secretOf(rollup, index))
  if (random.chance(0.7)) return [BigInt(owner), L1]
  return [BigInt(random.index(4)), 3n - rollup]
}

/** Mostly one where there is an account. */
function placeIn(random: Random, ledger: Ledger): number {
  const index = random.index(PLACES)
  return accountOf(ledger, index) !== null || random.chance(0.15) ? index : placeIn(random, ledger)
}

/** An action, and the signature somebody gives with it. */
export type Drawn = { readonly action: Action; readonly signature: EddsaSignature | null }

export function randomCall(random: Random, ledgers: Ledgers): Drawn {
  const rollupId = random.pick([1n, 2n])
  const ledger = ledgers.get(rollupId)!
  if (ledger.pending !== null && random.chance(0.5)) {
    return { action: randomAnswer(random, rollupId, ledger.pending.amountWei), signature: null }
  }
  const index = placeIn(random, ledger)
  const account = accountOf(ledger, index)
  const isOutside = random.chance(0.04)
  const destination = isOutside ? outsider(random) : accountAddress(index)
  const data = randomData(random, rollupId, account?.balanceWei ?? 5n)
  const isPaying = data === '0x' || data === encodeDeposit() || random.chance(0.08)
  const value = isPaying ? randomValue(random) : 0n
  const isKeyed = account !== null && account.key[0] === eddsaKey(secretOf(rollupId, index))[0]
  if (random.chance(isKeyed ? 0.8 : 0.03)) {
    const action = call(data, {
      ...{ actionType: 'L2TX', rollupId, destination, value: random.chance(0.05) ? 1n : 0n },
      ...{ sourceAddress: ZERO_ADDRESS, sourceRollup: L1 },
    })
    const nonce = (account?.nonce ?? 0n) + (random.chance(0.05) ? 1n : 0n)
    const signer = random.chance(0.93) ? secretOf(rollupId, index) : secret(99)
    const signed = { rollup: rollupId, account: index, data, nonce }
    return { action, signature: signTransaction(signer, context, signed) }
  }
  const source = sourceFor(random, account, rollupId)
  const actionType = random.pick(['CALL', 'TRY_CALL'] as const)
  return {
    action: call(data, { actionType, rollupId, destination, value, ...source }),
    signature: null,
  }
}

const outsider = (random: Random): Address =>
  random.pick<Address>([
    accountAddress(PLACES),
    accountAddress(1n << 159n),
    `0x${'f'.repeat(40)}`,
    till,
  ])

/** Mostly who owns the account. */
function sourceFor(random: Random, account: Account | null, rollupId: bigint): Partial<Action> {
  const isOwned = account !== null && account.key[1] <= 2n
  const [x, y] =
    isOwned && random.chance(0.85) ? account.key : [BigInt(owner), random.pick([L1, 7n])]
  const sourceRollup = random.chance(0.02) ? rollupId : y
  const scope = sourceRollup === L1 ? [] : [random.index(3)]
  return { sourceAddress: accountAddress(x), sourceRollup, scope }
}

function randomAnswer(random: Random, rollupId: bigint, amountWei: bigint): Action {
  const failed = random.chance(0.5)
  const value = failed !== random.chance(0.1) ? amountWei : 0n
  const data: Hex = random.chance(0.5) ? '0x' : `0x08c379a0${'5a'.repeat(random.index(140))}`
  const scope = random.chance(0.1) ? [0, 1] : [0]
  return answer({ rollupId, failed, value, data, scope })
}

const randomValue = (random: Random): bigint =>
  random.chance(0.08) ? random.pick([BALANCE_LIMIT - 1n, 1n << 100n]) : BigInt(random.index(400))

function randomAmount(random: Random, balanceWei: bigint): bigint {
  if (random.chance(0.6)) return BigInt(random.index(Number(balanceWei % 2_000n) + 1))
  const odd = [balanceWei, balanceWei + 1n, BALANCE_LIMIT, 1n << 252n, (1n << 253n) + 7n]
  return random.pick([...odd, FIELD_ORDER - 1n, BALANCE_LIMIT - balanceWei])
}

function randomData(random: Random, rollupId: bigint, balanceWei: bigint): Hex {
  const wei = randomAmount(random, balanceWei)
  const to = random.chance(0.92) ? random.index(PLACES) : random.pick([PLACES, 2 ** 40])
  const rollup = random.pick([rollupId, rollupId, 3n - rollupId, 3n - rollupId, 9n])
  const dirty = `${encodeWithdraw(till, wei).slice(0, 10)}01${encodeWithdraw(till, wei).slice(12)}`
  const good = [encodeSend(rollup, to, wei), encodeSend(rollup, to, wei), encodeWithdraw(till, wei)]
  const plain = [encodeBalance(), encodeDeposit(), '0x'] as const
  const bad = ['0x12345678', `${encodeDeposit()}00`, `${good[0]}00`, `0x${'ee'.repeat(128)}`]
  if (random.chance(0.06)) return random.pick(bad) as Hex
  if (random.chance(0.02)) return dirty as Hex
  return random.chance(0.7) ? random.pick(good) : random.pick(plain)
}
