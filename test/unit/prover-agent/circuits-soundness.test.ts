/** The short half of the soundness suite; `npm run soundness` has the long one. */
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readR1cs } from '#prover-agent/circuits/binary-files'
import { buildShape } from '#prover-agent/circuits/build'
import { shapeFiles, shapes } from '#prover-agent/circuits/shapes'
import type { CircuitInput } from '#prover-agent/circuits/witness'
import { runDifferential } from '#test/soundness/differential'
import { mutableCircuit } from '#test/soundness/mutable-circuit'
import { brokenRow, RowsCheck } from '#test/soundness/rows'
import { runTampering } from '#test/soundness/tampering'
import { inputOf } from '#test/support/circuit-claims'
import { Circuit } from '#test/support/circuit-process'
import { failures } from '#test/support/ledger-failures'
import { operations } from '#test/support/ledger-sample'

const { tiny } = shapes

let circuit: Circuit
beforeAll(async () => {
  await buildShape('tiny', () => {})
  circuit = new Circuit(shapeFiles('tiny').wasm)
}, 180_000)
afterAll(() => circuit.close())
const ask = (input: CircuitInput) => circuit.ask(input)

describe('every constraint of the circuit', () => {
  /** Enough for each constraint to be broken by a wire of one of them. */
  const kinds = [
    ...['a deposit', 'a signed send', 'a send of the owner to another rollup', 'a failure'],
    ...['a signed withdrawal', 'no-function', 'no-place', 'no-payee', 'not-from-l1'],
  ]

  test('is broken by a wire of a valid witness, and holds every other wire', async () => {
    const r1cs = readR1cs(await readFile(shapeFiles('tiny').r1cs))
    const check = new RowsCheck(r1cs)
    const all = [...operations(tiny.depth), ...failures(tiny.depth)]
    for (const kind of kinds) {
      const { table, witness } = all.find(({ name }) => name === kind)!
      const entries = [table.entries[0]!, table.entries[0]!]
      check.add(await circuit.wires(inputOf({ ...table, entries }, [witness, witness], tiny)))
    }
    const { unbroken, loose, hints } = check.result()
    expect(unbroken).toEqual([])
    expect(loose).toEqual(kinds.map(() => []))
    expect(Math.max(...hints)).toBeLessThan(30)
  })

  test('is found loose where it is: a circuit of one row', () => {
    const square = { wireCount: 4, publicCount: 1 }
    const row = [[[1, 1n]], [[1, 1n]], [[2, 1n]]] as const
    const check = new RowsCheck({ ...square, constraints: [row] })
    check.add([1n, 3n, 9n, 5n])
    // −3 has the same square, and nothing holds wire 3.
    expect(check.result()).toMatchObject({ unbroken: [], loose: [[1, 3]] })
    expect(() => check.add([1n, 3n, 8n, 5n])).toThrow('row 0 does not hold')
    expect(brokenRow({ ...square, constraints: [row] }, [1n, 3n, 8n, 5n])).toBe(0)
  })

  test('that our sources state has a mutant without it', () => {
    const { mutants, sources } = mutableCircuit(tiny.depth)
    const folder = new URL('../../../prover-agent/circuits/', import.meta.url)
    const files = [...sources.keys()].filter((name) => name !== 'circuit.circom')
    const texts = files.map((name) => readFileSync(new URL(name, folder), 'utf8'))
    const own = texts.join('\n').replace(/\/\/.*/g, '')
    const checks = mutants.filter(({ kind }) => kind === 'check')
    expect(checks).toHaveLength(own.match(/===/g)!.length)
    const lines = new Set(mutants.map(({ file, line }) => `${file}:${line}`))
    expect(lines.size).toBeGreaterThan(190)
    expect(
      readdirSync(folder)
        .filter((name) => name.endsWith('.circom'))
        .sort(),
    ).toEqual(files.sort())
  })
})

describe('the circuit and the state function', () => {
  test('agree on calls drawn from a seed', async () => {
    const result = await runDifferential({ seed: 7, calls: 30, lies: 2, shape: tiny, ask })
    expect(result.differences).toEqual([])
    expect(Math.min(result.done, result.failed, result.refused)).toBeGreaterThan(3)
  }, 120_000)

  test('agree on what random changes leave true', async () => {
    const { untrue } = await runTampering({ seed: 7, calls: 60, shape: tiny, ask })
    expect(untrue).toEqual([])
  }, 120_000)
})
