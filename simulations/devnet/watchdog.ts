/**
 * Ends what the devnet started when the devnet itself is gone, even by SIGKILL: its standard input,
 * which only the devnet holds, closes then. Told `+PID` and `-PID`, a line each, of process groups
 * that began and ended.
 */
import { createInterface } from 'node:readline'

/** How long a group has to end on SIGTERM, and how often is looked whether it did. ms. */
const GRACE_MS = 3_000
const LOOK_MS = 100

const groups = new Set<number>()

/** Signal 0 only asks who is still there. */
function send(signal: NodeJS.Signals | 0): void {
  for (const group of groups) {
    try {
      process.kill(-group, signal)
    } catch {
      groups.delete(group)
    }
  }
}

function endAll(): void {
  send('SIGTERM')
  const killAt = Date.now() + GRACE_MS
  setInterval(() => {
    const isOver = Date.now() >= killAt
    send(isOver ? 'SIGKILL' : 0)
    // A zombie that nobody reaps stays in its group: do not wait for it to leave.
    if (isOver || groups.size === 0) process.exit()
  }, LOOK_MS)
}

// Whoever ends the devnet may mean its whole session; this process must outlive it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const group = Number(line.slice(1))
    if (!Number.isInteger(group) || group <= 1) return
    if (line.startsWith('+')) groups.add(group)
    else groups.delete(group)
  })
  .once('close', endAll)
