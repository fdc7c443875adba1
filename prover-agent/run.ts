/** Puts an agent together from its settings: backend, measurements, node, status; and takes it apart again. */
import { join } from 'node:path'
import { systemClock } from '#node/clock'
import { loadAccount } from '#node/keyfile'
import type { Log } from '#node/log'
import { type RunningNode, startNode } from '#node/node'
import { loadParams } from '#node/settings'
import { createVerifier } from '#node/verifier'
import type { VerificationKey } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import { Agent, type AgentPorts } from './agent.ts'
import type { Backend } from './backend.ts'
import { createCommandBackend } from './backends/command.ts'
import { createSnarkjsBackend } from './backends/snarkjs.ts'
import { topUpBond } from './bond.ts'
import {
  Calibration,
  loadCalibration,
  type MeasureOptions,
  measure,
  saveCalibration,
} from './calibration.ts'
import type { ShapeName } from './circuits/shapes.ts'
import { sampleOf } from './sample.ts'
import { type AgentSettings, loadKeys, policyOf } from './settings.ts'
import { Slashes } from './slashes.ts'
import { StatusFile } from './status.ts'

/** What measuring needs; an agent needs it too. */
export type Bench = {
  readonly backend: Backend
  readonly keys: ReadonlyMap<Hex, VerificationKey>
  readonly verify: AgentPorts['verify']
  readonly close: () => Promise<void>
}

/** Proofs before the first bid, when nothing is known. */
export const FIRST_PROOFS = 3
/** Whom sample proofs pay: nobody. */
const SAMPLE_PAYEE: Address = `0x${'11'.repeat(20)}`
/** How often new measurements are written; a crash loses the last ones, which costs nothing. ms. */
const SAVE_CALIBRATION_MS = 30_000
/** How often a stopping agent looks whether its jobs are done. ms. */
const DRAIN_POLL_MS = 100

const elapsedMs = (): number => performance.now()

/** @throws ConfigError for a shape that is not built. */
export async function openBench(values: AgentSettings): Promise<Bench> {
  const keys = await loadKeys(values)
  const { lanes, backend: kind } = values
  const [program, ...args] = values.command
  const backend =
    kind === 'command' && program !== undefined
      ? createCommandBackend({
          name: 'command',
          argv: [program, ...args],
          programIds: [...keys.keys()],
          lanes,
        })
      : createSnarkjsBackend({ shapes: values.shapes as readonly ShapeName[], lanes })
  const verifier = createVerifier({ keys })
  return {
    backend,
    keys,
    verify: (proof, programId, publicInputsHash, payee) =>
      verifier.verify(proof, programId, publicInputsHash, payee),
    close: async () => {
      await backend.close()
      await verifier.close()
    },
  }
}

/** Where an agent keeps what it measured. */
export const calibrationPath = ({ dataFolder }: Pick<AgentSettings, 'dataFolder'>): string =>
  join(dataFolder, 'calibration.json')

const slashesPath = ({ dataFolder }: Pick<AgentSettings, 'dataFolder'>): string =>
  join(dataFolder, 'slashes.json')

/** The record of slashes of an agent's folder. */
export const openSlashes = (values: Pick<AgentSettings, 'dataFolder'>): Promise<Slashes> =>
  Slashes.open(slashesPath(values))

/**
 * Measures a shape anew, and keeps the times.
 * @throws Error when a proof fails or does not verify, or BackendError.
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
    verify: (proof, { programId, publicInputsHash }, payee) =>
      verify(proof, programId, publicInputsHash, payee),
    ...(onProof ? { onProof } : {}),
    signal,
  })
  calibration.forget(sample.programId)
  for (const ms of took) calibration.record(sample.programId, sample.work, ms)
}

/** What was measured before: here, or in the file the operator gave. */
async function knownTimes(values: AgentSettings): Promise<Calibration> {
  const { calibrationFile } = values
  const own = await loadCalibration(calibrationPath(values))
  if (own !== null || calibrationFile === null) return own ?? new Calibration()
  const given = await loadCalibration(calibrationFile)
  if (given === null) throw new Error(`calibrationFile: there is no file ${calibrationFile}`)
  return given
}

/** Measures what was never measured, before anything is promised. */
async function measureMissing(
  values: AgentSettings,
  bench: Bench,
  calibration: Calibration,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  for (const name of values.shapes as readonly ShapeName[]) {
    const { programId, work } = sampleOf(name)
    if (calibration.timingOf(programId, work) !== null) continue
    log.info('never measured here: measuring before bidding', { shape: name, proofs: FIRST_PROOFS })
    await calibrateShape(bench, calibration, name, FIRST_PROOFS, {
      signal,
      onProof: (done, tookMs) => log.info('measured', { shape: name, proof: done, tookMs }),
    })
    await saveCalibration(calibrationPath(values), calibration)
  }
}

