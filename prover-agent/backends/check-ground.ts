/**
 * Where a program is checked: a folder of its own with a home, a temporary folder and the jobs in
 * it. What it writes there, and what it leaves running, is found without being root, by looking
 * before and after: a place that nobody watches is not seen.
 */
import { randomUUID } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { lstat, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { isAbsolute, join, relative, sep } from 'node:path'
import { ownEnvironment } from './command.ts'

export type GroundOptions = {
  /** Folders it may write in: absolute, or in the home folder, where it finds its own then. */
  readonly caches: readonly string[]
  /** Folders to watch besides: the program's own, for instance. */
  readonly watched: readonly string[]
}

export type Ground = {
  /** Where the jobs' directories are made. */
  readonly jobs: string
  /** What the program finds in its environment. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What was made, changed or removed outside of the jobs' directories since the ground was. */
  changes(): Promise<readonly string[]>
  /**
   * Ids of the processes that carry this ground's mark. Null where the system does not show other
   * processes' environment (anything but Linux).
   */
  processes(): Promise<readonly number[] | null>
  remove(): Promise<void>
}

/** The variable that marks what was started here. */
const MARK = 'BACKEND_CHECK'
/** Variables that would lead a program to the real home's caches. */
const CACHE_VARIABLES = /^XDG_|^(HOME|USERPROFILE|TMPDIR|TMP|TEMP)$/
/** Files compared at most; a watched folder with more is a mistake. */
const MAX_FILES = 100_000

export async function createGround({ caches, watched }: GroundOptions): Promise<Ground> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'backend-check-')))
  const [home, temporary, jobs] = ['home', 'temporary', 'jobs'].map((name) => join(root, name))
  for (const folder of [home!, temporary!, jobs!]) await mkdir(folder)
  const allowed = await linkCaches(caches, home!)
  const mark = randomUUID()
  const own = Object.entries(ownEnvironment()).filter(([name]) => !CACHE_VARIABLES.test(name))
  const folders = [root, ...(await Promise.all(watched.map((folder) => realpath(folder))))]
  const look = () => snapshot(folders, [jobs!, ...allowed])
  const before = await look()
  return {
    jobs: jobs!,
    environment: {
      ...Object.fromEntries(own),
      HOME: home,
      USERPROFILE: home,
      TMPDIR: temporary,
      TMP: temporary,
      TEMP: temporary,
      [MARK]: mark,
    },
    async changes() {
      const left = await readdir(jobs!) // each job's directory is gone by now
      return [...left.map((name) => `made ${join(jobs!, name)}`), ...compare(before, await look())]
    },
    processes: () => marked(`${MARK}=${mark}`),
    remove: () => rm(root, { recursive: true, force: true }),
  }
}

/** Makes the caches of the real home part of the other one; returns the real folders' paths. */
async function linkCaches(caches: readonly string[], home: string): Promise<string[]> {
  const allowed: string[] = []
  for (const cache of caches) {
    const real = isAbsolute(cache) ? cache : join(homedir(), cache)
    await mkdir(real, { recursive: true })
    allowed.push(await realpath(real))
    const within = relative(homedir(), real)
    if (within === '' || within.startsWith('..') || isAbsolute(within)) continue
    await mkdir(join(home, within, '..'), { recursive: true })
    await symlink(real, join(home, within))
  }
  return allowed
}

/** Path → what would differ if the file were written. Links are not followed. */
type Snapshot = ReadonlyMap<string, string>

async function snapshot(folders: readonly string[], except: readonly string[]): Promise<Snapshot> {
  const found = new Map<string, string>()
  const isLeftOut = (path: string) =>
    except.some((folder) => path === folder || path.startsWith(folder + sep))
  const walk = async (folder: string): Promise<void> => {
    const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      const path = join(folder, entry.name)
      if (isLeftOut(path)) continue
      const info = await lstat(path).catch(() => null)
      if (info === null) continue
      const { ino, mode, size, mtimeMs } = info
      // A folder's own size and time only repeat what its entries say.
      found.set(path, entry.isDirectory() ? `${mode}` : [ino, mode, size, mtimeMs].join(' '))
      if (found.size > MAX_FILES) {
        throw new Error(`more than ${MAX_FILES} files are watched; name smaller folders`)
      }
      if (entry.isDirectory()) await walk(path)
    }
  }
  for (const folder of folders) await walk(folder)
  return found
}

function compare(before: Snapshot, after: Snapshot): string[] {
  const changes: string[] = []
  for (const [path, state] of after) {
    if (!before.has(path)) changes.push(`made ${path}`)
    else if (before.get(path) !== state) changes.push(`changed ${path}`)
  }
  for (const path of before.keys()) if (!after.has(path)) changes.push(`removed ${path}`)
  return changes
}

/** Processes other than this one with this text in the environment they were started with. */
async function marked(text: string): Promise<readonly number[] | null> {
  if (process.platform !== 'linux') return null
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const carry = async (id: number): Promise<boolean> => {
    // Another user's process cannot be read, a dead one has none.
    const environment = await readFile(`/proc/${id}/environ`, 'latin1').catch(() => '')
    return environment.split('\0').includes(text)
  }
  const found = await Promise.all(ids.map(carry))
  return ids.filter((id, place) => found[place] && id !== process.pid)
}
