import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import * as abis from '#contracts/abi'
import { generate } from '#contracts/generate'

const committed = join(import.meta.dirname, '../../../contracts/abi.ts')

test('the committed ABIs are what the sources give', () => {
  expect(readFileSync(committed, 'utf8')).toBe(generate())
})

test('every contract that TypeScript talks to has its ABI', () => {
  expect(Object.keys(abis).sort()).toEqual([
    'bondsAbi',
    'iBatchVerifierAbi',
    'iPayeeVerifierAbi',
    'iVerifierAbi',
    'rollupsAbi',
    'settlementAbi',
  ])
})
