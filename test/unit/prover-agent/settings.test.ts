import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError, printConfig, readConfig } from '#node/config'
import { agentKeys, checkAgentSettings, loadShapeKeys, policyOf } from '#prover-agent/settings'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-agent-settings-'))
})
afterEach(() => rm(folder, { recursive: true }))

const HASH = `0x${'ab'.repeat(32)}`
const needed = [
  '--key-file=key',
  '--rpc-url=http://127.0.0.1:8545',
  '--chain-id=1',
  `--settlement=0x${'12'.repeat(20)}`,
  '--bootstrap=/ip4/127.0.0.1/tcp/1/p2p/x',
]
const read = (...argv: string[]) =>
  readConfig(
    agentKeys,
    { argv: [...needed, ...argv], env: {}, defaultFile: join(folder, 'agent.toml'), folder },
    checkAgentSettings,
  ).values
const problems = (...argv: string[]): readonly string[] => {
  try {
    read(...argv)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}
const allowed = `--verifier-code-hashes=${HASH}`

/** Keys that may stay unset: what is printed of them is an example. */
const withoutDefault = Object.entries(agentKeys).flatMap(([name, { fallback }]) =>
  fallback === null ? [name] : [],
)

describe('the settings of an agent', () => {
  test('have defaults for all that a default is right for', () => {
    expect(read(allowed)).toMatchObject({
      backend: 'snarkjs',
      shapes: ['n1d16'],
      lanes: 1,
      headroomPercent: 150,
      bondWei: null,
      listen: [],
      verifierCodeHashes: [HASH],
    })
  })

  test('are printed with every default as a file that can be read again', async () => {
    const file = join(folder, 'printed.toml')
    const printed = printConfig(agentKeys, 'Settings of a prover agent')
    // Every key behind a # is its own default: the file means the same with and without it.
    const shown = printed.replace(/^# (\w+) = .*$/gm, (line, name: string) =>
      withoutDefault.includes(name) ? line : line.slice(2),
    )
    await writeFile(file, shown)
    const values = read(allowed, `--config=${file}`)
    expect(policyOf(values)).toEqual(policyOf(read(allowed)))
    expect(values.fixedCostWei).toBe(read(allowed).fixedCostWei)
  })

  test('cost per ms comes from watts and electricity, or from what the operator says', () => {
    const cost = (...argv: string[]) => policyOf(read(allowed, ...argv)).costWeiPerMs
    expect(cost()).toBe(8_333_334n)
    expect(cost('--watts=3600', '--electricity-wei-per-kwh=1000000')).toBe(1n)
    expect(cost('--watts=3600', '--electricity-wei-per-kwh=1000001')).toBe(2n)
    expect(cost('--cost-wei-per-ms=17')).toBe(17n)
  })

  test.each([
    ['without a verifier, no bid could ever be made', [], /verifierCodeHashes is empty/],
    ['a hash must be one', [allowed, '--verifier-code-hashes=0x12'], /0x12 must be 0x and 64/],
    [
      'shapes must be known',
      [allowed, '--shapes=huge'],
      /there is no huge\. There are tiny, n1d16/,
    ],
    ['command needs a program', [allowed, '--backend=command'], /command is empty/],
    ['a backend must be one', [allowed, '--backend=magic'], /one of snarkjs, command/],
    ['head-room below 100 % is none', [allowed, '--headroom-percent=99'], /from 100 to 1000/],
  ])('%s', (_, argv, problem) => {
    expect(problems(...argv).join('\n')).toMatch(problem)
  })

  test('a shape that is not built is named, with how to build it', async () => {
    await expect(loadShapeKeys(['missing' as never])).rejects.toThrow()
  })
})
