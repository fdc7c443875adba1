import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Hex } from '#protocol/schema'
import { deposits } from '#simulations/devnet/genesis'
import { LoadMaker, shapes, tableContext, wantedOf } from '#simulations/devnet/load'
import type { Member } from '#simulations/devnet/members'
import { buildShape, createNetwork, type Network } from '#simulations/devnet/network'
import { Processes } from '#simulations/devnet/processes'
import { until } from '#simulations/devnet/until'
import { proofwire } from '#test/support/devnet'

const SHAPE = 'tiny'
/** A deposit needs a block. ms. */
const FUNDED_WITHIN_MS = 20_000

const ending = new AbortController()
let folder: string
let processes: Processes
let network: Network
let builder: Member
let keyId: Hex

/** A chain, the contracts and a builder with money: what bad input could harm. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-bad-input-'))
  processes = new Processes(folder)
  keyId = await buildShape(processes, SHAPE, () => undefined)
  network = await createNetwork({
    ...{ folder, processes, seed: 'bad input', shape: SHAPE, keyId },
    ...{ provers: 2, hasStalling: false, signal: ending.signal },
  })
  builder = network.members[1]!
  await network.start(network.members[0]!)
  await network.start(builder)
  await builder.door.deposit('stake', deposits.stakeWei)
  await builder.door.deposit('escrow', deposits.escrowWei)
  const isFunded = async () => BigInt((await builder.door.status()).free.coverWei) > 0n
  await until(isFunded, FUNDED_WITHIN_MS, 'the deposits are not seen', ending.signal)
})
afterAll(async () => {
  ending.abort()
  await processes.stopAll()
  await rm(folder, { recursive: true })
})

/** A second node beside the builder, well set up but for `flags`. */
const secondNode = (flags: Readonly<Record<string, string>>) => {
  const given = {
    config: join(folder, 'builder.toml'),
    'data-folder': join(folder, 'second'),
    'door-port': '0',
    listen: '/ip4/127.0.0.1/tcp/0',
    ...flags,
  }
  const args = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value])
  return proofwire(['node', ...args])
}

describe('a node that cannot start says what is wrong and what to do, and ends', () => {
  const port = (url: string): string => new URL(url).port
  const cases: readonly (readonly [
    what: string,
    flags: () => Promise<Record<string, string>> | Record<string, string>,
    said: readonly RegExp[],
  ])[] = [
    [
      'no key file',
      () => ({ 'key-file': join(folder, 'nowhere.key') }),
      [/There is no file .*nowhere\.key/, /keyFile/],
    ],
    [
      'a key file that is none',
      async () => {
        await writeFile(join(folder, 'shopping.key'), 'milk, eggs\n')
        return { 'key-file': join(folder, 'shopping.key') }
      },
      [/shopping\.key is not a key/, /64 hex digits/],
    ],
    [
      'a door port in use',
      () => ({ 'door-port': port(builder.door.url) }),
      [/Port \d+ of 127\.0\.0\.1 is in use/, /set doorPort/],
    ],
    [
      'a peer port in use',
      () => ({ listen: (builder.settings.listen as readonly string[])[0]! }),
      [/tcp\/\d+/, /in use|already/i, /listen/],
    ],
    [
      'a data folder in use',
      () => ({ 'data-folder': join(folder, 'builder') }),
      [/builder/, /another process/i],
    ],
    [
      'no chain at the RPC address',
      () => ({ 'rpc-url': 'http://127.0.0.1:9' }),
      [/127\.0\.0\.1:9 does not answer/, /rpcUrl/],
    ],
    [
      'another chain',
      () => ({ 'chain-id': '1' }),
      [/serves chain 31337, not 1/, /chainId|chain\.id/],
    ],
    [
      'no contract at the address',
      () => ({ settlement: `0x${'77'.repeat(20)}` }),
      [/no contract at 0x7777/, /settlement/],
    ],
    [
      'other rules than the market’s',
      async () => {
        await writeFile(join(folder, 'other.json'), '{"claimWindowS": 99}')
        return { 'params-file': join(folder, 'other.json') }
      },
      [/claimWindowS 4 there, 99 here/],
    ],
    [
      'settings nobody knows',
      () => ({ 'door-prot': '1' }),
      [/--door-prot is no setting/, /Did you mean --door-port/],
    ],
  ]
  test.each(cases)('%s', async (_, flags, said) => {
    const node = secondNode(await flags())
    const status = await node.exited
    expect(status).not.toBe(0)
    expect(typeof status).toBe('number')
    for (const words of said) expect(node.output()).toMatch(words)
    expect(node.output(), 'a stack trace is for bugs').not.toMatch(/\n +at /)
  })
})

describe('a builder’s door answers bad input with what is wrong', () => {
  const maker = new LoadMaker('bad input', shapes[SHAPE]!)
  const good = async () => {
    const { verifier, programId, rollups } = network.market
    const load = maker.next(
      await tableContext(network.rpcUrl, rollups),
      { verifier, programId },
      keyId,
    )
    return wantedOf(load, { keyId, verifier, shape: SHAPE, dueInMs: 10_000 })
  }
  const post = async (body: string) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(builder.door.url, { method: 'POST', headers, body })
    return (await response.json()) as { error: { code: number; message: string } }
  }

  test('a reserve above the escrow', async () => {
    const reserveWei = (2n * deposits.escrowWei).toString()
    const asking = builder.door.prove({ ...(await good()), reserveWei })
    await expect(asking).rejects.toThrow(/escrow/)
  })

  test.each([0, -5_000])('due %i ms from now, which is the past', async (dueInMs) => {
    const asking = builder.door.prove({ ...(await good()), dueInMs })
    await expect(asking).rejects.toThrow(/dueInMs must be a whole number from 1/)
  })

  test('due before anybody could bid', async () => {
    const asking = builder.door.prove({ ...(await good()), dueInMs: 100, softDueInMs: 100 })
    await expect(asking).rejects.toThrow(/due/i)
  })

  test('a body that is no JSON, and JSON that is no call', async () => {
    expect((await post('{"jsonrpc":')).error).toMatchObject({ code: -32_700 })
    expect((await post('[]')).error).toMatchObject({ code: -32_600 })
    expect((await post('{"jsonrpc":"2.0","id":1}')).error).toMatchObject({ code: -32_600 })
  })

  test('a method that does not exist', async () => {
    const { error } = await post('{"jsonrpc":"2.0","id":1,"method":"proofwire_proof_"}')
    expect(error.code).toBe(-32_601)
    expect(error.message).toMatch(/proofwire_prove/)
  })
})

test('after all of it the builder runs, and its money is where it was', async () => {
  const money = await builder.door.money()
  expect(money.escrowWei).toBe(deposits.escrowWei)
  expect(money.bondsWei).toBe(deposits.stakeWei)
  expect(BigInt((await builder.door.status()).free.coverWei)).toBe(deposits.escrowWei)
})
