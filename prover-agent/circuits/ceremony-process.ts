// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * The process that does a ceremony's cryptography with snarkjs (GPL-3.0). `ceremony.ts` starts one
 * for each step by its path, asks once over the IPC channel and gets one answer. What is secret,
 * the contributor's factor, never leaves this process and ends with it.
 */
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'

export type Task =
  | { readonly step: 'setup'; readonly r1cs: string; readonly ptau: string; readonly out: string }
  | {
      readonly step: 'contribute'
      readonly from: string
      readonly out: string
      readonly name: string
    }
  | {
      readonly step: 'beacon'
      readonly from: string
      readonly out: string
      readonly beaconHex: string
      readonly iterations: number
    }
  | { readonly step: 'verify'; readonly r1cs: string; readonly ptau: string; readonly key: string }

/** `hash`: of the step, hex; '' for a verification. */
export type Answer =
  | { readonly ok: true; readonly hash: string }
  | { readonly ok: false; readonly reason: string }

type Say = (text: string) => void
type Logger = { readonly [level in 'debug' | 'info' | 'warn' | 'error']: Say }
/** A hash when it worked, `false` or -1 and words to the logger when not. */
type Result = Promise<Uint8Array | boolean | number>
type Snarkjs = {
  readonly zKey: {
    newZKey(r1cs: string, ptau: string, out: string, logger: Logger): Result
    contribute(from: string, out: string, name: string, entropy: string, logger: Logger): Result
    beacon(
      ...args: [from: string, out: string, name: string, hex: string, exp: number, logger: Logger]
    ): Result
    verifyFromR1cs(r1cs: string, ptau: string, key: string, logger: Logger): Result
  }
}
const { zKey } = createRequire(import.meta.url)('snarkjs') as Snarkjs

/** snarkjs mixes this with as much randomness of its own. Bytes. */
const ENTROPY_BYTES = 64

const complaints: string[] = []
const complain: Say = (text) => void complaints.push(text)
const silent: Say = () => {}
const logger: Logger = { debug: silent, info: silent, warn: complain, error: complain }
// Some of what makes a chain invalid it only prints.
console.log = complain

function run(task: Task): Result {
  switch (task.step) {
    case 'setup':
      return zKey.newZKey(task.r1cs, task.ptau, task.out, logger)
    case 'contribute': {
      const entropy = randomBytes(ENTROPY_BYTES).toString('hex')
      return zKey.contribute(task.from, task.out, task.name, entropy, logger)
    }
    case 'beacon':
      return zKey.beacon(task.from, task.out, '', task.beaconHex, task.iterations, logger)
    case 'verify':
      return zKey.verifyFromR1cs(task.r1cs, task.ptau, task.key, logger)
    default:
      return task satisfies never
  }
}

async function answer(task: Task): Promise<Answer> {
  try {
    const result = await run(task)
    if (result instanceof Uint8Array) return { ok: true, hash: Buffer.from(result).toString('hex') }
    if (result === true) return { ok: true, hash: '' }
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error))
  }
  return { ok: false, reason: complaints.join('; ') || 'no reason given' }
}

process.once('message', async (task: Task) => {
  const said = await answer(task)
  // Its worker threads would keep the process alive.
  process.send?.(said, () => process.exit(0))
})
process.on('disconnect', () => process.exit(0))
// Ctrl-C reaches the whole group; who started this process ends it.
process.on('SIGINT', () => {})
