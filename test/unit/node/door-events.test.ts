import { request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type OwnDoor, startOwnDoor, wire } from '#test/support/own-door'
import { hash } from '#test/support/own-market'

let at: OwnDoor
beforeEach(async () => {
  at = await startOwnDoor()
})
afterEach(() => at.stop())

describe('events', () => {
  type Listener = { next: () => Promise<Record<string, unknown>>; leave: () => void }
  /** One listener; `next` gives its events one by one. */
  const listen = (): Promise<Listener> =>
    new Promise((resolve, reject) => {
      const asked = request({ port: at.door.port, path: '/events' }, (response) => {
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
    const { wantedId, requestId } = await at.resultOf('prove', wire)
    expect(await listener.next()).toEqual({
      ...{ id: 1, ms: at.clock.now(), kind: 'wanted-opened', wantedId, requestId },
    })
    const transactionHash = hash('paid')
    const prover = at.own.provers[0]!.account
    at.door.publish({ kind: 'paid', requestId, prover, payWei: 10n ** 20n, transactionHash })
    expect(await listener.next()).toMatchObject({
      id: 2,
      kind: 'paid',
      payWei: `1${'0'.repeat(20)}`,
    })
    await at.serve(requestId)
    expect(await listener.next()).toMatchObject({ id: 3, kind: 'wanted-delivered', payWei: '5' })
    await at.door.close()
    expect(await listener.next()).toMatchObject({ kind: 'stopping' })
  })

  test('are for a limited number of listeners, and a place that is left is free again', async () => {
    await at.reopen({ limits: { maxListeners: 2 } })
    const first = await listen()
    const second = await listen()
    const turnedAway = await at.send({ method: 'GET', path: '/events' })
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
    await at.reopen({ limits: { maxUnreadBytes: 10_000 } })
    const reader = await listen()
    const slow = connect(at.door.port, '127.0.0.1')
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
    const [requestId, prover] = [hash('request'), at.own.provers[0]!.account]
    const backups = Array.from({ length: 2_000 }, () => prover)
    const terms = { priceWei: 1n, readyAt: 2, bidCount: 3, backups }
    for (let n = 1; n <= 300; n++) {
      at.door.publish({ kind: 'awarded', requestId, prover, ...terms })
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
