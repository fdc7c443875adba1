/**
 * A node that deposits a bond and is killed on the way: run as a process of its own, because only a
 * real SIGKILL shows what is on the disk. argv[2] is JSON: `CrashOptions`.
 */
import { type ChainOptions, connectChain } from '#node/chain'
import { silentLog } from '#node/log'
import { openStore } from '#node/store'

/** Where to die: before the bytes leave, after they arrived, or after the receipt was read. */
export type CrashPoint = 'before-send' | 'after-send' | 'after-receipt'
export type CrashOptions = Pick<
  ChainOptions,
  'rpcUrl' | 'privateKey' | 'expectedChainId' | 'settlement'
> & {
  readonly folder: string
  readonly point: CrashPoint
  readonly amountWei: string
  readonly params: Record<string, number | string>
}

const { folder, point, amountWei, ...options } = JSON.parse(process.argv[2]!) as CrashOptions
const die = (): void => {
  process.kill(process.pid, 'SIGKILL')
}

const send = globalThis.fetch
globalThis.fetch = async (input, init) => {
  const body = String(init?.body)
  const isSend = body.includes('eth_sendRawTransaction')
  if (isSend && point === 'before-send') die()
  const response = await send(input, init)
  if (isSend && point === 'after-send') die()
  if (body.includes('eth_getTransactionReceipt') && point === 'after-receipt') die()
  return response
}

const chain = await connectChain({
  ...options,
  params: { ...options.params, claimGas: BigInt(options.params.claimGas!) } as never,
  store: await openStore(folder),
  log: silentLog,
  confirmations: 1,
  pollMs: 20,
})
await chain.start(() => {})
await chain.funds.depositStake(chain.account, 'prover', BigInt(amountWei))
