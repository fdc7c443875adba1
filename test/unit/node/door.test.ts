import { rm } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Door, DoorError, type DoorOptions, type DoorPorts, openDoor } from '#node/door'
import type { Network } from '#node/door-methods'
import { silentLog } from '#node/log'
import type { Account } from '#node/settlement'
import { defaultParams } from '#protocol/params'
import {
  accept,
  award,
  bid,
  deliver,
  domain,
  ETHER,
  hash,
  type OwnMarket,
  startOwnMarket,
  TestClock,
  temporaryFolder,
  terms,
} from '#test/support/own-market'

let folder: string
let clock: TestClock
let own: OwnMarket
let door: Door
let problems: string[]
let deposits: { kind: string; wei: bigint; done: (hash: string) => void }[]
let readings: number
/** Ends the reading of the chain's logs. */
let read: PromiseWithResolvers<void>

const network: Network = {
  ...{ peerKey: hash('peer'), addresses: ['/ip4/127.0.0.1/tcp/1'], connectedPeers: 2 },
  subscribers: { ProofRequest: 2, Bid: 2, Award: 2, Start: 2, Notice: 2, Receipt: 1 },
  clockOffset: { offsetMs: -3, peers: 2 },
}
const holding = { activeWei: ETHER, leavingWei: 0n, readyAtS: 0 }
const money: Account = { bond: holding, stake: holding, escrow: holding, creditWei: 5n }

/** The chain is the only part that is not the real one: `chain.test.ts` has that. */
const chain = (): DoorPorts['chain'] => {
  const begin = (kind: string, wei: bigint) =>
    new Promise<{ kind: 'mined'; hash: `0x${string}` }>((resolve) => {
      deposits.push({ kind, wei, done: () => resolve({ kind: 'mined', hash: hash('deposit') }) })
    })
  return {
    moneyOf: async () => money,
    now: () => ({ blockNumber: 7, timestampS: 1_800_000_000 }),
    health: () => ({ healthy: true, answerAgeMs: 3, blockAgeMs: 900 }),
    conservation: async () => {
      readings++
      await read.promise
      const none = { withdrawnWei: 0n, stakeWei: 0n, creditWei: 0n, burntWei: 0n, bondWei: 0n }
      return { ...none, blockNumber: 7, depositedWei: 9n, escrowWei: 9n, balanceWei: 9n, ok: true }
    },
    funds: {
      depositEscrow: (_, wei) => begin('escrow', wei),
      depositStake: (_, role, wei) => begin(role, wei),
    },
  }
}

const open = (options: Partial<DoorOptions> = {}): Promise<Door> =>
  openDoor(
    {
      ...{ wanted: own.wanted, market: own.market, metrics: own.metrics, clock, log: silentLog },
      ...{ version: '0.1.0', domain, params: defaultParams, account: own.signer.account },
      ...{ chain: chain(), network: () => network, problems: () => problems },
    },
    { host: '127.0.0.1', port: 0, token: null, ...options },
  )

beforeEach(async () => {
  folder = await temporaryFolder()
  clock = new TestClock()
  own = await startOwnMarket({ folder, clock })
  problems = []
  deposits = []
  readings = 0
  read = Promise.withResolvers()
  door = await open()
})
afterEach(async () => {
  await door.close()
  await own.stop()
  await rm(folder, { recursive: true })
})

type Answer = { status: number; headers: IncomingMessage['headers']; text: string }
type Sending = { method?: string; path?: string; headers?: object; body?: string | Uint8Array }

