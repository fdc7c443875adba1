/** The settings of a node. `proofwire node --print-config` prints them with their defaults. */
import { readFileSync } from 'node:fs'
import { defaultParams, type Params } from '#protocol/params'
import { ConfigError, type Values } from './config.ts'
import { address, choice, flag, integer, list, path, text, url, wei } from './keys.ts'
import { logLevels } from './log.ts'

export const nodeKeys = {
  dataFolder: path({
    doc: 'Folder of the database and the peer key. One node each.',
    fallback: '~/.proofwire/node',
  }),
  listen: list({
    of: 'multiaddrs',
    doc:
      'Where other nodes can connect. Empty behind NAT: the node then only dials, which is ' +
      'enough to prove. Port 0 takes any free one.',
    fallback: ['/ip4/0.0.0.0/tcp/4701'],
  }),
  announce: list({
    of: 'multiaddrs',
    doc: 'What other nodes are told to dial, when it differs from where this one listens.',
    fallback: [],
    example: '["/ip4/203.0.113.7/tcp/4701"]',
  }),
  bootstrap: list({
    of: 'multiaddrs',
    doc:
      'The first nodes to connect to; each ends in /p2p/<peer id>. They are dialled until ' +
      'they answer.',
    fallback: [],
  }),
  maxPeers: integer({
    doc: 'Most connections; above it the least useful close.',
    fallback: 300,
    min: 8,
    max: 10_000,
  }),
  rpcUrl: url({
    doc:
      'JSON-RPC of an execution node of the settlement chain (L1). It is trusted: it says ' +
      'who has staked what.',
    schemes: ['http', 'https', 'ws', 'wss'],
    example: '"http://127.0.0.1:8545"',
  }),
  chainId: integer({
    doc: 'The settlement chain. The node stops when rpcUrl serves another one.',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    example: '1',
  }),
  settlement: address({
    doc: 'Address of the Settlement contract.',
    example: '"0x0000000000000000000000000000000000000000"',
  }),
  confirmations: integer({
    doc:
      'How deep a block must be before what it says counts here: 1 is the newest, 2 has another on ' +
      'top.',
    fallback: 2,
    min: 1,
    max: 128,
  }),
  pollMs: integer({
    doc: 'How often the chain is asked for a new block, in ms.',
    fallback: 1_000,
    min: 20,
    max: 60_000,
  }),
  keyFile: path({
    doc:
      'Key of the account that signs: a Web3 keystore (version 3) or a file of 64 hex ' +
      'digits. Without one the node relays and watches.',
    fallback: null,
    example: '"account.json"',
  }),
  passwordFile: path({
    doc: 'File whose first line is the password of keyFile. PROOFWIRE_PASSWORD does it too.',
    fallback: null,
    example: '"password.txt"',
  }),
  password: text({ doc: 'Password of keyFile.', fallback: null, secret: true, envOnly: true }),
  paramsFile: path({
    doc:
      'JSON file of market parameters that differ from the network’s. Only for networks of ' +
      'your own: nodes with other parameters do not hear each other.',
    fallback: null,
    example: '"params.json"',
  }),
  programKeys: list({
    of: 'paths',
    doc:
      'Verification keys (JSON) of the programs whose proofs are asked for here: a proof of ' +
      'another cannot be checked, so it cannot be asked for.',
    fallback: [],
    example: '["build/circuits/n1d16/verification-key.json"]',
  }),
  serveKeys: flag({
    doc:
      'Whether to give the key files in keyFolder to peers that lack them: an agent proves nothing ' +
      'without its keys.',
    fallback: true,
  }),
  serveKeysMibPerS: integer({
    doc: 'Most that is given away of key files, to all peers together, in MiB a second.',
    fallback: 8,
    min: 1,
    max: 10_000,
  }),
  keyFolder: path({
    doc:
      'Folder of the key files, with a folder for each circuit. Without it: build/circuits of ' +
      'the program.',
    fallback: null,
    example: '"/var/lib/proofwire/circuits"',
  }),
  settleAfterMs: integer({
    doc: 'How long a receipt waits for others to share its transaction, in ms.',
    fallback: 60_000,
    min: 0,
    max: 600_000,
  }),
  deploymentBlock: integer({
    doc: 'Block of the Settlement’s deployment. Without it an archive node is needed at first.',
    fallback: null,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    example: '23000000',
  }),
  maxFeeWei: wei({
    doc: 'Most that is ever offered for one unit of gas, in wei. Above it transactions wait.',
    fallback: 300_000_000_000n,
  }),
  slash: flag({
    doc: 'Whether to slash provers that defaulted on this node’s jobs, once the chain allows it.',
    fallback: true,
  }),
  bidWindowMs: integer({
    doc:
      'How long provers may bid for this node’s requests, in ms. At 400 all but 0.1 % of ' +
      'bids of a network of 1,000 arrive.',
    fallback: 400,
    min: 100,
    max: 2_000,
  }),
  backups: integer({
    doc: 'Provers named in an award to stand in for the winner.',
    fallback: 2,
    min: 0,
    max: 3,
  }),
  doorHost: text({
    doc: 'Address the JSON-RPC door listens at. Anything but loopback needs doorToken.',
    fallback: '127.0.0.1',
  }),
  doorPort: integer({
    doc: 'Port of the JSON-RPC door and of /metrics. 0 takes any free one.',
    fallback: 4780,
    min: 0,
    max: 65_535,
  }),
  doorToken: text({
    doc: 'What callers of the door must send (Authorization: Bearer …). At least 16 characters.',
    fallback: null,
    secret: true,
    example: '"0123456789abcdef0123456789abcdef"',
  }),
  logLevel: choice({
    doc: `How much is logged: ${logLevels.join(', ')}.`,
    choices: logLevels,
    fallback: 'info',
  }),
  logFormat: choice({
    doc: 'Lines for people (human) or for machines (json).',
    choices: ['human', 'json'],
    fallback: 'human',
  }),
} as const

