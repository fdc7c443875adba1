/** Puts an agent together: bench, node, door, status; and takes it apart again. */
import { join } from 'node:path'
import { systemClock } from '#node/clock'
import { loadAccount } from '#node/keyfile'
import type { Log } from '#node/log'
import { nodeOptions, openNodeDoor } from '#node/main'
import { type NodeOptions, type RunningNode, startNode } from '#node/node'
import { loadParams } from '#node/settings'
import type { Address, Hex } from '#protocol/schema'
import { Agent } from './agent.ts'
import { topUpBond } from './bond.ts'
import { type Calibration, saveCalibration } from './calibration.ts'
import { type Bench, calibrationPath, elapsedMs, openBench, probe, timesFor } from './measuring.ts'
import { type AgentSettings, policyOf } from './settings.ts'
import { provideShapeFiles } from './shape-files.ts'
import { Slashes } from './slashes.ts'
import { StatusFile } from './status.ts'

/** How often new measurements are written; a crash loses the last ones, which costs nothing. ms. */
const SAVE_CALIBRATION_MS = 30_000
/** How often a stopping agent looks whether its jobs are done. ms. */
const DRAIN_POLL_MS = 100

/** The record of slashes of an agent's folder. @throws AgentError when the file is not one. */
export const openSlashes = ({ dataFolder }: Pick<AgentSettings, 'dataFolder'>): Promise<Slashes> =>
  Slashes.open(join(dataFolder, 'slashes.json'))

type Account = { readonly address: Address; readonly privateKey: Uint8Array }

async function accountOf(values: AgentSettings, log: Log): Promise<Account> {
  const { keyFile, password, passwordFile } = values
  const { warnings, ...account } = await loadAccount(keyFile, {
    ...(password === null ? {} : { password }),
    ...(passwordFile === null ? {} : { passwordFile }),
  })
  for (const warning of warnings) log.warn(warning)
  return account
}

/**
 * Starts an agent. It bids from when this resolves, which takes as long as key files take to come.
 * @returns How to end it: it bids no more, finishes what it bid for and accepted, and stops.
 * @throws what its parts throw, each saying what was wrong and what to do; what was started is
 * stopped again.
 */
export async function runAgent(
  values: AgentSettings,
  log: Log,
  onFatal: (error: unknown) => void,
  stopping: AbortSignal,
): Promise<() => Promise<void>> {
  const account = await accountOf(values, log)
  const slashes = await openSlashes(values)
  await provideShapeFiles(values, log, stopping)
  const bench = await openBench(values)
  // However the process ends, what proves for it ends too.
  const endProving = (): void => void bench.backend.close()
  process.once('exit', endProving)
  const closeBench = async (): Promise<void> => {
    await bench.close()
    process.off('exit', endProving)
  }
  try {
    const calibration = await timesFor(values, bench, log)
    const parts = { values, log, account, slashes, bench, calibration, onFatal }
    const stop = await assemble(parts)
    return async () => {
      await stop()
      await closeBench()
    }
  } catch (error) {
    await closeBench()
    throw error
  }
}

type Parts = {
  readonly values: AgentSettings
  readonly log: Log
  readonly account: Account
  readonly slashes: Slashes
  readonly bench: Bench
  readonly calibration: Calibration
  readonly onFatal: NodeOptions['onFatal']
}

async function assemble(parts: Parts): Promise<() => Promise<void>> {
  const { values, log, slashes, bench, calibration, account, onFatal } = parts
  const { dataFolder, bondWei } = values
  const keeping = keepCalibration(calibrationPath(values), calibration, log)
  const agent = new Agent({
    account: account.address,
    params: loadParams(values.paramsFile),
    policy: policyOf(values),
    lanes: values.lanes,
    verifierCodeHashes: values.verifierCodeHashes as readonly Hex[],
    verifiers: values.verifiers.map((each) => each.toLowerCase() as Address),
    attemptLimitMs: values.commandTimeoutMs,
    backend: bench.backend,
    calibration,
    verify: bench.verify,
    check: bench.check,
    probe: (signal) => probe(values, bench, signal),
    slashes,
    clock: systemClock,
    elapsedMs,
    log,
    onMeasured: keeping.changed,
  })
  const node = await startNode({
    ...nodeOptions(values, account.privateKey, bench.keys, log),
    prover: { desk: agent.desk, role: agent.role },
    onChain: agent.hearChain,
    onFatal,
  })
  await attach(agent, node)
  const door = await openNodeDoor(node, values).catch(async (error: unknown) => {
    await node.stop()
    throw error
  })
  const snapshot = (): unknown => agent.status()
  const status = new StatusFile({ dataFolder, clock: systemClock, log, snapshot })
  status.start()
  if (bondWei !== null) {
    // Beside the rest: mining takes blocks, and restored jobs must not wait for them.
    topUpBond({ chain: node.chain, dataFolder, log }, bondWei).catch((error: unknown) =>
      log.error('cannot top up the bond', { error }),
    )
  }
  const { address } = account
  log.info('agent runs', { account: address, door: door.url, status: status.path })
  return async () => {
    await drained(agent, log)
    agent.stop()
    await door.close()
    await node.stop()
    await keeping.stop()
    await slashes.idle()
    await status.stop()
  }
}

function attach(agent: Agent, node: RunningNode): Promise<void> {
  const { market, chain, clockWatch, metrics } = node
  node.onEvent(agent.hear)
  return agent.attach({
    market,
    metrics,
    isChainHealthy: () => chain.health().healthy,
    clockOffsetMs: () => clockWatch.offset()?.offsetMs ?? null,
    codeHash: chain.codeHash,
  })
}

/** Bids no more, and resolves when what was bid for and accepted is done. */
function drained(agent: Agent, log: Log): Promise<void> {
  agent.stopBidding()
  const jobs = agent.unfinished()
  if (jobs > 0) log.info('finishing what was bid for and accepted', { jobs })
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
