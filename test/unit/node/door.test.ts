import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DoorError } from '#node/door'
import { type Answer, type OwnDoor, startOwnDoor, wire } from '#test/support/own-door'

let at: OwnDoor
beforeEach(async () => {
  at = await startOwnDoor()
})
afterEach(() => at.stop())

describe('the door lets in', () => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'proofwire_params' })
  const codeOf = ({ text }: Answer): string => JSON.parse(text).error.data.code

  test.each(['localhost', '127.0.0.1:1', '[::1]:99', 'LOCALHOST:8645'])(
    'who asks for this machine: %s',
    async (host) => {
      expect((await at.send({ headers: { host }, body })).status).toBe(200)
    },
  )

  test.each(['evil.example', 'evil.example:80', '127.0.0.1.evil.example', '10.0.0.1', '[::2]'])(
    'nobody who asks for another name: %s',
    async (host) => {
      for (const [method, path] of [
        ...[['POST', '/'] as const, ['GET', '/events'] as const],
        ...[['GET', '/metrics'] as const, ['GET', '/health'] as const],
      ]) {
        const answer = await at.send({ method, path, headers: { host }, body })
        expect(answer.status).toBe(403)
        expect(codeOf(answer)).toBe('HOST')
      }
    },
  )

  test('no page of another origin, and no request a page can send without asking', async () => {
    for (const origin of ['http://evil.example', 'null', 'https://127.0.0.1'])
      expect(codeOf(await at.send({ headers: { origin }, body }))).toBe('ORIGIN')
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''])
      expect((await at.send({ headers: { 'content-type': type }, body })).status).toBe(415)
    const asked = await at.send({ method: 'OPTIONS' })
    expect(asked.status).toBe(405)
    expect(asked.headers['access-control-allow-origin']).toBeUndefined()
    const typed = { 'content-type': 'application/json; charset=utf-8' }
    expect((await at.send({ headers: typed, body })).status).toBe(200)
  })

  test('only who shows the token, when there is one; health is for everybody', async () => {
    const token = 'correct horse battery'.replaceAll(' ', '-')
    await at.reopen({ token })
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
        const answer = await at.send({ method, path, headers: { authorization }, body })
        expect(answer.status).toBe(401)
        expect(answer.headers['www-authenticate']).toBe('Bearer')
      }
    const authorization = `Bearer ${token}`
    expect((await at.send({ headers: { authorization }, body })).status).toBe(200)
    expect((await at.send({ method: 'GET', path: '/health' })).status).toBe(200)
  })

  test('nobody from elsewhere without a token', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.1', 'example.com'])
      await expect(at.open({ host })).rejects.toMatchObject({ code: 'TOKEN_NEEDED' })
    await expect(at.open({ host: '0.0.0.0', token: 'short' })).rejects.toMatchObject({
      code: 'TOKEN_SHORT',
    })
    await at.reopen({ host: '0.0.0.0', token: 'a'.repeat(16) })
    const headers = { host: 'any.name', authorization: `Bearer ${'a'.repeat(16)}` }
    expect((await at.send({ headers, body })).status).toBe(200)
  })
})

