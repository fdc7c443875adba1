import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { listFile } from '#node/key-files'
import { diskError, KeyFetchError, PartFile, partOf } from '#node/key-part'
import { addressOfList, PIECE_BYTES } from '#protocol/key-pieces'
import { sampleKey } from '#test/support/key-files'

const key = sampleKey('part', 2)
const { list, address, bytes } = key
const never = new AbortController().signal

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-part-'))
  path = join(folder, 'tiny', 'circuit.zkey')
})
afterEach(() => rm(folder, { recursive: true }))

const pieceAt = (index: number): Uint8Array =>
  bytes.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES)

describe('a part', () => {
  test('knows what of it is there, in any order, and becomes the file', async () => {
    const first = await PartFile.open(path, list, never)
    expect([...first.missing]).toEqual([0, 1, 2])
    expect(first.bytes).toBe(0)
    await first.write(2, pieceAt(2))
    expect(first.bytes).toBe(1_000)
    await first.close()

    const second = await PartFile.open(path, list, never)
    expect([...second.missing]).toEqual([0, 1])
    expect(second.bytes).toBe(1_000)
    await second.write(1, pieceAt(1))
    await second.write(0, pieceAt(0))
    expect(second.bytes).toBe(bytes.length)
    await second.finish(address)
    await second.close()
    expect(await readdir(dirname(path))).toEqual(['circuit.zkey'])
    expect(Buffer.compare(await readFile(path), bytes)).toBe(0)
  })

  test('of another file, or longer than it may be, is begun again where it is wrong', async () => {
    await mkdir(dirname(path), { recursive: true })
    const wrong = Buffer.concat([pieceAt(0), Buffer.alloc(3 * PIECE_BYTES)])
    await writeFile(partOf(path), wrong)
    const part = await PartFile.open(path, list, never)
    expect([...part.missing]).toEqual([1, 2])
    await part.write(1, pieceAt(1))
    await part.write(2, pieceAt(2))
    await part.finish(address)
    await part.close()
    expect(Buffer.compare(await readFile(path), bytes)).toBe(0)
  })

  test('that reads back wrong never gets the name, and is thrown away', async () => {
    const part = await PartFile.open(path, list, never)
    for (const index of list.hashes.keys()) await part.write(index, pieceAt(index))
    await truncate(partOf(path), bytes.length - 1)
    await expect(part.finish(address)).rejects.toMatchObject({
      code: 'DISK',
      message: expect.stringMatching(/reads back wrong.*Check the disk/),
    })
    await part.close()
    expect(await readdir(dirname(path))).toEqual([])
  })

  test('of which another process made the file is done', async () => {
    const [one, other] = [
      await PartFile.open(path, list, never),
      await PartFile.open(path, list, never),
    ]
    for (const part of [one, other]) {
      for (const index of list.hashes.keys()) await part.write(index, pieceAt(index))
    }
    await one.finish(address)
    await other.finish(address)
    await Promise.all([one.close(), other.close()])
    expect(Buffer.compare(await readFile(path), bytes)).toBe(0)
  })
})

describe('a file on disk', () => {
  test('has the address of its bytes', async () => {
    await writeFile(join(folder, 'file'), bytes)
    expect(addressOfList((await listFile(join(folder, 'file')))!)).toBe(address)
  })

  test('that is not there, empty or no file has none', async () => {
    await writeFile(join(folder, 'empty'), '')
    for (const name of ['nowhere', 'empty', '.']) {
      expect(await listFile(join(folder, name))).toBeNull()
    }
  })
})

describe('what the disk says', () => {
  const coded = (code: string) => Object.assign(new Error(`${code}: no`), { code })
  test.each([
    ['ENOSPC', /disk of \/keys\/tiny is full; .*circuit\.zkey needs 24 MB.*goes on/],
    ['EDQUOT', /is full/],
    ['EACCES', /\/keys\/tiny cannot be written.*keyFolder/],
    ['EROFS', /cannot be written/],
    ['ENOTDIR', /\/keys\/tiny is no folder/],
    ['EIO', /circuit\.zkey cannot be written: EIO: no/],
  ])('is told with what to do: %s', (code, message) => {
    const error = diskError('/keys/tiny/circuit.zkey', 23_999_999, coded(code))
    expect(error).toMatchObject({ code: 'DISK', message: expect.stringMatching(message) })
  })

  test('is told once', () => {
    const error = new KeyFetchError('DISK', 'full')
    expect(diskError('/keys/tiny/circuit.zkey', 1, error)).toBe(error)
  })
})
