import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeJson, encodeJson, openStore, type Store } from '#node/store'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-store-'))
})
afterEach(() => rm(folder, { recursive: true }))

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const keysOf = async (store: Store, prefix: string, options = {}): Promise<string[]> => {
  const keys: string[] = []
  for await (const { key } of store.entries(prefix, options)) keys.push(key)
  return keys
}

/** A process that runs `body` with an open `store`, then prints `ready` and stays. */
async function child(body: string) {
  const script = `
    import { openStore } from '${join(process.cwd(), 'node/store.ts')}'
    const store = await openStore(${JSON.stringify(folder)})
    ${body}
    console.log('ready')
    setInterval(() => {}, 1000)`
  const args = ['--input-type=module-typescript', '-e', script]
  const process_ = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(process_.stdout, 'data')
  return process_
}

describe('store', () => {
  test('what was put is there after closing and opening', async () => {
    const store = await openStore(folder)
    await store.put('a', bytes('1'))
    await store.put('empty', new Uint8Array(0))
    await store.close()
    const again = await openStore(folder)
    expect(await again.get('a')).toEqual(bytes('1'))
    expect(await again.get('empty')).toEqual(new Uint8Array(0))
    expect(await again.get('b')).toBeNull()
    await again.del('a')
    expect(await again.get('a')).toBeNull()
    await again.close()
  })

  test('entries are those of the prefix, in order, up to the limit', async () => {
    const store = await openStore(folder)
    const keys = ['job', 'job/', 'job/1', 'job/2', 'job/~', 'job0', 'jobs/1', 'k']
    await store.batch(keys.map((key) => ({ kind: 'put', key, value: bytes(key) })))
    expect(await keysOf(store, 'job/')).toEqual(['job/', 'job/1', 'job/2', 'job/~'])
    expect(await keysOf(store, 'job/', { limit: 2 })).toEqual(['job/', 'job/1'])
    expect(await keysOf(store, 'job/', { limit: 1, reverse: true })).toEqual(['job/~'])
    expect(await keysOf(store, 'none')).toEqual([])
    await store.close()
  })

  test('a batch puts and deletes together', async () => {
    const store = await openStore(folder)
    await store.put('old', bytes('1'))
    await store.batch(
      [
        { kind: 'put', key: 'new', value: bytes('2') },
        { kind: 'del', key: 'old' },
      ],
      { sync: true },
    )
    expect(await keysOf(store, 'o')).toEqual([])
    expect(await store.get('new')).toEqual(bytes('2'))
    await store.close()
  })

  test('a key that is empty, long or not printable is a bug and throws', async () => {
    const store = await openStore(folder)
    for (const key of ['', 'a b', 'é', 'a\u0000', 'x'.repeat(257)]) {
      await expect(store.get(key)).rejects.toThrow('not a store key')
    }
    await store.close()
  })

  test('JSON comes back as it was, with bigint and bytes', () => {
    const leaf = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.bigInt(),
      fc.uint8Array(),
    )
    const name = fc.string().filter((text) => !text.startsWith('$') && text !== '__proto__')
    const { data } = fc.letrec((tie) => ({
      data: fc.oneof(
        leaf,
        fc.array(tie('data')),
        fc.dictionary(name, tie('data'), { noNullPrototype: true }),
      ),
    }))
    fc.assert(
      fc.property(data, (value) => {
        expect(decodeJson(encodeJson(value))).toEqual(value)
      }),
    )
  })

  test('what JSON would change silently is refused', () => {
    const bad = [
      Number.NaN,
      Infinity,
      undefined,
      [undefined],
      new Map(),
      new Date(),
      { $a: 1 },
      () => 1,
    ]
    for (const value of bad) expect(() => encodeJson({ value: [value] })).toThrow(TypeError)
    expect(decodeJson(encodeJson({ a: undefined, b: 1 }))).toEqual({ b: 1 })
  })

  test('stored text that nobody wrote is refused', async () => {
    for (const text of [
      '{',
      '{"$bigint":"0x1"}',
      '{"$bigint":"1","a":1}',
      '{"a":1,"$bytes":""}',
      '{"$bytes":"ABC"}',
      '{"$other":"1"}',
      '['.repeat(100) + ']'.repeat(100),
    ]) {
      expect(() => decodeJson(bytes(text))).toThrow()
    }
    expect(() => decodeJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow()
    const store = await openStore(folder)
    await store.put('job/1', bytes('{"$bigint":"x"}'))
    await expect(store.getJson('job/1')).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringContaining('job/1'),
    })
    expect(await store.getJson('job/2')).toBeNull()
    await store.close()
  })

  test('a name every object has cannot poison what is read', () => {
    const value = decodeJson(bytes('{"__proto__":{"polluted":true}}')) as object
    expect((value as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test('a folder another process has open is refused, and says so', async () => {
    const other = await child('')
    await expect(openStore(folder)).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining('Another process uses'),
    })
    other.kill('SIGKILL')
    await once(other, 'exit')
  })

  test('what was put with sync survives the process being killed', async () => {
    const writer = await child(`
      for (let i = 0; i < 100; i++) {
        await store.put('job/' + i, Uint8Array.of(i), { sync: true })
      }
      await store.putJson('nonce', { next: 7n }, { sync: true })`)
    writer.kill('SIGKILL')
    await once(writer, 'exit')
    const store = await openStore(folder)
    expect(await keysOf(store, 'job/')).toHaveLength(100)
    expect(await store.getJson('nonce')).toEqual({ next: 7n })
    await store.close()
  })

  test('a damaged folder is refused, and says so', async () => {
    const store = await openStore(folder)
    await store.put('a', bytes('1'), { sync: true })
    await store.close()
    const names = await readdir(folder)
    const manifest = names.find((name) => name.startsWith('MANIFEST'))!
    await writeFile(join(folder, manifest), Buffer.alloc(64, 0xff))
    await expect(openStore(folder)).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining('damaged'),
    })
  })

  test('a path that is no folder is refused, and says so', async () => {
    await writeFile(join(folder, 'file'), 'x')
    await expect(openStore(join(folder, 'file'))).rejects.toMatchObject({
      name: 'StoreError',
      message: expect.stringContaining('Cannot open'),
    })
  })
})
