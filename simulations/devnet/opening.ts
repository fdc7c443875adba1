/** From nothing to a market that is open: everybody runs, has deposited, and has found the others. */
import { balanceOf } from './chain.ts'
import { deposits } from './genesis.ts'
import { createNetwork, type Member, type Network, type NetworkOptions } from './network.ts'
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
  const agents = network.members.slice(2)
  let isStarted = false
  const starting = startAll(network).then(() => {
    isStarted = true
  })
  const isReady = async () => isStarted && (await areReady(network, agents))
  await Promise.all([starting, until(isReady, SETUP_MS, 'the nodes are not ready', signal)])
  return network
}

async function startAll({ members, start, door }: Network): Promise<void> {
  const [bootstrap, builder, first, ...others] = members as [Member, Member, Member]
  await start(bootstrap)
  const depositing = start(builder).then(async () => {
    await door.deposit('stake', deposits.stakeWei)
    await door.deposit('escrow', deposits.escrowWei)
  })
  // The first prover measures; nobody should take the processor from it.
  await start(first)
  await Promise.all([depositing, ...others.map(start)])
}

/** Whether every agent's bond is on the chain, and the builder hears every node and may spend. */
async function areReady(network: Network, agents: readonly Member[]): Promise<boolean> {
  const { rpcUrl, market, door } = network
  const balances = await Promise.all(
    agents.map(({ address }) => balanceOf(rpcUrl, market, address)),
  )
  if (balances.some(({ bondWei }) => bondWei === 0n)) return false
  const { free, subscribers } = await door.status()
  return BigInt(free.coverWei) > 0n && subscribers.ProofRequest! > agents.length
}
