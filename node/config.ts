/**
 * Settings: one TOML file (or JSON, when its name says so), flags and environment, read by one
 * table of keys. Home of smol-toml. A flag wins over the environment, that over the file, that over
 * the default. All that is wrong is reported at once, with its place.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'

/** One key: how its value is read, what it is when nobody sets it, and what it means. */
export type Key<T> = {
  /**
   * What the value is, with its unit, and what happens for lack of it. Ends up in the printed file.
   */
  readonly doc: string
  /** Its default; `undefined`: somebody must set it. */
  readonly fallback: T | undefined
  /** Shown in the printed file for a key without default. TOML. */
  readonly example?: string
  /** Never printed. */
  readonly secret?: boolean
  /** Secrets that belong into no file and no process list. */
  readonly envOnly?: boolean
  /**
   * Turns a value of the file, or the text of a flag, into the key's; throws `RangeError` with what
   * it should be.
   */
  readonly read: (value: unknown, place: Place) => T
  /** Makes a value from a flag's or variable's text. */
  readonly fromText: (text: string) => unknown
}

export type Keys = Readonly<Record<string, Key<unknown>>>
export type Values<K extends Keys> = {
  readonly [N in keyof K]: K[N] extends Key<infer T> ? T : never
}

/** Where a value stands; paths in a file are relative to it, others to the working folder. */
export type Place = { readonly folder: string; readonly text: string }

export type Sources = {
  /** What follows the command's name. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Read when there is no `--config` and the file exists. */
  readonly defaultFile: string
  /** Working folder. */
  readonly folder: string
}

export type Config<K extends Keys> = {
  readonly values: Values<K>
  /** The file read, if any. */
  readonly file: string | null
  /** What the operator should hear, such as variables nobody reads. */
  readonly warnings: readonly string[]
}

/** Everything that is wrong with the settings: one line each, with its place and the remedy. */
export class ConfigError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(`The settings cannot be used:\n${problems.map((line) => `  ${line}`).join('\n')}`)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

const PREFIX = 'PROOFWIRE_'

/**
 * Reads and checks the settings. `check` may look at values together and names what is wrong.
 * Throws `ConfigError`.
 */
export function readConfig<K extends Keys>(
  keys: K,
  sources: Sources,
  check: (values: Values<K>) => readonly string[] = () => [],
): Config<K> {
  const problems: string[] = []
  const warnings: string[] = []
  const found = new Map<string, { readonly value: unknown; readonly place: Place }>()
  const flags = readFlags(keys, sources, problems)
  const file = findFile(flags.config, sources, problems)
  if (file !== null) readFile(keys, file, found, problems)
  readEnvironment(keys, sources, found, warnings)
  for (const [name, entry] of flags.found) found.set(name, entry)

  const values: Record<string, unknown> = {}
  for (const [name, key] of Object.entries(keys)) {
    const entry = found.get(name)
    if (entry === undefined) {
      if (key.fallback === undefined) {
        problems.push(
          `${name} is missing. Set ${name} in the file, ${flagOf(name)} or ${envOf(name)}.`,
        )
      }
      const isText = typeof key.fallback === 'string'
      const place = { folder: sources.folder, text: name }
      // A default path, too, is made absolute.
      values[name] = isText ? key.read(key.fallback, place) : key.fallback
      continue
    }
    try {
      values[name] = key.read(entry.value, entry.place)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      const said = key.secret ? '' : `, not ${JSON.stringify(entry.value)?.slice(0, 80)}`
      problems.push(`${entry.place.text}: ${name} must be ${error.message}${said}.`)
    }
  }
  if (problems.length === 0) problems.push(...check(values as Values<K>))
  if (problems.length > 0) throw new ConfigError(problems)
  return { values: values as Values<K>, file, warnings }
}

/** The file with every key, its meaning and its default: what `--print-config` prints. */
export function printConfig(keys: Keys, title: string): string {
  const blocks = Object.entries(keys)
    .filter(([, key]) => !key.envOnly)
    .map(([name, key]) => {
      const doc = wrap(key.doc).map((line) => `# ${line}`)
      if (key.fallback === undefined) return [...doc, `${name} = ${key.example ?? '""'}`].join('\n')
      const value = key.fallback === null ? (key.example ?? '""') : toToml(key.fallback)
      const none = key.fallback === null ? ['# Not set by default; for example:'] : []
      return [...doc, ...none, `# ${name} = ${value}`].join('\n')
    })
  const head = [
    `# ${title}. Keys behind a # have that default.`,
    `# Each can also be a flag (${flagOf('logLevel')}) or a variable (${envOf('logLevel')}).`,
  ]
  return `${[head.join('\n'), ...blocks].join('\n\n')}\n`
}

