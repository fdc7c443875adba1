/**
 * The settings of an agent: a node's, and its own. `proofwire agent --print-config` prints them
 * all.
 */
import { ConfigError, type Values } from '#node/config'
import { DEFAULT_KEY_FOLDER } from '#node/key-files'
import { choice, integer, list, path, wei } from '#node/keys'
import { checkSettings, nodeKeys } from '#node/settings'
import type { VerificationKey } from '#protocol/proof'
import type { Hex } from '#protocol/schema'
import { loadVerificationKey, type ShapeName, shapeNames, shapes } from './circuits/shapes.ts'
import { defaultPolicy, type Policy } from './strategy.ts'

/** What a node has too, and an agent means otherwise. */
const changedKeys = {
  dataFolder: path({
    doc: 'Folder of the database, the peer key, the measurements and status.json. One agent each.',
    fallback: '~/.proofwire/agent',
  }),
  listen: list({
    of: 'multiaddrs',
    doc:
      'Where other nodes can connect. Empty is enough to prove: an agent dials builders, never ' +
      'the other way.',
    fallback: [],
    example: '["/ip4/0.0.0.0/tcp/4701"]',
  }),
  keyFile: path({
    doc:
      'Key of the account that bids, bonds and is paid: a Web3 keystore (version 3) or a file ' +
      'of 64 hex digits.',
    example: '"account.json"',
  }),
  doorPort: integer({
    doc: 'Port of the JSON-RPC door and of /metrics. 0 takes any free one.',
    fallback: 4781,
    min: 0,
    max: 65_535,
  }),
  serveKeysMibPerS: integer({
    doc:
      'Most that is given away of key files, to all peers together, in MiB a second. Little, ' +
      'because bids share the way out.',
    fallback: 1,
    min: 1,
    max: 10_000,
  }),
  programKeys: list({
    of: 'paths',
    doc:
      'Verification keys (JSON) of programs besides the shapes that your command proves. They ' +
      'are bid for only when calibrationFile says how long they take.',
    fallback: [],
    example: '["/opt/prover/verification-key.json"]',
  }),
} as const

const backendKeys = {
  backend: choice({
    doc:
      'What proves: snarkjs (any CPU, nothing to install) or command (your own program; see ' +
      'prover-agent/backends/README.md).',
    choices: ['snarkjs', 'command'],
    fallback: 'snarkjs',
  }),
  command: list({
    of: 'arguments',
    doc: 'The program of backend command and its arguments. No shell reads them.',
    fallback: [],
    example: '["/opt/prover/prove", "--gpu=0"]',
  }),
  commandTimeoutMs: integer({
    doc:
      'Longest that one attempt at a proof may take, in ms; then it is stopped and, while ' +
      'there is time, tried again.',
    fallback: 60_000,
    min: 100,
    max: 3_600_000,
  }),
  shapes: list({
    of: 'shape names',
    doc:
      `Circuits to prove: ${shapeNames.join(', ')}. Key files that are missing come from peers, or ` +
      'are built here (node prover-agent/circuits/build.ts).',
    fallback: ['n1d16'],
  }),
  lanes: integer({
    doc: 'Proofs at a time. One GPU is one lane; snarkjs uses every core for one proof.',
    fallback: 1,
    min: 1,
    max: 64,
  }),
  keyWaitMs: integer({
    doc:
      'How long to wait for a peer that gives missing key files, in ms, before they are built ' +
      'here. Where the compiler is not installed the agent waits on.',
    fallback: 60_000,
    min: 0,
    max: 86_400_000,
  }),
  calibrationFile: path({
    doc:
      'Prepared measurements to begin with. Without it the agent measures three proofs first. ' +
      'What it measures it keeps in calibration.json of its folder, which then wins.',
    fallback: null,
    example: '"measured.json"',
  }),
} as const

const priceKeys = {
  costWeiPerMs: wei({
    doc: 'What a ms of proving costs you, in wei. Without it: watts and electricityWeiPerKwh.',
    fallback: null,
    example: '"8333334"',
  }),
  watts: integer({
    doc: 'Power the machine draws while it proves.',
    fallback: 300,
    min: 0,
    max: 1_000_000,
  }),
  electricityWeiPerKwh: wei({
    doc:
      'Price of a kWh in wei: price of a kWh / price of an ether × 10^18. The default is 0.30 ' +
      'at 3,000.',
    fallback: 100_000_000_000_000n,
  }),
  fixedCostWei: wei({
    doc:
      'What a job costs besides, in wei: above all its part of the transaction that settles it ' +
      '(12,000 gas, here at 2 gwei).',
    fallback: defaultPolicy.fixedCostWei,
  }),
  marginPercent: integer({
    doc:
      'Least gain above cost, in percent. What the market pays beyond that is learned from its ' +
      'awards.',
    fallback: defaultPolicy.marginPercent,
    min: 0,
    max: 10_000,
  }),
  pricePercentile: integer({
    doc: 'Which of the last winning scores to bid, in percent: low wins often, high earns more.',
    fallback: defaultPolicy.pricePercentile,
    min: 0,
    max: 100,
  }),
} as const

