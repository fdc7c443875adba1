import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type OwnDoor, startOwnDoor, wire } from '#test/support/own-door'

let at: OwnDoor
beforeEach(async () => {
  at = await startOwnDoor()
})
afterEach(() => at.stop())

describe('JSON-RPC', () => {
  const raw = async (body: string | Uint8Array) => JSON.parse((await at.send({ body })).text)
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
    expect(await at.post(call)).toMatchObject({ jsonrpc: '2.0', id: 1, error: { code: -32_600 } })
  })

  test.each([{}, [], true, 'x'.repeat(300)])(
    'an id that is none is answered null (%#)',
    async (id) => {
      expect(await at.post({ ...status, id })).toEqual(invalid)
    },
  )

  test('ids come back as they were: text, number, null', async () => {
    for (const id of ['a', 0, -1.5, null]) expect((await at.post({ ...status, id })).id).toBe(id)
  })

  test('parameters are an object, or a list with one object', async () => {
    expect((await at.post({ ...status, params: [] })).result).toBeDefined()
    expect((await at.post({ ...status, params: [{}] })).result).toBeDefined()
    expect((await at.post({ ...status, params: {} })).result).toBeDefined()
    for (const params of [[1], [{}, {}], [[]]])
      expect((await at.post({ ...status, params })).error.code).toBe(-32_602)
  })

  test('members that every object inherits are neither methods nor fields', async () => {
    for (const method of ['constructor', '__proto__', 'toString', 'proofwire_constructor'])
      expect((await at.post({ ...status, method })).error.code).toBe(-32_601)
    const body = '{"jsonrpc":"2.0","id":1,"method":"proofwire_params","params":{"__proto__":{}}}'
    expect((await raw(body)).error.data.fields).toMatchObject([{ field: '__proto__' }])
    expect((await at.errorOf('wanted', {})).data.fields).toEqual([
      { field: 'wantedId', problem: 'is missing' },
    ])
  })

  test('a batch is answered call by call; notifications are performed and not answered', async () => {
    const { id: __, ...notification } = { ...status, method: 'proofwire_prove', params: wire }
    const answers = await at.post([status, notification, 5, { ...status, id: 'z', method: 'no' }])
    expect(answers).toMatchObject([{ id: 1, result: {} }, { id: null, error: {} }, { id: 'z' }])
    expect(at.own.wanted.list().length).toBe(1)
    const alone = await at.send({ body: JSON.stringify(notification) })
    expect(alone).toMatchObject({ status: 204, text: '' })
    expect(at.own.wanted.list().length).toBe(2)
    expect(await at.send({ body: JSON.stringify([notification]) })).toMatchObject({ status: 204 })
  })

  test('a batch of too many calls is refused as a whole', async () => {
    const batch = Array.from({ length: 33 }, () => ({ ...status, method: 'proofwire_prove' }))
    expect(await at.post(batch)).toEqual(invalid)
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
        const { status, text } = await at.send({ body: bytes })
        if (status === 204) return text === ''
        const answer = JSON.parse(text)
        return status === 200 && (Array.isArray(answer) ? answer : [answer]).every(isAnswer)
      }),
      { numRuns: 300 },
    )
    expect((await at.resultOf('params')).chainId).toBe(31_337)
  })
})