const toToml = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(toToml).join(', ')}]`
  return JSON.stringify(typeof value === 'bigint' ? String(value) : value)
}

function wrap(text: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > 98) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

type Found = Map<string, { readonly value: unknown; readonly place: Place }>

/**
 * `--key value`, `--key=value`, `--flag`; names in camelCase or with dashes; lists by repetition or
 * commas.
 */
function readFlags(keys: Keys, { argv, folder }: Sources, problems: string[]) {
  const found: Found = new Map()
  let config: string | undefined
  const names = new Map(Object.keys(keys).map((name) => [flagOf(name), name]))
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    const [, given, joined] = /^--([^=]+)(?:=([\s\S]*))?$/.exec(word) ?? []
    if (given === undefined) {
      problems.push(`${JSON.stringify(word)} is no flag. Flags are written --key value.`)
      continue
    }
    const next = argv[at + 1]
    const isNextValue = joined === undefined && next !== undefined && !next.startsWith('--')
    const name = names.get(flagOf(given))
    const text = joined ?? (isNextValue ? next : 'true')
    if (isNextValue) at += 1
    if (given === 'config') config = text
    else if (name === undefined) {
      problems.push(
        `--${given} is no setting.${nearest(given, [...Object.keys(keys), 'config'], flagOf)}`,
      )
    } else if (keys[name]!.envOnly) {
      problems.push(`--${given}: anyone on this machine can read flags. Use ${envOf(name)}.`)
    } else {
      const value = keys[name]!.fromText(text)
      const before = found.get(name)?.value
      const all = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value
      found.set(name, { value: all, place: { folder, text: flagOf(given) } })
    }
  }
  return { found, config }
}

function findFile(given: string | undefined, sources: Sources, problems: string[]): string | null {
  const path = resolve(sources.folder, expandHome(given ?? sources.defaultFile))
  if (existsSync(path)) return path
  if (given !== undefined) {
    problems.push(`--config: there is no file ${path}. Print one with --print-config.`)
  }
  return null
}

function readFile(keys: Keys, file: string, found: Found, problems: string[]): void {
  const lines = readFileSync(file, 'utf8').split(/\r?\n/)
  const table = file.endsWith('.json')
    ? parseJson(lines, file, problems)
    : parseAll(lines, file, problems)
  for (const [name, value] of Object.entries(table)) {
    const text = `${file}:${lineOf(lines, name)}`
    const key = keys[name]
    if (key === undefined) {
      problems.push(
        `${text}: ${name} is no setting.${nearest(name, Object.keys(keys), (key) => key)}`,
      )
    } else if (key.envOnly) {
      problems.push(`${text}: ${name} belongs into no file. Use ${envOf(name)}.`)
    } else found.set(name, { value, place: { folder: dirname(file), text } })
  }
}

/** Most bad lines named in one go: after that the file is probably not TOML at all. */
const MAX_BAD_LINES = 20

/** Parses, naming every bad line: each is blanked and the rest parsed again. */
function parseAll(lines: readonly string[], file: string, problems: string[]) {
  const left = [...lines]
  for (let bad = 0; bad < MAX_BAD_LINES; bad++) {
    try {
      return parse(left.join('\n'))
    } catch (error) {
      if (!(error instanceof TomlError)) throw error
      const reason = error.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '')
      problems.push(`${file}:${error.line}: ${reason}.`)
      if ((left[error.line - 1] ?? '') === '') break
      left[error.line - 1] = ''
    }
  }
  return {}
}

/** The same settings as one JSON object: what another program writes. */
function parseJson(lines: readonly string[], file: string, problems: string[]): object {
  try {
    const read: unknown = JSON.parse(lines.join('\n'))
    if (typeof read === 'object' && read !== null && !Array.isArray(read)) return read
    problems.push(`${file} must hold one JSON object.`)
  } catch (error) {
    problems.push(`${file} is not JSON: ${(error as Error).message}.`)
  }
  return {}
}

function lineOf(lines: readonly string[], name: string): number {
  const at = lines.findIndex((line) => {
    const given = /^\s*\[*\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))/.exec(line)
    return given?.slice(1).includes(name)
  })
  return at + 1
}

function readEnvironment(keys: Keys, { env, folder }: Sources, found: Found, warnings: string[]) {
  const names = new Map(Object.keys(keys).map((name) => [envOf(name), name]))
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || text === undefined) continue
    const name = names.get(variable)
    if (name === undefined) {
      const known = nearest(variable.slice(PREFIX.length), Object.keys(keys), envOf)
      warnings.push(`nobody reads the variable ${variable}.${known}`)
      continue
    }
    found.set(name, { value: keys[name]!.fromText(text), place: { folder, text: variable } })
  }
}

const words = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/_/g, '-')
    .toLowerCase()
const flagOf = (name: string): string => `--${words(name)}`
const envOf = (name: string): string => PREFIX + words(name).replace(/-/g, '_').toUpperCase()

/** ` Did you mean x?`, or nothing when no name is near. */
function nearest(given: string, names: readonly string[], show: (name: string) => string): string {
  const text = words(given)
  const ranked = names
    .map((name) => ({ name, distance: distance(text, words(name)) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  const isNear = best !== undefined && best.distance <= Math.max(2, Math.floor(text.length / 3))
  return isNear ? ` Did you mean ${show(best.name)}?` : ''
}

/** Levenshtein's, over texts of settings' length. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= Math.min(a.length, 64); i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

/** `~` is the user's folder, as in a shell. */
export const expandHome = (path: string): string =>
  path === '~' || path.startsWith('~/') ? homedir() + path.slice(1) : path
