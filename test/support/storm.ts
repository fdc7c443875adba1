/**
 * Random lives of a market: the messages of a few jobs near their natural order and time, some
 * lost, doubled, changed, late, or signed by others, among local inputs nobody asked for; effects
 * are mostly answered.
 */
import type { OpenedBid } from '#protocol/auction'
import type { Effect, Gossiped, Input, SignedRequest } from '#protocol/effects'
import { schema } from '#protocol/schema'
import { auctionSecretOf, pretendSigned } from '#simulations/pretence'
import type { Random } from '#simulations/random'
import {
  acceptance,
  alice,
  award,
  bid,
  bob,
  builder,
  carol,
  dave,
  MILLI,
  notice,
  receipt,
  request,
  type Stage,
  start,
  stranger,
  T0,
} from '#test/support/messages'

const people = [alice, bob, carol, dave, builder, stranger]
const provers = [alice, bob, carol, dave]
const ZERO = `0x${'00'.repeat(32)}` as const

/** One job's messages, each with the instant an honest node would hear it. */
type Script = {
  readonly of: SignedRequest
  readonly bids: readonly OpenedBid[]
  readonly lines: readonly { readonly at: number; readonly from: Gossiped }[]
}

/** A job; `nonce` and `openedAt` may be another's too. */
function scriptOf(random: Random, nonce: bigint, openedAt: number, retryOf = ZERO): Script {
  const closesAt = openedAt + 400
  const of = request({
    builder: random.chance(0.9) ? builder : alice,
    nonce,
    openedAt,
    closesAt,
    softDueAt: closesAt + 2_000,
    dueAt: closesAt + 6_000,
    backups: random.index(4),
    reserveWei: BigInt(10 + random.index(3)) * MILLI,
    work: BigInt(1 + random.index(2)),
    retryOf,
    ...(random.chance(0.2) ? anyBundle(random) : {}),
  })
  const bids = provers
    .filter(() => random.chance(0.8))
    .map((prover) =>
      bid(of, prover, BigInt(random.index(11)) * MILLI, closesAt + random.index(6_200)),
    )
  const lines: { at: number; from: Gossiped }[] = [{ at: openedAt + 20, from: of }]
  for (const { bid: signed } of bids)
    lines.push({ at: openedAt + 30 + random.index(340), from: signed })
  if (bids.length === 0) return { of, bids, lines }
  const awards = [award(of, bids), award(of, bids.toReversed())].slice(
    0,
    random.chance(0.1) ? 2 : 1,
  )
  for (const from of awards) {
    lines.push({ at: closesAt + random.index(600), from })
    for (const { bid: signed } of bids.slice(0, 1 + random.index(3))) {
      const { prover } = signed.message
      const startedAt = closesAt + 50 + random.index(3_000)
      const readyAt = startedAt + random.index(4_000)
      lines.push({ at: startedAt + 20, from: start(from, prover, { startedAt }) })
      lines.push({ at: readyAt + 20, from: notice(of, prover, { readyAt }) })
      const payWei = BigInt(random.index(10)) * MILLI
      const paid = receipt(of, prover, { payWei, deliveredAt: readyAt + 10 })
      lines.push({ at: readyAt + 60, from: paid })
    }
  }
  return { of, bids, lines }
}

/** A place in one of few bundles, now and then an impossible one. */
const anyBundle = (random: Random) => ({
  bundleId: `0x${(1 + random.index(2)).toString().repeat(64)}` as const,
  bundleIndex: random.index(3),
  bundleSize: 2 + random.index(2),
})

/** A message with one field changed, under its own new id. */
export function mutated(random: Random, from: Gossiped): Gossiped {
  const { name, type } = random.pick<{ name: string; type: string }>(schema[from.kind])
  const message = { ...from.message, [name]: anyValue(random, type) }
  return { ...from, ...pretendSigned(from.kind, message as never, from.signer) } as Gossiped
}

