/**
 * A builder's door on a real port, before the node of `own-market.ts`; only the chain is made up.
 */
import { rm } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { type Door, type DoorOptions, type DoorPorts, openDoor } from '#node/door'
import type { Network } from '#node/door-methods'
import { silentLog } from '#node/log'
import type { Account } from '#node/settlement'
import { defaultParams } from '#protocol/params'
import type { Hex, Id } from '#protocol/schema'
import {
  accept,
  award,
  bid,
  deliver,
  domain,
  ETHER,
  hash,
  startOwnMarket,
  TestClock,
  temporaryFolder,
  terms,
} from './own-market.ts'

const network: Network = {
  ...{ peerKey: hash('peer'), addresses: ['/ip4/127.0.0.1/tcp/1'], connectedPeers: 2 },
  subscribers: { ProofRequest: 2, Bid: 2, Award: 2, Start: 2, Notice: 2, Receipt: 1 },
  clockOffset: { offsetMs: -3, peers: 2 },
}
const holding = { activeWei: ETHER, leavingWei: 0n, readyAtS: 0 }
const money: Account = { bond: holding, stake: holding, escrow: holding, creditWei: 5n }

/** What the made-up chain was asked for, and how its answers are given. */
class TestChain {
  readonly deposits: { readonly kind: string; readonly wei: bigint; readonly done: () => void }[] =
    []
  readings = 0
  /** Ends the reading of the logs. */
  readonly read = Promise.withResolvers<void>()
  error: Error | null = null

  readonly port: DoorPorts['chain'] = {
    moneyOf: async () => {
      if (this.error) throw this.error
      return money
    },
    now: () => ({ blockNumber: 7, timestampS: 1_800_000_000 }),
    health: () => ({ healthy: true, answerAgeMs: 3, blockAgeMs: 900 }),
    conservation: async () => {
      this.readings++
      await this.read.promise
      if (this.error) throw this.error
      const none = { withdrawnWei: 0n, stakeWei: 0n, creditWei: 0n, burntWei: 0n, bondWei: 0n }
      return { ...none, blockNumber: 7, depositedWei: 9n, escrowWei: 9n, balanceWei: 9n, ok: true }
    },
    funds: {
      depositEscrow: (_, wei) => this.#deposit('escrow', wei),
      depositStake: (_, role, wei) => this.#deposit(role, wei),
    },
  }

  #deposit(kind: string, wei: bigint): Promise<{ kind: 'mined'; hash: Hex }> {
    return new Promise((resolve) => {
      const done = (): void => resolve({ kind: 'mined', hash: hash('deposit') })
      this.deposits.push({ kind, wei, done })
    })
  }
}

export type Answer = {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}
export type Sending = {
  readonly method?: string
  readonly path?: string
  readonly headers?: object
  readonly body?: string | Uint8Array
}

/** The terms of `own-market.ts` as a caller writes them. */
const { inputs: _, ...plain } = terms
export const wire: Readonly<Record<string, unknown>> = Object.fromEntries(
  Object.entries({ ...plain, inputs: '0x010203' }).map(([name, value]) => [
    name,
    typeof value === 'bigint' ? value.toString() : value,
  ]),
)
export const proof = new Uint8Array([7, 7, 7])

export async function startOwnDoor() {
  const folder = await temporaryFolder()
  const clock = new TestClock()
  const own = await startOwnMarket({ folder, clock })
  const chain = new TestChain()
  const problems: string[] = []
  const open = (options: Partial<DoorOptions>): Promise<Door> =>
    openDoor(
      {
        ...{ wanted: own.wanted, market: own.market, metrics: own.metrics, clock, log: silentLog },
        ...{ version: '0.1.0', domain, params: defaultParams, account: own.signer.account },
        ...{ chain: chain.port, network: () => network, problems: () => problems },
      },
      { host: '127.0.0.1', port: 0, token: null, ...options },
    )
  let door = await open({})

  /** One HTTP request with exactly these headers. */
  const send = ({ method = 'POST', path = '/', headers = {}, body = '' }: Sending) =>
    new Promise<Answer>((resolve, reject) => {
      const all = { 'content-type': 'application/json', ...headers }
      const sent = request({ port: door.port, method, path, headers: all }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode!, headers: response.headers, text })
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })
  /** A call's answer, or a batch's. */
  const post = async (body: unknown) =>
    JSON.parse((await send({ body: JSON.stringify(body) })).text)
  const call = (method: string, params?: object) =>
    post({ jsonrpc: '2.0', id: 1, method: `proofwire_${method}`, ...(params ? { params } : {}) })

  return {
    ...{ own, clock, chain, problems, open, send, post },
    get door() {
      return door
    },
    /** Closes the door and opens another. */
    reopen: async (options: Partial<DoorOptions> = {}): Promise<void> => {
      await door.close()
      door = await open(options)
    },
    resultOf: async (method: string, params?: object) => {
      const { result, error } = await call(method, params)
      if (error) throw new Error(`${method}: ${error.message}`)
      return result
    },
    errorOf: async (method: string, params?: object) => (await call(method, params)).error,
    /** From the auction of a request to its receipt. */
    serve: async (requestId: Id): Promise<void> => {
      const ann = own.provers[0]!
      await bid(own, ann, requestId, 5n)
      await award(own, clock, requestId)
      await accept(own, ann, requestId)
      await deliver(own, ann, requestId, proof, clock.now())
    },
    stop: async (): Promise<void> => {
      await door.close()
      await own.stop()
      await rm(folder, { recursive: true })
    },
  }
}
export type OwnDoor = Awaited<ReturnType<typeof startOwnDoor>>
