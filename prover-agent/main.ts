/** `proofwire agent`: bids for jobs, proves them, is paid. */
import { fileURLToPath } from 'node:url'
import {
  ConfigError,
  type Key,
  type Keys,
  printConfig,
  readConfig,
  type Sources,
} from '#node/config'
import { KeyfileError } from '#node/keyfile'
import { createLog, type Log } from '#node/log'
import { StoreError } from '#node/store'
import { BackendError } from './backend.ts'
import { Calibration, loadCalibration, saveCalibration } from './calibration.ts'
import { type ShapeName, shapes } from './circuits/shapes.ts'
import {
  calibrateShape,
  calibrationPath,
  openBench,
  openSlashes,
  type RunningAgent,
  runAgent,
} from './run.ts'
import { type AgentSettings, agentKeys, checkAgentSettings } from './settings.ts'

const USAGE = `Usage: proofwire agent [option ...] [--config FILE] [--key value ...]

Bids for proofs in the market, makes them, is paid. Settings come from flags, from PROOFWIRE_… variables, and from
a TOML file (default ~/.proofwire/agent.toml).

  --print-config     print that file with every setting, its meaning and its default
  --calibrate        measure each shape on this machine, ten proofs each, and keep the times; does not bid
  --reset-slashed    bid again after a slash, from the next start on; says what was slashed
  --help             this text

Ctrl-C finishes the jobs it has accepted and then leaves; a second one leaves at once, and what was accepted may
then cost its bond.
`

/** Enough for a 90 % quantile that means something. */
const CALIBRATION_PROOFS = 10

const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const

type Mode = 'run' | 'calibrate' | 'reset-slashed'

/** Runs the command to its end; the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(USAGE)
    return exitCodes.ok
  }
  if (argv.includes('--print-config')) {
    process.stdout.write(printConfig(agentKeys, 'Settings of a prover agent'))
    return exitCodes.ok
  }
  try {
    const modes = (['calibrate', 'reset-slashed'] as const).filter((mode) =>
      argv.includes(`--${mode}`),
    )
    if (modes.length > 1) throw new ConfigError([`--${modes.join(' and --')}: one at a time.`])
    const mode = modes[0] ?? 'run'
    const settings = argv.filter((word) => word !== `--${mode}`)
    return await inMode(mode, readSettings(settings, mode))
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`)
    return error instanceof ConfigError ? exitCodes.usage : exitCodes.failed
  }
}

function readSettings(argv: readonly string[], mode: Mode) {
  const sources: Sources = {
    argv,
    env: process.env,
    defaultFile: '~/.proofwire/agent.toml',
    folder: process.cwd(),
  }
  if (mode === 'run') return readConfig(agentKeys, sources, checkAgentSettings)
  // What is not about the chain or an account works before there is either.
  const optional = Object.entries(agentKeys as Keys).map(([name, key]): [string, Key<unknown>] => [
    name,
    key.fallback === undefined ? { ...key, fallback: null } : key,
  ])
  const keys = Object.fromEntries(optional) as unknown as typeof agentKeys
  return readConfig(keys, sources, (values) =>
    checkAgentSettings({ ...values, verifierCodeHashes: [`0x${'00'.repeat(32)}`] }),
  )
}

function inMode(
  mode: Mode,
  { values, warnings }: { readonly values: AgentSettings; readonly warnings: readonly string[] },
): Promise<number> {
  const log = createLog({ level: values.logLevel, format: values.logFormat })
  for (const warning of warnings) log.warn(warning)
  switch (mode) {
    case 'calibrate':
      return calibrate(values)
    case 'reset-slashed':
      return resetSlashed(values)
    case 'run':
      return run(values, log)
    default:
      return mode satisfies never
  }
}

/** What a person needs of an error: its message, or all of it when nobody expected it. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const known = [ConfigError, KeyfileError, StoreError, BackendError]
  const isKnown = known.some((kind) => error instanceof kind) || error.constructor === Error
  return isKnown ? error.message : (error.stack ?? error.message)
}

async function calibrate(values: AgentSettings): Promise<number> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const interrupted = new AbortController()
  const leave = (): void => interrupted.abort()
  process.once('SIGINT', leave).once('SIGTERM', leave)
  const path = calibrationPath(values)
  const bench = await openBench(values)
  try {
    const calibration = (await loadCalibration(path).catch(() => null)) ?? new Calibration()
    for (const name of values.shapes as readonly ShapeName[]) {
      await calibrateShape(bench, calibration, name, CALIBRATION_PROOFS, {
        signal: interrupted.signal,
        onProof: (done, tookMs) =>
          say(`${name}: proof ${done} of ${CALIBRATION_PROOFS} took ${tookMs} ms`),
      })
      const { programId, entries } = shapes[name]
      const timing = calibration.timingOf(programId, BigInt(entries))!
      const { p50Ms, p90Ms, maxMs } = timing
      say(
        `${name}: half within ${p50Ms} ms, nine of ten within ${p90Ms} ms, all within ${maxMs} ms`,
      )
    }
    await saveCalibration(path, calibration)
    say(`kept in ${path}`)
    return exitCodes.ok
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    return exitCodes.interrupted
  } finally {
    process.off('SIGINT', leave).off('SIGTERM', leave)
    await bench.close()
  }
}

async function resetSlashed(values: AgentSettings): Promise<number> {
  const reset = await (await openSlashes(values)).reset()
  for (const { bondWei, builder, nonce, transactionHash, at } of reset) {
    const when = new Date(at).toISOString()
    const what = `${bondWei} wei for nonce ${nonce} of ${builder}`
    process.stdout.write(`${when} slashed ${what}, transaction ${transactionHash}\n`)
  }
  const next = reset.length > 0 ? 'It bids again from its next start.' : 'It was not slashed.'
  process.stdout.write(`${next}\n`)
  return exitCodes.ok
}

async function run(values: AgentSettings, log: Log): Promise<number> {
  const leaving = Promise.withResolvers<number>()
  const starting = new AbortController()
  let running: RunningAgent | null = null
  let isLeaving = false
  const onSignal = (): void => {
    if (isLeaving || !running) {
      log.warn('leaving at once')
      starting.abort()
      if (isLeaving) process.exit(exitCodes.interrupted)
      leaving.resolve(exitCodes.interrupted)
      isLeaving = true
      return
    }
    isLeaving = true
    const jobs = running.agent.unfinished()
    log.info('finishing what was accepted; once more leaves at once', { jobs })
    running.drain().then(() => leaving.resolve(exitCodes.ok))
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  try {
    running = await runAgent(values, log, starting.signal, (error) => {
      log.error('the disk failed; the agent cannot keep what it promises', { error })
      leaving.resolve(exitCodes.failed)
    })
    const { account, host } = running.node
    log.info('the agent runs', { account, peer: host.peerKey, data: values.dataFolder })
    const status = await leaving.promise
    await running.stop()
    return status
  } catch (error) {
    if (starting.signal.aborted) return exitCodes.interrupted
    throw error
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2))
}
