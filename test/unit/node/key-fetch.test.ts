import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Host } from '#node/host'
import { createKeyFetcher, type FetchLimits, type FetchOptions } from '#node/key-fetch'
import { serveKeys } from '#node/key-serving'
import { createLog, type Log } from '#node/log'
import { StreamRefusal, serve } from '#node/streams'
import { decodeQuestion, encodePieceList, PIECE_BYTES } from '#protocol/key-pieces'
import type { Hex } from '#protocol/schema'
import { streamProtocols } from '#protocol/topics'
import { peerIs, startHost, stopHosts } from '#test/support/hosts'
import { keepKey, type SampleKey, sampleKey } from '#test/support/key-files'

const protocol = streamProtocols.keys
const key = sampleKey('fetched', 4)
const never = new AbortController().signal
/** Quick, because nothing here is far away. */
const limits = { answerMs: 3_000, restMs: 20, longestRestMs: 100, progressMs: 50, nobodyMs: 100 }

let folder: string
let path: string
let lines: string[]
let log: Log
let fetching: Host
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-key-fetch-'))
  path = join(folder, 'fetched', 'tiny', 'circuit.zkey')
  lines = []
  log = createLog({ level: 'info', format: 'human', write: (line) => lines.push(line) })
  fetching = await startHost()
})
afterEach(async () => {
  await stopHosts()
  await rm(folder, { recursive: true })
})

type Answer = (what: 'list' | number, signal: AbortSignal) => Uint8Array | Promise<Uint8Array>

const honest: Answer = (what) =>
  what === 'list'
    ? encodePieceList(key.list)
    : key.bytes.subarray(what * PIECE_BYTES, (what + 1) * PIECE_BYTES)

/** A connected peer that answers as it likes; what it was asked for. */
async function peer(answer: Answer) {
  const host = await startHost()
  const asked: ('list' | number)[] = []
  const places = { maxConcurrent: 64, maxConcurrentPerPeer: 64 }
  const serveLimits = { maxRequestBytes: 64, ...places, timeLimitMs: 60_000 }
  await serve(host, protocol, serveLimits, async (data, _, signal) => {
    const question = decodeQuestion(data)!
    expect(question.address).toBe(key.address)
    asked.push(question.what)
    return answer(question.what, signal)
  })
  await fetching.connect(host.addresses()[0]!)
  return { host, asked, pieces: () => asked.filter((what) => what !== 'list') }
}

/** A connected node that serves what lies in a folder of its own. */
async function servingNode(name: string, what: SampleKey = key) {
  const host = await startHost()
  const own = join(folder, name)
  await keepKey(own, what)
  const serving = await serveKeys({ host, protocol, folder: own, mibPerS: 1_000, log })
  await serving.ready
  await fetching.connect(host.addresses()[0]!)
  return host
}

const fetcher = (more: Partial<FetchLimits> = {}) =>
  createKeyFetcher({ host: fetching, protocol, log, limits: { ...limits, ...more } })
const wanted = { address: key.address, bytes: key.bytes.length }
const fetchKey = (options: Partial<FetchOptions> = {}, more: Partial<FetchLimits> = {}) =>
  fetcher(more).fetch(wanted, path, { signal: never, ...options })
const isThere = async () => Buffer.compare(await readFile(path), key.bytes) === 0
const isDropped = (host: Host) => peerIs(fetching, 'disconnected', host.peerKey)

describe('a key file that is missing', () => {
  test('comes from two peers, whole, and nothing else is left', async () => {
    // Neither gives its second piece before the other has given its first.
    const both = Promise.withResolvers<void>()
    let waiting = 0
    const together: Answer = async (what) => {
      if (what !== 'list' && ++waiting === 2) both.resolve()
      if (what !== 'list') await both.promise
      return honest(what, never)
    }
    const peers = [await peer(together), await peer(together)]
    await fetchKey()
    expect(await isThere()).toBe(true)
    expect(await readdir(dirname(path))).toEqual(['circuit.zkey'])
    for (const { pieces } of peers) expect(pieces().length).toBeGreaterThan(0)
    const all = peers.flatMap(({ pieces }) => pieces()).sort()
    expect(all).toEqual([0, 1, 2, 3, 4])
    expect(lines.join('')).toMatch(/key file fetched/)
  })

  test('comes from a node that serves it, though others know nothing of it', async () => {
    await startHost().then((host) => fetching.connect(host.addresses()[0]!))
    await servingNode('other', sampleKey('another', 1))
    await servingNode('right')
    await fetchKey()
    expect(await isThere()).toBe(true)
  })

  test('is told of while it comes', async () => {
    const { promise: told, resolve } = Promise.withResolvers<void>()
    log = createLog({
      ...{ level: 'info', format: 'human' },
      write: (line) => {
        lines.push(line)
        if (/doneMiB=[1-9]/.test(line)) resolve()
      },
    })
    await peer(async (what) => {
      if (what === 4) await told
      return honest(what, never)
    })
    await fetchKey()
    expect(lines.join('')).toMatch(/fetching a key file .*doneMiB=\d.*ofMiB=4.*mibPerS=.*peers=1/)
  })
})

