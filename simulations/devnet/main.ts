/**
 * `npm start`: a whole market on this machine. Builds what is missing, starts the processes, plays
 * the jobs, shows and reports what happened, and leaves nothing behind: not at the end, not on
 * Ctrl-C, not when it is killed.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Address, Hex } from '#protocol/schema'
import { balanceOf } from './chain.ts'
import { columns, createDisplay, type Display, ether } from './display.ts'
import { deposits } from './genesis.ts'
import { isClosed, type Journal } from './journal.ts'
import { buildShape, type Network } from './network.ts'
import { openNetwork } from './opening.ts'
import { type Options, readOptions, UsageError, usage } from './options.ts'
import { play } from './play.ts'
import { ProcessDied, Processes } from './processes.ts'
import { isConserved, type Money, makeReport, type Report } from './report.ts'
import { createUser, type User } from './user.ts'

/** Circuit of the rollups: the user's tables have one or two entries. */
const SHAPE = 'tiny'
/** How often is looked whether whoever started us is still there. ms. */
const PARENT_LOOK_MS = 1_000

/** Ctrl-C, SIGTERM, a closed terminal, or a parent that is gone. */
class Interrupted extends Error {
  readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'
  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(signal)
    this.signal = signal
  }
}

/** Aborts at the first signal; the second ends us at once, and the watchdog sees to the rest. */
function listenForEnd(): AbortSignal {
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (ending.signal.aborted) process.exit(128 + constants.signals[signal])
      ending.abort(new Interrupted(signal))
    })
  }
  // Whoever read our lines has gone (`npm start | head`).
  process.stdout.on('error', () => ending.abort(new Interrupted('SIGHUP')))
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) ending.abort(new Interrupted('SIGHUP'))
  }, PARENT_LOOK_MS).unref()
  return ending.signal
}

/** The whole run. Resolves with the exit status. */
async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (options === null) {
    process.stdout.write(usage)
    return 0
  }
  const signal = listenForEnd()
  // Found out now, not after all the work.
  if (options.report !== null) await mkdir(dirname(resolve(options.report)), { recursive: true })
  const folder = await (options.keep ? keepFolder(options.keep) : temporaryFolder())
  const processes = new Processes(folder)
  const names = new Map<Address, string>()
  const display = createDisplay((account) => names.get(account) ?? account)
  // Whatever ends it, everything that waits ends with it.
  const failing = new AbortController()
  processes.died.catch((error: unknown) => failing.abort(error))
  const either = AbortSignal.any([signal, failing.signal])
  try {
    await runMarket({ options, folder, processes, names, display, signal: either })
    await processes.stopAll()
    if (options.keep === null) await rm(folder, { recursive: true, force: true })
    return 0
  } catch (error) {
    const cause = either.aborted ? either.reason : error
    if (cause instanceof Interrupted) display.say('stopping ...')
    failing.abort(cause)
    await processes.stopAll()
    if (cause instanceof Interrupted) {
      if (options.keep === null) await rm(folder, { recursive: true, force: true })
      return 128 + constants.signals[cause.signal]
    }
    display.say(`failed: ${wordsOf(cause)}`, 'red')
    display.say(`logs and stores are kept in ${folder}`)
    return 1
  }
}

const wordsOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error instanceof ProcessDied ? error.message : (error.stack ?? error.message)
}

const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'proofwire-devnet-'))

/** @throws UsageError when there is something in it: stores of another chain, for example. */
async function keepFolder(given: string): Promise<string> {
  const folder = resolve(given)
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length === 0) return folder
  throw new UsageError(`--keep ${folder} is not empty. Name a new folder, or empty this one.`)
}

type Run = {
  readonly options: Options
  readonly folder: string
  readonly processes: Processes
  readonly names: Map<Address, string>
  readonly display: Display
  readonly signal: AbortSignal
}

async function runMarket(run: Run): Promise<void> {
  const { options, display, signal } = run
  const racing = <T>(work: Promise<T>): Promise<T> => Promise.race([work, rejectOn(signal)])
  const keyId = await racing(build(run))
  const network = await racing(open(run, keyId))
  const user = await racing(settle(run, network))
  const { jobs } = options
  const journal = await racing(play({ network, user, display, jobs, signal }))
  const report = await close(run, network, journal)
  if (options.report !== null) {
    await writeFile(options.report, `${JSON.stringify(report, null, 2)}\n`)
    display.say(`report written to ${options.report}`)
  }
  if (report.conservation.ok !== true) throw new Error('some wei is not where it should be')
  if (!options.watch) return
  display.say(`the market stays up; the builder's door is ${network.door.url}. Ctrl-C ends it.`)
  await rejectOn(signal)
}

