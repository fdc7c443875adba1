/**
 * `proofwire keys`: holds a ceremony for the key of a circuit, and tells what a key is. What a
 * command needs is loaded when it runs.
 */
import { fileURLToPath } from 'node:url'
import { ConfigError } from '#node/config'
import { fail } from '#node/lifetime'
import type { Run } from './circuits/ceremony.ts'

const HELP = `proofwire keys: proving keys from a ceremony. CEREMONY.md tells how one is held.

  proofwire keys setup --shape NAME | --r1cs FILE --ptau FILE --ptau-hash HEX -o KEY.zkey
      Writes the initial key of a circuit from a phase-1 file (powers of tau, prepared for phase 2).
      HEX is its BLAKE2b-512, or its SHA-256, as its ceremony published it. Nobody has contributed
      to this key: anyone can forge proofs under it.

  proofwire keys contribute IN.zkey -o OUT.zkey --name WHO
      Adds a secret from this machine's randomness, which nobody sees and which ends with the
      process, and prints the hash to publish. The key is secure if one contributor was honest.

  proofwire keys beacon IN.zkey -o OUT.zkey --beacon HEX --iterations N
      The last step: a public number nobody could foresee, hashed 2^N times (N from 10 to 30).

  proofwire keys verify KEY.zkey --shape NAME | --r1cs FILE --ptau FILE --ptau-hash HEX
                        [-o FOLDER [--words N]]
      Checks the whole chain from the circuit and the phase-1 file, and lists it. With -o, and only
      for a key that ends with its beacon, writes the folder that deployment takes. --words: how
      many words the circuit has room for; needed with --r1cs.
      Exits with 0 for a complete key, 3 for one that is valid so far, 1 for any other.

  proofwire keys show FOLDER|KEY.zkey|VERIFICATION-KEY.json
      Tells what a key is, without verifying its chain. Exits with 1 for an INSECURE one.

  proofwire keys --help

Files are written whole or not at all, and never over another. Ctrl-C ends a step at once.
`

/** Resolves with the exit code. */
type Command = (argv: readonly string[], run: Run) => Promise<number>

const names = ['setup', 'contribute', 'beacon', 'verify', 'show'] as const

/** What a shell expects of a command that Ctrl-C ended. */
const INTERRUPTED = 130

async function main([name, ...rest]: readonly string[]): Promise<void> {
  if (name === undefined || [name, ...rest].some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(HELP)
    return
  }
  const known = names.find((one) => one === name)
  if (known === undefined) {
    const all = names.join(', ')
    throw new ConfigError([`${JSON.stringify(name)} is no command of keys. There are: ${all}.`])
  }
  const commands: Readonly<Record<string, Command>> = (await import('./keys-commands.ts')).commands
  const ending = new AbortController()
  const stop = (): void => ending.abort(new Error('stopped'))
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const report = (line: string): void => void process.stderr.write(`${line}\n`)
  try {
    process.exitCode = await commands[known]!(rest, { report, signal: ending.signal })
  } catch (error) {
    if (!ending.signal.aborted) throw error
    report('proofwire: stopped; nothing was written')
    process.exitCode = INTERRUPTED
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await main(process.argv.slice(2)).catch(fail)
