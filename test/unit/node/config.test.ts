import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError, type Keys, printConfig, readConfig, type Values } from '#node/config'
import { address, choice, decimal, flag, integer, list, path, text, url, wei } from '#node/keys'
import { checkSettings, loadParams, nodeKeys } from '#node/settings'
import { defaultParams } from '#protocol/params'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-config-'))
})
afterEach(() => rm(folder, { recursive: true }))

const keys = {
  dataFolder: path({ doc: 'A folder.', fallback: './data' }),
  pollMs: integer({ doc: 'ms.', fallback: 1_000, min: 20, max: 60_000 }),
  rpcUrl: url({ doc: 'URL.', schemes: ['http', 'ws'], example: '"http://127.0.0.1:8545"' }),
  margin: decimal({ doc: 'A factor.', fallback: 0.5, min: 0, max: 10 }),
  bondWei: wei({ doc: 'Wei.', fallback: null }),
  slash: flag({ doc: 'Whether.', fallback: true }),
  bootstrap: list({ of: 'multiaddrs', doc: 'Peers.', fallback: [] }),
  logLevel: choice({ doc: 'Level.', choices: ['info', 'debug'], fallback: 'info' }),
  settlement: address({ doc: 'Contract.', fallback: null }),
  doorToken: text({ doc: 'Secret.', fallback: null, secret: true }),
  password: text({ doc: 'Password.', fallback: null, secret: true, envOnly: true }),
} as const

type Given = { argv?: string[]; env?: Record<string, string>; file?: string }
async function read(given: Given, check?: (values: Values<typeof keys>) => readonly string[]) {
  if (given.file !== undefined) await writeFile(join(folder, 'node.toml'), given.file)
  const sources = { argv: given.argv ?? [], env: given.env ?? {}, defaultFile: 'node.toml', folder }
  return readConfig(keys, sources, check)
}
async function problemsOf(given: Given): Promise<readonly string[]> {
  const error = await read(given).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ConfigError)
  return (error as ConfigError).problems
}
const minimal = ['--rpc-url', 'http://x']

