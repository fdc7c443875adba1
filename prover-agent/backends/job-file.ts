/**
 * What lies in a job's directory and how its program says how it ended: the contract in `README.md`
 * beside this file, for both sides of it.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MAX_PROOF_BYTES } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import type { BackendErrorCode, ProofJob } from '../backend.ts'

/** Of `job.json`. Another one is another contract. */
export const JOB_VERSION = 3

/**
 * Longest `proof.bin` that is read: the longest of our own proofs, or a payee and the longest proof
 * that `WrappedVerifier.sol` looks at.
 */
export const MAX_PROOF_FILE_BYTES = Math.max(MAX_PROOF_BYTES, 20 + 16_384)

/** What the files are called. */
export const jobFiles = {
  job: 'job.json',
  inputs: 'inputs.bin',
  proof: 'proof.bin',
  meta: 'meta.json',
} as const

type JobFile = {
  readonly version: number
  readonly verifier: Address
  readonly programId: Hex
  readonly payee: Address
  readonly deadlineAt: number
  readonly inputs: string
}

/** Exit status → why there is no proof; any other is `failed`. 75 is EX_TEMPFAIL of sysexits.h. */
export const exitCodes: Readonly<Record<number, BackendErrorCode>> = {
  2: 'unsupported',
  3: 'invalid-input',
  75: 'retry',
}

/** The exit status that says it. */
export const exitStatus = (code: BackendErrorCode): number =>
  Number(Object.entries(exitCodes).find(([, meaning]) => meaning === code)?.[0] ?? 1)

/** Lays out a job in its directory. */
export async function writeJob(directory: string, { inputs, ...terms }: ProofJob): Promise<void> {
  const { verifier, programId, payee, deadlineAt } = terms
  const named = { verifier, programId, payee, deadlineAt, inputs: jobFiles.inputs }
  const job: JobFile = { version: JOB_VERSION, ...named }
  await writeFile(join(directory, jobFiles.inputs), inputs)
  await writeFile(join(directory, jobFiles.job), `${JSON.stringify(job, null, 2)}\n`)
}

/**
 * The job in a directory, read by a program. @throws Error when there is none, RangeError when it
 * is of a version this program does not know.
 */
export async function readJob(directory = '.'): Promise<ProofJob> {
  const job = JSON.parse(await readFile(join(directory, jobFiles.job), 'utf8')) as JobFile
  if (job.version !== JOB_VERSION) {
    throw new RangeError(
      `${jobFiles.job} has version ${job.version}; this program knows version ${JOB_VERSION}`,
    )
  }
  const { verifier, programId, payee, deadlineAt, inputs } = job
  const bytes = await readFile(join(directory, inputs))
  return { verifier, programId, payee, deadlineAt, inputs: bytes }
}

/** Leaves the proof, never half of it, and what there is to say about it. */
export async function writeProof(
  proof: Uint8Array,
  meta: Readonly<Record<string, unknown>>,
): Promise<void> {
  await writeFile(jobFiles.meta, JSON.stringify(meta))
  await writeFile(`${jobFiles.proof}.part`, proof)
  await rename(`${jobFiles.proof}.part`, jobFiles.proof)
}