export type NodeSettings = Values<typeof nodeKeys>

const LOOPBACK = ['127.0.0.1', '::1', 'localhost']
/** Shorter ones can be guessed. Characters. */
const MIN_TOKEN = 16

/** What is wrong with settings that each alone are right; for `readConfig`. */
export function checkSettings(
  values: Pick<NodeSettings, 'doorHost' | 'doorToken' | 'listen' | 'bootstrap'>,
): readonly string[] {
  const problems: string[] = []
  const { doorHost, doorToken, listen, bootstrap } = values
  if (!LOOPBACK.includes(doorHost) && doorToken === null) {
    problems.push(`doorHost ${doorHost} lets others in. Set doorToken, or doorHost to 127.0.0.1.`)
  }
  if (doorToken !== null && doorToken.length < MIN_TOKEN) {
    problems.push(`doorToken must have at least ${MIN_TOKEN} characters.`)
  }
  if (listen.length === 0 && bootstrap.length === 0) {
    problems.push('listen and bootstrap are both empty: nobody could ever be met. Set one of them.')
  }
  return problems
}

/**
 * The network's parameters with the file's changes: JSON, names as in `Params`, bigints as text.
 * Throws `ConfigError`.
 */
export function loadParams(file: string | null): Params {
  if (file === null) return defaultParams
  let changes: unknown
  try {
    changes = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError([`paramsFile ${file} cannot be read: ${reason}.`])
  }
  if (typeof changes !== 'object' || changes === null || Array.isArray(changes)) {
    throw new ConfigError([`paramsFile ${file} must hold one JSON object.`])
  }
  const problems: string[] = []
  const params: Record<string, number | bigint> = { ...defaultParams }
  for (const [name, value] of Object.entries(changes)) {
    const fallback = Object.hasOwn(defaultParams, name) ? params[name] : undefined
    if (fallback === undefined) {
      const known = Object.keys(defaultParams).join(', ')
      problems.push(`${file}: ${name} is no parameter. They are: ${known}.`)
    } else if (typeof fallback === 'bigint') {
      if (typeof value === 'string' && /^\d{1,78}$/.test(value)) params[name] = BigInt(value)
      else problems.push(`${file}: ${name} must be digits in quotes.`)
    } else if (Number.isSafeInteger(value) && value >= 0) params[name] = value
    else problems.push(`${file}: ${name} must be a whole number, not ${JSON.stringify(value)}.`)
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return params as Params
}