function rejectOn(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** The build says itself what it does, and nothing when all is there. */
const build = ({ processes, display }: Run): Promise<Hex> =>
  buildShape(processes, SHAPE, (line) => display.say(line, 'gray'))

async function open(run: Run, keyId: Hex): Promise<Network> {
  const { options, folder, processes, names, display, signal } = run
  const { seed, provers, calibration } = options
  let step = display.progress('chain and contracts: building what is missing, deploying')
  try {
    const settings = { folder, processes, seed, shape: SHAPE, keyId, provers, signal }
    const calibrationFile = calibration === null ? undefined : resolve(calibration)
    const all = { ...settings, calibrationFile, hasStalling: true }
    const network = await openNetwork(all, (opening) => {
      step.done()
      display.say(`chain at ${opening.rpcUrl}, market at ${opening.market.settlement}`)
      step = display.progress('nodes: starting, measuring, depositing, finding each other')
    })
    for (const { name, role, address } of network.members) {
      names.set(address, name)
      display.say(`${name.padEnd(10)} ${address} ${role === name ? '' : `(${role})`}`.trimEnd())
    }
    return network
  } finally {
    step.done()
  }
}

/** The user's contracts and rollups. */
async function settle(run: Run, network: Network): Promise<User> {
  const { options, folder, processes, names, display } = run
  const { seed } = options
  const { rpcUrl, market, deployer, user: actor, door } = network
  const step = display.progress('rollups and L1 contracts of a user: deploying, registering')
  try {
    const places = { rpcUrl, market, deployer, user: actor, doorUrl: door.url }
    const user = await createUser({ folder, processes, seed, shape: SHAPE, ...places })
    names.set(user.account, 'user')
    return user
  } finally {
    step.done()
  }
}

/** The closing table and the report. */
async function close(run: Run, network: Network, journal: Journal): Promise<Report> {
  const money = await network.door.money()
  const report = makeReport(journal.jobs, money)
  const closed = journal.jobs.filter(isClosed).length
  const settled = journal.jobs.filter(({ outcome }) => outcome === 'settled').length
  const slashed = journal.jobs.reduce((sum, job) => sum + job.slashed.size, 0)
  const { p50Ms, p99Ms } = report.requestToAward
  run.display.table([
    ...(await balances(network)),
    '',
    ...conserved(money),
    '',
    `${closed} jobs closed: ${settled} settled, ${slashed} slashed`,
    `request to award: p50 ${p50Ms} ms, p99 ${p99Ms} ms`,
  ])
  return report
}

async function balances({ rpcUrl, market, members }: Network): Promise<readonly string[]> {
  const rows = await Promise.all(
    members.map(async ({ name, role, address }) => {
      const { bondWei, stakeWei, escrowWei, creditWei } = await balanceOf(rpcUrl, market, address)
      const putIn = {
        bootstrap: 0n,
        builder: deposits.stakeWei + deposits.escrowWei,
        prover: deposits.bondWei,
        'stalling prover': deposits.badBondWei,
      }[role]
      const gain = bondWei + stakeWei + escrowWei + creditWei - putIn
      const amounts = [putIn, bondWei, stakeWei, escrowWei, creditWei, gain].map(ether)
      return [role === name || role === 'prover' ? name : `${name} (${role})`, ...amounts]
    }),
  )
  return columns([['', 'put in', 'bond', 'stake', 'escrow', 'credit', 'gain'], ...rows])
}

function conserved(money: Money): readonly string[] {
  const { depositedWei, withdrawnWei, escrowWei, bondsWei, creditsWei, burntWei } = money
  const held = [
    `escrow ${ether(escrowWei)}`,
    `bonds and stakes ${ether(bondsWei)}`,
    `credits ${ether(creditsWei)}`,
    `burnt ${ether(burntWei)}`,
  ]
  const verdict = isConserved(money) ? 'every wei is where it should be' : 'THE SUMS DIFFER'
  return [
    `deposited ${ether(depositedWei)} - withdrawn ${ether(withdrawnWei)}`,
    `= ${held.join(' + ')}: ${verdict}`,
  ]
}

process.exit(await main(process.argv.slice(2)).catch(explain))

function explain(error: unknown): number {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n\n${usage}`)
  return 2
}