const safetyKeys = {
  bondWei: wei({
    doc:
      'Bond to hold, in wei: at start the agent deposits what is missing. Without it, it ' +
      'deposits nothing.',
    fallback: null,
    example: '"1000000000000000000"',
  }),
  verifierCodeHashes: list({
    of: 'hashes',
    doc:
      'keccak256 of the code of the verifiers you work for. Another one could refuse your good ' +
      'proof. None: no bids.',
    fallback: [],
    example: '["0x…64 hex digits"]',
  }),
  verifiers: list({
    of: 'addresses',
    doc:
      'Verifiers to look up at the start. Others are looked up when a request first names them, ' +
      'which is too late for that request.',
    fallback: [],
    example: '["0x…40 hex digits"]',
  }),
  headroomPercent: integer({
    doc:
      'A job is only bid for when the slowest proof measured, times this, is done before it is ' +
      'due. Below 150 you gamble with your bond.',
    fallback: defaultPolicy.headroomPercent,
    min: 100,
    max: 1_000,
  }),
  startAllowanceMs: integer({
    doc:
      'Time from the close of an auction until its proof is begun: award, inputs, their check, ' +
      'acceptance. ms.',
    fallback: defaultPolicy.startAllowanceMs,
    min: 0,
    max: 10_000,
  }),
  deliveryAllowanceMs: integer({
    doc: 'Time from a finished proof until it is verified and at its builder, in ms.',
    fallback: defaultPolicy.deliveryAllowanceMs,
    min: 0,
    max: 10_000,
  }),
  maxUnfairPercent: integer({
    doc:
      'No bids for builders that left more of their jobs than this unawarded, or better bids ' +
      'out. Percent.',
    fallback: defaultPolicy.maxUnfairPercent,
    min: 0,
    max: 100,
  }),
  leastBuilderJobs: integer({
    doc: 'Jobs of a builder that must be known before it is judged.',
    fallback: defaultPolicy.leastBuilderJobs,
    min: 1,
    max: 1_000,
  }),
} as const

export const agentKeys = {
  ...nodeKeys,
  ...changedKeys,
  ...backendKeys,
  ...priceKeys,
  ...safetyKeys,
} as const

export type AgentSettings = Values<typeof agentKeys>

/** What is wrong with the settings of the backend; for `readConfig`. */
export function checkBackend(
  values: Pick<AgentSettings, 'shapes' | 'backend' | 'command' | 'programKeys'>,
): readonly string[] {
  const problems: string[] = []
  const unknown = values.shapes.filter((name) => !shapeNames.includes(name as ShapeName))
  if (unknown.length > 0) {
    problems.push(`shapes: there is no ${unknown.join(', ')}. There are ${shapeNames.join(', ')}.`)
  }
  if (values.shapes.length + values.programKeys.length === 0) {
    problems.push('shapes is empty: there is nothing to prove. Name at least one.')
  }
  if (values.backend === 'command' && values.command.length === 0) {
    problems.push('backend is command, and command is empty. Set the program and its arguments.')
  }
  return problems
}

/** What is wrong with settings that each alone are right; for `readConfig`. */
export function checkAgentSettings(values: AgentSettings): readonly string[] {
  const problems = [...checkSettings(values), ...checkBackend(values)]
  const bad = values.verifierCodeHashes.filter((hash) => !/^0x[0-9a-fA-F]{64}$/.test(hash))
  if (bad.length > 0) {
    problems.push(`verifierCodeHashes: ${bad.join(', ')} must be 0x and 64 hex digits.`)
  }
  const strange = values.verifiers.filter((address) => !/^0x[0-9a-fA-F]{40}$/.test(address))
  if (strange.length > 0) {
    problems.push(`verifiers: ${strange.join(', ')} must be 0x and 40 hex digits.`)
  }
  if (values.verifierCodeHashes.length === 0) {
    problems.push(
      'verifierCodeHashes is empty: no job would ever be bid for. Name a verifier you trust.',
    )
  }
  return problems
}

/** 1 kWh in W·ms. */
const WATT_MS_PER_KWH = 3_600_000_000n

/** What the operator chose, as the strategy takes it. */
export function policyOf(values: AgentSettings): Policy {
  const powerWei = BigInt(values.watts) * values.electricityWeiPerKwh
  return {
    costWeiPerMs: values.costWeiPerMs ?? (powerWei + WATT_MS_PER_KWH - 1n) / WATT_MS_PER_KWH,
    fixedCostWei: values.fixedCostWei,
    marginPercent: values.marginPercent,
    headroomPercent: values.headroomPercent,
    startAllowanceMs: values.startAllowanceMs,
    deliveryAllowanceMs: values.deliveryAllowanceMs,
    pricePercentile: values.pricePercentile,
    maxUnfairPercent: values.maxUnfairPercent,
    leastBuilderJobs: values.leastBuilderJobs,
  }
}

/** Verification keys of shapes, by program. @throws ConfigError naming each that is not there. */
export async function loadShapeKeys(
  names: readonly ShapeName[],
  keyFolder = DEFAULT_KEY_FOLDER,
): Promise<Map<Hex, VerificationKey>> {
  const keys = new Map<Hex, VerificationKey>()
  const problems: string[] = []
  for (const name of names) {
    try {
      keys.set(shapes[name].programId, await loadVerificationKey(name, keyFolder))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const advice = `Build it: node prover-agent/circuits/build.ts ${name}`
      problems.push(`shapes: ${name} cannot be used (${reason}). ${advice}`)
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return keys
}
