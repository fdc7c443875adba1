/**
 * Builds the contracts with forge when their sources are newer than what was built. Everything that needs
 * bytecode (a deployment, a devnet, a test) calls this first, so no build step has to be remembered.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const out = join(root, 'contracts/out')
/** Written by forge on every build that changed something. */
const cache = join(root, 'contracts/cache/solidity-files-cache.json')

/** What forge writes for one contract. Hex fields are 0x-prefixed. */
export type Artifact = { readonly abi: readonly unknown[]; readonly bytecode: `0x${string}` }

/**
 * Path of forge's or anvil's own binary: the npm wrapper is a second process that outlives a kill.
 * @throws When the package for this platform is not installed.
 */
export function foundryBinary(tool: 'forge' | 'anvil'): string {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const name = `@foundry-rs/${tool}-${process.platform}-${arch}`
  const suffix = process.platform === 'win32' ? '.exe' : ''
  try {
    const require = createRequire(import.meta.url)
    return join(dirname(require.resolve(`${name}/package.json`)), 'bin', `${tool}${suffix}`)
  } catch {
    throw new Error(
      `${tool} is missing: the package ${name} is not installed. Run npm install; if your ` +
        `platform has no such package, install Foundry and put ${tool} there.`,
    )
  }
}

/**
 * Environment for forge: `contracts/solc` is a Node script, so this Node must be the one it finds first.
 */
export const forgeEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}`,
})

const modifiedMs = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Whether a source, or the compiler's settings, changed after the last build. */
function stale(): boolean {
  if (!existsSync(out)) return true
  const builtMs = modifiedMs(cache)
  const sources = globSync('contracts/src/**/*.sol', { cwd: root })
  return [...sources, 'foundry.toml', 'contracts/solc', 'package-lock.json'].some(
    (path) => modifiedMs(join(root, path)) > builtMs,
  )
}

/**
 * Runs `forge build` over `contracts/src` unless it is up to date (a few seconds when it is not).
 * @throws With the compiler's own words when it fails.
 */
export function buildContracts(): void {
  if (!stale()) return
  const args = ['build', '--root', root, '--color', 'never', 'contracts/src']
  const run = spawnSync(foundryBinary('forge'), args, {
    cwd: root,
    env: forgeEnvironment(),
    encoding: 'utf8',
  })
  if (run.error) throw new Error(`forge could not be started: ${run.error.message}`)
  if (run.status !== 0) throw new Error(`forge build failed:\n${run.stdout}${run.stderr}`)
}

/**
 * ABI and creation bytecode of a built contract.
 * @param name The contract's name, e.g. `Settlement`.
 * @param file Name of its source file without ending, where that differs.
 * @throws When it has not been built.
 */
export function artifact(name: string, file = name): Artifact {
  const path = join(out, `${file}.sol`, `${name}.json`)
  if (!existsSync(path)) {
    throw new Error(`no artifact ${path}: is ${name} a contract, and did buildContracts() run?`)
  }
  const { abi, bytecode } = JSON.parse(readFileSync(path, 'utf8'))
  return { abi, bytecode: bytecode.object }
}