/** One HTTP request with exactly these headers. */
const send = ({ method = 'POST', path = '/', headers = {}, body = '' }: Sending): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/json', ...headers }
    const sent = request({ port: door.port, method, path, headers: all }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
const post = async (body: unknown) => JSON.parse((await send({ body: JSON.stringify(body) })).text)
const rpc = (method: string, params?: object) =>
  post({ jsonrpc: '2.0', id: 1, method: `proofwire_${method}`, ...(params ? { params } : {}) })
const resultOf = async (method: string, params?: object) => {
  const answer = await rpc(method, params)
  expect(answer).toEqual({ jsonrpc: '2.0', id: 1, result: answer.result })
  return answer.result
}
const errorOf = async (method: string, params?: object) => (await rpc(method, params)).error

/** The terms as a caller writes them. */
const { inputs: _, ...plain } = terms
const wire = Object.fromEntries(
  Object.entries({ ...plain, inputs: '0x010203' }).map(([name, value]) => [
    name,
    typeof value === 'bigint' ? value.toString() : value,
  ]),
)
const proof = new Uint8Array([7, 7, 7])
/** From the auction to the receipt. */
async function serve(requestId: `0x${string}`): Promise<void> {
  const [ann] = own.provers
  await bid(own, ann!, requestId, 5n)
  await award(own, clock, requestId)
  await accept(own, ann!, requestId)
  await deliver(own, ann!, requestId, proof, clock.now())
}

describe('the methods', () => {
  test('prove, wanted, job and proof lead from terms to a proof', async () => {
    const { wantedId, requestId } = await resultOf('prove', wire)
    expect(own.market.job(requestId)!.request.message).toMatchObject({
      reserveWei: terms.reserveWei,
      work: 1n,
      inputBytes: 3,
      programId: terms.programId,
    })
    expect(await errorOf('proof', { wantedId })).toMatchObject({
      code: -32_002,
      data: { code: 'NOT_READY' },
    })
    expect((await resultOf('wanted', { wantedId })).status).toBe('open')
    const waiting = resultOf('waitProof', { wantedId, timeoutMs: 60_000 })
    await serve(requestId)
    const expected = {
      ...{ wantedId, requestId, prover: own.provers[0]!.account, payWei: '5', priceWei: '5' },
      ...{ deliveredAt: clock.now(), proof: '0x070707', proofHash: expect.stringMatching(/^0x/) },
    }
    expect(await waiting).toEqual(expected)
    expect(await resultOf('proof', { wantedId })).toEqual(expected)
    const wanted = await resultOf('wanted', { wantedId })
    expect(wanted).toMatchObject({ status: 'delivered', delivery: { requestId } })
    expect(wanted.requests).toMatchObject([{ requestId, bidCount: 1, priceWei: '5' }])
    expect(await resultOf('job', { requestId })).toMatchObject({
      requestId,
      award: { priceWei: '5', backups: [] },
      bids: [{ prover: own.provers[0]!.account, priceWei: '5' }],
      starts: [{ receipt: { payWei: '5' }, resolution: null }],
    })
  })

  test('job shows no prices before the award, though this node can open the bids', async () => {
    const { requestId } = await resultOf('prove', wire)
    await bid(own, own.provers[0]!, requestId, 5n)
    const { bids } = await resultOf('job', { requestId })
    expect(own.market.job(requestId)!.openings.size).toBe(1)
    expect(bids).toEqual([
      expect.objectContaining({ prover: own.provers[0]!.account, seenAt: clock.now() }),
    ])
    expect(bids[0].priceWei).toBeUndefined()
  })

  test('prove names every bad field at once and says what each must be', async () => {
    const { error } = await rpc('prove', {
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
    expect(own.wanted.list()).toEqual([])
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
    const error = await errorOf('prove', { ...wire, ...odd })
    expect(error).toMatchObject({ code: -32_602, data: { fields: [{ field: name }] } })
  })

  test('prove takes the largest inputs there are', async () => {
    const { requestId } = await resultOf('prove', {
      ...wire,
      inputs: `0x${'5a'.repeat(1_048_576)}`,
    })
    expect(own.market.job(requestId)!.request.message.inputBytes).toBe(1_048_576)
  })

  test('prove takes amounts as 0x text', async () => {
    const { requestId } = await resultOf('prove', { ...wire, reserveWei: '0x3e8', work: 3 })
    expect(own.market.job(requestId)!.request.message).toMatchObject({
      reserveWei: 1_000n,
      work: 3n,
    })
  })

  test('prove that the market refuses says why and what to do', async () => {
    const error = await errorOf('prove', { ...wire, reserveWei: ETHER.toString() })
    expect(error).toMatchObject({ code: -32_000, data: { code: 'REQUEST_UNCOVERED' } })
    expect(error.message).toMatch(/exceeds the free cover .*deposit/)
  })

  test('a wanted proof that failed says so wherever its proof is asked for', async () => {
    const { wantedId } = await resultOf('prove', wire)
    const waiting = errorOf('waitProof', { wantedId, timeoutMs: 60_000 })
    clock.advance(1_300)
    clock.advance(300)
    const failed = { code: -32_004, data: { code: 'NO_BIDS', wantedId } }
    expect(await waiting).toMatchObject(failed)
    expect(await errorOf('proof', { wantedId })).toMatchObject(failed)
    expect((await resultOf('wantedList', { status: 'failed' })).wanted).toMatchObject([
      { wantedId },
    ])
    expect((await resultOf('wantedList', { status: 'open' })).total).toBe(0)
  })

  test('waitProof ends with its time and says that nothing is ready', async () => {
    const { wantedId } = await resultOf('prove', wire)
    expect(await errorOf('waitProof', { wantedId, timeoutMs: 0 })).toMatchObject({ code: -32_002 })
    expect(await errorOf('waitProof', { wantedId, timeoutMs: 60_001 })).toMatchObject({
      code: -32_602,
    })
  })

  test('what is not known is not found', async () => {
    expect(await errorOf('wanted', { wantedId: 'w1' })).toMatchObject({ code: -32_001 })
    expect(await errorOf('proof', { wantedId: 'w1' })).toMatchObject({ code: -32_001 })
    expect(await errorOf('job', { requestId: hash('x') })).toMatchObject({ code: -32_001 })
    expect(await errorOf('nothing')).toMatchObject({ code: -32_601 })
  })

  test('status shows account, money, network, chain and jobs; without the chain it says so', async () => {
    await resultOf('prove', wire)
    expect(await resultOf('status')).toMatchObject({
      ...{ version: '0.1.0', account: own.signer.account, chainId: 31_337, problems: [] },
      ...{ peerKey: hash('peer'), subscribers: { Receipt: 1 }, clockOffset: { offsetMs: -3 } },
      chain: { blockNumber: 7, healthy: true, blockAgeMs: 900 },
      money: { escrow: { activeWei: ETHER.toString() }, creditWei: '5' },
      free: { coverWei: (ETHER / 2n - terms.reserveWei - 450_000n * 10n ** 9n).toString() },
      jobs: { open: 1, wanted: 1, remembered: 1 },
    })
  })

  test('deposit waits for the chain, and tells before a client gives up that it goes on', async () => {
    const depositing = resultOf('deposit', { kind: 'escrow', wei: '17' })
    await expect.poll(() => deposits.length).toBe(1)
    deposits[0]!.done(hash('deposit'))
    expect(await depositing).toEqual({
      ...{ state: 'confirmed', kind: 'escrow', wei: '17', transactionHash: hash('deposit') },
    })
    const late = resultOf('deposit', { kind: 'bond', wei: '0x12', timeoutMs: 100 })
    await expect.poll(() => deposits.length).toBe(2)
    clock.advance(100)
    expect(await late).toMatchObject({ state: 'pending', advice: expect.stringContaining('twice') })
    expect(deposits).toMatchObject([{ kind: 'escrow' }, { kind: 'prover', wei: 18n }])
    expect(await errorOf('deposit', { kind: 'fee', wei: '1' })).toMatchObject({ code: -32_602 })
    expect(await errorOf('deposit', { kind: 'stake', wei: '0' })).toMatchObject({ code: -32_602 })
    expect(deposits.length).toBe(2)
  })

  test('conservation is read once for all who ask at the same time', async () => {
    await door.close()
    door = await open({ limits: { maxCalls: 3 } })
    const asked = [1, 2, 3].map(() => resultOf('conservation'))
    await expect.poll(async () => (await errorOf('params'))?.data.code).toBe('BUSY')
    read.resolve()
    for (const result of await Promise.all(asked))
      expect(result).toMatchObject({ depositedWei: '9', ok: true })
    expect(readings).toBe(1)
  })

  test('params shows what every node of the market must have alike', async () => {
    const { chainId, settlement, params } = await resultOf('params')
    expect({ chainId, settlement }).toEqual(domain)
    expect(params).toMatchObject({ turnMs: 500, claimGas: '450000' })
    expect(await errorOf('params', { more: 1 })).toMatchObject({ code: -32_602 })
  })
})

describe('JSON-RPC', () => {
  const raw = async (body: string | Uint8Array) => JSON.parse((await send({ body })).text)
  const status = { jsonrpc: '2.0', id: 1, method: 'proofwire_params' }
  const invalid = { jsonrpc: '2.0', id: null, error: expect.objectContaining({ code: -32_600 }) }

  test.each([
    '',
    '{',
    'nul',
    '{"jsonrpc":"2.0"',
    '[1,',
    '\u0000',
    '['.repeat(100_000),
    `${'[{"a":'.repeat(50_000)}1${'}]'.repeat(50_000)}`,
    new Uint8Array([0x22, 0xff, 0x22]),
  ])('a body that is no JSON is a parse error (%#)', async (body) => {
    expect(await raw(body)).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32_700 } })
  })

  test.each(['1', '"text"', 'null', 'true', '[]', '{}', '[1]'])(
    'what is no call is an invalid request: %s',
    async (body) => {
      expect(await raw(body)).toEqual(body === '[1]' ? [invalid] : invalid)
    },
  )

  test.each([
    { ...status, jsonrpc: '1.0' },
    { ...status, jsonrpc: 2 },
    { ...status, method: 7 },
    { ...status, method: 'x'.repeat(300) },
    { ...status, params: null },
    { ...status, params: 'text' },
    { jsonrpc: '2.0', id: 1 },
  ])('a malformed call is an invalid request with its id: %o', async (call) => {
    expect(await post(call)).toMatchObject({ jsonrpc: '2.0', id: 1, error: { code: -32_600 } })
  })

  test.each([{}, [], true, 'x'.repeat(300)])(
    'an id that is none is answered null (%#)',
    async (id) => {
      expect(await post({ ...status, id })).toEqual(invalid)
    },
  )

  test('ids come back as they were: text, number, null', async () => {
    for (const id of ['a', 0, -1.5, null]) expect((await post({ ...status, id })).id).toBe(id)
  })

  test('parameters are an object, or a list with one object', async () => {
    expect((await post({ ...status, params: [] })).result).toBeDefined()
    expect((await post({ ...status, params: [{}] })).result).toBeDefined()
    expect((await post({ ...status, params: {} })).result).toBeDefined()
    for (const params of [[1], [{}, {}], [[]]])
      expect((await post({ ...status, params })).error.code).toBe(-32_602)
  })

  test('members that every object inherits are neither methods nor fields', async () => {
    for (const method of ['constructor', '__proto__', 'toString', 'proofwire_constructor'])
      expect((await post({ ...status, method })).error.code).toBe(-32_601)
    const body = '{"jsonrpc":"2.0","id":1,"method":"proofwire_params","params":{"__proto__":{}}}'
    expect((await raw(body)).error.data.fields).toMatchObject([{ field: '__proto__' }])
    expect((await errorOf('wanted', {})).data.fields).toEqual([
      { field: 'wantedId', problem: 'is missing' },
    ])
  })

  test('a batch is answered call by call; notifications are performed and not answered', async () => {
    const { id: __, ...notification } = { ...status, method: 'proofwire_prove', params: wire }
    const answers = await post([status, notification, 5, { ...status, id: 'z', method: 'no' }])
    expect(answers).toMatchObject([{ id: 1, result: {} }, { id: null, error: {} }, { id: 'z' }])
    expect(own.wanted.list().length).toBe(1)
    const alone = await send({ body: JSON.stringify(notification) })
    expect(alone).toMatchObject({ status: 204, text: '' })
    expect(own.wanted.list().length).toBe(2)
    expect(await send({ body: JSON.stringify([notification]) })).toMatchObject({ status: 204 })
  })

  test('a batch of too many calls is refused as a whole', async () => {
    const batch = Array.from({ length: 33 }, () => ({ ...status, method: 'proofwire_prove' }))
    expect(await post(batch)).toEqual(invalid)
  })

  test('whatever the bytes, the answer is JSON-RPC', async () => {
    const isAnswer = (answer: unknown): boolean => {
      const { jsonrpc, id, error, result } = answer as Record<string, unknown>
      const isError = typeof (error as { code?: unknown } | undefined)?.code === 'number'
      return jsonrpc === '2.0' && id !== undefined && (isError || result !== undefined)
    }
    const method = fc.constantFrom(
      ...['prove', 'wanted', 'wantedList', 'proof', 'job', 'status', 'params', 'waitProof'].map(
        (name) => `proofwire_${name}`,
      ),
    )
    const field = fc.constantFrom(...Object.keys(wire), 'wantedId', 'requestId', 'limit')
    const value = fc.oneof(fc.jsonValue(), fc.string(), fc.nat().map(String), fc.constant('0x'))
    const call = fc.record(
      {
        jsonrpc: fc.oneof({ weight: 5, arbitrary: fc.constant('2.0') }, fc.jsonValue()),
        id: fc.jsonValue(),
        method: fc.oneof({ weight: 5, arbitrary: method }, fc.jsonValue()),
        params: fc.oneof(fc.dictionary(field, value), fc.jsonValue()),
      },
      { requiredKeys: [] },
    )
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json(),
      fc.oneof(call, fc.array(call, { maxLength: 4 })).map((each) => JSON.stringify(each)),
    )
    await fc.assert(
      fc.asyncProperty(body, async (bytes) => {
        const { status, text } = await send({ body: bytes })
        if (status === 204) return text === ''
        const answer = JSON.parse(text)
        return status === 200 && (Array.isArray(answer) ? answer : [answer]).every(isAnswer)
      }),
      { numRuns: 300 },
    )
    expect((await resultOf('params')).chainId).toBe(31_337)
  })
})

