/** Real libp2p hosts on loopback for tests; `stopHosts` belongs into `afterEach`. */
import { createHash } from 'node:crypto'
import { createHost, type Host, type HostLimits, type HostService } from '#node/host'
import { silentLog } from '#node/log'
import type { Hex } from '#protocol/schema'

export type TestHostOptions = {
  /** Same name, same peer key. */
  readonly name?: string
  readonly listen?: readonly string[]
  readonly bootstrap?: readonly string[]
  readonly limits?: Partial<HostLimits>
  readonly gossip?: HostService
}

const running = new Set<Host>()
let unnamed = 0

/** Loopback, any free port, as many connections a second as a test likes. */
export async function startHost(options: TestHostOptions = {}): Promise<Host> {
  const name = options.name ?? `unnamed ${unnamed++}`
  const host = await createHost({
    listen: options.listen ?? ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: options.bootstrap ?? [],
    peerSeed: createHash('sha256').update(name).digest(),
    limits: { inboundPerSecond: 1_000, ...options.limits },
    ...(options.gossip ? { gossip: options.gossip } : {}),
    log: silentLog,
  })
  running.add(host)
  return host
}

export async function stopHost(host: Host): Promise<void> {
  running.delete(host)
  await host.stop()
}

export async function stopHosts(): Promise<void> {
  await Promise.all([...running].map(stopHost))
}

/** Resolves when the host is connected to that peer (or no longer). */
export function peerIs(
  host: Host,
  kind: 'connected' | 'disconnected',
  peerKey: Hex,
): Promise<void> {
  return new Promise((resolve) => {
    const isThere = (): boolean => host.peers().includes(peerKey) === (kind === 'connected')
    const stop = host.onPeer(() => {
      if (!isThere()) return
      stop()
      resolve()
    })
    if (isThere()) {
      stop()
      resolve()
    }
  })
}
