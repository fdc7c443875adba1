import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStore, type Store } from '#node/store'
import type { WantedRecord } from '#node/wanted-record'
import { newRequest } from '#node/wanted-record'
import { WantedRecords } from '#node/wanted-records'
import { type ProofRequest, ZERO_WORD } from '#protocol/schema'
import { hash, temporaryFolder, terms } from '#test/support/own-market'

let folder: string
let store: Store
beforeEach(async () => {
  folder = await temporaryFolder()
  store = await openStore(folder)
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const PROVER = `0x${'aa'.repeat(20)}` as const
const inputs = new Uint8Array([1, 2, 3])
const keys = async (): Promise<string[]> => {
  const found: string[] = []
  for (const prefix of ['wanted', 'own/'])
    for await (const { key } of store.entries(prefix)) found.push(key)
  return found
}

/** The nth wanted proof, with one request, begun. */
async function begin(records: WantedRecords, n: number): Promise<WantedRecord> {
  const { inputs: _, softDueInMs, dueInMs, ...rest } = terms
  const requestId = hash(`request ${n}`)
  const times = { openedAt: n, closesAt: n + 400, retryOf: hash('0'), bundleId: ZERO_WORD }
  const message = { ...rest, ...times, nonce: BigInt(n) } as unknown as ProofRequest
  const record: WantedRecord = {
    wantedId: `w${n}`,
    terms: {
      ...rest,
      ...{ inputBytes: 3, maxReserveWei: rest.reserveWei },
      ...{ softDueAt: n + softDueInMs, dueAt: n + dueInMs },
    },
    ...{ idempotencyKey: null, termsHash: null, openedAt: n, status: 'open' },
    ...{ endedAt: null, failure: null, delivery: null },
    requests: [newRequest(requestId, message)],
  }
  await records.begin([{ record, requestId, secret: new Uint8Array(32), inputs }])
  return record
}

describe('records of wanted proofs', () => {
  test('keep secret and inputs from the moment a request is begun, and go when it is undone', async () => {
    const records = await WantedRecords.load(store)
    const record = await begin(records, 1)
    const { requestId } = record.requests[0]!
    expect(await keys()).toEqual([
      ...['wanted-inputs/w1', 'wanted/w1', `own/${requestId}/inputs`, `own/${requestId}/secret`],
    ])
    expect((await WantedRecords.load(store)).get('w1')).toEqual(record)
    await records.undo([{ record, requestId }])
    expect(await keys()).toEqual([])
    expect(records.all()).toEqual([])
  })

  test('stay in a bounded number: of those that have ended the oldest leaves, with its proofs', async () => {
    const records = await WantedRecords.load(store, 2)
    for (let n = 1; n <= 5; n++) {
      const record = await begin(records, n)
      await records.keepProof(record.requests[0]!.requestId, PROVER, inputs)
      // The second never ends, and stays.
      if (n !== 2) record.status = 'delivered'
      await records.save(record)
    }
    const names = ['w2', 'w4', 'w5']
    expect(records.all().map(({ wantedId }) => wantedId)).toEqual(names)
    expect(records.ofRequest(hash('request 1'))).toBeUndefined()
    expect(await records.proof(hash('request 1'), PROVER)).toBeNull()
    expect(await records.proof(hash('request 4'), PROVER)).toEqual(inputs)
    const again = await WantedRecords.load(store, 2)
    expect(again.all().map(({ wantedId }) => wantedId)).toEqual(names)
    expect(await again.inputs('w2')).toEqual(inputs)
    expect(await again.inputs('w4')).toBeNull()
  })
})
