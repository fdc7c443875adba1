/**
 * Writes the golden vectors both languages are held to: `node test/vectors/write.ts`. The unit test
 * recomputes them and compares with the committed files, and with viem; forge reads the same files.
 */
import { writeFileSync } from 'node:fs'
import { encode } from '#protocol/codec'
import { claimCostWei, payWei, promisedAt, scoreWei } from '#protocol/money'
import { defaultParams } from '#protocol/params'
import type { Domain, Hex, Kind, Message } from '#protocol/schema'
import { schema } from '#protocol/schema'
import {
  accountOf,
  digest,
  domainSeparator,
  keccak,
  signDigest,
  typeHash,
  typeString,
} from '#protocol/signature'

/** The development chain's id, and an address no deployment has: forge puts the contract there. */
export const vectorDomain: Domain = {
  chainId: 31_337,
  settlement: '0x5e771e00000000000000000000000000005e771e',
}
/** Signs the vectors; worthless, since everybody knows it. */
export const vectorKey: Uint8Array = Buffer.alloc(32, 7)

const hexOf = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`

/** Bytes drawn from a name: every field differs, so that two swapped ones cannot hide. */
const drawn = (name: string, bytes: number): Hex =>
  `0x${keccak(Buffer.from(name)).slice(2, 2 + 2 * bytes)}`

const widths: Record<string, number> = { address: 20, bytes16: 16, bytes32: 32 }

function scalarValue(name: string, type: string): unknown {
  const width = widths[type]
  if (width !== undefined) return drawn(name, width)
  const bits = Number(type.slice('uint'.length))
  const value = BigInt(drawn(name, bits / 8))
  return bits <= 48 ? Number(value) : value
}

/** A message with a different value in every field. */
export function sample<K extends Kind>(kind: K): Message<K> {
  const message: Record<string, unknown> = {}
  for (const { name, type } of schema[kind]) {
    const array = /^(.+)\[(\d+)\]$/.exec(type)
    message[name] = array
      ? Array.from({ length: Number(array[2]) }, (_, i) =>
          scalarValue(`${kind}.${name}.${i}`, array[1]!),
        )
      : scalarValue(`${kind}.${name}`, type)
  }
  return message as Message<K>
}

function messageVector(kind: Kind, separator: Uint8Array) {
  const message = sample(kind)
  const id = digest(kind, message, separator)
  return {
    typeString: typeString(kind),
    typeHash: typeHash(kind),
    encoded: hexOf(encode(kind, message)),
    digest: id,
    signer: accountOf(vectorKey),
    signature: hexOf(signDigest(Buffer.from(id.slice(2), 'hex'), vectorKey)),
  }
}

/** Every kind of message: type, words, digest and a signature. */
export function messageVectors() {
  const separator = domainSeparator(vectorDomain)
  const messages = Object.fromEntries(
    (Object.keys(schema) as Kind[]).map((kind) => [kind, messageVector(kind, separator)]),
  )
  return { domain: { ...vectorDomain, separator: hexOf(separator) }, messages }
}

type Terms = { latenessWeiPerMs: bigint; softDueAt: number; dueAt: number; closesAt: number }
const T0 = 1_800_000_000_000
const terms: Terms = {
  latenessWeiPerMs: 10n ** 12n,
  closesAt: T0 + 400,
  softDueAt: T0 + 6_000,
  dueAt: T0 + 12_000,
}
const free: Terms = { ...terms, latenessWeiPerMs: 0n }
const largest: Terms = { ...terms, latenessWeiPerMs: 2n ** 96n - 1n, dueAt: 2 ** 48 - 1 }
const PRICE = 5n * 10n ** 16n

const inTerms = ({ latenessWeiPerMs, softDueAt, dueAt, closesAt }: Terms) => ({
  latenessWeiPerMs: String(latenessWeiPerMs),
  softDueAt: String(softDueAt),
  dueAt: String(dueAt),
  closesAt: String(closesAt),
})

const scoreVector = (of: Terms, priceWei: bigint, readyAt: number) => ({
  ...inTerms(of),
  priceWei: String(priceWei),
  readyAt: String(readyAt),
  expected: String(scoreWei(of, priceWei, readyAt)),
})
const payVector = (of: Terms, priceWei: bigint, promised: number, deliveredAt: number) => ({
  ...inTerms(of),
  priceWei: String(priceWei),
  promisedAt: String(promised),
  deliveredAt: String(deliveredAt),
  expected: String(payWei(of, priceWei, promised, deliveredAt, defaultParams)),
})
const promiseVector = (of: Terms, readyAt: number, startedAt: number, isBackup: boolean) => ({
  ...inTerms(of),
  readyAt: String(readyAt),
  startedAt: String(startedAt),
  isBackup,
  expected: String(promisedAt(of, readyAt, startedAt, isBackup)),
})

/**
 * Scores, pays and promises at and around every edge of their rules. Amounts and instants as
 * decimals.
 */
export function moneyVectors() {
  const { softDueAt, dueAt, closesAt } = terms
  return {
    latenessFactor: String(defaultParams.latenessFactor),
    claimGas: String(defaultParams.claimGas),
    score: [
      scoreVector(terms, PRICE, softDueAt - 1),
      scoreVector(terms, PRICE, softDueAt),
      scoreVector(terms, PRICE, softDueAt + 1),
      scoreVector(terms, PRICE, dueAt),
      scoreVector(terms, 0n, 0),
      scoreVector(free, PRICE, dueAt),
      scoreVector(largest, 2n ** 128n - 1n, 2 ** 48 - 1),
    ],
    pay: [
      payVector(terms, PRICE, softDueAt - 2_000, closesAt),
      payVector(terms, PRICE, softDueAt - 2_000, softDueAt),
      payVector(terms, PRICE, softDueAt - 2_000, softDueAt + 1),
      payVector(terms, PRICE, softDueAt + 1_000, softDueAt + 1_000),
      payVector(terms, PRICE, softDueAt + 1_000, softDueAt + 1_001),
      payVector(terms, PRICE, softDueAt - 2_000, softDueAt + 4_999),
      payVector(terms, PRICE, softDueAt - 2_000, softDueAt + 5_000),
      payVector(terms, PRICE, softDueAt - 2_000, softDueAt + 5_001),
      payVector(terms, PRICE, dueAt, dueAt),
      payVector(terms, PRICE, dueAt, dueAt + 1),
      payVector(terms, PRICE, dueAt + 5_000, dueAt + 1),
      payVector(free, PRICE, softDueAt, dueAt),
      payVector(terms, 0n, softDueAt, softDueAt),
      payVector(largest, 2n ** 128n - 1n, softDueAt, softDueAt + 1),
      payVector(largest, 2n ** 128n - 1n, softDueAt, 2 ** 48 - 1),
    ],
    promisedAt: [
      promiseVector(terms, softDueAt, closesAt, false),
      promiseVector(terms, softDueAt, closesAt + 900, false),
      promiseVector(terms, softDueAt, closesAt, true),
      promiseVector(terms, softDueAt, closesAt + 900, true),
      promiseVector(terms, softDueAt, closesAt - 50, true),
      promiseVector(terms, dueAt, dueAt, true),
    ],
    claimCost: [
      claimCostVector(0n),
      claimCostVector(30n * 10n ** 9n),
      claimCostVector(2n ** 64n - 1n),
    ],
  }
}

const claimCostVector = (claimBaseFeeCapWei: bigint) => ({
  claimBaseFeeCapWei: String(claimBaseFeeCapWei),
  expected: String(claimCostWei({ claimBaseFeeCapWei }, defaultParams)),
})

/** A vector file's text, as committed. */
export const vectorText = (value: object): string => `${JSON.stringify(value, null, 2)}\n`

if (import.meta.main) {
  const folder = import.meta.dirname
  writeFileSync(`${folder}/messages.json`, vectorText(messageVectors()))
  writeFileSync(`${folder}/money.json`, vectorText(moneyVectors()))
}
