import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ReportError, readRuns, reportToTerminal, writePage, writeRuns } from '#simulations/report'
import type { RunResult } from '#simulations/result'
import { emptyRun, failedRun, hostileRun, madeUpRun, madeUpRuns } from '#test/support/sim-results'

let folder: string
const at = (name: string): string => join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-report-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What a person would be told. */
async function told(reading: Promise<unknown>): Promise<string> {
  const error: unknown = await reading.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ReportError)
  return (error as ReportError).message
}

describe('runs as JSON', () => {
  test.each([
    ['good', madeUpRuns(3)],
    ['failed', [failedRun()]],
    ['empty', [emptyRun()]],
    ['hostile', [hostileRun()]],
  ])('come back as they were: %s', async (name, runs) => {
    await writeRuns(at(`${name}.json`), runs)
    expect(await readRuns(at(`${name}.json`))).toEqual(runs)
  })

  test('say what they are, in a file that is whole', async () => {
    await writeRuns(at('new/folder/runs.json'), [madeUpRun()])
    const text = await readFile(at('new/folder/runs.json'), 'utf8')
    const { version, generatedBy, runs } = JSON.parse(text)
    expect({ version, generatedBy, runs: runs.length }).toEqual({
      version: 1,
      generatedBy: 'proofwire sim',
      runs: 1,
    })
    expect(await readdir(at('new/folder'))).toEqual(['runs.json'])
  })

  test('keep a figure that is no number as one that is missing', async () => {
    const run: RunResult = {
      ...madeUpRun(),
      measures: [{ name: 'a', unit: '1', value: Number.NaN }],
    }
    await writeRuns(at('nan.json'), [run])
    expect((await readRuns(at('nan.json')))[0]!.measures[0]!.value).toBeNaN()
  })

  test('leave what was there when they cannot be written', async () => {
    expect(await told(writeRuns(folder, [madeUpRun()]))).toMatch(/^Cannot write .+\.$/)
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
})

describe('a file that is no set of runs', () => {
  const file = async (name: string, content: unknown): Promise<string> => {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    await writeFile(at(name), text)
    return at(name)
  }
  const whole = { version: 1, generatedBy: 'proofwire sim' }

  test('is not there', async () => {
    expect(await told(readRuns(at('nowhere.json')))).toMatch(
      /^Cannot read .+nowhere\.json: there is no such file\. .+npm run sim -- SCENARIO --json FILE$/,
    )
    expect(await told(readRuns(folder))).toMatch(/it is a folder/)
  })

  test.each([
    ['', /is not JSON/],
    ['{"version": 1', /is not JSON/],
    ['null', /holds no results of a simulation/],
    ['[1, 2]', /holds no results of a simulation/],
    ['{"name": "proofwire"}', /holds no results of a simulation/],
    [{ ...whole, version: 2, runs: [] }, /is of version 2, and this program reads 1: run the sc/],
    [{ ...whole, runs: [] }, /holds no runs/],
    [{ ...whole, runs: {} }, /is damaged: runs should be a list/],
    [{ ...whole, runs: [7] }, /runs\[0\] should be an object/],
    [{ ...whole, runs: [{ ...madeUpRun(), seed: 1.5 }] }, /runs\[0\]\.seed should be a whole num/],
    [{ ...whole, runs: [{ ...madeUpRun(), digest: undefined }] }, /runs\[0\]\.digest should be te/],
    [
      { ...whole, runs: [{ ...madeUpRun(), settings: { a: { b: 1 } } }] },
      /runs\[0\]\.settings\.a should be text, a number, or true or false/,
    ],
    [
      {
        ...whole,
        runs: [{ ...madeUpRun(), curves: [{ name: 'odd', unit: 'ms', quantiles: [] }] }],
      },
      /runs\[0\]\.curves\[0\]\.name should be one of propagation/,
    ],
    [
      {
        ...whole,
        runs: [{ ...madeUpRun(), curves: [{ name: 'duplicates', unit: '1', quantiles: [1, 2] }] }],
      },
      /runs\[0\]\.curves\[0\]\.quantiles should be empty or 101 numbers/,
    ],
    [
      { ...whole, runs: [madeUpRun(), { ...madeUpRun(), scenario: 'calm' }] },
      /holds runs of several scenarios \(rush-hour, calm\)/,
    ],
  ])('but %j', async (content, problem) => {
    const path = await file('bad.json', content)
    const message = await told(readRuns(path))
    expect(message).toMatch(problem)
    expect(message).toContain(path)
  })

  test('but runs of another scenario: it says how to make the right ones', async () => {
    await writeRuns(at('calm.json'), [{ ...madeUpRun(), scenario: 'calm' }])
    expect(await readRuns(at('calm.json'), 'calm')).toHaveLength(1)
    expect(await told(readRuns(at('calm.json'), 'rush-hour'))).toMatch(
      /is of scenario calm, not rush-hour\. .+npm run sim -- rush-hour --json FILE/,
    )
  })
})

test('runs of different scenarios are never compared', async () => {
  const other = [{ ...madeUpRun(), scenario: 'calm' }]
  const options = { columns: 100, isColoured: false }
  const problem = /are of scenario calm, these are of rush-hour/
  expect(() => reportToTerminal([madeUpRun()], { ...options, compare: other })).toThrow(problem)
  expect(await told(writePage(at('page.html'), [madeUpRun()], other))).toMatch(problem)
  expect(() => reportToTerminal([], options)).toThrow(ReportError)
})
