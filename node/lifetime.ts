/** How a command of ours begins and ends: its errors, its signals, its exit code. */
import { ConfigError } from './config.ts'
import type { Log } from './log.ts'

/** Exit codes: a fault of ours or the world's, and settings a person must mend. */
const FAILED = 1
const MISUSED = 2

/** Errors that say what was wrong and what to do; anything else is shown with its stack. */
const isPlain = (error: unknown): error is Error =>
  error instanceof Error && (error instanceof ConfigError || 'code' in error || !error.stack)

/** What a person reads when a command cannot go on. */
export const sayWhy = (error: unknown): string =>
  isPlain(error) ? error.message : error instanceof Error ? (error.stack ?? `${error}`) : `${error}`

/** Ends the process with what went wrong on stderr. */
export function fail(error: unknown): never {
  process.stderr.write(`proofwire: ${sayWhy(error)}\n`)
  process.exit(error instanceof ConfigError ? MISUSED : FAILED)
}

/**
 * Runs until SIGINT or SIGTERM, then stops cleanly; a second signal does not wait for that.
 * @param start Starts what runs, and returns how to stop it. Where it may take long it watches
 * `stopping`, and throws its reason.
 */
export async function runUntilSignal(
  log: Log,
  start: (fatal: (error: unknown) => void, stopping: AbortSignal) => Promise<() => Promise<void>>,
): Promise<never> {
  const { promise: ended, resolve: end } = Promise.withResolvers<unknown>()
  const stopping = new AbortController()
  let signals = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    signals++
    if (signals > 1) process.exit(FAILED)
    log.info('stopping; once more to stop at once', { signal })
    end(null)
    stopping.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  let failure: unknown = null
  try {
    // A signal during the start is obeyed when the start is done: only then is there something to
    // stop. Or the start obeys it itself.
    const stop = await start(end, stopping.signal)
    failure = await ended
    await stop()
  } catch (error) {
    if (stopping.signal.aborted && error === stopping.signal.reason) process.exit(0)
    // What made it stop says more than what went wrong while stopping.
    fail(failure ?? error)
  }
  if (failure !== null) fail(failure)
  process.exit(0)
}
