/**
 * L1 as the builder sees it: what the registry says, what a transaction would do, and sending it.
 * Home of viem's account and wallet; every request goes out by `json-rpc.ts`, whose errors say what
 * to do.
 */
import { setTimeout } from 'node:timers/promises'
import { createWalletClient, custom } from 'viem'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { decodeFunctionResult, encodeFunctionData, keccak256 } from 'viem/utils'
import { rollupsAbi } from '#contracts/abi'
import type { Address, Hex } from '#protocol/schema'
import { batchData, type Call, delegationTo } from './batch.ts'
import type { Receipt } from './chain-reader.ts'
import { RpcRefusal, rpc } from './json-rpc.ts'
import { type Posting, postingsIn } from './posting.ts'
import { type CallFrame, readRevert, readTrace, reasonOf, type Simulation } from './simulation.ts'

export type L1Options = {
  /** JSON-RPC over HTTP. */
  readonly rpcUrl: string
  /** The `Rollups` contract. */
  readonly registry: Address
  /** The `BatchAccount` contract senders are delegated to. */
  readonly batchAccount: Address
}

export type Head = { readonly number: number; readonly hash: Hex }

/** A rollup as the registry has it. */
export type RollupRecord = {
  readonly owner: Address
  readonly nativeToken: boolean
  readonly verifier: Address
  readonly programId: Hex
  readonly stateRoot: Hex
  /** Ether the registry holds for it. */
  readonly balanceWei: bigint
}

export type SimulationRequest = {
  readonly from: Address
  readonly calls: readonly Call[]
  /** The state it starts from: after the block of this number. */
  readonly on: number
  /** Number of the block it runs in. */
  readonly blockNumber: number
  /** Verifiers that say yes to anything: nothing is proven yet. */
  readonly believed: readonly Address[]
}

export type SendOptions = {
  /** Resolves before the transaction leaves: whoever must not forget it writes it down here. */
  readonly onSigned?: (transactionHash: Hex) => Promise<void>
  /** How long to wait for the receipt. Default: two minutes, ten slots. ms. */
  readonly patienceMs?: number
}

export type Sent = {
  readonly transactionHash: Hex
  readonly blockNumber: number
  readonly gasUsed: bigint
  readonly succeeded: boolean
}

export type L1 = {
  readonly chainId: number
  /** Lower case, like every address here. */
  readonly registry: Address
  readonly head: () => Promise<Head>
  /** `at`: after the block of this number; default the newest. @throws L1Error: there is none. */
  readonly rollupOf: (rollupId: bigint, at?: number) => Promise<RollupRecord>
  /** Where the proxy of a rollup's address is, whether it was made or not. */
  readonly proxyOf: (original: Address, rollupId: bigint) => Promise<Address>
  /** Whether the proxy was made: before that, calls to it reach nobody. */
  readonly hasProxy: (original: Address, rollupId: bigint) => Promise<boolean>
  /** What would happen. Changes nothing. */
  readonly simulate: (request: SimulationRequest) => Promise<Simulation>
  /**
   * Makes the calls in one transaction of the key's account to itself, which is delegated to the
   * batch account if it is not yet. Resolves when a block has it.
   * @throws L1Error when the account cannot be used so, the calls would revert, or no block has the
   *   transaction in time.
   */
  readonly send: (privateKey: Hex, calls: readonly Call[], options?: SendOptions) => Promise<Sent>
  /** The tables a transaction recorded at the registry; null while no block has it. */
  readonly recordedAt: (transactionHash: Hex) => Promise<Posting[] | null>
}

/** L1 cannot do what it was asked. The message says why and what to do. */
export class L1Error extends Error {
  override readonly name = 'L1Error'
  readonly code = 'L1'
}

/** `return 1`: every verifier's answer while a table is being written. */
const SAYS_YES: Hex = '0x600160005260206000f3'
/** A limit above what is needed costs nothing; one below it costs the whole transaction. */
const GAS_MARGIN = { times: 3n, over: 2n }
/** What an authorisation costs, which the estimate knows nothing of (EIP-7702). */
const AUTHORIZATION_GAS = 25_000n
/** Most a transaction may take (EIP-7825). */
const TRANSACTION_GAS = 1n << 24n
/** JSON-RPC: the node has no such method. */
const NO_METHOD = -32_601
const DEFAULT_PATIENCE_MS = 120_000
/** Between two looks for a receipt: a slot takes sixty times as long. ms. */
const RECEIPT_POLL_MS = 200

const toQuantity = (value: number | bigint): Hex => `0x${value.toString(16)}`
const lower = <T extends string>(text: T): T => text.toLowerCase() as T

/**
 * Connects to L1.
 * @throws RpcUnreachable; L1Error when there is no contract at one of the addresses.
 */
