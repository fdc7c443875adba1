import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ConfigError } from '#node/config'
import { isDevelopmentKey, whyInsecure } from '#protocol/development-key'
import { FIELD_ORDER } from '#protocol/field'
import { parseVerificationKey, programId } from '#protocol/proof'
import { evaluate } from '#protocol/words'
import { buildShape } from '#prover-agent/circuits/build'
import { type Origin, verifyKey } from '#prover-agent/circuits/ceremony'
import { CeremonyError } from '#prover-agent/circuits/ceremony-files'
import type { CeremonyMeta } from '#prover-agent/circuits/ceremony-folder'
import { shapeFiles } from '#prover-agent/circuits/shapes'
import { commands } from '#prover-agent/keys-commands'
import {
  compileSmall,
  flipped,
  holds,
  makePhaseOne,
  type PhaseOneFile,
  type Points,
  samples,
  snarkjs,
} from '#test/support/small-ceremony'

const folder = mkdtempSync(join(tmpdir(), 'proofwire-keys-'))
afterAll(() => rmSync(folder, { recursive: true }))
const at = (name: string) => join(folder, name)
const [initial, first, second, final] = ['0', '1', '2', '3'].map((name) => at(`${name}.zkey`)) as [
  ...[string, string, string, string],
]
const deployed = at('deployed')

let circuit: { readonly r1cs: string; readonly wasm: string }
let larger: string
let fresh: PhaseOneFile
let unprepared: PhaseOneFile
let phaseOne: PhaseOneFile
let other: PhaseOneFile

type Ended = { readonly code: number | null; readonly out: string; readonly err: string }

const start = (args: readonly string[]): ChildProcess =>
  spawn(process.execPath, ['proofwire.ts', 'keys', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })

async function keys(...args: string[]): Promise<Ended> {
  const child = start(args)
  let [out, err] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

/** The same in this process, which spares starting one. */
async function within(name: keyof typeof commands, ...args: string[]): Promise<Ended> {
  let out = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text
    return true
  })
  try {
    return { code: await commands[name](args, quiet), out, err: '' }
  } catch (error) {
    if (!(error instanceof CeremonyError)) throw error
    return { code: 1, out, err: error.message }
  } finally {
    spy.mockRestore()
  }
}

const from = (r1cs: string, { path }: PhaseOneFile, hash: string) =>
  `--r1cs ${r1cs} --ptau ${path} --ptau-hash ${hash}`.split(' ')
const origin = () => from(circuit.r1cs, phaseOne, phaseOne.blake2b)
const verify = (path: string, ...rest: string[]) => within('verify', path, ...origin(), ...rest)

const quiet = { report: () => {}, signal: new AbortController().signal }

const hashesIn = (text: string): string[] => text.match(/(?<=^ {6})[0-9a-f]{128}$/gm) ?? []
const published = (text: string): string => /contribution hash {2}([0-9a-f]{128})/.exec(text)![1]!

/** What each contributor would publish. */
const hashes: string[] = []

beforeAll(async () => {
  await buildShape('tiny', () => {})
  const [small, large, one, two] = await Promise.all([
    compileSmall(folder),
    compileSmall(folder, true),
    makePhaseOne(folder, 4, 'one'),
    makePhaseOne(folder, 4, 'two'),
  ])
  circuit = small
  larger = large.r1cs
  fresh = one.fresh
  unprepared = one.raw
  phaseOne = one.prepared
  other = two.prepared
  // The ceremony of all tests below.
  const made = await keys('setup', ...origin(), '-o', initial)
  if (made.code !== 0) throw new Error(made.err)
  for (const [args, to] of [
    [['contribute', initial, '--name', 'Ada'], first],
    [['contribute', first, '--name', 'Grace Hopper, 1906'], second],
    [['beacon', second, '--beacon', '0xB00Cfeed', '--iterations', '10'], final],
  ] as const) {
    const step = await keys(...args, '-o', to)
    if (step.code !== 0) throw new Error(step.err)
    hashes.push(published(step.out))
  }
})

