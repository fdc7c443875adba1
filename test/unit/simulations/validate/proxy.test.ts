import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { DelayProxy, type ProxyOptions } from '#simulations/validate/proxy'

const open: { close: () => void }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

/** A far end, a line to it, and a connection through the line. */
async function line(options: Partial<ProxyOptions> = {}) {
  const server: Server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const proxy = new DelayProxy({
    port,
    holdsMs: 0,
    outMs: () => 60,
    backMs: () => 20,
    ...options,
  })
  const proxyPort = await proxy.listen()
  const near = connect({ port: proxyPort, host: '127.0.0.1' })
  const [far] = (await once(server, 'connection')) as [Socket]
  open.push(server, proxy, { close: () => near.destroy() }, { close: () => far.destroy() })
  return { proxy, proxyPort, near, far }
}

/** When a chunk written at one end arrives at the other, and what it is. ms. */
async function carry(from: Socket, to: Socket, text: string): Promise<[number, string]> {
  const began = performance.now()
  const arrives = once(to, 'data')
  from.write(text)
  const [chunk] = await arrives
  return [performance.now() - began, String(chunk)]
}

describe('delay proxy', () => {
  test('delays each direction by its own, once it is long', async () => {
    const { proxy, near, far } = await line()
    expect((await carry(near, far, 'quick'))[0]).toBeLessThan(20)
    proxy.isLong = true
    const [outMs, text] = await carry(near, far, 'out')
    expect(text).toBe('out')
    expect(outMs).toBeGreaterThanOrEqual(59)
    expect(outMs).toBeLessThan(160)
    const [backMs] = await carry(far, near, 'back')
    expect(backMs).toBeGreaterThanOrEqual(19)
    expect(backMs).toBeLessThan(120)
  })

  test('keeps the order when a later chunk draws less', async () => {
    const draws = [80, 10, 40, 0]
    const { proxy, near, far } = await line({ outMs: () => draws.shift() ?? 0 })
    proxy.isLong = true
    let got = ''
    far.on('data', (chunk) => {
      got += String(chunk)
    })
    for (const text of ['a', 'b', 'c', 'd']) {
      near.write(text)
      await sleep(5)
    }
    await expect.poll(() => got).toBe('abcd')
    expect(draws).toEqual([])
  })

  test('keeps a drawn delay for as long as it holds', async () => {
    let draws = 0
    const outMs = (): number => {
      draws += 1
      return 5
    }
    const { proxy, near, far } = await line({ holdsMs: 60_000, outMs })
    proxy.isLong = true
    await carry(near, far, 'one')
    await carry(near, far, 'two')
    expect(draws).toBe(1)
  })

  test('takes one connection only', async () => {
    const { proxyPort, near, far } = await line()
    const second = connect({ port: proxyPort, host: '127.0.0.1' })
    const [error] = await once(second, 'error')
    expect(error.code).toMatch(/ECONNREFUSED|ECONNRESET/)
    expect((await carry(near, far, 'still'))[1]).toBe('still')
  })

  test('ends both sides when one is gone', async () => {
    const ends: string[] = []
    const { near, far } = await line({ onEnd: (why) => ends.push(why) })
    const closed = once(far, 'close')
    far.on('error', () => undefined)
    near.destroy()
    await closed
    expect(ends).toEqual(['near end closed it'])
  })
})
