import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readGenesis } from '#node/builder/genesis-file'
import { StateError } from '#node/builder/state-folder'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-genesis-'))
})
afterAll(() => rm(folder, { recursive: true }))

const address = `0x${'0A'.repeat(20)}`
const word = `0x${'01'.repeat(32)}`
async function read(content: unknown) {
  const file = join(folder, 'genesis.json')
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  return readGenesis(file)
}

describe('the start of an EVM rollup', () => {
  test('is read with what may be left out', async () => {
    const account = {
      address,
      balanceWei: '0x10',
      nonce: 1,
      code: '0xFE',
      storage: { [word]: word },
    }
    const proxies = [{ original: address, rollupId: 0 }]
    const lower = address.toLowerCase()
    expect(await read({ accounts: [account, { address }], proxies })).toEqual({
      accounts: [
        { ...account, address: lower, balanceWei: 16n, nonce: 1n, code: '0xfe' },
        { address: lower, balanceWei: 0n, nonce: 0n, storage: {} },
      ],
      proxies: [{ original: lower, rollupId: 0n }],
    })
    expect(await read({})).toEqual({ accounts: [], proxies: [] })
  })

  test.each<readonly [string, unknown, RegExp]>([
    ['no JSON', '{', /genesis\.json is not the start of an EVM rollup/],
    ['a list', [], /the file is no object/],
    ['an account without address', { accounts: [{}] }, /address is not 0x and 40 hex digits/],
    ['odd code', { accounts: [{ address, code: '0x1' }] }, /code is not 0x and hex digits/],
    ['a short slot', { accounts: [{ address, storage: { '0x01': word } }] }, /a slot is not 0x/],
    ['a negative balance', { accounts: [{ address, balanceWei: '-1' }] }, /no whole number/],
    ['a proxy of nobody', { proxies: [{ rollupId: 0 }] }, /original is not 0x/],
  ])('%s is named', async (_, content, said) => {
    const reading = read(content)
    await expect(reading).rejects.toThrow(StateError)
    await expect(reading).rejects.toThrow(said)
  })
})