export async function createL1(options: L1Options): Promise<L1> {
  const { rpcUrl } = options
  const [registry, batchAccount] = [lower(options.registry), lower(options.batchAccount)]
  const request: Request = (method, ...params) => rpc(rpcUrl, method, params)
  const chainId = Number(await request<Hex>('eth_chainId'))
  for (const [name, address] of Object.entries({ registry, batchAccount })) {
    if ((await request<Hex>('eth_getCode', address, 'latest')) === '0x') {
      const what = `there is no contract at ${name} ${address} on chain ${chainId}`
      throw new L1Error(`${what}. Check the address, and that rpcUrl is of the right chain.`)
    }
  }
  const wiring: Wiring = { request, chainId, registry, batchAccount }
  return {
    chainId,
    registry,
    head: async () => {
      const head = await request<{ number: Hex; hash: Hex }>(
        'eth_getBlockByNumber',
        'latest',
        false,
      )
      return { number: Number(head.number), hash: head.hash }
    },
    rollupOf: (rollupId, at) => rollupOf(wiring, rollupId, at),
    proxyOf: (original, rollupId) => proxyOf(wiring, original, rollupId),
    hasProxy: async (original, rollupId) => {
      const proxy = await proxyOf(wiring, original, rollupId)
      return (await request<Hex>('eth_getCode', proxy, 'latest')) !== '0x'
    },
    simulate: createSimulator(wiring),
    send: (privateKey, calls, sending = {}) => send(wiring, privateKey, calls, sending),
    recordedAt: async (transactionHash) => {
      const receipt = await request<Receipt | null>('eth_getTransactionReceipt', transactionHash)
      return receipt === null ? null : postingsIn(receipt, registry)
    },
  }
}

type Request = <T>(method: string, ...params: readonly unknown[]) => Promise<T>

type Wiring = {
  readonly request: Request
  readonly chainId: number
  readonly registry: Address
  readonly batchAccount: Address
}

const view = (registry: Address, data: Hex) => ({ to: registry, data })

async function proxyOf(wiring: Wiring, original: Address, rollupId: bigint): Promise<Address> {
  const named = { abi: rollupsAbi, functionName: 'proxyOf' } as const
  const data = encodeFunctionData({ ...named, args: [original, rollupId] })
  const result = await wiring.request<Hex>('eth_call', view(wiring.registry, data), 'latest')
  return lower(decodeFunctionResult({ ...named, data: result }))
}

async function rollupOf(wiring: Wiring, rollupId: bigint, at?: number): Promise<RollupRecord> {
  const { request, registry } = wiring
  const block = at === undefined ? 'latest' : toQuantity(at)
  const named = { abi: rollupsAbi, functionName: 'rollupOf' } as const
  const data = encodeFunctionData({ ...named, args: [rollupId] })
  try {
    const result = await request<Hex>('eth_call', view(registry, data), block)
    const record = decodeFunctionResult({ ...named, data: result })
    return { ...record, owner: lower(record.owner), verifier: lower(record.verifier) }
  } catch (cause) {
    if (revertOf(cause) === null) throw cause
    const what = `the registry ${registry} has no rollup ${rollupId}`
    throw new L1Error(`${what}. Check the rollup’s id and the registry’s address.`, { cause })
  }
}

/** The data of a revert the node reports; null when it says something else. */
function revertOf(error: unknown): Hex | null {
  if (!(error instanceof RpcRefusal)) return null
  if (typeof error.data === 'string' && /^0x([0-9a-f]{2})*$/i.test(error.data)) {
    return error.data as Hex
  }
  return /revert/i.test(error.message) ? '0x' : null
}

/** By a trace where the node gives one, else by `eth_call`, which tells only how it ended. */
function createSimulator(wiring: Wiring): L1['simulate'] {
  let isTracing = true
  return async (request) => {
    if (isTracing) {
      try {
        return await trace(wiring, request)
      } catch (error) {
        if (!isWithoutTraces(error)) throw error
        isTracing = false
      }
    }
    return callOnly(wiring, request)
  }
}

const isWithoutTraces = (error: unknown): boolean =>
  error instanceof RpcRefusal &&
  (error.rpcCode === NO_METHOD || /method|not (?:available|allowed|supported)/i.test(error.message))

const transactionOf = ({ from, calls }: SimulationRequest) => ({
  from,
  to: from,
  data: batchData(calls),
})

/** The sender's account as the transaction's authorisation makes it; the verifiers say yes. */
const overridesOf = ({ batchAccount }: Wiring, { from, believed }: SimulationRequest) => ({
  ...Object.fromEntries(believed.map((verifier) => [verifier, { code: SAYS_YES }])),
  [from]: { code: delegationTo(batchAccount) },
})

async function trace(wiring: Wiring, request: SimulationRequest): Promise<Simulation> {
  const root = await wiring.request<CallFrame>(
    'debug_traceCall',
    transactionOf(request),
    toQuantity(request.on),
    {
      tracer: 'callTracer',
      stateOverrides: overridesOf(wiring, request),
      blockOverrides: { number: toQuantity(request.blockNumber) },
    },
  )
  return readTrace(root, wiring.registry)
}

