import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ChainReader } from '#node/builder/chain-reader'
import { RpcUnreachable } from '#node/builder/json-rpc'
import { type Export, exportEnvelope } from '#node/builder/table-export'
import { readTableFile } from '#node/builder/table-file'
import { showText } from '#node/builder/table-show'
import { type Verification, verification } from '#node/builder/table-verify'
import { inclusionOf, parseEnvelope } from '#protocol/commitment'
import { startAnvil } from '#test/support/anvil'
import { type OwnRegistry, type Posted, startRegistry } from './builder/posted-table.ts'

const { signal } = new AbortController()
let folder: string
let at: OwnRegistry
let chain: ChainReader
let posted: Posted
let envelope: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-table-'))
  at = await startRegistry()
  chain = new ChainReader(at.rpcUrl, signal)
  posted = await at.post(await at.nextTable())
  envelope = await exported({ digest: posted.digest })
})
afterAll(async () => {
  await at.anvil.stop()
  await rm(folder, { recursive: true })
})

const exported = (asked: Partial<Export>): Promise<string> =>
  exportEnvelope(chain, { registry: at.registry, fromBlock: 0, ...asked })

/** The check of a file that holds this, in lines; what is wrong begins with a `!`. */
async function verify(content: string | Uint8Array, asked: Partial<Verification> = {}) {
  const file = join(folder, 'given')
  await writeFile(file, content)
  const lines: string[] = []
  const given = { file, rpcUrl: at.rpcUrl, claimed: {}, finality: 1, ...asked }
  for await (const { ok, says } of verification(given, signal)) lines.push(ok ? says : `! ${says}`)
  return lines
}
const last = async (...given: Parameters<typeof verify>) => (await verify(...given)).at(-1)
const isGood = (lines: readonly string[]) => lines.every((line) => !line.startsWith('!'))

describe('export', () => {
  test('fetches a table by its digest, or by its transaction', async () => {
    const { digest, transactionHash, blockNumber, bytes } = posted
    const read = parseEnvelope(envelope)
    if ('refused' in read) throw new Error(read.refused)
    expect(inclusionOf(read)).toMatchObject({
      ...{ chainId: 31_337, emitter: at.registry, transactionHash, blockNumber },
      recorder: at.account.address.toLowerCase(),
    })
    expect(read.proofwire.observation).toBe(`0x${Buffer.from(bytes).toString('hex')}`)
    expect(await exported({ transactionHash })).toBe(envelope)
    expect(await exported({ transactionHash, digest })).toBe(envelope)
  })

  test('finds tables inside a batch, and asks which when there are several', async () => {
    const first = await at.nextTable()
    const tables = [first, { ...first, lastBlock: first.lastBlock + 1 }]
    const transactionHash = await at.postBatch(tables)
    const asking = exported({ transactionHash })
    await expect(asking).rejects.toThrow(/recorded several tables: add --digest: 0x.*, 0x/)
    const [one, other] = /--digest: (\S+), (\S+)\.$/
      .exec(await asking.catch(({ message }) => message))!
      .slice(1) as [`0x${string}`, `0x${string}`]
    for (const digest of [one, other]) {
      const text = await exported({ transactionHash, digest })
      expect(isGood(await verify(text))).toBe(true)
      expect(text).toBe(await exported({ digest }))
    }
  })

  test('says what was not found, and where', async () => {
    const digest = `0x${'12'.repeat(32)}` as const
    await expect(exported({ digest })).rejects.toThrow(/did not record 0x1212.*in blocks 0 to \d/)
    await expect(exported({ transactionHash: digest })).rejects.toThrow(/has no transaction 0x1212/)
    const { transactionHash } = posted
    await expect(exported({ transactionHash, digest })).rejects.toThrow(/did not record 0x1212/)
    const registry = `0x${'77'.repeat(20)}` as const
    await expect(exported({ registry, transactionHash })).rejects.toThrow(/did not record a table/)
    const fromBlock = posted.blockNumber + 1
    await expect(exported({ digest: posted.digest, fromBlock })).rejects.toThrow(/did not record/)
  })
})

