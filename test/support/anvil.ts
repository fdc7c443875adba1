/** A real chain for tests: anvil itself, not npm's wrapper, which would outlive a kill. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { foundryBinary } from '#contracts/build'
import type { Hex } from '#protocol/schema'

export type Anvil = {
  readonly rpcUrl: string
  readonly port: number
  /** One JSON-RPC call. Throws what anvil answers as an error. */
  readonly request: <T = unknown>(method: string, ...params: readonly unknown[]) => Promise<T>
  /**
   * Ends it: SIGKILL as a crash would, SIGTERM to have it write `--state`. Resolves when it is
   * gone.
   */
  readonly stop: (signal?: 'SIGKILL' | 'SIGTERM') => Promise<void>
}

/** Anvil's own development accounts, each with 10,000 ether. Their keys are public. */
export const devKeys: readonly Hex[] = [
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
  '0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a',
  '0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6',
]

const running = new Set<ChildProcess>()
// A test that fails before its cleanup must not leave a chain behind.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

async function listeningPort(child: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const port = /Listening on \S+:(\d+)/.exec(line)?.[1]
    if (port) return Number(port)
  }
  throw new Error('anvil ended before it listened')
}

async function call<T>(rpcUrl: string, method: string, params: readonly unknown[]): Promise<T> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(rpcUrl, { method: 'POST', headers, body })
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } }
  if (error) throw new Error(`${method}: ${error.message}`)
  return result
}

/**
 * Starts anvil on loopback; resolves when it listens.
 * @param options `port` 0: any free one. `args`: more of anvil's own options, such as `--no-
 *   mining`.
 */
export async function startAnvil(
  options: { readonly port?: number; readonly args?: readonly string[] } = {},
): Promise<Anvil> {
  const args = [
    '--port',
    String(options.port ?? 0),
    '--hardfork',
    'prague',
    ...(options.args ?? []),
  ]
  const child = spawn(foundryBinary('anvil'), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  running.add(child)
  child.once('exit', () => running.delete(child))
  const port = await listeningPort(child)
  child.stdout.resume()
  const rpcUrl = `http://127.0.0.1:${port}`
  return {
    rpcUrl,
    port,
    request: (method, ...params) => call(rpcUrl, method, params),
    stop: async (signal = 'SIGKILL') => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill(signal)
      await gone
    },
  }
}
