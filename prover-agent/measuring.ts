/** The bench: a backend with the keys to check it by, and how long its proofs take. */
import { extname, join } from 'node:path'
import { DEFAULT_KEY_FOLDER } from '#node/key-files'
import type { Log } from '#node/log'
import { loadProgramKeys } from '#node/main'
import type { ProverRole } from '#node/proving'
import { Thread } from '#node/thread'
import { createVerifier } from '#node/verifier'
import type { VerificationKey } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import { AgentError } from './agent-error.ts'
import type { Backend } from './backend.ts'
import { createCommandBackend } from './backends/command.ts'
import { createSnarkjsBackend } from './backends/snarkjs.ts'
import {
  Calibration,
  loadCalibration,
  type MeasureOptions,
  measure,
  saveCalibration,
} from './calibration.ts'
import type { ShapeName } from './circuits/shapes.ts'
import type { InputsQuestion } from './inputs-worker.ts'
import type { Verify } from './prover.ts'
import { sampleOf } from './sample.ts'
import { type AgentSettings, loadShapeKeys } from './settings.ts'

export type Bench = {
  readonly backend: Backend
  /** Of all programs whose proofs can be checked here. */
  readonly keys: ReadonlyMap<Hex, VerificationKey>
  readonly verify: Verify
  /** Why inputs are not what a request promised, or cannot be proven. */
  readonly check: ProverRole['check']
  readonly close: () => Promise<void>
}

/** Inputs that may wait to be checked: 16 MiB at most. */
const MAX_INPUTS_WAITING = 16
/** Proofs before the first bid, when nothing is known. */
const FIRST_PROOFS = 3
/** Whom sample proofs pay: nobody. */
const SAMPLE_PAYEE: Address = `0x${'11'.repeat(20)}`

/** Monotonic ms. */
export const elapsedMs = (): number => performance.now()

/** The thread that checks inputs. An agent with more turns at once answers the last ones late. */
export const openInputsCheck = (): Thread<InputsQuestion, string | null> =>
  new Thread({
    path: new URL(`./inputs-worker${extname(import.meta.url)}`, import.meta.url),
    ...{ what: 'inputs', name: 'inputs check', maxQueue: MAX_INPUTS_WAITING },
  })

/** @throws ConfigError for a shape whose files are not there, or a key that is none. */
export async function openBench(values: AgentSettings): Promise<Bench> {
  const shapes = values.shapes as readonly ShapeName[]
  const keyFolder = values.keyFolder ?? DEFAULT_KEY_FOLDER
  const keys = new Map([
    ...(await loadShapeKeys(shapes, keyFolder)),
    ...(await loadProgramKeys(values.programKeys)),
  ])
  const { lanes } = values
  const [program, ...args] = values.command
  const backend =
    values.backend === 'command' && program !== undefined
      ? createCommandBackend({
          name: program,
          argv: [program, ...args],
          programIds: [...keys.keys()],
          lanes,
        })
      : createSnarkjsBackend({ shapes, keyFolder, lanes })
  const verifier = createVerifier({ keys })
  const checking = openInputsCheck()
  return {
    backend,
    keys,
    verify: (...proof) => verifier.verify(...proof),
    check: (inputs, request) => checking.ask({ inputs, request }),
    close: async () => {
      await checking.close()
      await backend.close()
      await verifier.close()
    },
  }
}

/** Where an agent keeps what it measured. */
export const calibrationPath = ({ dataFolder }: Pick<AgentSettings, 'dataFolder'>): string =>
  join(dataFolder, 'calibration.json')

/**
 * Measures a shape anew; keeps the times in `calibration`.
 * @throws BackendError, or AgentError when a proof does not verify.
 */
export async function calibrateShape(
  { backend, verify }: Bench,
  calibration: Calibration,
  name: ShapeName,
  count: number,
  { onProof, signal }: Pick<MeasureOptions, 'onProof' | 'signal'>,
): Promise<void> {
  const sample = sampleOf(name)
  const took = await measure({
    backend,
    sample,
    payee: SAMPLE_PAYEE,
    count,
    elapsedMs,
    verify,
    ...(onProof ? { onProof } : {}),
    signal,
  })
  calibration.forget(sample.programId)
  for (const ms of took) calibration.record(sample.programId, sample.work, ms)
}

/**
 * What was measured before: here, or in the file the operator gave. @throws AgentError for a bad
 * file.
 */
async function knownTimes(values: AgentSettings): Promise<Calibration> {
  const { calibrationFile } = values
  const own = await loadCalibration(calibrationPath(values))
  if (own !== null || calibrationFile === null) return own ?? new Calibration()
  const given = await loadCalibration(calibrationFile)
  if (given === null) {
    throw new AgentError('FILE', `calibrationFile: there is no ${calibrationFile}. Leave it out.`)
  }
  return given
}

/**
 * All times needed for bidding: those known, and of what was never measured, three proofs made now.
 * @throws AgentError or BackendError: then nothing can be promised.
 */
export async function timesFor(
  values: AgentSettings,
  bench: Bench,
  log: Log,
): Promise<Calibration> {
  const calibration = await knownTimes(values)
  for (const name of values.shapes as readonly ShapeName[]) {
    const { programId, work } = sampleOf(name)
    if (calibration.timingOf(programId, work) !== null) continue
    log.info('never measured here: measuring before bidding', { shape: name, proofs: FIRST_PROOFS })
    await calibrateShape(bench, calibration, name, FIRST_PROOFS, {
      signal: new AbortController().signal,
      onProof: (proof, tookMs) => log.info('measured', { shape: name, proof, tookMs }),
    })
    await saveCalibration(calibrationPath(values), calibration)
  }
  const unknown = [...bench.keys.keys()].filter((id) => calibration.timingOf(id, 0n) === null)
  if (unknown.length > 0) log.warn('not bid for: nobody said how long they take', { unknown })
  return calibration
}

/** One proof of the first shape: whether the device works again. @throws what is wrong with it. */
export async function probe(
  values: AgentSettings,
  bench: Bench,
  signal: AbortSignal,
): Promise<void> {
  const [name] = values.shapes as readonly ShapeName[]
  if (name === undefined) {
    throw new AgentError('DEVICE', 'no shape to try the device with; start the agent again')
  }
  await calibrateShape(bench, new Calibration(), name, 1, { signal })
}
