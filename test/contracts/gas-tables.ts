/**
 * What tables cost with a cheap verifier: to post, to consume beside others, to pay for with the
 * post.
 */
import type { Hex } from 'viem'
import type { Address } from '#protocol/schema'
import type { Entry } from '#protocol/table'
import type { Chain } from './chain.ts'
import {
  awardedJob,
  backup,
  boundProof,
  boundProver,
  DELIVERY_S,
  type Prover,
  settleOnPost,
  winner,
} from './jobs.ts'
import { callee, PING, Registry, user } from './registry.ts'

/** Gas by name of what was measured. */
type Figures = Readonly<Record<string, number>>

/** Posting 1, 2 and 8 entries: the verifier's own gas comes on top. */
async function measurePosts(chain: Chain, registry: Registry): Promise<Figures> {
  const post = async (count: number): Promise<number> => {
    const roots = Array.from({ length: count + 1 }, () => registry.newRoot())
    const entries = roots.slice(1).map((to, i) => registry.entry(roots[i]!, to))
    return (await chain.send(registry.posting(entries).post)).gas
  }
  return { postOf1: await post(1), postOf2: await post(2), postOf8: await post(8) }
}

/** Entries of one table here: half of what one may have, so that a post fits any block. */
const PAGE = 32

/**
 * Consuming one entry while others of the same action wait in the block: half of them behind it in
 * its own queue, half at other roots.
 */
async function measureConsumption(chain: Chain, registry: Registry): Promise<Figures> {
  const proxy = await registry.proxy(callee)
  const consume = async (others: number): Promise<number> => {
    const [before, after] = [registry.root, registry.newRoot()]
    const own = registry.entry(before, after)
    const entries: Entry[] = [own]
    while (entries.length <= others) {
      entries.push(entries.length % 2 === 0 ? own : registry.entry(registry.newRoot(), after))
    }
    const posts = []
    for (let at = 0; at < entries.length; at += PAGE) {
      posts.push(registry.posting(entries.slice(at, at + PAGE)).post)
    }
    const costs = await chain.inOneBlock([...posts, { from: user, to: proxy, data: PING }])
    registry.root = after
    return costs.at(-1)!.gas
  }
  return {
    consumeAlone: await consume(0),
    consumeBeside10: await consume(10),
    consumeBeside100: await consume(100),
  }
}

/** A post that pays its prover as well; a backup's is verified once more. */
async function measureSettleOnPost(chain: Chain, registry: Registry): Promise<Figures> {
  const { table, publicInputsHash, terms } = registry.posting([
    registry.entry(registry.root, registry.newRoot()),
  ])
  const proverOf = (signer: typeof winner): Prover => {
    const proof = boundProof(publicInputsHash, signer.address)
    return { ...boundProver(signer, registry.program.verifier), publicInputsHash, proof, terms }
  }
  const pair = [proverOf(winner), proverOf(backup)] as const
  const pay = async (nonce: bigint, by: Prover, from: { address: Hex }): Promise<number> => {
    const job = await awardedJob(chain, nonce, pair, 1)
    const data = await settleOnPost(chain, job, by, table)
    const atS = Math.ceil(job.terms.openedAt / 1000) + DELIVERY_S
    return (await chain.send({ from, to: chain.settlementAddress, data }, atS)).gas
  }
  return {
    settleOnPostOf1: await pay(0x50_00n, pair[0], user),
    settleOnPostOf1ByItsBackup: await pay(0x51_00n, pair[1], backup),
  }
}

/**
 * Everything about tables that needs no real proof. Provers have been paid before.
 * @param verifier A `BoundVerifier`.
 */
export async function measureTables(chain: Chain, verifier: Address): Promise<Figures> {
  const address = await chain.deploy('contracts/src/Rollups.sol', [])
  const registry = new Registry(chain, address, verifier)
  await registry.register()
  return {
    ...(await measurePosts(chain, registry)),
    ...(await measureConsumption(chain, registry)),
    ...(await measureSettleOnPost(chain, registry)),
  }
}
