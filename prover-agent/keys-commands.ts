/** The commands of `proofwire keys`: from flags to a ceremony's steps, and what they print. */
import { stat } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { ConfigError } from '#node/config'
import { isDevelopmentKey } from '#protocol/development-key'
import { MAX_WORDS, programId } from '#protocol/proof'
import { wordCount } from '#protocol/words'
import { buildShape } from './circuits/build.ts'
import {
  addBeacon,
  beaconHex,
  contribute,
  hashFile,
  NAMES_HASH_BYTES,
  type Origin,
  type Pin,
  type Run,
  readPin,
  setUp,
  verifyKey,
  whyUnfinished,
} from './circuits/ceremony.ts'
import {
  BEACON_ITERATIONS,
  type CeremonyKey,
  MAX_NAME_LENGTH,
  readKey,
  unprintable,
} from './circuits/ceremony-files.ts'
import {
  type Contents,
  judgeFolder,
  readVerificationKey,
  writeKeyFolder,
} from './circuits/ceremony-folder.ts'
import { type ShapeName, shapeFiles, shapeNames, shapes } from './circuits/shapes.ts'

/** Exit codes. */
const [DONE, INSECURE, VALID_SO_FAR] = [0, 1, 3]
/** snarkjs keeps a beacon's length in a byte, and the names' hash stands behind it. Bytes. */
const MAX_BEACON_BYTES = 255 - NAMES_HASH_BYTES

type Words = {
  readonly file: string | undefined
  readonly values: Readonly<Record<string, string | undefined>>
}

const bad = (problem: string): ConfigError =>
  new ConfigError([`${problem} See proofwire keys --help.`])
const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** Flags that each take a value, and at most one file. @throws ConfigError */
function readWords(argv: readonly string[], flags: readonly string[]): Words {
  const options = Object.fromEntries(
    flags.map((flag) => {
      const option = flag === 'output' ? { type: 'string', short: 'o' } : { type: 'string' }
      return [flag, option as { type: 'string'; short?: string }]
    }),
  )
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
    if (positionals.length > 1) throw new Error(`one file, not ${positionals.length}`)
    return { values: values as Words['values'], file: positionals[0] }
  } catch (error) {
    throw bad(`${(error as Error).message.split('. To specify')[0]}.`)
  }
}

/** @throws ConfigError */
function needed({ values }: Words, flag: string): string {
  const value = values[flag]
  if (value) return value
  throw bad(`${flag === 'output' ? '-o' : `--${flag}`} is missing.`)
}

/** @throws ConfigError */
function fileOf({ file }: Words): string {
  if (file !== undefined) return file
  throw bad('The key file is missing.')
}

const origins = ['shape', 'r1cs', 'ptau', 'ptau-hash', 'output']

function readShape({ values: { shape, r1cs } }: Words): ShapeName | null {
  if ((shape === undefined) === (r1cs === undefined)) throw bad('Give --shape or --r1cs, and one.')
  if (shape === undefined) return null
  const name = shapeNames.find((one) => one === shape)
  if (name === undefined) throw bad(`There is no shape ${shape}; there are ${shapeNames.join()}.`)
  return name
}

function pinOf(words: Words): Pin {
  const pin = readPin(needed(words, 'ptau-hash'))
  if (pin !== null) return pin
  throw bad('--ptau-hash must be a BLAKE2b-512 (128 hex digits) or a SHA-256 (64).')
}

/** Circuit and phase-1 file; builds the shape if one is named. */
async function originOf(words: Words, { report }: Run): Promise<Origin> {
  const shape = readShape(words)
  const [ptau, pin] = [needed(words, 'ptau'), pinOf(words)]
  if (shape === null) return { r1cs: needed(words, 'r1cs'), ptau, pin }
  await buildShape(shape, report)
  return { r1cs: shapeFiles(shape).r1cs, ptau, pin }
}

async function setupCommand(argv: readonly string[], run: Run): Promise<number> {
  const words = readWords(argv, origins)
  if (words.file !== undefined) throw bad(`What is ${words.file}? keys setup takes only flags.`)
  const out = needed(words, 'output')
  const origin = await originOf(words, run)
  const key = await setUp(origin, out, run)
  print(`circuit hash  ${key.circuitHash}`)
  await printFile(origin.r1cs)
  await printFile(out)
  print('INSECURE until somebody contributes. Next: proofwire keys contribute')
  return DONE
}

async function contributeCommand(argv: readonly string[], run: Run): Promise<number> {
  const words = readWords(argv, ['output', 'name'])
  const [from, out, name] = [fileOf(words), needed(words, 'output'), needed(words, 'name')]
  if (name.length > MAX_NAME_LENGTH || unprintable.test(name)) {
    throw bad(`--name must be printable and at most ${MAX_NAME_LENGTH} characters.`)
  }
  const key = await contribute(from, out, name, run)
  await printStep(key, out, 'Publish both, and check that they stay in the final key.')
  return DONE
}

