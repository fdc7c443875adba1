/**
 * Small files that are either as they were or as they are to be, whenever a reader or a crash
 * comes.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AgentError } from './agent-error.ts'

/** Nothing the agent keeps in a file comes near this. Bytes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

/**
 * Writes a file whole before it takes its name. Makes its folder. @throws what the disk throws.
 *
 * @param options.sync Wait until the disk has it (fsync). Default true.
 */
export async function writeAtomically(
  path: string,
  text: string,
  options: { readonly sync?: boolean } = {},
): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString('hex')}.tmp`
  await mkdir(dirname(path), { recursive: true })
  try {
    const file = await open(draft, 'wx')
    try {
      await file.writeFile(text)
      if (options.sync !== false) await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/**
 * The file's JSON, or `undefined` when there is no such file. @throws AgentError that names the
 * file.
 */
export async function readJson(path: string): Promise<unknown> {
  const found = await stat(path).catch(() => null)
  if (found === null) return undefined
  if (!found.isFile() || found.size > MAX_FILE_BYTES) {
    throw new AgentError('FILE', `${path} is not a file this agent wrote. Move it away.`)
  }
  const text = await readFile(path, 'utf8')
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AgentError('FILE', `${path} is not JSON. Repair it or move it away.`, { cause })
  }
}
