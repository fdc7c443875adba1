/**
 * A program for the `command` backend around any Groth16 prover that takes snarkjs's files: it
 * makes the witness with our circuit, runs the prover, and puts the proof together.
 *
 *     node groth16-command.ts [--stdin LINE]... -- PROGRAM ARGUMENTS...
 *
 * In the program's arguments, and in the lines for its standard input, {zkey} {wtns} {proof}
 * {public} stand for paths: the proving key and the witness it reads, and the two JSON files it
 * writes. The last three are in the job's directory, where it runs.
 */
import { spawn } from 'node:child_process'
import { lstat, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { shapeFiles, shapeOf, shapes } from '../circuits/shapes.ts'
import { finishProof, prepareStatement, type SnarkjsProof } from '../circuits/witness.ts'
import { exitStatus, readJob, writeProof } from './job-file.ts'

/** A Groth16 proof in JSON has less than 1 KiB. */
const MAX_PROOF_JSON_BYTES = 64 * 1024
/** How much of a failed program's output is passed on. */
const TAIL_CHARACTERS = 2_000
const files = {
  input: 'input.json',
  wtns: 'witness.wtns',
  proof: 'proof.json',
  public: 'public.json',
}

/** Ends this program as the contract says it. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

type Ran = { readonly status: number | null; readonly output: string }

/**
 * Runs a program to its end in this directory. It stays in our process group, so what stops us
 * stops it.
 */
async function run(argv: readonly string[], lines: readonly string[] = []): Promise<Ran> {
  const [program, ...args] = argv
  const child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {}) // it may end without reading
  child.stdin.end(lines.map((line) => `${line}\n`).join(''))
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  const status = await ended
  return { status, output: (await output).join('').trim().slice(-TAIL_CHARACTERS) }
}

/** The witness of these signals, by snarkjs's own program. */
async function makeWitness(wasm: string): Promise<void> {
  const snarkjs = createRequire(import.meta.url).resolve('snarkjs')
  const cli = join(dirname(snarkjs), 'cli.cjs')
  const { wtns, input } = files
  const { status, output } = await run([
    ...[process.execPath, cli, 'wtns', 'calculate', wasm, input, wtns],
  ])
  if (status === 0) return
  // What the circuit itself refuses; a missing file, say, is another matter.
  const code = output.includes('Assert Failed') ? 'invalid-input' : 'failed'
  throw new Refusal(exitStatus(code), `no witness: ${output}`)
}

/** What the prover wrote. Some write a string's closing zero byte too. */
async function readProof(): Promise<SnarkjsProof> {
  const found = await lstat(files.proof).catch(() => null)
  if (!found?.isFile() || found.size > MAX_PROOF_JSON_BYTES) {
    throw new Refusal(
      1,
      `the prover left no ${files.proof} of at most ${MAX_PROOF_JSON_BYTES} bytes`,
    )
  }
  const json = (await readFile(files.proof, 'utf8')).replace(/\0+$/, '')
  const proof = JSON.parse(json) as SnarkjsProof | null
  if (!Array.isArray(proof?.pi_a) || !Array.isArray(proof.pi_b) || !Array.isArray(proof.pi_c)) {
    throw new Refusal(1, `${files.proof} has no pi_a, pi_b, pi_c`)
  }
  return proof
}

async function prove(template: readonly string[], lines: readonly string[]): Promise<void> {
  const job = await readJob().catch((error: unknown) => {
    throw error instanceof RangeError
      ? new Refusal(exitStatus('unsupported'), error.message)
      : error
  })
  const name = shapeOf(job.programId)
  if (name === null) {
    throw new Refusal(exitStatus('unsupported'), `there is no circuit of ${job.programId}`)
  }
  const statement = prepareStatement(job.inputs, job.verifier, job.payee, shapes[name])
  if (statement === null) {
    throw new Refusal(exitStatus('invalid-input'), `the inputs do not fit the circuit ${name}`)
  }
  const { wasm, zkey } = shapeFiles(name)
  await writeFile(files.input, JSON.stringify(statement.input))
  const startedAt = Date.now()
  await makeWitness(wasm)
  const witnessMs = Date.now() - startedAt
  const paths: Readonly<Record<string, string>> = { ...files, zkey }
  const fill = (argument: string) =>
    argument.replace(/\{(zkey|wtns|proof|public)\}/g, (_, key: string) => paths[key]!)
  const { status, output } = await run(template.map(fill), lines.map(fill))
  if (status !== 0) throw new Refusal(1, `${template[0]} ended with ${status}: ${output}`)
  const proof = finishProof(statement, await readProof())
  const provingMs = Date.now() - startedAt - witnessMs
  await writeProof(proof, { prover: template[0], witnessMs, provingMs })
}

try {
  const { values, positionals } = parseArgs({
    options: { stdin: { type: 'string', multiple: true, default: [] } },
    allowPositionals: true,
  })
  if (positionals.length === 0) throw new Refusal(1, 'name the prover, after --')
  await prove(positionals, values.stdin)
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = error instanceof Refusal ? error.status : 1
}
