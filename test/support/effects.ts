/**
 * One effect of every kind, for the driver that performs them, and a market that asks for what a
 * test says. What travels is really signed, by anybody: drivers do not judge.
 */
import { createHash } from 'node:crypto'
import type { Ports } from '#node/engine'
import { createLog } from '#node/log'
import { createSigner, type Signer } from '#node/signer'
import type { Store } from '#node/store'
import type { Effect, Input, Outcome } from '#protocol/effects'
import { Market } from '#protocol/market'
import { type Hex, type ProofRequest, ZERO_WORD } from '#protocol/schema'
import * as made from '#test/support/messages'
import { CLOSES_AT, T0, terms } from '#test/support/messages'

export const domain = { chainId: 31_337, settlement: `0x${'5e'.repeat(20)}` } as const
export const keyOf = (name: string): Uint8Array =>
  createHash('sha256').update(`key ${name}`).digest()
/** Signs, and stores nothing. */
const ann = createSigner(keyOf('ann'), domain, {} as Store)

/** Ports that tell `did` what reaches them; the log's lines come whole into `logged`. */
export function told(did: (step: string) => void, logged: string[]) {
  const to = (name: string) => () => did(name)
  return {
    chain: {
      ...{ settle: to('settle'), commit: to('commit'), claim: to('claim'), slash: to('slash') },
      ...{ report: to('report'), reportMisaward: to('reportMisaward') },
    },
    counter: {
      turn: (_, prover, path) => did(`turn ${prover} ${path.length}`),
      dismiss: to('dismiss'),
      answer: ({ kind }) => did(`answer ${kind}`),
    },
    prover: {
      ...{ fetch: to('fetch'), prove: to('prove'), abort: to('abort'), deliver: to('deliver') },
      ...{ accept: to('accept'), approach: (peer: Hex) => did(`approach ${peer}`) },
    },
    log: createLog({
      level: 'warn',
      format: 'json',
      write: (line) => {
        logged.push(line)
        did(`log ${JSON.parse(line).message}`)
      },
    }),
    onEvent: ({ kind }) => did(`event ${kind}`),
  } satisfies Partial<Ports>
}

/** Answers what the test says to what it is fed. */
export class ScriptedMarket extends Market {
  readonly inputs: Input[] = []
  script: (input: Input) => Partial<Outcome> = () => ({})
  onInput: (input: Input) => void = () => undefined
  override handle(input: Input): Outcome {
    this.inputs.push(input)
    this.onInput(input)
    return { verdict: 'accept', effects: [], changed: [], ...this.script(input) }
  }
}

export const of = made.request()
export const requestId = of.id
const bids = [made.bid(of, made.alice), made.bid(of, made.bob)]
const award = made.award(of, bids)
/** As the market drafts it: the driver has the secret. */
export const awarded = {
  ...award,
  message: { ...award.message, auctionSecret: ZERO_WORD },
  bid: ann.sign('Bid', award.bid.message),
}
const start = made.start(awarded)
const started = { ...start, acceptance: ann.sign('Acceptance', start.acceptance.message) }
export const obligation = { request: of.message, award: awarded, start: started }
export const receipt = made.receipt(of, made.alice)
export const drafts: Record<'Award' | 'Start' | 'Notice' | 'Receipt', Effect> = {
  Award: { kind: 'publish', draft: awarded },
  Start: { kind: 'publish', draft: started },
  Notice: { kind: 'publish', draft: made.notice(of, made.alice) },
  Receipt: { kind: 'publish', draft: receipt },
}
export const promise = { priceWei: 5n, readyAt: CLOSES_AT, lanes: 3 }
/** Every effect that waits for the disk, by what it leads to; each kind of the type is here. */
export const binding: Record<string, Effect> = {
  'publish Award': drafts.Award,
  'publish Start': drafts.Start,
  'publish Notice': drafts.Notice,
  'publish Receipt': drafts.Receipt,
  'publish Bid': { kind: 'bid', request: of, ...promise },
  ...{ fetch: { kind: 'fetch', requestId }, prove: { kind: 'prove', requestId } },
  ...{ abort: { kind: 'abort', requestId }, deliver: { kind: 'deliver', requestId } },
  accept: { kind: 'accept', message: started.acceptance.message },
  settle: { kind: 'settle', receipt },
  commit: { kind: 'commit', requestId, dueAt: T0 },
  claim: { kind: 'claim', requestId, obligation },
  slash: { kind: 'slash', obligation, rescuers: [], atS: 1 },
  report: {
    kind: 'report',
    first: { request: of.message, award: awarded },
    second: { request: of.message, award: awarded },
  },
  reportMisaward: {
    kind: 'reportMisaward',
    request: of.message,
    award: awarded,
    better: bids[1]!,
    path: [],
  },
  [`turn ${made.alice} 1`]: { kind: 'turn', requestId, prover: made.alice, path: [ZERO_WORD] },
  dismiss: { kind: 'dismiss', requestId },
}
export const silent: Effect = {
  kind: 'announce',
  event: { kind: 'silent', requestId, prover: made.alice },
}

/** A request of this builder, with these terms instead of an honest one's. */
export const requestOf = (signer: Signer, changes: Partial<ProofRequest> = {}) => {
  const message = terms({ builder: signer.account, auctionKey: terms().auctionKey, ...changes })
  return signer.sign('ProofRequest', message)
}
