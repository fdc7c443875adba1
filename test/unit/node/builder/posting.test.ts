import fc from 'fast-check'
import { encodeAbiParameters, encodeFunctionData, parseAbi } from 'viem/utils'
import { describe, expect, test } from 'vitest'
import { canonicalBytesIn } from '#node/builder/posting'
import { toHex } from '#protocol/field'
import type { Hex } from '#protocol/schema'
import { encodeTable, tableDigest } from '#protocol/table'
import { sampleTable } from './sample-table.ts'

const bytes = encodeTable(sampleTable)
const digest = tableDigest(bytes)
const registryAbi = parseAbi([
  'struct Proof { address verifier; bytes32 programId; bytes32 publicInputsHash; bytes proof; }',
  'function post(bytes32 digest, bytes table, Proof[] proofs)',
])
const batchAbi = parseAbi([
  'struct Call { address to; uint256 value; bytes data; }',
  'function execute(Call[] calls)',
])
const post = encodeFunctionData({
  abi: registryAbi,
  functionName: 'post',
  args: [
    digest,
    toHex(bytes),
    [{ verifier: sampleTable.venue, programId: digest, publicInputsHash: digest, proof: '0x07' }],
  ],
})

describe('canonical bytes in call data', () => {
  test('are found where the table was posted by itself', () => {
    expect(canonicalBytesIn(post, digest)).toEqual(bytes)
  })

  test('are found inside a batch, and inside a batch of batches', () => {
    const call = (data: Hex) => ({ to: sampleTable.venue, value: 1n, data })
    const batch = (calls: readonly Hex[]): Hex =>
      encodeFunctionData({ abi: batchAbi, functionName: 'execute', args: [calls.map(call)] })
    expect(canonicalBytesIn(batch(['0x01', post]), digest)).toEqual(bytes)
    expect(canonicalBytesIn(batch([batch([post]), '0x']), digest)).toEqual(bytes)
  })

  test('are found beside other arguments, at odd places', () => {
    const args = encodeAbiParameters(
      [{ type: 'uint256' }, { type: 'bytes' }, { type: 'bytes' }],
      [32n, `0x${'20'.repeat(65)}`, toHex(bytes)],
    )
    expect(canonicalBytesIn(`0x${'20'.repeat(3)}${args.slice(2)}`, digest)).toEqual(bytes)
  })

  test('are not found under another digest, nor with a byte changed or cut off', () => {
    expect(canonicalBytesIn(post, tableDigest(new Uint8Array([1])))).toBeNull()
    const data = Buffer.from(post.slice(2), 'hex')
    const at = data.indexOf(bytes)
    const changed = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(changed, ([index, by]) => {
        const other = Buffer.from(data)
        other[at + index]! ^= by
        return canonicalBytesIn(toHex(other), digest) === null
      }),
      { numRuns: 200 },
    )
    expect(canonicalBytesIn(toHex(data.subarray(0, at + bytes.length - 1)), digest)).toBeNull()
    expect(canonicalBytesIn('0x', digest)).toBeNull()
  })

  test('call data full of lengths that lie is read in time and without them', () => {
    const word = Buffer.alloc(32)
    word[31] = 32
    const lying = Buffer.alloc(32)
    lying.writeUInt32BE(32_000, 28)
    const pair = Buffer.concat([lying, word])
    const hostile = Buffer.concat(Array.from({ length: 2_000 }, () => pair))
    expect(canonicalBytesIn(toHex(hostile), digest)).toBeNull()
    expect(canonicalBytesIn(`${toHex(hostile)}${post.slice(2)}`, digest)).toEqual(bytes)
  })
})
