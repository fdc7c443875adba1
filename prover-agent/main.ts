/** `proofwire agent`: bids for jobs, proves them, is paid. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError, type Key, type Keys, printConfig, readConfig } from '#node/config'
import { fail, runUntilSignal } from '#node/lifetime'
import { createLog } from '#node/log'
import { Calibration, loadCalibration, saveCalibration } from './calibration.ts'
import { type ShapeName, shapes } from './circuits/shapes.ts'
import { calibrateShape, calibrationPath, openBench } from './measuring.ts'
import { openSlashes, runAgent } from './run.ts'
import { type AgentSettings, agentKeys, checkAgentSettings, checkBackend } from './settings.ts'
import { requireShapeFiles } from './shape-files.ts'

const HELP = `proofwire agent: bids for jobs, proves them, is paid.

  proofwire agent [--config FILE] [--KEY VALUE ...]
  proofwire agent --print-config     every setting with its default, as a file to start from
  proofwire agent --calibrate        measure each shape on this machine, ten proofs each, and keep
                                     the times; needs no account and does not bid
  proofwire agent --reset-slashed    say what was slashed; the next start bids again
  proofwire agent --help

Ctrl-C ends bidding, finishes what was bid for and accepted, then leaves. A second one leaves at
once, and what was accepted may then cost its bond.
`

/** Enough for a 90 % quantile that means something. */
const CALIBRATION_PROOFS = 10

/** What a flag asks for instead of bidding. */
const errands = ['calibrate', 'reset-slashed'] as const
type Errand = (typeof errands)[number]

const sourcesOf = (argv: readonly string[]) => ({
  argv,
  env: process.env,
  defaultFile: join(homedir(), '.proofwire', 'agent.toml'),
  folder: process.cwd(),
})

async function main(argv: readonly string[]): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(HELP)
    return
  }
  if (argv.includes('--print-config')) {
    process.stdout.write(printConfig(agentKeys, 'Settings of a prover agent'))
    return
  }
  const asked = errands.filter((errand) => argv.includes(`--${errand}`))
  const [errand, another] = asked
  if (another) throw new ConfigError([`--${asked.join(' and --')}: one at a time.`])
  if (errand) return runErrand(errand, argv)
  const { values, warnings } = readConfig(agentKeys, sourcesOf(argv), checkAgentSettings)
  const log = createLog({ level: values.logLevel, format: values.logFormat })
  for (const warning of warnings) log.warn(warning)
  await runUntilSignal(log, (onFatal, stopping) => runAgent(values, log, onFatal, stopping))
}

/** What is not about the chain or an account works before there is either. */
function runErrand(errand: Errand, argv: readonly string[]): Promise<void> {
  const optional = Object.entries(agentKeys as Keys).map(([name, key]): [string, Key<unknown>] => [
    name,
    key.fallback === undefined ? { ...key, fallback: null } : key,
  ])
  const keys = Object.fromEntries(optional) as unknown as typeof agentKeys
  const rest = argv.filter((word) => word !== `--${errand}`)
  const { values } = readConfig(keys, sourcesOf(rest), errand === 'calibrate' ? checkBackend : none)
  switch (errand) {
    case 'calibrate':
      return calibrate(values)
    case 'reset-slashed':
      return resetSlashed(values)
    default:
      return errand satisfies never
  }
}

const none = (): readonly string[] => []

const say = (line: string): void => void process.stderr.write(`${line}\n`)

async function calibrate(values: AgentSettings): Promise<void> {
  const path = calibrationPath(values)
  await requireShapeFiles(values, createLog({ level: values.logLevel, format: values.logFormat }))
  const bench = await openBench(values)
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort())
  process.once('SIGTERM', () => interrupted.abort())
  try {
    const calibration = (await loadCalibration(path)) ?? new Calibration()
    for (const name of values.shapes as readonly ShapeName[]) {
      say(`${name}: ${CALIBRATION_PROOFS} proofs by ${bench.backend.name}`)
      await calibrateShape(bench, calibration, name, CALIBRATION_PROOFS, {
        signal: interrupted.signal,
        onProof: (done, tookMs) => say(`  ${done} of ${CALIBRATION_PROOFS}: ${tookMs} ms`),
      })
      const { programId, entries } = shapes[name]
      const { p50Ms, p90Ms, maxMs } = calibration.timingOf(programId, BigInt(entries))!
      say(`  half within ${p50Ms} ms, nine of ten within ${p90Ms} ms, all within ${maxMs} ms`)
    }
    await saveCalibration(path, calibration)
    say(`kept in ${path}`)
  } finally {
    await bench.close()
  }
}

async function resetSlashed(values: AgentSettings): Promise<void> {
  const reset = await (await openSlashes(values)).reset()
  for (const { bondWei, builder, nonce, transactionHash, at } of reset) {
    const what = `${bondWei} wei by ${builder}, nonce ${nonce}, transaction ${transactionHash}`
    process.stdout.write(`${new Date(at).toISOString()} slashed ${what}\n`)
  }
  const next = reset.length > 0 ? 'The next start bids again.' : 'No slash to reset.'
  process.stdout.write(`${next}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await main(process.argv.slice(2)).catch(fail)
