import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Address, createPublicClient, http } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bondsAbi, iBatchVerifierAbi, rollupsAbi, settlementAbi } from '#contracts/abi'
import {
  type Deployment,
  defaultWindows,
  deploy,
  deployArtifact,
  deployVerifier,
} from '#contracts/deploy'
import { buildShape } from '#prover-agent/circuits/build'
import { shapeFiles, verifierConstructorArgs } from '#prover-agent/circuits/shapes'
import { type Anvil, devKeys, startAnvil } from '#test/support/anvil'

describe('a deployment on a real chain', () => {
  let anvil: Anvil
  let market: Deployment
  const key = devKeys[0]!
  const client = () => createPublicClient({ transport: http(anvil.rpcUrl) })

  beforeAll(async () => {
    anvil = await startAnvil()
    market = await deploy(anvil.rpcUrl, key)
  })
  afterAll(() => anvil.stop())

  test('Settlement and its Bonds know each other', async () => {
    const { settlement, bonds } = market
    const read = { address: bonds, abi: bondsAbi } as const
    const owner = await client().readContract({ ...read, functionName: 'settlement' })
    expect(owner.toLowerCase()).toBe(settlement)
    const exitDelayS = await client().readContract({ ...read, functionName: 'exitDelayS' })
    expect(Number(exitDelayS)).toBe(defaultWindows.exitDelayS)
  })

  test('the windows are those asked for', async () => {
    const read = { address: market.settlement, abi: settlementAbi } as const
    expect(await client().readContract({ ...read, functionName: 'windows' })).toEqual(
      defaultWindows,
    )
  })

  test('the place is named with its chain, its block, and addresses in lower case', async () => {
    expect(market.chainId).toBe(31_337)
    expect(market.blockNumber).toBe(1n)
    expect(market.settlement).toMatch(/^0x[0-9a-f]{40}$/)
    expect(market.bonds).toMatch(/^0x[0-9a-f]{40}$/)
  })

  test('the command prints where everything is, and null for what was not asked for', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'proofwire-deploy-'))
    const keyFile = join(folder, 'key')
    await writeFile(keyFile, `${key}\n`)
    const flags = ['--rpc-url', anvil.rpcUrl, '--key-file', keyFile]
    const run = async (...more: string[]) => {
      const args = ['contracts/deploy.ts', ...flags, ...more]
      const { stdout } = await promisify(execFile)(process.execPath, args)
      return JSON.parse(stdout) as Record<string, unknown>
    }
    const nothing = { verifier: null, rollups: null, batchAccount: null }
    expect(await run()).toMatchObject(nothing)
    const { rollups, batchAccount, verifier } = await run('--rollups')
    await rm(folder, { recursive: true })
    expect(verifier).toBeNull()
    const read = { address: rollups as Address, abi: rollupsAbi } as const
    expect(await client().readContract({ ...read, functionName: 'rollupCount' })).toBe(0n)
    expect(await client().getCode({ address: batchAccount as Address })).toMatch(/^0x60/)
  })

  test('windows that contradict each other are refused by name', async () => {
    const short = { ...defaultWindows, exitDelayS: 60 + 4 * 768 }
    await expect(deploy(anvil.rpcUrl, key, short)).rejects.toThrow(/BadWindows.*3132/)
  })

  test('a constructor that is not pleased with its arguments is quoted', async () => {
    const refused = deployArtifact(anvil.rpcUrl, key, 'BatchVerifier', [[]])
    await expect(refused).rejects.toThrow(/BatchVerifier was not deployed.*BadKeyCount\["0"\]/)
  })

  test('a node that does not answer is an error, not a wait', async () => {
    await expect(deploy('http://127.0.0.1:1', key)).rejects.toThrow(/Settlement was not deployed/)
  })
})

describe('a verifier under a development key', () => {
  const key = devKeys[0]!
  const folder = shapeFiles('tiny').directory
  beforeAll(async () => {
    await buildShape('tiny', () => {})
  }, 180_000)

  test('is deployed on a development chain, under the name the rollups register', async () => {
    const anvil = await startAnvil()
    const { address: verifier, programId } = await deployVerifier(anvil.rpcUrl, key, [folder])
    const client = createPublicClient({ transport: http(anvil.rpcUrl) })
    const read = { address: verifier, abi: iBatchVerifierAbi } as const
    expect(await client.readContract({ ...read, functionName: 'programId' })).toBe(programId)
    await anvil.stop()
  })

  test('is refused on any other chain, by the script and by the contract', async () => {
    const anvil = await startAnvil({ args: ['--chain-id', '1'] })
    const byScript = deployVerifier(anvil.rpcUrl, key, [folder])
    await expect(byScript).rejects.toThrow(/is INSECURE: its trapdoor is .* Chain 1 is no devel/)
    const args = await verifierConstructorArgs('tiny')
    const byContract = deployArtifact(anvil.rpcUrl, key, 'BatchVerifier', args)
    await expect(byContract).rejects.toThrow(/InsecureKey\["0","1"\]/)
    await anvil.stop()
  })
})
