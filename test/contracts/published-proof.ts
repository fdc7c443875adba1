/**
 * Puts an adapter before a verifier that SP1 or RISC Zero published, and asks it about a proof that
 * they published. Neither is in this repository: an operator who wants to know builds the verifier
 * in a checkout of the other project, with that project's tools, and names what came out.
 *
 *     node test/contracts/published-proof.ts sp1 \
 *       --artifact out/SP1VerifierGroth16.sol/SP1Verifier.json \
 *       --program 0x… --journal 0x… --proof 0x…
 *     node test/contracts/published-proof.ts risc0 \
 *       --artifact out/RiscZeroGroth16Verifier.sol/RiscZeroGroth16Verifier.json \
 *       --arguments 0x… --program 0x… --journal 0x… --proof 0x…
 *     node test/contracts/published-proof.ts sp1 --fork https://… --verifier 0x… …
 *
 * With --fork the verifier is the one deployed at that address of that chain. The figures are in
 * their tests: `contracts/test/SP1VerifierGroth16*.sol` of sp1-contracts, and in risc0-ethereum
 * `contracts/test/TestReceipt*.sol` with the constructor's two words in
 * `contracts/src/groth16/ControlID.sol`.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Address, concatHex, encodeAbiParameters, encodeFunctionData, type Hex } from 'viem'
import { type Anvil, startAnvil } from '#test/support/anvil'
import { compiled } from './chain.ts'

const harnesses: Readonly<Record<string, string>> = {
  sp1: 'test/contracts/PublishedSP1.sol',
  risc0: 'test/contracts/PublishedRiscZero.sol',
}
const constructorTypes = [{ type: 'address' }, { type: 'bytes32' }] as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    artifact: { type: 'string' },
    arguments: { type: 'string', default: '0x' },
    fork: { type: 'string' },
    verifier: { type: 'string' },
    program: { type: 'string' },
    journal: { type: 'string' },
    proof: { type: 'string' },
  },
})
const { artifact, fork, verifier } = values
const harness = harnesses[positionals[0] ?? '']
if (harness === undefined || (artifact === undefined) === (fork === undefined)) {
  throw new Error('name sp1 or risc0, and either --artifact or --fork with --verifier')
}

/** An option that is hex. */
function hex(name: 'arguments' | 'program' | 'journal' | 'proof' | 'verifier'): Hex {
  const value = values[name] ?? ''
  if (!/^0x([0-9a-f]{2})*$/i.test(value)) throw new Error(`--${name} must be 0x and hex digits`)
  return value as Hex
}

type Receipt = { readonly status: Hex; readonly contractAddress: Address; readonly gasUsed: Hex }

/** What Settlement gives a verifier, and more than a transaction costs besides. */
const CALL_GAS = 3_100_000

async function send(anvil: Anvil, transaction: { to?: Address; data: Hex; gas: number }) {
  const [from] = await anvil.request<Address[]>('eth_accounts')
  const gas = `0x${transaction.gas.toString(16)}`
  const hash = await anvil.request<Hex>('eth_sendTransaction', { ...transaction, from, gas })
  for (;;) {
    const receipt = await anvil.request<Receipt | null>('eth_getTransactionReceipt', hash)
    if (receipt?.status === '0x0') throw new Error('a transaction reverted')
    if (receipt) return receipt
    await sleep(20)
  }
}

const deploy = async (anvil: Anvil, data: Hex): Promise<Address> =>
  (await send(anvil, { data, gas: 15_000_000 })).contractAddress

/** The adapter before a verifier, for one program. */
async function adapter(anvil: Anvil, wrapped: Address, program: Hex) {
  const { abi, bytecode } = await compiled(harness!)
  const code = concatHex([bytecode, encodeAbiParameters(constructorTypes, [wrapped, program])])
  const to = await deploy(anvil, code)
  return async (proof: Hex, journal: Hex) => {
    const data = encodeFunctionData({ abi, functionName: 'verifyJournal', args: [proof, journal] })
    const call = { to, data, gas: CALL_GAS }
    const answer = await anvil.request<Hex>('eth_call', { to, data })
    return { isValid: BigInt(answer) === 1n, call }
  }
}

const flipped = (bytes: Hex, place: number): Hex => {
  const all = Buffer.from(bytes.slice(2), 'hex')
  all[place]! ^= 1
  return `0x${all.toString('hex')}`
}

function report(name: string, isValid: boolean, wanted: boolean): void {
  console.log(`${isValid === wanted ? 'ok    ' : 'FAILED'} ${name}: ${isValid}`)
  if (isValid !== wanted) process.exitCode = 1
}

const anvil = await startAnvil({ args: fork === undefined ? [] : ['--fork-url', fork] })
try {
  let wrapped = verifier === undefined ? null : hex('verifier')
  if (artifact !== undefined) {
    const { bytecode } = JSON.parse(await readFile(join(process.cwd(), artifact), 'utf8'))
    wrapped = await deploy(anvil, concatHex([bytecode.object, hex('arguments')]))
  }
  if (wrapped === null) throw new Error('--fork needs --verifier')
  const [program, journal, proof] = [hex('program'), hex('journal'), hex('proof')]
  const ask = await adapter(anvil, wrapped, program)
  const { isValid, call } = await ask(proof, journal)
  report('the published proof', isValid, true)
  console.log(`       ${Number((await send(anvil, call)).gasUsed)} gas as a transaction of its own`)
  const length = proof.length / 2 - 1
  for (const place of [0, 4, Math.floor(length / 2), length - 1]) {
    report(`byte ${place} flipped`, (await ask(flipped(proof, place), journal)).isValid, false)
  }
  report('another journal', (await ask(proof, flipped(journal, 0))).isValid, false)
  const other = await adapter(anvil, wrapped, flipped(program, 31))
  report('another program', (await other(proof, journal)).isValid, false)
} finally {
  await anvil.stop()
}
