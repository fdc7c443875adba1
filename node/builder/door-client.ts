/** A builder's door as the composer meets it: asks for a proof, waits, takes what pays for it. */

import type { Address, Award, Hex, Id, ProofRequest, Start } from '#protocol/schema'
import { type Kind, type Message, schema } from '#protocol/schema'
import type { BidProof } from '../disputes.ts'
import { RpcRefusal, rpc } from './json-rpc.ts'

/** What is asked for; `WantedTerms` in `node/wanted-record.ts` has each field's meaning. */
export type Wanted = {
  readonly programId: Hex
  readonly verifier: Address
  readonly venue: Address
  readonly publicInputsHash: Hex
  readonly tableDigest: Hex
  readonly inputs: Uint8Array
  readonly work: number
} & MarketTerms

/** What the caller is ready to pay and to wait for. Amounts in wei, times in ms from the call. */
export type MarketTerms = {
  readonly reserveWei: bigint
  readonly maxReserveWei: bigint | null
  readonly bondWei: bigint
  readonly latenessWeiPerMs: bigint
  readonly softDueInMs: number | null
  readonly dueInMs: number
  readonly backups: number
  readonly claimBaseFeeCapWei: bigint
}

/** A delivered proof with what `Settlement.settleOnPost` takes to pay for it. */
export type Evidence = {
  readonly requestId: Id
  readonly request: ProofRequest
  readonly award: Award
  readonly acceptanceSignature: Hex
  readonly start: Start
  readonly startSignature: Hex
  readonly bid: BidProof
  readonly proof: Hex
}

/** What each segment of a bundle is asked for by. */
export type WantedPart = Pick<Wanted, 'programId' | 'publicInputsHash' | 'inputs' | 'work'>

export type Asked = { readonly wantedId: string; readonly requestId: Id }

/** One wait; the door waits no longer than a minute. ms. */
const WAIT_MS = 20_000
/** An answer may be that much later than the wait it was asked to make. ms. */
const GRACE_MS = 10_000
/** `rpcCodes` of the door. */
const NOT_READY = -32_002
const FAILED = -32_004

/** There will be no proof on these terms. The message is the door's, and says why. */
export class NoProof extends Error {
  override readonly name = 'NoProof'
  readonly code = 'NO_PROOF'
}

export class DoorClient {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #signal: AbortSignal

  /** @param signal Ends every wait. */
  constructor(url: string, token: string | null, signal: AbortSignal) {
    this.#url = url
    this.#headers = token === null ? {} : { authorization: `Bearer ${token}` }
    this.#signal = signal
  }

  /**
   * Asks for a proof; resolves when the request is out.
   * @param idempotencyKey Asking again with it asks nobody twice.
   */
  prove(wanted: Wanted, idempotencyKey: string): Promise<Asked> {
    return this.#call('prove', wireFields({ ...wanted, idempotencyKey }))
  }

  /**
   * Asks for the proofs of a table's segments as one bundle, which is awarded as a whole or not at
   * all; resolves when the requests are out. In the order of the segments.
   */
  async proveBundle(
    shared: Omit<Wanted, keyof WantedPart>,
    parts: readonly WantedPart[],
    idempotencyKey: string,
  ): Promise<readonly Asked[]> {
    const segments = parts.map((part) =>
      Object.fromEntries(Object.entries(part).map(([name, value]) => [name, wire(value)])),
    )
    const params = { ...wireFields({ ...shared, idempotencyKey }), segments }
    const { proofs } = await this.#call<{ proofs: readonly Asked[] }>('proveBundle', params)
    return proofs
  }

  /** The proof's bytes, when they are there. @throws NoProof */
  async proof(wantedId: string): Promise<Hex> {
    for (;;) {
      try {
        const { proof } = await this.#call<{ proof: Hex }>(
          'waitProof',
          { wantedId, timeoutMs: WAIT_MS },
          WAIT_MS + GRACE_MS,
        )
        return proof
      } catch (error) {
        const code = error instanceof RpcRefusal ? error.rpcCode : null
        if (code === FAILED) throw new NoProof((error as Error).message, { cause: error })
        if (code !== NOT_READY) throw error
      }
    }
  }

  /** What pays for a delivered proof; `null` when the node has forgotten it. */
  async evidence(wantedId: string): Promise<Evidence | null> {
    type Wire = Omit<Evidence, 'request' | 'award' | 'start' | 'bid'> &
      Readonly<Record<'request' | 'award' | 'start', object>> & {
        readonly bid: Omit<BidProof, 'priceWei'> & { readonly priceWei: string }
      }
    try {
      const read = await this.#call<Wire>('evidence', { wantedId })
      return {
        ...read,
        request: revive('ProofRequest', read.request),
        award: revive('Award', read.award),
        start: revive('Start', read.start),
        bid: { ...read.bid, priceWei: BigInt(read.bid.priceWei) },
      }
    } catch (error) {
      const data = error instanceof RpcRefusal ? (error.data as { code?: string } | null) : null
      if (data?.code === 'EVIDENCE_GONE') return null
      throw error
    }
  }

  #call<T>(name: string, params: object, timeoutMs?: number): Promise<T> {
    return rpc<T>(this.#url, `proofwire_${name}`, params, {
      headers: this.#headers,
      signal: this.#signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })
  }
}

/** Amounts travel as decimal text, bytes as 0x text. */
const wire = (value: unknown): unknown => {
  if (typeof value === 'bigint') return value.toString()
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString('hex')}` : value
}

const wireFields = (fields: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === null ? [] : [[name, wire(value)] as const],
    ),
  )

/** Integers wider than a JS number came as text. */
function revive<K extends Kind>(kind: K, message: object): Message<K> {
  const wide = schema[kind].filter(({ type }) => /^uint(64|96|128)$/.test(type))
  const read = message as Readonly<Record<string, string>>
  const amounts = wide.map(({ name }) => [name, BigInt(read[name] ?? '')])
  return { ...message, ...Object.fromEntries(amounts) } as Message<K>
}
