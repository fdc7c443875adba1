/** A builder's own node with its streams on a real host, and a proof that its verifier takes. */
import { BuilderCounter } from '#node/exchange'
import type { Host } from '#node/host'
import { silentLog } from '#node/log'
import type { Signer } from '#node/signer'
import { createVerifier, type Verifier } from '#node/verifier'
import type { Input } from '#protocol/effects'
import { fromHex } from '#protocol/field'
import { defaultParams as params } from '#protocol/params'
import type { Address, Id } from '#protocol/schema'
import {
  award,
  bid,
  ETHER,
  type OwnMarket,
  startOwnMarket,
  type TestClock,
  terms,
} from '#test/support/own-market'
import { sampleKey, sampleProof } from '#test/support/sample-proof'

/** Whom `proof` pays. */
export const payee: Address = sampleProof.payee
export const proof = fromHex(sampleProof.segmentProof)

/** A verifier that knows the program of `proof`. Close it. */
export function ownVerifier(): Verifier {
  return createVerifier({ keys: new Map([[sampleProof.keyId, sampleKey]]) })
}

export type OwnCounterOptions = {
  readonly host: Host
  readonly folder: string
  readonly clock: TestClock
  readonly verifier: Verifier
}

/** Opens the streams of a fresh market on this host. */
export async function startOwnCounter({ host, folder, clock, verifier }: OwnCounterOptions) {
  const fed: Input[] = []
  const looks: (() => void)[] = []
  let gate: ((key: string) => Promise<void>) | null = null
  const own = await startOwnMarket({
    folder,
    clock,
    around: (store) => ({
      ...store,
      put: async (name, ...rest) => {
        await gate?.(name)
        return store.put(name, ...rest)
      },
    }),
    counter: {
      turn: (...args) => counter.turn(...args),
      dismiss: (...args) => counter.dismiss(...args),
      answer: (...args) => counter.answer(...args),
    },
  })
  const { signer, market, store, wanted, engine } = own
  const counter: BuilderCounter = new BuilderCounter({
    ...{ host, signer, clock, params, market, store, log: silentLog, verifier },
    feed: (input) => {
      const verdict = engine.feed(input)
      fed.push(input)
      for (const look of looks.splice(0)) look()
      return verdict
    },
    onProof: (requestId, prover, bytes) => wanted.keepProof(requestId, prover, bytes),
  })
  await counter.open()
  return {
    own,
    counter,
    /** What the streams fed to the market. */
    fed,
    /** Resolves when the market was asked so often for something of this kind. */
    asked: async (kind: Input['kind'], times = 1): Promise<void> => {
      while (fed.filter((input) => input.kind === kind).length < times)
        await new Promise<void>((resolve) => looks.push(resolve))
    },
    /** The disk asks before it takes a key. */
    holdDisk: (hold: (key: string) => Promise<void>): void => {
      gate = hold
    },
  }
}
export type OwnCounter = Awaited<ReturnType<typeof startOwnCounter>>

/** A contract wallet that ann's key signs for, and that `proof` pays. */
export function wallet(own: OwnMarket): Signer {
  const [ann] = own.provers
  own.fund(payee, ETHER)
  own.chain({ kind: 'signer', account: payee, signer: ann!.account })
  return {
    ...ann!,
    account: payee,
    peerClaim: (peer, now) =>
      ann!.sign('PeerClaim', { peer, account: payee, expiresAt: now + 60_000 }),
  }
}

/** A request that `proof` answers, awarded to the first of these; the others stand behind it. */
export async function awarded(
  own: OwnMarket,
  clock: TestClock,
  ...bidders: readonly Signer[]
): Promise<Id> {
  const { keyId: programId, segmentHash: publicInputsHash } = sampleProof
  const { requestId } = await own.wanted.ask({ ...terms, programId, publicInputsHash, backups: 3 })
  for (const [index, bidder] of bidders.entries()) {
    const verdict = await bid(own, bidder, requestId, 1_000n * BigInt(index + 1))
    if (verdict !== 'accept') throw new Error(`a bid was not taken: ${verdict}`)
  }
  await award(own, clock, requestId)
  return requestId
}
