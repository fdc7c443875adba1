import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  type Check,
  checkFinished,
  checkHomes,
  checkImports,
  checkIntegers,
  checkName,
  checkPurity,
  checkRefusals,
  checkSize,
  checks,
  citedRules,
  codeOnly,
  isTested,
  rulesOf,
  type Source,
} from '#test/support/tidy'

/** Written by a program, or looking for what is forbidden. */
const exempt = new Set(['contracts/abi.ts', 'test/support/tidy.ts', 'test/unit/tidy.test.ts'])

const tree: Source[] = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => /\.(ts|mjs|sol|circom)$/.test(path) && !exempt.has(path) && existsSync(path))
  .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
const protocol = tree.filter(({ path }) => path.startsWith('protocol/'))
const tests = tree.filter(({ path }) => path.endsWith('.test.ts'))

describe('the tree', () => {
  test.each(Object.entries(checks))('keeps to the house: %s', (_, check) => {
    const problems = tree.flatMap((source) =>
      check(source).map((problem) => `${source.path}: ${problem}`),
    )
    expect(problems).toEqual([])
  })

  test('has a test of the same title for each [REJECT] and [IGNORE] line', () => {
    const rules = protocol.flatMap(rulesOf)
    expect(rules.length).toBeGreaterThan(40)
    expect(rules.filter(({ title }) => !isTested(title, tests)).map(({ title }) => title)).toEqual(
      [],
    )
  })

  test('has a rule for each refusal code, in code and in protocol/README.md', () => {
    const text = readFileSync('protocol/refusals.ts', 'utf8')
    const codes = [...text.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code]) => code!)
    const ruled = new Set(protocol.flatMap(rulesOf).flatMap((rule) => rule.codes))
    expect(codes.filter((code) => !ruled.has(code))).toEqual([])
    expect([...ruled].filter((code) => !codes.includes(code))).toEqual([])
    const readme = readFileSync('protocol/README.md', 'utf8')
    expect(codes.filter((code) => !readme.includes(code))).toEqual([])
  })

  test('cites only rules that protocol/README.md has', () => {
    const readme = readFileSync('protocol/README.md', 'utf8')
    const known = new Set([...readme.matchAll(/^\*\*([A-Z]\d+)\*\*/gm)].map(([, rule]) => rule!))
    const cited = tree.flatMap((source) =>
      citedRules(source).map((rule) => [source.path, rule] as const),
    )
    expect(cited.filter(([, rule]) => !known.has(rule))).toEqual([])
  })

  test('has a test file for each file of protocol/', () => {
    const missing = protocol
      .map(({ path }) => `test/unit/${path.replace(/\.ts$/, '.test.ts')}`)
      .filter((path) => !existsSync(path) && path !== 'test/unit/protocol/effects.test.ts')
    expect(missing).toEqual([])
  })
})

