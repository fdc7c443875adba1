/** The thread that checks inputs: paths and signatures of a segment, up to 20 ms an entry. */
import { parentPort } from 'node:worker_threads'
import type { ProofRequest } from '#protocol/schema'
import { checkJob } from './check-job.ts'

/** One question to the thread; answered with why not, or null. */
export type InputsQuestion = { readonly inputs: Uint8Array; readonly request: ProofRequest }

parentPort?.on('message', ({ id, question }: { id: number; question: InputsQuestion }) =>
  parentPort?.postMessage({ id, answer: checkJob(question.inputs, question.request) }),
)