describe('verify', () => {
  test('follows an envelope to its event, step by step', async () => {
    const lines = await verify(envelope)
    expect(isGood(lines)).toBe(true)
    expect(lines).toEqual([
      `1 entry with the digest ${posted.digest}, as its envelope says`,
      'the table keeps the rules',
      'the RPC serves chain 31337, which the table is for',
      expect.stringContaining(`recorded ${posted.digest} in transaction ${posted.transactionHash}`),
      expect.stringMatching(/^block \d+ .* is in the chain and in the table's window$/),
      expect.stringMatching(/^\d+ blocks deep, 1 asked for$/),
    ])
  })

  test('finds the event of canonical bytes, and of their hex digits, by itself', async () => {
    const { bytes } = posted
    const hex = Buffer.from(bytes).toString('hex')
    for (const content of [bytes, hex, `0x${hex}\n`])
      expect(isGood(await verify(content))).toBe(true)
  })

  test('fails with any byte of the envelope changed', async () => {
    const bytes = Buffer.from(envelope)
    // One change in every second byte, each of another kind, keeps the chain's node from being
    // asked for long; most never come so far.
    for (let index = 0; index < bytes.length; index += 2) {
      const changed = Buffer.from(bytes)
      changed[index]! ^= 1 + (index % 7)
      const lines = await verify(changed)
      if (isGood(lines)) throw new Error(`byte ${index} does not count: ${changed.toString()}`)
    }
  })

  test('a part of the envelope that is not so is named', async () => {
    const read = parseEnvelope(envelope)
    if ('refused' in read) throw new Error(read.refused)
    const { ledger_ref: ref, proofwire } = read
    const other = `0x${'12'.repeat(32)}`
    const odd: readonly (readonly [object, RegExp])[] = [
      [{ commitment: { ...read.commitment, digest: other.slice(2) } }, /^! the digest is 1212/],
      [{ ledger_ref: { ...ref, transaction_id: other } }, /^! the chain has no transaction 0x1212/],
      [{ ledger_ref: { ...ref, block_hash: other } }, /^! blockHash is said to be 0x1212/],
      [{ ledger_ref: { ...ref, block_height: ref.block_height + 1 } }, /^! blockNumber is said/],
      [{ ledger_ref: { ...ref, block_height: 1 } }, /^! the table is for blocks/],
      [{ chain: { ...read.chain, id: 'eip155:1' } }, /^! the table is for chain 31337, not 1/],
      [{ proofwire: { ...proofwire, log_index: 7 } }, /^! logIndex is said to be 7/],
      [{ proofwire: { ...proofwire, recorder: at.registry } }, /^! recorder is said to be/],
      [{ proofwire: { ...proofwire, emitter: other.slice(0, 42) } }, /for the registry/],
    ]
    for (const [changes, said] of odd)
      expect(await last(JSON.stringify({ ...read, ...changes }))).toMatch(said)
  })

  test('what the flags say besides must be so too', async () => {
    const registry = `0x${'77'.repeat(20)}` as const
    expect(await last(envelope, { claimed: { emitter: registry } })).toMatch(
      /^! emitter is 0x.* in the envelope, 0x7777/,
    )
    expect(await last(posted.bytes, { claimed: { emitter: registry } })).toMatch(
      /^! the emitter is said to be 0x7777/,
    )
    const transactionHash = `0x${'12'.repeat(32)}` as const
    expect(await last(envelope, { claimed: { transactionHash } })).toMatch(/^! transactionHash is/)
    expect(await last(posted.bytes, { claimed: { transactionHash } })).toMatch(
      /^! the chain has no transaction/,
    )
  })

  test('a table that nobody posted is not found', async () => {
    const [file, table] = [join(folder, 'table'), await at.nextTable()]
    await writeFile(file, posted.bytes)
    const { bytes } = await at.post({ ...table, executor: `0x${'01'.repeat(20)}` })
    expect(isGood(await verify(bytes))).toBe(true)
    const window = Buffer.from(posted.bytes)
    // The chain id's last byte but one: a table of another chain.
    window[32 + 30]! ^= 1
    expect(await last(window)).toMatch(/^! the RPC serves chain 31337; the table is for chain/)
    const executor = Buffer.from(posted.bytes)
    executor[32 + 32 + 32 + 31]! ^= 1
    expect(await last(executor)).toMatch(/^! 0x.* did not record 0x.* in blocks \d+ to \d+/)
  })

  test('not final yet is told apart from not there', async () => {
    expect(await last(envelope, { finality: 1_000_000 })).toMatch(
      /^! not deep enough yet: \d+ blocks deep, 1000000 asked for/,
    )
    expect(await last(envelope, { finality: 'finalized' })).toMatch(/^! not final yet: block \d+/)
    await at.anvil.request('anvil_mine', '0x80')
    expect(isGood(await verify(envelope, { finality: 'finalized' }))).toBe(true)
  })

  test('a block that the chain took back takes the table with it', async () => {
    const snapshot = await at.anvil.request('evm_snapshot')
    const table = await at.nextTable()
    const { digest, bytes } = await at.post(table)
    const text = await exported({ digest })
    expect(isGood(await verify(text))).toBe(true)
    await at.anvil.request('evm_revert', snapshot)
    expect(await last(text)).toMatch(/^! the chain has no transaction .* taken back/)
    expect(await last(bytes)).toMatch(/^! 0x.* did not record/)
  })

  test('another chain, and none, are named', async () => {
    const other = await startAnvil({ args: ['--chain-id', '5'] })
    const { rpcUrl } = other
    expect(await last(envelope, { rpcUrl })).toMatch(/^! the RPC serves chain 5; the table is for/)
    await other.stop()
    await expect(verify(envelope, { rpcUrl })).rejects.toThrow(RpcUnreachable)
  })

  test.each([
    ['nothing', '', /^! .*given holds no table: it should hold canonical bytes/],
    ['text', 'milk, eggs', /holds no table/],
    ['other JSON', '{"ocp": "2.0"}', /is no envelope of a table: not an envelope of version 1\.0/],
    ['half an envelope', '{"ocp"', /is no envelope of a table: not JSON/],
  ])('a file of %s is no table', async (_, content, said) => {
    expect(await last(content)).toMatch(said)
  })
})

describe('show', () => {
  const show = async (content: string | Uint8Array): Promise<string> => {
    const file = join(folder, 'shown')
    await writeFile(file, content)
    return showText(await readTableFile(file))
  }

  test('a table is shown with what it is known by and what is risky about it', async () => {
    const text = await show(posted.bytes)
    expect(text).toMatch(new RegExp(`digest +${posted.digest}`))
    expect(text).toMatch(/Merkle root +0x[0-9a-f]{64}/)
    expect(text).toMatch(/1 entry/)
    expect(await show(envelope)).toContain(`transaction ${posted.transactionHash}`)
    const anyone = await at.post({ ...(await at.nextTable()), executor: `0x${'00'.repeat(20)}` })
    expect(await show(anyone.bytes)).toMatch(/risk +it names no executor/)
  })

  test('an envelope that lies, and a table that breaks a rule, say so', async () => {
    const read = parseEnvelope(envelope)
    if ('refused' in read) throw new Error(read.refused)
    const lying = { ...read, commitment: { ...read.commitment, digest: '12'.repeat(32) } }
    expect(await show(JSON.stringify(lying))).toMatch(/wrong +the digest is 1212/)
    const broken = Buffer.from(posted.bytes)
    // The value of the one action, which its ether delta no longer matches.
    const value = broken.indexOf(Buffer.from([7]), 20 * 32)
    broken[value] = 8
    expect(await show(broken)).toMatch(/breaks +entry 1: rule E7: the ether deltas add up/)
  })

  test('a file that is not there is named', async () => {
    await expect(readTableFile(join(folder, 'nowhere'))).rejects.toThrow(
      /Cannot read .*nowhere \(ENOENT\)\. Give a file of canonical bytes/,
    )
  })
})
