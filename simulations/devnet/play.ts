/** What the devnet plays: one transaction after the other, until all money is where it belongs. */
import type { Display } from './display.ts'
import { SLASH_AFTER_MS, terms } from './genesis.ts'
import { isClosed, Journal } from './journal.ts'
import type { Network } from './network.ts'
import { until } from './until.ts'
import type { SendEvent, User } from './user.ts'

export type PlayOptions = {
  readonly network: Network
  readonly user: User
  readonly display: Display
  readonly jobs: number
  /** Ends every wait. */
  readonly signal: AbortSignal
}

/**
 * How long a slash may be late on a busy machine before the devnet says that something is wrong.
 * ms.
 */
const PATIENCE_MS = 30_000

/**
 * Plays all jobs; resolves with the journal when each is closed. @throws Error for one that does
 * not end, ProcessDied for a transaction that does not pass.
 */
export async function play({
  network,
  user,
  display,
  jobs,
  signal,
}: PlayOptions): Promise<Journal> {
  const journal = new Journal()
  const listening = Promise.withResolvers<void>()
  const following = network.door.events((seen) => {
    const job = journal.take(seen)
    display.event(seen, job)
  }, listening.resolve)
  await Promise.race([listening.promise, following])
  // A transaction whose proof did not come is sent again: those after it need what it deposits.
  for (let number = 1, sent = 1; number <= jobs; number++) {
    const transaction = user.transaction(sent)
    display.say(`job ${String(number).padEnd(3)} ${transaction.what}`, 'bold')
    const dueInMs = number === 1 ? terms.firstDueInMs : terms.dueInMs
    const onEvent = (event: SendEvent) => show(display, user, number, event)
    if (await user.send(transaction, dueInMs, onEvent)) sent++
  }
  await closeAll(journal, display, signal)
  return journal
}

/** What the user sees of its transaction. */
function show(display: Display, user: User, number: number, event: SendEvent): void {
  const name = `job ${String(number).padEnd(3)}`
  if (event.event === 'table') {
    display.say(`${name} its table, digest ${event.digest}`)
    display.table([...named(String(event.text), user).split('\n'), ''])
  } else if (event.event === 'sent') {
    display.say(`${name} posted, consumed and paid for in ${event.transactionHash}`, 'green')
  } else if (event.event === 'stale') {
    display.say(`${name} its table went stale: ${event.reason}; writing another`, 'yellow')
  }
}

/** A table's text with people's names for its shortened addresses. */
const named = (text: string, { names }: User): string =>
  [...names].reduce(
    (said, [address, name]) => said.replaceAll(`${address.slice(0, 6)}…${address.slice(-4)}`, name),
    text,
  )

/** Waits until every job has ended and every start is paid or slashed, saying that it waits. */
async function closeAll(journal: Journal, display: Display, signal: AbortSignal): Promise<void> {
  const open = journal.jobs.filter((job) => !isClosed(job))
  const lastDueAt = Math.max(0, ...open.map(({ dueAt }) => dueAt))
  const { done } = display.progress(
    'waiting for the chain: settlements, and slashes once they are allowed',
  )
  const limitMs = Math.max(0, lastDueAt - Date.now()) + SLASH_AFTER_MS + PATIENCE_MS
  try {
    await until(() => journal.jobs.every(isClosed), limitMs, 'some job is not closed', signal)
  } finally {
    done()
  }
}
