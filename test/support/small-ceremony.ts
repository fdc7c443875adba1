/**
 * What a ceremony needs, at the smallest size: a circuit with our three public signals and phase-1
 * files for it. Compiler and snarkjs run as processes of their own.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const resolve = createRequire(import.meta.url).resolve
const compiler = join(dirname(resolve('circom2/package.json')), 'cli.js')
const snarkjsCli = join(dirname(resolve('snarkjs')), 'cli.cjs')

/** Runs snarkjs's own command. Resolves with what it printed; rejects when it exits with another code than 0. */
export const snarkjs = async (...args: string[]): Promise<string> =>
  (await run(process.execPath, [snarkjsCli, ...args])).stdout

/** 10 constraints, or 11: y is what our digest rule says of four words, p some function of them. */
const source = (extra: string) => `pragma circom 2.1.6;
template Small() {
  signal input p; signal input x; signal input y; signal input words[4];
  signal product[2]; signal sum[2]; signal square[5];
  product[0] <== words[0] * words[1];
  product[1] <== product[0] * words[2];
  p === product[1] * words[3];
  sum[0] <== words[3] * x + words[2];
  sum[1] <== sum[0] * x + words[1];
  y === sum[1] * x + words[0];
  for (var i = 0; i < 4; i++) square[i] <== words[i] * words[i];
  ${extra}
}
component main {public [p, x, y]} = Small();
`

/** Compiles the small circuit, or one that is larger by a constraint, into `folder`. */
export async function compileSmall(folder: string, isLarger = false) {
  const name = isLarger ? 'larger' : 'small'
  const path = join(folder, `${name}.circom`)
  await mkdir(folder, { recursive: true })
  await writeFile(path, source(isLarger ? 'square[4] <== p * p;' : ''))
  await run(process.execPath, [compiler, path, '--r1cs', '--wasm', '--O2', '-o', folder], {
    cwd: folder,
  })
  return { r1cs: join(folder, `${name}.r1cs`), wasm: join(folder, `${name}_js`, `${name}.wasm`) }
}

export type PhaseOneFile = { readonly path: string; readonly blake2b: string; readonly sha256: string }

const withHashes = async (path: string): Promise<PhaseOneFile> => {
  const bytes = await readFile(path)
  const hash = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex')
  return { path, blake2b: hash('blake2b512'), sha256: hash('sha256') }
}

/** A phase-1 file of 2^power with one contribution: as it is, and prepared for phase 2. */
export async function makePhaseOne(folder: string, power: number, entropy: string) {
  const [fresh, raw, prepared] = ['fresh', 'raw', 'prepared'].map((stage) =>
    join(folder, `${power}-${entropy}-${stage}.ptau`),
  ) as [string, string, string]
  await snarkjs('powersoftau', 'new', 'bn128', String(power), fresh)
  await snarkjs('powersoftau', 'contribute', fresh, raw, `-e=${entropy}`, '--name=test')
  await snarkjs('powersoftau', 'prepare', 'phase2', raw, prepared)
  return { raw: await withHashes(raw), prepared: await withHashes(prepared) }
}