async function beaconCommand(argv: readonly string[], run: Run): Promise<number> {
  const words = readWords(argv, ['output', 'beacon', 'iterations'])
  const [from, out] = [fileOf(words), needed(words, 'output')]
  const hex = needed(words, 'beacon').replace(/^0x/, '').toLowerCase()
  const isBytes = /^([0-9a-f]{2})+$/.test(hex) && hex.length <= 2 * MAX_BEACON_BYTES
  if (!isBytes) throw bad(`--beacon must be hex, 1 to ${MAX_BEACON_BYTES} bytes.`)
  const text = needed(words, 'iterations')
  const iterations = /^\d{1,2}$/.test(text) ? Number(text) : 0
  const { least, most } = BEACON_ITERATIONS
  if (iterations < least || iterations > most) {
    throw bad(`--iterations must be from ${least} to ${most}: 2^N hashes.`)
  }
  const key = await addBeacon(from, out, { hex, iterations }, run)
  await printStep(key, out, 'The ceremony is complete. Next, for everybody: proofwire keys verify')
  return DONE
}

async function printStep(key: CeremonyKey, out: string, next: string): Promise<void> {
  print(`contribution hash  ${key.contributions.at(-1)?.hash}`)
  await printFile(out)
  print(next)
}

const printFile = async (path: string): Promise<void> =>
  print(`sha256        ${await hashFile(path, 'sha256')}  ${path}`)

function printChain(key: CeremonyKey): void {
  print(`circuit hash  ${key.circuitHash}`)
  key.contributions.forEach((one, index) => {
    const who =
      one.kind === 'beacon'
        ? `beacon ${beaconHex(one)}, 2^${one.iterations} hashes`
        : `contribution by ${JSON.stringify(one.name)}`
    print(`${String(index + 1).padStart(4)}  ${who}\n      ${one.hash}`)
  })
  if (key.contributions.length === 0) print('      no contributions')
}

/** How many words the circuit has room for. */
function wordsOf(words: Words, shape: ShapeName | null): number {
  const given = words.values.words
  if (shape !== null && given !== undefined) throw bad('--words is for --r1cs: a shape knows it.')
  if (shape !== null) return wordCount(shapes[shape].entries)
  const count = /^\d{1,6}$/.test(needed(words, 'words')) ? Number(given) : 0
  const most = MAX_WORDS
  if (count < 1 || count > most) throw bad(`--words must be from 1 to ${most}.`)
  return count
}

async function verifyCommand(argv: readonly string[], run: Run): Promise<number> {
  const words = readWords(argv, [...origins, 'words'])
  const path = fileOf(words)
  const shape = readShape(words)
  const folder = words.values.output
  if (folder === undefined) {
    const key = await verifyKey(path, await originOf(words, run), run)
    printChain(key)
    await printFile(path)
    return printVerdict(key)
  }
  const count = wordsOf(words, shape)
  const origin = await originOf(words, run)
  const wasm = shape === null ? null : shapeFiles(shape).wasm
  const contents: Contents = { shape, wordCount: count, wasm }
  const { key, meta } = await writeKeyFolder(path, origin, contents, folder, run)
  printChain(key)
  print(`sha256        ${meta.sha256['circuit.zkey']}  ${path}`)
  print(`program       ${meta.programId}`)
  print(`wrote         ${folder}`)
  return printVerdict(key)
}

function printVerdict(key: CeremonyKey): number {
  const unfinished = whyUnfinished(key)
  if (unfinished === null) {
    print('The last step is a beacon. The key is valid and its ceremony complete.')
    return DONE
  }
  print(`The key is valid so far and NOT to be used: ${unfinished}.`)
  return VALID_SO_FAR
}

async function showCommand(argv: readonly string[]): Promise<number> {
  const path = fileOf(readWords(argv, []))
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (isFolder) return showFolder(path)
  if (path.endsWith('.json')) {
    const key = await readVerificationKey(path)
    print(`program       ${programId(key)}`)
    return printInsecure(
      isDevelopmentKey(key)
        ? 'its trapdoor is the published development trapdoor'
        : 'a file alone does not say where it comes from; show its folder',
    )
  }
  const key = await readKey(path)
  printChain(key)
  await printFile(path)
  if (isDevelopmentKey(key)) {
    return printInsecure('its trapdoor is the published development trapdoor')
  }
  const unfinished = whyUnfinished(key)
  if (unfinished !== null) return printInsecure(unfinished)
  print('By what it says of itself its ceremony is complete. proofwire keys verify checks that.')
  return DONE
}

async function showFolder(path: string): Promise<number> {
  const { key, meta, insecure } = await judgeFolder(path)
  print(`program       ${programId(key)}`)
  if (insecure !== null) return printInsecure(insecure)
  print(`note          ${JSON.stringify(meta?.note)}`)
  print('Secure, if the ceremony its meta.json names is true. proofwire keys verify checks that.')
  return DONE
}

function printInsecure(why: string): number {
  print(`INSECURE: ${why}.`)
  return INSECURE
}

export const commands = {
  setup: setupCommand,
  contribute: contributeCommand,
  beacon: beaconCommand,
  verify: verifyCommand,
  show: showCommand,
}