export type RunningAgent = {
  readonly agent: Agent
  readonly node: RunningNode
  /** Takes nothing new on, and resolves when what was accepted is done. */
  readonly drain: () => Promise<void>
  readonly stop: () => Promise<void>
}

/**
 * Starts an agent. It bids from when this resolves.
 * @param signal Aborting it ends measuring; a node that runs is stopped by `stop`.
 * @throws what its parts throw, each saying what was wrong and what to do; what was started is stopped again.
 */
export async function runAgent(
  values: AgentSettings,
  log: Log,
  signal: AbortSignal,
  onFatal: (error: unknown) => void,
): Promise<RunningAgent> {
  const { warnings, ...account } = await loadAccount(values.keyFile, {
    ...(values.password === null ? {} : { password: values.password }),
    ...(values.passwordFile === null ? {} : { passwordFile: values.passwordFile }),
  })
  for (const warning of warnings) log.warn(warning)
  const slashes = await openSlashes(values)
  const bench = await openBench(values)
  try {
    const calibration = await knownTimes(values)
    await measureMissing(values, bench, calibration, log, signal)
    return await assemble({ values, log, onFatal, account, slashes, bench, calibration })
  } catch (error) {
    await bench.close()
    throw error
  }
}

type Parts = {
  readonly values: AgentSettings
  readonly log: Log
  readonly onFatal: (error: unknown) => void
  readonly account: { readonly address: Address; readonly privateKey: Uint8Array }
  readonly slashes: Slashes
  readonly bench: Bench
  readonly calibration: Calibration
}

async function assemble(parts: Parts): Promise<RunningAgent> {
  const { values, log, slashes, bench, calibration } = parts
  const params = loadParams(values.paramsFile)
  const keeping = keepCalibration(calibrationPath(values), calibration, log)
  const agent = new Agent({
    account: parts.account.address,
    params,
    policy: policyOf(values),
    lanes: values.lanes,
    verifierCodeHashes: values.verifierCodeHashes as readonly Hex[],
    attemptLimitMs: values.commandTimeoutMs,
    backend: bench.backend,
    calibration,
    verify: bench.verify,
    probe: (signal) => probe(values, bench, signal),
    slashes,
    clock: systemClock,
    elapsedMs,
    log,
    onMeasured: keeping.changed,
  })
  const node = await startNode({
    ...values,
    privateKey: parts.account.privateKey,
    params,
    slashes: values.slash,
    keys: bench.keys,
    prover: { desk: agent.desk, role: agent.role },
    log,
    onFatal: parts.onFatal,
  })
  node.onEvent(agent.hear)
  node.onChain(agent.hearChain)
  const { market, chain, clockWatch, metrics } = node
  agent.attach({
    market,
    metrics,
    isChainHealthy: () => chain.health().healthy,
    clockOffsetMs: () => clockWatch.offset()?.offsetMs ?? null,
    codeHash: chain.codeHash,
  })
  const { dataFolder, bondWei } = values
  const status = new StatusFile({
    dataFolder,
    clock: systemClock,
    log,
    snapshot: () => agent.status(),
  })
  status.start()
  if (bondWei !== null) {
    // Behind the start: mining takes blocks, and restored jobs must not wait for them.
    topUpBond({ chain, dataFolder, log }, bondWei).catch((error: unknown) =>
      log.error('cannot top up the bond', { error }),
    )
  }
  return {
    agent,
    node,
    drain: () => drained(agent),
    stop: async () => {
      agent.stop()
      await node.stop()
      await bench.close()
      await keeping.stop()
      await slashes.idle()
      await status.stop()
    },
  }
}

/** One proof of the first shape: whether the device works again. */
async function probe(values: AgentSettings, bench: Bench, signal: AbortSignal): Promise<void> {
  const [name] = values.shapes as readonly ShapeName[]
  if (name === undefined) throw new Error('no shape to try the device with; start the agent again')
  await calibrateShape(bench, new Calibration(), name, 1, { signal })
}

function drained(agent: Agent): Promise<void> {
  agent.stopBidding()
  return new Promise((resolve) => {
    const look = (): void => {
      if (agent.unfinished() === 0) resolve()
      else systemClock.wake(systemClock.now() + DRAIN_POLL_MS, look)
    }
    look()
  })
}

/** Writes new measurements now and then, and at the end. */
function keepCalibration(path: string, calibration: Calibration, log: Log) {
  let cancel: (() => void) | null = null
  const save = async (): Promise<void> => {
    cancel?.()
    cancel = null
    try {
      await saveCalibration(path, calibration)
    } catch (error) {
      log.warn('cannot keep the measurements', { error })
    }
  }
  return {
    changed: () => {
      cancel ??= systemClock.wake(systemClock.now() + SAVE_CALIBRATION_MS, () => void save())
    },
    stop: async () => {
      if (cancel) await save()
    },
  }
}
