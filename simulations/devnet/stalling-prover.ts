/**
 * A program for the agent's `command` backend that takes a job and never answers: the devnet's bad
 * prover. Ends on SIGTERM, and when the agent that started it is gone.
 */

/** How often it looks whether its agent lives. ms. */
const LOOK_MS = 500

const agent = process.ppid
setInterval(() => {
  if (process.ppid !== agent) process.exit()
}, LOOK_MS)
