/**
 * Benchmarks: `npm run bench -- NAME [--json FILE]`, `npm run bench -- --list`. Take ratios from
 * them; the absolute figures are this machine's.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { award } from './award.ts'
import { type Metrics, machine } from './measure.ts'
import { segments } from './segments.ts'
import { simulator } from './simulator.ts'
import { table } from './table.ts'
import { validate } from './validate.ts'

type Bench = { readonly what: string; readonly run: () => Promise<Metrics> }

const benches: Readonly<Record<string, Bench>> = {
  award: { what: 'open, rank and decide an auction of 1,000 bids', run: award },
  segments: { what: 'a table in two segments, by one rig and by two', run: segments },
  simulator: { what: 'a hundred auctions of a hundred bidders, 1,000 nodes', run: simulator },
  table: { what: 'write a table of 8 entries: all of it, and its simulations alone', run: table },
  validate: { what: 'one bid heard: decode, digest, signature, rules', run: validate },
}

const list = (): string =>
  Object.entries(benches)
    .map(([name, { what }]) => `  ${name.padEnd(10)} ${what}`)
    .join('\n')

function fail(message: string): never {
  console.error(`${message}\n\nnpm run bench -- NAME [--json FILE]\n\n${list()}`)
  process.exit(2)
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { json: { type: 'string' }, list: { type: 'boolean' } },
    })
  } catch (error) {
    return fail((error as Error).message)
  }
}

const { values, positionals } = readArguments()
if (values.list) {
  console.log(list())
} else {
  const [name, ...others] = positionals
  if (name === undefined) fail('Which benchmark?')
  if (others.length > 0) fail(`One benchmark at a time, not also ${others.join(', ')}.`)
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined
  if (!bench) fail(`There is no benchmark ${name}.`)
  console.error(`${name}: ${bench.what} ...`)
  const metrics = await bench.run()
  for (const [metric, value] of Object.entries(metrics)) {
    console.log(`${metric.padEnd(24)} ${Number(value.toPrecision(4))}`)
  }
  const result = { name, metrics, machine: machine() }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`)
}
