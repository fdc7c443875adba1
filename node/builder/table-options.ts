/** The command line of the table commands that need no file of settings. */
import { parseArgs } from 'node:util'
import type { Address, Hex } from '#protocol/schema'
import { ConfigError } from '../config.ts'
import type { Finality } from './inclusion.ts'

export type Words = {
  readonly values: Readonly<Record<string, string | undefined>>
  /** What is no flag: files. */
  readonly files: readonly string[]
}

const bad = (problem: string): ConfigError => new ConfigError([problem])

/**
 * Reads flags that each take a value, and files.
 * @param short One-letter names, by the flag they stand for.
 * @throws ConfigError
 */
export function readWords(
  argv: readonly string[],
  flags: readonly string[],
  short: Readonly<Record<string, string>> = {},
): Words {
  const options = Object.fromEntries(
    flags.map((flag) => [
      flag,
      { type: 'string', ...(short[flag] === undefined ? {} : { short: short[flag] }) } as const,
    ]),
  )
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
    return { values: values as Words['values'], files: positionals }
  } catch (error) {
    // Node's own words, without its advice about positional arguments.
    throw bad(`${(error as Error).message.split('. To specify')[0]}. See proofwire table --help.`)
  }
}

/** The one file of a command. @throws ConfigError */
export function oneFile({ files }: Words, command: string): string {
  const [file, ...others] = files
  if (file !== undefined && others.length === 0) return file
  throw bad(`table ${command} takes one FILE, not ${files.length}. See proofwire table --help.`)
}

/** A flag that must be given. @throws ConfigError */
export function needed({ values }: Words, flag: string): string {
  const value = values[flag]
  if (value !== undefined) return value
  throw bad(`--${flag} is missing. See proofwire table --help.`)
}

const readHex = (words: Words, flag: string, bytes: number): Hex | undefined => {
  const value = words.values[flag]
  if (value === undefined) return undefined
  const isHex = /^0x[0-9a-fA-F]*$/.test(value) && value.length === 2 + 2 * bytes
  if (!isHex) throw bad(`--${flag} must be 0x and ${2 * bytes} hex digits, not ${value}.`)
  return value.toLowerCase() as Hex
}
export const hashFlag = (words: Words, flag: string): Hex | undefined => readHex(words, flag, 32)
export const addressFlag = (words: Words, flag: string): Address | undefined =>
  readHex(words, flag, 20)

/** The chain's node. @throws ConfigError */
export function urlFlag(words: Words, flag: string): string {
  const value = needed(words, flag)
  const isUrl = URL.canParse(value) && ['http:', 'https:'].includes(new URL(value).protocol)
  if (!isUrl) throw bad(`--${flag} must be a URL that begins with http:// or https://.`)
  return value
}

/** @throws ConfigError */
export function blockFlag(words: Words, flag: string): number | undefined {
  const value = words.values[flag]
  if (value === undefined) return undefined
  if (!/^\d{1,15}$/.test(value)) throw bad(`--${flag} must be a number of blocks, not ${value}.`)
  return Number(value)
}

/** How deep a table must be. Default: what the chain calls final. @throws ConfigError */
export function finalityFlag(words: Words): Finality {
  if ((words.values.finality ?? 'finalized') === 'finalized') return 'finalized'
  const blocks = blockFlag(words, 'finality') ?? 0
  if (blocks < 1) throw bad('--finality counts the block itself: at least 1, or finalized.')
  return blocks
}