describe('a peer is dropped, and the fetch ends elsewhere, when it', () => {
  const flipped = (bytes: Uint8Array): Uint8Array => {
    const copy = Buffer.from(bytes)
    copy[copy.length - 1]! ^= 1
    return copy
  }
  const cheats: readonly (readonly [what: string, answer: Answer])[] = [
    ['sends a piece with one flipped bit', (what) => flipIf(what !== 'list', what)],
    ['sends a wrong piece list', (what) => flipIf(what === 'list', what)],
    ['sends a list that is none', () => Buffer.from('here is your key')],
    ['sends pieces that are too short', (what) => shortIf(what, 1)],
    ['sends pieces of no byte', (what) => shortIf(what, PIECE_BYTES)],
    ['sends more than a piece', (what) => longIf(what)],
    [
      'sends one piece for another',
      (what) => honest(what === 'list' ? what : (what + 1) % 4, never),
    ],
  ]
  const flipIf = (isCheat: boolean, what: 'list' | number) => {
    const bytes = honest(what, never) as Uint8Array
    return isCheat ? flipped(bytes) : bytes
  }
  const shortIf = (what: 'list' | number, less: number) => {
    const bytes = honest(what, never) as Uint8Array
    return what === 'list' ? bytes : bytes.subarray(0, Math.max(0, bytes.length - less))
  }
  const longIf = (what: 'list' | number) => {
    const bytes = honest(what, never) as Uint8Array
    return what === 'list' ? bytes : Buffer.concat([bytes, Buffer.of(0)])
  }

  test.each(cheats)('%s', async (_, answer) => {
    const cheat = await peer(answer)
    const waiting = fetchKey()
    await isDropped(cheat.host)
    const askedBefore = cheat.asked.length
    // Coming back does not help it.
    await fetching.connect(cheat.host.addresses()[0]!)
    await peer(honest)
    await waiting
    expect(await isThere()).toBe(true)
    expect(cheat.asked).toHaveLength(askedBefore)
    expect(lines.filter((line) => line.includes('garbage'))).toHaveLength(1)
  })

  test('sent garbage for another file before', async () => {
    const cheat = await peer((what) => flipIf(what !== 'list', what))
    const same = fetcher()
    const waiting = same.fetch(wanted, path, { signal: never })
    await isDropped(cheat.host)
    await peer(honest)
    await waiting
    const askedBefore = cheat.asked.length
    await fetching.connect(cheat.host.addresses()[0]!)
    await same.fetch(wanted, `${path}.again`, { signal: never })
    expect(cheat.asked).toHaveLength(askedBefore)
  })
})