describe('config', () => {
  test('a flag wins over the environment, that over the file, that over the default', async () => {
    const file = 'rpcUrl = "http://file"\npollMs = 100\nmargin = 1\nslash = false'
    const env = { PROOFWIRE_POLL_MS: '200', PROOFWIRE_MARGIN: '2.5', OTHER: 'x' }
    const { values, file: used } = await read({ file, env, argv: ['--poll-ms', '300'] })
    expect(values).toMatchObject({
      rpcUrl: 'http://file',
      pollMs: 300,
      margin: 2.5,
      slash: false,
      logLevel: 'info',
      settlement: null,
    })
    expect(used).toBe(join(folder, 'node.toml'))
  })

  test('flags take a space or an equals sign, dashes or camelCase', async () => {
    const argv = [
      '--rpcUrl=http://x',
      '--slash',
      '--margin',
      '1',
      '--bootstrap',
      '/a, /b',
      '--bootstrap=/c',
    ]
    const { values } = await read({ argv: [...argv, '--bond-wei', '1_000'] })
    expect(values).toMatchObject({ rpcUrl: 'http://x', slash: true, bondWei: 1000n, margin: 1 })
    expect(values.bootstrap).toEqual(['/a', '/b', '/c'])
    expect((await read({ argv: [...minimal, '--slash', 'false'] })).values.slash).toBe(false)
  })

  test('a path in a file is relative to the file, elsewhere to the working folder', async () => {
    await writeFile(join(folder, 'other.toml'), 'dataFolder = "there"\nrpcUrl = "http://x"')
    const sources = { env: {}, defaultFile: 'node.toml', folder: '/tmp' }
    const inFile = readConfig(keys, { ...sources, argv: ['--config', join(folder, 'other.toml')] })
    expect(inFile.values.dataFolder).toBe(join(folder, 'there'))
    const asFlag = readConfig(keys, { ...sources, argv: [...minimal, '--data-folder', 'here'] })
    expect(asFlag.values.dataFolder).toBe('/tmp/here')
    const home = readConfig(keys, { ...sources, argv: [...minimal, '--data-folder=~/x'] })
    expect(home.values.dataFolder).toBe(join(homedir(), 'x'))
  })

  test('all that is bad is reported at once, with place and nearest name', async () => {
    const file = [
      '# settings',
      'rpcURL = "http://x"',
      '',
      'pollMs = "often"',
      '[market]',
      'deep = 1',
    ].join('\n')
    const argv = ['--boot-strap', '/a', 'stray', '--margin=11', '--log-level', 'loud']
    const problems = await problemsOf({ file, argv, env: { PROOFWIRE_SLASH: 'maybe' } })
    const toml = join(folder, 'node.toml')
    const expected = [
      /--boot-strap is no setting. Did you mean --bootstrap\?/,
      /"stray" is no flag/,
      new RegExp(`${toml}:2: rpcURL is no setting. Did you mean rpcUrl\\?`),
      new RegExp(`${toml}:5: market is no setting.$`),
      /rpcUrl is missing. Set rpcUrl in the file, --rpc-url or PROOFWIRE_RPC_URL./,
      new RegExp(`${toml}:4: pollMs must be a whole number from 20 to 60000, not "often"`),
      /--margin: margin must be a number from 0 to 10, not 11/,
      /PROOFWIRE_SLASH: slash must be true or false, not "maybe"/,
      /--log-level: logLevel must be one of info, debug, not "loud"/,
    ]
    for (const line of expected) expect(problems).toContainEqual(expect.stringMatching(line))
    expect(problems).toHaveLength(expected.length)
  })

  test('every line that is no TOML is named, and what follows it is still checked', async () => {
    const file = 'rpcUrl = "http://x"\npollMs = \nmargin == 2\nslash = yes\nlogLevel = "loud"\n'
    const problems = await problemsOf({ file })
    for (const line of [2, 3, 4, 5]) {
      expect(problems).toContainEqual(expect.stringContaining(`node.toml:${line}:`))
    }
    expect(problems).toHaveLength(4)
  })

  test('a missing --config is an error, a missing default file is not', async () => {
    expect(await problemsOf({ argv: [...minimal, '--config', 'none.toml'] })).toEqual([
      expect.stringContaining('no file'),
    ])
    expect((await read({ argv: minimal })).file).toBeNull()
  })

  test('a variable nobody reads is a warning, with the nearest name', async () => {
    const { warnings } = await read({ argv: minimal, env: { PROOFWIRE_POLLMS: '5' } })
    expect(warnings).toEqual([expect.stringMatching(/PROOFWIRE_POLLMS.*PROOFWIRE_POLL_MS/)])
  })

  test('a secret is never printed, and a password comes from the environment alone', async () => {
    const file = 'doorToken = 12345678901234567\npassword = "hunter2"'
    const problems = await problemsOf({ file, argv: [...minimal, '--password', 'hunter2'] })
    expect(problems).toHaveLength(3)
    expect(problems.join()).not.toMatch(/hunter2|123456789/)
    const { values } = await read({ argv: minimal, env: { PROOFWIRE_PASSWORD: 'x' }, file: '' })
    expect(values.password).toBe('x')
  })

  test('values that do not fit each other are reported', async () => {
    const reading = read({ argv: minimal }, ({ pollMs }) => [`pollMs ${pollMs} is odd`])
    await expect(reading).rejects.toMatchObject({ problems: ['pollMs 1000 is odd'] })
  })

  test('the values of each kind are checked', () => {
    const bad: [Keys[string], unknown[]][] = [
      [keys.pollMs, [1.5, '7', 19, 60_001, Number.NaN, true, 2 ** 60]],
      [keys.margin, ['1', -0.1, Number.NaN]],
      [keys.bondWei, [-1, 'x', '', 1.5, '1'.repeat(60)]],
      [keys.rpcUrl, ['x', 'ftp://x', '', 5]],
      [keys.slash, ['true', 0]],
      [keys.bootstrap, ['/a', [1], ['']]],
      [keys.settlement, ['0x12', `0x${'g'.repeat(40)}`]],
      [keys.dataFolder, ['', 1]],
      [keys.doorToken, ['', 1]],
    ]
    for (const [key, values] of bad) {
      for (const value of values) {
        expect(() => key.read(value, { folder, text: '' }), String(value)).toThrow(RangeError)
      }
    }
    expect(keys.bondWei.read('1_000000000000000000', { folder, text: '' })).toBe(10n ** 18n)
  })

  test('no file and no flags make it throw anything but a report', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.dictionary(fc.string(), fc.string()), (argv, rest) => {
        const env = Object.fromEntries(Object.entries(rest).map(([k, v]) => [`PROOFWIRE_${k}`, v]))
        try {
          readConfig(keys, { argv, env, defaultFile: 'none.toml', folder })
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError)
        }
      }),
    )
  })
})

