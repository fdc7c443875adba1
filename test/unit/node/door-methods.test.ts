import { BaseError } from 'viem'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type OwnDoor, startOwnDoor, wire } from '#test/support/own-door'
import { accept, award, bid, deliver, domain, ETHER, hash, terms } from '#test/support/own-market'

let at: OwnDoor
beforeEach(async () => {
  at = await startOwnDoor()
})
afterEach(() => at.stop())

describe('the methods', () => {
  test('prove, wanted, job and proof lead from terms to a proof', async () => {
    const { wantedId, requestId } = await at.resultOf('prove', wire)
    expect(at.own.market.job(requestId)!.request.message).toMatchObject({
      reserveWei: terms.reserveWei,
      work: 1n,
      inputBytes: 3,
      programId: terms.programId,
    })
    expect(await at.errorOf('proof', { wantedId })).toMatchObject({
      code: -32_002,
      data: { code: 'NOT_READY' },
    })
    expect((await at.resultOf('wanted', { wantedId })).status).toBe('open')
    const waiting = at.resultOf('waitProof', { wantedId, timeoutMs: 60_000 })
    await at.serve(requestId)
    const expected = {
      ...{ wantedId, requestId, prover: at.own.provers[0]!.account, payWei: '5', priceWei: '5' },
      ...{
        deliveredAt: at.clock.now(),
        proof: '0x070707',
        proofHash: expect.stringMatching(/^0x/),
      },
    }
    expect(await waiting).toEqual(expected)
    expect(await at.resultOf('proof', { wantedId })).toEqual(expected)
    const wanted = await at.resultOf('wanted', { wantedId })
    expect(wanted).toMatchObject({ status: 'delivered', delivery: { requestId } })
    expect(wanted.requests).toMatchObject([{ requestId, bidCount: 1, priceWei: '5' }])
    expect(await at.resultOf('job', { requestId })).toMatchObject({
      requestId,
      award: { priceWei: '5', backups: [] },
      bids: [{ prover: at.own.provers[0]!.account, priceWei: '5' }],
      starts: [{ receipt: { payWei: '5' }, resolution: null }],
    })
  })

  test('job shows no prices before the award, though this node can open the bids', async () => {
    const { requestId } = await at.resultOf('prove', wire)
    await bid(at.own, at.own.provers[0]!, requestId, 5n)
    const { bids } = await at.resultOf('job', { requestId })
    expect(at.own.market.job(requestId)!.openings.size).toBe(1)
    expect(bids).toEqual([
      expect.objectContaining({ prover: at.own.provers[0]!.account, seenAt: at.clock.now() }),
    ])
    expect(bids[0].priceWei).toBeUndefined()
  })

  test('prove names every bad field at once and says what each must be', async () => {
    const error = await at.errorOf('prove', {
      ...wire,
      ...{ reserveWei: 5, inputs: '0x0', verifier: '0x12', dueInMs: 1.5, reserveWie: '5' },
      ...{ venue: undefined, bondWei: (1n << 128n).toString(), backups: -1 },
    })
    expect(error.code).toBe(-32_602)
    expect(error.message).toMatch(/^invalid params: verifier must be 0x and 40/)
    const named = error.data.fields.map(({ field }: { field: string }) => field).sort()
    expect(named).toEqual([
      ...['backups', 'bondWei', 'dueInMs', 'inputs', 'reserveWei', 'reserveWie', 'venue'],
      'verifier',
    ])
    expect(at.own.wanted.list()).toEqual([])
  })

  test.each([
    ['softDueInMs', { softDueInMs: 20_001 }],
    ['maxReserveWei', { maxReserveWei: '1' }],
    ['inputs', { inputs: '0x' }],
    ['inputs', { inputs: '0x01zz' }],
    ['inputs', { inputs: `0x${'00'.repeat(1_048_577)}` }],
    ['idempotencyKey', { idempotencyKey: 'a\nb' }],
    ['work', { work: '-1' }],
    ['claimBaseFeeCapWei', { claimBaseFeeCapWei: (1n << 64n).toString() }],
  ])('prove refuses a bad %s: %o', async (name, odd) => {
    const error = await at.errorOf('prove', { ...wire, ...odd })
    expect(error).toMatchObject({ code: -32_602, data: { fields: [{ field: name }] } })
  })

  test('prove takes the largest inputs there are', async () => {
    const { requestId } = await at.resultOf('prove', {
      ...wire,
      inputs: `0x${'5a'.repeat(1_048_576)}`,
    })
    expect(at.own.market.job(requestId)!.request.message.inputBytes).toBe(1_048_576)
  })

  test('prove takes amounts as 0x text', async () => {
    const { requestId } = await at.resultOf('prove', { ...wire, reserveWei: '0x3e8', work: 3 })
    expect(at.own.market.job(requestId)!.request.message).toMatchObject({
      reserveWei: 1_000n,
      work: 3n,
    })
  })

  /** The terms of a bundle as a caller writes them. */
  const bundleWire = (count: number, inputs = '0x010203') => {
    const { programId, publicInputsHash, work, inputs: _, ...shared } = wire
    const segment = { programId, publicInputsHash, work, inputs }
    return { ...shared, segments: Array.from({ length: count }, () => segment) }
  }

  test('proveBundle asks for one proof a segment; each is waited for and evidenced like any', async () => {
    const { bundleId, proofs } = await at.resultOf('proveBundle', bundleWire(2))
    expect(proofs).toHaveLength(2)
    const [ann, bob] = at.own.provers
    for (const [index, { requestId }] of proofs.entries()) {
      const { request } = await at.resultOf('job', { requestId })
      expect(request).toMatchObject({ bundleId, bundleIndex: index, bundleSize: 2 })
      await bid(at.own, ann!, requestId, 5n)
      await bid(at.own, bob!, requestId, 6n)
    }
    await award(at.own, at.clock, proofs[0].requestId)
    await at.own.when(() => at.own.market.job(proofs[1].requestId)?.award)
    for (const [index, prover] of [ann!, bob!].entries()) {
      const { wantedId, requestId } = proofs[index]
      const waiting = at.resultOf('waitProof', { wantedId, timeoutMs: 60_000 })
      await accept(at.own, prover, requestId)
      await deliver(at.own, prover, requestId, new Uint8Array([7]), at.clock.now())
      expect(await waiting).toMatchObject({ wantedId, prover: prover.account, proof: '0x07' })
      expect(await at.resultOf('evidence', { wantedId })).toMatchObject({ requestId })
    }
  })

  test.each([
    ['segments', { segments: [] }],
    ['segments', { segments: bundleWire(1).segments }],
    ['segments', { segments: bundleWire(65).segments }],
    ['segments', { segments: [1, 2] }],
    ['segments', { segments: 'two' }],
    ['programId', { programId: terms.programId }],
    ['softDueInMs', { softDueInMs: 20_001 }],
  ])('proveBundle refuses a bad %s: %o', async (name, odd) => {
    const error = await at.errorOf('proveBundle', { ...bundleWire(2), ...odd })
    expect(error).toMatchObject({ code: -32_602, data: { fields: [{ field: name }] } })
    expect(at.own.wanted.list()).toEqual([])
  })

  test('proveBundle names the segment and the field that is wrong', async () => {
    const given = bundleWire(2)
    const [first, second] = given.segments
    const odd = { ...given, segments: [first, { ...second, work: '-1' }] }
    expect((await at.errorOf('proveBundle', odd)).message).toContain('[1].work must be a whole')
  })

  test('proveBundle takes as many bytes of inputs as four of the largest requests', async () => {
    const inputs = `0x${'5a'.repeat(1_048_576)}`
    const { proofs } = await at.resultOf('proveBundle', bundleWire(4, inputs))
    expect(proofs).toHaveLength(4)
  })

  test('prove that the market refuses says why and what to do', async () => {
    const error = await at.errorOf('prove', { ...wire, reserveWei: ETHER.toString() })
    expect(error).toMatchObject({ code: -32_000, data: { code: 'REQUEST_UNCOVERED' } })
    expect(error.message).toMatch(/exceeds the free cover .*deposit/)
  })

  test('a wanted proof that failed says so wherever its proof is asked for', async () => {
    const { wantedId } = await at.resultOf('prove', wire)
    const waiting = at.errorOf('waitProof', { wantedId, timeoutMs: 60_000 })
    at.clock.advance(1_300)
    at.clock.advance(300)
    const failed = { code: -32_004, data: { code: 'NO_BIDS', wantedId } }
    expect(await waiting).toMatchObject(failed)
    expect(await at.errorOf('proof', { wantedId })).toMatchObject(failed)
    expect((await at.resultOf('wantedList', { status: 'failed' })).wanted).toMatchObject([
      { wantedId },
    ])
    expect((await at.resultOf('wantedList', { status: 'open' })).total).toBe(0)
  })

  test('waitProof ends with its time and says that nothing is ready', async () => {
    const { wantedId } = await at.resultOf('prove', wire)
    expect(await at.errorOf('waitProof', { wantedId, timeoutMs: 0 })).toMatchObject({
      code: -32_002,
    })
    expect(await at.errorOf('waitProof', { wantedId, timeoutMs: 60_001 })).toMatchObject({
      code: -32_602,
    })
  })

  test('what is not known is not found', async () => {
    expect(await at.errorOf('wanted', { wantedId: 'w1' })).toMatchObject({ code: -32_001 })
    expect(await at.errorOf('proof', { wantedId: 'w1' })).toMatchObject({ code: -32_001 })
    expect(await at.errorOf('job', { requestId: hash('x') })).toMatchObject({ code: -32_001 })
    expect(await at.errorOf('nothing')).toMatchObject({ code: -32_601 })
  })

  test('status shows account, money, network, chain and jobs', async () => {
    await at.resultOf('prove', wire)
    expect(await at.resultOf('status')).toMatchObject({
      ...{ version: '0.1.0', account: at.own.signer.account, chainId: 31_337, problems: [] },
      ...{ peerKey: hash('peer'), subscribers: { Receipt: 1 }, clockOffset: { offsetMs: -3 } },
      chain: { blockNumber: 7, healthy: true, blockAgeMs: 900 },
      money: { escrow: { activeWei: ETHER.toString() }, creditWei: '5' },
      free: { coverWei: (ETHER / 2n - terms.reserveWei - 380_000n * 10n ** 9n).toString() },
      jobs: { open: 1, wanted: 1, remembered: 1 },
    })
  })

  test('a chain that does not answer, and a fault of the node, are told apart', async () => {
    at.chain.error = new BaseError('nobody is there')
    at.chain.read.resolve()
    expect(await at.errorOf('conservation')).toMatchObject({
      ...{ code: -32_005, data: { code: 'CHAIN_UNREACHABLE' } },
      message: expect.stringContaining('nobody is there'),
    })
    const { money, problems, account } = await at.resultOf('status')
    expect({ money, account }).toEqual({ money: null, account: at.own.signer.account })
    expect(problems).toEqual([expect.stringContaining('balances')])
    at.chain.error = new Error('a path of this machine')
    const fault = await at.errorOf('conservation')
    expect(fault).toMatchObject({ code: -32_603, data: { code: 'INTERNAL' } })
    expect(fault.message).not.toContain('path')
  })

  test('deposit waits for the chain, and tells before a client gives up that it goes on', async () => {
    const depositing = at.resultOf('deposit', { kind: 'escrow', wei: '17' })
    await expect.poll(() => at.chain.deposits.length).toBe(1)
    at.chain.deposits[0]!.done()
    expect(await depositing).toEqual({
      ...{ state: 'confirmed', kind: 'escrow', wei: '17', transactionHash: hash('deposit') },
    })
    const late = at.resultOf('deposit', { kind: 'bond', wei: '0x12', timeoutMs: 100 })
    await expect.poll(() => at.chain.deposits.length).toBe(2)
    at.clock.advance(100)
    expect(await late).toMatchObject({ state: 'pending', advice: expect.stringContaining('twice') })
    expect(at.chain.deposits).toMatchObject([{ kind: 'escrow' }, { kind: 'prover', wei: 18n }])
    expect(await at.errorOf('deposit', { kind: 'fee', wei: '1' })).toMatchObject({ code: -32_602 })
    expect(await at.errorOf('deposit', { kind: 'stake', wei: '0' })).toMatchObject({
      code: -32_602,
    })
    expect(at.chain.deposits.length).toBe(2)
  })

  test('conservation is read once for all who ask at the same time', async () => {
    await at.reopen({ limits: { maxCalls: 3 } })
    const asked = [1, 2, 3].map(() => at.resultOf('conservation'))
    await expect.poll(async () => (await at.errorOf('params'))?.data.code).toBe('BUSY')
    at.chain.read.resolve()
    for (const result of await Promise.all(asked))
      expect(result).toMatchObject({ depositedWei: '9', ok: true })
    expect(at.chain.readings).toBe(1)
  })

  test('params shows what every node of the market must have alike', async () => {
    const { chainId, settlement, params } = await at.resultOf('params')
    expect({ chainId, settlement }).toEqual(domain)
    expect(params).toMatchObject({ turnMs: 500, claimGas: '380000' })
    expect(await at.errorOf('params', { more: 1 })).toMatchObject({ code: -32_602 })
  })
})