function anyValue(random: Random, type: string): unknown {
  if (type.endsWith(']')) {
    const [element, count] = [type.slice(0, type.indexOf('[')), Number(type.at(-2))]
    return Array.from({ length: count }, () => anyValue(random, element))
  }
  if (type === 'address') return random.pick([...people, `0x${'00'.repeat(20)}`])
  if (type === 'bytes32') return `0x${random.index(4).toString().repeat(64)}`
  const bits = Number(type.slice('uint'.length))
  const large = random.chance(0.3) ? 2n ** BigInt(bits) - 1n : BigInt(random.index(4))
  return bits <= 48 ? Number(large) : large
}

type Play = { readonly at: number; readonly input: Input }

/** What a driver would feed after an effect, and when; `null` for what has no answer. */
function answerTo(
  random: Random,
  script: readonly Script[],
  effect: Effect,
  stage: Stage,
): Play | null {
  const { now } = stage
  const soon = now + random.index(60)
  switch (effect.kind) {
    case 'wake':
      return { at: effect.at, input: { kind: 'tick', requestId: effect.requestId } }
    case 'expire':
      return { at: effect.at, input: { kind: 'expired', holdId: effect.holdId } }
    case 'fetch':
      return {
        at: soon,
        input: { kind: 'fetched', requestId: effect.requestId, ok: random.chance(0.9) },
      }
    case 'prove': {
      const proofHash = random.chance(0.9) ? effect.requestId : null
      const at = now + random.index(5_000)
      return { at, input: { kind: 'proved', requestId: effect.requestId, proofHash } }
    }
    case 'accept': {
      const from = pretendSigned('Acceptance', effect.message, effect.message.prover)
      return { at: soon, input: { kind: 'committed', from } }
    }
    case 'open': {
      const known = script.flatMap(({ bids }) => bids)
      const openings = effect.bids.map(({ id }) => ({
        bidId: id,
        opening: known.find(({ bid: signed }) => signed.id === id)?.opening ?? null,
      }))
      return { at: soon, input: { kind: 'opened', requestId: effect.requestId, openings } }
    }
    case 'turn': {
      const { requestId, prover } = effect
      const awardId = stage.market.job(requestId)?.award?.id ?? ZERO
      const from = pretendSigned('Acceptance', { requestId, awardId, prover }, prover)
      return { at: soon, input: { kind: 'accepted', from } }
    }
    case 'announce': {
      // A started prover delivers, to whom it may concern.
      if (effect.event.kind !== 'started') return null
      const { requestId, prover } = effect.event
      const deliveredAt = now + random.index(6_000)
      const input = { kind: 'delivered', requestId, prover, proofHash: ZERO, deliveredAt } as const
      return { at: deliveredAt + 20, input }
    }
    case 'publish':
      return { at: soon, input: { kind: 'message', from: signedDraft(script, effect.draft) } }
    case 'bid': {
      const { request: of, priceWei, readyAt } = effect
      return { at: soon, input: { kind: 'message', from: bid(of, alice, priceWei, readyAt).bid } }
    }
    default:
      return null
  }
}

function signedDraft(
  script: readonly Script[],
  draft: Extract<Effect, { kind: 'publish' }>['draft'],
) {
  const of = script.find(({ of: { id } }) => id === draft.message.requestId)?.of
  const signer = draft.kind === 'Notice' ? draft.message.prover : (of?.message.builder ?? builder)
  const secret = draft.kind === 'Award' && of ? { auctionSecret: auctionSecretOf(of.message) } : {}
  const message = { ...draft.message, ...secret }
  return { ...draft, ...pretendSigned(draft.kind, message as never, signer) } as Gossiped
}