async function callOnly(wiring: Wiring, request: SimulationRequest): Promise<Simulation> {
  const overrides = overridesOf(wiring, request)
  const block = { number: toQuantity(request.blockNumber) }
  const params = [transactionOf(request), toQuantity(request.on), overrides, block]
  try {
    await wiring.request('eth_call', ...params)
    return { kind: 'passed' }
  } catch (error) {
    const data = revertOf(error)
    if (data === null) throw error
    return readRevert(data)
  }
}

async function send(
  wiring: Wiring,
  privateKey: Hex,
  calls: readonly Call[],
  { onSigned, patienceMs = DEFAULT_PATIENCE_MS }: SendOptions,
): Promise<Sent> {
  const { request, chainId, batchAccount } = wiring
  const account = privateKeyToAccount(privateKey)
  const isDelegated = await checkDelegation(wiring, account.address)
  const nonce = Number(await request<Hex>('eth_getTransactionCount', account.address, 'pending'))
  const data = batchData(calls)
  const gas = await gasFor(wiring, account, data)
  // The transaction itself takes the nonce before.
  const authorization = { contractAddress: batchAccount, chainId, nonce: nonce + 1 }
  const authorizationList = isDelegated ? [] : [await account.signAuthorization(authorization)]
  const wallet = createWalletClient({
    account,
    transport: custom({ request: ({ method, params = [] }) => request(method, ...params) }),
  })
  const { maxFeePerGas, maxPriorityFeePerGas } = await wallet.prepareTransactionRequest({
    chain: null,
    type: 'eip1559',
    parameters: ['fees'],
  })
  const fields = { chainId, to: account.address, data, nonce, gas }
  const fees = { maxFeePerGas, maxPriorityFeePerGas }
  const signed = await account.signTransaction(
    authorizationList.length === 0
      ? { ...fields, ...fees, type: 'eip1559' }
      : { ...fields, ...fees, type: 'eip7702', authorizationList },
  )
  const transactionHash = keccak256(signed)
  await onSigned?.(transactionHash)
  await request('eth_sendRawTransaction', signed)
  return receiptOf(wiring, transactionHash, patienceMs)
}

/** Whether the account is delegated to the batch account; false when it is a plain account. */
async function checkDelegation(
  { request, batchAccount }: Wiring,
  account: Address,
): Promise<boolean> {
  const code = lower(await request<Hex>('eth_getCode', account, 'latest'))
  if (code === '0x') return false
  if (code === delegationTo(batchAccount)) return true
  const isDelegation = code.startsWith('0xef0100') && code.length === 48
  const what = isDelegation
    ? `${account} is delegated to 0x${code.slice(8)}, not to the batch account ${batchAccount}`
    : `${account} is a contract`
  throw new L1Error(`${what}. Send from an account that is not, or end its delegation first.`)
}

/** With a margin, as far as a transaction and a block may go. */
function gasLimit(needed: bigint, blockGas: bigint): bigint {
  const wanted = (needed * GAS_MARGIN.times) / GAS_MARGIN.over
  // A chain without that bound may take more: then it is needed.
  const most = needed > TRANSACTION_GAS ? blockGas : TRANSACTION_GAS
  return [wanted, most, blockGas].reduce((a, b) => (a < b ? a : b))
}

/** @throws L1Error with the contract's own words when the calls would revert. */
async function gasFor(wiring: Wiring, account: PrivateKeyAccount, data: Hex): Promise<bigint> {
  const { request, batchAccount } = wiring
  const { address } = account
  const head = await request<{ number: Hex; gasLimit: Hex }>(
    'eth_getBlockByNumber',
    'latest',
    false,
  )
  const overrides = { [address]: { code: delegationTo(batchAccount) } }
  const block = { number: toQuantity(BigInt(head.number) + 1n) }
  const transaction = { from: address, to: address, data }
  try {
    const gas = await request<Hex>('eth_estimateGas', transaction, 'latest', overrides, block)
    return gasLimit(BigInt(gas) + AUTHORIZATION_GAS, BigInt(head.gasLimit))
  } catch (cause) {
    const reason = revertOf(cause)
    if (reason === null) throw cause
    throw new L1Error(`the transaction would fail: ${reasonOf(reason)}`, { cause })
  }
}

async function receiptOf(
  { request }: Wiring,
  transactionHash: Hex,
  patienceMs: number,
): Promise<Sent> {
  const limit = AbortSignal.timeout(patienceMs)
  while (!limit.aborted) {
    const receipt = await request<(Receipt & { gasUsed: Hex }) | null>(
      'eth_getTransactionReceipt',
      transactionHash,
    )
    if (receipt !== null) {
      return {
        transactionHash,
        blockNumber: Number(receipt.blockNumber),
        gasUsed: BigInt(receipt.gasUsed),
        succeeded: BigInt(receipt.status) === 1n,
      }
    }
    await setTimeout(RECEIPT_POLL_MS)
  }
  const what = `no block has ${transactionHash} after ${Math.round(patienceMs / 1_000)} s`
  throw new L1Error(`${what}. It may still come: look it up before you send another.`)
}