describe('printed settings', () => {
  test('what is printed is read again, and every commented line is the default', async () => {
    const printed = printConfig(nodeKeys, 'A Proofwire node')
    const file = join(folder, 'node.toml')
    const readPrinted = async (lines: string) => {
      await writeFile(file, lines)
      const sources = { argv: ['--config', file], env: {}, defaultFile: 'none', folder }
      return readConfig(nodeKeys, sources, checkSettings).values
    }
    const plain = await readPrinted(printed)
    expect(plain).toMatchObject({ chainId: 1, doorPort: 4780, keyFile: null, slash: true })
    expect(plain.dataFolder).toBe(join(homedir(), '.proofwire/node'))
    const uncommented = printed.replace(/^# (\w+ = .*)$/gm, '$1')
    const values = await readPrinted(uncommented)
    for (const [name, key] of Object.entries(nodeKeys)) {
      // A key without default shows an example of what it could be.
      const given = values[name as keyof typeof values]
      if (key.fallback !== null) expect(given).toEqual(plain[name as keyof typeof plain])
      else if (name !== 'password') expect(given, name).not.toBeNull()
    }
    expect(values.keyFile).toBe(join(folder, 'account.json'))
    for (const name of Object.keys(nodeKeys)) {
      if (name !== 'password') expect(printed).toMatch(new RegExp(`^(# )?${name} = `, 'm'))
    }
    expect(printed).not.toContain('password = ')
    for (const line of printed.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  test('a block that is not there yet cannot be waited for: confirmations are 1 at least', () => {
    const { rpcUrl, settlement } = nodeKeys
    const keys = { rpcUrl, settlement, confirmations: nodeKeys.confirmations }
    const zero = `0x${'00'.repeat(20)}`
    const read = (confirmations: string) => {
      const argv = ['--rpc-url', 'http://x', '--settlement', zero, '--confirmations', confirmations]
      return readConfig(keys, { argv, env: {}, defaultFile: 'none', folder }).values.confirmations
    }
    expect(() => read('0')).toThrow(/confirmations must be a whole number from 1 to 128, not 0/)
    expect(read('1')).toBe(1)
  })

  test('a door others can reach needs a token, and somebody must be met', () => {
    const fine = { doorHost: '127.0.0.1', doorToken: null, listen: ['/a'], bootstrap: [] }
    expect(checkSettings(fine)).toEqual([])
    expect(checkSettings({ ...fine, doorHost: '0.0.0.0' })).toHaveLength(1)
    expect(checkSettings({ ...fine, doorHost: '0.0.0.0', doorToken: 'x'.repeat(16) })).toEqual([])
    expect(checkSettings({ ...fine, doorToken: 'short' })).toHaveLength(1)
    expect(checkSettings({ ...fine, listen: [] })).toHaveLength(1)
  })
})

describe('market parameters', () => {
  const load = async (content: string) => {
    await writeFile(join(folder, 'params.json'), content)
    return loadParams(join(folder, 'params.json'))
  }

  test('a file changes what it names and leaves the rest', async () => {
    expect(loadParams(null)).toBe(defaultParams)
    const params = await load('{"claimWindowS": 30, "claimGas": "7"}')
    expect(params).toEqual({ ...defaultParams, claimWindowS: 30, claimGas: 7n })
  })

  test('all that is wrong in it is reported', async () => {
    const loading = load('{"claimGas": 7, "maxJobMs": -1, "nothing": 1, "toString": 1}')
    await expect(loading).rejects.toMatchObject({
      problems: [
        expect.stringContaining('claimGas must be digits'),
        expect.stringContaining('maxJobMs must be a whole number'),
        expect.stringContaining('nothing is no parameter'),
        expect.stringContaining('toString is no parameter'),
      ],
    })
    await expect(load('[]')).rejects.toThrow('one JSON object')
    await expect(load('{')).rejects.toThrow('cannot be read')
  })
})
