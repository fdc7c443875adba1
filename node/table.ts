/**
 * `proofwire table`: shows, checks and exports execution tables, writes the table of a transaction,
 * and sends the transaction. What a command needs is loaded when it runs.
 */
import { fileURLToPath } from 'node:url'
import { ConfigError } from './config.ts'
import { fail } from './lifetime.ts'

const HELP = `proofwire table: execution tables.

  proofwire table show FILE
      What a table says, entry by entry, its digest, its Merkle root and its risks. FILE holds the
      canonical bytes, the same as hex digits, or an envelope (JSON).

  proofwire table verify FILE --rpc-url URL [--finality finalized|BLOCKS] [--registry ADDRESS]
                              [--transaction HASH]
      Checks a table against its commitment: recomputes the digest, compares it, finds the event
      that recorded it in the chain and asks whether that is final. Says each step; exits with 1
      when one does not hold. BLOCKS count the block itself; default: finalized.

  proofwire table export --rpc-url URL --registry ADDRESS -o FILE
                         --digest DIGEST [--from-block N] | --transaction HASH
      Fetches a posted table from the chain and writes its envelope.

  proofwire table write --config FILE --to ADDRESS [--data HEX] [--value WEI] [--output FILE]
      Writes the table a transaction needs, by simulating it, and shows it. Sends nothing.

  proofwire table send --config FILE --to ADDRESS [--data HEX] [--value WEI] [--json]
      Writes the table, has it proven, posts it and makes the call in one transaction (EIP-7702).
      --json prints one JSON object a line for each event. May be killed at any time and started
      again.

  proofwire table write --print-config     every setting with its default, as a file to start from
  proofwire table --help
`

type Command = (argv: readonly string[], signal: AbortSignal) => Promise<void>

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  show: async () => (await import('./builder/table-show.ts')).showTable,
  verify: async () => (await import('./builder/table-verify.ts')).verifyTable,
  export: async () => (await import('./builder/table-export.ts')).exportTable,
  write: async () => (await import('./builder/table-send.ts')).writeCommand,
  send: async () => (await import('./builder/table-send.ts')).sendCommand,
}

/** What a shell expects of a command that Ctrl-C ended. */
const INTERRUPTED = 130

async function main([name, ...rest]: readonly string[]): Promise<void> {
  if (name === undefined || [name, ...rest].some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(HELP)
    return
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load === undefined) {
    const known = Object.keys(commands).join(', ')
    throw new ConfigError([`${JSON.stringify(name)} is no command of table. There are: ${known}.`])
  }
  const ending = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    ending.abort(new Error(`stopped by ${signal}`))
    process.stderr.write(
      'proofwire: stopped; what was sent stays sent, and send goes on from here\n',
    )
    // Whatever it was doing is on disk, or not begun.
    process.exit(INTERRUPTED)
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  await (await load())(rest, ending.signal)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2)).catch(fail)
