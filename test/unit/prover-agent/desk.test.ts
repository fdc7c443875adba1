import { afterEach, describe, expect, test } from 'vitest'
import { hashOf } from '#simulations/pretence'
import {
  PROOF,
  prove,
  removeFolders,
  type Scene,
  SLOWEST,
  scene,
  turn,
  win,
} from '#test/support/agent-scene'
import { settled } from '#test/support/hand-clock'
import {
  acceptance,
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  DUE_AT,
  MILLI,
  receipt,
  start,
  terms,
} from '#test/support/messages'

afterEach(removeFolders)

describe('a job that was won', () => {
  test('is accepted, proven and paid', async () => {
    const set = await scene()
    const { stage, agent, proofs, lines, tell, calibration, clock } = set
    const { asked, awarded } = win(set, 1)
    expect(turn(set, asked.id, CLOSES_AT + 100)).toContain('accept')
    stage.feed({ kind: 'committed', from: acceptance(awarded) })
    expect(agent.unfinished()).toBe(1)
    const proving = prove(set, asked.message)
    await settled()
    expect(agent.status()).toMatchObject({ lanes: { running: 1 }, jobs: { accepted: 1 } })
    stage.hear(start(awarded))
    await clock.moveTo(CLOSES_AT + 1_100)
    proofs[0]?.resolve(PROOF)
    expect(await proving).toBe(PROOF)
    expect(calibration.timingOf(terms().programId, 1n)?.count).toBe(21)
    stage.feed({ kind: 'proved', requestId: asked.id, proofHash: hashOf('proof') }, clock.now())
    stage.hear(receipt(asked, alice, { proofHash: hashOf('proof'), payWei: 10n * MILLI }), DUE_AT)
    tell()
    expect(agent.unfinished()).toBe(0)
    expect(agent.status()).toMatchObject({
      figures: { won: 1, delivered: 1, awaitedWei: 10n * MILLI },
    })
    expect(lines.filter((line) => /won an auction|delivered a proof/.test(line))).toHaveLength(2)
  })

  test('is not accepted when nothing is well any more', async () => {
    const set = await scene()
    const { asked } = win(set, 1)
    set.world.isHealthy = false
    expect(turn(set, asked.id, CLOSES_AT + 100)).toEqual(['abort'])
    expect(set.lines.at(-1)).toContain('cannot accept a job')
  })

  test('is not accepted when its turn comes too late', async () => {
    const set = await scene()
    const { asked } = win(set, 1)
    expect(turn(set, asked.id, DUE_AT - 250 - SLOWEST + 1)).toEqual(['abort'])
  })

  test('is accepted beside another only when both are done in time', async () => {
    const set = await scene()
    const [first, second] = [win(set, 1), win(set, 2)]
    // Its backup's turn, long after: the two in a row would not fit any more.
    const late = DUE_AT - 250 - 2 * SLOWEST + 1
    expect(turn(set, first.asked.id, late)).toContain('accept')
    expect(turn(set, second.asked.id, late)).toEqual(['abort'])
  })

  test('a backup is accepted when there is room, and gives way to an auction won', async () => {
    const asBackup = (set: Scene, nonce: number) => {
      const { priceWei, readyAt, request: asked } = set.bids(nonce)!
      const own = bid(asked, alice, priceWei, readyAt)
      const rival = bid(asked, bob, 1n)
      set.stage.hear(own.bid)
      set.stage.hear(rival.bid)
      set.stage.hear(award(asked, [rival, own]), CLOSES_AT + 50)
      set.tell()
      return asked
    }
    const late = DUE_AT - 250 - SLOWEST
    const free = await scene()
    const asked = asBackup(free, 1)
    expect(free.lines.at(-1)).toContain('named as a backup')
    expect(turn(free, asked.id, late)).toContain('accept')
    const busy = await scene()
    const waiting = asBackup(busy, 1)
    win(busy, 2)
    expect(turn(busy, waiting.id, late)).toEqual(['abort'])
  })

  test('that a restart brings back waits for its lane in the order of promises', async () => {
    const set = await scene({ attached: false })
    const { agent, node, proofs } = set
    const slow = prove(set, terms({ nonce: 1n, dueAt: DUE_AT + 1 }))
    const urgent = prove(set, terms({ nonce: 2n }))
    await settled()
    expect(proofs).toHaveLength(0)
    await agent.attach(node)
    await settled()
    expect([...agent.lanes.running.keys()]).toEqual([`${builder}/2`])
    proofs[0]?.resolve(PROOF)
    expect(await urgent).toBe(PROOF)
    await settled()
    proofs[1]?.resolve(PROOF)
    expect(await slow).toBe(PROOF)
  })
})
