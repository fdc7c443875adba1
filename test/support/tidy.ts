/**
 * The house's rules as checks of text: each takes a file's path and content and says what is wrong.
 * The test runs them over the tree, and over planted violations.
 */

export type Source = { readonly path: string; readonly text: string }
export type Check = (source: Source) => string[]

/** Longest file, lines; aim at 250. */
const MAX_LINES = 400
/** Longest comment line. Columns. */
const MAX_COLUMNS = 100
/** The formatter keeps code to the same, but leaves texts, patterns and titles whole. Columns. */
const MAX_CODE_COLUMNS = 120
/** A comment, except the rules' lines and drawings, which are one line each. */
const isProse = (line: string): boolean =>
  /^\s*(\/\/|\*|\/\*\*)/.test(line) && !/\[(REJECT|IGNORE)\]|──|→/.test(line)

/** Folder → folders it may import besides itself. */
const layers: Record<string, readonly string[]> = {
  protocol: [],
  contracts: ['protocol'],
  node: ['protocol', 'contracts'],
  'prover-agent': ['protocol', 'node'],
  simulations: ['protocol', 'prover-agent'],
  // Starts processes by path: what it imports of node or simulations would be another copy of the
  // market.
  'simulations/devnet': ['protocol', 'contracts'],
  // Holds the model against the real stack, so it has both.
  'simulations/validate': ['protocol', 'node', 'simulations'],
  test: [
    ...['protocol', 'contracts', 'node', 'prover-agent'],
    ...['simulations', 'simulations/devnet', 'simulations/validate'],
  ],
}

/** Package (or a part of it) → the files or folders it may be imported in; nearest name wins. */
const homes: Record<string, readonly string[]> = {
  libp2p: ['node/host.ts'],
  '@libp2p': ['node/host.ts'],
  '@multiformats/multiaddr': ['node/host.ts'],
  '@chainsafe/libp2p-noise': ['node/host.ts'],
  '@chainsafe/libp2p-yamux': ['node/host.ts'],
  '@chainsafe/libp2p-gossipsub': ['node/gossip.ts'],
  'it-pipe': ['node/streams.ts'],
  'it-length-prefixed': ['node/streams.ts'],
  level: ['node/store.ts'],
  // Clients and accounts; encoding (`viem/utils`) is pure and belongs to whoever speaks to the
  // chain.
  viem: [
    'node/chain.ts',
    'node/rpc-errors.ts',
    'node/builder/l1.ts',
    'contracts/deploy.ts',
    'contracts/deploy-examples.ts',
  ],
  'viem/utils': ['node/', 'contracts/', 'protocol/table.ts', 'protocol/venues.ts'],
  '@ethereumjs': ['node/builder/evm-machine.ts', 'node/builder/evm-state.ts'],
  'prom-client': ['node/metrics.ts'],
  'smol-toml': ['node/config.ts'],
  uint8arrays: ['protocol/', 'node/'],
  '@hpke/core': ['node/signer.ts'],
  secp256k1: ['protocol/signature.ts'],
  'poseidon-lite': ['protocol/field.ts'],
  '@noble/hashes': ['protocol/', 'node/keyfile.ts'],
  '@noble/curves': ['protocol/eddsa.ts', 'node/verifier-worker.ts'],
}

/** Folders of `simulations/` with layers of their own. */
const apart = ['simulations/devnet', 'simulations/validate']
const folderOf = (path: string): string =>
  apart.find((folder) => path.startsWith(`${folder}/`)) ?? path.split('/')[0]!
const isTypeScript = (path: string): boolean => path.endsWith('.ts')
const isPure = (path: string): boolean =>
  path.startsWith('protocol/') || /^simulations\/(?!main|report)(scenarios\/)?[^/]+\.ts$/.test(path)

