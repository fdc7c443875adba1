/** `proofwire table` as its user has it: the command, its output and its exit status. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ownerProgramId } from '#node/builder/evm-owner'
import { createEvmRollup } from '#node/builder/evm-rollup'
import { fromHex } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import { accountOf } from '#protocol/signature'
import { proofwire } from '#test/support/devnet'
import { TablesChain } from '#test/support/tables-chain'

const OWNER_KEY: Hex = `0x${'0e'.repeat(32)}`
/** Stores 1 in slot 0 and returns 42. */
const CODE: Hex = '0x6001600055602a60005260206000f3'
const CONTRACT: Address = `0x${'c0'.repeat(20)}`

let chain: TablesChain
let folder: string
let config: string
let to: Address
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-table-command-'))
  chain = await TablesChain.start()
  const owner = accountOf(fromHex(OWNER_KEY))
  const verifier = await chain.deploy('SignatureVerifier', [owner])
  const genesis = { accounts: [{ address: CONTRACT, code: CODE }] }
  const { proxyCode, l1 } = chain
  const context = { chainId: l1.chainId, venue: l1.registry, proxyCode, genesis }
  const { rollupId } = await chain.register(
    { verifier, programId: ownerProgramId(owner) },
    async (program) => (await createEvmRollup({ ...context, program })).genesisRoot,
  )
  to = await chain.makeProxy({ address: CONTRACT, rollupId })
  const evm = {
    rollupId: Number(rollupId),
    verifier,
    keyFile: 'owner.key',
    genesis: 'genesis.json',
  }
  config = join(folder, 'send.json')
  const settings = {
    ...{ rpcUrl: chain.anvil.rpcUrl, chainId: l1.chainId, registry: l1.registry },
    ...{ batchAccount: chain.batchAccount, keyFile: 'user.key', stateFolder: 'states', evm: [evm] },
  }
  await writeFile(config, JSON.stringify(settings))
  await writeFile(join(folder, 'genesis.json'), JSON.stringify(genesis))
  await writeFile(join(folder, 'owner.key'), OWNER_KEY)
  await writeFile(join(folder, 'user.key'), chain.user.key)
})
afterAll(async () => {
  await chain?.stop()
  await rm(folder, { recursive: true })
})

/** Runs it to its end. */
async function table(...args: readonly string[]) {
  const command = proofwire(['table', ...args])
  return { status: await command.exited, output: command.output() }
}
const eventsOf = (output: string) =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))

describe('proofwire table', () => {
  test('send, export, verify and show lead from a transaction to a checked envelope', async () => {
    const sent = await table('send', '--config', config, '--to', to, '--json')
    expect(sent).toMatchObject({ status: 0 })
    const events = eventsOf(sent.output)
    expect(events.map(({ event }) => event)).toEqual(['entry', 'table', 'sending', 'sent', 'done'])
    const { digest, transactionHash, answer } = events.at(-1)
    expect(BigInt(answer)).toBe(42n)
    const rpc = ['--rpc-url', chain.anvil.rpcUrl]
    const [file, from] = [join(folder, 'envelope.json'), ['--registry', chain.l1.registry]]
    const exported = await table('export', ...rpc, ...from, '--digest', digest, '-o', file)
    expect(exported).toMatchObject({ status: 0 })
    const verified = await table('verify', file, ...rpc, ...from, '--finality', '1')
    expect(verified).toMatchObject({ status: 0 })
    expect(verified.output).toMatch(/The table is what was committed to\.$/)
    const early = await table('verify', file, ...rpc)
    expect(early).toMatchObject({ status: 1 })
    expect(early.output).toMatch(/WRONG {2}not final yet/)
    const shown = await table('show', file)
    expect(shown.output).toContain(digest)
    expect(shown.output).toContain(transactionHash)
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace('"block_height":', '"block_height":1'))
    expect(await table('verify', file, ...rpc, '--finality', '1')).toMatchObject({ status: 1 })
  })

  test('write shows the table and keeps its bytes', async () => {
    const output = join(folder, 'written.table')
    const written = await table('write', '--config', config, '--to', to, '--output', output)
    expect(written).toMatchObject({ status: 0 })
    expect(written.output).toMatch(/1 entry.*\n.*calls.*rollup 1/)
    const [, digest] = /digest (0x[0-9a-f]{64})/.exec(written.output)!
    expect((await table('show', output)).output).toContain(digest)
  })

  test('a send that is stopped says so, and leaves no half of anything', async () => {
    const command = proofwire(['table', 'send', '--config', config, '--to', to, '--json'])
    await command.line(/"event":"entry"/)
    command.child.kill('SIGINT')
    expect(await command.exited).toBe(130)
    expect(command.output()).toMatch(/proofwire: stopped/)
    const again = await table('send', '--config', config, '--to', to, '--json')
    expect(eventsOf(again.output).at(-1)).toMatchObject({ event: 'done' })
  })

  test('what cannot be used is named, with another exit status than what failed', async () => {
    const misused: readonly (readonly [string[], RegExp])[] = [
      [['shwo'], /"shwo" is no command of table\. There are: show, verify, export, write, send/],
      [['show'], /table show takes one FILE, not 0/],
      [['show', '--deep', 'x'], /Unknown option '--deep'/],
      [['verify', 'x'], /--rpc-url is missing/],
      [['verify', 'x', '--rpc-url', 'ftp://x'], /begins with http/],
      [['verify', 'x', '--rpc-url', 'http://x', '--finality', '0'], /at least 1, or finalized/],
      [['export', '--rpc-url', 'http://x', '-o', 'y'], /Name the table: --digest, --transaction/],
      [['send', '--config', config], /to is missing/],
    ]
    for (const [args, said] of misused) {
      const { status, output } = await table(...args)
      expect(output).toMatch(said)
      expect(status).toBe(2)
    }
    const failed = await table('send', '--config', config, '--to', CONTRACT, '--json')
    expect(failed.status).toBe(1)
    expect(eventsOf(failed.output).at(-1)).toMatchObject({ event: 'failed', code: 'NO_ENTRIES' })
    const silent = await table(
      'verify',
      join(folder, 'written.table'),
      '--rpc-url',
      'http://127.0.0.1:9',
    )
    expect(silent).toMatchObject({ status: 1 })
    expect(silent.output).toMatch(/127\.0\.0\.1:9 does not answer eth_chainId/)
  })

  test('help names every command', async () => {
    const { output, status } = await table('--help')
    expect(status).toBe(0)
    for (const name of ['show', 'verify', 'export', 'write', 'send'])
      expect(output).toContain(`proofwire table ${name}`)
    expect((await table('write', '--print-config')).output).toContain('batchAccount')
  })
})
