import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkComposition, compositionKeys } from '#node/builder/composition-config'
import { type ConfigError, printConfig, readConfig } from '#node/config'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-composition-'))
})
afterAll(() => rm(folder, { recursive: true }))

const address = (byte: string) => `0x${byte.repeat(20)}`
const ledger = {
  ...{ rollups: [2, 1], verifier: address('0A'), programId: `0x0${'1'.repeat(63)}` },
  ...{ entries: 2, depth: 4, accounts: 'accounts.json' },
}
const evm = {
  ...{ rollupId: 3, verifier: address('0b'), keyFile: 'owner.key', genesis: 'genesis.json' },
}
const whole = {
  ...{ rpcUrl: 'http://127.0.0.1:8545', chainId: 31_337, registry: address('0c') },
  ...{ batchAccount: address('0d'), settlement: address('0e'), keyFile: 'sender.key' },
  ...{ ledger, evm: [evm], to: address('0f') },
}

async function read(given: object | string, argv: readonly string[] = [], name = 'send.json') {
  const file = join(folder, name)
  await writeFile(file, typeof given === 'string' ? given : JSON.stringify(given))
  const sources = { env: {}, defaultFile: 'none.toml', folder: '/elsewhere' }
  const all = ['--config', file, ...argv]
  return readConfig(compositionKeys, { ...sources, argv: all }, checkComposition).values
}
const problemsOf = (given: object | string, argv: readonly string[] = []): Promise<string> =>
  read(given, argv).then(
    () => 'none',
    (error: unknown) => (error as ConfigError).problems.join('\n'),
  )

describe('the settings of a composition', () => {
  test('JSON and TOML say the same; paths are relative to the file', async () => {
    const values = await read(whole)
    expect(values).toMatchObject({
      keyFile: join(folder, 'sender.key'),
      ledger: {
        ...{ rollups: [1n, 2n], verifier: address('0a'), entries: 2, depth: 4 },
        accounts: join(folder, 'accounts.json'),
      },
      evm: [{ rollupId: 3n, keyFile: join(folder, 'owner.key') }],
      ...{ data: '0x', value: 0n, attempts: 3, json: false, maxReserveWei: null },
    })
    const { ledger: _, evm: __, ...plain } = whole
    const lines = (table: object): string =>
      Object.entries(table)
        .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
        .join('\n')
    const toml = `${lines(plain)}\n[ledger]\n${lines(ledger)}\n[[evm]]\n${lines(evm)}\n`
    expect(await read(toml, [], 'send.toml')).toEqual(values)
  })

  test('the transaction comes by flags', async () => {
    const { to, ...rest } = whole
    const flags = ['--to', to, '--data', '0xD0E30DB0', '--value', '1000000000000000000', '--json']
    expect(await read(rest, flags)).toMatchObject({
      ...{ to, data: '0xd0e30db0', value: 10n ** 18n, json: true },
    })
    expect(await problemsOf(rest)).toMatch(/to is missing\. Set to in the file, --to/)
    expect(await problemsOf(rest, ['--to', '0x12'])).toMatch(/--to: to must be an address/)
    expect(await problemsOf(whole, ['--data', '0x1'])).toMatch(/--data: data must be 0x and two/)
  })

  test.each([
    ['programId', { ledger: { ...ledger, programId: '0x12' } }, /programId is 0x and 64 hex/],
    ['depth', { ledger: { ...ledger, depth: 33 } }, /depth is a whole number from 1 to 32/],
    ['depth left out', { ledger: { ...ledger, depth: undefined } }, /depth is a whole number/],
    ['a rollup twice', { ledger: { ...ledger, rollups: [1, 1] } }, /rollups is a list of ids/],
    ['rollup 0', { ledger: { ...ledger, rollups: [0] } }, /rollups is a list of ids/],
    [
      'a field more',
      { ledger: { ...ledger, shape: 'x' } },
      /a table without shape; it has rollups/,
    ],
    ['no list', { evm }, /evm must be a list of tables/],
    ['genesis', { evm: [{ ...evm, genesis: '' }] }, /genesis is a path/],
    ['one id in both', { evm: [{ ...evm, rollupId: 2 }] }, /Rollup 2 is named twice/],
    ['no rollup', { evm: [], ledger: undefined }, /No rollup is named/],
    ['softDueInMs', { softDueInMs: 31_000 }, /softDueInMs 31000 must be at most dueInMs 30000/],
  ])('what is wrong with %s is said', async (_, odd, said) => {
    expect(await problemsOf({ ...whole, ...odd })).toMatch(said)
  })

  test('a file that is no JSON is named', async () => {
    expect(await problemsOf('{"rpcUrl": ')).toMatch(/send\.json is not JSON: /)
    expect(await problemsOf('[]')).toMatch(/send\.json must hold one JSON object/)
  })

  test('the printed file is one to start from', async () => {
    const printed = printConfig(compositionKeys, 'Settings')
    const uncommented = printed.replace(/^# (\w+ = )/gm, '$1')
    expect(await read(uncommented, [], 'printed.toml')).toMatchObject({ chainId: 1 })
  })
})
