import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { follow, rpc, type StreamEvent } from '#simulations/devnet/json-rpc'

let server: Server | null = null
async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

describe('devnet json-rpc', () => {
  test('an error answer is thrown with the server’s words', async () => {
    const url = await serve((_, response) => {
      response.end('{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"escrow is short"}}')
    })
    await expect(rpc(url, 'proofwire_prove')).rejects.toThrow('proofwire_prove: escrow is short')
  })

  test('events are read whole, however they are cut, and the stream is opened again', async () => {
    const text =
      'id: 1\nevent: market\ndata: {"a":1}\n\n: still here\n\ndata: {"a":\r\ndata: 2}\r\n\r\n'
    let opened = 0
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      opened += 1
      if (opened === 1) response.end(text)
      else for (const letter of text) response.write(letter)
    })
    const abort = new AbortController()
    const events: StreamEvent[] = []
    await follow(url, abort.signal, (event) => {
      events.push(event)
      if (events.length === 4) abort.abort()
    })
    const once_ = [
      { name: 'market', data: { a: 1 } },
      { name: 'message', data: { a: 2 } },
    ]
    expect(events).toEqual([...once_, ...once_])
    expect(opened).toBe(2)
  })
})
