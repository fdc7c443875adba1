import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLog } from '#node/log'
import { StatusFile } from '#prover-agent/status'
import { HandClock } from '#test/support/hand-clock'
import { T0 } from '#test/support/messages'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-status-'))
})
afterEach(() => rm(folder, { recursive: true }))

function statusFile(dataFolder = folder) {
  const clock = new HandClock(T0)
  const lines: string[] = []
  const log = createLog({ level: 'info', format: 'human', write: (line) => lines.push(line) })
  const state = { earnedWei: 1n }
  const file = new StatusFile({ dataFolder, clock, log, snapshot: () => ({ ...state }) })
  const read = async () => JSON.parse(await readFile(file.path, 'utf8'))
  return { clock, lines, state, file, read }
}

test('the status is written at once, again as time passes, and when it is stopped', async () => {
  const { clock, state, file, read } = statusFile()
  file.start()
  await expect.poll(read).toEqual({ earnedWei: '1' })
  state.earnedWei = 2n ** 100n
  await clock.moveTo(T0 + 2_000)
  await expect.poll(read).toEqual({ earnedWei: String(2n ** 100n) })
  state.earnedWei = 3n
  await file.stop()
  expect(await read()).toEqual({ earnedWei: '3' })
  expect(clock.waiting).toBe(0)
  expect(await readdir(folder)).toEqual(['status.json'])
})

test('a disk that cannot be written is said once, and stops nothing', async () => {
  const blocked = join(folder, 'file')
  await writeFile(blocked, '')
  const { clock, lines, file } = statusFile(blocked)
  file.start()
  await expect.poll(() => lines.length).toBe(1)
  await clock.moveTo(T0 + 10_000)
  await file.stop()
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('cannot write the status file')
})
