/** A prover named by an award, with a disk of its own, whose world the test makes. */
import { createHash } from 'node:crypto'
import { ExchangeRefused } from '#node/exchange'
import { silentLog } from '#node/log'
import { Proving, type ProvingPorts } from '#node/proving'
import { createSigner } from '#node/signer'
import { openStore, type Store } from '#node/store'
import { StreamError } from '#node/streams'
import { bidTree } from '#protocol/auction'
import type { Input, Verdict } from '#protocol/effects'
import type { Hex } from '#protocol/schema'
import { HandClock, settled } from '#test/support/hand-clock'
import { alice, CLOSES_AT, receipt, start } from '#test/support/messages'
import { awarded, bids, named, of } from '#test/support/prover-stage'

export const NOW = CLOSES_AT + 50
const privateKey = createHash('sha256').update('a prover').digest()
const domain = { chainId: 31_337, settlement: `0x${'5e'.repeat(20)}` } as const
export const inputs = Uint8Array.of(1, 2, 3)
export const proof = Uint8Array.of(7, 7, 7)
export const path = bidTree(bids).path(bids[0]!.bid.id)!

export const unreachable = () => Promise.reject(new StreamError('UNREACHABLE', 'no answer'))
export const refused = (code: string) => Promise.reject(new ExchangeRefused(code))
/** Answers only by its abortion, as a builder that lets us wait and a backend that works do. */
export const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

/** What differs from a builder and a backend that do at once what they should. */
export type World = Partial<{
  [K in 'exchange' | 'role' | 'verifier' | 'chain' | 'host']: Partial<ProvingPorts[K]>
}> & { readonly verdict?: (input: Input) => Verdict }

export async function openProvingStage(folder: string) {
  const disk = await openStore(folder)
  const clock = new HandClock(NOW)
  const steps: string[] = []
  const fed: Input[] = []
  const looks: (() => void)[] = []
  const did = (step: string): void => {
    steps.push(step)
    for (const look of looks.splice(0)) look()
  }
  const count = (step: string): number => steps.filter((each) => each === step).length
  const store: Store = {
    ...disk,
    put: async (key, value, options) => {
      await disk.put(key, value, options)
      did(`put ${key}${options?.sync ? ' sync' : ''}`)
    },
    batch: async (writes, options) => {
      await disk.batch(writes, options)
      did(`batch ${writes.map(({ key }) => key)}${options?.sync ? ' sync' : ''}`)
    },
  }
  const signer = createSigner(privateKey, domain, store)
  const proverIn = (world: World = {}): Proving => {
    const { exchange, role, verifier, chain, host, verdict } = world
    const feed = (input: Input): Verdict => {
      fed.push(input)
      did(`fed ${input.kind === 'message' ? input.from.kind : input.kind}`)
      return verdict?.(input) ?? 'accept'
    }
    return new Proving({
      ...{ market: named().market, store, clock, log: silentLog, feed },
      signer,
      feedStored: async (input) => {
        const answer = feed(input)
        await settled()
        did('stored')
        return answer
      },
      verifier: { verify: async () => true, close: async () => undefined, ...verifier },
      exchange: {
        fetch: async () => ({ path, inputs }),
        accept: async () => start(awarded),
        deliver: async () => receipt(of, alice),
        ...exchange,
      },
      role: { check: async () => null, prove: async () => proof, ...role },
      chain: { isResolved: async () => false, ...chain },
      host: {
        connect: async (peer) => peer as Hex,
        protect: () => undefined,
        unprotect: () => undefined,
        ...host,
      },
    })
  }
  return {
    ...{ disk, clock, signer, count, did, proverIn },
    /** All that happened, in its order, and what of it was fed to the market. */
    ...{ steps, fed },
    /** Resolves when this happened so often. */
    done: async (step: string, times = 1): Promise<void> => {
      while (count(step) < times) await new Promise<void>((resolve) => looks.push(resolve))
    },
  }
}
export type ProvingStage = Awaited<ReturnType<typeof openProvingStage>>