describe('a planted violation is found', () => {
  const found = (check: Check, path: string, text: string): number => check({ path, text }).length

  test.each([
    ['protocol/job.ts', "import { a } from '#node/engine'\n"],
    ['protocol/job.ts', "import { a } from '#protocol/codec'\n"],
    ['node/engine.ts', "import { a } from '#prover-agent/agent'\n"],
    ['node/engine.ts', "import {\n  a,\n} from '#simulations/actor'\n"],
    ['node/engine.ts', "import { a } from '#protocol/codec.ts'\n"],
    ['node/engine.ts', "import { a } from '../protocol/codec.ts'\n"],
    ['node/engine.ts', "const { a } = await import('#prover-agent/agent')\n"],
    ['simulations/actor.ts', "import { a } from '#node/engine'\n"],
    ['simulations/devnet/main.ts', "import type { A } from '#simulations/actor'\n"],
    ['simulations/devnet/main.ts', "import { a } from '../actor.ts'\n"],
    ['simulations/devnet/main.ts', "import { a } from '#node/engine'\n"],
    ['contracts/deploy.ts', "export { a } from '#node/engine'\n"],
  ])('of the layers: %s %s', (path, text) => {
    expect(found(checkImports, path, text)).toBe(1)
  })

  test('and what the layers allow is not', () => {
    expect(
      found(checkImports, 'node/engine.ts', "import { a } from '#protocol/job'\nimport './a.ts'\n"),
    ).toBe(0)
    expect(
      found(checkImports, 'prover-agent/backends/a.ts', "import { a } from '../agent.ts'\n"),
    ).toBe(0)
    expect(found(checkImports, 'test/unit/a.test.ts', "import { a } from '#node/engine'\n")).toBe(0)
  })

  test.each([
    ['node/engine.ts', "import { createLibp2p } from 'libp2p'\n"],
    ['node/engine.ts', "import { a } from '@libp2p/crypto/keys'\n"],
    ['node/gossip.ts', "import { noise } from '@chainsafe/libp2p-noise'\n"],
    ['node/host.ts', "import { gossipsub } from '@chainsafe/libp2p-gossipsub'\n"],
    ['node/engine.ts', "import { Level } from 'level'\n"],
    ['prover-agent/agent.ts', "import { createPublicClient } from 'viem'\n"],
    ['node/engine.ts', "import { privateKeyToAccount } from 'viem/accounts'\n"],
    ['protocol/codec.ts', "import { toHex } from 'viem/utils'\n"],
    ['protocol/sealing.ts', "import secp256k1 from 'secp256k1'\n"],
    ['protocol/codec.ts', "import a from 'left-pad'\n"],
    ['node/host.ts', "const { quic } = await import('left-pad')\n"],
  ])('of a package away from its home: %s %s', (path, text) => {
    expect(found(checkHomes, path, text)).toBe(1)
  })

  test('and a package at home, or only its types, is not', () => {
    expect(found(checkHomes, 'node/host.ts', "import { createLibp2p } from 'libp2p'\n")).toBe(0)
    expect(found(checkHomes, 'node/chain-events.ts', "import { toHex } from 'viem/utils'\n")).toBe(
      0,
    )
    expect(
      found(checkHomes, 'node/gossip.ts', "import type { Libp2p } from '@libp2p/interface'\n"),
    ).toBe(0)
    expect(found(checkHomes, 'test/unit/a.test.ts', "import a from 'fast-check'\n")).toBe(0)
  })

  test('of length and width', () => {
    expect(found(checkSize, 'node/a.ts', 'a\n'.repeat(400))).toBe(0)
    expect(found(checkSize, 'node/a.ts', 'a\n'.repeat(401))).toBe(1)
    expect(found(checkSize, 'contracts/src/A.sol', 'a\n'.repeat(401))).toBe(1)
    expect(found(checkSize, 'node/a.ts', `${'a'.repeat(121)}\n`)).toBe(1)
  })

  test.each(['index', 'utils', 'util', 'types', 'helper', 'helpers', 'manager', 'common'])(
    'of a file named %s',
    (name) => {
      expect(found(checkName, `node/${name}.ts`, '')).toBe(1)
      expect(found(checkName, `node/${name}-of.ts`, '')).toBe(0)
    },
  )

  test.each([
    'Date.now()',
    'new Date()',
    'Math.random()',
    'setTimeout(run, 1)',
    'setInterval(run, 1)',
    'process.env.HOME',
    'console.log(1)',
    'randomBytes(4)',
  ])('of purity: %s', (code) => {
    expect(found(checkPurity, 'protocol/job.ts', `const a = ${code}\n`)).toBe(1)
    expect(found(checkPurity, 'simulations/actor.ts', `const a = ${code}\n`)).toBe(1)
    expect(found(checkPurity, 'simulations/main.ts', `const a = ${code}\n`)).toBe(0)
    expect(found(checkPurity, 'node/engine.ts', `const a = ${code}\n`)).toBe(0)
    expect(found(checkPurity, 'protocol/job.ts', `// ${code}\nconst a = '${code}'\n`)).toBe(0)
  })

  test('of purity by import', () => {
    expect(found(checkPurity, 'protocol/job.ts', "import { readFileSync } from 'node:fs'\n")).toBe(
      1,
    )
    expect(
      found(checkPurity, 'protocol/job.ts', "import { createHmac } from 'node:crypto'\n"),
    ).toBe(0)
  })

  test.each(['0.5', '1e3', 'parseFloat(a)', 'Math.sqrt(a)'])('of floating point: %s', (code) => {
    expect(found(checkIntegers, 'protocol/money.ts', `const a = ${code}\n`)).toBe(1)
    expect(found(checkIntegers, 'node/fees.ts', `const a = ${code}\n`)).toBe(0)
    expect(found(checkIntegers, 'protocol/money.ts', `// ${code}\nconst a = 12_000 / 2\n`)).toBe(0)
  })

  test.each([
    ['// TODO later', 1],
    ['// FIXME', 1],
    ['const a = b as any', 1],
    ['const a: any = b', 1],
    ['// @ts-ignore', 1],
    ["test.skip('a', run)", 1],
    ["describe.only('a', run)", 1],
    ["test('a', { retry: 3 }, run)", 1],
    ["const many = company('.skip')", 0],
  ])('of unfinished work: %s', (text, count) => {
    expect(found(checkFinished, 'test/unit/a.test.ts', `${text}\n`)).toBe(count)
  })

  test('of a refusal without its rule, or a rule without its form', () => {
    const ruled = "// [IGNORE] BID_LATE: it is early.\nif (late) return ignore('BID_LATE')\n"
    expect(found(checkRefusals, 'protocol/job.ts', ruled)).toBe(0)
    expect(found(checkRefusals, 'protocol/job.ts', "return ignore('BID_LATE')\n")).toBe(1)
    expect(found(checkRefusals, 'protocol/job.ts', ruled.replace('ignore(', 'reject('))).toBe(1)
    expect(found(checkRefusals, 'protocol/job.ts', ruled.replace('BID_LATE:', 'BID_EARLY:'))).toBe(
      1,
    )
    expect(found(checkRefusals, 'protocol/job.ts', '// [IGNORE] BID_LATE it is early\n')).toBe(1)
  })

  test('of a rule without a test of its title', () => {
    const rules = rulesOf({
      path: 'protocol/job.ts',
      text: "  // [IGNORE] A_CODE, B_CODE: it's early.\n",
    })
    const [rule] = rules
    expect(rule).toEqual({
      action: 'ignore',
      codes: ['A_CODE', 'B_CODE'],
      title: "[IGNORE] A_CODE, B_CODE: it's early",
    })
    const titled = (text: string) => isTested(rule!.title, [{ path: 'a.test.ts', text }])
    expect(titled(`test("[IGNORE] A_CODE, B_CODE: it's early", run)`)).toBe(true)
    expect(titled(`test('[IGNORE] A_CODE, B_CODE: it\\'s early', run)`)).toBe(true)
    expect(titled(`test("[IGNORE] A_CODE: it's early", run)`)).toBe(false)
    expect(titled(`// [IGNORE] A_CODE, B_CODE: it's early`)).toBe(false)
  })

  test('of a rule that is cited and not written', () => {
    const cited = citedRules({
      path: 'a.ts',
      text: '// See rule A3, and rules G3, G4; the ruler B2.',
    })
    expect(cited).toEqual(['A3', 'G3', 'G4'])
  })

  test('but not in comments and strings', () => {
    const code = codeOnly("a('x') // y\n/* z\n*/ b(/'/) + \"c\"")
    expect(code.replaceAll(' ', '')).toBe('a()\n\nb()+')
  })
})
