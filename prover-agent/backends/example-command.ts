/**
 * A worked example of a program for the `command` backend: it proves with snarkjs, the way every
 * other program would with its own prover. Started in a job's directory; the contract is in
 * `README.md` beside this file.
 */
import { BackendError } from '../backend.ts'
import { shapeNames } from '../circuits/shapes.ts'
import { exitStatus, readJob, writeProof } from './job-file.ts'
import { createSnarkjsBackend } from './snarkjs.ts'

const cancelled = new AbortController()
process.once('SIGTERM', () => cancelled.abort())

const job = await readJob().catch((error: unknown) => {
  console.error(String(error))
  process.exit(error instanceof RangeError ? exitStatus('unsupported') : 1)
})
const backend = createSnarkjsBackend({ shapes: shapeNames })
const startedAt = Date.now()
try {
  const proof = await backend.prove(job, cancelled.signal)
  await writeProof(proof, { prover: 'snarkjs', provingMs: Date.now() - startedAt })
} catch (error) {
  console.error(String(error))
  process.exitCode = error instanceof BackendError ? exitStatus(error.code) : 1
} finally {
  await backend.close()
}
