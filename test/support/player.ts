/** The code of `test/contracts/Player.sol`; its scripts are in `script.ts`. */
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Hex } from '#protocol/schema'

const SOURCE = 'test/contracts/Player.sol'
const KEPT = 'build/player'
const settings = {
  evmVersion: 'prague',
  optimizer: { enabled: true, runs: 200 },
  viaIR: true,
  outputSelection: { '*': { '*': ['evm.bytecode.object', 'evm.deployedBytecode.object'] } },
}

/** `creation` makes a player on a chain, `runtime` is what it then is. */
export type PlayerCode = { readonly creation: Hex; readonly runtime: Hex }

/**
 * Compiled once for each state of the source, in two seconds. Tests that run at the same time may
 * both do it: each keeps a whole file.
 */
export function playerCode(): PlayerCode {
  const content = readFileSync(SOURCE, 'utf8')
  const name = createHash('sha256').update(content).update(JSON.stringify(settings)).digest('hex')
  const path = join(KEPT, `${name}.json`)
  if (!existsSync(path)) {
    mkdirSync(KEPT, { recursive: true })
    const draft = `${path}.${randomBytes(4).toString('hex')}`
    writeFileSync(draft, JSON.stringify(compile(content)))
    renameSync(draft, path)
  }
  return JSON.parse(readFileSync(path, 'utf8'))
}

function compile(content: string): PlayerCode {
  const sources = { [SOURCE]: { content } }
  const input = JSON.stringify({ language: 'Solidity', sources, settings })
  const run = spawnSync(process.execPath, ['contracts/solc'], { input, encoding: 'utf8' })
  const { contracts, errors = [] } = JSON.parse(run.stdout)
  const evm = contracts?.[SOURCE]?.Player?.evm
  if (evm === undefined) throw new Error(`${SOURCE} does not compile: ${JSON.stringify(errors)}`)
  return {
    creation: `0x${evm.bytecode.object}`,
    runtime: `0x${evm.deployedBytecode.object}`,
  }
}