/** Code without comments and without the text of its strings; line breaks stay. */
export function codeOnly(text: string): string {
  const pattern =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|(?<=[(,=:[!&|?{};]\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/[a-z]*/g
  return text.replace(pattern, (match) => match.replace(/[^\n]/g, ' '))
}

type Import = { readonly target: string; readonly isType: boolean }

function importsOf(text: string): Import[] {
  const found: Import[] = []
  const statement = /^(?:import|export)\s+(type\s)?(?:[^'"]*?\sfrom\s+)?'([^']+)'/gm
  for (const [, type, target] of text.matchAll(statement))
    found.push({ target: target!, isType: type !== undefined })
  for (const [, target] of text.matchAll(/\bimport\('([^']+)'\)/g))
    found.push({ target: target!, isType: false })
  return found
}

/** Imports go down the layers only, by `#folder/name` across folders and `./name.ts` inside one. */
export const checkImports: Check = ({ path, text }) => {
  if (!isTypeScript(path) || !(folderOf(path) in layers)) return []
  const own = folderOf(path)
  return importsOf(text).flatMap(({ target }) => {
    if (target.startsWith('#')) {
      const folder = folderOf(target.slice(1))
      if (target.endsWith('.ts')) return [`${target}: across folders without the ending`]
      if (folder !== own && !layers[own]!.includes(folder))
        return [`${own} must not import ${target}`]
      if (folder === own && own !== 'test') return [`${target}: inside its folder by ./`]
    }
    if (!target.startsWith('.')) return []
    const depth = path.split('/').length - (apart.includes(own) ? 3 : 2)
    const ups = target.split('/').filter((part) => part === '..').length
    return ups > depth ? [`${target}: across folders by #`] : []
  })
}

/** Every third-party package has one home; types cost nothing and may be imported anywhere. */
export const checkHomes: Check = ({ path, text }) => {
  if (!isTypeScript(path) || !(folderOf(path) in layers) || folderOf(path) === 'test') return []
  return importsOf(text).flatMap(({ target, isType }) => {
    if (isType || /^(#|\.|node:)/.test(target)) return []
    const parts = target.split('/')
    const names = parts.map((_, index) => parts.slice(0, parts.length - index).join('/'))
    const home = names.map((name) => homes[name]).find((files) => files !== undefined)
    if (!home) return [`${target} has no home: add it to the table in test/support/tidy.ts`]
    const isHome = home.some((file) => (file.endsWith('/') ? path.startsWith(file) : path === file))
    return isHome ? [] : [`${target} is at home in ${home.join(', ')}`]
  })
}

export const checkSize: Check = ({ path, text }) => {
  if (!/\.(ts|sol|circom)$/.test(path)) return []
  const lines = text.split('\n')
  const long = lines.flatMap((line, index) =>
    line.length > (isProse(line) ? MAX_COLUMNS : MAX_CODE_COLUMNS)
      ? [`line ${index + 1}: ${line.length} columns, at most ${MAX_COLUMNS}`]
      : [],
  )
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length
  return count > MAX_LINES ? [`${count} lines, at most ${MAX_LINES}`, ...long] : long
}

/** Names that say nothing about what is inside. */
export const checkName: Check = ({ path }) =>
  /(^|\/)(index|utils?|types|helpers?|manager|common|misc|shared)\.[a-z.]+$/.test(path)
    ? ['a name that says nothing']
    : []

const impure =
  /\b(Date\.now|new Date|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|queueMicrotask|process\.(?:env|hrtime|nextTick)|console\.|randomBytes|randomUUID|getRandomValues)/g
/** Pure code reads no clock, draws nothing, sees no environment and prints nothing. */
export const checkPurity: Check = ({ path, text }) => {
  if (!isPure(path)) return []
  const found = [...codeOnly(text).matchAll(impure)].map(([match]) => `${match}: not in pure code`)
  // Hashing and Diffie–Hellman are functions; the rest of node: is the world.
  const allowed = ['node:crypto', 'node:module']
  const world = importsOf(text).filter(
    ({ target, isType }) => target.startsWith('node:') && !isType && !allowed.includes(target),
  )
  return [...found, ...world.map(({ target }) => `${target}: not in pure code`)]
}

/** Money and rules are integers. */
export const checkIntegers: Check = ({ path, text }) => {
  if (!path.startsWith('protocol/') || !isTypeScript(path)) return []
  const floating =
    /\b\d[\d_]*\.\d+|\b\d[\d_]*e-?\d+\b|\bparseFloat\b|\bMath\.(?:sqrt|log\w*|exp|pow|sin|cos)\b/g
  return [...codeOnly(text).matchAll(floating)].map(([match]) => `${match}: no floating point here`)
}

const unfinished = /\b(?:TODO|FIXME|XXX|HACK)\b|@ts-(?:ignore|nocheck|expect-error)|biome-ignore/g
const untyped = /\bas any\b|: any\b|<any>/g
const dodging = /\b(?:test|describe|it)\.(?:skip|only|todo|fails)\b|\bretry:/g
/** Nothing is left for later, nothing is waved through. */
export const checkFinished: Check = ({ path, text }) => {
  if (!/\.(ts|mjs|sol|circom)$/.test(path)) return []
  const code = codeOnly(text)
  const marks = [
    ...text.matchAll(unfinished),
    ...(isTypeScript(path) ? code.matchAll(untyped) : []),
  ]
  const dodges = path.endsWith('.test.ts') ? [...code.matchAll(dodging)] : []
  return [...marks, ...dodges].map(([match]) => `${match}: finish it`)
}

/** A refusal as a comment writes it: `// [IGNORE] CODE, CODE: what holds of a good one.` */
export type Rule = {
  readonly action: string
  readonly codes: readonly string[]
  readonly title: string
}
const RULE_LINE = /^\s*\/\/ (\[(REJECT|IGNORE)\] ([A-Z_]+(?:, [A-Z_]+)*): .+)\.$/

const ruleOf = (line: string): Rule | null => {
  const match = RULE_LINE.exec(line)
  if (!match) return null
  const [, title, action, codes] = match
  return { action: action!.toLowerCase(), codes: codes!.split(', '), title: title! }
}

export const rulesOf = ({ text }: Source): Rule[] =>
  text
    .split('\n')
    .map(ruleOf)
    .filter((rule) => rule !== null)

/** How far above a refusal its rule may stand. Lines. */
const RULE_REACH = 8
/** Every refusal in protocol/ has its rule above it, and every rule is well formed. */
export const checkRefusals: Check = ({ path, text }) => {
  if (!/^protocol\/[^/]+\.ts$/.test(path)) return []
  const lines = text.split('\n')
  return lines.flatMap((line, index) => {
    if (/^\s*\/\/ \[(REJECT|IGNORE)\]/.test(line) && !ruleOf(line))
      return [`line ${index + 1}: ill-formed rule`]
    const [, action, code] = /\b(ignore|reject)\('([A-Z_]+)'\)/.exec(line) ?? []
    if (!action || !code) return []
    const above = lines.slice(Math.max(0, index - RULE_REACH), index).map(ruleOf)
    const isRuled = above.some((rule) => rule?.action === action && rule.codes.includes(code))
    return isRuled ? [] : [`line ${index + 1}: ${action} ${code} without its rule above`]
  })
}

/** Whether some test has exactly this title. */
export function isTested(title: string, tests: readonly Source[]): boolean {
  const escaped = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll("'", "\\\\?'")
  const pattern = new RegExp(`\\btest(?:\\.each\\([^)]*\\))?\\(\\s*(['"\`])${escaped}\\1`)
  return tests.some(({ text }) => pattern.test(text))
}

/** Numbers of rules that comments cite, like A3 of `(rule A3)` or `(rules G3, G4)`. */
export const citedRules = ({ text }: Source): string[] =>
  [...text.matchAll(/\brules? ((?:[A-Z]\d+(?:, | and )?)+)/g)].flatMap(([, list]) =>
    [...list!.matchAll(/[A-Z]\d+/g)].map(([number]) => number),
  )

export const checks: Record<string, Check> = {
  imports: checkImports,
  homes: checkHomes,
  size: checkSize,
  names: checkName,
  purity: checkPurity,
  integers: checkIntegers,
  finished: checkFinished,
  refusals: checkRefusals,
}
