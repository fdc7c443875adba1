/**
 * Builds the contracts with forge when their sources are newer than what was built. Everything that
 * needs bytecode (a deployment, a devnet, a test) calls this first, so no build step has to be
 * remembered.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const out = join(root, 'contracts/out')
/** Written by forge on every build that changed something. */
const cache = join(root, 'contracts/cache/solidity-files-cache.json')
/** Holds the id of the process that builds: two forges would write into each other's output. */
const lock = join(root, 'contracts/cache/building')
/** How often a process that waits for another's build looks again. */
const LOOK_AGAIN_MS = 50

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
 * Environment for forge: `contracts/solc` is a Node script, so this Node must be the one it finds
 * first.
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

/** Whether this process now holds the lock. One that a dead process left is taken over. */
function locked(): boolean {
  mkdirSync(dirname(lock), { recursive: true })
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    if (!holderLives()) rmSync(lock, { force: true })
    return false
  }
}

function holderLives(): boolean {
  try {
    const holder = Number(readFileSync(lock, 'utf8'))
    // Between its creation and its first byte a lock is empty: its holder has just come.
    return holder === 0 || process.kill(holder, 0)
  } catch {
    return false
  }
}

/**
 * Runs `forge build` over `contracts/src` unless it is up to date (half a minute when nothing is
 * built yet). Waits, blocking, while another process builds.
 * @throws With the compiler's own words when it fails.
 */
export function buildContracts(): void {
  while (stale()) {
    if (!locked()) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS)
      continue
    }
    try {
      if (stale()) build()
      return
    } finally {
      rmSync(lock, { force: true })
    }
  }
}

function build(): void {
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