describe('a ceremony', () => {
  test('verifies to the hashes its contributors published, and says that it ends with a beacon', async () => {
    const args = [final, ...origin(), '-o', deployed, '--words', '4']
    const { code, out, err } = await keys('verify', ...args)
    expect(err).toContain('verifying the chain: done')
    expect(code).toBe(0)
    expect(hashesIn(out)).toEqual(hashes)
    expect(new Set(hashes).size).toBe(3)
    expect(out).toContain('contribution by "Ada"')
    expect(out).toContain('contribution by "Grace Hopper, 1906"')
    expect(out).toContain('beacon b00cfeed, 2^10 hashes')
    expect(out).toContain('The last step is a beacon.')
  })

  test('is what snarkjs verifies, too', async () => {
    const said = await snarkjs('zkey', 'verify', circuit.r1cs, phaseOne.path, final)
    expect(said).toContain('ZKey Ok!')
    // It prints a hash as words of 8 digits.
    const digits = said.replace(/\s/g, '')
    for (const hash of hashes) expect(digits).toContain(hash)
  })

  test('ends with the folder that deployment takes', () => {
    const meta = readMeta()
    const key = parseVerificationKey(readJson(join(deployed, 'verification-key.json')))
    expect(key).toMatchObject({ wordCount: 4 })
    expect(meta).toMatchObject({ insecure: false, programId: programId(key!) })
    expect(whyInsecure(key!, meta)).toBeNull()
    expect(isDevelopmentKey(key!)).toBe(false)
    expect(meta.ceremony.phaseOne).toEqual({
      power: 4,
      blake2b512: phaseOne.blake2b,
      sha256: phaseOne.sha256,
    })
    expect(meta.ceremony.contributions.map(({ hash }) => hash)).toEqual(hashes)
    expect(Object.keys(meta.sha256).sort()).toEqual(
      ['circuit.r1cs', 'circuit.zkey', 'verification-key.json'].sort(),
    )
    expect(readdirSync(deployed)).toHaveLength(4)
    // The same points as snarkjs takes out of the key.
    expect(readFileSync(join(deployed, 'circuit.zkey'))).toEqual(readFileSync(final))
  })

  test('makes a key that proves, and proofs that verify under its verification key', async () => {
    const words = [3n, 1n, 4n, 1_500n]
    const p = words.reduce((product, word) => (product * word) % FIELD_ORDER, 1n)
    const x = 271_828n
    const signals = [p, x, evaluate(words, x)]
    const input = { p, x, y: signals[2], words }
    const [inputs, proof, said] = ['input.json', 'proof.json', 'public.json'].map(at) as [
      ...[string, string, string],
    ]
    const asText = (_: string, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value
    writeFileSync(inputs, JSON.stringify(input, asText))
    const zkey = join(deployed, 'circuit.zkey')
    const verificationKey = join(deployed, 'verification-key.json')
    await snarkjs('groth16', 'fullprove', inputs, circuit.wasm, zkey, proof, said)
    expect(readJson(said)).toEqual(signals.map(String))
    expect(await snarkjs('groth16', 'verify', verificationKey, said, proof)).toContain('OK!')
    const key = parseVerificationKey(readJson(verificationKey))!
    const points = readJson(proof) as Points
    expect(holds(key, points, signals)).toBe(true)
    expect(holds(key, points, [signals[0]!, x, signals[2]! + 1n])).toBe(false)
  })
})

describe('keys show', () => {
  test('takes a key for INSECURE unless its meta says otherwise and every file fits', async () => {
    const good = await within('show', deployed)
    expect(good).toMatchObject({ code: 0 })
    expect(good.out).toContain(readMeta().programId)
    expect(good.out).not.toContain('INSECURE')
    const copy = at('copy')
    const changes: readonly (readonly [string, (bytes: Buffer) => Buffer | string])[] = [
      ['circuit.zkey', flipped(500)],
      ['meta.json', () => JSON.stringify({ ...readMeta(), insecure: true })],
      ['meta.json', () => JSON.stringify({ ...readMeta(), sha256: undefined })],
      ['meta.json', () => ''],
    ]
    for (const [file, change] of changes) {
      await cp(deployed, copy, { recursive: true, force: true })
      writeFileSync(join(copy, file), change(readFileSync(join(copy, file))))
      const { code, out } = await within('show', copy)
      expect(code).toBe(1)
      expect(out).toContain('INSECURE: ')
    }
  })

  test('knows a development key by its bytes, in each of its forms', async () => {
    const { directory, zkey, verificationKey } = shapeFiles('tiny')
    for (const path of [directory, zkey, verificationKey]) {
      const { code, out } = await within('show', path)
      expect(code).toBe(1)
      expect(out).toContain('INSECURE: its trapdoor is the published development trapdoor')
    }
  })

  test('says what a key of a ceremony lacks', async () => {
    expect((await within('show', initial)).out).toContain('INSECURE: nobody has contributed')
    expect((await within('show', second)).out).toContain('INSECURE: its last step is no beacon')
    expect(hashesIn((await within('show', final)).out)).toEqual(hashes)
  })
})

describe('keys verify', () => {
  test('says of an unfinished key that it is valid so far, and writes no folder for it', async () => {
    const untouched = await verify(initial)
    expect(untouched).toMatchObject({
      code: 3,
      out: expect.stringContaining('nobody has contributed'),
    })
    const { code, out } = await verify(second)
    expect(code).toBe(3)
    expect(out).toContain('NOT to be used: its last step is no beacon')
    expect(hashesIn(out)).toEqual(hashes.slice(0, 2))
    const refused = await verify(second, '-o', at('early'), '--words', '4')
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('not to be deployed') })
    expect(readdirSync(folder).filter((name) => name.startsWith('early'))).toEqual([])
  })

  test.each([
    ['another hash', () => from(circuit.r1cs, phaseOne, other.blake2b), 'is not the pinned'],
    ['another phase-1 file', () => from(circuit.r1cs, other, other.sha256), 'another phase-1 file'],
    ['another circuit', () => from(larger, phaseOne, phaseOne.sha256), 'another circuit'],
  ])('refuses a key with %s', async (_, of, reason) => {
    const { code, out, err } = await within('verify', final, ...of())
    expect(code).toBe(1)
    expect(err).toContain(reason)
    expect(out).toBe('')
  })

  test('refuses a key with a flipped byte, wherever it is', async () => {
    const bytes = readFileSync(final)
    const { path: ptau, sha256 } = phaseOne
    const asked: Origin = { r1cs: circuit.r1cs, ptau, pin: { algorithm: 'sha256', hex: sha256 } }
    const path = at('flipped.zkey')
    for (const [place, offset] of Object.entries(samples(bytes))) {
      writeFileSync(path, flipped(offset)(bytes))
      await expect(verifyKey(path, asked, quiet), place).rejects.toThrow(CeremonyError)
    }
    // What was flipped last is in the beacon: nothing but ours looks there.
    expect(await verify(path)).toMatchObject({ code: 1, out: '' })
    writeFileSync(path, bytes)
    expect((await verifyKey(path, asked, quiet)).contributions).toHaveLength(3)
    const longer = at('longer.zkey')
    writeFileSync(longer, Buffer.concat([bytes, Buffer.alloc(1)]))
    expect((await verify(longer)).err).toContain('after its end')
    writeFileSync(longer, bytes.subarray(0, -1))
    expect((await verify(longer)).err).toContain('cut off')
  })

  test('refuses a key that only a beacon made: everybody can compute its secret', async () => {
    const path = at('only-beacon.zkey')
    const refused = await keys(
      'beacon',
      initial,
      '-o',
      path,
      '--beacon',
      '01',
      '--iterations',
      '10',
    )
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('keeps no secret') })
    await snarkjs('zkey', 'beacon', initial, path, '01'.repeat(33), '10')
    expect(await verify(path)).toMatchObject({
      code: 1,
      err: expect.stringContaining('does not hold the names'),
    })
  })
})