describe('the door', () => {
  test('at a port in use says which and what to do', async () => {
    const opening = at.open({ port: at.door.port })
    await expect(opening).rejects.toThrow(DoorError)
    await expect(opening).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    await expect(opening).rejects.toThrow(`Port ${at.door.port} of 127.0.0.1 is in use`)
    await expect(opening).rejects.toThrow('doorPort')
  })

  test('at an address of another machine says what to do', async () => {
    const opening = at.open({ host: '192.0.2.1', token: 'a'.repeat(16) })
    await expect(opening).rejects.toMatchObject({ code: 'ADDRESS' })
    await expect(opening).rejects.toThrow('doorHost')
  })

  test('refuses a body beyond the limit, and still answers afterwards', async () => {
    await at.reopen({ limits: { maxBodyBytes: 1_000 } })
    for (const length of [1_001, 7_000]) {
      const answer = await at.send({ body: 'x'.repeat(length) })
      expect(answer.status).toBe(413)
      expect(JSON.parse(answer.text).error.message).toContain('1000 bytes')
    }
    expect((await at.resultOf('params')).chainId).toBe(31_337)
  })

  test('reads a limited number of bodies at once', async () => {
    await at.reopen({ limits: { maxBodies: 1 } })
    const slow = connect(at.door.port, '127.0.0.1')
    const type = 'Content-Type: application/json'
    slow.write(`POST / HTTP/1.1\r\nHost: localhost\r\n${type}\r\nContent-Length: 9\r\n\r\n{`)
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'proofwire_params' })
    await expect.poll(async () => (await at.send({ body })).status).toBe(503)
    slow.destroy()
    await expect.poll(async () => (await at.send({ body })).status).toBe(200)
  })

  test('answers health and metrics, and says where it is to whoever gets lost', async () => {
    expect(await at.send({ method: 'GET', path: '/health' })).toMatchObject({
      status: 200,
      text: '{"status":"ok","problems":[]}',
    })
    at.problems.push('the chain does not answer')
    const unwell = await at.send({ method: 'GET', path: '/health?x=1' })
    expect(unwell.status).toBe(503)
    expect(JSON.parse(unwell.text).problems).toEqual(at.problems)
    const metrics = await at.send({ method: 'GET', path: '/metrics' })
    expect(metrics.headers['content-type']).toMatch(/^text\/plain; version=0.0.4/)
    expect(metrics.text).toContain('# TYPE proofwire_auctions_total counter')
    expect(await at.send({ method: 'GET', path: '/' })).toMatchObject({ status: 405 })
    expect(await at.send({ method: 'GET', path: '/other' })).toMatchObject({ status: 404 })
    expect((await at.send({ method: 'PUT', path: '/events' })).status).toBe(405)
  })

  test('keeps waiting calls within their limit, and short calls go on beside them', async () => {
    await at.reopen({ limits: { maxWaits: 2 } })
    const { wantedId, requestId } = await at.resultOf('prove', wire)
    const waits = [1, 2].map(() => at.resultOf('waitProof', { wantedId, timeoutMs: 60_000 }))
    await expect
      .poll(async () => (await at.errorOf('waitProof', { wantedId, timeoutMs: 0 })).data.code)
      .toBe('BUSY')
    expect((await at.resultOf('status')).jobs.wanted).toBe(1)
    await at.serve(requestId)
    expect((await Promise.all(waits)).length).toBe(2)
    expect((await at.resultOf('waitProof', { wantedId, timeoutMs: 0 })).proof).toBe('0x070707')
  })

  test('lets go of a wait whose caller has left', async () => {
    await at.reopen({ limits: { maxWaits: 1 } })
    const { wantedId } = await at.resultOf('prove', wire)
    const params = { wantedId, timeoutMs: 60_000 }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'proofwire_waitProof', params })
    const caller = connect(at.door.port, '127.0.0.1')
    const head = `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
    caller.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)
    const codeNow = async () =>
      (await at.errorOf('waitProof', { wantedId, timeoutMs: 0 })).data.code
    await expect.poll(codeNow).toBe('BUSY')
    caller.destroy()
    await expect.poll(codeNow).toBe('NOT_READY')
  })

  test('answers who waits when it closes', async () => {
    await at.reopen({ limits: { maxWaits: 1 } })
    const { wantedId } = await at.resultOf('prove', wire)
    const waiting = at.errorOf('waitProof', { wantedId, timeoutMs: 60_000 })
    await expect
      .poll(async () => (await at.errorOf('waitProof', { wantedId, timeoutMs: 0 })).data.code)
      .toBe('BUSY')
    await at.door.close()
    expect(await waiting).toMatchObject({ data: { code: 'NOT_READY' } })
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
      const socket = connect(at.door.port, '127.0.0.1')
      await new Promise((resolve) => socket.write(text, resolve))
      socket.resetAndDestroy()
    }
    expect((await at.resultOf('params')).chainId).toBe(31_337)
  })
})
