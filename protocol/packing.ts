/**
 * The packed bytes of `Settlement.settle` and of its `Paid` event. Calldata is the larger part of
 * what a receipt costs on chain: packed, one is 158 bytes where plain ABI takes 352 (rule C1).
 *
 *   batch    group …      group    builder(20) prover(20) count(1) entry × count
 *   entry    nonce(8) requestId(32) payWei(16) proofHash(32) deliveredAt(6) r(32) vs(32)
 *   payments payment …    payment  nonce(8) payWei(16)
 *
 * r and vs are EIP-2098: the recovery bit rides on top of s, which is always below half the group
 * order.
 */
import type { Signed } from './effects.ts'
import type { Address, Hex, Receipt } from './schema.ts'

const GROUP_BYTES = 41
const ENTRY_BYTES = 158
const PAYMENT_BYTES = 24
/** What one byte can count. */
const MAX_COUNT = 255
/** Top bit of vs: v − 27. */
const RECOVERY_BIT = 0x80

/** A receipt with its signature: r(32) ‖ s(32) ‖ v(1), v 27 or 28, low s. */
export type PackedReceipt = Pick<Signed<'Receipt', Receipt>, 'message' | 'signature'>

const sameParties = (a: Receipt, b: Receipt): boolean =>
  a.builder === b.builder && a.prover === b.prover

const order = (a: string | bigint, b: string | bigint): number => (a < b ? -1 : a > b ? 1 : 0)

const compare = ({ message: a }: PackedReceipt, { message: b }: PackedReceipt): number =>
  order(a.builder, b.builder) || order(a.prover, b.prover) || order(a.nonce, b.nonce)

function entryBytes({ message, signature }: PackedReceipt): Buffer {
  const out = Buffer.alloc(ENTRY_BYTES)
  out.writeBigUInt64BE(message.nonce, 0)
  out.write(message.requestId.slice(2), 8, 'hex')
  out.write(message.payWei.toString(16).padStart(32, '0'), 40, 'hex')
  out.write(message.proofHash.slice(2), 56, 'hex')
  out.writeUIntBE(message.deliveredAt, 88, 6)
  out.set(signature.subarray(0, 64), 94)
  if (signature[64] === 28) out[126]! |= RECOVERY_BIT
  return out
}

/** Receipts of one builder and prover, in runs that one count byte can hold. */
function groupsOf(receipts: readonly PackedReceipt[]): PackedReceipt[][] {
  const groups: PackedReceipt[][] = []
  for (const receipt of receipts) {
    const last = groups.at(-1)
    const fits = last && last.length < MAX_COUNT && sameParties(last[0]!.message, receipt.message)
    if (fits) last.push(receipt)
    else groups.push([receipt])
  }
  return groups
}

/**
 * Packs a batch for `settle`. Its order is builder, prover, nonce, so the same receipts always give
 * the same bytes, however they arrived.
 * @param receipts Builder-signed receipts with lower-case addresses and valid signatures.
 */
export function packReceipts(receipts: readonly PackedReceipt[]): Uint8Array {
  const parts = groupsOf([...receipts].sort(compare)).map((group) => {
    const { builder, prover } = group[0]!.message
    const head = Buffer.from(`${builder.slice(2)}${prover.slice(2)}00`, 'hex')
    head[GROUP_BYTES - 1] = group.length
    return Buffer.concat([head, ...group.map(entryBytes)])
  })
  return Buffer.concat(parts)
}

const hexOf = (bytes: Buffer, from: number, size: number): Hex =>
  `0x${bytes.toString('hex', from, from + size)}`

function readEntry(bytes: Buffer, builder: Address, prover: Address): PackedReceipt {
  const signature = new Uint8Array(65)
  signature.set(bytes.subarray(94, ENTRY_BYTES))
  signature[64] = signature[32]! & RECOVERY_BIT ? 28 : 27
  signature[32]! &= ~RECOVERY_BIT
  const message: Receipt = {
    builder,
    nonce: bytes.readBigUInt64BE(0),
    requestId: hexOf(bytes, 8, 32),
    prover,
    payWei: BigInt(hexOf(bytes, 40, 16)),
    proofHash: hexOf(bytes, 56, 32),
    deliveredAt: bytes.readUIntBE(88, 6),
  }
  return { message, signature }
}

/**
 * Reads a packed batch; `null` for anything `packReceipts` would not have written: framing that
 * does not end with the bytes, an empty group, groups or receipts out of order, or a receipt twice.
 * Never throws.
 */
export function unpackReceipts(packed: Uint8Array): PackedReceipt[] | null {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
  const receipts: PackedReceipt[] = []
  let at = 0
  while (at < bytes.length) {
    if (at + GROUP_BYTES > bytes.length) return null
    const [builder, prover] = [hexOf(bytes, at, 20), hexOf(bytes, at + 20, 20)]
    const count = bytes[at + GROUP_BYTES - 1]!
    at += GROUP_BYTES
    if (at + count * ENTRY_BYTES > bytes.length) return null
    for (let i = 0; i < count; i++, at += ENTRY_BYTES) {
      const receipt = readEntry(bytes.subarray(at, at + ENTRY_BYTES), builder, prover)
      const last = receipts.at(-1)
      if (last && compare(last, receipt) >= 0) return null
      receipts.push(receipt)
    }
  }
  return bytes.equals(packReceipts(receipts)) ? receipts : null
}

/** What one receipt was paid. */
export type Payment = { readonly nonce: bigint; readonly payWei: bigint }

/** Reads the `payments` of a `Paid` event; `null` if they are not whole payments. Never throws. */
export function unpackPayments(payments: Hex): Payment[] | null {
  const bytes = Buffer.from(payments.slice(2), 'hex')
  const isWhole = bytes.length % PAYMENT_BYTES === 0 && bytes.length * 2 === payments.length - 2
  if (!isWhole) return null
  return Array.from({ length: bytes.length / PAYMENT_BYTES }, (_, i) => ({
    nonce: bytes.readBigUInt64BE(i * PAYMENT_BYTES),
    payWei: BigInt(hexOf(bytes, i * PAYMENT_BYTES + 8, 16)),
  }))
}