/** An input nobody asked for. */
function strayInput(random: Random, { of, bids, lines }: Script): Input {
  const requestId = of.id
  const prover = random.pick(people)
  const wei = (): bigint => BigInt(random.index(300)) * MILLI
  const event = { builder, prover, nonce: of.message.nonce, transactionHash: requestId }
  const awards = lines.map(({ from }) => from).filter((from) => from.kind === 'Award')
  const from = acceptance(awards[0] ?? award(of, [bid(of, alice)]), prover)
  const bidId = bids[0]?.bid.id ?? requestId
  return random.pick<Input>([
    { kind: 'tick', requestId },
    { kind: 'waiting', requestId, prover },
    { kind: 'fetched', requestId, ok: random.chance(0.5) },
    { kind: 'proved', requestId, proofHash: random.chance(0.5) ? requestId : null },
    {
      kind: 'delivered',
      requestId,
      prover,
      proofHash: ZERO,
      deliveredAt: T0 + random.index(8_000),
    },
    { kind: 'opened', requestId, openings: [{ bidId, opening: null }] },
    { kind: 'expired', holdId: bidId },
    { kind: 'resume' },
    { kind: 'accepted', from },
    { kind: 'committed', from },
    {
      kind: 'chain',
      event: {
        kind: 'account',
        account: prover,
        bondWei: wei(),
        stakeWei: 9n * wei(),
        escrowWei: wei(),
      },
    },
    {
      kind: 'chain',
      event: { kind: 'signer', account: prover, signer: random.pick([...people, null]) },
    },
    { kind: 'chain', event: { kind: 'paid', payWei: wei(), ...event } },
    { kind: 'chain', event: { kind: 'slashed', bondWei: wei(), ...event } },
  ])
}

/** Scripts of some jobs, a few of them rivals for one nonce or retries; made once, played often. */
export function scripts(random: Random, count: number): Script[] {
  const all: Script[] = []
  for (let index = 0; index < count; index++) {
    const retried = random.chance(0.15) ? all.at(-1) : undefined
    const openedAt = retried ? retried.of.message.closesAt + 900 : T0 + random.index(4) * 150
    all.push(
      scriptOf(random, BigInt(index - (random.chance(0.1) ? 1 : 0)), openedAt, retried?.of.id),
    )
  }
  return all
}

/**
 * What is heard of one line: nothing, it, it changed or signed by another, twice, or much later.
 */
function heardOf(random: Random, { at, from }: Script['lines'][number]): Play[] {
  if (random.chance(0.08)) return []
  const said = random.chance(0.05) ? mutated(random, from) : from
  const heard = random.chance(0.04) ? { ...said, signer: random.pick(people) } : said
  const later = random.chance(0.05) ? random.index(20_000) : random.index(60)
  const play: Play = { at: at + later, input: { kind: 'message', from: heard } }
  return random.chance(0.1) ? [play, { ...play, at: play.at + random.index(2_000) }] : [play]
}

/**
 * Plays some of the scripts to a market, until nothing more is to come or `steps` are over.
 * @param answered Share of effects that the driver answers; the rest are lost in a crash of its
 * own.
 */
export function play(
  random: Random,
  all: readonly Script[],
  stage: Stage,
  { steps, answered = 0.95 }: { readonly steps: number; readonly answered?: number },
): void {
  const from = random.index(all.length)
  const cast = all.slice(from, from + 1 + random.index(8))
  const plays = cast.flatMap(({ lines }) => lines.flatMap((line) => heardOf(random, line)))
  for (let stray = 0; stray < 6; stray++)
    plays.push({ at: T0 + random.index(8_000), input: strayInput(random, random.pick(cast)) })
  plays.sort((a, b) => a.at - b.at)
  for (let step = 0; step < steps; step++) {
    const next = plays.shift()
    if (!next) return
    stage.feed(next.input, Math.max(next.at, stage.now))
    for (const effect of stage.effects) {
      const answer = random.chance(answered) ? answerTo(random, cast, effect, stage) : null
      if (answer) insert(plays, answer)
    }
  }
}

function insert(plays: Play[], play: Play): void {
  const index = plays.findIndex(({ at }) => at > play.at)
  plays.splice(index < 0 ? plays.length : index, 0, play)
}
