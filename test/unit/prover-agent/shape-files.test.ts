import { copyFile, mkdir, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_KEY_FOLDER } from '#node/key-files'
import { serveKeys } from '#node/key-serving'
import { createLog, type Log, silentLog } from '#node/log'
import { streamProtocols } from '#protocol/topics'
import { buildShape } from '#prover-agent/circuits/build'
import {
  type KeyFileKind,
  keyFileKinds,
  loadVerificationKey,
  shapeFiles,
  shapes,
} from '#prover-agent/circuits/shapes'
import {
  isCompilerThere,
  missingShapeFiles,
  type ProvidingSettings,
  provideShapeFiles,
  requireShapeFiles,
} from '#prover-agent/shape-files'
import { startHost, stopHosts } from '#test/support/hosts'

const names = ['tiny'] as const
const kinds = Object.keys(keyFileKinds) as KeyFileKind[]
const never = new AbortController().signal

let folder: string
let keyFolder: string
let paths: ReturnType<typeof shapeFiles>
let lines: string[]
let log: Log
beforeAll(() => buildShape('tiny', () => {}), 120_000)
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-shape-files-'))
  keyFolder = join(folder, 'keys')
  paths = shapeFiles('tiny', keyFolder)
  await mkdir(join(folder, 'agent'))
  lines = []
  log = createLog({ level: 'info', format: 'human', write: (line) => lines.push(line) })
})
afterEach(async () => {
  await stopHosts()
  await rm(folder, { recursive: true })
})

async function copyBuilt(): Promise<void> {
  await mkdir(paths.directory, { recursive: true })
  const built = shapeFiles('tiny')
  for (const kind of kinds) await copyFile(built[kind], paths[kind])
}

async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  await file.write(Buffer.of(byte[0]! ^ 1), 0, 1, at)
  await file.close()
}

const settings = (changes: Partial<ProvidingSettings> = {}): ProvidingSettings => ({
  ...{ shapes: names, keyFolder, keyWaitMs: 100, dataFolder: join(folder, 'agent'), maxPeers: 32 },
  ...{ listen: [], announce: [], bootstrap: [] },
  ...changes,
})

/** The address of a node that has the built files. */
async function keysServed(): Promise<string> {
  const host = await startHost()
  const protocol = streamProtocols.keys
  const serving = await serveKeys({
    ...{ host, protocol, folder: DEFAULT_KEY_FOLDER, mibPerS: 1_000, log: silentLog },
  })
  await serving.ready
  return host.addresses()[0]!
}

describe('key files that are there', () => {
  test('are used as they are, without any networking', async () => {
    await copyBuilt()
    const nowhere = settings({ listen: ['/ip4/203.0.113.7/tcp/0'] })
    await provideShapeFiles(nowhere, log, never)
    expect(lines).toEqual([])
  })

  test.each(kinds)(
    'with one flipped byte are set aside, named and never used: %s',
    async (kind) => {
      await copyBuilt()
      const { bytes } = shapes.tiny.files[kind]
      await flip(paths[kind], Math.floor(bytes / 2))
      const missing = await missingShapeFiles(names, keyFolder, log)
      expect(missing.map(({ path }) => path)).toEqual([paths[kind]])
      const left = await readdir(paths.directory)
      expect(left).toContain(`${keyFileKinds[kind]}.wrong`)
      expect(left).not.toContain(keyFileKinds[kind])
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatch(/error a key file is not what it should be.*not used/)
      expect(lines[0]).toContain(paths[kind])
      await expect(requireShapeFiles(settings(), silentLog)).rejects.toMatchObject({
        code: 'KEYS',
        message: expect.stringContaining(paths[kind]),
      })
    },
  )

  test('cut short or empty are missing', async () => {
    await copyBuilt()
    for (const kind of ['zkey', 'wasm'] as const) {
      const file = await open(paths[kind], 'r+')
      await file.truncate(kind === 'zkey' ? 0 : 1_000_000)
      await file.close()
    }
    const missing = await missingShapeFiles(names, keyFolder, log)
    expect(missing.map(({ kind }) => kind)).toEqual(['wasm', 'zkey'])
  })
})

describe('key files that are missing', () => {
  test('come from a peer, and so does one that was flipped', async () => {
    await copyBuilt()
    await rm(paths.verificationKey)
    await flip(paths.wasm, 0)
    const bootstrap = [await keysServed()]
    await provideShapeFiles(settings({ bootstrap, keyWaitMs: 30_000 }), log, never)
    expect(await missingShapeFiles(names, keyFolder, silentLog)).toEqual([])
    expect((await loadVerificationKey('tiny', keyFolder)).wordCount).toBe(92)
    expect(lines.join('')).toMatch(/key files are missing; asking peers/)
  })

  test('are built here when no peer gives them for as long as was allowed', async () => {
    expect(isCompilerThere()).toBe(true)
    await provideShapeFiles(settings(), log, never, { limits: { progressMs: 20 } })
    expect(await missingShapeFiles(names, keyFolder, silentLog)).toEqual([])
    expect(lines.join('')).toMatch(/building key files here .*No peer gave anything/)
  })

  test('are waited for where they cannot be built, with what to do, until it is stopped', async () => {
    const stopping = new AbortController()
    const limits = { progressMs: 20, nobodyMs: 50 }
    const providing = provideShapeFiles(settings(), log, stopping.signal, {
      ...{ canBuild: false, limits },
    })
    const isSaid = () => lines.some((line) => line.includes('waiting for a peer'))
    while (!isSaid()) await new Promise((resolve) => setTimeout(resolve, 5))
    stopping.abort()
    await expect(providing).rejects.toBe(stopping.signal.reason)
    expect(lines[0]).toMatch(/node prover-agent\/circuits\/build\.ts tiny/)
    expect(lines[0]).toContain(paths.zkey)
  })
})
