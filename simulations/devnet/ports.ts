/** Free ports of this machine. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/**
 * Ports nobody listens on, all different. They are free when this resolves; a program that takes
 * one before ours does makes ours say that its port is in use.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
