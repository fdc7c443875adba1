import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DoorClient, NoProof, type Wanted } from '#node/builder/door-client'
import { RpcRefusal, RpcUnreachable } from '#node/builder/json-rpc'
import { type OwnDoor, proof, startOwnDoor } from '#test/support/own-door'
import { accept, award, bid, deliver, terms } from '#test/support/own-market'

const TOKEN = '0123456789abcdef'
let at: OwnDoor
let ending: AbortController
beforeEach(async () => {
  at = await startOwnDoor()
  ending = new AbortController()
})
afterEach(() => at.stop())

const client = (token: string | null = null): DoorClient =>
  new DoorClient(at.door.url, token, ending.signal)
const wanted: Wanted = { ...terms, work: 1, maxReserveWei: null, softDueInMs: null }

describe('a builder’s door from outside', () => {
  test('prove leads to the proof’s bytes, whatever else is asked meanwhile', async () => {
    const { wantedId, requestId } = await client().prove(wanted, 'table 1')
    expect(at.own.market.job(requestId)!.request.message).toMatchObject({
      ...{ programId: terms.programId, tableDigest: terms.tableDigest, inputBytes: 3 },
      ...{ reserveWei: terms.reserveWei, work: 1n },
    })
    const waiting = client().proof(wantedId)
    await at.serve(requestId)
    expect(await waiting).toBe('0x070707')
  })

  test('asking again with the same key asks nobody twice, with other terms it is refused', async () => {
    const first = await client().prove(wanted, 'table 1')
    expect(await client().prove(wanted, 'table 1')).toEqual(first)
    expect(at.own.wanted.list().length).toBe(1)
    const other = client().prove({ ...wanted, work: 2 }, 'table 1')
    await expect(other).rejects.toThrow(/was used with other terms/)
  })

  test('a wait goes on when the door’s own has passed', async () => {
    const { own, clock } = at
    const waits = vi.spyOn(own.wanted, 'wait')
    const { wantedId, requestId } = await client().prove({ ...wanted, dueInMs: 50_000 }, 'x')
    const waiting = client().proof(wantedId)
    await expect.poll(() => waits.mock.calls.length).toBe(1)
    const ann = own.provers[0]!
    await bid(own, ann, requestId, 5n)
    await award(own, clock, requestId)
    await accept(own, ann, requestId)
    clock.advance(20_000)
    await expect.poll(() => waits.mock.calls.length).toBe(2)
    await deliver(own, ann, requestId, proof, clock.now())
    expect(await waiting).toBe('0x070707')
  })

  test('a proof that will not come is told apart from a door that refuses', async () => {
    const { wantedId } = await client().prove(wanted, 'x')
    const waiting = client().proof(wantedId)
    const failed = expect(waiting).rejects.toThrow(NoProof)
    at.clock.advance(1_300)
    at.clock.advance(300)
    await failed
    await expect(waiting).rejects.toThrow(/nobody bid/)
    await expect(client().proof('w1')).rejects.toThrow(RpcRefusal)
  })

  test('the token opens a door that asks for one', async () => {
    await at.reopen({ token: TOKEN })
    await expect(client().prove(wanted, 'x')).rejects.toThrow(/doorToken/)
    await expect(client('fedcba9876543210').prove(wanted, 'x')).rejects.toThrow(/doorToken/)
    expect((await client(TOKEN).prove(wanted, 'x')).wantedId).toMatch(/^w/)
  })

  test('a door that is not there, and one that is none, are named', async () => {
    const nowhere = new DoorClient('http://127.0.0.1:9/secret', null, ending.signal)
    const error = await nowhere.prove(wanted, 'x').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RpcUnreachable)
    expect((error as Error).message).toMatch(/127\.0\.0\.1:9\/… does not answer .*Does it run/)
    const server = createServer((_, response) => response.end('welcome'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const other = new DoorClient(url, null, ending.signal)
    await expect(other.prove(wanted, 'x')).rejects.toThrow(RpcUnreachable)
    server.close()
  })

  test('the signal ends a wait', async () => {
    const { wantedId } = await client().prove(wanted, 'x')
    const waiting = client().proof(wantedId)
    const ended = expect(waiting).rejects.toThrow(/enough/)
    ending.abort(new Error('enough'))
    await ended
  })
})