describe('the door lets in', () => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'proofwire_params' })
  const codeOf = ({ text }: Answer): string => JSON.parse(text).error.data.code

  test.each(['localhost', '127.0.0.1:1', '[::1]:99', 'LOCALHOST:8645'])(
    'who asks for this machine: %s',
    async (host) => {
      expect((await send({ headers: { host }, body })).status).toBe(200)
    },
  )

  test.each(['evil.example', 'evil.example:80', '127.0.0.1.evil.example', '10.0.0.1', '[::2]'])(
    'nobody who asks for another name: %s',
    async (host) => {
      for (const [method, path] of [
        ...[['POST', '/'] as const, ['GET', '/events'] as const],
        ...[['GET', '/metrics'] as const, ['GET', '/health'] as const],
      ]) {
        const answer = await send({ method, path, headers: { host }, body })
        expect(answer.status).toBe(403)
        expect(codeOf(answer)).toBe('HOST')
      }
    },
  )

  test('no page of another origin, and no request a page can send without asking', async () => {
    for (const origin of ['http://evil.example', 'null', 'https://127.0.0.1'])
      expect(codeOf(await send({ headers: { origin }, body }))).toBe('ORIGIN')
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''])
      expect((await send({ headers: { 'content-type': type }, body })).status).toBe(415)
    const asked = await send({ method: 'OPTIONS' })
    expect(asked.status).toBe(405)
    expect(asked.headers['access-control-allow-origin']).toBeUndefined()
    const typed = { 'content-type': 'application/json; charset=utf-8' }
    expect((await send({ headers: typed, body })).status).toBe(200)
  })

  test('only who shows the token, when there is one; health is for everybody', async () => {
    const token = 'correct horse battery'.replaceAll(' ', '-')
    await door.close()
    door = await open({ token })
    const wrong = [
      '',
      'Bearer',
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Basic ${token}`,
      token,
    ]
    for (const authorization of wrong)
      for (const [method, path] of [
        ['POST', '/'],
        ['GET', '/events'],
        ['GET', '/metrics'],
      ] as const) {
        const answer = await send({ method, path, headers: { authorization }, body })
        expect(answer.status).toBe(401)
        expect(answer.headers['www-authenticate']).toBe('Bearer')
      }
    const authorization = `Bearer ${token}`
    expect((await send({ headers: { authorization }, body })).status).toBe(200)
    expect((await send({ method: 'GET', path: '/health' })).status).toBe(200)
  })

  test('nobody from elsewhere without a token', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.1', 'example.com'])
      await expect(open({ host })).rejects.toMatchObject({ code: 'TOKEN_NEEDED' })
    await expect(open({ host: '0.0.0.0', token: 'short' })).rejects.toMatchObject({
      code: 'TOKEN_SHORT',
    })
    await door.close()
    door = await open({ host: '0.0.0.0', token: 'a'.repeat(16) })
    const headers = { host: 'any.name', authorization: `Bearer ${'a'.repeat(16)}` }
    expect((await send({ headers, body })).status).toBe(200)
  })
})

describe('the door', () => {
  test('at a port in use says which and what to do', async () => {
    const opening = open({ port: door.port })
    await expect(opening).rejects.toThrow(DoorError)
    await expect(opening).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    await expect(opening).rejects.toThrow(`Port ${door.port} of 127.0.0.1 is in use`)
    await expect(opening).rejects.toThrow('doorPort')
  })

  test('at an address of another machine says what to do', async () => {
    const opening = open({ host: '192.0.2.1', token: 'a'.repeat(16) })
    await expect(opening).rejects.toMatchObject({ code: 'ADDRESS' })
    await expect(opening).rejects.toThrow('doorHost')
  })

  test('refuses a body beyond the limit, and still answers afterwards', async () => {
    await door.close()
    door = await open({ limits: { maxBodyBytes: 1_000 } })
    for (const length of [1_001, 7_000]) {
      const answer = await send({ body: 'x'.repeat(length) })
      expect(answer.status).toBe(413)
      expect(JSON.parse(answer.text).error.message).toContain('1000 bytes')
    }
    expect((await resultOf('params')).chainId).toBe(31_337)
  })

  test('answers health and metrics, and says where it is to whoever gets lost', async () => {
    expect(await send({ method: 'GET', path: '/health' })).toMatchObject({
      status: 200,
      text: '{"status":"ok","problems":[]}',
    })
    problems = ['the chain does not answer']
    const unwell = await send({ method: 'GET', path: '/health?x=1' })
    expect(unwell.status).toBe(503)
    expect(JSON.parse(unwell.text).problems).toEqual(problems)
    const metrics = await send({ method: 'GET', path: '/metrics' })
    expect(metrics.headers['content-type']).toMatch(/^text\/plain; version=0.0.4/)
    expect(metrics.text).toContain('# TYPE proofwire_auctions_total counter')
    expect(await send({ method: 'GET', path: '/' })).toMatchObject({ status: 405 })
    expect(await send({ method: 'GET', path: '/other' })).toMatchObject({ status: 404 })
    expect((await send({ method: 'PUT', path: '/events' })).status).toBe(405)
  })

  test('keeps waiting calls within their limit, and short calls go on beside them', async () => {
    await door.close()
    door = await open({ limits: { maxWaits: 2 } })
    const { wantedId, requestId } = await resultOf('prove', wire)
    const waits = [1, 2].map(() => resultOf('waitProof', { wantedId, timeoutMs: 60_000 }))
    await expect
      .poll(async () => (await errorOf('waitProof', { wantedId, timeoutMs: 0 })).data.code)
      .toBe('BUSY')
    expect((await resultOf('status')).jobs.wanted).toBe(1)
    await serve(requestId)
    expect((await Promise.all(waits)).length).toBe(2)
    expect((await resultOf('waitProof', { wantedId, timeoutMs: 0 })).proof).toBe('0x070707')
  })

  test('lets go of a wait whose caller has left', async () => {
    await door.close()
    door = await open({ limits: { maxWaits: 1 } })
    const { wantedId } = await resultOf('prove', wire)
    const params = { wantedId, timeoutMs: 60_000 }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'proofwire_waitProof', params })
    const caller = connect(door.port, '127.0.0.1')
    const head = `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
    caller.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)
    const codeNow = async () => (await errorOf('waitProof', { wantedId, timeoutMs: 0 })).data.code
    await expect.poll(codeNow).toBe('BUSY')
    caller.destroy()
    await expect.poll(codeNow).toBe('NOT_READY')
  })

  test('answers who waits when it closes', async () => {
    await door.close()
    door = await open({ limits: { maxWaits: 1 } })
    const { wantedId } = await resultOf('prove', wire)
    const waiting = errorOf('waitProof', { wantedId, timeoutMs: 60_000 })
    await expect
      .poll(async () => (await errorOf('waitProof', { wantedId, timeoutMs: 0 })).data.code)
      .toBe('BUSY')
    await door.close()
    expect(await waiting).toMatchObject({ data: { code: 'NOT_READY' } })
    door = await open()
  })

  test('lives through connections that break off and requests that are none', async () => {
    const texts = [
      'GARBAGE\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{',
      'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n',
      `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    ]
    for (const text of texts) {
      const socket = connect(door.port, '127.0.0.1')
      await new Promise((resolve) => socket.write(text, resolve))
      socket.resetAndDestroy()
    }
    expect((await resultOf('params')).chainId).toBe(31_337)
  })
})

describe('events', () => {
  type Listener = { next: () => Promise<Record<string, unknown>>; leave: () => void }
  /** One listener; `next` gives its events one by one. */
  const listen = (): Promise<Listener> =>
    new Promise((resolve, reject) => {
      const asked = request({ port: door.port, path: '/events' }, (response) => {
        if (response.statusCode !== 200) {
          response.resume()
          reject(new Error(`${response.statusCode}`))
          return
        }
        expect(response.headers['content-type']).toMatch(/^text\/event-stream/)
        const events: Record<string, unknown>[] = []
        let unread = ''
        let wake = () => {}
        response.on('data', (chunk: Buffer) => {
          const frames = `${unread}${chunk}`.split('\n\n')
          unread = frames.pop()!
          for (const frame of frames) {
            const data = /^data: (.*)$/m.exec(frame)?.[1]
            if (data) events.push(JSON.parse(data))
          }
          wake()
        })
        response.on('error', () => {})
        const next = async (): Promise<Record<string, unknown>> => {
          while (events.length === 0) await new Promise<void>((done) => (wake = done))
          return events.shift()!
        }
        resolve({ next, leave: () => asked.destroy() })
      })
      asked.on('error', reject)
      asked.end()
    })

  test('tell what the market and the wanted proofs announce, in order, with ids and times', async () => {
    const listener = await listen()
    const { wantedId, requestId } = await resultOf('prove', wire)
    expect(await listener.next()).toEqual({
      ...{ id: 1, ms: clock.now(), kind: 'wanted-opened', wantedId, requestId },
    })
    const transactionHash = hash('paid')
    const prover = own.provers[0]!.account
    door.publish({ kind: 'paid', requestId, prover, payWei: 10n ** 20n, transactionHash })
    expect(await listener.next()).toMatchObject({
      id: 2,
      kind: 'paid',
      payWei: `1${'0'.repeat(20)}`,
    })
    await serve(requestId)
    expect(await listener.next()).toMatchObject({ id: 3, kind: 'wanted-delivered', payWei: '5' })
    await door.close()
    expect(await listener.next()).toMatchObject({ kind: 'stopping' })
    door = await open()
  })

  test('are for a limited number of listeners, and a place that is left is free again', async () => {
    await door.close()
    door = await open({ limits: { maxListeners: 2 } })
    const first = await listen()
    const second = await listen()
    const turnedAway = await send({ method: 'GET', path: '/events' })
    expect(turnedAway.status).toBe(503)
    first.leave()
    await expect
      .poll(() =>
        listen().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    second.leave()
  })

  test('a listener that does not read is cut off and told, and the others go on', async () => {
    await door.close()
    door = await open({ limits: { maxUnreadBytes: 10_000 } })
    const reader = await listen()
    const slow = connect(door.port, '127.0.0.1')
    slow.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n')
    let text = ''
    await new Promise<void>((resolve) => {
      slow.once('data', (chunk) => {
        text += chunk
        slow.pause()
        resolve()
      })
    })
    // 26 MB: more than the system buffers for a connection, so that the rest stays with the node.
    const [requestId, prover] = [hash('request'), own.provers[0]!.account]
    const backups = Array.from({ length: 2_000 }, () => prover)
    const terms = { priceWei: 1n, readyAt: 2, bidCount: 3, backups }
    for (let n = 1; n <= 300; n++) {
      door.publish({ kind: 'awarded', requestId, prover, ...terms })
      expect((await reader.next()).id).toBe(n)
    }
    slow.on('data', (chunk) => (text += chunk))
    slow.resume()
    await new Promise((resolve) => slow.once('end', resolve))
    expect(text).toContain('"kind":"cut-off"')
    expect(text).toContain('connect again')
    reader.leave()
  })
})
