/**
 * A worked example of a program for the `command` backend: it proves with snarkjs, as any other
 * program would with its own prover. Started in a job's directory; the contract is in `README.md`
 * beside this file.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Address, Hex } from '#protocol/schema'
import { BackendError, type BackendErrorCode } from '../backend.ts'
import { shapeNames } from '../circuits/shapes.ts'
import { createSnarkjsBackend } from './snarkjs.ts'

type JobFile = {
  readonly version: number
  readonly verifier: Address
  readonly programId: Hex
  readonly payee: Address
  readonly deadlineAt: number
  readonly inputs: string
}

const statuses: Readonly<Partial<Record<BackendErrorCode, number>>> = {
  unsupported: 2,
  'invalid-input': 3,
  retry: 75,
}

const cancelled = new AbortController()
process.once('SIGTERM', () => cancelled.abort())

const job = JSON.parse(await readFile('job.json', 'utf8')) as JobFile
if (job.version !== 2) {
  console.error(`job.json has version ${job.version}; this program knows version 2`)
  process.exit(2)
}
const backend = createSnarkjsBackend({ shapes: shapeNames })
const startedAt = Date.now()
try {
  const proof = await backend.prove(
    { ...job, inputs: await readFile(job.inputs) },
    cancelled.signal,
  )
  const meta = { prover: 'snarkjs', provingMs: Date.now() - startedAt }
  await writeFile('meta.json', JSON.stringify(meta))
  await writeFile('proof.bin.part', proof)
  await rename('proof.bin.part', 'proof.bin') // never half a proof
} catch (error) {
  console.error(String(error))
  process.exitCode = (error instanceof BackendError && statuses[error.code]) || 1
} finally {
  await backend.close()
}