describe('a step', () => {
  test('is refused for a phase-1 file that does not do, and leaves nothing', async () => {
    const to = ['-o', at('refused.zkey')]
    const tiny = from(shapeFiles('tiny').r1cs, phaseOne, phaseOne.blake2b)
    for (const [args, reason] of [
      [from(circuit.r1cs, phaseOne, other.sha256), 'is not the pinned phase-1 file'],
      [from(circuit.r1cs, unprepared, unprepared.sha256), 'is not prepared for phase 2'],
      [from(circuit.r1cs, fresh, fresh.sha256), 'is from no ceremony'],
      [tiny, 'needs 15 or more'],
      [from(phaseOne.path, phaseOne, phaseOne.sha256), 'is no .r1cs file'],
    ] as const) {
      const { code, err } = await within('setup', ...args, ...to)
      expect(code).toBe(1)
      expect(err).toContain(reason)
    }
    expect(readdirSync(folder).filter((name) => /refused|tmp/.test(name))).toEqual([])
  })

  test('never writes over a key, and adds nothing after a beacon', async () => {
    const before = readFileSync(second)
    const over = await within('contribute', first, '-o', second, '--name', 'Eve')
    expect(over).toMatchObject({ code: 1, err: expect.stringContaining('exists already') })
    expect(readFileSync(second)).toEqual(before)
    const after = await within('contribute', final, '-o', at('after.zkey'), '--name', 'Eve')
    expect(after).toMatchObject({ code: 1, err: expect.stringContaining('its ceremony is over') })
  })

  test('says every two seconds that it runs, and ends at once on Ctrl-C with no file', async () => {
    const args = [
      'beacon',
      second,
      '-o',
      at('stopped.zkey'),
      '--beacon',
      '01',
      '--iterations',
      '30',
    ]
    const child = start(args)
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (text.includes('... 2 s')) child.kill('SIGINT')
    })
    const [code] = await once(child, 'close')
    expect(said).toContain('stopped; nothing was written')
    expect(code).toBe(130)
    expect(readdirSync(folder).filter((name) => name.startsWith('stopped'))).toEqual([])
  })

  test.each([
    ['setup', ['--shape', 'tiny', '--r1cs', 'a', '--ptau', 'b', '--ptau-hash', '00', '-o', 'c']],
    ['setup', ['--r1cs', 'a', '--ptau', 'b', '--ptau-hash', 'abc', '-o', 'c']],
    ['contribute', ['a.zkey', '-o', 'c']],
    ['contribute', ['a.zkey', '-o', 'c', '--name', '\u001b[31m']],
    ['contribute', ['a.zkey', '-o', 'c', '--name', 'x'.repeat(65)]],
    ['beacon', ['a.zkey', '-o', 'c', '--beacon', '0g', '--iterations', '10']],
    ['beacon', ['a.zkey', '-o', 'c', '--beacon', '00', '--iterations', '9']],
    ['verify', ['a.zkey', '--r1cs', 'a', '--ptau', 'b', '--ptau-hash', '00'.repeat(32), '-o', 'd']],
    ['show', []],
  ] as const)('refuses to start: %s %j', async (name, args) => {
    await expect(commands[name](args, quiet)).rejects.toThrow(ConfigError)
  })

  test('of another name is refused, with those there are', async () => {
    const { code, err } = await keys('explain')
    expect(code).toBe(2)
    expect(err).toContain('setup, contribute, beacon, verify, show')
  })

  test('has help', async () => {
    const { code, out } = await keys('contribute', '--help')
    expect(code).toBe(0)
    for (const name of ['setup', 'contribute', 'beacon', 'verify', 'show']) {
      expect(out).toContain(`proofwire keys ${name} `)
    }
  })
})

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))
const readMeta = () => readJson(join(deployed, 'meta.json')) as CeremonyMeta
