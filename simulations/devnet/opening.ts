/**
 * From nothing to a market that is open: everybody runs, has deposited, and has found the others.
 */

import type { Hex } from '#protocol/schema'
import { balanceOf } from './chain.ts'
import { deposits } from './genesis.ts'
import { rpc } from './json-rpc.ts'
import type { Member } from './members.ts'
import { createNetwork, type Network, type NetworkOptions } from './network.ts'
import { until } from './until.ts'

/** How long nodes may take to start and to find each other on a busy machine. ms. */
const SETUP_MS = 120_000

/**
 * Starts chain, contracts and every member; resolves when they are ready for a first job.
 * @param onNodes Told when the contracts are deployed and the nodes begin to start.
 * @throws ProcessDied, or Error when they do not get ready.
 */
export async function openNetwork(
  options: NetworkOptions,
  onNodes: (network: Network) => void = () => undefined,
): Promise<Network> {
  const { signal } = options
  const network = await createNetwork(options)
  onNodes(network)
  let isStarted = false
  const starting = startAll(network).then(() => {
    isStarted = true
  })
  const isReady = async () => isStarted && (await isOpen(network))
  await Promise.all([starting, until(isReady, SETUP_MS, 'the nodes are not ready', signal)])
  return network
}

async function startAll({ members, start, door }: Network): Promise<void> {
  const [bootstrap, builder, first, ...others] = members as [Member, Member, Member]
  await start(bootstrap)
  const startBuilder = async () => {
    await start(builder)
    await door.deposit('stake', deposits.stakeWei)
    await door.deposit('escrow', deposits.escrowWei)
  }
  // The first prover measures, and nobody should take the processor from it.
  const startProvers = async () => {
    await start(first)
    await Promise.all(others.map(start))
  }
  await Promise.all([startBuilder(), startProvers()])
}

/**
 * Whether all bonds and the builder's cover are on the chain, every node has read them there, and
 * every node hears the builder: else a first bid is refused by those who do not know its bond yet.
 */
export async function isOpen({ rpcUrl, market, members, door }: Network): Promise<boolean> {
  const agents = members.slice(2)
  const balances = await Promise.all(
    agents.map(({ address }) => balanceOf(rpcUrl, market, address)),
  )
  if (balances.some(({ bondWei }) => bondWei === 0n)) return false
  const { free } = await door.status()
  if (BigInt(free.coverWei) === 0n) return false
  const head = Number(await rpc<Hex>(rpcUrl, 'eth_blockNumber'))
  const statuses = await Promise.all(
    members.map((member) => member.door.until(({ chain }) => chain.blockNumber > head)),
  )
  // The bootstrap node and the builder listen; everybody else dials both.
  return statuses.every(({ subscribers, problems }, index) => {
    const least = index < 2 ? members.length - 1 : 2
    return subscribers.ProofRequest! >= least && problems.length === 0
  })
}
