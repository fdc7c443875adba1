/**
 * The long half of the circuit's soundness suite: `npm run soundness -- PART [options]`. What fits
 * is in the unit tests. Ends with status 1 when a part finds anything.
 */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { readR1cs } from '#prover-agent/circuits/binary-files'
import { buildShape } from '#prover-agent/circuits/build'
import { shapeFiles, shapes } from '#prover-agent/circuits/shapes'
import { inputOf } from '#test/support/circuit-claims'
import { Circuit } from '#test/support/circuit-process'
import { failures } from '#test/support/ledger-failures'
import { operations } from '#test/support/ledger-sample'
import { runDifferential } from './differential.ts'
import { runMutants } from './mutants-run.ts'
import { RowsCheck } from './rows.ts'
import { runTampering } from './tampering.ts'

const usage = `npm run soundness -- PART [options]

  rows          every constraint of the tiny shape is broken by some wire, and every wire is held
  differential  the circuit beside the state function      --calls 1000 --seed 1 --lies 3
  tampering     random changes of valid inputs             --calls 2000 --seed 1
  mutants       the circuit without each of its own constraints, one at a time
                --lines ledger-entry.circom:60-120  --kinds 37  --fresh  --deep`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calls: { type: 'string' },
    seed: { type: 'string', default: '1' },
    lies: { type: 'string', default: '3' },
    lines: { type: 'string' },
    kinds: { type: 'string', default: '37' },
    fresh: { type: 'boolean', default: false },
    deep: { type: 'boolean', default: false },
  },
})
const startedAt = performance.now()
const say = (line: string): void => {
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(5)} s  ${line}`)
}
const { tiny } = shapes

/** What a part found; empty if all is well. */
type Part = (circuit: Circuit) => Promise<readonly string[]>

const rows: Part = async (circuit) => {
  const check = new RowsCheck(readR1cs(await readFile(shapeFiles('tiny').r1cs)))
  for (const { name, table, witness } of [...operations(tiny.depth), ...failures(tiny.depth)]) {
    // Twice: what holds of a kind must hold in every place of a table.
    const entries = [table.entries[0]!, table.entries[0]!]
    check.add(await circuit.wires(inputOf({ ...table, entries }, [witness, witness], tiny)))
    say(name)
  }
  const { unbroken, loose, hints, rows: count, wires } = check.result()
  const free = loose.reduce((sum, each) => sum + each.length, 0)
  say(`${count} constraints, ${unbroken.length} of them broken by no wire`)
  say(`${wires} wires in ${loose.length} witnesses: ${free} loose`)
  say(`${Math.min(...hints)} to ${Math.max(...hints)} inverses of zero, which are anything`)
  return [
    ...unbroken.map((row) => `no wire breaks constraint ${row}`),
    ...loose.flatMap((each, at) => each.map((wire) => `wire ${wire} is loose in witness ${at}`)),
  ]
}

const differential: Part = async (circuit) => {
  const { differences, kinds, ...counts } = await runDifferential({
    calls: Number(values.calls ?? 1_000),
    seed: Number(values.seed),
    lies: Number(values.lies),
    shape: tiny,
    ask: (input) => circuit.ask(input),
    progress: say,
  })
  for (const [kind, count] of [...kinds].sort()) say(`${String(count).padStart(5)}  ${kind}`)
  say(`${counts.done} done, ${counts.failed} failed, ${counts.refused} refused`)
  say(`${counts.lies} lies refused, ${differences.length} differences`)
  return differences
}

const tampering: Part = async (circuit) => {
  const calls = Number(values.calls ?? 2_000)
  const seed = Number(values.seed)
  const ask = (input: Parameters<Circuit['ask']>[0]) => circuit.ask(input)
  const { accepted, untrue } = await runTampering({ calls, seed, shape: tiny, ask, progress: say })
  say(`${calls} changes: ${accepted} left a true statement, ${untrue.length} a false one`)
  return untrue
}

const mutants: Part = () =>
  runMutants({
    lines: values.lines ?? null,
    kinds: Number(values.kinds),
    isFresh: values.fresh,
    isDeep: values.deep,
    say,
  })

const parts: Readonly<Record<string, Part>> = { rows, differential, tampering, mutants }
const [name = ''] = positionals
const part = Object.hasOwn(parts, name) ? parts[name] : undefined
if (part === undefined || positionals.length !== 1) {
  console.error(usage)
  process.exit(2)
}
await buildShape('tiny', say)
const circuit = new Circuit(shapeFiles('tiny').wasm)
const found = await part(circuit)
circuit.close()
for (const line of found) console.log(line)
process.exitCode = found.length === 0 ? 0 : 1
