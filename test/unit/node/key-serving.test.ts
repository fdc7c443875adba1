import { appendFile, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Host } from '#node/host'
import { type KeyServing, serveKeys } from '#node/key-serving'
import { silentLog } from '#node/log'
import { ask } from '#node/streams'
import {
  encodePieceList,
  encodeQuestion,
  MAX_LIST_BYTES,
  PIECE_BYTES,
  QUESTION_BYTES,
} from '#protocol/key-pieces'
import { streamProtocols } from '#protocol/topics'
import { startHost, stopHosts } from '#test/support/hosts'
import { keepKey, sampleKey } from '#test/support/key-files'

const protocol = streamProtocols.keys
const key = sampleKey('served', 2)
const { address } = key
const unknown = `0x${'11'.repeat(32)}` as const

let folder: string
let path: string
let server: Host
let asker: Host
let serving: KeyServing | null = null
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-keys-'))
  path = await keepKey(folder, key)
  server = await startHost()
  asker = await startHost()
  await asker.connect(server.addresses()[0]!)
})
afterEach(async () => {
  await serving?.stop()
  serving = null
  await stopHosts()
  await rm(folder, { recursive: true })
})

async function startServing(mibPerS = 1_000) {
  serving = await serveKeys({ host: server, protocol, folder, mibPerS, log: silentLog })
  return serving.ready
}

const asking = { maxResponseBytes: Math.max(PIECE_BYTES, MAX_LIST_BYTES), timeLimitMs: 10_000 }
const put = (question: Uint8Array, from: Host = asker) =>
  ask(from, server.peerKey, protocol, question, asking)
const get = (what: 'list' | number, of = address) => put(encodeQuestion({ address: of, what }))
const refused = (reason: string) => ({ code: 'REFUSED', reason })

describe('a node that serves keys', () => {
  test('gives the piece list and the pieces of each key file in its folder, no other', async () => {
    await keepKey(folder, sampleKey('other', 1), 'circuit.wasm')
    const secret = sampleKey('secret', 1)
    await keepKey(folder, secret, 'account.json')
    const served = await startServing()
    expect([...served].sort()).toEqual([address, sampleKey('other', 1).address].sort())
    expect(Buffer.compare(await get('list'), encodePieceList(key.list))).toBe(0)
    for (const index of key.list.hashes.keys()) {
      const piece = key.bytes.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES)
      expect(Buffer.compare(await get(index), piece)).toBe(0)
    }
    await expect(get('list', secret.address)).rejects.toMatchObject(refused('UNKNOWN_KEY'))
  })

  test('refuses what it does not have and what is no question', async () => {
    await startServing()
    await expect(get('list', unknown)).rejects.toMatchObject(refused('UNKNOWN_KEY'))
    await expect(get(0, unknown)).rejects.toMatchObject(refused('UNKNOWN_KEY'))
    await expect(get(3)).rejects.toMatchObject(refused('UNKNOWN_PIECE'))
    await expect(get(0xffff_fffe)).rejects.toMatchObject(refused('UNKNOWN_PIECE'))
    for (const length of [0, 32, QUESTION_BYTES - 1]) {
      await expect(put(new Uint8Array(length))).rejects.toMatchObject(refused('MALFORMED'))
    }
    await expect(put(new Uint8Array(QUESTION_BYTES + 1))).rejects.toMatchObject(
      refused('TOO_LARGE'),
    )
    expect(await get(0)).toHaveLength(PIECE_BYTES)
  })

  test('names a file by the bytes it has: with one flipped it is another', async () => {
    const file = await open(path, 'r+')
    await file.write(Buffer.of(key.bytes[PIECE_BYTES]! ^ 1), 0, 1, PIECE_BYTES)
    await file.close()
    const [served] = await startServing()
    expect(served).not.toBe(address)
    await expect(get('list')).rejects.toMatchObject(refused('UNKNOWN_KEY'))
  })

  test('gives nothing more of a file that has changed since', async () => {
    await startServing()
    await appendFile(path, Buffer.of(0))
    expect(await get(0)).toHaveLength(PIECE_BYTES)
    await expect(get(2)).rejects.toMatchObject(refused('UNKNOWN_KEY'))
    await expect(get(0)).rejects.toMatchObject(refused('UNKNOWN_KEY'))
  })

  test('without a folder has nothing to give', async () => {
    const none = join(folder, 'nowhere')
    const host = server
    serving = await serveKeys({ host, protocol, folder: none, mibPerS: 1, log: silentLog })
    expect(await serving.ready).toEqual([])
    await expect(get('list')).rejects.toMatchObject(refused('UNKNOWN_KEY'))
  })

  test('answers two questions of a peer at once, the rest are told that it is busy', async () => {
    await startServing(1)
    // After this one nothing is given for a second.
    await get(0)
    const busy: unknown[] = []
    const both = Promise.withResolvers<void>()
    const asked = [0, 1, 0, 1].map((index) => get(index))
    for (const each of asked) {
      each.catch((error: unknown) => {
        busy.push(error)
        if (busy.length === 2) both.resolve()
      })
    }
    await both.promise
    expect(await Promise.any(asked)).toHaveLength(PIECE_BYTES)
    expect(busy).toEqual([1, 2].map(() => expect.objectContaining({ code: 'BUSY' })))
  })

  test('keeps to its pace', async () => {
    await startServing(8)
    const beganAt = performance.now()
    for (const index of [0, 1, 0, 1, 0]) await get(index)
    // The first goes at once, so four are waited for.
    expect(performance.now() - beganAt).toBeGreaterThan(495)
  })
})
