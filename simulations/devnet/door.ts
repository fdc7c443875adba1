/** A node as the devnet meets it: its door, and only that. Amounts come as decimal text. */
import { setTimeout as pause } from 'node:timers/promises'
import type { MarketEvent } from '#protocol/effects'
import type { Address, Hex, Id, ProofRequest } from '#protocol/schema'
import { schema } from '#protocol/schema'
import type { Seen } from './journal.ts'
import { follow, rpc } from './json-rpc.ts'
import type { Money } from './report.ts'

/** What a builder asks for; `node/door-methods.ts` has each field's meaning. */
export type Wanted = {
  readonly programId: Hex
  readonly verifier: Address
  readonly venue: Address
  readonly publicInputsHash: Hex
  readonly tableDigest: Hex
  readonly inputs: Hex
  readonly work: number
  readonly reserveWei: string
  readonly bondWei: string
  readonly latenessWeiPerMs: string
  readonly softDueInMs: number
  readonly dueInMs: number
  readonly backups: number
  readonly claimBaseFeeCapWei: string
}

type PartOfWanted = 'programId' | 'publicInputsHash' | 'inputs' | 'work'
/** The same for a table in segments. */
export type WantedBundle = Omit<Wanted, PartOfWanted> & {
  readonly segments: readonly Pick<Wanted, PartOfWanted>[]
}

/** Between two attempts at a door that is not open yet. ms. */
const KNOCK_MS = 100

type Status = {
  readonly account: Address
  readonly addresses: readonly string[]
  readonly connectedPeers: number
  readonly subscribers: Readonly<Record<string, number>>
  /** The newest block it has read. */
  readonly chain: { readonly blockNumber: number }
  readonly free: { readonly coverWei: string; readonly bondWei: string }
  readonly problems: readonly string[]
}

/** What the devnet reads of a wanted proof; `node/wanted-record.ts` has all of it. */
export type WantedView = {
  readonly status: 'open' | 'delivered' | 'failed'
  readonly requests: readonly {
    readonly requestId: Id
    readonly starts: readonly {
      readonly prover: Address
      readonly deliveredAt: number | null
      readonly paid: { readonly transactionHash: Hex } | null
      readonly slashed: { readonly transactionHash: Hex } | null
    }[]
  }[]
}

export class Door {
  readonly url: string
  readonly #signal: AbortSignal

  /** @param signal Ends every wait for this door. */
  constructor(url: string, signal: AbortSignal) {
    this.url = url
    this.#signal = signal
  }

  status(): Promise<Status> {
    return rpc(this.url, 'proofwire_status')
  }

  /** Resolves with a status that `isWell`; asks until then. Rejects when the signal aborts. */
  async until(isWell: (status: Status) => boolean): Promise<Status> {
    for (;;) {
      const status = await this.status().catch(() => null)
      if (status && isWell(status)) return status
      await pause(KNOCK_MS, undefined, { signal: this.#signal })
    }
  }

  async deposit(kind: 'bond' | 'stake' | 'escrow', amountWei: bigint): Promise<void> {
    const params = { kind, wei: amountWei.toString() }
    const { state } = await rpc<{ state: string }>(this.url, 'proofwire_deposit', params)
    if (state !== 'confirmed') throw new Error(`the deposit of ${kind} is still ${state}`)
  }

  /** Asks for a proof. Resolves when the request is out. */
  prove(wanted: Wanted): Promise<{ readonly wantedId: string; readonly requestId: Id }> {
    return rpc(this.url, 'proofwire_prove', wanted)
  }

  /** Asks for the proofs of a table's segments. Resolves when the requests are out. */
  async proveBundle(
    bundle: WantedBundle,
  ): Promise<readonly { readonly wantedId: string; readonly requestId: Id }[]> {
    const { proofs } = await rpc<{ proofs: { wantedId: string; requestId: Id }[] }>(
      this.url,
      'proofwire_proveBundle',
      bundle,
    )
    return proofs
  }

  /** What became of a wanted proof. */
  wanted(wantedId: string): Promise<WantedView> {
    return rpc(this.url, 'proofwire_wanted', { wantedId })
  }

  /** All money of the market, read from the chain. */
  async money(): Promise<Money> {
    const read = await rpc<Record<string, string | number>>(this.url, 'proofwire_conservation')
    const wei = (name: string): bigint => BigInt(read[name]!)
    return {
      blockNumber: Number(read.blockNumber),
      depositedWei: wei('depositedWei'),
      withdrawnWei: wei('withdrawnWei'),
      escrowWei: wei('escrowWei'),
      bondsWei: wei('bondWei') + wei('stakeWei'),
      creditsWei: wei('creditWei'),
      burntWei: wei('burntWei'),
      balanceWei: wei('balanceWei'),
    }
  }

  /** Tells of everything the market announces to this node, until the signal aborts. */
  events(
    onEvent: (seen: Seen) => void,
    onOpen?: () => void,
    signal: AbortSignal = this.#signal,
  ): Promise<void> {
    const take = (data: unknown): void => {
      const { ms, id: _, ...event } = data as { ms: number; id: number; kind: string }
      if (kinds.has(event.kind as MarketEvent['kind']))
        onEvent({ at: ms, event: revive(event as never) })
    }
    return follow(`${this.url}/events`, signal, ({ data }) => take(data), onOpen)
  }
}

/** What the journal knows; doors also tell of wanted proofs. */
const kinds: ReadonlySet<MarketEvent['kind']> = new Set([
  'requested',
  'bid-seen',
  'awarded',
  'turn-begun',
  'turn-missed',
  'started',
  'silent',
  'noticed',
  'received',
  'defaulted',
  'paid',
  'slashed',
  'ended',
  'equivocation',
  'omission',
] as const)

/** Amounts of an event as the numbers they are. */
function revive(event: MarketEvent): MarketEvent {
  const entries = Object.entries(event).map(([name, value]) =>
    name.endsWith('Wei') ? [name, BigInt(value)] : [name, value],
  )
  const revived = Object.fromEntries(entries) as MarketEvent
  if (revived.kind !== 'requested') return revived
  return { ...revived, request: reviveRequest(revived.request) }
}

/** Integers wider than a JS number travel as text. */
function reviveRequest(request: ProofRequest): ProofRequest {
  const wide = schema.ProofRequest.filter(({ type }) => /^uint(64|96|128)$/.test(type))
  const amounts = wide.map(({ name }) => [name, BigInt(request[name])])
  return { ...request, ...Object.fromEntries(amounts) }
}