describe('a fetch goes on elsewhere when a peer', () => {
  const silence = (): Promise<Uint8Array> => new Promise(() => undefined)
  const refusal = (code: string) => (): never => {
    throw new StreamRefusal(code)
  }

  test('hangs for ever, with the list or with a piece', async () => {
    const [first, second] = [await peer(silence), await peer((what) => hangAtPieces(what, never))]
    await peer(honest)
    await fetchKey({}, { answerMs: 300 })
    expect(await isThere()).toBe(true)
    // An honest peer may be slow: it rests, and stays connected.
    for (const { host } of [first, second]) expect(fetching.peers()).toContain(host.peerKey)
  })
  const hangAtPieces: Answer = (what) => (what === 'list' ? honest(what, never) : silence())

  test('is slow: the piece is asked of another before its time is over', async () => {
    const slow = await peer(hangAtPieces)
    const waiting = fetchKey({}, { answerMs: 60_000, slowMs: 100 })
    await until(() => slow.pieces().length === 1)
    await peer(honest)
    await waiting
    expect(await isThere()).toBe(true)
  })

  test.each(['BUSY', 'UNKNOWN_KEY', 'UNKNOWN_PIECE'])('refuses with %s', async (code) => {
    const refusing = await peer(refusal(code))
    const waiting = fetchKey()
    await until(() => refusing.asked.length >= 2)
    await peer(honest)
    await waiting
    expect(await isThere()).toBe(true)
    expect(fetching.peers()).toContain(refusing.host.peerKey)
  })

  test('leaves in the middle', async () => {
    const leaving = await peer((what) => (what === 2 ? leave() : honest(what, never)))
    const leave = async (): Promise<Uint8Array> => {
      await fetching.disconnect(leaving.host.peerKey)
      return silence()
    }
    const waiting = fetchKey()
    await isDropped(leaving.host)
    await peer(honest)
    await waiting
    expect(await isThere()).toBe(true)
  })

  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
  }
})

describe('a fetch that was cut off', () => {
  /** Fetches until so many pieces are on disk, then stops as a killed process does: at once. */
  async function cutOff(pieces: number): Promise<void> {
    const ending = new AbortController()
    let given = 0
    const half = await peer(async (what) => {
      if (what !== 'list' && ++given > pieces) await new Promise(() => undefined)
      return honest(what, never)
    })
    const cut = fetchKey({ signal: ending.signal }, { progressMs: 20 })
    const isDone = () => lines.some((line) => line.includes(`doneMiB=${pieces}`))
    while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 5))
    ending.abort(new Error('cut off'))
    await expect(cut).rejects.toThrow('cut off')
    // It may come back, and hang again.
    await fetching.disconnect(half.host.peerKey)
  }

  test('asks only for the pieces that are missing', async () => {
    await cutOff(2)
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    const whole = await peer(honest)
    await fetchKey({}, { slowMs: 100 })
    expect(await isThere()).toBe(true)
    expect(whole.pieces().sort()).toEqual([2, 3, 4])
    expect(lines.join('')).toMatch(/resumedBytes=2097152/)
  })

  test('asks again for a piece whose bytes on disk are not right', async () => {
    await cutOff(3)
    const part = await open(`${path}.part`, 'r+')
    await part.write(Buffer.of(key.bytes[PIECE_BYTES + 7]! ^ 4), 0, 1, PIECE_BYTES + 7)
    await part.close()
    const whole = await peer(honest)
    await fetchKey({}, { slowMs: 100 })
    expect(await isThere()).toBe(true)
    expect(whole.pieces().sort()).toEqual([1, 3, 4])
  })
})

describe('a fetch ends with what to do', () => {
  test('when nobody gives anything for as long as was allowed', async () => {
    await peer(() => {
      throw new StreamRefusal('UNKNOWN_KEY')
    })
    await expect(fetchKey({ idleLimitMs: 200 })).rejects.toMatchObject({
      code: 'NOBODY',
      message: expect.stringMatching(/circuit\.zkey \(0x[0-9a-f]{64}\).*connected: 1/),
    })
  })

  test('when the folder cannot be written', async () => {
    await writeFile(join(folder, 'fetched'), 'a file')
    await peer(honest)
    await expect(fetchKey()).rejects.toMatchObject({
      code: 'DISK',
      message: expect.stringMatching(/is no folder.*keyFolder/),
    })
  })

  test('else waits for a peer that has it, says so, and stops when it is told to', async () => {
    const ending = new AbortController()
    const waiting = fetchKey({ signal: ending.signal })
    const isSaid = () => lines.some((line) => line.includes('waiting for a peer that has it'))
    while (!isSaid()) await new Promise((resolve) => setTimeout(resolve, 5))
    ending.abort(new Error('told to stop'))
    await expect(waiting).rejects.toThrow('told to stop')
  })

  test('when the address names another length than was expected', async () => {
    await peer(honest)
    const other: { address: Hex; bytes: number } = { ...wanted, bytes: 1 }
    await expect(fetcher().fetch(other, path, { signal: never })).rejects.toThrow(/1 are expected/)
  })
})
